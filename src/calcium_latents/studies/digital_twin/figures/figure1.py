"""Digital twin, Figure 1D to G: bar codes before and after alignment, clusters on a map, and what alignment is worth.

Inputs:
    bar_codes: bar_codes.nc of one data set.
    alignment: alignment.csv of the same data set.
    responses: responses.nc of the same neurons, for their animals and, if simulated, their true types.
    meis: meis.nc of the same neurons.
    scores: scores.csv of the same neurons, for the choice of the best-predicted ones.
"""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import mark
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.studies.digital_twin.bar_codes.bar_code_study import (
    ASCENT,
    DRIVE,
    ENERGY,
    GRADIENT,
    HARD,
    NONE,
    RANDOM,
    SMOOTH,
    SPECTRUM,
    TABLE_COLUMNS,
    WEIGHTS,
)
from calcium_latents.studies.digital_twin.figures.panels import cluster_look, show_grey

INPUTS = {
    "bar_codes": "{probed}/bar_codes.nc",
    "alignment": "{probed}/alignment.csv",
    "responses": "{probed}/responses.nc",
    "meis": "{probed}/meis.nc",
    "scores": "{probed}/scores.csv",
}
EACH = ("probed",)
MODEL, GOODNESS = "digital_twin", "single_trial"
SHOWN_CLUSTERS, SHOWN_NEURONS, ACROSS = 4, 16, 4  # of the paper's panel F
WINDOW_PX = 22  # of an image around the centre of an MEI's energy
MOST_TYPES = 16  # in a legend
LINE = 150  # characters of a note that fit into the page
#: method -> (name in print, colour, marker), from top to bottom
LOOKS = {
    NONE: ("no alignment", style.GREY, "<"),
    RANDOM: ("random shifts (null)", style.GREY, ">"),
    ENERGY: ("no shift: energy over rotations", style.BLACK, "v"),
    SPECTRUM: ("no shift: |Fourier| over rotations", style.BLACK, "^"),
    HARD: ("whole shifts", style.ORANGE, "D"),
    GRADIENT: ("soft shift, gradient (published)", style.PURPLE, "P"),
    ASCENT: ("soft shift, ascent", style.BLUE, "s"),
    SMOOTH: ("Fourier shift, ascent (ours)", style.VERMILLION, "o"),
}
METRIC_NAMES = {DRIVE: "metric of drives (ours)", WEIGHTS: "weights (published)"}
OF_BOX = {DRIVE: "metric of drives", WEIGHTS: "weights"}


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    codes, meis, responses = (read_dataset(inputs[name][0]) for name in ("bar_codes", "meis", "responses"))
    table = read_tables(inputs, "alignment", TABLE_COLUMNS)
    scores = read_tables(inputs, "scores", ("method", "neuron", GOODNESS))
    for name, box in (("meis", meis), ("responses", responses)):
        if not np.array_equal(box["neuron"].values, codes["neuron"].values):
            raise UserError(
                f"{inputs[name][0]}: neuron: expected the {codes.sizes['neuron']} neurons of {inputs['bar_codes'][0]}, "
                f"found {box.sizes['neuron']} others. Give files of one data set."
            )
    known = table["ari"].notna().any()
    fig = style.figure(9.6)
    grid = fig.add_gridspec(4, 1, height_ratios=(2.1, 2.5, 1.75, 2.7))
    top = _matrices(fig, grid[0], codes)
    left, right = (fig.add_subplot(cell) for cell in grid[1].subgridspec(1, 2))
    shown = _shown(codes, meis)
    _map_of_clusters(left, codes, shown, table if known else None)
    _map_of_kinds(right, codes, responses)
    goodness = scores[scores["method"] == MODEL].groupby("neuron")[GOODNESS].mean()
    examples = _meis(fig, grid[2], codes, meis, shown, goodness.reindex(codes["neuron"].values).to_numpy())
    types = len(np.unique(responses["neuron_type"].values.astype(str))) if "neuron_type" in responses else 0
    bottom = _agreement(fig, grid[3], table, codes, types) if known else _coherence(fig, grid[3], table)
    for axis, letter, x in (
        (top, "A", -0.03),
        (left, "B", -0.02),
        (right, "C", -0.02),
        (bottom, "E", -0.62 if known else -0.3),
    ):
        style.panel_letter(axis, letter, x=x, y=1.03)
    style.panel_letter(examples, "D", x=0.0, y=1.1)
    _note(fig, table, codes, known)
    return style.save(fig, output_stem)


def _type_look(kind: int) -> dict[str, str]:
    """Return colour and marker of a true type or an animal: 64 pairs."""
    return {"color": style.GROUPS[kind % 8][0], "marker": style.GROUPS[(kind + kind // 8) % 8][1]}


def _matrices(fig, cell, codes: xr.Dataset) -> Axes:
    """Panel A: bar codes, a row each, before and after; neurons by cluster, within it by the code's likeness to it."""
    before, after = (codes[name].values for name in ("bar_code", "aligned"))
    cluster, (neurons, rotations, features) = codes["cluster"].values, after.shape
    flat = after.reshape(neurons, -1)
    centres = np.stack([flat[cluster == c].mean(axis=0) for c in range(cluster.max() + 1)])
    order = np.lexsort((-(flat * centres[cluster]).sum(axis=1), cluster))
    ends = np.flatnonzero(np.diff(cluster[order])) + 0.5
    limit = float(np.quantile(np.abs(np.concatenate([before, after])), 0.995)) or 1.0
    look = {"aspect": "auto", "cmap": "PuOr_r", "vmin": -limit, "vmax": limit, "rasterized": True}
    axes = [fig.add_subplot(one) for one in cell.subgridspec(1, 2)]
    titles = "before alignment: weights", f"after alignment: {OF_BOX[codes.attrs['metric']]}"
    for axis, values, title in zip(axes, (before, after), titles, strict=True):
        # one block of columns a rotation; within it the features
        image = axis.imshow(values.reshape(neurons, -1)[order], **look)
        axis.hlines(ends, -0.5, rotations * features - 0.5, color=style.BLACK, lw=0.35 if len(ends) < 20 else 0.12)
        axis.set(title=title, xlabel="rotation", xticks=(np.arange(rotations) + 0.5) * features - 0.5)
        axis.set_xticklabels([f"{360 * j / rotations:g}°" for j in range(rotations)])
        axis.spines[:].set_visible(False)
    axes[0].set_ylabel("neurons, by cluster")
    axes[1].tick_params(labelleft=False)
    bar = fig.colorbar(image, ax=axes, pad=0.01, aspect=18, ticks=style.few_ticks())
    bar.outline.set_linewidth(0.4)
    bar.set_label("entry (code of norm 1)")
    return axes[0]


def _scatter(axis: Axes, codes: xr.Dataset, index: np.ndarray, look) -> None:
    """Draw the map, with the `look` of a cluster or type for each `index` [neuron]."""
    points = codes["tsne"].values
    size = float(np.clip(4000 / len(points), 2, 12))
    for one in range(index.max() + 1):
        strokes = look is cluster_look
        width = {"linewidths": 0.8 if size > 6 else 0.5} if strokes else {"linewidths": 0}
        axis.scatter(*points[index == one].T, s=size * (1.6 if strokes else 1), alpha=0.8, **width, **look(one))
    axis.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")


def _key(axis: Axes, labels: list[str], look, **place) -> None:
    """Say what marks are, beside the map, unless there are too many."""
    if len(labels) <= MOST_TYPES:
        handles = [mark(label, ms=3.5, **look(one)) for one, label in enumerate(labels)]
        axis.legend(handles=handles, handletextpad=0.1, fontsize=5.5, **place)


def _shown(codes: xr.Dataset, meis: xr.Dataset) -> list[int]:
    """Return clusters to show: the largest, then each the farthest on the map from those before.

    Of clusters with at least half as many MEIs as the one with most of them.
    """
    cluster, points = codes["cluster"].values, codes["tsne"].values
    has = np.isfinite(meis["mei"].values).all(axis=(1, 2))
    counts = np.bincount(cluster[has], minlength=cluster.max() + 1)
    candidates = [int(c) for c in np.flatnonzero(counts >= max(min(counts.max(), SHOWN_NEURONS) / 2, 1))]
    centres = {c: np.median(points[cluster == c], axis=0) for c in candidates}
    chosen = candidates[:1]
    while len(chosen) < min(SHOWN_CLUSTERS, len(candidates)):
        rest = [c for c in candidates if c not in chosen]
        chosen.append(max(rest, key=lambda c: min(np.linalg.norm(centres[c] - centres[d]) for d in chosen)))
    return sorted(chosen)


def _map_of_clusters(axis: Axes, codes: xr.Dataset, shown: list[int], table: pd.DataFrame | None) -> None:
    """Panel B: the map by cluster; those of panel D are numbered."""
    cluster, points = codes["cluster"].values, codes["tsne"].values
    _scatter(axis, codes, cluster, cluster_look)
    place = {"title": "cluster", "title_fontsize": 5.5, "loc": "center right", "bbox_to_anchor": (-0.06, 0.5)}
    _key(axis, [f"{c + 1}" for c in range(cluster.max() + 1)], cluster_look, **place)
    for c in shown:
        at = np.median(points[cluster == c], axis=0)
        box = {"facecolor": "white", "edgecolor": "0.3", "lw": 0.4, "pad": 1.2, "alpha": 0.9}
        line = {"arrowstyle": "-", "lw": 0.5, "color": "0.3"}
        axis.annotate(
            f"{c + 1}", at, (11, 11), textcoords="offset points", ha="center", va="center", fontsize=7, bbox=box,
            fontweight="bold", arrowprops=line,
        )  # fmt: skip
    title = f"k-means, {cluster.max() + 1} clusters of {len(cluster)} neurons"
    if table is not None:
        row = _chosen(table, codes)
        title += f"\nadjusted Rand index {row['ari']:.2f} [{row['ari_lower']:.2f}, {row['ari_upper']:.2f}]"
    axis.set_title(title)


def _chosen(table: pd.DataFrame, codes: xr.Dataset) -> pd.Series:
    """Return the row of the alignment and the number of clusters that the box holds."""
    near = np.isclose(table["temperature"], codes.attrs["temperature"], rtol=1e-6)
    for name in ("method", "metric", "clusters"):
        near &= table[name] == codes.attrs[name]
    rows = table[near]
    if rows.empty:
        raise UserError(
            f"input alignment: expected a row of {codes.attrs['method']}, {codes.attrs['metric']}, at temperature "
            f"{codes.attrs['temperature']:g} with {codes.attrs['clusters']} clusters, found none."
        )
    return rows.iloc[0]


def _map_of_kinds(axis: Axes, codes: xr.Dataset, responses: xr.Dataset) -> None:
    """Panel C: the map by true type, or by animal where no type is known."""
    known = "neuron_type" in responses
    kinds = responses["neuron_type" if known else "animal"].values
    names, index = np.unique(kinds.astype(str) if known else kinds, return_inverse=True)
    _scatter(axis, codes, index, _type_look)
    axis.set_title("the same map by true type" if known else "the same map by animal (should not form islands)")
    labels = [str(name) if known else f"animal {name}" for name in names]
    _key(
        axis,
        labels,
        _type_look,
        title="true type" if known else None,
        title_fontsize=5.5,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )


def _meis(fig, cell, codes: xr.Dataset, meis: xr.Dataset, shown: list[int], goodness: np.ndarray) -> Axes:
    """Panel D: MEIs of the best-predicted neurons of a few clusters, from the upper left on."""
    cluster = codes["cluster"].values
    has = np.isfinite(meis["mei"].values).all(axis=(1, 2))
    frame = fig.add_subplot(cell.subgridspec(1, 1)[0])
    frame.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    frame.spines[:].set_visible(False)
    width = 1 / max(len(shown), 1)
    most = min(max([((cluster == c) & has).sum() for c in shown], default=1), SHOWN_NEURONS)
    height = 1 / -(-most // ACROSS)  # of a row
    for block, c in enumerate(shown):
        members = np.flatnonzero((cluster == c) & has)
        best = members[np.argsort(-np.nan_to_num(goodness[members], nan=-1), kind="stable")][:SHOWN_NEURONS]
        left = (block + 0.03) * width
        for place, neuron in enumerate(best):
            row, column = divmod(place, ACROSS)
            size = 0.94 * width / ACROSS
            inset = frame.inset_axes([left + column * size, 1 - height * (row + 1), 0.95 * size, 0.94 * height])
            _show(inset, meis["mei"].values[neuron])
        text = f"cluster {c + 1}: {len(best)} of {(cluster == c).sum()} neurons"
        frame.text(left + 0.47 * width, 1.03, text, ha="center", va="bottom", fontsize=6.5)
        frame.plot(left + 0.02 * width, 1.075, ls="", ms=4, clip_on=False, **cluster_look(c))
    if not shown:
        frame.text(0.5, 0.5, "no MEI was made", ha="center", color="0.3")
    return frame


def _show(axis: Axes, image: np.ndarray) -> None:
    """Draw a square window of an image around the centre of its energy; grey is zero."""
    energy, half = np.square(image), WINDOW_PX // 2
    centre = [np.sum(energy * grid) / max(energy.sum(), 1e-12) for grid in np.indices(image.shape)]
    start = [int(np.clip(round(c) - half, 0, max(n - WINDOW_PX, 0))) for c, n in zip(centre, image.shape, strict=True)]
    window = image[start[0] : start[0] + WINDOW_PX, start[1] : start[1] + WINDOW_PX]
    show_grey(axis, window)


def _ordered(table: pd.DataFrame) -> list[tuple[str, str, list[pd.Series]]]:
    """Return method, name in print and its rows (a row a metric) of every way to align, from top to bottom.

    The published alignment learns a temperature of its own in each metric.
    """
    # of one method, the n-th temperature of one metric belongs with the n-th of the other
    place = table.groupby(["method", "metric"])["temperature"].rank(method="first", na_option="top")
    ways = []
    for method, (name, _, _) in LOOKS.items():
        for _, rows in table[table["method"] == method].groupby(place, sort=True):
            values = " | ".join(dict.fromkeys(f"{row.temperature:.3g}" for row in rows.itertuples()))
            label = f"{name}, T = {values}" if method in (GRADIENT, ASCENT, SMOOTH) else name
            ways.append((method, label, [row for _, row in rows.iterrows()]))
    return ways


def _look_of(row: pd.Series) -> tuple[float, dict]:
    """Return how far below the line of its method a row is drawn, and its marker: filled for drives."""
    _, colour, marker = LOOKS[row["method"]]
    drive = row["metric"] == DRIVE
    look = {"color": colour, "marker": marker, "ms": 4 if drive else 3.6, "mfc": colour if drive else "white"}
    return (-0.21 if drive else 0.21), look


def _lines(axis: Axes, ways: list) -> None:
    axis.set(yticks=range(len(ways)), ylim=(len(ways) - 0.4, -0.6))
    axis.grid(axis="x", color="0.9", lw=0.5)
    axis.set_axisbelow(True)
    for at in range(1, len(ways)):
        axis.axhline(at - 0.5, color="0.93", lw=0.4, zorder=0)


def _names(axis: Axes, ways: list) -> None:
    """Write names of ways to align, the chosen one in bold, and what filled and open markers are."""
    axis.set_yticklabels([label for _, label, _ in ways])
    for at, (_, _, rows) in enumerate(ways):
        if any(row["chosen"] for row in rows):
            axis.get_yticklabels()[at].set_fontweight("bold")
    metrics = {row["metric"] for _, _, rows in ways for row in rows}
    handles = [
        mark(text, "0.2", "o", ms=4, mfc="0.2" if metric == DRIVE else "white")
        for metric, text in METRIC_NAMES.items()
        if metric in metrics
    ]
    place = {"loc": "upper right", "bbox_to_anchor": (-0.02, -0.02), "borderaxespad": 0.0}
    axis.legend(handles=handles, handletextpad=0.1, fontsize=6, labelspacing=0.2, **place)


def _agreement(fig, cell, table: pd.DataFrame, codes: xr.Dataset, types: int) -> Axes:
    """Panel E: adjusted Rand index, and homogeneity with twice as many clusters, by way to align and metric."""
    left, right = (fig.add_subplot(one) for one in cell.subgridspec(1, 2, width_ratios=(1.35, 1)))
    number, twice = int(codes.attrs["clusters"]), int(table["clusters"].max())
    for axis, clusters, name, chance in (
        (left, number, "ari", "chance_upper"),
        (right, twice, "homogeneity", "chance_homogeneity"),
    ):
        ways = _ordered(table[table["clusters"] == clusters])
        for at, (_, _, rows) in enumerate(ways):
            for row in rows:
                below, look = _look_of(row)
                axis.barh(at + below, row[chance], height=0.42, color="0.85", zorder=0)
                if name == "ari":
                    error = [[row["ari"] - row["ari_lower"]], [row["ari_upper"] - row["ari"]]]
                    look |= {"xerr": np.maximum(error, 0), "capsize": 1.2, "elinewidth": 0.7}
                axis.errorbar(row[name], at + below, **look)
        _lines(axis, ways)
        axis.set_xlim(min(0, table["ari"].min()) - 0.02, 1.03)
    _names(left, ways)
    right.tick_params(labelleft=False)
    left.set(xlabel="adjusted Rand index", title=f"{number} clusters against {types} true types")
    right.set(xlabel="homogeneity (1: one type in a cluster)", title=f"{twice} clusters")
    return left


def _coherence(fig, cell, table: pd.DataFrame) -> Axes:
    """Panel E without types: how much of the codes all neurons share, for methods that shift."""
    axis = fig.add_subplot(cell.subgridspec(1, 1)[0])
    rows = table.dropna(subset=["coherence"]).drop_duplicates(["method", "metric", "temperature"])
    ways = _ordered(rows)
    for at, (_, _, pair) in enumerate(ways):
        for row in pair:
            below, look = _look_of(row)
            axis.barh(at + below, row["chance_coherence"], height=0.42, color="0.85", zorder=0)
            axis.plot(row["coherence"], at + below, ls="", **look)
    _lines(axis, ways)
    _names(axis, ways)
    axis.set_xlim(0, 1.1 * max(rows["coherence"].max(), 0.05))
    axis.set_xlabel("|mean code|² / mean |code|²")
    axis.set_title("no true types are known: what all neurons' codes share")
    return axis


def _note(fig, table: pd.DataFrame, codes: xr.Dataset, known: bool) -> None:
    label = str(table["label"].iloc[0])
    metric, temperature = OF_BOX[codes.attrs["metric"]], codes.attrs["temperature"]
    text = (
        f"{label}, n = {codes.sizes['neuron']} neurons of one fitted model (one seed). A to D: "
        f"{LOOKS[codes.attrs['method']][0]}, {metric}, T = {temperature:.3g}; cluster 1 is the largest; marks of "
        f"clusters (B) are strokes, those of {'types' if known else 'animals'} (C) are filled; D: up to "
        f"{SHOWN_NEURONS} neurons of highest test correlation, each image on its own scale. "
    )
    if known:
        text += (
            "E: bars: 95 % bootstrap over neurons with clusters as they are; grey: chance, up to the 97.5 % quantile "
            "(left) or on average (right) of permuted types; bold: used in A to D. The metric of drives was introduced "
            "after weights were seen to split types on the simulation of seed 1; the default T was chosen on "
            "simulations of seeds 101 and 202. "
        )
    else:
        text += "E: grey: random shifts at the same temperature (chance); a high value does not speak of clusters. "
    text += "T: where the published alignment learned two, of drives | of weights."
    fig.supxlabel(fill(text, LINE), fontsize=6, color="0.3")

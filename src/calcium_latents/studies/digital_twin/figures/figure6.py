"""Digital twin, Figures 1F, 1G and 6: most exciting images (MEIs) of clusters and neurons, and how much they share.

Inputs:
    meis: meis.nc of one data set.
    bar_codes: bar_codes.nc of the same neurons, with their t-SNE map.
    comparison: stimulus_comparison.csv of the same neurons.
    paper: what the paper states.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from scipy.optimize import linear_sum_assignment

from calcium_latents.claims.paper import paper_values
from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below, mark, tidy
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.studies.digital_twin.figures.panels import cluster_look, show_grey

INPUTS = {
    "meis": "{probed}/meis.nc",
    "bar_codes": "{probed}/bar_codes.nc",
    "comparison": "{probed}/stimulus_comparison.csv",
    "paper": "config/papers/digital_twin.yaml",
}
EACH = ("probed",)
ROOM = 2.6  # cells of the map for each cluster
MOST_COLUMNS, MOST_ROWS = 10, 7  # smaller cells hold no text
SPREAD = 0.15  # how far, as a part of the map, an image moves to lie on an empty cell and not on one of few neurons
SHOWN_CLUSTERS, SHOWN_NEURONS = 6, 5
#: variable -> (name in print, colour, marker)
FRACTIONS = {
    "cluster_mei_fraction": ("cluster MEI", style.VERMILLION, "o"),
    "cluster_gabor_fraction": ("cluster's optimal Gabor", style.BLUE, "s"),
    "cluster_shuffled_fraction": ("MEI of a random group of as many neurons (null)", style.BLACK, "x"),
    "cluster_other_fraction": ("another cluster's MEI, best angle (null)", style.GREY, "v"),
    "cluster_noise_fraction": ("noise in the same basis, best angle (null)", style.GREY, "+"),
}
#: column -> (name in print, colour)
INDICES = {
    "gabor_vs_mei": ("Gabor /\nMEI", style.BLUE),
    "dog_vs_mei": ("DoG /\nMEI", style.GREEN),
    "gabor_vs_dog": ("Gabor /\nDoG", style.ORANGE),
    "null_other_vs_mei": ("other's MEI\n/ MEI (null)", style.GREY),
    "null_noise_vs_mei": ("noise /\nMEI (null)", style.GREY),
}
LOWEST = 0.01  # of the axis of indices
QUANTILES = {"lowest": 0.05, "lower": 0.25, "value": 0.5, "upper": 0.75, "highest": 0.95}


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the numbers of the figure.

    A: the commonest true `neuron_type` of each `cluster`, and the part `value` that it makes up. C: rate to a shared
    image over that to own MEIs: of every neuron, of clusters (of `n` neurons each) by `stimulus`, and their mean over
    optimised neurons. D: median `value`, quartiles and 5th and 95th percentile over `n` neurons of every `index` of the
    model and, where they are known, of the true neurons.
    """
    meis, codes = read_dataset(inputs["meis"][0]), read_dataset(inputs["bar_codes"][0], ["cluster"])
    comparison = read_tables(inputs, "comparison", ("neuron", "cluster", *INDICES))
    count = meis.sizes["neuron"]
    for name, found in (("bar_codes", codes.sizes["neuron"]), ("comparison", len(comparison))):
        if found != count:
            raise UserError(
                f"{inputs[name][0]}: expected the {count} neurons of {inputs['meis'][0]}, found {found}. "
                "Give files of one data set."
            )
    rate, own = meis["cluster_mei_rate"].values, meis["mei_rate"].values
    ratio = np.where(own > 0, rate / np.where(own > 0, own, 1), np.nan)
    cluster, weights = meis["cluster_of_neuron"].values, meis["cluster_optimised_neurons"].values
    neurons = {"neuron": meis["neuron"].values, "cluster": cluster, "stimulus": "cluster_mei_fraction", "value": ratio}
    fractions = [pd.DataFrame(neurons).dropna()]
    for name in FRACTIONS:
        values = meis[name].values
        known = np.isfinite(values)
        fractions.append(pd.DataFrame({"cluster": np.arange(len(values)), "value": values, "n": weights}))
        mean = np.average(values[known], weights=weights[known])
        fractions[-1].loc[len(values)] = {"value": mean, "n": weights[known].sum()}
        fractions[-1]["stimulus"] = name
    indices = []
    for source, prefix in (("model", ""), ("truth", "true_")):
        known = [name for name in INDICES if prefix + name in comparison]
        for name in known if len(known) == len(INDICES) else ():
            values = comparison[prefix + name].dropna()
            found = {key: values.quantile(quantile) for key, quantile in QUANTILES.items()}
            indices.append({"source": source, "index": name, "n": len(values), **found})
    return tidy({"A": _types(meis), "C": pd.concat(fractions), "D": pd.DataFrame(indices)})


def _types(meis: xr.Dataset) -> pd.DataFrame:
    """Return for each cluster the true type that most of its neurons have, and their part; no row without truth."""
    if "neuron_type" not in meis:
        return pd.DataFrame()
    types = pd.Series(meis["neuron_type"].values.astype(str)).groupby(meis["cluster_of_neuron"].values)
    parts = types.value_counts(normalize=True).rename_axis(["cluster", "neuron_type"]).reset_index(name="value")
    return parts.sort_values("value", ascending=False, kind="stable").drop_duplicates("cluster").sort_values("cluster")


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    meis, codes = read_dataset(inputs["meis"][0]), read_dataset(inputs["bar_codes"][0], ["cluster", "tsne"])
    kinds, fractions, indices = (table[table["panel"] == letter] for letter in "ACD")
    types = {int(row.cluster): (row.neuron_type, row.value) for row in kinds.itertuples()}
    fig = style.figure(9.4)
    upper, middle, lower = fig.add_gridspec(3, 1, height_ratios=(4.1, 2.0, 2.0))
    whole = fig.add_subplot(upper)
    _map(whole, meis, codes, types)
    examples = _examples(fig, middle, meis, types)
    left, right = (fig.add_subplot(cell) for cell in lower.subgridspec(1, 2, width_ratios=(1.7, 1)))
    _fractions(left, fractions, meis.sizes["cluster"], paper_values(inputs)["cluster_mei"].value)
    _indices(right, indices)
    style.panel_letter(whole, "A", x=0.0, y=1.0)
    style.panel_letter(examples, "B", x=0.0, y=1.15)
    style.panel_letter(left, "C", x=-0.09, y=1.04)
    style.panel_letter(right, "D", x=-0.2, y=1.04)
    _legend(fig, meis, indices)
    return style.save(fig, output_stem)


def _show(axis: Axes, image: np.ndarray) -> None:
    show_grey(axis, image, frame=True)
    axis.spines[:].set_linewidth(0.4)


def cells(places: np.ndarray, points: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """Return a cell (column, row) of a grid over the unit square for each of `places` [k, 2], no cell twice.

    Cells are near their place and hold none of `points` [n, 2], or else few: the sum is the least possible of squared
    distances to the cells' centres and, for cells with points, `SPREAD`^2 times (1 + their number over the largest).
    """
    column, row = (index.ravel() for index in np.meshgrid(np.arange(columns), np.arange(rows)))
    centres = np.stack([(column + 0.5) / columns, (row + 0.5) / rows], axis=1)
    held = np.histogram2d(*points.T, bins=(columns, rows), range=((0, 1), (0, 1)))[0][column, row]
    distance = ((places[:, None] - centres[None]) ** 2).sum(axis=2)
    chosen = linear_sum_assignment(distance + SPREAD**2 * ((held > 0) + held / max(held.max(), 1)))[1]
    return np.stack([column[chosen], row[chosen]], axis=1)


def _map(axis: Axes, meis: xr.Dataset, codes: xr.Dataset, types: dict[int, tuple[str, float]]) -> None:
    """Panel A: cluster MEIs near their cluster's place in the t-SNE map."""
    points, cluster = codes["tsne"].values, codes["cluster"].values
    low, high = points.min(axis=0), points.max(axis=0)
    points = 0.02 + 0.96 * (points - low) / np.where(high > low, high - low, 1)  # into the unit square
    clusters = meis.sizes["cluster"]
    # the median is a place where neurons are, also for a cluster in two parts
    places = np.stack([np.median(points[cluster == c], axis=0) for c in range(clusters)])
    columns = min(int(np.ceil(np.sqrt(ROOM * clusters * 1.35))), MOST_COLUMNS)
    rows = max(min(int(np.ceil(ROOM * clusters / columns)), MOST_ROWS), int(np.ceil(clusters / columns)))
    axis.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    for c in range(clusters):  # as in Figure 1
        look = {"s": 9, "linewidths": 0.6, "alpha": 0.55, "zorder": 1, "clip_on": False}
        axis.scatter(*points[cluster == c].T, **look, **cluster_look(c))
    lines = 2 + bool(types)
    height = 1 / rows - lines * 0.0165 - 0.025  # what the text below leaves of a cell
    for c, (column, row) in enumerate(cells(places, points, columns, rows)):
        x, top = (column + 0.5) / columns, (row + 1) / rows - 0.01
        axis.plot(*zip(places[c], (x, top - height / 2), strict=True), color="0.3", lw=0.5, zorder=2)
        axis.plot(*places[c], ".", color=style.BLACK, ms=3.5, zorder=3)
        inset = axis.inset_axes([column / columns, top - height, 1 / columns, height], zorder=4)
        _show(inset, meis["cluster_mei"].values[c])
        words = f"cluster {c + 1}, n = {meis['cluster_neurons'].values[c]}\n"
        words += f"{meis['cluster_mei_fraction'].values[c]:.0%} of own MEIs"
        words += "\n{} {:.0%}".format(*types[c]) if c in types else ""
        axis.text(
            x, top - height - 0.004, words, ha="center", va="top", fontsize=4.6, zorder=5, linespacing=1.1,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip


def _examples(fig, cell, meis: xr.Dataset, types: dict[int, tuple[str, float]]) -> Axes:
    """Panel B: own MEIs of single neurons of the largest clusters, beside the cluster's template."""
    order = np.argsort(-meis["cluster_neurons"].values, kind="stable")[:SHOWN_CLUSTERS]
    clusters = np.sort(order)
    across = 2 if len(clusters) > 1 else 1
    down = -(-len(clusters) // across)
    grid = cell.subgridspec(down, across * (SHOWN_NEURONS + 2), width_ratios=[1] * (SHOWN_NEURONS + 1) + [0.4] + (
        [1] * (SHOWN_NEURONS + 1) + [0.4] if across == 2 else []
    ))  # fmt: skip
    first = None
    optimised = np.isfinite(meis["mei_rate"].values)
    for place, c in enumerate(clusters):
        row, start = place % down, place // down * (SHOWN_NEURONS + 2)
        axis = fig.add_subplot(grid[row, start])
        first = first or axis
        _show(axis, meis["cluster_mei"].values[c])
        axis.spines[:].set_color(style.VERMILLION)
        axis.spines[:].set_linewidth(1.2)
        axis.set_ylabel(f"cluster {c + 1}", fontsize=6)
        neurons = np.flatnonzero(optimised & (meis["cluster_of_neuron"].values == c))[:SHOWN_NEURONS]
        for number, neuron in enumerate(neurons):
            axis = fig.add_subplot(grid[row, start + 1 + number])
            _show(axis, meis["mei"].values[neuron])
            if number == 0:
                axis.set_title(types.get(c, ("",))[0], fontsize=6, loc="left", pad=2)
    return first


def _fractions(axis: Axes, table: pd.DataFrame, count: int, published: float) -> None:
    """Panel C: drive of a shared image as a part of that of own MEIs, by cluster, with nulls and the baseline."""
    clusters, neurons = np.arange(count), table[table["neuron"].notna()]
    axis.axhline(published, color="0.6", lw=0.7, ls="--", zorder=0)
    axis.scatter(neurons["cluster"] - 0.28, neurons["value"], s=3, color=style.VERMILLION, alpha=0.3, linewidths=0)
    shared = table[table["neuron"].isna()]
    for index, (name, (_, colour, marker)) in enumerate(FRACTIONS.items()):
        open_marker = {"mfc": "none"} if marker == "v" else {}
        rows = shared[(shared["stimulus"] == name) & shared["cluster"].notna()]
        axis.plot(rows["cluster"] - 0.14 + 0.11 * index, rows["value"], marker, color=colour, ms=3.5, **open_marker)
    step = max(1, count // 17)
    axis.set_xticks(clusters[::step], clusters[::step] + 1)
    top = np.nanmax([shared["value"].max(), neurons["value"].quantile(0.99), 1])
    axis.set(xlabel="cluster, by size", ylabel="rate / rate to own MEI", ylim=(0, 1.08 * top))
    means = shared[shared["cluster"].isna()].set_index("stimulus")["value"]
    mean, gabor, shuffled = (means[f"cluster_{name}_fraction"] for name in ("mei", "gabor", "shuffled"))
    words = f"mean: cluster MEI {mean:.2f}, Gabor {gabor:.2f}, random groups {shuffled:.2f}"
    axis.set_title(f"{words}; dashed: paper, ~{published}", fontsize=6)


def _indices(axis: Axes, table: pd.DataFrame) -> None:
    """Panel D: ratios of responses at equal energy over neurons, of the model and, where known, of the true neurons."""
    known = list(dict.fromkeys(table["source"]))
    axis.axhline(1, color="0.6", lw=0.7, ls="--", zorder=0)
    for _, row in table.dropna(subset=["value"]).iterrows():
        colour, place = INDICES[row["index"]][1], list(INDICES).index(row["index"])
        low, first, median, third, high = np.maximum(row[list(QUANTILES)].astype(float), LOWEST)
        at = place + 0.3 * (known.index(row["source"]) - (len(known) - 1) / 2)
        axis.plot([at, at], [low, high], color=colour, lw=0.7)
        axis.plot([at, at], [first, third], color=colour, lw=3, solid_capstyle="butt", alpha=0.6)
        face = "white" if row["source"] == "truth" else colour
        axis.plot(at, median, "o", color=colour, ms=3.2, mfc=face, zorder=3)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xticks(range(len(INDICES)), [name for name, _ in INDICES.values()], fontsize=5.2)
    axis.set(ylabel="ratio of rates at equal norm", xlim=(-0.6, len(INDICES) - 0.4))
    title = "filled: model, open: true neurons" if len(known) > 1 else "model"
    axis.set_title(title, fontsize=6)


def _legend(fig, meis: xr.Dataset, indices: pd.DataFrame) -> None:
    handles = [
        mark(name, colour, marker, ms=4, mfc="none" if marker == "v" else colour)
        for name, colour, marker in FRACTIONS.values()
    ]
    optimised = np.isfinite(meis["mei_rate"].values)
    numbers = meis["cluster_optimised_neurons"].values
    each = f"{numbers.min()}" if numbers.min() == numbers.max() else f"{numbers.min()} to {numbers.max()}"
    best = "drawn at random" if meis.attrs.get("score") == "random" else "best predicted"
    compared = indices[indices["source"] == "model"].set_index("index")["n"]
    note = (
        f"{meis.attrs.get('label', '')}: {len(optimised)} neurons, {meis.sizes['cluster']} clusters; one twin, seed "
        f"{meis.attrs['seed']}. MEIs of {optimised.sum()} neurons ({each} a cluster, {best}); all images of L2 norm "
        f"{meis.attrs['norm']:g} in z-scored pixels. A: neurons on the t-SNE map, marks by cluster; lines lead to "
        "the median place of a cluster's neurons. A, B: each image on its own grey scale, zero in the middle; "
        "templates (framed red) turned so that stripes are vertical, own MEIs as they are. C: markers, mean over a "
        "cluster's optimised neurons in units of each neuron's scale; light points, single neurons. No intervals: the "
        "nulls say what is left without functional clusters. D: median, quartiles, 5th to 95th percentile over "
        f"{compared['gabor_vs_mei']:.0f} neurons (Gabor / DoG: {compared['gabor_vs_dog']:.0f}), "
        "mean over levels of energy around that norm; "
        f"values below {LOWEST:g} are drawn there."
    )
    legend_below(fig, handles, note, ncols=2)

"""AVAE, Figure 5: do clusters of neurons in latent space match their groups, and do latents follow parameters?

Inputs:
    clustering: clustering.csv of the data sets of all noise levels.
    separation: separation.csv of the same data sets; the one at the noise level that is shown is used.
    correlations: correlations.csv of the same data sets; as separation.
    paper: config/papers/avae.yaml.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from calcium_latents.claims.paper import read_paper
from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.latent_size_panel import size_axis
from calcium_latents.metrics.clustering import HEADLINE, PROTOCOLS, PUBLISHED
from calcium_latents.statistics.partitions import TEST_TO_TRAINING, UNRESOLVED, reported_fits
from calcium_latents.studies.avae.figure_tables import DIFFERENCE, differences, joined, named, of_partitions
from calcium_latents.studies.avae.figures import panels
from calcium_latents.studies.avae.latent_parameters import PARAMETERS
from calcium_latents.studies.avae.study import BASELINE
from calcium_latents.studies.avae.trace_embedding_scores import (
    ALL,
    CLUSTERING_COLUMNS,
    CORRELATION_COLUMNS,
    IDENTITY,
    SEPARATION_COLUMNS,
)

INPUTS = {
    "clustering": "{levels}/clustering.csv",
    "separation": "{levels}/separation.csv",
    "correlations": "{examples}/correlations.csv",
    "paper": "config/papers/avae.yaml",
}
NULL = "shuffled labels"
ALONE = " identity"  # after a method's name: its identity latents alone
SHOWN = {PUBLISHED: "published DBSCAN (peeks)", HEADLINE: "mixture, known number"}
NAMES = {
    PUBLISHED: "DBSCAN, published*",
    "dbscan relative, oracle": "DBSCAN, relative ε*",
    "dbscan, eps from training labels": "DBSCAN, ε by training labels",
    "dbscan knee": "DBSCAN, ε at the knee",
    "gmm bic": "mixture, number by BIC",
    HEADLINE: "mixture, known number",
    "gmm, known number, test neurons alone": "same, test neurons alone",
    "k-means, known number": "k-means, known number",
    "k-means, known number, unscaled": "same, latents unscaled",
    "hdbscan": "HDBSCAN",
}
SYMBOLS = {"a": "a", "b": "b", "v0": "v₀", "du": "Δu"}
TARGETS = {"group": "group", "inhibitory": "inhibitory"}
#: of other betas: line, marker, what the note says.
BETA_LINES = ((":", "v", "▾ dotted"), ("--", "^", "▴ dashed"), ("-.", "d", "⬩ dash-dotted"))
MARKS = {"ms": 3.6, "lw": 0.9}
LINE = 128  # characters of a note that fit into the page
SERIES = ["method", "latents"]
FIT = ["protocol", "split", *SERIES, "noise_level", "latent_size", "beta"]


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return indices over partitions, differences to PCA, correlations with parameters, and linear readouts.

    Rows of the method "shuffled labels" have the mean of the null (of panel E: chance) and its upper quantile.
    """
    wanted = read_paper("avae", inputs["paper"][0].parent)["noise_level"].value
    scores = read_tables(inputs, "clustering", CLUSTERING_COLUMNS)
    separation = read_tables(inputs, "separation", SEPARATION_COLUMNS)
    correlations = read_tables(inputs, "correlations", CORRELATION_COLUMNS)
    scores = scores[scores["split"].isin(panels.SPLITS)].dropna(subset=["noise_level", "ari"])
    correlations = correlations.dropna(subset=["noise_level"])
    _check(scores, correlations)
    level = _nearest(scores["noise_level"], wanted)
    correlations = correlations[correlations["noise_level"] == _nearest(correlations["noise_level"], wanted)]
    reported = set(zip(correlations["method"], correlations["latent_size"], correlations["beta"], strict=True))
    marked = [key in reported for key in zip(scores["method"], scores["latent_size"], scores["beta"], strict=True)]
    chosen = reported_fits(scores.assign(reported=np.array(marked, int)))
    here = chosen[chosen["noise_level"] == level]
    parts, betas = [], chosen.groupby("method")["beta"].first()
    for panel, rows, x in (("A", chosen, "noise_level"), ("B", scores[scores["noise_level"] == level], "latent_size")):
        rows = rows[rows["protocol"].isin(SHOWN)]
        parts.append(of_partitions(panel, rows, "ari", FIT, median=True))
        rows = rows[rows["beta"] == rows["method"].map(betas)]
        parts.append(_null(panel, rows, ["protocol", "split", x], "null_ari"))
    for _, rows in here[here["protocol"].isin(SHOWN)].groupby(["protocol", "split"]):
        test, neurons = rows["test_neurons"].mean(), float(correlations["neurons"].max())
        ratio = test / (neurons - test) if neurons > test else TEST_TO_TRAINING
        found = differences("A", rows.assign(method=_series(rows)), "ari", ["protocol", "split"], ratio, False)
        own = found["method"].str.endswith(ALONE)
        found = found.assign(latents=np.where(own, IDENTITY, ALL), method=found["method"].str.removesuffix(ALONE))
        parts.append(found)
    parts += [of_partitions("C", here, "ari", FIT, median=True), _null("C", here, ["protocol", "split"], "null_ari")]
    latents = correlations[correlations["seed"] == correlations.groupby("method")["seed"].transform("min")]
    latents = latents[["method", "latent", "parameter", "r", "within_r", "null_upper"]].rename(columns={"r": "value"})
    parts.append(named(latents, "D", "correlation"))
    fits = here[["method", "latent_size", "beta"]].drop_duplicates()
    rows = separation[(separation["noise_level"] == level) & separation["split"].isin(panels.SPLITS)].merge(fits)
    if len(rows):
        parts.append(of_partitions("E", rows, "score", ["target", "split", *SERIES], median=True))
        parts.append(_null("E", rows, ["target", "split"], "chance"))
    return joined(parts)


def _null(panel: str, rows: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Return the mean of `value` and of the upper quantile of shuffled labels."""
    means = rows.groupby(by, as_index=False)[[value, "null_upper"]].mean()
    return named(means.rename(columns={value: "value"}).assign(method=NULL), panel, value)


def _series(rows: pd.DataFrame) -> pd.Series:
    """Return the method, and " identity" where only those latents were used."""
    return rows["method"] + np.where(rows["latents"] == IDENTITY, ALONE, "")


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    table = table.assign(series=_series(table))
    splits = [split for split in panels.SPLITS if split in set(table.loc[table["panel"] == "A", "split"])]
    fig = style.figure(9.3)
    grid = fig.add_gridspec(4, 1, height_ratios=(1.7, 1.5, 2.5, 2.0))
    a, b, c, d, e = (table[table["panel"] == panel] for panel in "ABCDE")
    lettered = _by_noise_and_size(fig, grid, a, b, splits)
    lettered.append(_protocols(fig, grid[2], c, splits))
    lettered += _latents(fig, grid[3], d, e, splits)
    places = (-0.16 * len(splits), -0.16 * len(splits), -0.31 * len(splits), -0.2, -0.2)
    for axis, letter, x in zip(lettered, "ABCDE", places, strict=True):
        style.panel_letter(axis, letter, x=x, y=1.05)
    _legend(fig, *(panels.means_of(part[part["method"] != NULL]) for part in (b, c)))
    return style.save(fig, output_stem)


def _check(scores: pd.DataFrame, correlations: pd.DataFrame) -> None:
    for name, table in (("clustering", scores), ("correlations", correlations)):
        if table.empty:
            raise UserError(f"input {name}: expected scores of traces with a known noise level, found none.")
    datasets = scores.groupby("noise_level")["dataset"].nunique()
    if datasets.max() > 1:
        raise UserError(
            f"input clustering: expected one data set for each noise level, found {datasets.max()} at "
            f"{datasets.idxmax():g}. Draw one figure for each set of cultures."
        )


def _nearest(levels: pd.Series, wanted: float) -> float:
    values = np.sort(levels.unique())
    return float(values[np.argmin(np.abs(values - wanted))])


def _in_order(series: Iterable[str]) -> list[str]:
    """Sort series as their methods in legends, identity latents after all latents; the null is none."""
    names = set(series) - {NULL}
    return [name for method in style.in_order(n.removesuffix(ALONE) for n in names)
            for name in (method, method + ALONE) if name in names]  # fmt: skip


def _look(name: str) -> dict:
    """Return colour and marker of a series; identity latents have the open marker of their method."""
    look = style.appearance(name.removesuffix(ALONE))
    return {**look, "mfc": "white", "mew": 0.7, "ls": ":"} if name.endswith(ALONE) else {**look, "ls": "-"}


def _short(name: str) -> str:
    return "identity" if name.endswith(ALONE) else panels.short(name)


def _by_noise_and_size(fig, grid, above: pd.DataFrame, below: pd.DataFrame, splits: list[str]) -> list[Axes]:
    """Panels A and B: a column for each protocol and split; above against noise, below against latent size."""
    columns = [(protocol, split) for protocol in SHOWN for split in splits]
    rows = [cell.subgridspec(1, len(columns)) for cell in (grid[0], grid[1])]
    compared = above["quantity"] == DIFFERENCE
    betas = panels.means_of(above[~compared & (above["method"] != NULL)]).groupby("method")["beta"].first()
    axes = np.empty((2, len(columns)), object)
    for column, (protocol, split) in enumerate(columns):
        upper, differing, lower = (
            table[(table["protocol"] == protocol) & (table["split"] == split)]
            for table in (above[~compared], above[compared], below)
        )
        for row in range(2):
            axes[row, column] = fig.add_subplot(rows[row][column], sharey=axes[0, 0])
        axis = axes[0, column]
        _curves(axis, upper, "noise_level")
        levels = np.sort(upper["noise_level"].unique())
        margin = 0.3 * (np.diff(levels).min() if len(levels) > 1 else 1.0)
        axis.set(xticks=levels, xlim=(levels[0] - margin, levels[-1] + margin), xlabel="noise level (s.d.)")
        axis.set_title("\n".join([SHOWN[protocol], panels.SPLITS[split], *_verdicts(differing)]), fontsize=6)
        axis = axes[1, column]
        of_betas = (lower["beta"] == lower["method"].map(betas)) | (lower["method"] == NULL)
        _curves(axis, lower[of_betas], "latent_size")
        _other_betas(axis, lower[~of_betas & ~lower["series"].str.endswith(ALONE)])
        size_axis(axis, lower["latent_size"])
        axis.set_xlim(lower["latent_size"].min() / 1.3, lower["latent_size"].max() * 1.3)
        axis.set_xlabel("latent size")
        axis.set_title(f"{panels.SPLITS[split]}, noise level {lower['noise_level'].max():g}", fontsize=6)
    for axis in axes[:, 1:].flat:
        axis.tick_params(labelleft=False)
    shown = pd.concat([above[~compared], below])
    shown = shown.loc[shown["partition"].notna(), "value"]
    low, high = min(shown.min(), 0), max(shown.max(), 0.1)
    axes[0, 0].set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    for axis in axes[:, 0]:
        axis.set_ylabel("adjusted Rand index")
    return list(axes[:, 0])


def _curves(axis: Axes, rows: pd.DataFrame, x: str) -> None:
    """Draw the index against `x`: partitions as light points, medians as markers, shuffled labels as a band."""
    null = rows[rows["method"] == NULL].set_index(x)[["value", "null_upper"]]
    if len(null) > 1:
        axis.fill_between(null.index, null["value"], null["null_upper"], color="0.85", lw=0, zorder=0)
    else:
        axis.axhspan(*null.iloc[0], color="0.85", lw=0, zorder=0)
    names = _in_order(rows["series"])
    places = np.sort(rows[x].unique())
    step = 0.07 * (np.diff(places).min() if len(places) > 1 else 1.0)
    for index, name in enumerate(names):
        shift, own = index - (len(names) - 1) / 2, rows[rows["series"] == name]
        points, median = own[own["partition"].notna()], panels.means_of(own)

        def at(values, shift=shift):
            return values * 2.0 ** (0.1 * shift) if x == "latent_size" else values + step * shift

        look = _look(name)
        axis.scatter(at(points[x]), points["value"], s=4, color=look["color"], alpha=0.35, linewidths=0, zorder=1)
        axis.plot(at(median[x].to_numpy(float)), median["value"], **look, **MARKS)


def _other_betas(axis: Axes, rows: pd.DataFrame) -> None:
    """Add medians of a method's other values of beta as thin lines with small markers."""
    for method, part in panels.means_of(rows).groupby("method"):
        colour = style.appearance(method)["color"]
        for (line, marker, _), (_, same) in zip(BETA_LINES, part.groupby("beta"), strict=False):
            axis.plot(same["latent_size"], same["value"], color=colour, lw=0.7, ls=line, marker=marker, ms=2)


def _verdicts(differing: pd.DataFrame) -> list[str]:
    """Say for every series whether it wins against PCA, by the interval of the paired difference over partitions."""
    lines = []
    for name in _in_order(differing["series"]):
        for row in differing[differing["series"] == name].itertuples():
            known = row.outcome != UNRESOLVED
            interval = f"[{row.lower:+.2f}, {row.upper:+.2f}]" if known else f"({UNRESOLVED})"
            word = f" {row.outcome}" if known else ""
            lines.append(f"{_short(name)}{word} {row.value:+.2f} {interval}".replace("-", "−"))
    return lines or ["no pair to compare"]


def _medians(here: pd.DataFrame) -> str:
    """Say by how much the median index over partitions differs from PCA's, by the headline's protocol."""
    words = []
    for split in (split for split in panels.SPLITS if split in set(here["split"])):
        rows = here[(here["protocol"] == HEADLINE) & (here["split"] == split)]
        medians = rows.set_index("series")["value"]
        names = [name for name in _in_order(medians.index) if name != BASELINE and BASELINE in medians]
        told = ", ".join(f"{_short(name)} {medians[name] - medians[BASELINE]:+.2f}" for name in names)
        words.append(f"{panels.SPLITS[split]} {told or 'no pair'}")
    return "; ".join(words).replace("-0", "−0")


def _protocols(fig, cell, here: pd.DataFrame, splits: list[str]) -> Axes:
    """Panel C: all protocols at one setting, one below the other, on every split."""
    names = [name for name in PROTOCOLS if name in set(here["protocol"])]
    parts = cell.subgridspec(1, len(splits))
    first = None
    for column, split in enumerate(splits):
        axis = fig.add_subplot(parts[column], sharey=first, sharex=first)
        rows = here[here["split"] == split]
        series = _in_order(rows["series"])
        for place, protocol in enumerate(names):
            part = rows[rows["protocol"] == protocol]
            null = part.loc[part["method"] == NULL, ["value", "null_upper"]].to_numpy().ravel()
            axis.fill_betweenx([place - 0.42, place + 0.42], *null, color="0.85", lw=0, zorder=0)
            for index, name in enumerate(series):
                _range(axis, part[part["series"] == name], place + 0.17 * (index - (len(series) - 1) / 2), name)
        peeking = sum(PROTOCOLS[name][1] for name in names)
        if 0 < peeking < len(names):
            axis.axhline(peeking - 0.5, color="0.4", lw=0.6, ls=":")
        axis.axvline(0, color="0.7", lw=0.6, zorder=0)
        count = rows["partition"].nunique()
        neurons = panels.span([rows["test_neurons_least"].min(), rows["test_neurons_most"].max()])
        title = f"{panels.SPLITS[split]}: {count} partition{'s' * (count != 1)}, {neurons} test neurons"
        axis.set_title(title, fontsize=6.5)
        axis.set(xlabel="adjusted Rand index", ylim=(len(names) - 0.45, -0.55))
        if first is None:
            axis.set_yticks(range(len(names)), [NAMES.get(name, name) for name in names])
            for name, text in zip(names, axis.get_yticklabels(), strict=True):
                text.set_fontweight("bold" if name in SHOWN else "normal")
            first = axis
        else:
            axis.tick_params(labelleft=False)
    return first


def _range(axis: Axes, rows: pd.DataFrame, at: float, name: str, upright: bool = False) -> None:
    """Draw the median of partitions as a marker, on a line from the least to the largest."""
    look, values = _look(name), rows.loc[rows["partition"].notna(), "value"]
    ends, middle = ([values.min(), values.max()], [at, at]), (panels.means_of(rows)["value"], at)
    for place, looks in ((ends, {"color": look["color"], "lw": 0.6, "alpha": 0.6}), (middle, look | MARKS)):
        axis.plot(*(place[::-1] if upright else place), **looks)


def _latents(fig, cell, correlations: pd.DataFrame, separation: pd.DataFrame, splits: list[str]) -> list[Axes]:
    """Panels D and E: parameters of the dynamics against latents, and linear readout of group and inhibition."""
    methods = style.in_order(correlations["method"])
    parts = cell.subgridspec(1, len(methods) + 1, width_ratios=[*[1.0] * len(methods), 1.7])
    axes = [fig.add_subplot(part) for part in parts]
    for axis, method in zip(axes[:-1], methods, strict=True):
        _map(axis, correlations[correlations["method"] == method], method)
        if axis is not axes[0]:
            axis.tick_params(labelleft=False)
    colours = ScalarMappable(Normalize(-1, 1), "PuOr")
    bar = fig.colorbar(colours, ax=axes[:-1], location="bottom", shrink=0.5, aspect=40, pad=0.02)
    chance = "–".join(dict.fromkeys(f"{end(correlations['null_upper']):.2f}" for end in (np.min, np.max)))
    bar.set_label(f"correlation r; dot: below {chance}, the 95 % quantile of the largest by chance", fontsize=6)
    bar.set_ticks([-1, 0, 1])
    _separation(axes[-1], separation, splits)
    return [axes[0], axes[-1]]


def _map(axis: Axes, rows: pd.DataFrame, method: str) -> None:
    """One method's correlations: above over all neurons, below within groups."""
    names = ("value", "within_r", "null_upper")
    tables = [rows.pivot(index="parameter", columns="latent", values=name) for name in names]
    r, within, null = (table.reindex(list(PARAMETERS)) for table in tables)
    values = np.concatenate([r, within])
    axis.imshow(values, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    weak = ~(np.abs(values) > np.concatenate([null, null]))
    axis.plot(*np.argwhere(weak).T[::-1], ".", ms=1.5, color="0.3")
    axis.axhline(len(PARAMETERS) - 0.5, color=style.BLACK, lw=0.8)
    names = [SYMBOLS[name] for name in PARAMETERS]
    axis.set_yticks(range(len(values)), [*names, *(f"{name}, within" for name in names)])
    axis.set_xticks(range(len(r.columns)), [f"{latent:.0f}" for latent in r.columns])
    largest = f"|r| up to {np.nanmax(np.abs(r)):.2f},\nwithin groups {np.nanmax(np.abs(within)):.2f}"
    axis.set_title(f"{_short(method)}: {largest}", fontsize=6)
    axis.set_xlabel("latent")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _separation(axis: Axes, rows: pd.DataFrame, splits: list[str]) -> None:
    """Panel E: balanced accuracy of group and inhibition on both splits; chance and shuffled labels in grey."""
    if rows.empty:
        axis.set(xticks=[], yticks=[], title="no linear readout\nof these fits")
        return
    series = _in_order(rows["series"])
    places = [(target, split) for target in TARGETS if target in set(rows["target"]) for split in splits]
    for place, (target, split) in enumerate(places):
        part = rows[(rows["target"] == target) & (rows["split"] == split)]
        if part.empty:
            continue
        chance, upper = part.loc[part["method"] == NULL, ["value", "null_upper"]].to_numpy().ravel()
        wide = [place - 0.42, place + 0.42]
        axis.fill_between(wide, chance, upper, color="0.85", lw=0, zorder=0)
        axis.plot(wide, [chance, chance], color="0.5", lw=0.8, ls="--", zorder=0)
        for index, name in enumerate(series):
            at = place + 0.18 * (index - (len(series) - 1) / 2)
            _range(axis, part[part["series"] == name], at, name, upright=True)
    short_names = {"neuron": "neurons", "culture": "cultures"}
    labels = [f"{TARGETS[target]},\n{short_names[split]}" for target, split in places]
    axis.set_xticks(range(len(places)), labels, fontsize=6)
    least = rows.loc[rows["partition"].notna(), "value"].min()
    axis.set(ylabel="balanced accuracy", ylim=(min(0.25, least), 1.03))
    axis.set_title("linear readout of test neurons;\ndashed: chance", fontsize=6)


def _legend(fig, of_sizes: pd.DataFrame, here: pd.DataFrame) -> None:
    names = _in_order(of_sizes["series"])
    labels = {
        name: style.label(name.removesuffix(ALONE)) + (": identity latents alone" if name.endswith(ALONE) else "")
        for name in names
    }
    handles = [Line2D([], [], label=labels[name], **_look(name), **MARKS) for name in names]
    handles.append(Patch(color="0.85", label=f"{style.label(NULL)}: mean to 97.5 % quantile"))
    betas = here[here["method"] != BASELINE].groupby("method")["beta"].first()
    fits = ", ".join(f"{panels.short(name)} {betas[name]:g}" for name in style.in_order(betas.index))
    others = sorted(set(of_sizes.loc[of_sizes["method"] == "avae", "beta"]) - {betas.get("avae")})
    thin = ", ".join(f"{beta:g} {look}" for beta, (_, _, look) in zip(others, BETA_LINES, strict=False))
    seeds, size = int(here["seeds"].max()), int(here["latent_size"].iloc[0])
    level = f"noise level {here['noise_level'].iloc[0]:g}"
    note = (
        f"Light: partitions ({'one seed' if seeds == 1 else f'{seeds} seeds, averaged'}); markers: medians over them; "
        f"lines in C, E: least to largest. A: latent size {size}; C to E: latent size {size}, {level}. "
        f"β: {fits}{f'; B, thin: AVAE at β = {thin}' if thin else ''}. Titles of A: mean difference to PCA over "
        f"partitions at {level}, 95 % interval (Nadeau & Bengio 2003); wins, loses: it leaves out 0. "
        f"Median of the mixture less that of PCA there: {_medians(here)}. * peeks: ε is chosen by the labels scored, "
        "for the null too. D: reported fit, all its neurons. Bold: the protocols of A and B."
    )
    panels.page_legend(fig, handles, note, LINE, ncols=3)

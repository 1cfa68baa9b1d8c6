"""AVAE, Figure 5: do clusters of neurons in latent space match their groups, and do latents follow parameters?

Inputs:
    clustering: clustering.csv of the data sets of all noise levels.
    separation: separation.csv of the same data sets; the one at the noise level that is shown is used.
    correlations: correlations.csv of the same data sets; as separation.
"""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.latent_size_panel import size_axis
from calcium_latents.metrics.clustering import HEADLINE, PROTOCOLS, PUBLISHED
from calcium_latents.statistics.partitions import UNRESOLVED, paired_partitions, reported_fits
from calcium_latents.studies.avae.figures.partition_panel import SPLITS
from calcium_latents.studies.avae.figures.trace_panel import BASELINE, SHORT
from calcium_latents.studies.avae.latent_parameters import PARAMETERS
from calcium_latents.studies.avae.trace_embedding_scores import (
    CLUSTERING_COLUMNS,
    CORRELATION_COLUMNS,
    IDENTITY,
    SEPARATION_COLUMNS,
)

INPUTS = {
    "clustering": "{levels}/clustering.csv",
    "separation": "{levels}/separation.csv",
    "correlations": "{examples}/correlations.csv",
}
LEVEL = 1.0  # noise level of the paper's Figure 5B
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


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    scores = _named(read_tables(inputs, "clustering", CLUSTERING_COLUMNS))
    separation = _named(read_tables(inputs, "separation", SEPARATION_COLUMNS))
    correlations = read_tables(inputs, "correlations", CORRELATION_COLUMNS)
    scores = scores[scores["split"].isin(SPLITS)].dropna(subset=["noise_level", "ari"])
    correlations = correlations.dropna(subset=["noise_level"])
    _check(scores, correlations)
    level = _nearest(scores["noise_level"])
    correlations = correlations[correlations["noise_level"] == _nearest(correlations["noise_level"])]
    reported = set(zip(correlations["method"], correlations["latent_size"], correlations["beta"], strict=True))
    marked = [key in reported for key in zip(scores["method"], scores["latent_size"], scores["beta"], strict=True)]
    chosen = reported_fits(scores.assign(reported=np.array(marked, int)))
    splits = [split for split in SPLITS if split in set(chosen["split"])]
    neurons = float(correlations["neurons"].max())

    fig = style.figure(9.3)
    grid = fig.add_gridspec(4, 1, height_ratios=(1.7, 1.5, 2.5, 2.0))
    lettered = _by_noise_and_size(fig, grid, scores, chosen, splits, level, neurons)
    here = chosen[chosen["noise_level"] == level]
    lettered.append(_protocols(fig, grid[2], here, splits))
    size = int(here["latent_size"].iloc[0])
    lettered += _latents(fig, grid[3], correlations, _at(separation, here, level), splits)
    places = (-0.16 * len(splits), -0.16 * len(splits), -0.31 * len(splits), -0.2, -0.2)
    for axis, letter, x in zip(lettered, "ABCDE", places, strict=True):
        style.panel_letter(axis, letter, x=x, y=1.05)
    _legend(fig, scores, here, level, size)
    return style.save(fig, output_stem)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column `series`: the method, and " identity" where only those latents were used."""
    return table.assign(series=table["method"] + np.where(table["latents"] == IDENTITY, ALONE, ""))


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


def _nearest(levels: pd.Series) -> float:
    values = np.sort(levels.unique())
    return float(values[np.argmin(np.abs(values - LEVEL))])


def _at(table: pd.DataFrame, here: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return rows of `table` of the noise level that is shown and of the fits of `here`."""
    fits = set(zip(here["method"], here["latent_size"], here["beta"], strict=True))
    keys = zip(table["method"], table["latent_size"], table["beta"], strict=True)
    return table[np.array([key in fits for key in keys], bool) & (table["noise_level"] == level)]


def _series(names) -> list[str]:
    """Sort series as their methods in legends, identity latents after all latents."""
    names = set(names)
    return [name for method in style.in_order(n.removesuffix(ALONE) for n in names)
            for name in (method, method + ALONE) if name in names]  # fmt: skip


def _look(name: str) -> dict:
    """Return colour and marker of a series; identity latents have the open marker of their method."""
    look = style.appearance(name.removesuffix(ALONE))
    return {**look, "mfc": "white", "mew": 0.7, "ls": ":"} if name.endswith(ALONE) else {**look, "ls": "-"}


def _short(name: str) -> str:
    return "identity" if name.endswith(ALONE) else SHORT.get(name, style.label(name))


def _by_noise_and_size(fig, grid, scores, chosen, splits, level: float, neurons: float) -> list[Axes]:
    """Panels A and B: a column for each protocol and split; above against noise, below against latent size."""
    panels = [(protocol, split) for protocol in SHOWN for split in splits]
    upper = grid[0].subgridspec(1, len(panels))
    lower = grid[1].subgridspec(1, len(panels))
    betas = chosen.groupby("method")["beta"].first()
    first = None
    axes = np.empty((2, len(panels)), object)
    for column, (protocol, split) in enumerate(panels):
        rows, every = (table[(table["protocol"] == protocol) & (table["split"] == split)] for table in (chosen, scores))
        axis = axes[0, column] = fig.add_subplot(upper[column], sharey=first)
        first = first or axis
        _curves(axis, rows, "noise_level")
        levels = np.sort(rows["noise_level"].unique())
        margin = 0.3 * (np.diff(levels).min() if len(levels) > 1 else 1.0)
        axis.set(xticks=levels, xlim=(levels[0] - margin, levels[-1] + margin), xlabel="noise level (s.d.)")
        here = rows[rows["noise_level"] == level]
        axis.set_title("\n".join([SHOWN[protocol], SPLITS[split], *_verdicts(here, neurons)]), fontsize=6)
        below = axes[1, column] = fig.add_subplot(lower[column], sharey=first)
        every = every[every["noise_level"] == level]
        of_betas = every["beta"] == every["method"].map(betas)
        _curves(below, every[of_betas], "latent_size")
        _other_betas(below, every[~of_betas & ~every["series"].str.endswith(ALONE)])
        size_axis(below, every["latent_size"])
        below.set_xlim(every["latent_size"].min() / 1.3, every["latent_size"].max() * 1.3)
        below.set_xlabel("latent size")
        below.set_title(f"{SPLITS[split]}, noise level {level:g}", fontsize=6)
    for axis in axes[:, 1:].flat:
        axis.tick_params(labelleft=False)
    shown = pd.concat([chosen, scores[scores["noise_level"] == level]])
    shown = shown[shown["protocol"].isin(SHOWN)]["ari"]
    low, high = min(shown.min(), 0), max(shown.max(), 0.1)
    axes[0, 0].set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    for axis in axes[:, 0]:
        axis.set_ylabel("adjusted Rand index")
    return list(axes[:, 0])


def _partitions(rows: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Return `value` of every partition, seeds averaged."""
    return rows.groupby([*by, "partition"], as_index=False)[value].mean()


def _curves(axis: Axes, rows: pd.DataFrame, x: str) -> None:
    """Draw the index against `x`: partitions as light points, medians as markers, shuffled labels as a band."""
    null = rows.groupby(x)[["null_ari", "null_upper"]].mean()
    if len(null) > 1:
        axis.fill_between(null.index, null["null_ari"], null["null_upper"], color="0.85", lw=0, zorder=0)
    else:
        axis.axhspan(*null.iloc[0], color="0.85", lw=0, zorder=0)
    names = _series(rows["series"])
    places = np.sort(rows[x].unique())
    step = 0.07 * (np.diff(places).min() if len(places) > 1 else 1.0)
    for index, name in enumerate(names):
        shift = index - (len(names) - 1) / 2
        points = _partitions(rows[rows["series"] == name], [x], "ari")
        median = points.groupby(x)["ari"].median()

        def at(values, shift=shift):
            return values * 2.0 ** (0.1 * shift) if x == "latent_size" else values + step * shift

        look = _look(name)
        axis.scatter(at(points[x]), points["ari"], s=4, color=look["color"], alpha=0.35, linewidths=0, zorder=1)
        axis.plot(at(median.index.to_numpy(float)), median, **look, **MARKS)


def _other_betas(axis: Axes, rows: pd.DataFrame) -> None:
    """Add medians of a method's other values of beta as thin lines with small markers."""
    for method, part in rows.groupby("method"):
        for (line, marker, _), (_, same) in zip(BETA_LINES, part.groupby("beta"), strict=False):
            median = _partitions(same, ["latent_size"], "ari").groupby("latent_size")["ari"].median()
            axis.plot(
                median.index, median, color=style.appearance(method)["color"], lw=0.7, ls=line, marker=marker, ms=2
            )


def _verdicts(here: pd.DataFrame, neurons: float) -> list[str]:
    """Say for every series whether it wins against PCA, by the interval of the paired difference over partitions."""
    test = here["test_neurons"].mean()
    ratio = {"test_to_training": test / (neurons - test)} if neurons > test else {}
    lines = []
    for name in _series(here["series"]):
        pair = here[here["series"].isin([name, BASELINE])].assign(method=lambda table: table["series"])
        if name == BASELINE:
            continue
        for row in paired_partitions(
            pair, "ari", name, BASELINE, ["protocol"], **ratio, lower_is_better=False
        ).itertuples():
            known = row.outcome != UNRESOLVED
            interval = f"[{row.lower:+.2f}, {row.upper:+.2f}]" if known else f"({UNRESOLVED})"
            word = f" {row.outcome}" if known else ""
            lines.append(f"{_short(name)}{word} {row.mean_difference:+.2f} {interval}".replace("-", "−"))
    return lines or ["no pair to compare"]


def _medians(here: pd.DataFrame) -> str:
    """Say by how much the median index over partitions differs from PCA's, by the headline's protocol."""
    words = []
    for split in (split for split in SPLITS if split in set(here["split"])):
        rows = here[(here["protocol"] == HEADLINE) & (here["split"] == split)]
        medians = _partitions(rows, ["series"], "ari").groupby("series")["ari"].median()
        names = [name for name in _series(medians.index) if name != BASELINE and BASELINE in medians]
        told = ", ".join(f"{_short(name)} {medians[name] - medians[BASELINE]:+.2f}" for name in names)
        words.append(f"{SPLITS[split]} {told or 'no pair'}")
    return "; ".join(words).replace("-0", "−0")


def _protocols(fig, cell, here: pd.DataFrame, splits: list[str]) -> Axes:
    """Panel C: all protocols at one setting, one below the other, on every split."""
    names = [name for name in PROTOCOLS if name in set(here["protocol"])]
    parts = cell.subgridspec(1, len(splits))
    first = None
    for column, split in enumerate(splits):
        axis = fig.add_subplot(parts[column], sharey=first, sharex=first)
        rows = here[here["split"] == split]
        series = _series(rows["series"])
        for place, protocol in enumerate(names):
            part = rows[rows["protocol"] == protocol]
            axis.fill_betweenx(
                [place - 0.42, place + 0.42], *part[["null_ari", "null_upper"]].mean(), color="0.85", lw=0, zorder=0
            )
            for index, name in enumerate(series):
                values = _partitions(part[part["series"] == name], ["series"], "ari")["ari"]
                at, look = place + 0.17 * (index - (len(series) - 1) / 2), _look(name)
                axis.plot([values.min(), values.max()], [at, at], color=look["color"], lw=0.6, alpha=0.6)
                axis.plot(values.median(), at, **look, **MARKS)
        peeking = sum(PROTOCOLS[name][1] for name in names)
        if 0 < peeking < len(names):
            axis.axhline(peeking - 0.5, color="0.4", lw=0.6, ls=":")
        axis.axvline(0, color="0.7", lw=0.6, zorder=0)
        count = rows["partition"].nunique()
        neurons = " to ".join(
            f"{number:.0f}" for number in sorted({rows["test_neurons"].min(), rows["test_neurons"].max()})
        )
        title = f"{SPLITS[split]}: {count} partition{'s' * (count != 1)}, {neurons} test neurons"
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


def _latents(fig, cell, correlations: pd.DataFrame, separation: pd.DataFrame, splits: list[str]) -> list[Axes]:
    """Panels D and E: parameters of the dynamics against latents, and linear readout of group and inhibition."""
    methods = style.in_order(correlations["method"])
    parts = cell.subgridspec(1, len(methods) + 1, width_ratios=[*[1.0] * len(methods), 1.7])
    axes = [fig.add_subplot(part) for part in parts]
    for axis, method in zip(axes[:-1], methods, strict=True):
        rows = correlations[correlations["method"] == method]
        _map(axis, rows[rows["seed"] == rows["seed"].min()], method)
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
    tables = [rows.pivot(index="parameter", columns="latent", values=name) for name in ("r", "within_r", "null_upper")]
    r, within, null = (table.reindex(list(PARAMETERS)) for table in tables)
    values = np.concatenate([r, within])
    axis.imshow(values, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    weak = ~(np.abs(values) > np.concatenate([null, null]))
    axis.plot(*np.argwhere(weak).T[::-1], ".", ms=1.5, color="0.3")
    axis.axhline(len(PARAMETERS) - 0.5, color=style.BLACK, lw=0.8)
    names = [SYMBOLS[name] for name in PARAMETERS]
    axis.set_yticks(range(len(values)), [*names, *(f"{name}, within" for name in names)])
    axis.set_xticks(range(len(r.columns)), r.columns)
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
    series = _series(rows["series"])
    places = [(target, split) for target in TARGETS if target in set(rows["target"]) for split in splits]
    for place, (target, split) in enumerate(places):
        part = rows[(rows["target"] == target) & (rows["split"] == split)]
        if part.empty:
            continue
        chance = part["chance"].mean()
        wide = [place - 0.42, place + 0.42]
        axis.fill_between(wide, chance, part["null_upper"].mean(), color="0.85", lw=0, zorder=0)
        axis.plot(wide, [chance, chance], color="0.5", lw=0.8, ls="--", zorder=0)
        for index, name in enumerate(series):
            values = _partitions(part[part["series"] == name], ["series"], "score")["score"]
            at, look = place + 0.18 * (index - (len(series) - 1) / 2), _look(name)
            axis.plot([at, at], [values.min(), values.max()], color=look["color"], lw=0.6, alpha=0.6)
            axis.plot(at, values.median(), **look, **MARKS)
    short = {"neuron": "neurons", "culture": "cultures"}
    axis.set_xticks(range(len(places)), [f"{TARGETS[target]},\n{short[split]}" for target, split in places], fontsize=6)
    axis.set(ylabel="balanced accuracy", ylim=(min(0.25, rows["score"].min()), 1.03))
    axis.set_title("linear readout of test neurons;\ndashed: chance", fontsize=6)


def _legend(fig, scores: pd.DataFrame, here: pd.DataFrame, level: float, size: int) -> None:
    names = _series(scores["series"])
    labels = {
        name: style.label(name.removesuffix(ALONE)) + (": identity latents alone" if name.endswith(ALONE) else "")
        for name in names
    }
    handles = [Line2D([], [], label=labels[name], **_look(name), **MARKS) for name in names]
    handles.append(Patch(color="0.85", label=f"{style.label(NULL)}: mean to 97.5 % quantile"))
    betas = here[here["method"] != BASELINE].groupby("method")["beta"].first()
    fits = ", ".join(f"{SHORT.get(name, name)} {betas[name]:g}" for name in style.in_order(betas.index))
    others = sorted(set(scores.loc[scores["method"] == "avae", "beta"]) - {betas.get("avae")})
    thin = ", ".join(f"{beta:g} {look}" for beta, (_, _, look) in zip(others, BETA_LINES, strict=False))
    seeds = here.groupby("method")["seed"].nunique().max()
    note = (
        f"Light: partitions ({'one seed' if seeds == 1 else f'{seeds} seeds, averaged'}); markers: medians over them; "
        f"lines in C, E: least to largest. A: latent size {size}; C to E: latent size {size}, noise level {level:g}. "
        f"β: {fits}{f'; B, thin: AVAE at β = {thin}' if thin else ''}. Titles of A: mean difference to PCA over "
        f"partitions at noise level {level:g}, 95 % interval (Nadeau & Bengio 2003); wins, loses: it leaves out 0. "
        f"Median of the mixture less that of PCA there: {_medians(here)}. * peeks: ε is chosen by the labels scored, "
        "for the null too. D: reported fit, all its neurons. Bold: the protocols of A and B."
    )
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=3, title=fill(note, LINE), title_fontsize=6)
    legend.get_title().set_multialignment("center")

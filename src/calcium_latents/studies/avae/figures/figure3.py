"""AVAE, Figure 3: reconstructed traces, and their error against noise level, latent size and beta, on two splits.

Inputs:
    traces: traces.nc of one simulated data set, whose traces are shown.
    embeddings: output.nc of the methods on it; of several seeds of a method the first given is shown.
    reconstruction: reconstruction.csv of the data sets of all noise levels.
    paper: config/papers/avae.yaml.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.claims.paper import read_paper
from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.latent_size_panel import size_axis
from calcium_latents.recordings import read_recording
from calcium_latents.statistics.partitions import TEST_TO_TRAINING, reported_fits
from calcium_latents.studies.avae.figure_tables import differences, examples, joined, of_partitions, split_ratios
from calcium_latents.studies.avae.figures import panels
from calcium_latents.studies.avae.study import BASELINE

INPUTS = {
    "traces": "{examples}/traces.nc",
    "embeddings": "{examples}/{runs}/output.nc",
    "reconstruction": "{levels}/reconstruction.csv",
    "paper": "config/papers/avae.yaml",
}
COLUMNS = (
    *("noise_level", "method", "seed", "split", "partition", "latent_size", "beta", "test_neurons"),
    *("error", "error_sampled", "null_error", "reported"),
)
FIT = ["split", "method", "noise_level", "latent_size", "beta"]
SEEN = {
    "neuron": "their cultures are in the training set",
    "culture": "not in the training set",
}
MOST_GROUPS = 4
LINE = 150  # characters of a note that fit into the page
RELATIVE, SAMPLED = "error / null error", "sampled error / null error"


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return errors of the examples, relative errors over partitions, and their differences to PCA."""
    scores = read_tables(inputs, "reconstruction", COLUMNS)
    scores = scores[scores["split"].isin(panels.SPLITS) & (scores["null_error"] > 0) & scores["noise_level"].notna()]
    if scores.empty:
        raise UserError("input reconstruction: expected errors against a noiseless truth, found none.")
    scores = scores.assign(**{RELATIVE: scores["error"] / scores["null_error"]})
    scores[SAMPLED] = scores["error_sampled"] / scores["null_error"]
    ratios, chosen = split_ratios(inputs["embeddings"]), reported_fits(scores)
    level = _level(scores, read_paper("avae", inputs["paper"][0].parent)["noise_level"].value)
    path = inputs["traces"][0]
    recording = read_recording(path, ["fluorescence", "noiseless", "group"])
    shown = examples("A", recording, path, inputs["embeddings"], recording["group"].values, "error")
    truth = recording["noiseless"].sel(neuron=shown["neuron"].to_numpy()).values[0]
    parts = [shown.assign(part_of_variance=shown["value"] / np.where(np.ptp(truth, 0) > 0, truth.var(0), np.nan))]
    for split in (split for split in panels.SPLITS if split in set(scores["split"])):
        rows, ratio = chosen[chosen["split"] == split], ratios.get(split, TEST_TO_TRAINING)
        null = rows.groupby(FIT, as_index=False)["null_error"].mean()
        parts.append(of_partitions("B", rows, RELATIVE, FIT, ratio).merge(null, on=FIT))
        parts.append(differences("C", rows, RELATIVE, ["split", "noise_level"], ratio))
        for name in ("latent_size", "beta"):
            rows = _varied(scores, chosen, split, name, level)
            if rows[name].nunique() > 1:
                values = [RELATIVE, SAMPLED] if name == "beta" else [RELATIVE]
                parts += [of_partitions("D", rows, value, FIT, ratio).assign(against=name) for value in values]
    return joined(parts)


def _level(scores: pd.DataFrame, wanted: float) -> float:
    """Return the noise level with the most fits; of several, the one nearest to the paper's."""
    counts = scores.groupby("noise_level")[["latent_size", "beta"]].nunique().prod(axis=1)
    most = counts.index[counts == counts.max()].to_numpy()
    return float(most[np.argmin(np.abs(most - wanted))])


def _varied(scores: pd.DataFrame, chosen: pd.DataFrame, split: str, name: str, level: float) -> pd.DataFrame:
    """Return rows of one split and noise level in which only `name` differs from the chosen fits.

    Methods that were fitted with one value of beta only are left out where `name` is beta.
    """
    other = "beta" if name == "latent_size" else "latent_size"
    fixed = chosen.groupby("method")[other].first()
    rows = scores[(scores["split"] == split) & (scores["noise_level"] == level)]
    rows = rows[rows[other] == rows["method"].map(fixed)]
    return rows[rows.groupby("method")[name].transform("nunique") > 1] if name == "beta" else rows


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    shown, errors, compared, swept = (table[table["panel"] == panel] for panel in "ABCD")
    splits = [split for split in panels.SPLITS if split in set(errors["split"])]
    sweeps = [part for _, part in swept.groupby(["split", "against"], sort=False)]
    fig = style.figure(8.8 if sweeps else 7.3)
    heights = (2.9, 1.75, 1.45, 1.5) if sweeps else (2.9, 1.75, 1.45)
    grid = fig.add_gridspec(len(heights), 1, height_ratios=heights)
    lettered = [_traces(fig, grid[0], inputs, shown)]
    above, below = (_row(fig, cell, len(splits)) for cell in (grid[1], grid[2]))
    limits: list[float] = []
    for split, upper, lower in zip(splits, above, below, strict=True):
        rows = errors[errors["split"] == split]
        _errors(upper, rows, split)
        limits += _differences(lower, rows, compared[compared["split"] == split])
        lower.set_xlim(upper.get_xlim())
    for lower in below:
        lower.set_ylim(min(limits), max(limits))
    _same_top(above)
    above[0].set_ylabel(f"{RELATIVE}\n(1: mean of training traces)")
    below[0].set_ylabel("B less that of PCA\n(below 0: better)")
    lettered += [above[0], below[0]]
    if sweeps:
        last = _row(fig, grid[3], len(sweeps))
        for axis, rows in zip(last, sweeps, strict=True):
            _sweep(axis, rows, errors)
        last[0].set_ylabel(RELATIVE)
        _same_top(last)
        lettered.append(last[0])
    for axis, letter in zip(lettered, "ABCD", strict=False):
        style.panel_letter(axis, letter, x=-0.22 if letter in "AD" else -0.13, y=1.02 if letter == "A" else 1.1)
    _legend(fig, panels.means_of(errors))
    return style.save(fig, output_stem)


def _row(fig, cell, count: int) -> list[Axes]:
    return [fig.add_subplot(part) for part in cell.subgridspec(1, count)]


def _traces(fig, cell, inputs: Inputs, rows: pd.DataFrame) -> Axes:
    """Panel A: a column for each group's neuron, a row for each method."""
    rows = rows.assign(group=rows["group"].fillna("").astype(str))
    recording = read_recording(inputs["traces"][0], ["fluorescence", "noiseless"])
    methods, groups = style.in_order(rows["method"]), list(dict.fromkeys(rows["group"]))[:MOST_GROUPS]
    grid = cell.subgridspec(len(methods), len(groups))
    axes = panels.draw_examples(
        fig, grid, rows, recording, inputs["embeddings"], groups, methods, note=_error_words, fontsize=5.5
    )
    for axis, group in zip(axes[0], groups, strict=True):
        row = rows[rows["group"] == group].iloc[0]
        name = f"{group}: " if group else ""
        axis.set_title(f"{name}neuron {row['neuron']:.0f}, median of {row['n']:.0f}", fontsize=6.5)
        trace = recording["fluorescence"].sel(neuron=row["neuron"]).values[0]
        low, high = float(np.nanmin(trace)), float(np.nanmax(trace))
        axis.set(ylim=(low, high + 0.22 * (high - low)))
    for axis, method in zip(axes[:, 0], methods, strict=True):
        axis.set_ylabel(f"{panels.short(method)}\nfluorescence", color=style.appearance(method)["color"])
    time = recording["time"].values
    axes[0, 0].set_xlim(time[0], time[-1])
    return axes[0, 0]


def _error_words(row: pd.Series) -> str:
    part = row["part_of_variance"]
    return f"error {_number(row['value'])}{f' ({100 * part:.0f} % of its variance)' if np.isfinite(part) else ''}"


def _same_top(axes: Sequence[Axes]) -> None:
    """Let axes that begin at 0 end together."""
    top = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(0, top)


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _errors(axis: Axes, rows: pd.DataFrame, split: str) -> None:
    """Panel B: relative error against noise level on one split."""
    panels.relative_axis(axis, panels.draw_partitions(axis, rows, "noise_level"))
    null = rows["null_error"]
    text = " to ".join(dict.fromkeys(_number(value) for value in (null.min(), null.max())))
    neurons = panels.span([rows["test_neurons_least"].min(), rows["test_neurons_most"].max()])
    size = int(rows["latent_size"].iloc[0])
    about = f"latent size {size}, {neurons} test neurons, null error {text} (fluorescence²)"
    axis.set_title(f"{panels.SPLITS[split]}: {SEEN[split]}\n{about}", fontsize=6.5)
    axis.set(xticks=np.sort(rows["noise_level"].unique()))
    axis.tick_params(labelbottom=False)


def _differences(axis: Axes, errors: pd.DataFrame, compared: pd.DataFrame) -> tuple[float, float]:
    """Panel C: paired difference to PCA against noise level on one split; return the limits that show it."""
    methods = [method for method in style.in_order(errors["method"]) if method != BASELINE]
    lines, means, ends = [], [0.0], [0.0]
    levels = np.sort(errors["noise_level"].unique())
    step = panels.STEP * (np.diff(levels).min() if len(levels) > 1 else 1.0)
    for index, method in enumerate(methods):
        rows = compared[compared["method"] == method]
        lines.append(panels.verdict(rows, method))
        mean, error = rows["value"], panels.error_bars(rows)
        place = rows["noise_level"] + step * (index - (len(methods) - 1) / 2)
        bars = {"capsize": 1.5, "elinewidth": 0.7, "ms": 3.4, "lw": 0.9}
        axis.errorbar(place, mean, yerr=error, **bars, **style.appearance(method, methods))
        means, ends = [*means, *mean], [*ends, *(mean - error[0]), *(mean + error[1])]
    axis.axhline(0, color=style.appearance(BASELINE)["color"], lw=0.8, zorder=0)
    axis.set(xticks=levels, xlabel="noise level (s.d. of the noise, fluorescence units)")
    axis.set_title("\n".join(lines) or "nothing to compare", fontsize=6.5)
    # an interval over two or three partitions can be wider than the axis should be
    low, high = min(means), max(means)
    reach = max(high - low, 0.01)
    return max(min(ends), low - reach) - 0.08 * reach, min(max(ends), high + reach) + 0.08 * reach


def _sweep(axis: Axes, every: pd.DataFrame, errors: pd.DataFrame) -> None:
    """Panel D: relative error against latent size or beta, at one noise level."""
    rows = every[every["quantity"] == RELATIVE]
    split, name, level = (rows[column].iloc[0] for column in ("split", "against", "noise_level"))
    means = panels.draw_partitions(axis, rows, name, logarithmic=name == "latent_size")
    if name == "latent_size":
        size_axis(axis, rows["latent_size"])
        axis.set(xlabel="latent size")
    else:
        sampled = every[every["quantity"] == SAMPLED]
        means = np.append(means, panels.draw_partitions(axis, sampled, name, filled=False))
        others = panels.means_of(errors[(errors["split"] == split) & (errors["noise_level"] == level)])
        for method in style.in_order(set(others["method"]) - set(rows["method"])):
            mean = others.loc[others["method"] == method, "value"].mean()
            axis.axhline(mean, color=style.appearance(method)["color"], lw=0.9, zorder=0)
        axis.set(xticks=np.sort(rows["beta"].unique()), xlabel="β (weight of the KL term)")
    panels.relative_axis(axis, means)
    fixed = "each at its β" if name == "latent_size" else f"latent size {int(rows['latent_size'].iloc[0])}"
    number = panels.span(rows["n"].dropna())
    axis.set_title(f"{panels.SPLITS[split]}, n = {number}\nnoise level {level:g}, {fixed}", fontsize=6.5)


def _legend(fig, means: pd.DataFrame) -> None:
    sampled = Line2D([], [], color="0.4", ls=":", marker="o", mfc="white", ms=3.4, lw=0.9, label="one sample of z")
    more = [Line2D([], [], **panels.NOISY), Line2D([], [], **panels.TRUE), sampled]
    betas = means[means["method"] != BASELINE].groupby("method")["beta"].first()
    fits = ", ".join(f"{panels.short(name)} {betas[name]:g}" for name in style.in_order(betas.index))
    note = (
        "A: the neuron of median error under PCA among those of its group that are test neurons for all methods. "
        "Errors: mean squared difference to the noiseless trace in fluorescence units, all methods on one scale; B, D: "
        f"divided by that of the mean of training traces. β, where it is not the axis: {fits}. "
        f"{panels.interval_note(means)}"
    )
    panels.page_legend(fig, panels.legend_handles(style.in_order(means["method"]), more), note, LINE, ncols=4)

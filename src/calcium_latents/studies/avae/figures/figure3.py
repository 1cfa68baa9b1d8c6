"""AVAE, Figure 3: reconstructed traces, and their error against noise level, latent size and beta, on two splits.

Inputs:
    traces: traces.nc of one simulated data set, whose traces are shown.
    embeddings: output.nc of the methods on it; of several seeds of a method the first given is shown.
    reconstruction: reconstruction.csv of the data sets of all noise levels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.latent_size_panel import size_axis
from calcium_latents.recordings import read_recording
from calcium_latents.statistics.partitions import (
    TEST_TO_TRAINING,
    paired_partitions,
    reported_fits,
)
from calcium_latents.studies.avae.figures.partition_panel import (
    SPLITS,
    STEP,
    draw_partitions,
    interval_note,
    legend_handles,
    relative_axis,
    split_ratios,
    verdict,
)
from calcium_latents.studies.avae.figures.trace_panel import (
    BASELINE,
    NOISY,
    SHORT,
    TRUE,
    check_neurons,
    draw_reconstruction,
    examples,
    read_reported,
)

INPUTS = {
    "traces": "{examples}/traces.nc",
    "embeddings": "{examples}/{runs}/output.nc",
    "reconstruction": "{levels}/reconstruction.csv",
}
COLUMNS = (
    *("noise_level", "method", "seed", "split", "partition", "latent_size", "beta", "test_neurons"),
    *("error", "error_sampled", "null_error", "reported"),
)
SEEN = {
    "neuron": "their cultures are in the training set",
    "culture": "not in the training set",
}
LEVEL = 1.0  # noise level of the paper's Figure 3A: of panel D where several have as many fits
MOST_GROUPS = 4
LINE = 150  # characters of a note that fit into the page
RELATIVE, SAMPLED = "error / null error", "sampled error / null error"


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    scores = read_tables(inputs, "reconstruction", COLUMNS)
    scores = scores[scores["split"].isin(SPLITS) & (scores["null_error"] > 0) & scores["noise_level"].notna()]
    if scores.empty:
        raise UserError("input reconstruction: expected errors against a noiseless truth, found none.")
    scores = scores.assign(**{RELATIVE: scores["error"] / scores["null_error"]})
    scores[SAMPLED] = scores["error_sampled"] / scores["null_error"]
    splits = [split for split in SPLITS if split in set(scores["split"])]
    ratios = split_ratios(inputs["embeddings"])
    chosen = reported_fits(scores)
    sweeps = [(split, name) for split in splits for name in _swept(scores, chosen, split)]
    fig = style.figure(8.8 if sweeps else 7.3)
    heights = (2.9, 1.75, 1.45, 1.5) if sweeps else (2.9, 1.75, 1.45)
    grid = fig.add_gridspec(len(heights), 1, height_ratios=heights)
    lettered = [_traces(fig, grid[0], inputs)]
    above, below = (_row(fig, cell, len(splits)) for cell in (grid[1], grid[2]))
    limits: list[float] = []
    for split, upper, lower in zip(splits, above, below, strict=True):
        rows, ratio = chosen[chosen["split"] == split], ratios.get(split, TEST_TO_TRAINING)
        _errors(upper, rows, split, ratio)
        limits += _differences(lower, rows, ratio)
        lower.set_xlim(upper.get_xlim())
    for lower in below:
        lower.set_ylim(min(limits), max(limits))
    _same_top(above)
    above[0].set_ylabel(f"{RELATIVE}\n(1: mean of training traces)")
    below[0].set_ylabel("B less that of PCA\n(below 0: better)")
    lettered += [above[0], below[0]]
    if sweeps:
        panels = _row(fig, grid[3], len(sweeps))
        for panel, (split, name) in zip(panels, sweeps, strict=True):
            _sweep(panel, scores, chosen, split, name, ratios.get(split, TEST_TO_TRAINING))
        panels[0].set_ylabel(RELATIVE)
        _same_top(panels)
        lettered.append(panels[0])
    for axis, letter in zip(lettered, "ABCD", strict=False):
        style.panel_letter(axis, letter, x=-0.22 if letter in "AD" else -0.13, y=1.02 if letter == "A" else 1.1)
    _legend(fig, chosen, ratios)
    return style.save(fig, output_stem)


def _row(fig, cell, count: int) -> list[Axes]:
    return [fig.add_subplot(part) for part in cell.subgridspec(1, count)]


def _traces(fig, cell, inputs: Inputs) -> Axes:
    """Panel A: a column for each group's neuron, a row for each method."""
    path = inputs["traces"][0]
    recording = read_recording(path, ["fluorescence", "noiseless", "group"])
    runs = read_reported(inputs["embeddings"], "error")
    check_neurons(runs, recording, path)
    shown = examples(runs, recording["group"].values, "error")[:MOST_GROUPS]
    axes = np.empty((len(runs), len(shown)), object)
    grid = cell.subgridspec(len(runs), len(shown))
    for column, (group, neuron, count) in enumerate(shown):
        truth = recording["noiseless"].values[0, :, neuron]
        spread = float(np.var(truth))
        for row, (method, run) in enumerate(runs.items()):
            axis = axes[row, column] = fig.add_subplot(grid[row, column], sharex=axes[0, 0], sharey=axes[0, column])
            draw_reconstruction(axis, recording, run, method, neuron)
            axis.tick_params(labelbottom=row == len(runs) - 1)
            error = float(run["error"].values[neuron])
            share = f" ({100 * error / spread:.0f} % of its variance)" if spread > 0 else ""
            style.note(axis, f"error {_number(error)}{share}", 0.99, 0.99, ha="right", va="top", fontsize=5.5)
        name = f"{group}: " if group else ""
        number = int(recording["neuron"].values[neuron])
        axes[0, column].set_title(f"{name}neuron {number}, median of {count}", fontsize=6.5)
        axes[-1, column].set_xlabel("time (s)")
        low, high = _limits(recording["fluorescence"].values[0, :, neuron])
        axes[0, column].set(ylim=(low, high + 0.22 * (high - low)))
    for row, method in enumerate(runs):
        colour = style.appearance(method)["color"]
        axes[row, 0].set_ylabel(f"{SHORT.get(method, style.label(method))}\nfluorescence", color=colour)
    time = recording["time"].values
    axes[0, 0].set_xlim(time[0], time[-1])
    return axes[0, 0]


def _same_top(axes: Sequence[Axes]) -> None:
    """Let axes that begin at 0 end together."""
    top = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(0, top)


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _limits(trace: np.ndarray) -> tuple[float, float]:
    return float(np.nanmin(trace)), float(np.nanmax(trace))


def _errors(axis: Axes, rows: pd.DataFrame, split: str, ratio: float) -> None:
    """Panel B: relative error against noise level on one split."""
    relative_axis(axis, draw_partitions(axis, rows, "noise_level", RELATIVE, ratio))
    null = rows.groupby(["noise_level", "method"])["null_error"].mean()
    text = " to ".join(dict.fromkeys(_number(value) for value in (null.min(), null.max())))
    counts = rows["test_neurons"]
    neurons = " to ".join(dict.fromkeys(f"{value:.0f}" for value in (counts.min(), counts.max())))
    size = int(rows["latent_size"].iloc[0])
    about = f"latent size {size}, {neurons} test neurons, null error {text} (fluorescence²)"
    axis.set_title(f"{SPLITS[split]}: {SEEN[split]}\n{about}", fontsize=6.5)
    axis.set(xticks=np.sort(rows["noise_level"].unique()))
    axis.tick_params(labelbottom=False)


def _differences(axis: Axes, rows: pd.DataFrame, ratio: float) -> tuple[float, float]:
    """Panel C: paired difference to PCA against noise level on one split; return the limits that show it."""
    methods = [method for method in style.in_order(rows["method"]) if method != BASELINE]
    lines, means, ends = [], [0.0], [0.0]
    levels = np.sort(rows["noise_level"].unique())
    step = STEP * (np.diff(levels).min() if len(levels) > 1 else 1.0)
    for index, method in enumerate(methods):
        compared = paired_partitions(rows, RELATIVE, method, BASELINE, ["noise_level"], ratio)
        lines.append(verdict(compared, method))
        mean = compared["mean_difference"]
        error = np.nan_to_num([mean - compared["lower"], compared["upper"] - mean])
        place = compared["noise_level"] + step * (index - (len(methods) - 1) / 2)
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


def _swept(scores: pd.DataFrame, chosen: pd.DataFrame, split: str) -> list[str]:
    """Return what varies at the level of panel D on this split: latent_size, beta, or both."""
    level = _level(scores)
    return [name for name in ("latent_size", "beta") if _varied(scores, chosen, split, name, level)[name].nunique() > 1]


def _level(scores: pd.DataFrame) -> float:
    """Return the noise level with the most fits; of several, the one nearest to `LEVEL`."""
    counts = scores.groupby("noise_level")[["latent_size", "beta"]].nunique().prod(axis=1)
    most = counts.index[counts == counts.max()].to_numpy()
    return float(most[np.argmin(np.abs(most - LEVEL))])


def _varied(scores: pd.DataFrame, chosen: pd.DataFrame, split: str, name: str, level: float) -> pd.DataFrame:
    """Return rows of one split and noise level in which only `name` differs from the chosen fits.

    Methods that were fitted with one value of beta only are left out where `name` is beta.
    """
    other = "beta" if name == "latent_size" else "latent_size"
    fixed = chosen.groupby("method")[other].first()
    rows = scores[(scores["split"] == split) & (scores["noise_level"] == level)]
    rows = rows[rows[other] == rows["method"].map(fixed)]
    return rows[rows.groupby("method")[name].transform("nunique") > 1] if name == "beta" else rows


def _sweep(axis: Axes, scores: pd.DataFrame, chosen: pd.DataFrame, split: str, name: str, ratio: float) -> None:
    """Panel D: relative error against latent size or beta, at one noise level."""
    level = _level(scores)
    rows = _varied(scores, chosen, split, name, level)
    means = draw_partitions(axis, rows, name, RELATIVE, ratio, logarithmic=name == "latent_size")
    if name == "latent_size":
        size_axis(axis, rows["latent_size"])
        axis.set(xlabel="latent size")
    else:
        means = np.append(means, draw_partitions(axis, rows, name, SAMPLED, ratio, filled=False))
        others = chosen[(chosen["split"] == split) & (chosen["noise_level"] == level)]
        for method in style.in_order(set(others["method"]) - set(rows["method"])):
            mean = others.loc[others["method"] == method, RELATIVE].mean()
            axis.axhline(mean, color=style.appearance(method)["color"], lw=0.9, zorder=0)
        axis.set(xticks=np.sort(rows["beta"].unique()), xlabel="β (weight of the KL term)")
    relative_axis(axis, means)
    fixed = "each at its β" if name == "latent_size" else f"latent size {int(rows['latent_size'].iloc[0])}"
    counts = rows.groupby(["method", name])["partition"].nunique()
    number = " to ".join(dict.fromkeys(f"{count}" for count in (counts.min(), counts.max())))
    axis.set_title(f"{SPLITS[split]}, n = {number}\nnoise level {level:g}, {fixed}", fontsize=6.5)


def _legend(fig, chosen: pd.DataFrame, ratios: Mapping[str, float]) -> None:
    sampled = Line2D([], [], color="0.4", ls=":", marker="o", mfc="white", ms=3.4, lw=0.9, label="one sample of z")
    more = [Line2D([], [], **NOISY), Line2D([], [], **TRUE), sampled]
    handles = legend_handles(style.in_order(chosen["method"]), more)
    betas = chosen[chosen["method"] != BASELINE].groupby("method")["beta"].first()
    fits = ", ".join(f"{SHORT.get(name, style.label(name))} {betas[name]:g}" for name in style.in_order(betas.index))
    note = (
        "A: the neuron of median error under PCA among those of its group that are test neurons for all methods. "
        "Errors: mean squared difference to the noiseless trace in fluorescence units, all methods on one scale; B, D: "
        f"divided by that of the mean of training traces. β, where it is not the axis: {fits}. "
        f"{interval_note(chosen, ratios)}"
    )
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=4, title=fill(note, LINE), title_fontsize=6)
    legend.get_title().set_multialignment("center")

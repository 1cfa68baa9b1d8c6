"""AVAE on real recordings, a column each: residual of test neurons against latent size, and reconstructed traces.

Inputs:
    traces: .../{dataset}/traces.nc of the recordings, in the order of the columns.
    embeddings: .../{dataset}/{method}/seed-N/output.nc; of several seeds of a method the first given is drawn.
    reconstruction: reconstruction.csv of the same data sets.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill, wrap

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.latent_size_panel import size_axis
from calcium_latents.recordings import read_recording
from calcium_latents.statistics.partitions import TEST_TO_TRAINING, UNRESOLVED, paired_partitions, reported_fits
from calcium_latents.studies.avae.figures.partition_panel import (
    SPLITS,
    draw_partitions,
    interval_note,
    legend_handles,
    relative_axis,
    split_ratios,
)
from calcium_latents.studies.avae.figures.trace_panel import (
    BASELINE,
    NOISY,
    SHORT,
    check_neurons,
    draw_reconstruction,
    examples,
    read_reported,
)

LINE = 150  # characters of a note that fit into the page
INPUTS = {
    "traces": "{measured}/traces.nc",
    "embeddings": "{measured}/{runs}/output.nc",
    "reconstruction": "{measured}/reconstruction.csv",
}
COLUMNS = (
    *("dataset", "label", "method", "seed", "split", "partition", "latent_size", "beta", "test_neurons"),
    *("residual", "null_residual", "reported"),
)
RELATIVE = "residual / null residual"
MOST_COLUMNS = 3
SHOWN_S = 60.0


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    scores = read_tables(inputs, "reconstruction", COLUMNS)
    scores = scores[scores["split"].isin(SPLITS) & (scores["null_residual"] > 0)]
    scores = scores.assign(**{RELATIVE: scores["residual"] / scores["null_residual"]})
    found = match_files(inputs["traces"], inputs["embeddings"], set(scores["dataset"]))
    splits = [split for split in SPLITS if split in set(scores["split"])]
    methods = style.in_order(scores["method"])
    ratios = {name: split_ratios(paths) for name, (_, paths) in found.items()}
    blocks = int(np.ceil(len(found) / MOST_COLUMNS))
    width = int(np.ceil(len(found) / blocks))
    heights = [1.6] * len(splits) + [0.75] * len(methods)
    fig = style.figure(blocks * (sum(heights) + 0.9) + 1.0, width_in=style.WIDTH_IN if width > 1 else 4.2)
    outer, lettered = fig.add_gridspec(blocks, 1), []
    for index, name in enumerate(found):
        if index % width == 0:
            grid = outer[index // width].subgridspec(len(heights), width, height_ratios=heights)
        cells = [grid[row, index % width] for row in range(len(heights))]
        axes = _recording(fig, cells, scores[scores["dataset"] == name], splits, methods, ratios[name], found[name])
        if index == 0:
            lettered = [*axes[: len(splits)], axes[len(splits)]]
        if index % width == 0:
            for axis, method in zip(axes[len(splits) :], methods, strict=True):
                colour = style.appearance(method, methods)["color"]
                axis.set_ylabel(SHORT.get(method, style.label(method)), color=colour)
            for axis in axes[: len(splits)]:
                axis.set_ylabel(RELATIVE)
    for axis, letter in zip(lettered, "ABCD", strict=False):
        style.panel_letter(axis, letter, x=-0.12, y=1.04)
    _legend(fig, scores, ratios, methods, width)
    return style.save(fig, output_stem)


def match_files(
    traces: Sequence[Path], embeddings: Sequence[Path], scored: set[str]
) -> dict[str, tuple[Path, list[Path]]]:
    """Return data set -> (its traces, its embeddings), by the folders that the files are in, in the order of traces.

    Raises:
        UserError: a recording without embeddings or scores, or embeddings without a recording.
    """
    found: dict[str, tuple[Path, list[Path]]] = {path.parent.name: (path, []) for path in traces}
    for path in embeddings:
        name = path.parents[2].name if len(path.parents) > 2 else ""
        if name not in found:
            raise UserError(
                f"{path}: expected an embedding at DATASET/METHOD/seed-NUMBER/output.nc of one of {sorted(found)}, "
                f"found {name!r}. Give the traces.nc of its data set too."
            )
        found[name][1].append(path)
    for name, (path, paths) in found.items():
        if not paths or name not in scored:
            lacking = "embeddings" if not paths else "rows in the input reconstruction"
            raise UserError(f"{path}: expected {lacking} of the data set {name!r}, found none.")
    return found


def liveliest_window(trace: np.ndarray, bins: int) -> slice:
    """Return the window of `bins` bins in which `trace` [time] varies most, in steps of half a window.

    Args:
        trace: fluorescence; NaN where nothing was sampled.
        bins: length of the window; a shorter trace is shown whole.
    """
    if len(trace) <= bins:
        return slice(0, len(trace))
    starts = [*range(0, len(trace) - bins, max(bins // 2, 1)), len(trace) - bins]
    spreads = [np.nanvar(part) if np.isfinite(part).any() else 0.0 for part in (trace[s : s + bins] for s in starts)]
    start = starts[int(np.argmax(spreads))]
    return slice(start, start + bins)


def _recording(
    fig,
    cells: list,
    scores: pd.DataFrame,
    splits: list[str],
    methods: list[str],
    ratios: Mapping[str, float],
    files: tuple[Path, list[Path]],
) -> list[Axes]:
    """Draw one column; return its axes, from top to bottom."""
    chosen = reported_fits(scores)
    recording = read_recording(files[0], ["fluorescence", "group"])
    head = [*wrap(str(scores["label"].iloc[0]), 34), _data(recording)]
    axes = []
    for split, cell in zip(splits, cells, strict=False):
        axes.append(fig.add_subplot(cell))
        title = _residuals(axes[-1], scores, chosen, split, ratios.get(split, TEST_TO_TRAINING))
        axes[-1].set_title("\n".join([*(head if split == splits[0] else []), *title]), fontsize=6.5)
    runs = read_reported(files[1], "residual")
    check_neurons(runs, recording, files[0])
    return [*axes, *_traces(fig, cells[len(splits) :], recording, runs, methods)]


def _data(recording: xr.Dataset) -> str:
    groups = [str(group) for group in dict.fromkeys(recording["group"].values) if str(group)]
    rate = recording.attrs["imaging_rate_hz"]
    seconds = recording.sizes["time"] * recording.attrs["bin_width_s"]
    named = f" ({', '.join(groups)})" if len(groups) > 1 else ""
    return f"{recording.sizes['neuron']} neurons{named}, {seconds:.0f} s at {rate:.3g} Hz"


def _residuals(axis: Axes, scores: pd.DataFrame, chosen: pd.DataFrame, split: str, ratio: float) -> list[str]:
    """Draw the relative residual on one split against latent size; return the lines of its title."""
    rows = scores[(scores["split"] == split) & (scores["beta"] == scores["method"].map(_betas(chosen)))]
    if rows.empty:
        axis.axis("off")
        return [f"{SPLITS[split]}: not fitted"]
    means = draw_partitions(axis, rows, "latent_size", RELATIVE, ratio, logarithmic=True)
    size_axis(axis, rows["latent_size"])
    relative_axis(axis, means, zero=False)
    axis.set_xlabel("latent size")
    fits = chosen[chosen["split"] == split]
    size = int(fits["latent_size"].iloc[0])
    lines = [f"{SPLITS[split]}, latent size {size}, against PCA:"]
    return [*lines, *(_verdict(fits, method, ratio) for method in style.in_order(fits["method"]) if method != BASELINE)]


def _betas(chosen: pd.DataFrame) -> pd.Series:
    return chosen.groupby("method")["beta"].first()


def _verdict(rows: pd.DataFrame, method: str, ratio: float) -> str:
    """Say whether a method's residual is smaller than that of PCA."""
    name = SHORT.get(method, style.label(method))
    compared = paired_partitions(rows, RELATIVE, method, BASELINE, ["split"], ratio)
    if compared.empty:
        return f"{name}: no pair to compare"
    row = compared.iloc[0]
    interval = "" if row["outcome"] == UNRESOLVED else f" [{row['lower']:+.3f}, {row['upper']:+.3f}]"
    return f"{name} {row['outcome']}: {row['mean_difference']:+.3f}{interval}".replace("-", "−")


def _traces(
    fig, cells: list, recording: xr.Dataset, runs: Mapping[str, xr.Dataset], methods: Sequence[str]
) -> list[Axes]:
    """Draw one neuron's trace with the reconstruction of each method, a row each."""
    _, neuron, count = examples(runs, [""] * recording.sizes["neuron"], "residual")[0]
    trace, time = recording["fluorescence"].values[0, :, neuron], recording["time"].values
    width = float(recording.attrs["bin_width_s"])
    window = liveliest_window(trace, max(int(SHOWN_S / width), 2))
    axes: list[Axes] = []
    for cell, method in zip(cells, methods, strict=True):
        first = axes[0] if axes else None
        axes.append(fig.add_subplot(cell, sharex=first, sharey=first))
        if method in runs:
            draw_reconstruction(axes[-1], recording, runs[method], method, neuron)
        else:
            style.note(axes[-1], "not fitted", 0.5, 0.5, ha="center")
        axes[-1].tick_params(labelbottom=method == methods[-1])
    low, high = np.nanmin(trace[window]), np.nanmax(trace[window])
    pad = 0.05 * max(float(high - low), 1e-9)
    axes[0].set(xlim=(time[window][0], time[window][-1] + width), ylim=(low - pad, high + pad))
    axes[-1].set_xlabel("time (s)")
    group = str(recording["group"].values[neuron])
    name = f"neuron {int(recording['neuron'].values[neuron])}{f' ({group})' if group else ''}"
    axes[0].set_title(f"{name}, median of {count}", fontsize=6.5)
    return axes


def _legend(fig, scores: pd.DataFrame, ratios: Mapping[str, Mapping[str, float]], methods: list[str], width: int):
    largest: dict[str, float] = {}
    for found in ratios.values():
        largest |= {split: max(ratio, largest.get(split, 0.0)) for split, ratio in found.items()}
    note = (
        "Residual: mean squared difference of test traces to their reconstruction, by that of the mean of training "
        "traces. It holds the noise, so that 0 is out of reach and less is not always better. Traces: fluorescence, in "
        "units of the recording, of the neuron of median residual under PCA among those that are test neurons for all "
        "methods, over the minute in which it varies most. Titles: difference to PCA (below 0: better). "
        f"{interval_note(scores, largest)}"
    )
    handles = legend_handles(methods, [Line2D([], [], **NOISY | {"label": "recorded trace"})])
    legend = fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=5 if width > 1 else 2,
        title=fill(note, LINE if width > 1 else 84),
        title_fontsize=6,
    )
    legend.get_title().set_multialignment("center")

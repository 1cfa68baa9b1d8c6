"""AVAE on real recordings, a column each: residual of test neurons against latent size, and reconstructed traces.

Inputs:
    traces: .../{dataset}/traces.nc of the recordings, in the order of the columns.
    embeddings: .../{dataset}/{method}/seed-N/output.nc; of several seeds of a method the first given is drawn.
    reconstruction: reconstruction.csv of the same data sets.
"""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

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
from calcium_latents.statistics.partitions import TEST_TO_TRAINING, UNRESOLVED, reported_fits
from calcium_latents.studies.avae import figure_tables as tables
from calcium_latents.studies.avae.figures import panels
from calcium_latents.studies.avae.study import BASELINE

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
FIT = ["split", "method", "latent_size", "beta"]
RELATIVE = "residual / null residual"
MOST_COLUMNS = 3
SHOWN_S = 60.0


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return relative residuals over partitions, their differences to PCA, and residuals of the examples.

    Data sets in the order of their columns; panels A and B have a split each, the last one the examples.
    """
    scores = read_tables(inputs, "reconstruction", COLUMNS)
    scores = scores[scores["split"].isin(panels.SPLITS) & (scores["null_residual"] > 0)]
    relative = scores["residual"] / scores["null_residual"]
    scores = scores.assign(dataset=scores["dataset"].astype(str), **{RELATIVE: relative})
    splits = [split for split in panels.SPLITS if split in set(scores["split"])]
    parts = []
    for name, (path, embeddings) in match_files(inputs["traces"], inputs["embeddings"], set(scores["dataset"])).items():
        own, ratios = scores[scores["dataset"] == name], tables.split_ratios(embeddings)
        chosen = reported_fits(own)
        betas = chosen.groupby("method")["beta"].first()
        found = []
        for panel, split in zip("AB", splits, strict=False):
            rows = own[(own["split"] == split) & (own["beta"] == own["method"].map(betas))]
            fits, ratio = chosen[chosen["split"] == split], ratios.get(split, TEST_TO_TRAINING)
            if len(rows):
                found.append(tables.of_partitions(panel, rows, RELATIVE, FIT, ratio))
                found.append(tables.differences(panel, fits, RELATIVE, ["split", "latent_size"], ratio))
        recording = read_recording(path, ["fluorescence", "group"])
        nameless = [""] * recording.sizes["neuron"]
        found.append(tables.examples("ABC"[len(splits)], recording, path, embeddings, nameless, "residual"))
        parts += [part.assign(dataset=name, label=own["label"].iloc[0]) for part in found]
    return tables.joined(parts)


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    names = list(dict.fromkeys(table["dataset"].astype(str)))
    files = match_files(inputs["traces"], inputs["embeddings"], set(names))
    means = panels.means_of(table[table["quantity"] == RELATIVE])
    splits = [split for split in panels.SPLITS if split in set(means["split"])]
    methods = style.in_order(means["method"])
    blocks = int(np.ceil(len(names) / MOST_COLUMNS))
    width = int(np.ceil(len(names) / blocks))
    heights = [1.6] * len(splits) + [0.75] * len(methods)
    fig = style.figure(blocks * (sum(heights) + 0.9) + 1.0, width_in=style.WIDTH_IN if width > 1 else 4.2)
    outer, lettered = fig.add_gridspec(blocks, 1), []
    for index, name in enumerate(names):
        if index % width == 0:
            grid = outer[index // width].subgridspec(len(heights), width, height_ratios=heights)
        cells = np.array([[grid[row, index % width]] for row in range(len(heights))], object)
        rows = table[table["dataset"].astype(str) == name]
        axes = _recording(fig, cells, rows, splits, methods, files[name])
        if index == 0:
            lettered = [*axes[: len(splits)], axes[len(splits)]]
        if index % width == 0:
            for axis, method in zip(axes[len(splits) :], methods, strict=True):
                axis.set_ylabel(panels.short(method), color=style.appearance(method, methods)["color"])
            for axis in axes[: len(splits)]:
                axis.set_ylabel(RELATIVE)
    for axis, letter in zip(lettered, "ABCD", strict=False):
        style.panel_letter(axis, letter, x=-0.12, y=1.04)
    _legend(fig, means, methods, width)
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
    fig, cells: np.ndarray, rows: pd.DataFrame, splits: list[str], methods: list[str], files: tuple[Path, list[Path]]
) -> list[Axes]:
    """Draw one column into cells [row, 0]; return its axes, from top to bottom."""
    recording = read_recording(files[0], ["fluorescence", "group"])
    head = [*wrap(str(rows["label"].iloc[0]), 34), _data(recording)]
    axes = []
    for index, split in enumerate(splits):
        axes.append(fig.add_subplot(cells[index, 0]))
        title = _residuals(axes[-1], rows[rows["split"] == split], split)
        axes[-1].set_title("\n".join([*(head if index == 0 else []), *title]), fontsize=6.5)
    shown = rows[rows["unit"] == tables.SQUARED]
    return [*axes, *_traces(fig, cells[len(splits) :], recording, shown, methods, files[1])]


def _data(recording: xr.Dataset) -> str:
    groups = [str(group) for group in dict.fromkeys(recording["group"].values) if str(group)]
    rate = recording.attrs["imaging_rate_hz"]
    seconds = recording.sizes["time"] * recording.attrs["bin_width_s"]
    named = f" ({', '.join(groups)})" if len(groups) > 1 else ""
    return f"{recording.sizes['neuron']} neurons{named}, {seconds:.0f} s at {rate:.3g} Hz"


def _residuals(axis: Axes, rows: pd.DataFrame, split: str) -> list[str]:
    """Draw the relative residual on one split against latent size; return the lines of its title."""
    if rows.empty:
        axis.axis("off")
        return [f"{panels.SPLITS[split]}: not fitted"]
    residuals, compared = (rows[rows["quantity"] == name] for name in (RELATIVE, tables.DIFFERENCE))
    means = panels.draw_partitions(axis, residuals, "latent_size", logarithmic=True)
    size_axis(axis, residuals["latent_size"])
    panels.relative_axis(axis, means, zero=False)
    axis.set_xlabel("latent size")
    others = [method for method in style.in_order(residuals["method"]) if method != BASELINE]
    size = compared["latent_size"].iloc[0] if len(compared) else residuals["latent_size"].iloc[0]
    lines = [f"{panels.SPLITS[split]}, latent size {size:.0f}, against PCA:"]
    return [*lines, *(_verdict(compared[compared["method"] == method], method) for method in others)]


def _verdict(compared: pd.DataFrame, method: str) -> str:
    """Say whether a method's residual is smaller than that of PCA."""
    if compared.empty:
        return f"{panels.short(method)}: no pair to compare"
    row = compared.iloc[0]
    interval = "" if row["outcome"] == UNRESOLVED else f" [{row['lower']:+.3f}, {row['upper']:+.3f}]"
    return f"{panels.short(method)} {row['outcome']}: {row['value']:+.3f}{interval}".replace("-", "−")


def _traces(
    fig, cells, recording: xr.Dataset, rows: pd.DataFrame, methods: list[str], embeddings: Sequence[Path]
) -> list[Axes]:
    """Draw one neuron's trace with the reconstruction of each method, a row each."""
    row, rows = rows.iloc[0], rows.assign(group="")
    axes = panels.draw_examples(fig, cells, rows, recording, embeddings, [""], methods, absent="not fitted")[:, 0]
    one = recording.sel(neuron=row["neuron"])
    trace, time, width = one["fluorescence"].values[0], one["time"].values, float(recording.attrs["bin_width_s"])
    window = liveliest_window(trace, max(int(SHOWN_S / width), 2))
    low, high = np.nanmin(trace[window]), np.nanmax(trace[window])
    pad = 0.05 * max(float(high - low), 1e-9)
    axes[0].set(xlim=(time[window][0], time[window][-1] + width), ylim=(low - pad, high + pad))
    group = str(one["group"].values)
    name = f"neuron {row['neuron']:.0f}{f' ({group})' if group else ''}"
    axes[0].set_title(f"{name}, median of {row['n']:.0f}", fontsize=6.5)
    return list(axes)


def _legend(fig, means: pd.DataFrame, methods: list[str], width: int) -> None:
    note = (
        "Residual: mean squared difference of test traces to their reconstruction, by that of the mean of training "
        "traces. It holds the noise, so that 0 is out of reach and less is not always better. Traces: fluorescence, in "
        "units of the recording, of the neuron of median residual under PCA among those that are test neurons for all "
        "methods, over the minute in which it varies most. Titles: difference to PCA (below 0: better). "
        f"{panels.interval_note(means)}"
    )
    handles = panels.legend_handles(methods, [Line2D([], [], **panels.NOISY | {"label": "recorded trace"})])
    panels.page_legend(fig, handles, note, LINE if width > 1 else 84, ncols=5 if width > 1 else 2)

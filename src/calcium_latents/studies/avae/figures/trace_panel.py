"""Traces of single neurons with the reconstructions of several methods, as figures of the study `avae` show them."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecBase

from calcium_latents.figures import style
from calcium_latents.studies.avae.figure_tables import read_reported
from calcium_latents.studies.avae.study import SHORT

MOST_POINTS = 5000  # of a line that is drawn as a vector
NOISY = {"color": "0.72", "lw": 0.5, "label": "noisy trace"}
TRUE = {"color": style.TRUE_COLOUR, "lw": 0.7, "label": "noiseless trace"}


def short(method: str) -> str:
    """Return the short name of a method."""
    return SHORT.get(method, style.label(method))


def draw_examples(
    fig: Figure,
    grid: GridSpecBase | np.ndarray,
    rows: pd.DataFrame,
    recording: xr.Dataset,
    embeddings: Iterable[Path],
    groups: Sequence[str],
    methods: Sequence[str],
    note: Callable[[pd.Series], str] = lambda row: "",
    absent: str = "",
    **look,
) -> np.ndarray:
    """Draw the neuron of each group (a column) as every method (a row) reconstructs it.

    Args:
        fig, grid: where: cells [method, group].
        rows: of `figure_tables.examples`.
        recording: traces, with the truth where it is known.
        embeddings: files of the methods' fits.
        groups, methods: that are shown.
        note: of a row, what to write into its panel; `look`: how.
        absent: what to write where there is no such row.

    Returns:
        Axes [method, group], whose vertical limits show the trace and room for the note.
    """
    shown = read_reported(embeddings, "reconstruction", sorted(set(rows["neuron"])))
    time = recording["time"].values
    axes = np.empty((len(methods), len(groups)), object)
    for column, group in enumerate(groups):
        for row, method in enumerate(methods):
            axis = axes[row, column] = fig.add_subplot(grid[row, column], sharex=axes[0, 0], sharey=axes[0, column])
            axis.tick_params(labelbottom=row == len(methods) - 1)
            found = rows[(rows["group"] == group) & (rows["method"] == method)]
            if found.empty:
                style.note(axis, absent, 0.5, 0.5, ha="center")
                continue
            one, many = recording.sel(neuron=found["neuron"].iloc[0]), {"rasterized": len(time) > MOST_POINTS}
            axis.plot(time, one["fluorescence"].values[0], **NOISY, **many)
            if "noiseless" in recording:
                axis.plot(time, one["noiseless"].values[0], **TRUE, **many)
            line = shown[method]["reconstruction"].sel(neuron=found["neuron"].iloc[0])
            axis.plot(line["time"].values, line.values, color=style.appearance(method)["color"], lw=0.9, **many)
            style.note(axis, note(found.iloc[0]), 0.99, 0.99, ha="right", va="top", **look)
        axes[-1, column].set_xlabel("time (s)")
    return axes


def page_legend(fig: Figure, handles: list, note: str, characters: int, ncols: int) -> None:
    """Draw a legend below the page, with a note of lines of at most so many characters above it."""
    looks = {"loc": "outside lower center", "title_fontsize": 6}
    legend = fig.legend(handles=handles, ncols=ncols, title=fill(note, characters), **looks)
    legend.get_title().set_multialignment("center")

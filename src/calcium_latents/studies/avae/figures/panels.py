"""Panels that figures of the study `avae` share: scores over partitions in points and words, reconstructed traces."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecBase
from matplotlib.lines import Line2D

from calcium_latents.figures import style
from calcium_latents.statistics.partitions import LEAST, LOSES, TIES, UNRESOLVED, WINS
from calcium_latents.studies.avae.figure_tables import read_reported
from calcium_latents.studies.avae.study import SHORT

SPLITS = {"neuron": "random neurons", "culture": "held-out cultures"}
NULL = "training mean"
STEP = 0.11  # between methods, as a part of the distance between their places on the horizontal axis

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


def means_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that sum up partitions, where there is something to sum up."""
    return table[table["partition"].isna() & table["value"].notna()]


def draw_partitions(
    axis: Axes, table: pd.DataFrame, x: str, logarithmic: bool = False, filled: bool = True
) -> np.ndarray:
    """Draw rows of `figure_tables.of_partitions` against `x` for every method, and return the means.

    Partitions are light points, means have their corrected 95 % interval.
    """
    means = [np.ones(0)]
    methods = style.in_order(table["method"])
    places = np.sort(table[x].unique())
    step = STEP * (np.diff(places).min() if len(places) > 1 else 1.0)
    for index, method in enumerate(methods):
        part, look = table[table["method"] == method], style.appearance(method, methods)
        offset = index - (len(methods) - 1) / 2

        def at(places: pd.Series, offset: float = offset) -> pd.Series:
            return places * 2.0 ** (STEP * offset) if logarithmic else places + step * offset

        points, mean = part[part["partition"].notna()], means_of(part)
        beside = at(points[x], offset - 0.4)
        axis.scatter(beside, points["value"], s=3, color=look["color"], alpha=0.45, linewidths=0, zorder=1)
        bars = {"capsize": 1.5, "elinewidth": 0.7, "ms": 3.4, "lw": 0.9, "ls": "-" if filled else ":"}
        fill = {} if filled else {"mfc": "white", "mew": 0.7}
        axis.errorbar(at(mean[x]), mean["value"], yerr=error_bars(mean), **bars, **fill, **look)
        means.append(mean["value"].to_numpy())
    if len(places) == 1 and not logarithmic:
        axis.margins(x=1.5)  # one place in the middle, not one method at each end
    return np.concatenate(means)


def error_bars(rows: pd.DataFrame) -> np.ndarray:
    """Return [below and above, row] what intervals reach from their values; 0 where there is none."""
    return np.nan_to_num([rows["value"] - rows["lower"], rows["upper"] - rows["value"]])


def relative_axis(axis: Axes, means: np.ndarray, zero: bool = True) -> None:
    """Draw the line of the null at 1; show it, all `means`, and what else does not squeeze them.

    Args:
        axis: on which `draw_partitions` has drawn.
        means: what it has returned [mean shown].
        zero: the axis begins at 0.
    """
    low, high = axis.get_ylim()
    bottom, top = 0.0 if zero else min(means.min(initial=1.0), 1.0), max(means.max(initial=1.0), 1.0)
    reach = 0.4 * max(top - bottom, 0.01)
    low, high = 0.0 if zero else max(min(low, bottom), bottom - reach), min(max(high, top), top + reach)
    axis.axhline(1.0, color=style.appearance(NULL)["color"], lw=0.8, ls="--", zorder=0)
    axis.set_ylim(low, high + 0.1 * reach)


def verdict(compared: pd.DataFrame, method: str) -> str:
    """Say at how many of the noise levels of `compared` a method wins, ties and loses against PCA."""
    name, counts = short(method), compared["outcome"].value_counts()
    if not len(compared) or UNRESOLVED in counts:
        return f"{name}: {UNRESOLVED}, no interval" if len(compared) else f"{name}: no pair to compare"
    kinds = [kind for kind in (WINS, TIES, LOSES) if kind in counts]
    if len(compared) == 1:
        return f"{name} {kinds[0]} against PCA"
    where = ", ".join(f"{kind} at {counts[kind]}" for kind in kinds)
    return f"{name} {where} of {len(compared)} noise levels against PCA"


def legend_handles(methods: Iterable[str], more: Iterable[Line2D] = ()) -> list[Line2D]:
    """Return handles of methods, of the null, and `more`."""
    marks = {"ms": 3.4, "lw": 0.9}
    handles = [Line2D([], [], label=style.label(method), **marks, **style.appearance(method)) for method in methods]
    grey = style.appearance(NULL)["color"]
    return [*handles, Line2D([], [], color=grey, lw=0.8, ls="--", label=style.label(NULL)), *more]


def interval_note(means: pd.DataFrame) -> str:
    """Say what points, markers and intervals are, and of how many partitions; `means` is of `means_of`."""
    fits = [name for name in ("dataset", "noise_level", "method", "split") if name in means]
    number, seeds = span(means.groupby(fits)["n"].max()), means["seeds"].max()
    initialisations = "one seed" if seeds == 1 else f"{seeds:.0f} seeds, averaged in each partition"
    shares = sorted({f"{ratio:.2g}" for ratio in means.groupby("split")["test_to_training"].max()})
    return (
        f"Light: {number} partition{'s' * (number != '1')} ({initialisations}); markers: mean, 95 % interval (of "
        f"{LEAST} or more). Partitions overlap: variance × (1/k + n_test/n_train), n_test/n_train = "
        f"{' and '.join(shares)} (Nadeau & Bengio 2003), each by itself; wins, loses: that of the paired difference "
        "leaves out 0."
    )


def span(values: Iterable[float]) -> str:
    """Print the smallest and the largest of whole numbers."""
    return " to ".join(dict.fromkeys(f"{value:.0f}" for value in (min(values), max(values))))

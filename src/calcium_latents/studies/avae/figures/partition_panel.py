"""Scores over partitions of the neurons, drawn and put in words: points, corrected intervals, verdicts."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.figures import style
from calcium_latents.recordings import read_embedding
from calcium_latents.statistics.partitions import (
    LEAST,
    LOSES,
    TEST_TO_TRAINING,
    TIES,
    UNRESOLVED,
    WINS,
    over_partitions,
    ratio_of_parts,
)
from calcium_latents.studies.avae.figures.trace_panel import SHORT

SPLITS = {"neuron": "random neurons", "culture": "held-out cultures"}
NULL = "training mean"
STEP = 0.11  # between methods, as a part of the distance between their places on the horizontal axis


def split_ratios(paths: Iterable[Path]) -> dict[str, float]:
    """Return the number of test neurons over that of all others for each split, the largest of all `paths`."""
    ratios: dict[str, float] = {}
    for path in paths:
        box = read_embedding(path, ["part", "split"])
        for split in np.unique(box["split"].values.astype(str)):
            part = box["part"].values[box["split"].values == split]
            ratios[split] = max(ratios.get(split, 0.0), ratio_of_parts(part))
    return ratios


def draw_partitions(
    axis: Axes, rows: pd.DataFrame, x: str, value: str, ratio: float, logarithmic: bool = False, filled: bool = True
) -> np.ndarray:
    """Draw `value` against `x` for every method: partitions as light points, mean with corrected 95 % interval.

    Returns the means.
    """
    means = [np.ones(0)]
    methods = style.in_order(rows["method"])
    places = np.sort(rows[x].unique())
    step = STEP * (np.diff(places).min() if len(places) > 1 else 1.0)
    for index, method in enumerate(methods):
        part, look = rows[rows["method"] == method], style.appearance(method, methods)
        offset = index - (len(methods) - 1) / 2

        def at(places: pd.Series, offset: float = offset) -> pd.Series:
            return places * 2.0 ** (STEP * offset) if logarithmic else places + step * offset

        points = part.groupby([x, "partition"], as_index=False)[value].mean()
        beside = at(points[x], offset - 0.4)
        axis.scatter(beside, points[value], s=3, color=look["color"], alpha=0.45, linewidths=0, zorder=1)
        mean = over_partitions(part, value, [x], ratio).dropna(subset=["mean"])
        error = np.nan_to_num([mean["mean"] - mean["lower"], mean["upper"] - mean["mean"]])
        bars = {"capsize": 1.5, "elinewidth": 0.7, "ms": 3.4, "lw": 0.9, "ls": "-" if filled else ":"}
        fill = {} if filled else {"mfc": "white", "mew": 0.7}
        axis.errorbar(at(mean[x]), mean["mean"], yerr=error, **bars, **fill, **look)
        means.append(mean["mean"].to_numpy())
    if len(places) == 1 and not logarithmic:
        axis.margins(x=1.5)  # one place in the middle, not one method at each end
    return np.concatenate(means)


def relative_axis(axis: Axes, means: np.ndarray, zero: bool = True) -> None:
    """Draw the line of the null at 1; show it, all `means`, and what else does not squeeze them.

    Args:
        axis: on which `draw_partitions` has drawn.
        means: what it has returned, [mean].
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
    name, counts = SHORT.get(method, style.label(method)), compared["outcome"].value_counts()
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


def interval_note(rows: pd.DataFrame, ratios: Mapping[str, float]) -> str:
    """Say what points, markers and intervals are, and of how many partitions."""
    fits = [name for name in ("dataset", "noise_level", "method", "split") if name in rows]
    counts = rows.groupby(fits, dropna=False)["partition"].nunique()
    number = " to ".join(dict.fromkeys(f"{value}" for value in (counts.min(), counts.max())))
    seeds = rows.groupby("method")["seed"].nunique().max()
    initialisations = "one seed" if seeds == 1 else f"{seeds} seeds, averaged in each partition"
    shares = sorted({f"{ratios.get(split, TEST_TO_TRAINING):.2g}" for split in set(rows["split"])})
    return (
        f"Light: {number} partition{'s' * (number != '1')} ({initialisations}); markers: mean, 95 % interval (of "
        f"{LEAST} or more). Partitions overlap: variance × (1/k + n_test/n_train), n_test/n_train = "
        f"{' and '.join(shares)} (Nadeau & Bengio 2003), each by itself; wins, loses: that of the paired difference "
        "leaves out 0."
    )

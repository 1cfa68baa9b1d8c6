"""One panel: a score against latent size for every model, with seeds as thin lines and an interval over them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from calcium_latents.figures import style
from calcium_latents.metrics import explained_variance as ev

SHIFT = 1.035  # factor between the models' places on the logarithmic axis, so that error bars stand apart


def draw_sizes(axis: Axes, table: pd.DataFrame, value: str, true_size: float = np.nan) -> None:
    """Draw `value` of one dataset against latent size; mark the true latent size where it is known."""
    models = style.in_order(table["model"])
    if np.isfinite(true_size):
        axis.axvline(true_size, color="0.5", lw=0.8, ls=":", label="true latent size", zorder=0)
    for index, model in enumerate(models):
        part = table[table["model"] == model]
        look, shift = style.appearance(model, models), SHIFT ** (index - (len(models) - 1) / 2)
        for _, seed in part.groupby("seed"):
            seed = seed.sort_values("latent_size")
            axis.plot(seed["latent_size"] * shift, seed[value], color=look["color"], lw=0.5, alpha=0.35)
        mean = ev.over_seeds(part, value, ["latent_size"]).dropna(subset=["mean"])
        error = np.nan_to_num([mean["mean"] - mean["lower"], mean["upper"] - mean["mean"]])
        bars = {"capsize": 1.5, "elinewidth": 0.7, "ms": 3.2, "lw": 0.9}
        axis.errorbar(mean["latent_size"] * shift, mean["mean"], yerr=error, label=style.label(model), **bars, **look)
    size_axis(axis, [*table["latent_size"], *([true_size] if np.isfinite(true_size) else [])])


def size_axis(axis: Axes, sizes: Iterable[float]) -> None:
    """Make the horizontal axis one of latent sizes: logarithmic, with powers of two as ticks."""
    low, high = min(sizes), max(sizes)
    ticks = 2 ** np.arange(np.floor(np.log2(low)), np.ceil(np.log2(high)) + 1)
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    axis.set_xscale("log", base=2)
    axis.set_xlim(low / 1.15, high * 1.15)
    axis.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axis.xaxis.set_minor_locator(NullLocator())


def value_limits(table: pd.DataFrame, value: str, more: Iterable[float] = ()) -> tuple[float, float]:
    """Return limits that show all seeds, zero and `more`, and intervals but for those that would squeeze the rest."""
    values = np.array([*table[value], *more], float)
    values = values[np.isfinite(values)]
    high = max(values.max(initial=0.0), 0.05)
    upper = ev.over_seeds(table, value, ["model", "latent_size"])["upper"].max()
    high = max(high, min(upper, 1.25 * high)) if np.isfinite(upper) else high
    low = max(min(values.min(initial=0.0), 0.0), -0.35 * high)
    return low - 0.03 * (high - low), high + 0.06 * (high - low)


def seeds_text(table: pd.DataFrame) -> str:
    """Say what lines and markers are, and of how many seeds."""
    counts = table.groupby(["dataset", "model"])["seed"].nunique()
    if counts.max() == 1:
        return "one seed (initialisation and choice of neurons), no interval"
    number = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()}–{counts.max()}"
    what = "thin: seeds (initialisations and choices of neurons); markers: mean, 95 % t interval over"
    return f"{what} {number} seeds"


def interval_text(row) -> str:
    """Print a difference with its interval."""
    interval = f" [{row.lower:+.3f}, {row.upper:+.3f}]" if np.isfinite(row.lower) else ""
    return f"{row.mean:+.3f}{interval}".replace("-", "−")

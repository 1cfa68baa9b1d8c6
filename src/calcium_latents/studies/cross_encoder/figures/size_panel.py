"""One panel: a score against latent size for every model, with seeds as thin lines and an interval over them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calcium_latents.figures import style
from calcium_latents.figures.latent_size_panel import size_axis
from calcium_latents.figures.panels import legend_below
from calcium_latents.metrics import explained_variance as ev

SHIFT = 1.035  # factor between the models' places on the logarithmic axis, so that error bars stand apart
MEAN = {"mean": "value", "seeds": "n"}


def size_rows(scores: pd.DataFrame, value: str, panel: str) -> pd.DataFrame:
    """Return what `draw_sizes` shows of one dataset.

    Args:
        scores: columns model, seed, latent_size and `value`.

    Returns:
        Columns panel, quantity (`value`), model, latent_size, seed, value, lower, upper, n: a row for each fit, and one
        without a seed for the mean over n seeds and its 95 % t interval.
    """
    fits = scores[["model", "latent_size", "seed", value]].rename(columns={value: "value"})
    means = ev.over_seeds(scores, value, ["model", "latent_size"]).rename(columns=MEAN)
    return pd.concat([fits, means]).assign(panel=panel, quantity=value)


def difference_row(scores: pd.DataFrame, panel: str) -> pd.DataFrame:
    """Return cross-encoder minus regression in test R2, each at its size of best validation R2: one row, or none."""
    compared = ev.compare_best(scores).rename(columns=MEAN)
    return compared[["value", "lower", "upper", "n"]].assign(panel=panel, quantity="difference")


def layout(table: pd.DataFrame, most: int) -> tuple[list[list[str]], int]:
    """Return the table's datasets in blocks of columns, and their width, at most `most`."""
    datasets = list(dict.fromkeys(table["dataset"]))
    width = int(np.ceil(len(datasets) / np.ceil(len(datasets) / most)))
    return [datasets[start : start + width] for start in range(0, len(datasets), width)], width


def legend(fig: Figure, table: pd.DataFrame, ncols: int, title: str) -> None:
    """Put the models, then all else that has a label, below the figure, under what lines and markers are."""
    handles = {}
    for axis in fig.axes:
        handles |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    models = [style.label(model) for model in style.in_order(table["model"].dropna())]
    order = [name for name in dict.fromkeys([*models, *handles]) if name in handles]
    legend_below(fig, [handles[name] for name in order], seeds_text(table) + title, ncols)


def draw_sizes(axis: Axes, rows: pd.DataFrame, true_size: float = np.nan) -> None:
    """Draw `size_rows` against latent size; mark the true latent size where it is known."""
    models = style.in_order(rows["model"])
    if np.isfinite(true_size):
        axis.axvline(true_size, color="0.5", lw=0.8, ls=":", label="true latent size", zorder=0)
    for index, model in enumerate(models):
        part = rows[rows["model"] == model]
        look, shift = style.appearance(model, models), SHIFT ** (index - (len(models) - 1) / 2)
        for _, seed in part.groupby("seed"):
            seed = seed.sort_values("latent_size")
            axis.plot(seed["latent_size"] * shift, seed["value"], color=look["color"], lw=0.5, alpha=0.35)
        mean = part[part["seed"].isna()].dropna(subset=["value"])
        error = np.nan_to_num([mean["value"] - mean["lower"], mean["upper"] - mean["value"]])
        bars = {"capsize": 1.5, "elinewidth": 0.7, "ms": 3.2, "lw": 0.9}
        axis.errorbar(mean["latent_size"] * shift, mean["value"], yerr=error, label=style.label(model), **bars, **look)
    size_axis(axis, [*rows["latent_size"], *([true_size] if np.isfinite(true_size) else [])])


def value_limits(rows: pd.DataFrame, more: Iterable[float] = ()) -> tuple[float, float]:
    """Return limits that show all seeds, zero and `more`, and intervals but for those that would squeeze the rest."""
    values = np.array([*rows.loc[rows["seed"].notna(), "value"], *more], float)
    values = values[np.isfinite(values)]
    high = max(values.max(initial=0.0), 0.05)
    upper = rows["upper"].max()
    high = max(high, min(upper, 1.25 * high)) if np.isfinite(upper) else high
    low = max(min(values.min(initial=0.0), 0.0), -0.35 * high)
    return low - 0.03 * (high - low), high + 0.06 * (high - low)


def seeds_text(table: pd.DataFrame) -> str:
    """Say what lines and markers are, and of how many seeds."""
    counts = table.dropna(subset=["seed"]).groupby(["dataset", "model"])["seed"].nunique()
    if counts.max() == 1:
        return "one seed (initialisation and choice of neurons), no interval"
    number = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()}–{counts.max()}"
    what = "thin: seeds (initialisations and choices of neurons); markers: mean, 95 % t interval over"
    return f"{what} {number} seeds"


def interval_text(row) -> str:
    """Print a difference (fields value, lower, upper) with its interval."""
    interval = f" [{row.lower:+.3f}, {row.upper:+.3f}]" if np.isfinite(row.lower) else ""
    return f"{row.value:+.3f}{interval}".replace("-", "−")

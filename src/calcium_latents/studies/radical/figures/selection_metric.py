"""Does a validation metric choose the models that recover the latents? R2 against each metric over snapshots
of training.

Inputs:
    convergence: convergence.csv with at least one of the metrics of `model_selection`.
"""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below
from calcium_latents.studies.radical.convergence import COLUMNS, RUN, mean_over_latents
from calcium_latents.studies.radical.model_selection import SHORT, selection_quality, two_lines

INPUTS = {"convergence": "convergence.csv"}
PANELS_A_ROW = 4
LETTERS = "abcdefghij"
GOOD_REGRET = 0.02  # R2 below the best that a choice may cost and still be called good
SNAPSHOTS, EVERY, FINISHED = "snapshot", "any snapshot", "finished runs"  # what a row of the table is of


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return snapshots (mean of latents; `loss`: of the metric), and `selection_quality`, of the first dataset."""
    table = read_tables(inputs, "convergence", COLUMNS)
    table = table[table["dataset"] == table["dataset"].iloc[0]]
    parts = {EVERY: selection_quality(table), FINISHED: selection_quality(table, finished=True)}
    metrics = list(parts[EVERY]["metric"])
    points = mean_over_latents(table).melt([*RUN, "step", "r2"], metrics, "metric", "loss")
    table = pd.concat({SNAPSHOTS: points.dropna(subset=["loss"]), **parts}, names=["of", None]).reset_index("of")
    table.insert(0, "panel", table["metric"].map(dict(zip(metrics, LETTERS, strict=False))))
    return table


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    points, quality, finished = (table[table["of"] == kind] for kind in (SNAPSHOTS, EVERY, FINISHED))
    quality = quality.set_index("metric")
    finished = finished.set_index("metric").reindex(quality.index)
    metrics = list(quality.index)
    models = style.in_order(points["model"])
    rows = -(-(len(metrics) + 1) // PANELS_A_ROW)
    columns = -(-(len(metrics) + 1) // rows)
    fig = style.figure(1.4 + 2.5 * rows)
    widths = [1.0] * (columns - 1) + [0.8 if rows == 1 else 1.0]
    axes = fig.subplots(rows, columns, squeeze=False, width_ratios=widths).ravel()
    left = len(metrics) % columns  # the panel of choices takes what is left of the last row
    for spare in axes[len(metrics) :]:
        spare.remove()
    choices = fig.add_subplot(axes[0].get_gridspec()[rows - 1, left:])
    for number, (axis, metric, letter) in enumerate(zip(axes, metrics, LETTERS, strict=False)):
        _against_metric(axis, points[points["metric"] == metric], models)
        interval = f"[{quality.loc[metric, 'lower']:+.2f}, {quality.loc[metric, 'upper']:+.2f}]"
        lines = [two_lines(metric), f"{quality.loc[metric, 'agreement']:+.2f} {interval}"]
        if np.isfinite(finished.loc[metric, "agreement"]):
            lines.append(f"finished runs alone {finished.loc[metric, 'agreement']:+.2f}")
        axis.set_title("\n".join(lines), fontsize=6)
        if number % columns == 0:
            axis.set_ylabel("latent recovery, R²\n(mean of latents)")
        if number:
            axis.sharey(axes[0])
        style.panel_letter(axis, letter, x=-0.04, y=1.2)
    _chosen(choices, quality, finished)
    style.panel_letter(choices, LETTERS[len(metrics)], x=-0.04, y=1.2)
    handles = []
    for model in models:
        look = style.appearance(model, models)
        handles += axes[0].plot([], [], look["marker"], color=look["color"], label=style.label(model))
    handles += axes[0].plot([], [], "o", mfc="none", mec=style.BLACK, ms=4, mew=0.9, label="last snapshot of a run")
    handles += axes[0].plot([], [], "o", mfc="none", mec=style.BLACK, ms=9, mew=0.6, label="chosen by the metric")
    row = quality.iloc[0]
    count = f"{int(row['snapshots'])} snapshots of {int(row['runs'])} runs"
    title = (
        f"{_verdict(quality, finished)}\n"
        f"{row['dataset']}; {count}, larger = later in its run, at the right edge: beyond it;\n"
        "above panels: agreement = minus Spearman's ρ, 95 % bootstrap over runs"
    )
    legend_below(fig, handles, title, ncols=3, size=7)
    return style.save(fig, output_stem)


def _against_metric(axis, points: pd.DataFrame, models: list[str]) -> None:
    """R2 against one metric: a point a snapshot, a line a run."""
    low, high = _limits(points)
    for (_, model, _), run in points.groupby(RUN):
        look, run = style.appearance(model, models), run.sort_values("step")
        place = run["loss"].clip(upper=high)
        axis.plot(place, run["r2"], "-", color=look["color"], lw=0.5, alpha=0.5)
        size = 5 + 25 * run["step"] / max(run["step"].max(), 1)
        kind = {"marker": look["marker"], "linewidths": 0}
        axis.scatter(place, run["r2"], s=size, c=look["color"], alpha=0.8, clip_on=False, **kind)
        last = {"ms": size.iloc[-1] ** 0.5, "mec": style.BLACK, "mew": 0.9, "zorder": 4, "clip_on": False}
        axis.plot(place.iloc[-1], run["r2"].iloc[-1], look["marker"], color=look["color"], **last)
    best = points.loc[points["loss"].idxmin()]
    axis.plot(best["loss"], best["r2"], "o", ms=10, mfc="none", mec=style.BLACK, mew=0.6, zorder=5)
    axis.set_xlabel("loss (nats per sample)", fontsize=6.5)
    axis.xaxis.set_major_locator(style.few_ticks())
    axis.set_xlim(low - 0.08 * (high - low), high)


def _chosen(axis, quality: pd.DataFrame, finished: pd.DataFrame) -> None:
    """R2 of what each metric chooses: of all snapshots, and of the runs' last ones."""
    position = np.arange(len(quality))
    kinds = ((quality, -0.16, "0.8", "--", EVERY), (finished, 0.16, "0.55", ":", FINISHED))
    for table, shift, shade, line, name in kinds:
        axis.barh(position + shift, table["chosen_r2"].clip(lower=0), color=shade, height=0.3, label=name)
        axis.axvline(table["best_r2"].max(), color=style.BLACK, lw=0.8, ls=line, label=f"best, {name}")
    for y, metric in zip(position, quality.index, strict=True):
        axis.text(0.02, y - 0.36, SHORT[metric], va="bottom", fontsize=6)
    axis.set(
        yticks=[],
        xlabel="R² of the choice",
        ylim=(len(quality) - 0.45, -0.75),
        xlim=(0, max(1.0, quality["best_r2"].max())),
    )
    axis.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=5.5, ncols=2, columnspacing=0.8, handlelength=1.4
    )


def _verdict(quality: pd.DataFrame, finished: pd.DataFrame) -> str:
    """Say whether any metric may be trusted with the choice."""
    sure = [SHORT[metric] for metric in quality.index if quality.loc[metric, "lower"] > 0]
    ranks = f"Interval of agreement above 0: {', '.join(sure)}." if sure else "No metric ranks snapshots reliably."
    right = [SHORT[metric] for metric in finished.index if finished.loc[metric, "regret"] < GOOD_REGRET]
    picks = f"Chooses a finished run within {GOOD_REGRET:g} of the best: {', '.join(right) or 'no metric'}."
    return "\n".join(textwrap.fill(line, 115) for line in (ranks, picks))


def _limits(points: pd.DataFrame) -> tuple[float, float]:
    """Range of losses that matters: near those of the better half; the rest stands at the right edge.

    First snapshots, and the published recipe, have losses that would squeeze all others into a line.
    """
    better = points[points["r2"] >= points["r2"].median()]["loss"]
    low, middle, high = points["loss"].min(), better.median(), better.max()
    high = min(high, middle + 6 * max(middle - low, 1e-9))
    return low, high + 0.25 * max(high - low, 1e-9)

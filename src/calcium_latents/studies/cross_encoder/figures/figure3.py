"""Cross-encoder, Figure 3: explained variance of test samples against latent size, a column for each dataset.

Inputs:
    scores: scores.csv of each dataset (see `metrics.explained_variance`), in the order of the columns.
    normalised: normalised.csv of the same datasets.
"""

from pathlib import Path
from textwrap import wrap

import numpy as np
import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.latent_size_panel import draw_sizes, interval_text, seeds_text, value_limits
from calcium_latents.metrics import explained_variance as ev

INPUTS = {"scores": "{run}/scores.csv", "normalised": "{run}/normalised.csv"}
MOST_COLUMNS = 5
SHORT = {ev.MODEL: "cross-encoder", ev.BASELINE: "regression", "linear_encoder": "linear encoder"}
NORMALISERS = {ev.JOINT: "test R² /\njoint best", ev.OWN: "test R² /\nown best"}
LIMITS = (-0.05, 1.14)


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    scores = read_tables(inputs, "scores", ev.SCORE_COLUMNS)
    normalised = read_tables(inputs, "normalised", ev.NORMALISED_COLUMNS)
    datasets = list(dict.fromkeys(scores["dataset"]))
    blocks = int(np.ceil(len(datasets) / MOST_COLUMNS))
    width = int(np.ceil(len(datasets) / blocks))
    fig = style.figure(5.2 * blocks + 0.5)
    for block, part in enumerate(np.atleast_1d(fig.subfigures(blocks, 1))):
        _block(part, scores, normalised, datasets[block * width : (block + 1) * width], width, first=block == 0)
    handles = {}
    for axis in fig.axes:
        handles |= dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    order = [style.label(model) for model in style.in_order(scores["model"])]
    order += [name for name in handles if name not in order]
    title = (
        f"{seeds_text(scores)};\n"
        "“95 % at”: smallest fitted size that reaches it, range over seeds (*: the largest size fitted); regression: "
        "reduced-rank regression;\n"
        "c: cross-encoder minus regression in test R², each at its size of best validation R², 95 % interval over seeds"
    )
    legend = fig.legend(
        [handles[name] for name in order], order, loc="outside lower center", ncols=5, title=title, title_fontsize=6
    )
    legend.get_title().set_multialignment("center")
    return style.save(fig, output_stem)


def _block(fig, scores: pd.DataFrame, normalised: pd.DataFrame, datasets: list[str], width: int, first: bool) -> None:
    axes = fig.subplots(3, width, squeeze=False, sharex="col")
    for column, dataset in enumerate(datasets):
        rows = scores[(scores["dataset"] == dataset) & (scores["chosen"] == 1)]
        size = rows["true_latent_size"].iloc[0]
        for axis, normaliser in zip(axes[:, column], NORMALISERS, strict=False):
            part = normalised[(normalised["dataset"] == dataset) & (normalised["normaliser"] == normaliser)]
            axis.axhline(ev.LEVEL, color="0.4", lw=0.8, ls="--", label="95 %", zorder=0)
            draw_sizes(axis, part, "normalised_r2", size)
            axis.set(ylim=LIMITS, yticks=np.arange(0, 1.01, 0.25))
            head = "\n".join(
                [*wrap(str(rows["label"].iloc[0]), 24), _verdict(scores[scores["dataset"] == dataset])[0], ""]
            )
            axis.set_title((head if normaliser == ev.JOINT else "") + _sizes(part), fontsize=6)
        _absolute(axes[2, column], rows, size)
        axes[2, column].set_title(_verdict(scores[scores["dataset"] == dataset])[1], fontsize=6)
        axes[2, column].set_xlabel("latent size")
        for axis in axes[:2, column]:
            axis.label_outer()
    for axis in axes[:, len(datasets) :].flat:
        axis.axis("off")
    for row, (name, letter) in enumerate(zip((*NORMALISERS.values(), "test R²"), "abc", strict=True)):
        axes[row, 0].set_ylabel(name)
        if first:
            style.panel_letter(axes[row, 0], letter, x=-0.3)


def _absolute(axis, rows: pd.DataFrame, size: float) -> None:
    """R2 as it is, with that of the true expected activity where it is known."""
    ceiling = rows["ceiling_r2"].mean()
    if np.isfinite(ceiling):
        axis.axhline(ceiling, color=style.BLACK, lw=0.8, label=style.label("ceiling"))
    axis.axhline(0, color="0.7", lw=0.6, zorder=0)
    draw_sizes(axis, rows, "test_r2", size)
    axis.set_ylim(value_limits(rows, "test_r2", [ceiling]))


def _sizes(part: pd.DataFrame) -> str:
    """Say at which size each model reaches 95 % of the normaliser."""
    needed = ev.sizes_needed(part)
    lines = []
    for model in style.in_order(part["model"]):
        sizes = needed.loc[needed["model"] == model, "size_needed"]
        largest = part.loc[part["model"] == model, "latent_size"].max()
        lines.append(f"{SHORT.get(model, style.label(model))} {ev.size_text(sizes, largest)}")
    return "95 % at: " + "\n".join(lines)


def _verdict(scores: pd.DataFrame) -> tuple[str, str]:
    """Say whether the cross-encoder predicts better than reduced-rank regression, and by how much."""
    compared = ev.compare_best(scores)
    if compared.empty:
        return "no pair to compare", ""
    row = next(compared.itertuples())
    null = ev.condition(scores) == "linear"
    words = {
        ev.WINS: "cross-encoder WINS on the null" if null else "cross-encoder wins",
        ev.TIES: "cross-encoder does not win" if null else "cross-encoder only ties",
        ev.LOSES: "cross-encoder does not win" if null else "cross-encoder loses",
        ev.UNRESOLVED: "one seed: no test",
    }
    return words[row.outcome], interval_text(row)

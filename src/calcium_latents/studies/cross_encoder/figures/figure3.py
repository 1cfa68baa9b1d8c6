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
from calcium_latents.figures.rows import number, rows, select
from calcium_latents.metrics import explained_variance as ev
from calcium_latents.studies.cross_encoder.figures.size_panel import (
    difference_row,
    draw_sizes,
    interval_text,
    layout,
    legend,
    size_rows,
    value_limits,
)

INPUTS = {"scores": "{run}/scores.csv", "normalised": "{run}/normalised.csv"}
MOST_COLUMNS = 5
SHORT = {ev.MODEL: "cross-encoder", ev.BASELINE: "regression", "linear_encoder": "linear encoder"}
NORMALISERS = {"a": ev.JOINT, "b": ev.OWN}
NAMES = {"a": "test R² /\njoint best", "b": "test R² /\nown best", "c": "test R²"}
LIMITS = (-0.05, 1.14)
SIZE_NEEDED = "latent size for 95 %"  # inf: never among the sizes fitted


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return R2 by latent size (`size_panel.size_rows`), sizes needed, ceilings and differences of all datasets."""
    scores = read_tables(inputs, "scores", ev.SCORE_COLUMNS)
    normalised = read_tables(inputs, "normalised", ev.NORMALISED_COLUMNS)
    tables = []
    for dataset, mine in scores.groupby("dataset", sort=False):
        chosen = mine[mine["chosen"] == 1]
        ceiling = rows("c", "ceiling_r2", chosen["ceiling_r2"].mean())
        parts = [size_rows(chosen, "test_r2", "c"), difference_row(mine, "c"), ceiling]
        for panel, normaliser in NORMALISERS.items():
            part = select(normalised, dataset=dataset, normaliser=normaliser)
            needed = ev.sizes_needed(part)[["model", "seed", "size_needed"]].rename(columns={"size_needed": "value"})
            parts += [size_rows(part, "normalised_r2", panel), needed.assign(panel=panel, quantity=SIZE_NEEDED)]
        first = chosen.iloc[0]
        about = {name: first[name] for name in ("dataset", "label", "true_latent_size")}
        tables.append(pd.concat(parts).assign(condition=ev.condition(mine), **about))
    keys = ["panel", "dataset", "label", "condition", "true_latent_size", "quantity", "model", "latent_size", "seed"]
    return pd.concat(tables)[[*keys, "value", "lower", "upper", "n"]]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    blocks, width = layout(table, MOST_COLUMNS)
    fig = style.figure(5.2 * len(blocks) + 0.5)
    for block, part in enumerate(np.atleast_1d(fig.subfigures(len(blocks), 1))):
        _block(part, table, blocks[block], width, first=block == 0)
    title = (
        ";\n“95 % at”: smallest fitted size that reaches it, range over seeds (*: the largest size fitted); "
        "regression: reduced-rank regression;\n"
        "c: cross-encoder minus regression in test R², each at its size of best validation R², 95 % interval over seeds"
    )
    legend(fig, table, 5, title)
    return style.save(fig, output_stem)


def _block(fig, table: pd.DataFrame, datasets: list[str], width: int, first: bool) -> None:
    axes = fig.subplots(3, width, squeeze=False, sharex="col")
    for column, dataset in enumerate(datasets):
        mine = table[table["dataset"] == dataset]
        label, size = mine["label"].iloc[0], mine["true_latent_size"].iloc[0]
        verdict, difference = _verdict(mine)
        for axis, panel in zip(axes[:, column], NORMALISERS, strict=False):
            part = select(mine, panel=panel, quantity="normalised_r2")
            axis.axhline(ev.LEVEL, color="0.4", lw=0.8, ls="--", label="95 %", zorder=0)
            draw_sizes(axis, part, size)
            axis.set(ylim=LIMITS, yticks=np.arange(0, 1.01, 0.25))
            head = "\n".join([*wrap(str(label), 24), verdict, ""]) if panel == "a" else ""
            axis.set_title(head + _sizes(part, select(mine, panel=panel, quantity=SIZE_NEEDED)), fontsize=6)
        _absolute(axes[2, column], mine, size)
        axes[2, column].set_title(difference, fontsize=6)
        axes[2, column].set_xlabel("latent size")
        for axis in axes[:2, column]:
            axis.label_outer()
    for axis in axes[:, len(datasets) :].flat:
        axis.axis("off")
    for row, (letter, name) in enumerate(NAMES.items()):
        axes[row, 0].set_ylabel(name)
        if first:
            style.panel_letter(axes[row, 0], letter, x=-0.3)


def _absolute(axis, mine: pd.DataFrame, size: float) -> None:
    """R2 as it is, with that of the true expected activity where it is known."""
    ceiling = number(mine, "ceiling_r2")
    if np.isfinite(ceiling):
        axis.axhline(ceiling, color=style.BLACK, lw=0.8, label=style.label("ceiling"))
    axis.axhline(0, color="0.7", lw=0.6, zorder=0)
    part = mine[mine["quantity"] == "test_r2"]
    draw_sizes(axis, part, size)
    axis.set_ylim(value_limits(part, [ceiling]))


def _sizes(part: pd.DataFrame, needed: pd.DataFrame) -> str:
    """Say at which size each model reaches 95 % of the normaliser."""
    lines = []
    for model in style.in_order(part["model"]):
        largest = part.loc[part["model"] == model, "latent_size"].max()
        sizes = ev.size_text(needed.loc[needed["model"] == model, "value"], largest)
        lines.append(f"{SHORT.get(model, style.label(model))} {sizes}")
    return "95 % at: " + "\n".join(lines)


def _verdict(mine: pd.DataFrame) -> tuple[str, str]:
    """Say whether the cross-encoder predicts better than reduced-rank regression, and by how much."""
    compared = mine[mine["quantity"] == "difference"]
    if compared.empty:
        return "no pair to compare", ""
    row = compared.iloc[0]
    null = row["condition"] == "linear"
    words = {
        ev.WINS: "cross-encoder WINS on the null" if null else "cross-encoder wins",
        ev.TIES: "cross-encoder does not win" if null else "cross-encoder only ties",
        ev.LOSES: "cross-encoder does not win" if null else "cross-encoder loses",
        ev.UNRESOLVED: "one seed: no test",
    }
    return words[ev.outcome(row["value"], row["lower"], row["upper"])], interval_text(row)

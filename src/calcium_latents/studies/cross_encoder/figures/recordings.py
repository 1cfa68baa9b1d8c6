"""Real recordings: explained variance of test samples against latent size, and what the cross-encoder adds.

Inputs:
    scores: scores.csv of each recording (see `metrics.explained_variance`), in the order of the columns.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.latent_size_panel import size_axis
from calcium_latents.metrics import explained_variance as ev
from calcium_latents.studies.cross_encoder.figures.size_panel import (
    MEAN,
    difference_row,
    draw_sizes,
    interval_text,
    layout,
    legend,
    size_rows,
    value_limits,
)

INPUTS = {"scores": "{recordings}/scores.csv"}
MOST_COLUMNS = 3
PIECES = {"stimulus": "stimuli", "spontaneous": "chunks"}
ABOUT = [
    *("dataset", "label", "paradigm", "source_neurons", "target_neurons", "seconds"),
    *("training_pieces", "validation_pieces", "test_pieces"),
]


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return test R2 by latent size (`size_panel.size_rows`), at the best size, and differences, of all recordings."""
    scores = read_tables(inputs, "scores", ev.SCORE_COLUMNS)
    tables = []
    for _, mine in scores.groupby("dataset", sort=False):
        best = ev.best_fits(mine).groupby("model", as_index=False).agg(value=("test_r2", "mean"), n=("seed", "nunique"))
        by_size = ev.paired_difference(mine).drop(columns=["dataset", "label"]).rename(columns=MEAN)
        parts = [
            size_rows(mine[mine["chosen"] == 1], "test_r2", "a"),
            best.assign(panel="a", quantity="test_r2 at the best size"),
            difference_row(mine, "a"),
            by_size.assign(panel="b", quantity="difference by size"),
        ]
        tables.append(pd.concat(parts).assign(**mine.loc[mine["chosen"] == 1, ABOUT].iloc[0]))
    keys = ["panel", *ABOUT, "quantity", "model", "latent_size", "seed"]
    return pd.concat(tables)[[*keys, "value", "lower", "upper", "n"]]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    blocks, width = layout(table, MOST_COLUMNS)
    fig = style.figure(3.6 * len(blocks) + 0.5, width_in=style.WIDTH_IN if width > 1 else 4.2)
    for block, part in enumerate(np.atleast_1d(fig.subfigures(len(blocks), 1))):
        axes = part.subplots(2, width, squeeze=False, sharex="col", height_ratios=[1.5, 1])
        for column, dataset in enumerate(blocks[block]):
            _recording(axes[:, column], table[table["dataset"] == dataset])
        for axis in axes[:, len(blocks[block]) :].flat:
            axis.axis("off")
        axes[0, 0].set_ylabel("test R²")
        axes[1, 0].set_ylabel("difference\n(cross-encoder\n− regression)")
        if block == 0:
            for axis, letter in zip(axes[:, 0], "ab", strict=True):
                style.panel_letter(axis, letter, x=-0.3)
    title = (
        "\nseeds share one recording; counts of chunks or stimuli: training/validation/test;\n"
        "titles: cross-encoder minus regression in test R², each at its size of best validation R²"
    )
    legend(fig, table, 3 if width > 1 else 1, title)
    return style.save(fig, output_stem)


def _recording(axes, table: pd.DataFrame) -> None:
    rows = table[table["quantity"] == "test_r2"]
    axes[0].axhline(0, color="0.7", lw=0.6, zorder=0)
    draw_sizes(axes[0], rows)
    axes[0].set_ylim(value_limits(rows))
    axes[0].set_title(f"{rows['label'].iloc[0]}\n{_data(rows)}\n{_verdict(table)}", fontsize=6.5)
    difference = table[table["quantity"] == "difference by size"]
    mean, sizes = difference["value"], difference["latent_size"]
    error = np.nan_to_num([mean - difference["lower"], difference["upper"] - mean])
    axes[1].axhline(0, color="0.4", lw=0.8)
    axes[1].errorbar(sizes, mean, yerr=error, fmt="o", color=style.BLACK, ms=3.2, capsize=1.5, elinewidth=0.7)
    size_axis(axes[1], rows["latent_size"])
    # an interval over two or three seeds can be wider than the axis should be
    reach = 1.3 * (np.abs(mean).max() + np.median(error)) if len(difference) else 0.0
    reach = max(reach, 0.01)
    axes[1].set(ylim=(-reach, reach), xlabel="latent size")
    axes[0].tick_params(labelbottom=False)


def _data(rows: pd.DataFrame) -> str:
    """Say what the scores rest on."""
    first = rows.iloc[0]
    pieces = PIECES.get(first["paradigm"], "pieces")
    neurons = f"{first['source_neurons']:.0f} source, {first['target_neurons']:.0f} target neurons"
    length = f"{first['seconds']:.0f} s, " if first["paradigm"] == "spontaneous" else ""
    counts = "/".join(f"{first[f'{part}_pieces']:.0f}" for part in ("training", "validation", "test"))
    return f"{neurons}\n{length}{counts} {pieces}"


def _verdict(table: pd.DataFrame) -> str:
    """Say what the numbers carry: which model predicts better at its validated best size, if any does."""
    compared = table[table["quantity"] == "difference"]
    if compared.empty:
        return "no pair to compare"
    row = compared.iloc[0]
    best = table[table["quantity"] == "test_r2 at the best size"].set_index("model")["value"]
    outcome = ev.outcome(row["value"], row["lower"], row["upper"])
    if not (best.reindex([ev.MODEL, ev.BASELINE]) > 0).any():
        return f"neither predicts better than the mean ({interval_text(row)})"
    if outcome == ev.UNRESOLVED:
        return f"cross-encoder − regression {interval_text(row)}: one seed, no interval"
    words = {ev.WINS: "predicts better", ev.TIES: "ties with regression", ev.LOSES: "loses to regression"}
    return f"cross-encoder {words[outcome]}:\n{interval_text(row)}"

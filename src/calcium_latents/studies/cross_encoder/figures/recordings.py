"""Real recordings: explained variance of test samples against latent size, and what the cross-encoder adds.

Inputs:
    scores: scores.csv of each recording (see `metrics.explained_variance`), in the order of the columns.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.latent_size_panel import draw_sizes, interval_text, seeds_text, size_axis, value_limits
from calcium_latents.metrics import explained_variance as ev

INPUTS = {"scores": "{recordings}/scores.csv"}
MOST_COLUMNS = 3
PIECES = {"stimulus": "stimuli", "spontaneous": "chunks"}


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    scores = read_tables(inputs, "scores", ev.SCORE_COLUMNS)
    datasets = list(dict.fromkeys(scores["dataset"]))
    blocks = int(np.ceil(len(datasets) / MOST_COLUMNS))
    width = int(np.ceil(len(datasets) / blocks))
    fig = style.figure(3.6 * blocks + 0.5, width_in=style.WIDTH_IN if width > 1 else 4.2)
    for block, part in enumerate(np.atleast_1d(fig.subfigures(blocks, 1))):
        axes = part.subplots(2, width, squeeze=False, sharex="col", height_ratios=[1.5, 1])
        for column, dataset in enumerate(datasets[block * width : (block + 1) * width]):
            _recording(axes[:, column], scores[scores["dataset"] == dataset])
        for axis in axes[:, len(datasets) - block * width :].flat:
            axis.axis("off")
        axes[0, 0].set_ylabel("test R²")
        axes[1, 0].set_ylabel("difference\n(cross-encoder\n− regression)")
        if block == 0:
            for axis, letter in zip(axes[:, 0], "ab", strict=True):
                style.panel_letter(axis, letter, x=-0.3)
    models = style.in_order(scores["model"])
    handles = dict(zip(*fig.axes[0].get_legend_handles_labels()[::-1], strict=True))
    known = [style.label(model) for model in models if style.label(model) in handles]
    title = (
        f"{seeds_text(scores)}\nseeds share one recording; counts of chunks or stimuli: training/validation/test;\n"
        "titles: cross-encoder minus regression in test R², each at its size of best validation R²"
    )
    legend = fig.legend(
        [handles[name] for name in known],
        known,
        loc="outside lower center",
        ncols=1 + (width > 1) * 2,
        title=title,
        title_fontsize=6,
    )
    legend.get_title().set_multialignment("center")
    return style.save(fig, output_stem)


def _recording(axes, scores: pd.DataFrame) -> None:
    rows = scores[scores["chosen"] == 1]
    axes[0].axhline(0, color="0.7", lw=0.6, zorder=0)
    draw_sizes(axes[0], rows, "test_r2")
    axes[0].set_ylim(value_limits(rows, "test_r2"))
    axes[0].set_title(f"{rows['label'].iloc[0]}\n{_data(rows)}\n{_verdict(scores)}", fontsize=6.5)
    difference = ev.paired_difference(scores)
    mean, sizes = difference["mean"], difference["latent_size"]
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


def _verdict(scores: pd.DataFrame) -> str:
    """Say what the numbers carry: which model predicts better at its validated best size, if any does."""
    best = ev.best_fits(scores).groupby("model")["test_r2"].mean()
    compared = ev.compare_best(scores)
    if compared.empty:
        return "no pair to compare"
    row = next(compared.itertuples())
    if not (best.reindex([ev.MODEL, ev.BASELINE]) > 0).any():
        return f"neither predicts better than the mean ({interval_text(row)})"
    if row.outcome == ev.UNRESOLVED:
        return f"cross-encoder − regression {interval_text(row)}: one seed, no interval"
    words = {ev.WINS: "predicts better", ev.TIES: "ties with regression", ev.LOSES: "loses to regression"}
    return f"cross-encoder {words[row.outcome]}:\n{interval_text(row)}"

"""Does a validation metric choose the models that recover the latents? R2 against each metric over snapshots
of training.

Inputs:
    convergence: convergence.csv with at least one of reconstruction_nll, blind_nll, held_out_neuron_nll.
"""

from pathlib import Path

import numpy as np

from calcium_latents.analysis.convergence import COLUMNS, RUN, mean_over_latents
from calcium_latents.analysis.model_selection import METRICS, selection_quality
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables

REQUIRED = ("convergence",)
OPTIONAL = ()


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure for the first dataset of the table; see the module's docstring for `inputs`."""
    table = read_tables(inputs, "convergence", COLUMNS)
    dataset = table["dataset"].iloc[0]
    table = table[table["dataset"] == dataset]
    quality = selection_quality(table).set_index("metric")
    points = mean_over_latents(table)
    metrics = list(quality.index)
    models = style.in_order(points["model"])
    fig = style.figure(3.0)
    axes = fig.subplots(1, len(metrics) + 1, squeeze=False, width_ratios=[1.0] * len(metrics) + [0.75])[0]
    for number, (axis, metric, letter) in enumerate(zip(axes, metrics, "abcd", strict=False)):
        valid = points.dropna(subset=[metric])
        for (_, model, _), run in valid.groupby(RUN):
            look = style.appearance(model, models)
            axis.plot(run[metric], run["r2"], "-", color=look["color"], lw=0.5, alpha=0.5)
            axis.scatter(
                run[metric],
                run["r2"],
                s=5 + 25 * run["step"] / max(points["step"].max(), 1),
                c=look["color"],
                marker=look["marker"],
                linewidths=0,
                alpha=0.8,
            )
        best = valid.loc[valid[metric].idxmin()]
        axis.plot(best[metric], best["r2"], "o", ms=9, mfc="none", mec=style.BLACK, mew=1)
        row = quality.loc[metric]
        interval = f"[{row['lower']:+.2f}, {row['upper']:+.2f}]"
        axis.set_title(f"{METRICS[metric]}\nagreement {row['agreement']:+.2f}\n{interval}", fontsize=7)
        axis.set_xlabel("validation loss (nats per sample)")
        axis.xaxis.set_major_locator(style.few_ticks())
        _robust_limits(axis, valid[metric].to_numpy())
        if number == 0:
            axis.set_ylabel("latent recovery, R²\n(mean of latents)")
        else:
            axis.sharey(axes[0])
        style.panel_letter(axis, letter, x=-0.04, y=1.14)
    bars = axes[-1]
    position = np.arange(len(metrics))
    bars.barh(position, quality["chosen_r2"], color="0.75", height=0.6)
    bars.axvline(quality["best_r2"].max(), color=style.BLACK, lw=0.8, ls="--")
    for y, metric in zip(position, metrics, strict=True):
        bars.text(0.02, y, METRICS[metric].replace(" (", "\n("), va="center", fontsize=6)
    bars.invert_yaxis()
    bars.set(
        yticks=[],
        xlabel="R² of the chosen snapshot\n(dashed: best)",
        xlim=(0, max(1.0, quality["best_r2"].max())),
    )
    style.panel_letter(bars, "abcd"[len(metrics)], x=-0.04, y=1.14)
    handles = [
        axes[0].plot(
            [],
            [],
            style.appearance(m, models)["marker"],
            color=style.appearance(m, models)["color"],
            label=style.label(m),
        )[0]
        for m in models
    ]
    row = quality.iloc[0]
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=5,
        title=f"{dataset}; {int(row['snapshots'])} snapshots of {int(row['runs'])} runs, larger = later; "
        "circle: chosen; "
        "agreement: minus Spearman's ρ, 95 % bootstrap over runs",
    )
    return style.save(fig, output_stem)


def _robust_limits(axis, values: np.ndarray) -> None:
    """Let the first snapshots, whose losses may be huge, leave the frame rather than squeeze the others."""
    low, middle = values.min(), np.quantile(values, 0.5)
    high = min(values.max(), middle + 4 * max(middle - low, 1e-9))
    pad = 0.08 * max(high - low, 1e-9)
    axis.set_xlim(low - pad, high + pad)

"""Time to accuracy: latent recovery against training time, for each recipe, on one dataset.

Inputs:
    convergence: convergence.csv (see `analysis.convergence`): dataset, model, seed, step, seconds, latent,
        r2.
    scores (optional): scores.csv of the same dataset; draws the level of smth-dec.
"""

from pathlib import Path

import numpy as np

from calcium_latents.analysis.convergence import COLUMNS
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.recovery_panel import SCORE_COLUMNS

REQUIRED = ("convergence",)
OPTIONAL = ("scores",)
BASELINE = "smth-dec"


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    table = read_tables(inputs, "convergence", COLUMNS)
    dataset = table["dataset"].iloc[0]
    table = table[table["dataset"] == dataset]
    levels = {}
    if inputs.get("scores"):
        scores = read_tables(inputs, "scores", SCORE_COLUMNS)
        scores = scores[(scores["dataset"] == dataset) & (scores["model"] == BASELINE)]
        levels = scores.groupby("latent")["r2"].mean().to_dict()
        if levels:
            levels["mean"] = float(np.mean(list(levels.values())))
    mean = table.groupby(["model", "seed", "step"], as_index=False).agg(seconds=("seconds", "first"), r2=("r2", "mean"))
    latents = sorted(table["latent"].unique())
    panels = [("mean", f"mean of {', '.join(map(str, latents))}", mean)]
    panels += [(latent, str(latent), table[table["latent"] == latent]) for latent in latents]
    models = style.in_order(table["model"])
    fig = style.figure(4.4)
    axes = fig.subplots(2, len(panels), sharey=True, squeeze=False)
    low = float(np.clip(table["r2"].min(), -0.3, 0)) - 0.03
    for i, (x, name, divisor) in enumerate((("seconds", "training time (min)", 60), ("step", "gradient steps", 1))):
        for j, (key, title, part) in enumerate(panels):
            axis = axes[i, j]
            for model in models:
                look = style.appearance(model, models)
                for number, (_, run) in enumerate(part[part["model"] == model].groupby("seed")):
                    run = run.sort_values("step")
                    axis.plot(
                        run[x] / divisor,
                        run["r2"],
                        label=style.label(model) if number == 0 else None,
                        ms=3,
                        **look,
                    )
            axis.axhline(0, color="0.4", lw=0.8, ls=":", label="mean predictor")
            if key in levels:
                axis.axhline(
                    levels[key],
                    color=style.appearance(BASELINE)["color"],
                    lw=1,
                    ls="--",
                    label="smth-dec (6 ms)",
                )
            axis.set(xlabel=name, ylim=(low, 1))
            if i == 0:
                axis.set_title(title)
            if j == 0:
                axis.set_ylabel("R² (held-out trials)")
    for axis, letter in zip(axes[:, 0], "ab", strict=True):
        style.panel_letter(axis, letter, x=-0.2)
    runs = table.groupby("model")["seed"].nunique()
    number = f"{runs.min()}" if runs.min() == runs.max() else f"{runs.min()}–{runs.max()}"
    title = f"{dataset}; one line per training run ({number} per recipe); points: snapshots; R² mean over folds"
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, title=title)
    return style.save(fig, output_stem)

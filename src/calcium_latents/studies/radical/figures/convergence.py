"""Time to accuracy: latent recovery against training time, for each recipe, on one dataset.

Inputs:
    convergence: convergence.csv (see `convergence`): dataset, model, seed, step, latent, r2. Of its models the recipes
        `RECIPES` are drawn, or all where it has none of these.
    timing: convergence_timing.csv: dataset, model, seed, step, seconds.
    scores (optional): scores.csv of the same dataset; draws the level of smth-dec.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below, tidy
from calcium_latents.studies.radical.convergence import (
    COLUMNS,
    TIMING_COLUMNS,
    mean_over_latents,
    time_to_accuracy,
    with_seconds,
)
from calcium_latents.studies.radical.recovery import SCORE_COLUMNS

INPUTS = {"convergence": "convergence.csv", "timing": "convergence_timing.csv"}
OPTIONAL_INPUTS = {"scores": "{convergence}/scores.csv"}
BASELINE = "smth-dec"
SEARCH = "radical_pbt"
RECIPES = ("radical", "radical_published", SEARCH)  # other models vary one hyperparameter: see radical_selection_metric
MEAN = "mean"  # of the latents


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return snapshots (panels a and b; of `BASELINE` only its level), and when runs reach their targets (c)."""
    table = read_tables(inputs, "convergence", COLUMNS)
    dataset = table["dataset"].iloc[0]
    table = with_seconds(table[table["dataset"] == dataset], read_tables(inputs, "timing", TIMING_COLUMNS))
    if table["model"].isin(RECIPES).any():
        table = table[table["model"].isin(RECIPES)]
    levels = pd.DataFrame(columns=["latent", "r2"])
    if inputs.get("scores"):
        scores = read_tables(inputs, "scores", SCORE_COLUMNS)
        scores = scores[(scores["dataset"] == dataset) & (scores["model"] == BASELINE)]
        levels = scores.groupby("latent", as_index=False)["r2"].mean()
    targets = {}
    if len(levels):
        targets[BASELINE] = float(levels["r2"].mean())
        levels.loc[len(levels)] = [MEAN, targets[BASELINE]]
    snapshots = [table, mean_over_latents(table).assign(latent=MEAN), levels.assign(dataset=dataset, model=BASELINE)]
    curves = pd.concat([part for part in snapshots if len(part)])[[*COLUMNS, "seconds"]]
    return tidy({"ab": curves, "c": time_to_accuracy(table, targets)})


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    times, table = table[table["panel"] == "c"], table[table["panel"] == "ab"]
    levels = table[table["model"] == BASELINE].set_index("latent")["r2"].to_dict()
    table = table[table["model"] != BASELINE]
    latents = sorted(set(table["latent"]) - {MEAN})
    panels = {MEAN: f"{MEAN} of {', '.join(latents)}", **{latent: latent for latent in latents}}
    models = style.in_order(table["model"])
    fig = style.figure(5.4)
    top, bottom = fig.subfigures(2, 1, height_ratios=[4.4, 0.9])
    axes = top.subplots(2, len(panels), sharey=True, squeeze=False)
    low = float(np.clip(table["r2"].min(), -0.3, 0)) - 0.03
    for i, (x, name, divisor) in enumerate((("seconds", "training time (min)", 60), ("step", "gradient steps", 1))):
        for j, (key, title) in enumerate(panels.items()):
            axis, part = axes[i, j], table[table["latent"] == key]
            for model in models:
                look = style.appearance(model, models)
                for number, (_, run) in enumerate(part[part["model"] == model].groupby("seed")):
                    run = run.sort_values("step")
                    label = style.label(model) if number == 0 else None
                    axis.plot(run[x] / divisor, run["r2"], label=label, ms=3, **look)
            axis.axhline(0, color="0.4", lw=0.8, ls=":", label="mean predictor")
            if key in levels:
                colour = style.appearance(BASELINE)["color"]
                axis.axhline(levels[key], color=colour, lw=1, ls="--", label="smth-dec (6 ms)")
            axis.set(xlabel=name, ylim=(low, 1))
            if i == 0:
                axis.set_title(title)
            if j == 0:
                axis.set_ylabel("R² (held-out trials)")
    for axis, letter in zip(axes[:, 0], "ab", strict=True):
        style.panel_letter(axis, letter, x=-0.2)
    runs = table.groupby("model")["seed"].nunique()
    number = f"{runs.min()}" if runs.min() == runs.max() else f"{runs.min()}–{runs.max()}"
    title = f"{table['dataset'].iloc[0]}; one line per training run ({number} per recipe); points: snapshots;"
    title += " R² mean over folds"
    if SEARCH in models:
        title += "\npopulation-based training: the best member so far; time of all members together, steps of each"
    legend_below(top, axes[0, 0].get_legend_handles_labels()[0], title, ncols=3, size=7)
    _times(bottom.subplots(), times, models)
    return style.save(fig, output_stem)


def _times(axis, times: pd.DataFrame, models: list[str]) -> None:
    """Panel c: a table of the training time until each recipe is as good as `BASELINE`, and as its own best nearly."""
    axis.axis("off")
    targets = times.drop_duplicates("target").set_index("target")["target_r2"]
    names = {name: f"passes {name} (R² {r2:.2f})" if name == BASELINE else name for name, r2 in targets.items()}
    places = [0.42, 0.67, 0.9]
    heading = {"transform": axis.transAxes, "va": "top", "fontweight": "bold"}
    axis.text(0, 1, "training time until mean R²", **heading)
    for x, name in zip(places, names.values(), strict=False):
        axis.text(x, 1, name, ha="center", **heading)
    axis.text(places[-1], 1, "its best", ha="center", **heading)
    for line, model in enumerate(models):
        y, mine = 0.72 - 0.26 * line, times[times["model"] == model]
        axis.text(0, y, style.label(model), transform=axis.transAxes, va="top", color=style.appearance(model)["color"])
        for x, name in zip(places, names, strict=False):
            text = _span(mine[mine["target"] == name])
            axis.text(x, y, text, transform=axis.transAxes, va="top", ha="center")
        best = mine["best_r2"]
        text = f"R² {best.min():.2f}" if best.max() - best.min() < 0.005 else f"R² {best.min():.2f} to {best.max():.2f}"
        axis.text(places[-1], y, text, transform=axis.transAxes, va="top", ha="center")
    style.panel_letter(axis, "c", x=-0.015)


def _span(times: pd.DataFrame) -> str:
    """Seconds and steps of one recipe's runs, in words."""
    done = times.dropna(subset=["seconds"])
    if not len(done):
        return "not reached"
    low, high = done["seconds"].min(), done["seconds"].max()
    seconds = f"{low:.0f} s" if round(low) == round(high) else f"{low:.0f} to {high:.0f} s"
    steps = sorted({int(step) for step in done["step"]})
    missed = f", {len(done)} of {len(times)} runs" if len(done) < len(times) else ""
    return f"{seconds} ({steps[0] if len(steps) == 1 else f'{steps[0]} to {steps[-1]}'} steps{missed})"

"""Does a validation metric choose the best of models that differ in their hyperparameters? R2 against each metric over
the members of a population, for each level of noise.

Inputs:
    recovery: population_recovery.csv of one or more datasets (see `population_recovery`), with at least one of
        the metrics of `model_selection`.
"""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below
from calcium_latents.studies.radical.model_selection import METRICS, SHORT, two_lines
from calcium_latents.studies.radical.population_recovery import COLUMNS, population_quality

INPUTS = {"recovery": "{random_searches}/population_recovery.csv"}
#: colour and marker of the first, second ... level of noise
LEVELS = ((style.BLUE, "o"), (style.VERMILLION, "s"), (style.GREEN, "^"), (style.PURPLE, "D"))
CHOSEN = {"ls": "", "marker": "o", "ms": 9, "mfc": "none", "mec": style.BLACK, "mew": 0.8, "clip_on": False}
LETTERS = "abcdefgh"
FEWEST = 8  # members with which a bootstrap over members says something
SPREADS = 3  # interquartile ranges above the upper quartile beyond which a loss stands at the right edge


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return `population_quality`; the choices of all datasets also stand in the last row of panels."""
    populations = _populations(inputs)
    table = population_quality(pd.concat(populations))
    letters = {members["dataset"].iloc[0]: letter for members, letter in zip(populations, LETTERS, strict=False)}
    table.insert(0, "panel", table["dataset"].map(letters))
    return table


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    datasets = _populations(inputs)
    metrics = [name for name in METRICS if name in set(table["metric"])]
    fig = style.figure(2.7 + 1.75 * len(datasets))
    above, below = fig.add_gridspec(2, 1, height_ratios=[1.25 * len(datasets), 1.0])
    scatter = above.subgridspec(len(datasets), len(metrics)).subplots(sharey="row", squeeze=False)
    choices = below.subgridspec(1, len(datasets)).subplots(sharey=True, squeeze=False)[0]
    said = []
    for row, members in enumerate(datasets):
        scores = table[table["dataset"] == members["dataset"].iloc[0]].set_index("metric").reindex(metrics)
        colour, marker = LEVELS[row % len(LEVELS)]
        for column, metric in enumerate(metrics):
            axis = scatter[row, column]
            _against_metric(axis, members, metric, scores.loc[metric], colour, marker)
            name = f"{two_lines(metric)}\n" if row == 0 else ""
            axis.set_title(f"{name}{_agreement(scores.loc[metric])}", fontsize=6)
            if row == len(datasets) - 1:
                axis.set_xlabel("loss (nats per sample)", fontsize=5.8)
        scatter[row, 0].set_ylabel(f"{_noise(members)}\nR² (mean of latents)", fontsize=6.5)
        _choices(choices[row], members, scores, colour, marker)
        choices[row].set_title(f"choices, {_noise(members)}", fontsize=6.5)
        said.append(f"{_count(members)}:\n{_verdict(scores)}")
    choices[0].set_yticks(range(len(metrics)), [SHORT[name] for name in metrics])
    for axis, letter in zip([*scatter[:, 0], choices[0]], LETTERS, strict=False):
        style.panel_letter(axis, letter, x=-0.12, y=1.06)
    handles = [
        Line2D([], [], ls="", marker="o", color="0.5", ms=3.5, label="member"),
        Line2D([], [], ls="", marker=">", color="0.5", mfc="none", ms=4, label="loss beyond the frame"),
        Line2D([], [], label="chosen by the metric", **CHOSEN),
        Line2D([], [], color=style.BLACK, lw=0.8, ls="--", label="best member"),
        Line2D([], [], color=style.BLACK, lw=0.8, ls=":", label="a member at random"),
    ]
    note = (
        "above panels: agreement = minus Spearman's ρ over members (1: ranks as recovery does), 95 % bootstrap;"
        " regret: R² below the best"
    )
    legend_below(fig, handles, note, ncols=5, width=170, size=6.5)
    fig.suptitle("\n".join(said), fontsize=6.5)
    return style.save(fig, output_stem)


def _populations(inputs: Inputs) -> list[pd.DataFrame]:
    """Return the members of each dataset, in order of noise."""
    table = read_tables(inputs, "recovery", COLUMNS).replace([np.inf, -np.inf], np.nan)
    table = table.sort_values(["noise_multiplier", "dataset"], kind="stable")
    return [members for _, members in table.groupby("dataset", sort=False)]


def _against_metric(axis: Axes, members: pd.DataFrame, metric: str, scores: pd.Series, colour: str, marker: str):
    """R2 against one metric, a point a member; losses far beyond the others at the right edge."""
    valid = members.dropna(subset=[metric, "r2"])
    if valid.empty:
        axis.text(0.5, 0.5, "no finite value", transform=axis.transAxes, ha="center", fontsize=6)
        return
    low, (lower, upper) = valid[metric].min(), valid[metric].quantile([0.25, 0.75])
    high = min(valid[metric].max(), upper + SPREADS * max(upper - lower, 1e-9))
    inside, beyond = valid[valid[metric] <= high], valid[valid[metric] > high]
    axis.plot(inside[metric], inside["r2"], marker, color=colour, ms=3.5, mew=0, clip_on=False)
    margin = 0.08 * max(high - low, 1e-9)
    if len(beyond):
        at_edge = np.full(len(beyond), high + margin)
        axis.plot(at_edge, beyond["r2"], ">", mfc="none", mec=colour, ms=4, mew=0.8, clip_on=False)
    best = valid.loc[valid[metric].idxmin()]
    axis.plot(best[metric], best["r2"], **CHOSEN)
    axis.axhline(scores["best_r2"], color=style.BLACK, lw=0.6, ls="--", zorder=0)
    axis.set_xlim(low - margin, high + margin)
    axis.xaxis.set_major_locator(style.few_ticks())


def _choices(axis: Axes, members: pd.DataFrame, scores: pd.DataFrame, colour: str, marker: str) -> None:
    """R2 of the member that each metric chooses, among those of all members, and what it falls short of the best."""
    r2 = members["r2"].dropna()
    for y, (_, row) in enumerate(scores.iterrows()):
        axis.plot(r2, np.full(len(r2), y), marker, color=colour, ms=3, alpha=0.3, mew=0)
        if np.isfinite(row["chosen_r2"]):
            axis.plot(row["chosen_r2"], y, marker, color=colour, ms=4.5, mew=0)
            axis.plot(row["chosen_r2"], y, **CHOSEN)
        text = f"regret {row['regret']:.3f}" if np.isfinite(row["regret"]) else "no finite value"
        axis.annotate(text, (1.03, y), xycoords=axis.get_yaxis_transform(), va="center", fontsize=6)
    axis.axvline(r2.max(), color=style.BLACK, lw=0.8, ls="--", zorder=0)
    axis.axvline(scores["random_r2"].mean(), color=style.BLACK, lw=0.8, ls=":", zorder=0)
    axis.set_ylim(len(scores) - 0.5, -0.5)
    axis.set_xlabel("R² of the member (mean of latents)")


def _agreement(row: pd.Series) -> str:
    if not np.isfinite(row["agreement"]):
        return "agreement: too few members"
    return f"{row['agreement']:+.2f} [{row['lower']:+.2f}, {row['upper']:+.2f}]"


def _noise(members: pd.DataFrame) -> str:
    """Level of noise in words."""
    level = members["noise_multiplier"].iloc[0]
    if not np.isfinite(level):
        return str(members["dataset"].iloc[0])
    return "noise as in the paper" if level == 1 else f"noise {level:g} x the paper's"


def _verdict(scores: pd.DataFrame) -> str:
    """Which metrics rank members as their recovery does, which the other way round."""
    if scores["runs"].max() < FEWEST:
        return f"fewer than {FEWEST} members with finite losses cannot tell which metric points the right way"
    right = [SHORT[name] for name in scores.index if scores.loc[name, "lower"] > 0]
    wrong = [SHORT[name] for name in scores.index if scores.loc[name, "upper"] < 0]
    said = f"points the right way: {'; '.join(right)}" if right else "no metric surely points the right way"
    if len(right) == len(scores) > 1:
        said = "all metrics point the right way"
    lines = [textwrap.fill(f"{said}{' – the wrong way: ' + '; '.join(wrong) if wrong else ''}", 125)]
    regret = scores["regret"].dropna()
    if len(regret) > 1 and regret.max() > regret.min():
        least, most = regret.idxmin(), regret.idxmax()
        lines.append(f"regret from {regret[least]:.3f} ({SHORT[least]}) to {regret[most]:.3f} ({SHORT[most]})")
    return "\n".join(lines)


def _count(members: pd.DataFrame) -> str:
    """Say how many members of which models there are."""
    lost, runs = int(members["r2"].isna().sum()), members.groupby(["model", "seed"]).ngroups
    models = ", ".join(style.label(model) for model in style.in_order(members["model"]))
    several = f" of {runs} runs" if runs > 1 else ""
    return (
        f"{members['dataset'].iloc[0]} ({_noise(members)}): {models}, {len(members)} members{several}, {lost} diverged"
    )

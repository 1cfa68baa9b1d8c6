"""How a population of models searched its hyperparameters: scores, hyperparameters and descent over generations.

Inputs:
    metrics: metrics.csv of a run with `search=pbt` (or `random`); columns: see `population_history`.
    config: config.yaml of the same run: its model, the metric of the search, the search space of the hyperparameters.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.studies.radical import population_history as history_of
from calcium_latents.studies.radical.model_selection import METRICS

INPUTS = {"metrics": "{population_searches}/metrics.csv", "config": "{population_searches}/config.yaml"}
EACH = ("population_searches",)
#: what rows of the table are of
LINE, BEST_SCORE, ANCESTORS = "line of descent of the best model", "best score until then", "share with descendants"
PANELS_A_ROW = 4  # of hyperparameters
#: hyperparameter -> in print
NAMES = {
    "learning_rate": "learning rate",
    "dropout_rate": "dropout rate",
    "coordinated_dropout_rate": "coordinated\ndropout rate",
    "generator_l2": "L2, generator",
    "controller_l2": "L2, controller",
    "initial_condition_encoder_l2": "L2, encoder of\ninitial conditions",
    "controller_input_encoder_l2": "L2, encoder of\ncontroller inputs",
    "initial_condition_kl": "KL, initial condition",
    "inferred_inputs_kl": "KL, inferred inputs",
    "sigmoid_scale_prior": "prior of gamma's\nsigmoid scale",
}
MEMBER = {"color": "0.72", "lw": 0.5}
WINNER = {"color": style.VERMILLION, "lw": 1.4}
BEST = {"color": style.BLACK, "lw": 1.2, "drawstyle": "steps-post"}
COPY = {"ls": "", "marker": "o", "ms": 2.4, "mew": 0, "color": "0.65"}
OWN_COPY = {"ls": "", "marker": "o", "ms": 3.4, "mew": 0, "color": style.VERMILLION}
CHOSEN = {"ls": "", "marker": "o", "ms": 6.5, "mfc": "none", "mec": style.BLACK, "mew": 0.9, "clip_on": False}
DIVERGED = {"ls": "", "marker": "x", "color": style.BLUE, "ms": 4, "mew": 0.9, "clip_on": False}
RANGE = {"color": style.SKY, "alpha": 0.22, "lw": 0, "zorder": 0}
FINISH = {"color": "0.93", "lw": 0, "zorder": -1}


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return by generation: the best model's line (members, and their scores), the best score, first members left."""
    history = _history(inputs)
    line = history_of.lineage(history, *history_of.winner(history)).reset_index()
    scores = history[["generation", "member", "score"]].rename(columns={"score": "value"})
    parts = {
        ("ab", LINE): line.merge(scores, on=["generation", "member"]),
        ("a", BEST_SCORE): history_of.best_so_far(history).rename("value").reset_index(),
        ("c", ANCESTORS): history_of.share_of_ancestors(history).rename("value").reset_index(),
    }
    return pd.concat(parts, names=["panel", "quantity", None]).reset_index(["panel", "quantity"])


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure of the first run given; see the module's docstring for `inputs`."""
    first = {name: inputs[name][:1] for name in INPUTS}
    history = _history(inputs)
    table = table.set_index(["quantity", "generation"])
    config = _read_config(first["config"][0])
    space = {name: entry for name, entry in config["search"]["hyperparameters"].items() if entry is not None}
    missing = [name for name in space if name not in history]
    if missing:
        place = first["metrics"][0]
        raise UserError(f"{place}: expected columns of the searched hyperparameters {missing}, found none.")
    line = table.loc[LINE]["member"].astype(int)
    best = (line.index[-1], line.iloc[-1])
    rows = -(-len(space) // PANELS_A_ROW)
    fig = style.figure(3.0 + 1.5 * rows)
    above, below = fig.add_gridspec(2, 1, height_ratios=[1.5, rows])
    top = [fig.add_subplot(place) for place in above.subgridspec(1, 3, width_ratios=[1.5, 1.3, 1.0])]
    grid = below.subgridspec(rows, PANELS_A_ROW)
    metric = config["search"].get("metric")
    _scores(top[0], history, line, table.loc[BEST_SCORE, "value"], METRICS.get(metric, metric))
    _descent(top[1], history, line, best)
    _ancestors(top[2], table.loc[ANCESTORS, "value"], history["member"].nunique())
    panels = []
    for index, (name, entry) in enumerate(space.items()):
        row, column = divmod(index, PANELS_A_ROW)
        panels.append(fig.add_subplot(grid[row, column]))
        _hyperparameter(panels[-1], history, line, name, entry)
        if index + PANELS_A_ROW >= len(space):
            panels[-1].set_xlabel("generation")
    for axis, letter in zip((*top, panels[0]), "abcd", strict=True):
        style.panel_letter(axis, letter, x=-0.08, y=1.04)
    generations = history["generation"].unique()
    margin = 0.04 * max(np.ptp(generations), 1)
    finish = int(config["search"].get("finish_generations") or 0)
    for axis in (*top, *panels):
        if finish:
            axis.axvspan(generations[-1] - finish + 0.5, generations[-1] + margin, **FINISH)
        axis.set_xlim(generations[0] - margin, generations[-1] + margin)
        axis.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    _legend(fig, finish)
    fig.suptitle(_title(history, config, best, table.loc[LINE]["value"].iloc[-1]), fontsize=7.5)
    return style.save(fig, output_stem)


def _scores(axis: Axes, history: pd.DataFrame, line: pd.Series, best: pd.Series, metric: str | None) -> None:
    """Panel a: every member's score, the best until each generation, and that of the best model's line."""
    scores = history_of.by_generation(history, "score").replace([np.inf, -np.inf], np.nan)
    finite = scores.to_numpy()[np.isfinite(scores.to_numpy())]
    low, middle = finite.min(), np.median(finite)
    high = min(finite.max(), middle + 3 * max(middle - low, 1e-9))  # first generations would squeeze all others
    axis.plot(scores.index, scores.clip(upper=high), **MEMBER)
    _along(axis, scores.clip(upper=high), line)
    axis.plot(best.index, best.clip(upper=high), **BEST)
    top = high + 0.07 * max(high - low, 1e-9)
    diverged = history[_diverged(history)]
    if len(diverged):  # nothing, unclipped, has no place for the layout to find
        axis.plot(diverged["generation"], np.full(len(diverged), top), **DIVERGED)
    axis.set_ylim(low - 0.05 * (top - low), top)
    axis.set(xlabel="generation", title="score (lower is better)")
    axis.set_ylabel(f"{metric or 'validation loss'},\nsmoothed (nats per sample)")


def _descent(axis: Axes, history: pd.DataFrame, line: pd.Series, best: tuple[int, int]) -> None:
    """Panel b: through which members the best model descends, and which members copied when."""
    copied = history[history["parent"] != history["member"]]
    axis.plot(copied["generation"], copied["member"], **COPY)
    diverged = history[_diverged(history)]
    if len(diverged):
        axis.plot(diverged["generation"], diverged["member"], **DIVERGED)
    axis.plot(line.index, line, drawstyle="steps-mid", **WINNER)
    moved = line[line.diff().fillna(0) != 0]
    axis.plot(moved.index, moved, **OWN_COPY)
    axis.plot(*best, **CHOSEN)
    axis.set(xlabel="generation", ylabel="member", title="descent of the best model")
    axis.set_ylim(history["member"].min() - 0.7, history["member"].max() + 0.7)
    axis.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def _ancestors(axis: Axes, share: pd.Series, members: int) -> None:
    """Panel c: of how many first members anything is left."""
    axis.plot(share.index, share, drawstyle="steps-post", color=style.GREEN, lw=1.2)
    axis.axhline(1 / members, color="0.4", lw=0.7, ls=":")
    style.note(axis, "one left", x=0.02, y=1 / members / 1.05 + 0.01)
    axis.set(xlabel="generation", ylim=(0, 1.05), title="first members\nwith descendants (share)")


def _hyperparameter(axis: Axes, history: pd.DataFrame, line: pd.Series, name: str, entry: Mapping[str, Any]) -> None:
    """Panel d: one hyperparameter of every member, and along the best model's line."""
    values = history_of.by_generation(history, name)
    axis.plot(values.index, values, **MEMBER)
    _along(axis, values, line)
    numbers = values.to_numpy()
    if entry.get("distribution") == "log_uniform" and (numbers > 0).all():
        axis.set_yscale("log")
        ends = np.log10([numbers.min(), numbers.max()])
        margin = 0.08 * max(np.ptp(ends), 0.1)
        axis.set_ylim(*10 ** (ends + [-margin, margin]))
        _decades(axis)
    else:
        margin = 0.08 * max(np.ptp(numbers), 0.02 * abs(numbers).max(), 1e-12)
        axis.set_ylim(numbers.min() - margin, numbers.max() + margin)
        axis.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axis.axhspan(float(entry["low"]), float(entry["high"]), **RANGE)
    axis.set_title(NAMES.get(name, name.replace("_", " ")), fontsize=6.5)


def _along(axis: Axes, values: pd.DataFrame, line: pd.Series) -> None:
    """Draw `values` [generation, member] along the best model's line."""
    chosen = [values.loc[generation, member] for generation, member in line.items()]
    axis.plot(line.index, chosen, zorder=3, **WINNER)
    copied = (line.diff().fillna(0) != 0).to_numpy()
    axis.plot(line.index[copied], np.array(chosen)[copied], zorder=3, **OWN_COPY)
    axis.plot(line.index[-1], chosen[-1], zorder=4, **CHOSEN)


def _decades(axis: Axes) -> None:
    """Label a logarithmic axis at powers of ten, or, where it spans fewer than two, in between, too."""
    low, high = axis.get_ylim()
    axis.yaxis.set_minor_formatter(NullFormatter())
    if np.floor(np.log10(high)) - np.ceil(np.log10(low)) >= 1:
        axis.yaxis.set_major_locator(LogLocator(numticks=4))
        return
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))))
    for mantissas in ((1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8), (1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9)):
        ticks = [(m, power) for power in powers for m in mantissas if low <= m * 10.0**power <= high]
        if len(ticks) >= 2:
            break
    labels = [f"$10^{{{power}}}$" if m == 1 else f"${m}\\cdot10^{{{power}}}$" for m, power in ticks]
    axis.set_yticks([m * 10.0**power for m, power in ticks], labels)


def _legend(fig: Figure, finish: int) -> None:
    """What lines and marks mean, below the figure."""
    handles = [
        Line2D([], [], label="member", **MEMBER),
        Line2D([], [], label="best until then", **BEST),
        Line2D([], [], label=LINE, **WINNER),
        Line2D([], [], label="copy of another member in that line", **OWN_COPY),
        Line2D([], [], label="copy of another member", **COPY),
        Line2D([], [], label="best model", **CHOSEN),
        Line2D([], [], label="diverged", **DIVERGED),
        Patch(label="range of the search space", **RANGE),
    ]
    if finish:
        handles.append(Patch(label="finish: learning rates fall", **FINISH))
    fig.legend(handles=handles, loc="outside lower center", ncols=4)


def _diverged(history: pd.DataFrame) -> pd.Series:
    return history["diverged"].astype(bool) | ~np.isfinite(history["score"])


def _title(history: pd.DataFrame, config: Mapping[str, Any], best: tuple[int, int], score: float) -> str:
    """Say what was searched, and with what result."""
    name, dataset = style.label(config["model"]["name"]), Path(config["recording"]).parent.name
    lost, last = int(_diverged(history).sum()), history["generation"].iloc[-1]
    return (
        f"{name}; {dataset}, seed {config['seed']}: {history['member'].nunique()} members, {last} generations,"
        f" {int(history['epoch'].max())} epochs each\n"
        f"best model: member {best[1]} after generation {best[0]}, score {score:.5g};"
        f" members lost to divergence: {lost or 'none'}"
    )


def _history(inputs: Inputs) -> pd.DataFrame:
    return history_of.read_history(read_tables({"metrics": inputs["metrics"][:1]}, "metrics", history_of.COLUMNS))


def _read_config(path: Path) -> dict[str, Any]:
    """Return the run's configuration.

    Raises UserError when it is not one of a search over hyperparameters.
    """
    try:
        config = yaml.safe_load(path.read_text())
        space = config["search"]["hyperparameters"]
        for part in (config["model"]["name"], config["recording"], config["seed"], space.items()):
            assert part is not None
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise UserError(
            f"{path}: expected the config.yaml of a run with search=pbt or search=random, found another file ({error})."
        ) from error
    return config

"""Digital twin: how well it predicts responses to test images, beside a Poisson GLM and shuffled images.

Inputs:
    scores: scores.csv of each data set (see `response_scores`), in the order of the panels.
"""

from pathlib import Path
from textwrap import fill, shorten

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.studies.digital_twin import response_scores as scoring

INPUTS = {"scores": "{datasets}/scores.csv"}
#: column -> axis label, value of the paper (mouse, 100 test images, 10 repeats), whether there is an oracle beside it
PANELS = {
    "single_trial": ("single-trial correlation", 0.42, True),
    scoring.FRACTION: ("fraction of the jackknife oracle", 0.69, False),
    "correlation_to_truth": ("correlation with the truth", None, False),
}
ORACLE = "jackknife oracle"
MOST_COLUMNS = 4
NO_RATIO = "oracle\nabout 0:\nno ratio"
#: group of true types -> colour and marker
TYPES = {
    "complex": (style.PURPLE, "D"),
    "simple": (style.SKY, "o"),
    "ON, OFF": (style.ORANGE, "^"),
}
#: colour and marker of the first, second ... animal of recordings without known types
ANIMALS = (
    *((style.GREEN, "s"), (style.BLACK, "v"), (style.BLUE, "P"), (style.YELLOW, "*")),
    *((style.VERMILLION, "<"), (style.GREY, "X"), (style.BLUE, ">")),
)
FURTHER = "further animals"
LINE = 150  # characters of a note that fit into the page


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    scores = read_tables(inputs, "scores", scoring.COLUMNS)
    datasets = list(dict.fromkeys(scores["dataset"]))
    shown = [name for name in PANELS if scores[name].notna().any()]
    rows = int(np.ceil(len(datasets) / MOST_COLUMNS))
    fig = style.figure(3.4 + 2.35 * rows)
    grid = fig.add_gridspec(1 + rows, 1, height_ratios=[1.1, *[1.0] * rows])
    above = [fig.add_subplot(cell) for cell in grid[0].subgridspec(1, max(len(shown), 1))]
    for axes, name in zip(above, shown, strict=False):
        _means(axes, scores, datasets, name)
    below = []
    for index, dataset in enumerate(datasets):
        if index % MOST_COLUMNS == 0:
            width = min(len(datasets), MOST_COLUMNS)
            cells = grid[1 + index // MOST_COLUMNS].subgridspec(1, max(width, 2))
        below.append(fig.add_subplot(cells[index % MOST_COLUMNS]))
        _neurons(below[-1], scores[scores["dataset"] == dataset])
        if index % MOST_COLUMNS == 0:
            below[-1].set_ylabel("digital twin:\nsingle-trial correlation")
    for axes, letter in zip([*above[: len(shown)], below[0]], "ABCD", strict=False):
        style.panel_letter(axes, letter, x=-0.2)
    _legend(fig, scores)
    return style.save(fig, output_stem)


def _means(axes: Axes, scores: pd.DataFrame, datasets: list[str], value: str) -> None:
    """Panels A to C: means over neurons of every method, a column for each data set."""
    printed, paper, has_oracle = PANELS[value]
    methods = style.in_order(scores["method"])
    known = scores.groupby("dataset")[value].apply(lambda column: column.notna().any())
    datasets = [name for name in datasets if known[name]]
    for column, dataset in enumerate(datasets):
        rows = scores[scores["dataset"] == dataset]
        for index, method in enumerate(methods):
            if value == scoring.FRACTION and not has_signal(rows):
                continue
            place = column + 0.6 * ((index + 0.5) / len(methods) - 0.5)
            looks = style.appearance(method, methods)
            mean, lower, upper, _ = scoring.population_mean(rows, method, value)
            if not np.isfinite(mean):
                continue
            error = np.maximum(np.nan_to_num([[mean - lower], [upper - mean]]), 0)
            axes.errorbar([place], [mean], yerr=error, ms=4.2, capsize=1.8, elinewidth=0.8, ls="none", **looks)
            if rows.loc[rows["method"] == method, "seed"].nunique() > 1:
                runs = [part for _, part in rows.groupby("seed")]
                each = [scoring.population_mean(part, method, value)[0] for part in runs]
                axes.plot([place + 0.07] * len(each), each, ".", color=looks["color"], ms=2.5, alpha=0.7)
        if value == scoring.FRACTION and not has_signal(rows):
            axes.text(column, 0.5, NO_RATIO, ha="center", va="center", fontsize=5.5, color="0.3")
        if has_oracle:
            oracle = rows.groupby("neuron")["oracle"].first().mean()
            axes.plot([column - 0.35, column + 0.35], [oracle] * 2, color=style.BLACK, lw=0.9)
    if paper is not None:
        axes.axhline(paper, color="0.4", lw=0.8, ls=":", zorder=0)
        axes.set_title(f"dotted: paper (mouse), {paper:.2f}", fontsize=6.5)
    if value == scoring.FRACTION:
        axes.axhline(1, color="0.7", lw=0.6, zorder=0)
    axes.axhline(0, color="0.4", lw=0.6, zorder=0)
    labels = [str(scores.loc[scores["dataset"] == name, "label"].iloc[0]) for name in datasets]
    crowded = len(datasets) > 3
    labels = [shorten(label, 24, placeholder=" …") if crowded else fill(label, 12) for label in labels]
    axes.set_xticks(range(len(datasets)), labels, fontsize=5.5, rotation=90 if crowded else 0)
    axes.set(xlim=(-0.5, len(datasets) - 0.5), ylabel=printed)


def has_signal(rows: pd.DataFrame) -> bool:
    """Return whether repeats of a data set agree: False where the mean oracle's 95 % interval holds 0 or lies below."""
    _, lower, _, _ = scoring.population_mean(rows, rows["method"].iloc[0], "oracle")
    return not lower <= 0


def _neurons(axes: Axes, rows: pd.DataFrame) -> None:
    """Panels D: the twin against the GLM, neuron by neuron, seeds averaged."""
    pair = [
        scoring.per_neuron(rows, name, ("single_trial",))["single_trial"] for name in (scoring.TWIN, scoring.LINEAR)
    ]
    both = pd.concat(pair, axis=1, keys=["twin", "glm"]).dropna().droplevel("dataset")
    of_neuron = _groups(rows).reindex(both.index)
    for name, (colour, marker) in _appearances(rows).items():
        part = both[of_neuron == name]
        axes.plot(part["glm"], part["twin"], marker, color=colour, ms=2.6, alpha=0.6, mew=0)
    null = scoring.population_mean(rows, scoring.SHUFFLED, "single_trial")[0]
    if np.isfinite(null):
        axes.plot([null], [null], marker="x", color=style.BLACK, ms=5, mew=1.2, ls="none")
    low = min(0.0, both.min().min() if len(both) else 0.0)
    high = max(both.max().max() if len(both) else 1.0, low + 0.1)
    limits = low - 0.04, high + 0.04
    axes.plot(limits, limits, color="0.5", lw=0.7, zorder=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel="Poisson GLM")
    label = fill(str(rows["label"].iloc[0]), 28)
    above = f"above the line: {100 * (both['twin'] > both['glm']).mean():.0f} % of {len(both)}" if len(both) else ""
    axes.set_title(f"{label}\n{_verdict(rows)}\n{above}", fontsize=6)


def _verdict(rows: pd.DataFrame) -> str:
    """Say who wins in single-trial correlation, by the interval of the paired difference over neurons."""
    mean, lower, upper, _ = scoring.paired_difference(rows, scoring.TWIN, scoring.LINEAR)
    if not np.isfinite(lower):
        return "nothing to compare"
    numbers = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(round(float(x), 2) + 0.0 for x in (mean, lower, upper)))
    word = "wins" if lower > 0 else "loses" if upper < 0 else "ties"
    return f"twin {word} {numbers}".replace("-", "−") if has_signal(rows) else "repeats disagree: no test"


def _is_typed(rows: pd.DataFrame) -> bool:
    return bool(rows["neuron_type"].fillna("").astype(str).str.len().gt(0).any())


def _groups(rows: pd.DataFrame) -> pd.Series:
    """Return the group of every neuron: of its true type, or else its animal."""
    first = rows.groupby("neuron")[["neuron_type", "animal"]].first()
    if not _is_typed(rows):
        animals = sorted(rows["animal"].unique())
        return first["animal"].map(lambda animal: _animal(animals.index(animal), animal))
    kind = first["neuron_type"].astype(str).str.split().str[0]
    return kind.where(kind.isin(["simple", "complex"]), "ON, OFF")


def _animal(index: int, animal: float) -> str:
    return f"animal {animal:.0f}" if index < len(ANIMALS) else FURTHER


def _appearances(rows: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return group -> colour and marker of one data set."""
    if _is_typed(rows):
        return TYPES
    animals = enumerate(sorted(rows["animal"].unique()))
    return {_animal(i, a): (*ANIMALS, (style.GREY, "."))[min(i, len(ANIMALS))] for i, a in animals}


def _legend(fig, scores: pd.DataFrame) -> None:
    methods = style.in_order(scores["method"])
    handles = [
        Line2D([], [], ls="none", label=style.label(name), **style.appearance(name, methods)) for name in methods
    ]
    handles.append(Line2D([], [], color=style.BLACK, lw=0.9, label=ORACLE))
    groups: dict[str, tuple[str, str]] = {}
    for _, rows in scores.groupby("dataset", sort=False):
        groups |= _appearances(rows)
    for name in sorted(groups, key=lambda name: name not in TYPES):
        colour, marker = groups[name]
        handles.append(Line2D([], [], color=colour, marker=marker, ls="none", ms=3, label=f"D: {name}"))
    handles.append(Line2D([], [], color=style.BLACK, marker="x", ls="none", ms=5, label="D: mean of shuffled images"))
    seeds = scores.groupby("method")["seed"].nunique()
    runs = ", ".join(f"{style.label(name)} {_count(seeds[name], 'seed')}" for name in methods)
    counts = scores.groupby("dataset")[["images", "repeats"]].median().drop_duplicates()
    shown = "; ".join(f"{row.images:.0f} test images × {row.repeats:.3g} repeats" for row in counts.itertuples())
    note = (
        f"{shown}. Means over neurons, seeds averaged before (small points: single seeds; {runs}); 95 % intervals by "
        "bootstrap over neurons, which speaks neither of other animals nor of other fits. Oracle: single trials "
        "against the mean of the other repeats; B is the mean correlation over the mean oracle, which a perfect model "
        "exceeds. D titles: mean difference of single-trial correlations, twin less GLM, paired over neurons."
    )
    silent = [rows["label"].iloc[0] for _, rows in scores.groupby("dataset", sort=False) if not has_signal(rows)]
    if silent:
        note += (
            f" {', '.join(map(str, silent))}: the interval of the mean oracle is not above 0, as repeats of one image "
            "do not agree with each other: no score there means anything, and no ratio is shown."
        )
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=5, title=fill(note, LINE), title_fontsize=6)
    legend.get_title().set_multialignment("center")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")

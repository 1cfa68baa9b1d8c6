"""Digital twin: how well it predicts responses to test images, beside a Poisson GLM and shuffled images.

Inputs:
    scores: scores.csv of each data set (see `response_scores`), in the order of the panels.
    paper: what the paper states.
"""

from pathlib import Path
from textwrap import fill, shorten

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from calcium_latents.claims.paper import paper_values
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below, mark
from calcium_latents.studies.digital_twin import response_scores as scoring

INPUTS = {"scores": "{datasets}/scores.csv", "paper": "config/papers/digital_twin.yaml"}
#: column -> axis label, name of the paper's value (mouse, 100 test images, 10 repeats)
PANELS = {
    "single_trial": ("single-trial correlation", "test_correlation"),
    scoring.FRACTION: ("fraction of the jackknife oracle", "fraction_of_oracle"),
    "correlation_to_truth": ("correlation with the truth", None),
}
ORACLE, DIFFERENCE, ABOVE = "jackknife oracle", "digital twin less Poisson GLM", "share of neurons above the GLM"
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
TABLE = (
    *("panel", "dataset", "label", "quantity", "method", "seed", "neuron", "value", "lower", "upper", "n", "seeds"),
    *("images", "repeats", "neuron_type", "animal"),
)
COMPARED = [scoring.TWIN, scoring.LINEAR]


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the numbers of the figure.

    Panels A to C: a row a data set, `quantity` and `method`, over neurons: `value`, its 95 % interval `lower`, `upper`,
    `n` neurons and number of `seeds`; without an interval, of a single `seed`. A ratio is unknown where repeats do not
    agree; the oracle stands among the methods. Panel D: a row a `neuron` and `method`, seeds averaged, with its true
    type and animal; and over neurons the paired difference, and the share whom the twin predicts better.
    """
    scores = read_tables(inputs, "scores", scoring.COLUMNS)
    means, neurons = [], []
    for dataset, rows in scores.groupby("dataset", sort=False):
        about = {"dataset": dataset, "label": rows["label"].iloc[0], **rows[["images", "repeats"]].median()}
        oracle = scoring.population_mean(rows, rows["method"].iloc[0], "oracle")
        means.append(about | _numbers("A", "single_trial", ORACLE, oracle))
        for panel, quantity in zip("ABC", PANELS, strict=True):
            for method in rows["method"].unique() if rows[quantity].notna().any() else ():
                found = scoring.population_mean(rows, method, quantity)
                if quantity == scoring.FRACTION and oracle[1] <= 0:
                    found = (np.nan, np.nan, np.nan, found[3])
                own = rows[rows["method"] == method]
                means.append(about | _numbers(panel, quantity, method, found) | {"seeds": own["seed"].nunique()})
                for seed, part in own.groupby("seed") if own["seed"].nunique() > 1 else ():
                    one = scoring.population_mean(part, method, quantity)
                    one = one if np.isfinite(found[0]) else found
                    means.append(about | _numbers(panel, quantity, method, one) | {"seed": seed})
        pair = [scoring.per_neuron(rows, name, ("single_trial",))["single_trial"] for name in COMPARED]
        both = pd.concat(pair, axis=1, keys=COMPARED).dropna().droplevel("dataset")
        means.append(about | _numbers("D", "single_trial", DIFFERENCE, scoring.paired_difference(rows, *COMPARED)))
        above = (both[COMPARED[0]] > both[COMPARED[1]]).mean()
        means.append(about | _numbers("D", "single_trial", ABOVE, (above, np.nan, np.nan, len(both))))
        kinds = rows.groupby("neuron")[["neuron_type", "animal"]].first()
        own = both.join(kinds).reset_index().melt(["neuron", *kinds], var_name="method")
        neurons.append(own.assign(panel="D", dataset=dataset, quantity="single_trial"))
    return pd.concat([pd.DataFrame(means), *neurons], ignore_index=True).reindex(columns=TABLE)


def _numbers(panel: str, quantity: str, method: str, found: tuple[float, float, float, int]) -> dict:
    numbers = dict(zip(("value", "lower", "upper", "n"), found, strict=True))
    return {"panel": panel, "quantity": quantity, "method": method} | numbers


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    means = table[table["neuron"].isna()]
    datasets = list(dict.fromkeys(means["dataset"]))
    shown = [name for name in PANELS if (means.loc[means["method"] != ORACLE, "quantity"] == name).any()]
    rows = int(np.ceil(len(datasets) / MOST_COLUMNS))
    fig = style.figure(3.4 + 2.35 * rows)
    grid = fig.add_gridspec(1 + rows, 1, height_ratios=[1.1, *[1.0] * rows])
    above = [fig.add_subplot(cell) for cell in grid[0].subgridspec(1, max(len(shown), 1))]
    paper = paper_values(inputs)
    for axes, name in zip(above, shown, strict=False):
        _means(axes, means[means["quantity"] == name], PANELS[name], paper)
    below = []
    for index, dataset in enumerate(datasets):
        if index % MOST_COLUMNS == 0:
            width = min(len(datasets), MOST_COLUMNS)
            cells = grid[1 + index // MOST_COLUMNS].subgridspec(1, max(width, 2))
        below.append(fig.add_subplot(cells[index % MOST_COLUMNS]))
        _neurons(below[-1], table[table["dataset"] == dataset])
        if index % MOST_COLUMNS == 0:
            below[-1].set_ylabel("digital twin:\nsingle-trial correlation")
    letters = ["ABC"[list(PANELS).index(name)] for name in shown]
    for axes, letter in zip([*above[: len(shown)], below[0]], [*letters, "D"], strict=True):
        style.panel_letter(axes, letter, x=-0.2)
    _legend(fig, table)
    return style.save(fig, output_stem)


def _means(axes: Axes, means: pd.DataFrame, look: tuple[str, str | None], paper) -> None:
    """Panels A to C: means over neurons of every method, a column for each data set."""
    printed, published = look
    known = means[(means["panel"] != "D") & (means["method"] != ORACLE)]
    methods, datasets = style.in_order(known["method"]), list(dict.fromkeys(known["dataset"]))
    for column, dataset in enumerate(datasets):
        rows = known[known["dataset"] == dataset]
        for index, method in enumerate(methods):
            place = column + 0.6 * ((index + 0.5) / len(methods) - 0.5)
            looks = style.appearance(method, methods)
            for row in rows[(rows["method"] == method) & rows["seed"].isna() & rows["value"].notna()].itertuples():
                error = np.maximum(np.nan_to_num([[row.value - row.lower], [row.upper - row.value]]), 0)
                axes.errorbar([place], [row.value], yerr=error, ms=4.2, capsize=1.8, elinewidth=0.8, ls="none", **looks)
            each = rows.loc[(rows["method"] == method) & rows["seed"].notna(), "value"].dropna()
            axes.plot([place + 0.07] * len(each), each, ".", color=looks["color"], ms=2.5, alpha=0.7)
        if rows["value"].isna().all():
            axes.text(column, 0.5, NO_RATIO, ha="center", va="center", fontsize=5.5, color="0.3")
        for oracle in means.loc[(means["dataset"] == dataset) & (means["method"] == ORACLE), "value"]:
            axes.plot([column - 0.35, column + 0.35], [oracle] * 2, color=style.BLACK, lw=0.9)
    if published is not None:
        axes.axhline(paper[published].value, color="0.4", lw=0.8, ls=":", zorder=0)
        axes.set_title(f"dotted: paper (mouse), {paper[published].printed}", fontsize=6.5)
    if published == "fraction_of_oracle":
        axes.axhline(1, color="0.7", lw=0.6, zorder=0)
    axes.axhline(0, color="0.4", lw=0.6, zorder=0)
    labels = known.drop_duplicates("dataset")["label"].astype(str)
    crowded = len(datasets) > 3
    labels = [shorten(label, 24, placeholder=" …") if crowded else fill(label, 12) for label in labels]
    axes.set_xticks(range(len(datasets)), labels, fontsize=5.5, rotation=90 if crowded else 0)
    axes.set(xlim=(-0.5, len(datasets) - 0.5), ylabel=printed)


def _silent(rows: pd.DataFrame) -> bool:
    """Return whether repeats of a data set do not agree: the mean oracle's 95 % interval holds 0 or lies below."""
    return bool(rows.loc[rows["method"] == ORACLE, "lower"].iloc[0] <= 0)


def _neurons(axes: Axes, rows: pd.DataFrame) -> None:
    """Panels D: the twin against the GLM, neuron by neuron, seeds averaged."""
    single = rows[rows["neuron"].notna()]
    both = single.pivot(index="neuron", columns="method", values="value").reindex(columns=COMPARED)
    twin, glm = (both[name] for name in COMPARED)
    of_neuron = _groups(single).reindex(both.index)
    for name, (colour, marker) in _appearances(single).items():
        part = of_neuron == name
        axes.plot(glm[part], twin[part], marker, color=colour, ms=2.6, alpha=0.6, mew=0)
    means = rows[rows["neuron"].isna() & rows["seed"].isna() & (rows["quantity"] == "single_trial")].set_index("method")
    if scoring.SHUFFLED in means.index:
        null = means.loc[scoring.SHUFFLED, "value"]
        axes.plot([null], [null], marker="x", color=style.BLACK, ms=5, mew=1.2, ls="none")
    low = min(0.0, both.min().min() if len(both) else 0.0)
    high = max(both.max().max() if len(both) else 1.0, low + 0.1)
    limits = low - 0.04, high + 0.04
    axes.plot(limits, limits, color="0.5", lw=0.7, zorder=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel="Poisson GLM")
    label = fill(str(rows["label"].iloc[0]), 28)
    share = means.loc[ABOVE]
    above = f"above the line: {100 * share['value']:.0f} % of {share['n']:.0f}" if share["n"] else ""
    verdict = "repeats disagree: no test" if _silent(rows) else _verdict(means.loc[DIFFERENCE])
    axes.set_title(f"{label}\n{verdict}\n{above}", fontsize=6)


def _verdict(difference: pd.Series) -> str:
    """Say who wins in single-trial correlation, by the interval of the paired difference over neurons."""
    mean, lower, upper = difference[["value", "lower", "upper"]]
    if not np.isfinite(lower):
        return "nothing to compare"
    numbers = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(round(float(x), 2) + 0.0 for x in (mean, lower, upper)))
    word = "wins" if lower > 0 else "loses" if upper < 0 else "ties"
    return f"twin {word} {numbers}".replace("-", "−")


def _is_typed(rows: pd.DataFrame) -> bool:
    return bool(rows["neuron_type"].notna().any())


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


def _legend(fig, table: pd.DataFrame) -> None:
    fits = table[table["seeds"].notna()]
    methods = style.in_order(fits["method"])
    handles = [mark(style.label(name), **style.appearance(name, methods)) for name in methods]
    handles.append(mark(ORACLE, style.BLACK, lw=0.9))
    single = table[table["neuron"].notna()]
    groups: dict[str, tuple[str, str]] = {}
    for _, rows in single.groupby("dataset", sort=False):
        groups |= _appearances(rows)
    for name in sorted(groups, key=lambda name: name not in TYPES):
        handles.append(mark(f"D: {name}", *groups[name], ms=3))
    handles.append(mark("D: mean of shuffled images", style.BLACK, "x", ms=5))
    seeds = fits.groupby("method")["seeds"].max().astype(int)
    runs = ", ".join(f"{style.label(name)} {_count(seeds[name], 'seed')}" for name in methods)
    first = table[table["images"].notna()].groupby("dataset").first()  # of each data set
    shown = "; ".join(
        f"{row.images:.0f} test images × {row.repeats:.3g} repeats"
        for row in first[["images", "repeats"]].drop_duplicates().itertuples()
    )
    note = (
        f"{shown}. Means over neurons, seeds averaged before (small points: single seeds; {runs}); 95 % intervals by "
        "bootstrap over neurons, which speaks neither of other animals nor of other fits. Oracle: single trials "
        "against the mean of the other repeats; B is the mean correlation over the mean oracle, which a perfect model "
        "exceeds. D titles: mean difference of single-trial correlations, twin less GLM, paired over neurons."
    )
    silent = [rows["label"].iloc[0] for _, rows in table.groupby("dataset", sort=False) if _silent(rows)]
    if silent:
        note += (
            f" {', '.join(map(str, silent))}: the interval of the mean oracle is not above 0, as repeats of one image "
            "do not agree with each other: no score there means anything, and no ratio is shown."
        )
    legend_below(fig, handles, note, ncols=5)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")

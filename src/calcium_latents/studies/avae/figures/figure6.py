"""AVAE, Figure 6: two conditions in the latents of single neurons, next to two cultures of one condition as the null.

Inputs:
    traces: traces.nc of one data set whose groups are conditions.
    embeddings: output.nc of the methods on it; of several seeds of a method the first given is shown.
    tsne: tsne.csv of the same data set; of several seeds of a method the lowest is shown.
    separability: separability.csv of the same data set (see `condition_comparison`).
    heterogeneity: heterogeneity.csv of the same data set.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, ScalarFormatter

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.recordings import read_recording
from calcium_latents.recordings.fields import TEST
from calcium_latents.statistics.partitions import LOSES, TIES, WINS
from calcium_latents.studies.avae import condition_comparison as cc
from calcium_latents.studies.avae.figure_tables import examples, joined, named
from calcium_latents.studies.avae.figures import panels

INPUTS = {
    "traces": "{compared}/traces.nc",
    "embeddings": "{compared}/{runs}/output.nc",
    "tsne": "{compared}/tsne.csv",
    "separability": "{compared}/separability.csv",
    "heterogeneity": "{compared}/heterogeneity.csv",
}
EACH = ("compared",)
TSNE_COLUMNS = ("dataset", "method", "seed", "part", "x", "y", "culture")
SHOWN_S = 60.0  # of long recordings
#: colour and marker of the reference condition, of the others; and of the second culture of the null.
CONDITIONS = ((style.GREEN, "o"), (style.ORANGE, "^"), (style.BLACK, "D"), (style.YELLOW, "v"))
SECOND = (style.SKY, "s")
#: (protocol, comparison) -> what stands below the axis.
COMPARED = {
    (cc.NEURONS, cc.CONDITIONS): "two conditions,\nover neurons\n(as published)",
    (cc.NEURONS, cc.NULL): "one condition,\nover neurons\n(null)",
    (cc.HELD_OUT, cc.CONDITIONS): "two conditions,\nheld out from\nthe classifier",
    (cc.UNSEEN, cc.CONDITIONS): "two conditions,\nheld out from\nmodel and classifier",
}


AUC, DISPERSION, MEAN, RATIO = "AUC", "dispersion", "geometric mean of dispersions", "ratio of dispersions"
VARIANT = ["method", "latents"]
PAIR = ["protocol", "comparison", "culture_a", "culture_b"]


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return residuals of the examples, AUCs of pairs of cultures and over them, dispersions and their ratios."""
    areas = read_tables(inputs, "separability", cc.SEPARABILITY_COLUMNS)
    dataset, label = areas.loc[0, ["dataset", "label"]]
    tables = {
        "separability": areas,
        "heterogeneity": read_tables(inputs, "heterogeneity", cc.HETEROGENEITY_COLUMNS),
        "tsne": read_tables(inputs, "tsne", TSNE_COLUMNS),
    }
    tables = {name: table[table["dataset"] == dataset] for name, table in tables.items()}
    for name, table in tables.items():
        if table.empty:
            raise UserError(f"input {name}: expected rows of the data set {dataset!r}, found none. Score it again.")
    areas, spread, _ = tables.values()
    path = inputs["traces"][0]
    recording = read_recording(path)
    shown = examples("A", recording, path, inputs["embeddings"], recording["group"].values, "residual")
    numbers = {"value": ("auc", "mean"), "n": ("neurons", "first"), "seeds": ("seed", "nunique")}
    pairs = areas.groupby([*VARIANT, *PAIR], as_index=False).agg(**numbers)
    cultures = spread.groupby([*VARIANT, "group", "culture"], as_index=False)[["dispersion", "lower", "upper"]].mean()
    cultures = cultures.rename(columns={"dispersion": "value"})
    logarithms = cultures[cultures["value"] > 0].assign(value=lambda table: np.log(table["value"]))
    means = logarithms.groupby([*VARIANT, "group"], as_index=False)["value"].mean()
    over_cultures = {
        ("C", AUC): cc.summarise_comparison(areas).rename(columns={"auc": "value", "pairs": "n"}),
        ("D", MEAN): means.assign(value=np.exp(means["value"])),
        ("D", RATIO): cc.compare_heterogeneity(spread).rename(columns={"ratio": "value", "cultures": "n"}),
    }
    parts = [shown, _areas_of_maps(areas, spread), named(pairs, "C", AUC), named(cultures, "D", DISPERSION)]
    parts += [named(rows, *what) for what, rows in over_cultures.items()]
    return joined(parts).assign(dataset=dataset, label=label)


def _areas_of_maps(areas: pd.DataFrame, spread: pd.DataFrame) -> pd.DataFrame:
    """Return the AUC over neurons of the pairs of cultures that are shown as maps, by the first seed of each method."""
    areas = areas[(areas["protocol"] == cc.NEURONS) & (areas["latents"] == cc.ALL)].sort_values("seed")
    groups = groups_of_cultures(spread)
    parts = []
    for comparison, pair in zip((cc.CONDITIONS, cc.NULL), pairs_shown(groups), strict=True):
        if pair is not None:
            rows = areas[(areas["culture_a"] == min(pair)) & (areas["culture_b"] == max(pair))]
            columns = {"auc": "value", "neurons": "n"}
            rows = rows.drop_duplicates("method").rename(columns=columns).drop(columns=["group_a", "group_b"])
            parts.append(rows.assign(comparison=comparison, culture_a=pair[0], culture_b=pair[1]))
    return named(pd.concat(parts), "B", AUC)


def groups_of_cultures(rows: pd.DataFrame) -> pd.Series:
    """Return the condition of each culture [culture], from rows with the columns culture and group."""
    known = rows.dropna(subset=["culture"]).drop_duplicates("culture").astype({"culture": int})
    return known.sort_values("culture").set_index("culture")["group"]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    shown, mapped, areas, spread = (table[table["panel"] == panel] for panel in "ABCD")
    groups = groups_of_cultures(spread)
    reference = cc.reference_group(groups)
    looks = dict(zip([reference, *(g for g in dict.fromkeys(groups) if g != reference)], CONDITIONS, strict=False))
    maps = read_tables(inputs, "tsne", TSNE_COLUMNS)
    maps = maps[maps["dataset"].astype(str) == str(table["dataset"].iloc[0])]
    recording, methods = read_recording(inputs["traces"][0]), style.in_order(shown["method"])
    fig = style.figure(8.9)
    above, below = fig.add_gridspec(2, 1, height_ratios=(4.2, 2.5))
    traces = above.subgridspec(len(methods), 4, width_ratios=(1.55, 1.55, 1, 1))
    first = _traces(fig, traces, recording, shown, inputs["embeddings"], methods, list(looks))
    second = _maps(fig, traces, methods, maps, mapped, groups, looks)
    left, right = (fig.add_subplot(cell) for cell in below.subgridspec(1, 2, width_ratios=(1.55, 1)))
    _areas(left, areas)
    _dispersions(right, spread, looks)
    for axis, letter, x in ((first, "A", -0.2), (second, "B", -0.04), (left, "C", -0.09), (right, "D", -0.16)):
        style.panel_letter(axis, letter, x=x, y=1.06)
    _legend(fig, methods, looks, areas, "noiseless" in recording)
    return style.save(fig, output_stem)


def _traces(fig, grid, recording, rows: pd.DataFrame, embeddings, methods: list[str], conditions: list) -> Axes:
    """Panel A: a column for a test neuron of each of two conditions, a row for each method."""
    time, conditions = recording["time"].values, conditions[:2]
    shown = recording.isel(time=time < time[0] + SHOWN_S)
    words = {"note": lambda row: f"residual {row['value']:.2g}", "absent": "no test neuron that\nall methods share"}
    axes = panels.draw_examples(fig, grid, rows, shown, embeddings, conditions, methods, **words)
    for axis, name in zip(axes[0], conditions, strict=True):
        for row in rows[rows["group"] == name].head(1).itertuples():
            trace = shown["fluorescence"].sel(neuron=row.neuron).values[0]
            low, high = np.nanmin(trace), np.nanmax(trace)
            axis.set_ylim(low, high + 0.2 * (high - low))
            axis.set_title(f"{name}: median of {row.n:.0f}\ntest neurons under PCA\n", fontsize=6.5)
    unit = "simulator's units" if "noiseless" in recording else "units of the recording"
    for axis, method in zip(axes[:, 0], methods, strict=True):
        colour = style.appearance(method)["color"]
        axis.set_ylabel(f"{panels.short(method)}\nfluorescence\n({unit})", color=colour, fontsize=6.5)
    axes[0, 0].set_xlim(time[0], min(time[-1], time[0] + SHOWN_S))
    return axes[0, 0]


def pairs_shown(groups: pd.Series) -> list[tuple[int, int] | None]:
    """Return the first pair of cultures of two conditions, and of two cultures of one: the reference if it has two.

    Args:
        groups: condition of each culture [culture].
    """
    reference = cc.reference_group(groups)
    cultures = {name: [int(number) for number in part.index] for name, part in groups.groupby(groups)}
    others = [name for name in dict.fromkeys(groups) if name != reference]
    null = next((cultures[name][:2] for name in (reference, *others) if len(cultures[name]) > 1), None)
    return [(cultures[reference][0], cultures[others[0]][0]), tuple(null) if null else None]


def _maps(
    fig, grid, methods: list[str], maps: pd.DataFrame, areas: pd.DataFrame, groups: pd.Series, looks: dict
) -> Axes:
    """Panel B: t-SNE maps of the first pair of cultures of two conditions, and of one, a row for each method."""
    axes, lowest = [], maps[maps["seed"] == maps.groupby("method")["seed"].transform("min")]
    for column, pair in enumerate(pairs_shown(groups), 2):
        for row, method in enumerate(methods):
            axis = fig.add_subplot(grid[row, column])
            axis.set(xticks=[], yticks=[], box_aspect=1)
            axis.spines[:].set(visible=True, color="0.8")
            axes.append(axis)
            if pair is None:
                style.note(axis, "one culture\na condition:\nno null", 0.5, 0.5, ha="center", va="center")
                continue
            for number, look in zip(pair, _pair_looks(pair, groups, looks), strict=True):
                points = lowest[(lowest["method"] == method) & (lowest["culture"] == number)]
                for part, size, alpha in ((points["part"] != TEST, 2, 0.3), (points["part"] == TEST, 9, 0.9)):
                    place = points.loc[part, ["x", "y"]].to_numpy().T
                    options = {"linewidths": 0, "alpha": alpha, "rasterized": len(points) > 1000}
                    axis.scatter(*place, s=size, color=look[0], marker=look[1], **options)
            names = ", ".join(f"{groups[number]} {number}" for number in pair)
            head = f"{names}\n{'(as published)' if column == 2 else '(null)'}\n" if row == 0 else ""
            of_pair = (areas["culture_a"] == pair[0]) & (areas["culture_b"] == pair[1]) & (areas["method"] == method)
            axis.set_title(head + _area_words(areas[of_pair]), fontsize=6.5)
    return axes[0]


def _pair_looks(pair: tuple[int, int], groups: pd.Series, looks: dict) -> Iterator[tuple[str, str]]:
    yield looks[groups[pair[0]]]
    yield looks[groups[pair[1]]] if groups[pair[0]] != groups[pair[1]] else SECOND


def _area_words(rows: pd.DataFrame) -> str:
    for row in rows.dropna(subset=["value"]).itertuples():
        return f"AUC {row.value:.2f} [{row.lower:.2f}, {row.upper:.2f}]"
    return "AUC: too few neurons"


def _variants(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return (method, latents) in the order of legends, all latents first."""
    found = set(zip(table["method"], table["latents"], strict=True))
    return [(m, name) for m in style.in_order(table["method"]) for name in (cc.ALL, cc.IDENTITY) if (m, name) in found]


def _name(method: str, latents: str) -> str:
    return panels.short(method) + (" identity" if latents == cc.IDENTITY else "")


def _areas(axis: Axes, rows: pd.DataFrame) -> None:
    """Panel C: AUC of all pairs of cultures, by protocol."""
    areas, variants = rows[rows["culture_a"].notna()], _variants(rows)
    summary = rows[rows["culture_a"].isna()].set_index([*VARIANT, "protocol", "comparison"])
    kinds = [kind for kind in COMPARED if kind in set(zip(areas["protocol"], areas["comparison"], strict=True))]
    for place, kind in enumerate(kinds):
        for index, variant in enumerate(variants):
            x = place + 0.75 * ((index + 0.5) / len(variants) - 0.5)
            look = style.appearance(variant[0])
            mine = areas[(areas["method"] == variant[0]) & (areas["latents"] == variant[1])]
            points = mine.loc[(mine["protocol"] == kind[0]) & (mine["comparison"] == kind[1]), "value"].dropna()
            axis.scatter(np.full(len(points), x), points, s=6, color=look["color"], alpha=0.3, linewidths=0)
            if (*variant, *kind) not in summary.index:
                continue
            row = summary.loc[[(*variant, *kind)]]
            fill_with = {"mfc": "white"} if variant[1] == cc.IDENTITY else {}
            bars = {"capsize": 1.5, "elinewidth": 0.8, "ms": 4.5, **look, **fill_with}
            axis.errorbar(x, row["value"], panels.error_bars(row), **bars)
    axis.axhline(0.5, color="0.4", lw=0.7, ls="--", zorder=0)
    axis.text(0.005, 0.515, "chance", transform=axis.get_yaxis_transform(), fontsize=6, color="0.3")
    low = min(0.4, areas["value"].min() - 0.03) if areas["value"].notna().any() else 0.4
    counts = [areas[(areas["protocol"] == a) & (areas["comparison"] == b)] for a, b in kinds]
    counts = [len(part[["culture_a", "culture_b"]].drop_duplicates()) for part in counts]
    texts = [f"{COMPARED[kind]}\n{n} pair{'s' * (n > 1)}" for kind, n in zip(kinds, counts, strict=True)]
    axis.set(xticks=range(len(kinds)), xticklabels=texts, xlim=(-0.5, len(kinds) - 0.5), ylim=(low, 1.03))
    axis.set_ylabel("AUC of two cultures")
    lines = [("Two conditions against the null", (cc.NEURONS, cc.DIFFERENCE))]
    lines.append(("Unseen cultures against chance", (cc.UNSEEN, cc.CONDITIONS)))
    axis.set_title("\n".join(fill(outcome(summary, variants, *line), 78) for line in lines), fontsize=6.5)


def outcome(summary: pd.DataFrame, variants: Iterable[tuple[str, str]], head: str, kind: tuple[str, str]) -> str:
    """Say which variants win, tie and lose."""
    said: dict[str, list[str]] = {WINS: [], TIES: [], LOSES: [], cc.CONFOUNDED: []}
    for variant in variants:
        if (*variant, *kind) in summary.index:
            said[summary.loc[(*variant, *kind), "verdict"]].append(_name(*variant))
    return f"{head}: {_by_word(said)}"


def _by_word(said: dict[str, list[str]]) -> str:
    """Join names by what is said of them."""
    said = {word: names for word, names in said.items() if names}
    if len(said) == 1 and len(*said.values()) > 1:
        return f"all: {next(iter(said))}"
    return "; ".join(f"{', '.join(names)}: {word}" for word, names in said.items()) or "not compared"


def _dispersions(axis: Axes, rows: pd.DataFrame, looks: dict) -> None:
    """Panel D: dispersion of every culture by condition and method."""
    spread, means, compared = (rows[rows["quantity"] == name] for name in (DISPERSION, MEAN, RATIO))
    compared = compared.set_index(VARIANT)
    variants, names = _variants(spread), list(looks)
    lines = []
    for place, variant in enumerate(variants):
        cultures, mean = (
            part[(part["method"] == variant[0]) & (part["latents"] == variant[1])] for part in (spread, means)
        )
        for index, name in enumerate(names):
            part = cultures[cultures["group"] == name]
            middle = place + 0.8 * ((index + 0.5) / len(names) - 0.5)
            x = middle + (np.linspace(-0.28, 0.28, len(part)) / len(names) if len(part) > 1 else 0.0)
            colour, marker = looks[name]
            bars = {"ls": "", "ms": 3, "elinewidth": 0.5, "alpha": 0.9}
            axis.errorbar(x, part["value"], panels.error_bars(part).clip(0), color=colour, marker=marker, **bars)
            for value in mean.loc[mean["group"] == name, "value"]:
                axis.plot([middle - 0.32 / len(names), middle + 0.32 / len(names)], [value] * 2, color=colour, lw=1.6)
        if len(names) == 2 and variant in compared.index:
            row = compared.loc[variant]
            interval = f" [{row['lower']:.2f}, {row['upper']:.2f}]" if np.isfinite(row["lower"]) else ""
            lines.append(f"{_name(*variant)} {row['value']:.2f}{interval} {row['verdict']}")
    for group in names[1:] if len(names) > 2 else ():
        rows = compared[compared["group"] == group]
        said = {verdict: [_name(*variant) for variant in part.index] for verdict, part in rows.groupby("verdict")}
        lines.append(f"{group}: {_by_word(said)}")
    head = f"Dispersion over that of {names[0]}" if len(names) > 2 else f"Dispersion, {names[1]} over {names[0]}"
    axis.set_title("\n".join([head, *(fill(line, 50) for line in lines)]), fontsize=6.5)
    axis.set(xticks=range(len(variants)), xticklabels=[_name(*variant).replace(" ", "\n") for variant in variants])
    for tick, (method, _) in zip(axis.get_xticklabels(), variants, strict=True):
        tick.set_color(style.appearance(method)["color"])
    if (spread["lower"] > 0).all():
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(ScalarFormatter())
        axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_ylabel("dispersion (1: as all cultures)")


def _legend(fig, methods: list[str], looks: dict, rows: pd.DataFrame, simulated: bool) -> None:
    marks, areas = {"ls": "", "ms": 4}, rows[rows["culture_a"].notna()]
    handles = [Line2D([], [], label=style.label(name), ms=3.5, lw=0.9, **style.appearance(name)) for name in methods]
    second = [("second culture of the null", SECOND)] if (areas["comparison"] == cc.NULL).any() else []
    for name, (colour, marker) in [*looks.items(), *second]:
        handles.append(Line2D([], [], color=colour, marker=marker, label=name, **marks))
    handles += [Line2D([], [], **look) for look in ([panels.NOISY, panels.TRUE] if simulated else [panels.NOISY])]
    cultures, seeds = len(set(areas["culture_a"]) | set(areas["culture_b"])), areas["seeds"].max()
    neurons = panels.span(areas.loc[areas["protocol"] == cc.NEURONS, "n"])
    origin = "Simulated stand-in: the paper's recordings are not public" if simulated else "Not the paper's recordings"
    identity = " Open: identity latents alone." if (areas["latents"] == cc.IDENTITY).any() else ""
    seeds = "one seed" if seeds == 1 else f"{seeds:.0f} seeds, averaged"
    note = (
        f"{origin} ({areas['label'].iloc[0]}). n = {cultures} cultures, {neurons} test neurons a pair, {seeds}. "
        "B: test neurons large, others small and pale; [ ]: bootstrap over test neurons, of these two cultures only. "
        "C: light: pairs of cultures; markers: mean, 95 % interval over cultures (each left out with all its pairs); "
        "wins, loses: the interval of the difference to the null leaves out 0, that of the AUC leaves out 0.5."
        f"{identity} D: cultures with 95 % bootstrap over neurons; lines: geometric means; ratios: 95 % Welch interval "
        "over cultures."
    )
    panels.page_legend(fig, handles, note, 165, ncols=4)

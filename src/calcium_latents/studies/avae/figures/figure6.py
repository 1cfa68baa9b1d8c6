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
from calcium_latents.studies.avae import condition_comparison as cc
from calcium_latents.studies.avae.figures.trace_panel import (
    NOISY,
    SHORT,
    TRUE,
    check_neurons,
    draw_reconstruction,
    examples,
    read_reported,
)

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
SAID = {cc.MORE: "more", cc.LESS: "less", cc.TIES: "ties", cc.CONFOUNDED: "too few cultures"}


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    areas = read_tables(inputs, "separability", cc.SEPARABILITY_COLUMNS)
    dataset = areas["dataset"].iloc[0]
    tables = {
        "separability": areas,
        "heterogeneity": read_tables(inputs, "heterogeneity", cc.HETEROGENEITY_COLUMNS),
        "tsne": read_tables(inputs, "tsne", TSNE_COLUMNS),
    }
    tables = {name: table[table["dataset"] == dataset] for name, table in tables.items()}
    for name, table in tables.items():
        if table.empty:
            raise UserError(f"input {name}: expected rows of the data set {dataset!r}, found none. Score it again.")
    areas, spread, maps = tables.values()
    groups = spread.drop_duplicates("culture").sort_values("culture").set_index("culture")["group"]
    reference = cc.reference_group(groups)
    looks = dict(zip([reference, *(g for g in dict.fromkeys(groups) if g != reference)], CONDITIONS, strict=False))
    fig = style.figure(8.9)
    above, below = fig.add_gridspec(2, 1, height_ratios=(4.2, 2.5))
    runs = read_reported(inputs["embeddings"], "residual")
    traces = above.subgridspec(len(runs), 4, width_ratios=(1.55, 1.55, 1, 1))
    first, simulated = _traces(fig, traces, inputs, runs, list(looks))
    second = _maps(fig, traces, list(runs), maps, areas, groups, looks)
    left, right = (fig.add_subplot(cell) for cell in below.subgridspec(1, 2, width_ratios=(1.55, 1)))
    _areas(left, areas)
    _dispersions(right, spread, looks)
    for axis, letter, x in ((first, "A", -0.2), (second, "B", -0.04), (left, "C", -0.09), (right, "D", -0.16)):
        style.panel_letter(axis, letter, x=x, y=1.06)
    _legend(fig, runs, looks, areas, simulated)
    return style.save(fig, output_stem)


def _traces(fig, grid, inputs: Inputs, runs: dict, conditions: list[str]) -> tuple[Axes, bool]:
    """Panel A: a column for a test neuron of each of two conditions, a row for each method."""
    path = inputs["traces"][0]
    recording = read_recording(path)
    check_neurons(runs, recording, path)
    time = recording["time"].values
    shown = recording.isel(time=time < time[0] + SHOWN_S)
    simulated = "noiseless" in recording
    chosen = {name: rest for name, *rest in examples(runs, recording["group"].values, "residual")}
    axes = np.empty((len(runs), 2), object)
    for column, name in enumerate(conditions[:2]):
        for row, (method, run) in enumerate(runs.items()):
            axis = axes[row, column] = fig.add_subplot(grid[row, column], sharex=axes[0, 0], sharey=axes[0, column])
            axis.tick_params(labelbottom=row == len(runs) - 1)
            if name not in chosen:
                style.note(axis, "no test neuron that\nall methods share", 0.05, 0.5)
                continue
            draw_reconstruction(axis, shown, run, method, chosen[name][0])
            residual = float(run["residual"].values[chosen[name][0]])
            style.note(axis, f"residual {residual:.2g}", 0.99, 0.99, ha="right", va="top")
        if name in chosen:
            trace = shown["fluorescence"].values[0, :, chosen[name][0]]
            low, high = np.nanmin(trace), np.nanmax(trace)
            axes[0, column].set_ylim(low, high + 0.2 * (high - low))
            axes[0, column].set_title(f"{name}: median of {chosen[name][1]}\ntest neurons under PCA\n", fontsize=6.5)
        axes[-1, column].set_xlabel("time (s)")
    unit = "simulator's units" if simulated else "units of the recording"
    for row, method in enumerate(runs):
        name, colour = SHORT.get(method, style.label(method)), style.appearance(method)["color"]
        axes[row, 0].set_ylabel(f"{name}\nfluorescence\n({unit})", color=colour, fontsize=6.5)
    axes[0, 0].set_xlim(time[0], min(time[-1], time[0] + SHOWN_S))
    return axes[0, 0], simulated


def pairs_shown(groups: pd.Series, reference: str) -> list[tuple[int, int] | None]:
    """Return the first pair of cultures of two conditions, and of two cultures of one: the reference if it has two."""
    cultures = {name: [int(number) for number in part.index] for name, part in groups.groupby(groups)}
    others = [name for name in dict.fromkeys(groups) if name != reference]
    null = next((cultures[name][:2] for name in (reference, *others) if len(cultures[name]) > 1), None)
    return [(cultures[reference][0], cultures[others[0]][0]), tuple(null) if null else None]


def _maps(
    fig, grid, methods: list[str], maps: pd.DataFrame, areas: pd.DataFrame, groups: pd.Series, looks: dict
) -> Axes:
    """Panel B: t-SNE maps of the first pair of cultures of two conditions, and of one, a row for each method."""
    axes, lowest = [], maps[maps["seed"] == maps.groupby("method")["seed"].transform("min")]
    for column, pair in enumerate(pairs_shown(groups, next(iter(looks))), 2):
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
                for part, size, alpha in ((points["part"] != cc.TEST, 2, 0.3), (points["part"] == cc.TEST, 9, 0.9)):
                    place = points.loc[part, ["x", "y"]].to_numpy().T
                    options = {"linewidths": 0, "alpha": alpha, "rasterized": len(points) > 1000}
                    axis.scatter(*place, s=size, color=look[0], marker=look[1], **options)
            names = ", ".join(f"{groups[number]} {number}" for number in pair)
            head = f"{names}\n{'(as published)' if column == 2 else '(null)'}\n" if row == 0 else ""
            axis.set_title(head + _area_of_pair(areas, method, pair), fontsize=6.5)
    return axes[0]


def _pair_looks(pair: tuple[int, int], groups: pd.Series, looks: dict) -> Iterator[tuple[str, str]]:
    yield looks[groups[pair[0]]]
    yield looks[groups[pair[1]]] if groups[pair[0]] != groups[pair[1]] else SECOND


def _area_of_pair(areas: pd.DataFrame, method: str, pair: tuple[int, int]) -> str:
    rows = areas[(areas["method"] == method) & (areas["protocol"] == cc.NEURONS) & (areas["latents"] == cc.ALL)]
    rows = rows[(rows["culture_a"] == min(pair)) & (rows["culture_b"] == max(pair))].sort_values("seed")
    if rows.empty or not np.isfinite(rows["auc"].iloc[0]):
        return "AUC: too few neurons"
    row = rows.iloc[0]
    return f"AUC {row['auc']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]"


def _variants(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return (method, latents) in the order of legends, all latents first."""
    found = set(zip(table["method"], table["latents"], strict=True))
    return [(m, name) for m in style.in_order(table["method"]) for name in (cc.ALL, cc.IDENTITY) if (m, name) in found]


def _name(method: str, latents: str) -> str:
    return SHORT.get(method, style.label(method)) + (" identity" if latents == cc.IDENTITY else "")


def _areas(axis: Axes, areas: pd.DataFrame) -> None:
    """Panel C: AUC of all pairs of cultures, by protocol."""
    summary = cc.summarise_comparison(areas).set_index(["method", "latents", "protocol", "comparison"])
    variants = _variants(areas)
    kinds = [kind for kind in COMPARED if kind in set(zip(areas["protocol"], areas["comparison"], strict=True))]
    for place, kind in enumerate(kinds):
        for index, variant in enumerate(variants):
            x = place + 0.75 * ((index + 0.5) / len(variants) - 0.5)
            look = style.appearance(variant[0])
            mine = areas[(areas["method"] == variant[0]) & (areas["latents"] == variant[1])]
            mine = mine[(mine["protocol"] == kind[0]) & (mine["comparison"] == kind[1])]
            points = mine.groupby(["culture_a", "culture_b"])["auc"].mean().dropna()
            axis.scatter(np.full(len(points), x), points, s=6, color=look["color"], alpha=0.3, linewidths=0)
            if (*variant, *kind) not in summary.index:
                continue
            row = summary.loc[(*variant, *kind)]
            error = np.nan_to_num([[row["auc"] - row["lower"]], [row["upper"] - row["auc"]]])
            fill_with = {"mfc": "white"} if variant[1] == cc.IDENTITY else {}
            axis.errorbar(x, row["auc"], error, capsize=1.5, elinewidth=0.8, ms=4.5, **look, **fill_with)
    axis.axhline(0.5, color="0.4", lw=0.7, ls="--", zorder=0)
    axis.text(0.005, 0.515, "chance", transform=axis.get_yaxis_transform(), fontsize=6, color="0.3")
    low = min(0.4, areas["auc"].min() - 0.03) if areas["auc"].notna().any() else 0.4
    counts = [areas[(areas["protocol"] == a) & (areas["comparison"] == b)] for a, b in kinds]
    counts = [len(part[["culture_a", "culture_b"]].drop_duplicates()) for part in counts]
    texts = [f"{COMPARED[kind]}\n{n} pair{'s' * (n > 1)}" for kind, n in zip(kinds, counts, strict=True)]
    axis.set(xticks=range(len(kinds)), xticklabels=texts, xlim=(-0.5, len(kinds) - 0.5), ylim=(low, 1.03))
    axis.set_ylabel("AUC of two cultures")
    lines = [("Two conditions against the null", (cc.NEURONS, cc.DIFFERENCE))]
    lines.append(("Unseen cultures against chance", (cc.UNSEEN, cc.CONDITIONS)))
    axis.set_title("\n".join(fill(outcome(summary, variants, *line), 78) for line in lines), fontsize=6.5)


def outcome(summary: pd.DataFrame, variants: Iterable[tuple[str, str]], head: str, kind: tuple[str, str]) -> str:
    """Say which variants win, tie and lose: where the interval leaves out zero (of an AUC: 0.5)."""
    said: dict[str, list[str]] = {"wins": [], "ties": [], "loses": [], "too few cultures": []}
    for variant in variants:
        if (*variant, *kind) in summary.index:
            row = summary.loc[(*variant, *kind)]
            bound = 0.0 if kind[1] == cc.DIFFERENCE else 0.5
            word = "wins" if row["lower"] > bound else "loses" if row["upper"] < bound else "ties"
            said[word if np.isfinite(row["lower"]) else "too few cultures"].append(_name(*variant))
    return f"{head}: {_by_word(said)}"


def _by_word(said: dict[str, list[str]]) -> str:
    """Join names by what is said of them."""
    said = {word: names for word, names in said.items() if names}
    if len(said) == 1 and len(*said.values()) > 1:
        return f"all: {next(iter(said))}"
    return "; ".join(f"{', '.join(names)}: {word}" for word, names in said.items()) or "not compared"


def _dispersions(axis: Axes, spread: pd.DataFrame, looks: dict) -> None:
    """Panel D: dispersion of every culture by condition and method."""
    compared = cc.compare_heterogeneity(spread).set_index(["method", "latents"])
    variants, names = _variants(spread), list(looks)
    lines = []
    for place, variant in enumerate(variants):
        mine = spread[(spread["method"] == variant[0]) & (spread["latents"] == variant[1])]
        for index, name in enumerate(names):
            part = mine[mine["group"] == name].groupby("culture")[["dispersion", "lower", "upper"]].mean()
            middle = place + 0.8 * ((index + 0.5) / len(names) - 0.5)
            x = middle + (np.linspace(-0.28, 0.28, len(part)) / len(names) if len(part) > 1 else 0.0)
            error = np.nan_to_num([part["dispersion"] - part["lower"], part["upper"] - part["dispersion"]]).clip(0)
            colour, marker = looks[name]
            bars = {"ls": "", "ms": 3, "elinewidth": 0.5, "alpha": 0.9}
            axis.errorbar(x, part["dispersion"], error, color=colour, marker=marker, **bars)
            positive = part.loc[part["dispersion"] > 0, "dispersion"]
            if len(positive):
                mean = np.exp(np.log(positive).mean())
                axis.plot([middle - 0.32 / len(names), middle + 0.32 / len(names)], [mean] * 2, color=colour, lw=1.6)
        if len(names) == 2 and variant in compared.index:
            row = compared.loc[variant]
            interval = f" [{row['lower']:.2f}, {row['upper']:.2f}]" if np.isfinite(row["lower"]) else ""
            lines.append(f"{_name(*variant)} {row['ratio']:.2f}{interval} {SAID[row['verdict']]}")
    for group in names[1:] if len(names) > 2 else ():
        rows = compared[compared["group"] == group]
        said = {SAID[verdict]: [_name(*variant) for variant in part.index] for verdict, part in rows.groupby("verdict")}
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


def _legend(fig, runs: dict, looks: dict, areas: pd.DataFrame, simulated: bool) -> None:
    marks = {"ls": "", "ms": 4}
    handles = [Line2D([], [], label=style.label(name), ms=3.5, lw=0.9, **style.appearance(name)) for name in runs]
    second = [("second culture of the null", SECOND)] if (areas["comparison"] == cc.NULL).any() else []
    for name, (colour, marker) in [*looks.items(), *second]:
        handles.append(Line2D([], [], color=colour, marker=marker, label=name, **marks))
    handles.append(Line2D([], [], **NOISY))
    if simulated:
        handles.append(Line2D([], [], **TRUE))
    cultures = len(set(areas["culture_a"]) | set(areas["culture_b"]))
    seeds = areas.groupby("method")["seed"].nunique().max()
    neurons = _range(areas.loc[areas["protocol"] == cc.NEURONS, "neurons"])
    origin = "Simulated stand-in: the paper's recordings are not public" if simulated else "Not the paper's recordings"
    identity = " Open: identity latents alone." if (areas["latents"] == cc.IDENTITY).any() else ""
    seeds = "one seed" if seeds == 1 else f"{seeds} seeds, averaged"
    note = (
        f"{origin} ({areas['label'].iloc[0]}). n = {cultures} cultures, {neurons} test neurons a pair, {seeds}. "
        "B: test neurons large, others small and pale; [ ]: bootstrap over test neurons, of these two cultures only. "
        "C: light: pairs of cultures; markers: mean, 95 % interval over cultures (each left out with all its pairs); "
        "wins, loses: the interval of the difference to the null leaves out 0, that of the AUC leaves out 0.5."
        f"{identity} D: cultures with 95 % bootstrap over neurons; lines: geometric means; ratios: 95 % Welch interval "
        "over cultures."
    )
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=4, title=fill(note, 165), title_fontsize=6)
    legend.get_title().set_multialignment("center")


def _range(values: pd.Series) -> str:
    return f"{values.min()}" if values.min() == values.max() else f"{values.min()} to {values.max()}"

"""Digital twin, Figure 5: size tuning asked of the model against that of a second scan, and the Gabors of that scan.

Panels have the paper's letters: B agreement with recorded responses, C size-contrast curves of suboptimal Gabors, D how
many neurons few Gabors reach, E the chosen Gabors; F puts a number to C. The paper's A is a drawing of the two scans.

Inputs:
    size_tuning: size_tuning.csv, agreement of curves neuron by neuron, of one data set.
    curves: scan_curves.csv, size-contrast curves of suboptimal Gabors.
    coverage: scan_coverage.csv, share of neurons against fraction of the own optimum.
    scan_gabors: scan_gabors.csv, the chosen Gabors.
    paper: what the paper states.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from calcium_latents.claims.paper import PaperValue, paper_values
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below, mark, tidy
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import bootstrap_interval
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import GABOR, render_gabors
from calcium_latents.studies.digital_twin.second_scan import size_tuning_agreement as agreement
from calcium_latents.studies.digital_twin.second_scan.gabor_selection import (
    COVERAGE_COLUMNS,
    GREEDY,
    RANDOM,
    SINGLY,
)
from calcium_latents.studies.digital_twin.second_scan.suboptimal_curves import (
    CURVE_COLUMNS,
    OPTIMAL,
    TOLERANCE,
    curve_similarity,
)

INPUTS = {
    "size_tuning": "{scanned}/size_tuning.csv",
    "curves": "{scanned}/scan_curves.csv",
    "coverage": "{scanned}/scan_coverage.csv",
    "scan_gabors": "{scanned}/scan_gabors.csv",
    "paper": "config/papers/digital_twin.yaml",
}
EACH = ("scanned",)
#: curve -> label, colour, marker
CURVES = {
    agreement.MODEL: ("model, same Gabors (“mouse–model”)", style.VERMILLION, "o"),
    agreement.AT_OPTIMUM: ("model, own optimal Gabors (“mouse–optimal”)", style.ORANGE, "D"),
    agreement.GLM: ("Poisson GLM, same Gabors (baseline)", style.BLUE, "s"),
    agreement.MEAN: ("mean of other neurons' curves (baseline)", style.GREEN, "^"),
    agreement.OTHERS: ("each other neuron's curve (null)", style.GREY, "x"),
    agreement.TRUTH: ("noise-free curve (ceiling)", style.BLACK, "_"),
}
AGAINST = {agreement.OTHERS: "null", agreement.MEAN: "mean curve", agreement.GLM: "GLM"}
LINES = {GREEDY: "-", SINGLY: ":", RANDOM: "--"}
HALF = 0.5  # threshold at which curves are compared, if it is there
OWN, NULL = "own optimum", "other neurons' optima (null)"
DIFFERENCE = "model less this curve"
REPEATS = 1000  # of bootstraps


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the numbers of the figure, `value` with its 95 % interval `lower`, `upper` over `n` neurons.

    B: of every `curve` at every `threshold`, `statistic` fraction of the oracle, correlation with the noise-free curve,
    and the difference of the model's fraction from another curve's. D: `statistic` share of neurons that sets of so
    many `gabors` take to the threshold; random ones with 95 % of draws. F: correlation with the `curve` of the own
    optimum, and with other neurons', by `target`: of every neuron, and the mean.
    """
    table = read_tables(inputs, "size_tuning", agreement.COLUMNS)
    coverage = read_tables(inputs, "coverage", COVERAGE_COLUMNS)
    gabors = read_tables(inputs, "scan_gabors", ("threshold",))
    similarity = curve_similarity(read_tables(inputs, "curves", CURVE_COLUMNS))
    summary = agreement.summarise_agreement(table, REPEATS).rename(columns={"fraction": "value", "neurons": "n"})
    agreeing = [summary.assign(statistic="fraction of oracle")]
    true = table[table["curve"] != agreement.TRUTH].rename(columns={"correlation_to_truth": "value"})
    agreeing.append(_means(true, ["threshold", "curve"]).assign(statistic="correlation with the truth"))
    middle = HALF if np.isclose(summary["threshold"], HALF).any() else summary["threshold"].min()
    for name in (name for name in AGAINST if name in set(table["curve"])):
        found = agreement.compare_curves(table, agreement.MODEL, name, middle, REPEATS)
        row = dict(zip(("value", "lower", "upper", "n"), found, strict=True))
        agreeing.append(pd.DataFrame([row | {"statistic": DIFFERENCE, "curve": name, "threshold": middle}]))
    shares = coverage.groupby(["gabors", "selection", "neurons"]).apply(_share, gabors["threshold"].iloc[0])
    keys = ["neuron", "target", "seed"]
    similar = similarity.assign(seed=table["seed"].iloc[0]).rename(
        columns={"correlation": OWN, "null_correlation": NULL}
    )
    similar = similar.melt(keys, [OWN, NULL], "curve")
    panels = {"B": pd.concat(agreeing), "D": shares.reset_index().rename(columns={"neurons": "n"})}
    return tidy(panels | {"F": pd.concat([similar, _means(similar, ["target", "curve"])])})


def _means(values: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the mean over neurons of `value` by `keys`, its interval by bootstrap, and n."""
    rows = []
    for key, part in values.dropna(subset="value").groupby(keys):
        found = bootstrap_interval(part["value"].to_numpy(), repeats=REPEATS, seed=int(part["seed"].iloc[0]))
        rows.append((*key, *found, len(part)))
    return pd.DataFrame(rows, columns=[*keys, "value", "lower", "upper", "n"])


def _share(curve: pd.DataFrame, threshold: float) -> pd.Series:
    """Return which share of neurons a coverage curve takes to the threshold; of random sets also of the band."""
    names = {"fraction_of_own": "value", "lower": "lower", "upper": "upper"}
    return pd.Series({new: curve.loc[curve[old] >= threshold, "neuron_share"].max() for old, new in names.items()})


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    tuning = read_tables(inputs, "size_tuning", ("curve", "sizes", "repeats", "seed"))
    curves = read_tables(inputs, "curves", CURVE_COLUMNS)
    coverage = read_tables(inputs, "coverage", COVERAGE_COLUMNS)
    gabors = read_tables(inputs, "scan_gabors", ("rank", *GABOR, "neurons_reached", "neurons", "threshold"))
    paper, threshold = paper_values(inputs), float(gabors["threshold"].iloc[0])
    agreeing, shares, similar = (table[table["panel"] == letter] for letter in "BDF")
    true = agreeing[agreeing["statistic"] == "correlation with the truth"]
    fig = style.figure(9.0)
    grid = fig.add_gridspec(3, 1, height_ratios=(2.5, 3.3, 1.5))
    above = grid[0].subgridspec(1, 3 if len(true) else 2, width_ratios=(1.15, 0.85, 1.0) if len(true) else (1.3, 1.0))
    panels = [fig.add_subplot(cell) for cell in above]
    _agreement(panels[0], agreeing, paper["size_tuning"])
    if len(true):
        _truth(panels[1], true)
    _coverage(panels[-1], coverage, shares, threshold, paper)
    middle = grid[1].subgridspec(1, 2, width_ratios=(2.2, 1))
    examples = _examples(fig, middle[0], curves)
    similarity = fig.add_subplot(middle[1])
    _similarity(similarity, similar, curves["neuron"].nunique(), int(tuning["seed"].iloc[0]))
    chosen = _gabors(fig, grid[2], gabors)
    letters = {"B": panels[0], "D": panels[-1], "C": examples, "F": similarity, "E": chosen}
    for letter, axes in letters.items():
        style.panel_letter(axes, letter, x=-0.35 if letter in "CE" else -0.16, y=1.12 if letter in "CE" else 1.05)
    _legend(fig, tuning, threshold)
    return style.save(fig, output_stem)


def _agreement(axes: Axes, table: pd.DataFrame, published: PaperValue) -> None:
    """Panel B: fraction of oracle of every curve at every threshold."""
    summary = table[table["statistic"] == "fraction of oracle"].copy()
    summary[["value", "lower", "upper"]] *= 100
    _points(axes, summary)
    axes.axhline(100, color="0.7", lw=0.6, zorder=0)
    axes.axhline(100 * published.value, color="0.4", lw=0.8, ls=":", zorder=0)
    axes.set_ylabel(f"correlation, % of the oracle's\n(dotted: paper, {published.printed})")
    differences = table[table["statistic"] == DIFFERENCE]
    middle = HALF if differences.empty else differences["threshold"].iloc[0]
    lines = [f"model at ≥ {100 * middle:.0f} %, difference in % of oracle:", *map(_verdict, differences.itertuples())]
    axes.set_title("\n".join(lines), fontsize=6)


def _verdict(row) -> str:
    """Say who wins, from a difference and its interval."""
    against = AGAINST[row.curve]
    if not np.isfinite(row.lower):
        return f"nothing to compare with {against}"
    word = "wins over" if row.lower > 0 else "loses to" if row.upper < 0 else "ties with"
    text = f"{word} {against} {100 * row.value:+.0f} [{100 * row.lower:+.0f}, {100 * row.upper:+.0f}]"
    return text.replace("-", "−")


def _points(axes: Axes, summary: pd.DataFrame) -> None:
    """Draw value, lower, upper of each curve at each threshold, side by side."""
    thresholds = np.sort(summary["threshold"].unique())
    names = [name for name in CURVES if name in set(summary["curve"])]
    for index, name in enumerate(names):
        rows = summary[summary["curve"] == name].set_index("threshold").reindex(thresholds)
        place = np.arange(len(thresholds)) + 0.8 * ((index + 0.5) / len(names) - 0.5)
        error = np.nan_to_num([rows["value"] - rows["lower"], rows["upper"] - rows["value"]])
        _, colour, marker = CURVES[name]
        bars = {"capsize": 1.5, "elinewidth": 0.7, "ls": "none", "color": colour, "marker": marker}
        bars["ms"] = 6 if marker == "_" else 3.6
        axes.errorbar(place, rows["value"], yerr=np.maximum(error, 0), **bars)
    counts = summary[summary["curve"] == agreement.MODEL].set_index("threshold")["n"].reindex(thresholds)
    labels = [f"≥ {100 * t:.0f} %\nn = {n:.0f}" for t, n in zip(thresholds, counts.fillna(0), strict=True)]
    axes.set_xticks(range(len(thresholds)), labels)
    axes.set_xlim(-0.55, len(thresholds) - 0.45)
    axes.set_xlabel("best Gabor's share of the own optimum")
    axes.axhline(0, color="0.4", lw=0.6, zorder=0)


def _truth(axes: Axes, summary: pd.DataFrame) -> None:
    """Beside B: mean correlation over sizes with the noise-free curve."""
    _points(axes, summary)
    axes.axhline(1, color="0.7", lw=0.6, zorder=0)
    axes.set_ylim(top=1.04)
    axes.set_ylabel("correlation with the noise-free curve")
    axes.set_title("simulated neurons:\nagainst the truth", fontsize=6.5)


def _coverage(axes: Axes, coverage: pd.DataFrame, shares: pd.DataFrame, threshold: float, paper) -> None:
    """Panel D: fraction of the own optimum that a share of neurons reaches."""
    counts = sorted(coverage["gabors"].unique())
    for colour, count in zip(style.sequence(len(counts)), counts, strict=True):
        for name, line in LINES.items():
            rows = coverage[(coverage["gabors"] == count) & (coverage["selection"] == name)]
            share = 100 * rows["neuron_share"]
            axes.plot(share, 100 * rows["fraction_of_own"], color=colour, ls=line, lw=1.2 if line == "-" else 0.9)
            if name == RANDOM:
                axes.fill_between(share, 100 * rows["lower"], 100 * rows["upper"], color=colour, alpha=0.15, lw=0)
    axes.axhline(100 * threshold, color="0.7", lw=0.6, zorder=0)
    share, fraction = paper["scan_share"], paper["scan_fraction"]
    axes.plot(100 * share.value, 100 * fraction.value, "*", color=style.VERMILLION, ms=7, mec="white", mew=0.4)
    axes.set(xlim=(0, 100), ylim=(0, 130), yticks=range(0, 101, 20))
    axes.set(xlabel="share of neurons (%)", ylabel="rate, % of the own optimum")
    handles = [
        mark("1 Gabor" if count == 1 else f"{count} Gabors", colour)
        for colour, count in zip(style.sequence(len(counts)), counts, strict=True)
    ]
    handles.append(mark(f"paper: {paper['scan_gabors'].printed} Gabors", style.VERMILLION, "*", ms=6))
    axes.legend(handles=handles, loc="upper right", fontsize=6, handlelength=1.2)
    last = shares[shares["gabors"] == counts[-1]].set_index("selection")
    percent = 100 * last[["value", "lower", "upper"]].fillna(0)
    said = {name: f"{row['value']:.0f} %" for name, row in percent.iterrows()}
    said[RANDOM] += " [{lower:.0f}, {upper:.0f}]".format(**percent.loc[RANDOM])
    axes.set_title(
        f"{counts[-1]} Gabors take to {100 * threshold:.0f} %: chosen {said[GREEDY]},\n"
        f"one by one {said[SINGLY]}, random {said[RANDOM]}\n"
        f"of {last['n'].iloc[0]:.0f} neurons (paper: {share.printed} to {fraction.printed})",
        fontsize=6,
    )


def _examples(fig, cell, curves: pd.DataFrame) -> Axes:
    """Panel C: a row for each example neuron, a column for each target fraction, the optimum last."""
    shown = curves[curves["example"] == 1]
    neurons, targets = list(dict.fromkeys(shown["neuron"])), sorted(shown["target"].unique())
    grid = cell.subgridspec(len(neurons), len(targets))
    axes = np.empty((len(neurons), len(targets)), object)
    for row, neuron in enumerate(neurons):
        for column, target in enumerate(targets):
            axis = axes[row, column] = fig.add_subplot(grid[row, column])
            part = shown[(shown["neuron"] == neuron) & (shown["target"] == target)]
            wide = part.pivot(index="contrast", columns="size_px", values="rate")
            axis.imshow(wide, origin="lower", aspect="auto", cmap="viridis", vmin=0)
            axis.set(xticks=[], yticks=[])
            fraction = part["fraction_of_own"].iloc[0]
            far = " (far)" if abs(fraction - target) >= TOLERANCE and target != OPTIMAL else ""
            axis.set_title("optimum" if target == OPTIMAL else f"{100 * fraction:.0f} %{far}", fontsize=5.5, pad=1.5)
        axes[row, 0].set_ylabel(f"neuron {neuron}", fontsize=5.5)
    sizes, contrasts = shown["size_px"], shown["contrast"]
    middle = axes[-1, len(targets) // 2]
    middle.set_xlabel(f"size, {sizes.min():.0f} to {sizes.max():.0f} px →", fontsize=6)
    axes[-1, 0].set_xlabel(f"↑ contrast, {contrasts.min():.2g} to {contrasts.max():.2g}", fontsize=6, loc="left")
    return axes[0, 0]


def _similarity(axes: Axes, table: pd.DataFrame, neurons: int, seed: int) -> None:
    """Panel F: correlation of suboptimal Gabors' size curves with the optimum's, and with other neurons' optima's."""
    each = table[table["neuron"].notna()]
    targets = np.sort(each["target"].unique())
    place = dict(zip(targets, range(len(targets)), strict=True))
    styles = {OWN: (style.VERMILLION, "o", -0.13), NULL: (style.GREY, "x", 0.13)}
    rng = generator(seed, "digital_twin_figure5", "places of points")
    for name, (colour, marker, shift) in styles.items():
        points, means = (rows[rows["curve"] == name] for rows in (each, table[table["neuron"].isna()]))
        x = points["target"].map(place) + shift
        spread = rng.uniform(-0.07, 0.07, len(x))
        axes.plot(x + spread, points["value"], ".", color=colour, alpha=0.25, ms=2.5, mew=0)
        if len(means):
            error = np.nan_to_num([means["value"] - means["lower"], means["upper"] - means["value"]])
            bars = {"color": colour, "marker": marker, "ms": 4, "capsize": 1.5, "elinewidth": 0.7, "label": name}
            axes.errorbar(np.arange(len(targets)) + shift, means["value"], yerr=np.maximum(error, 0), **bars)
    counts = each[each["curve"] == OWN].groupby("target").size()
    labels = [f"{100 * target:.0f}\n({counts[target]})" for target in targets]
    axes.set_xticks(range(len(targets)), labels)
    axes.axhline(1, color="0.7", lw=0.6, zorder=0)
    axes.axhline(0, color="0.4", lw=0.6, zorder=0)
    low = np.nanmin([-0.1, each["value"].min()])
    axes.set(ylim=(low - 0.05, 1.05), xlabel="suboptimal Gabor, % of own optimum\n(number of neurons)")
    axes.set_ylabel("correlation of size curves")
    axes.set_title(f"like the curve of the own optimum?\n{neurons} neurons, highest contrast", fontsize=6.5)
    if len(each):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), fontsize=6)


def _gabors(fig, cell, gabors: pd.DataFrame) -> Axes:
    """Panel E: the chosen Gabors at one contrast, with the share of neurons that all up to each one reach."""
    gabors = gabors.sort_values("rank")
    shape = tuple(int(round(2 * gabors[name].iloc[0] + 1)) for name in ("y_px", "x_px"))
    images = render_gabors(shape, gabors.assign(contrast=2.0))
    columns = min(10, len(gabors))
    grid = cell.subgridspec(int(np.ceil(len(gabors) / columns)), columns)
    axes = []
    for index, (row, image) in enumerate(zip(gabors.itertuples(), images, strict=True)):
        axis = fig.add_subplot(grid[index // columns, index % columns])
        axis.imshow(image, cmap="gray", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"{row.rank}: {100 * row.neurons_reached / row.neurons:.0f} %", fontsize=5.5, pad=1.5)
        axes.append(axis)
    return axes[0]


def _legend(fig, table: pd.DataFrame, threshold: float) -> None:
    handles = [mark(*look) for name, look in CURVES.items() if name in set(table["curve"])]
    drawn = {GREEDY: "D: greedy choice", SINGLY: "D: best one by one", RANDOM: "D: random (mean, 95 %)"}
    handles += [mark(printed, "0.3", ls=LINES[name]) for name, printed in drawn.items()]
    one = table.iloc[0]
    note = (
        f"B: correlation with single responses to {one['sizes']:.0f} sizes × {one['repeats']:.0f} repeats of the Gabor "
        "that drives the neuron most by the model's word, over that of the mean of the other repeats (oracle); means "
        "over neurons. B, F: 95 % intervals by bootstrap over neurons; they speak neither of other fits nor of other "
        "data. C: each map from 0 to its own maximum; neurons drawn at random; (far): no Gabor within 10 %. E: share "
        f"of neurons that the Gabors up to this one take to {100 * threshold:.0f} %."
    )
    legend_below(fig, handles, note, ncols=3)

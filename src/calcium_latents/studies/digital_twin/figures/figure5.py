"""Digital twin, Figure 5: size tuning asked of the model against that of a second scan, and the Gabors of that scan.

Panels have the paper's letters: B agreement with recorded responses, C size-contrast curves of suboptimal Gabors, D how
many neurons few Gabors reach, E the chosen Gabors; F puts a number to C. The paper's A is a drawing of the two scans.

Inputs:
    size_tuning: size_tuning.csv, agreement of curves neuron by neuron, of one data set.
    curves: scan_curves.csv, size-contrast curves of suboptimal Gabors.
    coverage: scan_coverage.csv, share of neurons against fraction of the own optimum.
    scan_gabors: scan_gabors.csv, the chosen Gabors.
"""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import bootstrap_interval
from calcium_latents.studies.digital_twin.second_scan import size_tuning_agreement as agreement
from calcium_latents.studies.digital_twin.second_scan.gabor_selection import (
    COVERAGE_COLUMNS,
    GABOR,
    GREEDY,
    RANDOM,
    SINGLY,
    render,
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
PAPER_AGREEMENT, PAPER_SHARE, HALF = 70.0, 0.75, 0.5
REPEATS = 1000  # of bootstraps
LINE = 150  # characters of a note that fit into the page


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    table = read_tables(inputs, "size_tuning", agreement.COLUMNS)
    curves = read_tables(inputs, "curves", CURVE_COLUMNS)
    coverage = read_tables(inputs, "coverage", COVERAGE_COLUMNS)
    gabors = read_tables(inputs, "scan_gabors", ("rank", *GABOR, "neurons_reached", "neurons", "threshold"))
    fig = style.figure(9.0)
    grid = fig.add_gridspec(3, 1, height_ratios=(2.5, 3.3, 1.5))
    known = table["correlation_to_truth"].notna().any()
    above = grid[0].subgridspec(1, 3 if known else 2, width_ratios=(1.15, 0.85, 1.0) if known else (1.3, 1.0))
    panels = [fig.add_subplot(cell) for cell in above]
    _agreement(panels[0], table)
    if known:
        _truth(panels[1], table)
    _coverage(panels[-1], coverage, float(gabors["threshold"].iloc[0]))
    middle = grid[1].subgridspec(1, 2, width_ratios=(2.2, 1))
    examples = _examples(fig, middle[0], curves)
    similarity = fig.add_subplot(middle[1])
    _similarity(similarity, curves, int(table["seed"].iloc[0]))
    chosen = _gabors(fig, grid[2], gabors)
    letters = {"B": panels[0], "D": panels[-1], "C": examples, "F": similarity, "E": chosen}
    for letter, axes in letters.items():
        style.panel_letter(axes, letter, x=-0.35 if letter in "CE" else -0.16, y=1.12 if letter in "CE" else 1.05)
    _legend(fig, table, float(gabors["threshold"].iloc[0]))
    return style.save(fig, output_stem)


def _agreement(axes: Axes, table: pd.DataFrame) -> None:
    """Panel B: fraction of oracle of every curve at every threshold."""
    summary = agreement.summarise_agreement(table, REPEATS)
    for name in ("fraction", "lower", "upper"):
        summary[name] *= 100
    _points(axes, summary)
    axes.axhline(100, color="0.7", lw=0.6, zorder=0)
    axes.axhline(PAPER_AGREEMENT, color="0.4", lw=0.8, ls=":", zorder=0)
    axes.set_ylabel("correlation, % of the oracle's\n(dotted: paper, about 70 %)")
    middle = HALF if np.isclose(summary["threshold"], HALF).any() else summary["threshold"].min()
    lines = [f"model at ≥ {100 * middle:.0f} %, difference in % of oracle:"]
    for name, printed in AGAINST.items():
        if name in set(table["curve"]):
            lines.append(_verdict(agreement.compare_curves(table, agreement.MODEL, name, middle, REPEATS), printed))
    axes.set_title("\n".join(lines), fontsize=6)


def _verdict(compared: tuple[float, float, float, int], against: str) -> str:
    """Say who wins, from a difference, its interval and n."""
    difference, lower, upper, _ = compared
    if not np.isfinite(lower):
        return f"nothing to compare with {against}"
    word = "wins over" if lower > 0 else "loses to" if upper < 0 else "ties with"
    text = f"{word} {against} {100 * difference:+.0f} [{100 * lower:+.0f}, {100 * upper:+.0f}]"
    return text.replace("-", "−")


def _points(axes: Axes, summary: pd.DataFrame) -> None:
    """Draw fraction, lower, upper of each curve at each threshold, side by side."""
    thresholds = np.sort(summary["threshold"].unique())
    names = [name for name in CURVES if name in set(summary["curve"])]
    for index, name in enumerate(names):
        rows = summary[summary["curve"] == name].set_index("threshold").reindex(thresholds)
        place = np.arange(len(thresholds)) + 0.8 * ((index + 0.5) / len(names) - 0.5)
        error = np.nan_to_num([rows["fraction"] - rows["lower"], rows["upper"] - rows["fraction"]])
        _, colour, marker = CURVES[name]
        bars = {"capsize": 1.5, "elinewidth": 0.7, "ls": "none", "color": colour, "marker": marker}
        bars["ms"] = 6 if marker == "_" else 3.6
        axes.errorbar(place, rows["fraction"], yerr=np.maximum(error, 0), **bars)
    counts = summary[summary["curve"] == agreement.MODEL].set_index("threshold")["neurons"].reindex(thresholds)
    labels = [f"≥ {100 * t:.0f} %\nn = {n:.0f}" for t, n in zip(thresholds, counts.fillna(0), strict=True)]
    axes.set_xticks(range(len(thresholds)), labels)
    axes.set_xlim(-0.55, len(thresholds) - 0.45)
    axes.set_xlabel("best Gabor's share of the own optimum")
    axes.axhline(0, color="0.4", lw=0.6, zorder=0)


def _truth(axes: Axes, table: pd.DataFrame) -> None:
    """Beside B: mean correlation over sizes with the noise-free curve."""
    rows = []
    for (threshold, curve), part in table.groupby(["threshold", "curve"], sort=True):
        values = part["correlation_to_truth"].dropna().to_numpy()
        if len(values) and curve != agreement.TRUTH:
            mean, lower, upper = _mean(values, int(part["seed"].iloc[0]))
            bounds = {"fraction": mean, "lower": lower, "upper": upper}
            rows.append({"threshold": threshold, "curve": curve, "neurons": len(values)} | bounds)
    _points(axes, pd.DataFrame(rows))
    axes.axhline(1, color="0.7", lw=0.6, zorder=0)
    axes.set_ylim(top=1.04)
    axes.set_ylabel("correlation with the noise-free curve")
    axes.set_title("simulated neurons:\nagainst the truth", fontsize=6.5)


def _mean(values: np.ndarray, seed: int) -> tuple[float, float, float]:
    return bootstrap_interval(values, repeats=REPEATS, seed=seed)


def _coverage(axes: Axes, coverage: pd.DataFrame, threshold: float) -> None:
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
    axes.plot(100 * PAPER_SHARE, 100 * HALF, "*", color=style.VERMILLION, ms=7, mec="white", mew=0.4)
    axes.set(xlim=(0, 100), ylim=(0, 130), yticks=range(0, 101, 20))
    axes.set(xlabel="share of neurons (%)", ylabel="rate, % of the own optimum")
    colours = [Line2D([], [], color=colour) for colour in style.sequence(len(counts))]
    names = ["1 Gabor" if count == 1 else f"{count} Gabors" for count in counts]
    colours.append(Line2D([], [], color=style.VERMILLION, marker="*", ls="none", ms=6))
    axes.legend(colours, [*names, "paper: 20 Gabors"], loc="upper right", fontsize=6, handlelength=1.2)
    last = counts[-1]
    shares = {name: _share(coverage, name, last, threshold) for name in LINES}
    first = coverage.iloc[0]
    axes.set_title(
        f"{last} Gabors take to {100 * threshold:.0f} %: chosen {shares[GREEDY]},\n"
        f"one by one {shares[SINGLY]}, random {shares[RANDOM]}\n"
        f"of {first['neurons']:.0f} neurons (paper: 75 % to 50 %)",
        fontsize=6,
    )


def _share(coverage: pd.DataFrame, selection: str, count: int, threshold: float) -> str:
    """Say which share of neurons reaches the threshold; of random sets, by the mean curve and its band."""
    rows = coverage[(coverage["selection"] == selection) & (coverage["gabors"] == count)]

    def share(name: str) -> float:
        return 100 * rows.loc[rows[name] >= threshold, "neuron_share"].max()

    values = [np.nan_to_num(share(name)) for name in ("fraction_of_own", "lower", "upper")]
    return f"{values[0]:.0f} % [{values[1]:.0f}, {values[2]:.0f}]" if selection == RANDOM else f"{values[0]:.0f} %"


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


def _similarity(axes: Axes, curves: pd.DataFrame, seed: int) -> None:
    """Panel F: correlation of suboptimal Gabors' size curves with the optimum's, and with other neurons' optima's."""
    similarity = curve_similarity(curves)
    targets = np.sort(similarity["target"].unique())
    place = dict(zip(targets, range(len(targets)), strict=True))
    styles = {
        "correlation": ("own optimum", style.VERMILLION, "o", -0.13),
        "null_correlation": ("other neurons' optima (null)", style.GREY, "x", 0.13),
    }
    rng = generator(seed, "digital_twin_figure5", "places of points")
    for name, (printed, colour, marker, shift) in styles.items():
        x = similarity["target"].map(place) + shift
        spread = rng.uniform(-0.07, 0.07, len(x))
        axes.plot(x + spread, similarity[name], ".", color=colour, alpha=0.25, ms=2.5, mew=0)
        bounds = np.array([_mean(part[name].dropna().to_numpy(), seed) for _, part in similarity.groupby("target")])
        if len(bounds):
            error = np.nan_to_num([bounds[:, 0] - bounds[:, 1], bounds[:, 2] - bounds[:, 0]])
            bars = {"color": colour, "marker": marker, "ms": 4, "capsize": 1.5, "elinewidth": 0.7, "label": printed}
            axes.errorbar(np.arange(len(targets)) + shift, bounds[:, 0], yerr=np.maximum(error, 0), **bars)
    counts = similarity.groupby("target").size()
    labels = [f"{100 * target:.0f}\n({counts[target]})" for target in targets]
    axes.set_xticks(range(len(targets)), labels)
    axes.axhline(1, color="0.7", lw=0.6, zorder=0)
    axes.axhline(0, color="0.4", lw=0.6, zorder=0)
    low = np.nanmin([-0.1, similarity["correlation"].min(), similarity["null_correlation"].min()])
    axes.set(ylim=(low - 0.05, 1.05), xlabel="suboptimal Gabor, % of own optimum\n(number of neurons)")
    axes.set_ylabel("correlation of size curves")
    compared = curves["neuron"].nunique()
    axes.set_title(f"like the curve of the own optimum?\n{compared} neurons, highest contrast", fontsize=6.5)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), fontsize=6)


def _gabors(fig, cell, gabors: pd.DataFrame) -> Axes:
    """Panel E: the chosen Gabors at one contrast, with the share of neurons that all up to each one reach."""
    gabors = gabors.sort_values("rank")
    shape = tuple(int(round(2 * gabors[name].iloc[0] + 1)) for name in ("y_px", "x_px"))
    images = render(shape, gabors.assign(contrast=2.0))
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
    names = [name for name in CURVES if name in set(table["curve"])]
    handles = []
    for name in names:
        printed, colour, marker = CURVES[name]
        handles.append(Line2D([], [], color=colour, marker=marker, ls="none", label=printed))
    drawn = {GREEDY: "D: greedy choice", SINGLY: "D: best one by one", RANDOM: "D: random (mean, 95 %)"}
    handles += [Line2D([], [], color="0.3", ls=LINES[name], label=printed) for name, printed in drawn.items()]
    one = table.iloc[0]
    note = (
        f"B: correlation with single responses to {one['sizes']:.0f} sizes × {one['repeats']:.0f} repeats of the Gabor "
        "that drives the neuron most by the model's word, over that of the mean of the other repeats (oracle); means "
        "over neurons. B, F: 95 % intervals by bootstrap over neurons; they speak neither of other fits nor of other "
        "data. C: each map from 0 to its own maximum; neurons drawn at random; (far): no Gabor within 10 %. E: share "
        f"of neurons that the Gabors up to this one take to {100 * threshold:.0f} %."
    )
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=3, title=fill(note, LINE), title_fontsize=6)
    legend.get_title().set_multialignment("center")

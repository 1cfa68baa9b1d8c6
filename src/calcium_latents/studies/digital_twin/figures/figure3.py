"""Digital twin, Figure 3: tuning properties on the map of bar codes, and whether neurons of a cluster share them.

Inputs:
    properties: properties.csv of one data set.
    cluster_tests: cluster_tests.csv of the same data set.
"""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import binom

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.studies.digital_twin.tuning.cluster_tests import CLUSTERED, COLUMNS, count_significant
from calcium_latents.studies.digital_twin.tuning.neuron_properties import NAMES, PROPERTIES

INPUTS = {"properties": "{probed}/properties.csv", "cluster_tests": "{probed}/cluster_tests.csv"}
EACH = ("probed",)
ACROSS = 4  # properties in a row
COLOURS = "viridis"
SHOWN = (0.02, 0.98)  # quantiles of a property at the ends of its colours
SHORT = {
    "orientation_selectivity": "orientation",
    "phase_selectivity": "phase",
    "suppression": "surround",
    "cross_orientation_inhibition": "cross-orient.",
    "nonlinearity": "non-linearity",
    "gabor_vs_mei": "Gabor/MEI",
    "dog_vs_mei": "DoG/MEI",
    "gabor_vs_dog": "Gabor/DoG",
}
LINE = 145  # characters of a note that fit into the page


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    columns = ("dataset", "label", "neuron", "cluster", "tsne_1", "tsne_2", *PROPERTIES)
    neurons = read_tables(inputs, "properties", columns)
    tests = read_tables(inputs, "cluster_tests", COLUMNS)
    for name, table in (("properties", neurons), ("cluster_tests", tests)):
        found = sorted(set(table["dataset"]))
        if len(found) > 1 or found != sorted(set(neurons["dataset"])):
            raise UserError(f"input {name}: expected one data set, found {found}. Draw one figure for each.")
    names = [name for name in PROPERTIES if name in set(tests["property"])]
    rows = -(-len(names) // ACROSS)
    fig = style.figure(1.9 + 2.75 * rows)
    grid = fig.add_gridspec(rows + 1, 1, height_ratios=[*[2.6] * rows, 1.6])
    own = tests[tests["assignment"] == CLUSTERED]
    for row in range(rows):
        part = grid[row].subgridspec(2, ACROSS, height_ratios=(1.5, 1))
        for column, name in enumerate(names[row * ACROSS : (row + 1) * ACROSS]):
            upper, lower = (fig.add_subplot(part[place, column]) for place in range(2))
            _map(upper, neurons, name)
            _clusters(lower, neurons, own[own["property"] == name], name)
            if row == column == 0:
                style.panel_letter(upper, "A", x=-0.1, y=1.08)
                style.panel_letter(lower, "B", x=-0.25)
            if column == 0:
                lower.set_ylabel("index")
            if row == rows - 1:
                lower.set_xlabel("cluster, by size")
    last = grid[rows].subgridspec(1, 2, width_ratios=(1.1, 1))
    counts, sizes = (fig.add_subplot(cell) for cell in last)
    _counts(counts, tests, len(names))
    _sizes(sizes, tests, names)
    style.panel_letter(counts, "C", x=-0.1)
    style.panel_letter(sizes, "D", x=-0.13)
    _legend(fig, neurons, own)
    return style.save(fig, output_stem)


def _limits(values: pd.Series) -> tuple[float, float]:
    low, high = values.quantile(list(SHOWN))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _map(axis: Axes, neurons: pd.DataFrame, name: str) -> None:
    """Draw neurons on the t-SNE map in the colour of one property; grey where it is unknown."""
    known = neurons[name].notna()
    size = np.clip(900 / max(len(neurons), 1), 0.3, 6)
    look = {"s": size, "linewidths": 0, "rasterized": True}
    axis.scatter(*neurons.loc[~known, ["tsne_1", "tsne_2"]].to_numpy().T, color="0.88", **look)
    low, high = _limits(neurons[name])
    part = neurons[known]
    axis.scatter(part["tsne_1"], part["tsne_2"], c=part[name], cmap=COLOURS, vmin=low, vmax=high, **look)
    count = "" if known.all() else f", n = {known.sum()}"
    axis.set_title(f"{NAMES[name].replace(' (', chr(10) + '(')}{count}", fontsize=6.5)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def _clusters(axis: Axes, neurons: pd.DataFrame, tests: pd.DataFrame, name: str) -> None:
    """Draw median and quartiles of every cluster against those of the population (band)."""
    low, high = _limits(neurons[name])
    lower, median, upper = neurons[name].quantile([0.25, 0.5, 0.75])
    axis.axhspan(lower, upper, color="0.85", lw=0, zorder=0)
    axis.axhline(median, color="0.5", lw=0.8, ls="--", zorder=0)
    significant = set(tests.loc[tests["significant"] == 1, "cluster"])
    within = neurons.groupby("cluster")[name].quantile([0.25, 0.5, 0.75]).unstack().dropna()
    colours = style.matplotlib.colormaps[COLOURS]
    small = len(within) > 25
    for cluster, values in within.iterrows():
        colour = colours((values[0.5] - low) / (high - low))
        axis.plot([cluster + 1] * 2, [values[0.25], values[0.75]], color=colour, lw=0.8 if small else 1.4, zorder=1)
        face = colour if cluster in significant else "white"
        axis.plot(cluster + 1, values[0.5], "o", ms=2.2 if small else 3.2, color=colour, mfc=face, mew=0.6, zorder=2)
    axis.set_title(f"{len(significant)} of {tests['cluster'].nunique()} differ", fontsize=6)
    axis.xaxis.set_major_locator(style.few_ticks(integer=True))
    axis.yaxis.set_major_locator(style.few_ticks())


def _counts(axis: Axes, tests: pd.DataFrame, properties: int) -> None:
    """Panel C: clusters that differ on at least 1, 2, ... properties; range of random clusters, chance."""
    number = tests.groupby(["assignment", "cluster"])["significant"].sum()
    wanted = np.arange(1, properties + 1)
    counts = {
        name: (part.to_numpy()[:, None] >= wanted).sum(axis=0) for name, part in number.groupby(level="assignment")
    }
    own = counts.pop(CLUSTERED)
    clusters = tests["cluster"].nunique()
    if counts:
        null = np.array(list(counts.values()))
        axis.fill_between(wanted, null.min(axis=0), null.max(axis=0), color="0.8", lw=0, zorder=0)
        axis.plot(wanted, null.mean(axis=0), "x-", color=style.GREY, ms=3.5)
    axis.plot(wanted, clusters * binom.sf(wanted - 1, properties, tests["alpha"].iloc[0]), ":", color=style.BLACK)
    axis.plot(wanted, own, "o-", color=style.VERMILLION, ms=4)
    found = count_significant(tests)
    random = found[found["assignment"] != CLUSTERED]
    words = "; no random clusters"
    if len(random):
        ends = (dict.fromkeys((random[name].min(), random[name].max())) for name in ("on_one", "on_all"))
        words = "; random: {} and {}".format(*("–".join(map(str, end)) for end in ends))
    axis.set_title(f"at least one: {own[0]} of {clusters}, all: {own[-1]}{words}", fontsize=6)
    axis.set(xlabel="significant on at least … properties", ylabel="clusters", xticks=wanted)
    axis.set_ylim(-0.04 * clusters, 1.06 * clusters)


def _sizes(axis: Axes, tests: pd.DataFrame, names: list[str]) -> None:
    """Panel D: size of the difference, median over clusters, of every property."""
    median = tests.groupby(["assignment", "property"])["ks"].median().unstack()[names]
    random = median.drop(index=CLUSTERED)
    for place, name in enumerate(names):
        if len(random):
            ends = random[name].min(), random[name].max()
            axis.fill_between([place - 0.35, place + 0.35], *ends, color="0.8", lw=0, zorder=0)
            axis.plot(place, random[name].mean(), "x", color=style.GREY, ms=3.5)
        axis.plot(place, median.loc[CLUSTERED, name], "o", color=style.VERMILLION, ms=4)
    axis.set_xticks(range(len(names)), [SHORT[name] for name in names], rotation=35, ha="right", fontsize=6)
    axis.set(ylabel="KS distance", ylim=(0, 1.05))
    axis.set_title("how far clusters lie from the population\n(median over clusters)", fontsize=6)


def _legend(fig, neurons: pd.DataFrame, own: pd.DataFrame) -> None:
    handles = [
        Line2D([], [], color=style.VERMILLION, marker="o", ms=4, label="k-means clusters of bar codes"),
        Line2D([], [], color=style.GREY, marker="x", ms=3.5, label="random clusters of the same sizes, mean"),
        Patch(color="0.8", label="their range"),
        Line2D([], [], color=style.BLACK, ls=":", label="expected of independent tests"),
    ]
    size = own.groupby("cluster")["neurons"].max()
    alpha = own["alpha"].iloc[0]
    note = (
        f"{neurons['label'].iloc[0]}: n = {len(neurons)} neurons in {neurons['cluster'].nunique()} clusters of "
        f"{size.min()} to {size.max()}. In-silico indices, with the Gabor that is best for the cluster. A, colours as "
        "the height of the markers below. B: median and quartiles of each cluster; filled: differs from the population "
        f"(two-sided Kolmogorov–Smirnov test, p < {alpha:g}, uncorrected); band and dashed line: quartiles and "
        "median of all neurons. One model, one seed; the paper: 50 of 50 clusters on at least one property, 15 on all."
    )
    legend = fig.legend(handles=handles, loc="outside lower center", ncols=4, title=fill(note, LINE), title_fontsize=6)
    legend.get_title().set_multialignment("center")

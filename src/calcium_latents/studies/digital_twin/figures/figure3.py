"""Digital twin, Figure 3: tuning properties on the map of bar codes, and whether neurons of a cluster share them.

Inputs:
    properties: properties.csv of one data set.
    cluster_tests: cluster_tests.csv of the same data set.
    paper: what the paper states.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from calcium_latents.claims.paper import paper_values
from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below, mark, tidy
from calcium_latents.studies.digital_twin.tuning.cluster_tests import CLUSTERED, COLUMNS, count_significant
from calcium_latents.studies.digital_twin.tuning.neuron_properties import NAMES, PROPERTIES

INPUTS = {
    "properties": "{probed}/properties.csv",
    "cluster_tests": "{probed}/cluster_tests.csv",
    "paper": "config/papers/digital_twin.yaml",
}
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
POPULATION, RANDOM = "population", "random"


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the numbers of the figure.

    B: median `value` and quartiles `lower`, `upper` of a property by `cluster`, and of the population; `significant` 1:
    differs from it. C: clusters that differ on at least so many `properties`: `value` by `assignment`, of random
    clusters the mean and the range. D: Kolmogorov-Smirnov distance of clusters, median, likewise.
    """
    neurons = read_tables(inputs, "properties", ("dataset", "cluster", *PROPERTIES))
    tests = read_tables(inputs, "cluster_tests", COLUMNS)
    for name, table in (("properties", neurons), ("cluster_tests", tests)):
        found = sorted(set(table["dataset"]))
        if len(found) > 1 or found != sorted(set(neurons["dataset"])):
            raise UserError(f"input {name}: expected one data set, found {found}. Draw one figure for each.")
    names = [name for name in PROPERTIES if name in set(tests["property"])]
    quartiles = {"lower": 0.25, "value": 0.5, "upper": 0.75}
    long = neurons.melt("cluster", names, "property").dropna()
    groups = pd.concat([long, long.assign(cluster=POPULATION)]).groupby(["property", "cluster"], sort=False)["value"]
    clusters = pd.DataFrame({name: groups.quantile(part) for name, part in quartiles.items()} | {"n": groups.size()})
    own = tests[tests["assignment"] == CLUSTERED].set_index(["property", "cluster"])[["significant", "alpha"]]
    sizes = tests.groupby(["assignment", "property"], as_index=False)["ks"].median()
    counts, sizes = count_significant(tests), sizes.rename(columns={"ks": "value"})
    panels = {"B": clusters.join(own).reset_index(), "C": _with_range(counts, ["at_least", "of", "expected"])}
    return tidy(panels | {"D": _with_range(sizes, ["property"])})


def _with_range(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return `value` of the clusters, and its mean, least and largest over random ones, by `keys`."""
    random = table["assignment"] != CLUSTERED
    ends = table[random].groupby(keys, as_index=False)["value"].agg(["mean", "min", "max"])
    ends = ends.rename(columns={"mean": "value", "min": "lower", "max": "upper"})
    return pd.concat([table[~random], ends.assign(assignment=RANDOM)])


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    columns = ("label", "cluster", "tsne_1", "tsne_2", *PROPERTIES)
    neurons = read_tables(inputs, "properties", columns)
    names = [name for name in PROPERTIES if name in set(table["property"])]
    rows = -(-len(names) // ACROSS)
    fig = style.figure(1.9 + 2.75 * rows)
    grid = fig.add_gridspec(rows + 1, 1, height_ratios=[*[2.6] * rows, 1.6])
    clusters = table[table["panel"] == "B"]
    for row in range(rows):
        part = grid[row].subgridspec(2, ACROSS, height_ratios=(1.5, 1))
        for column, name in enumerate(names[row * ACROSS : (row + 1) * ACROSS]):
            upper, lower = (fig.add_subplot(part[place, column]) for place in range(2))
            _map(upper, neurons, name)
            _clusters(lower, clusters[clusters["property"] == name].set_index("cluster"), _limits(neurons[name]))
            if row == column == 0:
                style.panel_letter(upper, "A", x=-0.1, y=1.08)
                style.panel_letter(lower, "B", x=-0.25)
            if column == 0:
                lower.set_ylabel("index")
            if row == rows - 1:
                lower.set_xlabel("cluster, by size")
    last = grid[rows].subgridspec(1, 2, width_ratios=(1.1, 1))
    counts, sizes = (fig.add_subplot(cell) for cell in last)
    _counts(counts, table[table["panel"] == "C"])
    _sizes(sizes, table[table["panel"] == "D"], names)
    style.panel_letter(counts, "C", x=-0.1)
    style.panel_letter(sizes, "D", x=-0.13)
    _legend(fig, neurons, clusters, paper_values(inputs))
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


def _clusters(axis: Axes, table: pd.DataFrame, limits: tuple[float, float]) -> None:
    """Draw median and quartiles of every cluster against those of the population (band)."""
    low, high = limits
    everyone, within = table.loc[POPULATION], table.drop(index=POPULATION).sort_index(key=lambda name: name.astype(int))
    axis.axhspan(everyone["lower"], everyone["upper"], color="0.85", lw=0, zorder=0)
    axis.axhline(everyone["value"], color="0.5", lw=0.8, ls="--", zorder=0)
    colours = style.matplotlib.colormaps[COLOURS]
    small = len(within) > 25
    for name, row in within.iterrows():
        colour, place = colours((row["value"] - low) / (high - low)), int(name) + 1
        axis.plot([place] * 2, [row["lower"], row["upper"]], color=colour, lw=0.8 if small else 1.4, zorder=1)
        face = colour if row["significant"] == 1 else "white"
        axis.plot(place, row["value"], "o", ms=2.2 if small else 3.2, color=colour, mfc=face, mew=0.6, zorder=2)
    axis.set_title(f"{(within['significant'] == 1).sum()} of {len(within)} differ", fontsize=6)
    axis.xaxis.set_major_locator(style.few_ticks(integer=True))
    axis.yaxis.set_major_locator(style.few_ticks())


def _counts(axis: Axes, table: pd.DataFrame) -> None:
    """Panel C: clusters that differ on at least 1, 2, ... properties; range of random clusters, chance."""
    own, random = (table[table["assignment"] == name] for name in (CLUSTERED, RANDOM))
    wanted, clusters = own["at_least"].astype(int), int(own["of"].iloc[0])
    words = "; no random clusters"
    if len(random):
        axis.fill_between(wanted, random["lower"], random["upper"], color="0.8", lw=0, zorder=0)
        axis.plot(wanted, random["value"], "x-", color=style.GREY, ms=3.5)
        ends = random[["lower", "upper"]].astype(int).iloc[[0, -1]].to_numpy()
        words = "; random: {} and {}".format(*("–".join(map(str, dict.fromkeys(end))) for end in ends))
    axis.plot(wanted, own["expected"], ":", color=style.BLACK)
    axis.plot(wanted, own["value"], "o-", color=style.VERMILLION, ms=4)
    first, last = own["value"].astype(int).iloc[[0, -1]]
    axis.set_title(f"at least one: {first} of {clusters}, all: {last}{words}", fontsize=6)
    axis.set(xlabel="significant on at least … properties", ylabel="clusters", xticks=wanted)
    axis.set_ylim(-0.04 * clusters, 1.06 * clusters)


def _sizes(axis: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Panel D: size of the difference, median over clusters, of every property."""
    for row in table.iloc[::-1].itertuples():  # the clusters lie on top
        place = names.index(row.property)
        if row.assignment == RANDOM:
            axis.fill_between([place - 0.35, place + 0.35], row.lower, row.upper, color="0.8", lw=0, zorder=0)
            axis.plot(place, row.value, "x", color=style.GREY, ms=3.5)
        else:
            axis.plot(place, row.value, "o", color=style.VERMILLION, ms=4)
    axis.set_xticks(range(len(names)), [SHORT[name] for name in names], rotation=35, ha="right", fontsize=6)
    axis.set(ylabel="KS distance", ylim=(0, 1.05))
    axis.set_title("how far clusters lie from the population\n(median over clusters)", fontsize=6)


def _legend(fig, neurons: pd.DataFrame, clusters: pd.DataFrame, paper) -> None:
    handles = [
        mark("k-means clusters of bar codes", style.VERMILLION, "o", ms=4, ls="-"),
        mark("random clusters of the same sizes, mean", style.GREY, "x", ms=3.5, ls="-"),
        Patch(color="0.8", label="their range"),
        mark("expected of independent tests", style.BLACK, ls=":"),
    ]
    size = clusters[clusters["cluster"] != POPULATION].groupby("cluster")["n"].max().astype(int)
    one, every = paper["clusters_differ_on_one"], paper["clusters_differ_on_all"]
    note = (
        f"{neurons['label'].iloc[0]}: n = {len(neurons)} neurons in {neurons['cluster'].nunique()} clusters of "
        f"{size.min()} to {size.max()}. In-silico indices, with the Gabor that is best for the cluster. A, colours as "
        "the height of the markers below. B: median and quartiles of each cluster; filled: differs from the population "
        f"(two-sided Kolmogorov–Smirnov test, p < {clusters['alpha'].iloc[0]:g}, uncorrected); band and dashed line: "
        f"quartiles and median of all neurons. One model, one seed; the paper: {one.printed} clusters on at least one "
        f"property, {every.value} on all."
    )
    legend_below(fig, handles, note, ncols=4, width=145)

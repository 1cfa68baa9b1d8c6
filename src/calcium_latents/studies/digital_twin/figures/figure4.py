"""Digital twin, Figure 4: are tuning properties independent of each other, and are all their combinations there?

Inputs:
    properties: properties.csv of one or two data sets.
    independence: independence.csv of the same data sets.
    combinations: combinations.csv of the same data sets.
    indices (optional): indices.csv of the same data sets in the same order, for distributions of the true neurons.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Patch

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.figures.panels import legend_below, mark
from calcium_latents.studies.digital_twin.tuning.neuron_properties import (
    ALL,
    CLUSTER,
    DESIGN,
    GABOR,
    GABOR_LIKE,
    MODEL,
    NAMES,
    PROPERTIES,
    TRUTH,
    check_columns,
    gabor_like,
)
from calcium_latents.studies.digital_twin.tuning.property_independence import (
    BITS,
    CODE,
    COMBINATION_COLUMNS,
    CORRELATED,
    CORRELATION_COLUMNS,
    NEURONS,
    Settings,
)

INPUTS = {
    "properties": "{probed}/properties.csv",
    "independence": "{probed}/independence.csv",
    "combinations": "{probed}/combinations.csv",
}
OPTIONAL_INPUTS = {"indices": "{probed}/indices.csv"}
MOST = 2  # data sets that fit side by side
LOOKS = {
    DESIGN: ("built in (simulation)", style.GREEN, "D"),
    TRUTH: ("true neurons, same stimuli", style.BLACK, "s"),
    MODEL: ("in silico", style.VERMILLION, "o"),
}
SHOWN = CORRELATED[:5]
SHORT = dict(zip(SHOWN, ("orient.", "phase inv.", "surround", "cross-or.", "non-lin."), strict=True))
REMAINING = ("orientation_selectivity", "nonlinearity", "dog_vs_mei")
SUBSETS = {GABOR: "Gabor cells (built so)", GABOR_LIKE: "Gabor/MEI above mean", ALL: "all neurons"}
BINS = 24
ABOVE, BELOW = "above average", "below average"  # of Gabor / MEI


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the numbers of the figure that stand in no other table.

    B: distribution of a `property` in silico and of true neurons (`group`): `value`, percent of `n` neurons from the
    `lower` edge of a bin to the `upper`, and their mean. C: combinations found among units (`group`) of the model.
    D: as B, of neurons whose response to Gabors over that to MEIs is above or below average, and medians.
    """
    neurons, _, counts, true = _read(inputs)
    parts = []
    for dataset, own in neurons.groupby("dataset", sort=False):
        own = own.set_index("neuron", drop=False).assign(phase_invariance=1 - own["phase_selectivity"].to_numpy())
        for name in CODE:
            groups = {MODEL: own[name]} | ({TRUTH: true[dataset][name]} if dataset in true else {})
            parts.append(_distributions(groups, "mean").assign(panel="B", dataset=dataset, property=name))
        good = gabor_like(own)
        kept = None if good is None else good["neurons"].reindex(own.index).to_numpy(bool)
        for name in REMAINING if good is not None else ():
            groups = {ABOVE: own.loc[kept, name], BELOW: own.loc[~kept, name]}
            parts.append(_distributions(groups, "median").assign(panel="D", dataset=dataset, property=name))
        part = counts[(counts["dataset"] == dataset) & (counts["source"] == MODEL)]
        part = part[part["subset"] == _best_subset(counts[counts["dataset"] == dataset])]
        seen = (
            (part["count"] > 0).groupby(part["unit"], sort=False).sum().rename_axis("group").reset_index(name="value")
        )
        parts.append(seen.assign(panel="C", dataset=dataset, statistic="combinations"))
    return pd.concat(parts)[["panel", "dataset", "property", "group", "statistic", "value", "lower", "upper", "n"]]


def _distributions(groups: dict[str, pd.Series], middle: str) -> pd.DataFrame:
    """Return percents of each group by bins that they share, and a `middle` of each (mean or median); none if empty."""
    every = pd.concat(groups.values()).dropna()
    low, high = every.quantile([0.005, 0.995]) if len(every) else (0, 1)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    parts = []
    for group, values in groups.items():
        values = values.dropna()
        share = 100 * np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(len(values), 1)
        bins = pd.DataFrame({"statistic": "percent", "value": share, "lower": edges[:-1], "upper": edges[1:]})
        ends = pd.DataFrame({"statistic": [middle], "value": values.agg(middle)})
        parts += [part.assign(group=group, n=len(values)) for part in (bins, ends) if len(values)]
    return pd.concat(parts) if parts else pd.DataFrame(columns=["statistic", "value", "lower", "upper", "group", "n"])


def _read(inputs: Inputs) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return properties, correlations of neurons, combinations, and indices of the true neurons, of the same data sets.

    Raises:
        UserError: they are not of the same data sets, or of too many.
    """
    neurons = read_tables(inputs, "properties", ("dataset", "label", "neuron", *PROPERTIES))
    pairs = read_tables(inputs, "independence", CORRELATION_COLUMNS)
    counts = read_tables(inputs, "combinations", COMBINATION_COLUMNS)
    datasets = list(dict.fromkeys(neurons["dataset"]))
    for name, table in (("independence", pairs), ("combinations", counts)):
        if set(table["dataset"]) != set(datasets) or len(datasets) > MOST:
            found = f"{datasets} in properties, {sorted(set(table['dataset']))} in {name}"
            raise UserError(f"input {name}: expected the same data sets, {MOST} at most, in all tables, found {found}.")
    return neurons, pairs[pairs["unit"] == NEURONS], counts, _true_indices(inputs, datasets)


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    neurons, pairs, counts, _ = _read(inputs)
    labels = dict(zip(neurons["dataset"], neurons["label"], strict=True))
    datasets = list(labels)
    fig = style.figure(9.7)
    grid = fig.add_gridspec(4, 1, height_ratios=(2.9, 1.0, 2.2, 0.95))
    _matrices(fig, grid[0], pairs, datasets, labels)
    middle = grid[1].subgridspec(1, len(CODE) * len(datasets))
    codes = grid[2].subgridspec(1, 2 * len(datasets), width_ratios=[2.2, 1] * len(datasets))
    last = grid[3].subgridspec(1, len(REMAINING) * len(datasets))
    for place, dataset in enumerate(datasets):
        own = table[table["dataset"] == dataset]
        axes = [fig.add_subplot(middle[len(CODE) * place + column]) for column in range(len(CODE))]
        for axis, name in zip(axes, CODE, strict=True):
            _thresholds(axis, own[(own["panel"] == "B") & (own["property"] == name)], name)
        axes[1].set_title(f"{labels[dataset]}\n{axes[1].get_title()}", fontsize=6)
        combined, bits = (fig.add_subplot(codes[2 * place + column]) for column in range(2))
        part = counts[counts["dataset"] == dataset]
        _combinations(combined, part, own[own["panel"] == "C"], labels[dataset])
        _information(bits, part)
        rest = [fig.add_subplot(last[len(REMAINING) * place + column]) for column in range(len(REMAINING))]
        for axis, name in zip(rest, REMAINING, strict=True):
            _remaining(axis, own[(own["panel"] == "D") & (own["property"] == name)], name)
        if place == 0:
            for axis, letter, x in zip((axes[0], combined, rest[0]), "BCD", (-0.25, -0.15, -0.25), strict=True):
                style.panel_letter(axis, letter, x=x, y=1.08)
                axis.set_ylabel("share (%)" if letter == "C" else "neurons (%)")
    _legend(fig, neurons, pairs)
    return style.save(fig, output_stem)


def _true_indices(inputs: Inputs, datasets: list[str]) -> dict[str, pd.DataFrame]:
    """Return data set -> indices of the true neurons, with their phase invariance; none for recorded neurons."""
    found = {}
    paths = inputs.get("indices", ())
    if len(paths) not in (0, len(datasets)):
        raise UserError(f"input indices: expected one table for each of {datasets}, found {len(paths)}.")
    for dataset, path in zip(datasets, paths, strict=False):
        table = pd.read_csv(path)
        check_columns(table, ("source", "stimulus", "phase_selectivity"), str(path))
        table = table[(table["source"] == TRUTH) & (table["stimulus"] == CLUSTER)]
        if len(table):
            found[dataset] = table.assign(phase_invariance=1 - table["phase_selectivity"])
    return found


def _sources(table: pd.DataFrame) -> list[str]:
    return [name for name in LOOKS if name in set(table["source"])]


def _best_subset(table: pd.DataFrame) -> str:
    """Return the subset of neurons for which Gabors are decent stimuli, known or by Gabor/MEI."""
    return next(name for name in SUBSETS if name in set(table["subset"]))


def _matrices(fig, cell, pairs: pd.DataFrame, datasets: list[str], labels) -> None:
    """Panel A: correlations of properties, all neurons below the diagonal and Gabor cells above; and intervals."""
    places = [(d, s) for d in datasets for s in _sources(pairs[pairs["dataset"] == d]) if s != DESIGN]
    parts = cell.subgridspec(2, 1, height_ratios=(1.1, 1.25), hspace=0.02)
    upper = parts[0].subgridspec(1, max(len(places), 3))
    lower = parts[1].subgridspec(1, len(datasets))
    axes = []
    for column, (dataset, source) in enumerate(places):
        axis = fig.add_subplot(upper[column])
        _matrix(axis, pairs[(pairs["dataset"] == dataset) & (pairs["source"] == source)])
        axis.set_title(f"{labels[dataset]},\n{LOOKS[source][0]}", fontsize=6)
        if column:
            axis.tick_params(labelleft=False)
        axes.append(axis)
    style.panel_letter(axes[0], "A", x=-0.35, y=1.05)
    bar = fig.colorbar(ScalarMappable(Normalize(-1, 1), "PuOr"), ax=axes, location="right", shrink=0.8, aspect=16)
    bar.set_label("r", fontsize=6)
    bar.set_ticks([-1, 0, 1])
    first = None
    for column, dataset in enumerate(datasets):
        axis = fig.add_subplot(lower[column], sharey=first, sharex=first)
        _intervals(axis, pairs[pairs["dataset"] == dataset], named=first is None)
        first = first or axis


def _matrix(axis: Axes, pairs: pd.DataFrame) -> None:
    size = len(SHOWN)
    values = np.full((size, size), np.nan)
    for subset, above in ((ALL, False), (_best_subset(pairs), True)):
        for row in pairs[pairs["subset"] == subset].itertuples():
            if row.property_a in SHOWN and row.property_b in SHOWN:
                i, j = sorted((SHOWN.index(row.property_a), SHOWN.index(row.property_b)), reverse=not above)
                values[i, j] = row.r
                sure = row.lower > 0 or row.upper < 0
                colour = "white" if abs(row.r) > 0.6 else "black" if sure else "0.45"
                text = f"{row.r:.2f}".replace("0.", ".").replace("-", "−")
                weight = "bold" if sure else "normal"
                axis.text(j, i, text, ha="center", va="center", fontsize=5, color=colour, weight=weight)
    axis.imshow(values, cmap="PuOr", vmin=-1, vmax=1)
    names = [SHORT[name] for name in SHOWN]
    axis.set_xticks(range(size), names, rotation=40, ha="right", fontsize=5.5)
    axis.set_yticks(range(size), names, fontsize=5.5)
    axis.tick_params(length=0, pad=1)
    axis.spines[:].set_visible(False)


def _intervals(axis: Axes, pairs: pd.DataFrame, named: bool) -> None:
    """Draw correlations of Gabor cells with their intervals, one line a pair; grey: 95 % of permutations."""
    pairs = pairs[pairs["subset"] == _best_subset(pairs)]
    keys = [(a, b) for i, a in enumerate(SHOWN) for b in SHOWN[i + 1 :]]
    sources = _sources(pairs)
    for place, (a, b) in enumerate(keys):
        for index, source in enumerate(sources):
            row = pairs[(pairs["source"] == source) & (pairs["property_a"] == a) & (pairs["property_b"] == b)]
            if row.empty or not np.isfinite(row["r"].iloc[0]):
                continue
            row = row.iloc[0]
            at = place + 0.26 * (index - (len(sources) - 1) / 2)
            axis.plot([-row["null_upper"], row["null_upper"]], [at, at], color="0.8", lw=3, zorder=0)
            _, colour, marker = LOOKS[source]
            axis.plot([row["lower"], row["upper"]], [at, at], color=colour, lw=0.8)
            axis.plot(row["r"], at, marker, color=colour, ms=2.4)
    axis.axvline(0, color="0.5", lw=0.6, zorder=0)
    axis.set(ylim=(len(keys) - 0.4, -0.6), xlim=(-1.04, 1.04))
    axis.set_xlabel(f"correlation r; {SUBSETS[_best_subset(pairs)]}")
    if named:
        axis.set_yticks(range(len(keys)), [f"{SHORT[a]} – {SHORT[b]}" for a, b in keys], fontsize=5.5)
    else:
        axis.tick_params(labelleft=False)


def _histogram(axis: Axes, table: pd.DataFrame, line: str, **look) -> None:
    """Draw the distribution of one group, and a dashed `line` at its mean or median."""
    bins = table[table["statistic"] == "percent"]
    axis.stairs(bins["value"], [*bins["lower"], bins["upper"].iloc[-1]], **look)
    axis.axvline(table.loc[table["statistic"] != "percent", "value"].iloc[0], color=line, lw=0.9, ls="--")
    axis.xaxis.set_major_locator(style.few_ticks())
    axis.yaxis.set_major_locator(style.few_ticks())


def _thresholds(axis: Axes, table: pd.DataFrame, name: str) -> None:
    """Panel B: distribution of a property, in silico and of true neurons, with thresholds at their means."""
    for source, rows in table.groupby("group"):
        colour = LOOKS[source][1]
        _histogram(axis, rows, colour, color=colour, fill=source == MODEL, alpha=0.6 if source == MODEL else 1)
    title = NAMES[name].partition(" (")[0].replace("cross-orientation inhibition", "cross-orient. inhib.")
    axis.set_title(title, fontsize=6)


def _combinations(axis: Axes, counts: pd.DataFrame, seen: pd.DataFrame, label: str) -> None:
    """Panel C: share of neurons with each combination; bars: independence, dashes: expected."""
    every = counts[counts["subset"] == _best_subset(counts)]
    part = every[every["unit"] == NEURONS]
    order = sorted(np.ndindex(2, 2, 2), key=lambda bits: (sum(bits), tuple(-bit for bit in bits)))
    sources = _sources(part)
    for index, source in enumerate(sources):
        own = part[part["source"] == source].set_index(list(BITS)).loc[order]
        units = own["count"].sum()
        _, colour, marker = LOOKS[source]
        for place, row in enumerate(own.itertuples()):
            at = place + 0.26 * (index - (len(sources) - 1) / 2)
            low, high, middle, share = (100 * x / units for x in (row.lower, row.upper, row.expected, row.count))
            axis.plot([at, at], [low, high], color="0.78", lw=4, solid_capstyle="butt", zorder=0)
            axis.plot([at - 0.1, at + 0.1], [middle, middle], color=style.BLACK, lw=0.7, zorder=1)
            axis.plot(at, share, marker, color=colour, ms=3, zorder=2)
    axis.set_xticks(range(8), ["\n".join("●" if bit else "○" for bit in bits) for bits in order], fontsize=6)
    axis.set_xlabel("● high  ○ low: phase invariance,\nsurround suppression, cross-orient. inhib.", fontsize=6)
    found = "in silico, of 8: " + ", ".join(f"{row.value:.0f} by {row.group}" for row in seen.itertuples())
    units = int(part.groupby("source")["count"].sum().max()) if len(part) else 0
    axis.set_title(f"{label}\n{SUBSETS[_best_subset(counts)]}, n = {units}\n{found}", fontsize=6)
    axis.set_ylim(bottom=0)


def _information(axis: Axes, counts: pd.DataFrame) -> None:
    """Panel C, right: multi-information with intervals and decisions, of every subset and source."""
    rows = counts[counts["unit"] == NEURONS].drop_duplicates(["subset", "source"])
    places = []
    for group, subset in enumerate(name for name in SUBSETS if name in set(rows["subset"])):
        at = len(places) + 1.2 * group - 0.8
        axis.text(0, at, SUBSETS[subset], transform=axis.get_yaxis_transform(), fontsize=5, va="center")
        for source in _sources(rows):
            row = rows[(rows["subset"] == subset) & (rows["source"] == source)]
            if row.empty:
                continue
            row, at = row.iloc[0], len(places) + 1.2 * group
            places.append(at)
            _, colour, marker = LOOKS[source]
            excess = row["null_upper_bits"] - row["null_bits"]
            axis.plot([0, excess], [at, at], color="0.78", lw=4, solid_capstyle="butt", zorder=0)
            axis.plot([row["lower_bits"], row["upper_bits"]], [at, at], color=colour, lw=0.9)
            axis.plot(row["corrected_bits"], at, marker, color=colour, ms=3)
            axis.text(1.04, at, row["decision"], transform=axis.get_yaxis_transform(), fontsize=5, va="center")
    axis.axvline(Settings().margin_bits, color="0.4", lw=0.7, ls=":")
    axis.set(yticks=[], ylim=(max(places, default=0) + 0.6, -1.3), xlabel="multi-information (bits)")
    axis.set_xlim(left=0)
    axis.xaxis.set_major_locator(style.few_ticks())


def _remaining(axis: Axes, table: pd.DataFrame, name: str) -> None:
    """Panel D: distribution of a property over neurons whose response to Gabors is below average, and over others."""
    axis.set_title(NAMES[name].partition(" (")[0], fontsize=6)
    if table.empty:
        axis.set(xticks=[], yticks=[], xlabel="no MEIs")
    looks = {ABOVE: ("0.5", {"color": "0.75", "fill": True}), BELOW: (style.BLUE, {"color": style.BLUE})}
    for group, rows in table.groupby("group"):
        line, look = looks[group]
        _histogram(axis, rows, line, **look)


def _legend(fig, neurons: pd.DataFrame, pairs: pd.DataFrame) -> None:
    handles = [mark(*look, ms=3, ls="-") for source, look in LOOKS.items() if source in set(pairs["source"])]
    handles.append(Patch(color="0.78", label="A, C: 95 % of permutations (independence)"))
    handles.append(Patch(color="0.75", label="D: above-average Gabor / MEI"))
    handles.append(Patch(edgecolor=style.BLUE, facecolor="none", label="D: below-average Gabor / MEI"))
    sizes = neurons.groupby("dataset", sort=False)["neuron"].nunique()
    number = " and ".join(f"{size}" for size in dict.fromkeys(sizes))
    margin = Settings().margin_bits
    note = (
        f"n = {number} neurons of one simulation or recording, one model and seed each; lines: 95 % intervals, over "
        "neurons. A, matrices: all neurons below the diagonal, Gabor cells above it; bold: the interval leaves out 0. "
        "B: dashed, means over all neurons, the thresholds between high and low. C, black dashes: expected if "
        "independent; right: less the mean of permutations; independent: no evidence against, and the interval ends "
        f"below {margin:g} bits (dotted); weakly dependent: evidence, but less than that. D, dashed: medians."
    )
    legend_below(fig, handles, note, ncols=3, width=145)

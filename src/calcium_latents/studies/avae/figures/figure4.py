"""AVAE, Figure 4: t-SNE maps of latents, a row for each method, coloured by what is known of the neurons.

Inputs:
    tsne: tsne.csv of one data set (of several, the first is shown); of several seeds of a method the lowest is shown.
"""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from sklearn.neighbors import NearestNeighbors

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.recordings.fields import TEST
from calcium_latents.seeds import generator

INPUTS = {"tsne": "{mapped}/tsne.csv"}
EACH = ("mapped",)
COLUMNS = ("dataset", "label", "method", "seed", "part", "x", "y", "group", "inhibitory", "culture", "v0", "du")
TITLES = {
    "group": "group",
    "inhibitory": "excitatory, inhibitory",
    "v0": "reset potential v₀",
    "du": "recovery step Δu",
    "culture": "culture",
}
UNITS = {"v0": "v₀ (mV)", "du": "Δu (mV/ms)"}
COLOURS, MARKERS = zip(*style.GROUPS, strict=True)
CULTURES = (style.BLUE, style.ORANGE, style.BLACK, style.PURPLE, style.GREEN, style.SKY, style.VERMILLION, style.YELLOW)
SIGNS = {0: ("excitatory", "0.65", "o"), 1: ("inhibitory", style.BLACK, "^")}
NEIGHBOURS = 10
MOST_POINTS = 2000  # of a map that is drawn as a vector
NOTE = (
    "t-SNE keeps neighbours; distances between clusters, their sizes and their number mean nothing. Above each map: "
    f"of the {NEIGHBOURS} nearest neurons on it, how many have the same label (chance: of neurons drawn at random). "
    "*: of the nearest neurons of other cultures, since a culture has one group, so that neurons which cluster by "
    "culture seem to cluster by group."
)


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return which part of the neurons' neighbours on each map have the same label, and which would by chance."""
    table = _read(inputs)
    rows = [
        {"panel": "ABCDE"[column], "label": name, "method": method, **_neighbours(part, name), "n": len(part)}
        for column, name in enumerate(_shown(table))
        for method, part in table.groupby("method")
        if name not in (*UNITS, "none")
    ]
    columns = ["panel", "quantity", "label", "method", "of_other_cultures", "value", "chance", "n"]
    return pd.DataFrame(rows, columns=columns).assign(quantity="part of the neighbours with the same label")


def _read(inputs: Inputs) -> pd.DataFrame:
    """Return the maps of the first data set, one of each method."""
    table = read_tables(inputs, "tsne", COLUMNS)
    table = table[table["dataset"] == table["dataset"].iloc[0]]
    table = table[table["seed"] == table.groupby("method")["seed"].transform("min")]
    table = table[np.isfinite(table[["x", "y"]]).all(axis=1)]
    if table.empty:
        raise UserError("input tsne: expected finite places x, y, found none. Score the data set again.")
    return table


def _shown(table: pd.DataFrame) -> list[str]:
    return [name for name in TITLES if table[name].nunique() > 1] or ["none"]


@style.styled
def draw(inputs: Inputs, neighbours: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    table = _read(inputs)
    methods = style.in_order(table["method"])
    shown = _shown(table)
    looks = _looks(table)
    fig = style.figure(1.5 * len(methods) + 1.15, width_in=style.WIDTH_IN if len(shown) > 2 else 4.2)
    grid = fig.add_gridspec(len(methods) + 1, len(shown), height_ratios=[1.0] * len(methods) + [0.22])
    for column, name in enumerate(shown):
        for row, method in enumerate(methods):
            axis = fig.add_subplot(grid[row, column])
            part = table[table["method"] == method]
            colours = _map(axis, part, name, looks, _span(table, name))
            title = [TITLES.get(name, "all neurons")] if row == 0 else []
            found = neighbours[(neighbours["label"] == name) & (neighbours["method"] == method)]
            axis.set_title("\n".join([*title, _words(found)]), fontsize=6)
            if column == 0:
                colour = style.appearance(method, methods)["color"]
                axis.set_ylabel(style.label(method), color=colour)
            if row == 0:
                style.panel_letter(axis, "ABCDE"[column], x=-0.01, y=1.08)
        _key(fig, fig.add_subplot(grid[-1, column]), name, looks, colours)
    first = table[table["method"] == methods[0]]
    tests = int((first["part"] == TEST).sum())
    counts = f"{first['label'].iloc[0]}: all {len(first)} neurons, {tests} of them test neurons, reported fits"
    fig.supxlabel(fill(f"{counts}. {NOTE}", 155 if len(shown) > 2 else 90), fontsize=6, color="0.3")
    return style.save(fig, output_stem)


def same_neighbours(
    places: np.ndarray, labels: np.ndarray, apart: np.ndarray | None = None, count: int = NEIGHBOURS
) -> tuple[float, float]:
    """Return which part of each point's nearest points has its label, and which part of random ones would.

    Args:
        places: [point, axis].
        labels: [point].
        apart: [point]; points with the same value are no neighbours of each other. None: all may be.
        count: of neighbours, fewer where there are fewer.

    Returns:
        Means over the points that have a neighbour; NaN if none has.
    """
    labels = np.unique(labels, return_inverse=True)[1]
    own = apart is None  # then a point is apart from itself only, which scikit-learn leaves out without being told
    apart = np.zeros(len(places)) if own else apart
    found, chance = [], []
    for value in np.unique(apart):
        inside = np.flatnonzero(apart == value)
        others = inside if own else np.flatnonzero(apart != value)
        if len(others) <= own:
            continue
        tree = NearestNeighbors(n_neighbors=min(count, len(others) - own)).fit(places[others])
        nearest = others[tree.kneighbors(None if own else places[inside], return_distance=False)]
        found.append((labels[nearest] == labels[inside][:, None]).mean(axis=1))
        counts = np.bincount(labels[others], minlength=labels.max() + 1)
        chance.append((counts[labels[inside]] - own) / (len(others) - own))
    if not found:
        return np.nan, np.nan
    return float(np.concatenate(found).mean()), float(np.concatenate(chance).mean())


def _neighbours(part: pd.DataFrame, name: str) -> dict[str, float]:
    """Return how many of a neuron's neighbours have its label; where a culture has one group: of other cultures."""
    nested = name == "group" and (part.groupby("culture")["group"].nunique() == 1).all()
    nested = nested and part["culture"].nunique() > part["group"].nunique()
    apart = part["culture"].to_numpy() if nested else None
    found, chance = same_neighbours(part[["x", "y"]].to_numpy(), part[name].to_numpy(), apart)
    return {"of_other_cultures": int(nested), "value": found, "chance": chance}


def _words(rows: pd.DataFrame) -> str:
    """Say how many of a neuron's neighbours have its label; nothing for columns without labels."""
    for row in rows.itertuples():
        return f"same{'*' * row.of_other_cultures}: {100 * row.value:.0f} % (chance {100 * row.chance:.0f} %)"
    return ""


def _looks(table: pd.DataFrame) -> dict[str, dict]:
    """Return label -> (name, colour, marker) of groups, signs and cultures; a culture has its group's marker."""
    groups = [group for group in dict.fromkeys(table["group"]) if pd.notna(group)]
    known = table[["culture", "group"]].drop_duplicates("culture").sort_values("culture")
    known["number"] = known.groupby("group", dropna=False).cumcount()
    cultures = {}
    for row in known.itertuples():
        marker = MARKERS[groups.index(row.group) % len(MARKERS)] if row.group in groups else MARKERS[0]
        cultures[row.culture] = (f"{row.number + 1}", CULTURES[row.number % len(CULTURES)], marker)
    return {
        "group": {
            group: (str(group), COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, group in enumerate(groups)
        },
        "inhibitory": SIGNS,
        "culture": cultures,
    }


def _span(table: pd.DataFrame, name: str) -> Normalize | None:
    """Return the range of colours of a parameter: all but its extreme 2 % on either side."""
    return Normalize(*np.nanpercentile(table[name], [2, 98])) if name in UNITS else None


def _map(axis: Axes, part: pd.DataFrame, name: str, looks: dict[str, dict], span: Normalize | None):
    """Draw one map; return what a colour bar needs, or None."""
    # neurons in random order, so that none of the labels lies on top
    part = part.iloc[generator(0, "avae_figure4").permutation(len(part))]
    size = float(np.clip(1500 / len(part), 1.5, 7.0))
    options = {"s": size, "linewidths": 0, "rasterized": len(part) > MOST_POINTS}
    points = None
    if name in UNITS:
        points = axis.scatter(part["x"], part["y"], c=part[name], cmap="cividis", norm=span, **options)
    elif name in looks:
        for label, rows in part.groupby(name, sort=False):
            _, colour, marker = looks[name][label]
            axis.scatter(rows["x"], rows["y"], color=colour, marker=marker, **options)
    else:
        axis.scatter(part["x"], part["y"], color=style.GREY, **options)
    low, high = part[["x", "y"]].min().to_numpy(), part[["x", "y"]].max().to_numpy()
    reach = 0.54 * float(max((high - low).max(), 1e-9))
    middle = (low + high) / 2
    axis.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach))
    axis.set(xticks=[], yticks=[], box_aspect=1)
    axis.spines[:].set(visible=True, color="0.8")
    return points


def _key(fig, axis: Axes, name: str, looks: dict[str, dict], points) -> None:
    """Draw the key below a column: a colour bar with its units, or the labels."""
    axis.axis("off")
    if points is not None:
        place = axis.inset_axes((0.05, 0.75, 0.9, 0.25))
        bar = fig.colorbar(points, cax=place, orientation="horizontal", extend="both")
        bar.set_label(UNITS[name])
        ticks = MaxNLocator(nbins=3).tick_values(points.norm.vmin, points.norm.vmax)
        bar.set_ticks([tick for tick in ticks if points.norm.vmin <= tick <= points.norm.vmax])
        return
    entries, title = list(looks.get(name, {}).values()), None
    if name == "culture":
        markers = dict.fromkeys(marker for _, _, marker in entries)
        title = "marker: group; colour: culture" if len(markers) > 1 else "colour: culture"
        entries = list({text: (text, colour, MARKERS[0]) for text, colour, _ in entries}.values())[: len(CULTURES)]
    handles = [Line2D([], [], ls="", marker=marker, color=colour, ms=3, label=text) for text, colour, marker in entries]
    options = {"ncols": 4 if name == "culture" else 3 if len(handles) > 2 else 1, "columnspacing": 0.8}
    options |= {"title": title, "title_fontsize": 6, "handletextpad": 0.1, "borderaxespad": 0}
    if handles:
        axis.legend(handles=handles, loc="upper center", **options)

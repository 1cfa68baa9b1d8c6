"""The simulated cultures: spikes of excitatory and inhibitory neurons, who drives whom, rates and network bursts.

Inputs:
    sets: sets/{set}.nc of `simulation.culture.culture_recording`, one or more.
    statistics: sets/{set}.csv, one for each of them, of the same name.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator, NullFormatter

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs, read_tables
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.seeds import generator
from calcium_latents.simulation.culture.culture_parameters import CultureSet

INPUTS = {"sets": "sets/{sets}.nc", "statistics": "sets/{sets}.csv"}
OF_NEURONS = ["position", "axon_tip", "culture", "group", "inhibitory", "excitatory_inputs", "inhibitory_inputs"]
COLUMNS = (
    *("culture", "group", "orientation", "neurons", "links", "excitatory_rate_hz", "inhibitory_rate_hz"),
    *("bursts_per_minute", "burst_participation", "burst_duration_s"),
)
#: inhibitory -> name, colour, marker.
SIGNS = {0: ("excitatory", style.BLUE, "o"), 1: ("inhibitory", style.VERMILLION, "^")}
DRIVEN = {
    "published": "driven by the neurons that\nits own axon reaches",
    "presynaptic": "driven by the neurons\nwhose axons reach it",
}
#: colour and marker of the first, second ... set
SETS = ((style.GREEN, "o"), (style.ORANGE, "s"), (style.SKY, "D"), (style.PURPLE, "v"), (style.YELLOW, "P"))
BURSTS = {
    "bursts_per_minute": "network bursts per minute",
    "burst_participation": "neurons in a burst (part)",
    "burst_duration_s": "duration of a burst (s)",
}
MOST_GROUPS = 3
MOST_ROWS = 200  # neurons of a raster
MOST_POINTS = 1000  # of a panel that is drawn as a vector


@dataclass(frozen=True)
class Shown:
    """A set of cultures.

    Attributes
    ----------
    name, orientation
        Of the set.
    path
        Its recording.
    neurons
        What is known of the recorded neurons [neuron].
    statistics
        A row a culture.
    """

    name: str
    orientation: str
    path: Path
    neurons: xr.Dataset
    statistics: pd.DataFrame

    @property
    def groups(self) -> list[str]:
        """Labels of the groups, in the order of the cultures."""
        return list(dict.fromkeys(self.statistics["group"]))


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    sets = _read(inputs)
    groups = list(dict.fromkeys(group for shown in sets for group in shown.groups[:MOST_GROUPS]))
    columns = max(len(shown.groups[:MOST_GROUPS]) for shown in sets)
    fig = style.figure(1.75 * len(sets) + 2.6)
    grid = fig.add_gridspec(len(sets) + 1, 1, height_ratios=[1.75] * len(sets) + [2.0])
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    links = rates = None
    for index, shown in enumerate(sets):
        *cells, left, right = grid[index].subgridspec(1, columns + 2, width_ratios=[1.25] * columns + [1, 1])
        rasters = [fig.add_subplot(cell) for cell, _ in zip(cells, shown.groups, strict=False)]
        for axis, group in zip(rasters, shown.groups, strict=False):
            _raster(axis, shown, group, bottom=index == len(sets) - 1)
        rasters[0].set_ylabel(f"{shown.name}:\n{DRIVEN[shown.orientation]}")
        links = fig.add_subplot(left, sharex=links, sharey=links)
        rates = fig.add_subplot(right, sharey=rates)
        _inputs(links, shown)
        links.tick_params(labelbottom=index == len(sets) - 1)
        links.set_xlabel("exciting inputs" if index == len(sets) - 1 else "")
        _rates(rates, shown)
        style.panel_letter(rasters[0], next(letters), x=-0.04 * columns)
        for axis in (links, rates):
            style.panel_letter(axis, next(letters), x=-0.12)
    below = [fig.add_subplot(cell) for cell in grid[-1].subgridspec(1, 4, width_ratios=[1.3, 1, 1, 1])]
    _map(below[0], sets[0])
    for axis, name in zip(below[1:], BURSTS, strict=True):
        _bursts(axis, sets, groups, name)
    for axis in below:
        style.panel_letter(axis, next(letters), x=-0.24 if axis is below[0] else -0.12)
    _key(fig, sets)
    return style.save(fig, output_stem)


def _read(inputs: Inputs) -> list[Shown]:
    """Read all sets and their tables, which belong together by name.

    Raises UserError where a recording has no table of its name, or a table no recording.
    """
    tables = {path.stem: path for path in inputs["statistics"]}
    recordings = {path.stem: path for path in inputs["sets"]}
    if set(tables) != set(recordings):
        raise UserError(
            f"inputs sets and statistics: expected files of the same names, found {sorted(recordings)} and "
            f"{sorted(tables)}. Give both files of every set."
        )
    found = []
    for name, path in recordings.items():
        statistics = read_tables({"statistics": [tables[name]]}, "statistics", COLUMNS)
        neurons = read_dataset(path, OF_NEURONS)
        orientation = neurons.attrs.get("orientation")
        if orientation not in DRIVEN:
            raise UserError(f"{path}: orientation: expected one of {', '.join(DRIVEN)}, found {orientation!r}.")
        found.append(Shown(name, str(orientation), path, neurons, statistics))
    return found


def _raster(axis: Axes, shown: Shown, group: str, bottom: bool) -> None:
    """Draw the spikes of the group's first culture: excitatory neurons below, inhibitory ones above."""
    rows = shown.statistics[shown.statistics["group"] == group]
    of_culture = np.flatnonzero(shown.neurons["culture"].values == rows["culture"].iloc[0])
    chosen = generator(0, "avae_cultures", group).permutation(of_culture)[:MOST_ROWS]
    inhibitory = shown.neurons["inhibitory"].values[chosen]
    chosen = chosen[np.argsort(inhibitory, kind="stable")]
    with xr.open_dataset(shown.path, engine="h5netcdf", decode_times=False) as box:
        spikes = box["spikes"].isel(trial=0, neuron=np.sort(chosen)).values > 0
        time = box["time"].values
    spikes = spikes[:, np.argsort(np.argsort(chosen))]
    excitatory = int((inhibitory == 0).sum())
    gap = 0.04 * len(chosen)
    for sign, (_, colour, _) in SIGNS.items():
        part = slice(0, excitatory) if sign == 0 else slice(excitatory, None)
        at, neuron = np.nonzero(spikes[:, part])
        height = neuron + sign * (excitatory + gap)
        looks = {"color": colour, "ms": max(0.6, 60 / len(chosen)), "mew": 0.5}
        axis.plot(time[at], height, "|", **looks, rasterized=len(at) > MOST_POINTS)
    # neurons of either kind, named at the middle of their rows
    counts = {0: excitatory, 1: len(chosen) - excitatory}
    middles = {0: excitatory / 2, 1: excitatory + gap + counts[1] / 2}
    present = [sign for sign in SIGNS if counts[sign]]
    axis.set_yticks([middles[sign] for sign in present], [f"{'EI'[sign]} {counts[sign]}" for sign in present])
    for sign, label in zip(present, axis.get_yticklabels(), strict=True):
        label.set_color(SIGNS[sign][1])
    axis.tick_params(axis="y", length=0)
    axis.set(xlim=(time[0], time[-1]), ylim=(-1, len(chosen) + gap), title=f"{group}, culture 1 of {len(rows)}")
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.tick_params(labelbottom=bottom)
    if bottom:
        axis.set_xlabel("time (s)")


def _inputs(axis: Axes, shown: Shown) -> None:
    """Draw how many neurons excite and inhibit each recorded neuron."""
    random = generator(0, "avae_cultures", "jitter")
    neurons = shown.neurons
    for sign, (name, colour, marker) in SIGNS.items():
        own = neurons.isel(neuron=neurons["inhibitory"].values == sign)
        # whole numbers lie on top of each other
        jitter = random.uniform(-0.3, 0.3, (2, own.sizes["neuron"]))
        axis.plot(
            own["excitatory_inputs"].values + jitter[0],
            own["inhibitory_inputs"].values + jitter[1],
            marker,
            color=colour, ms=1.8, mew=0, alpha=0.5, label=name, rasterized=own.sizes["neuron"] > MOST_POINTS,
        )  # fmt: skip
    inhibitory = neurons.isel(neuron=neurons["inhibitory"].values == 1)
    if inhibitory.sizes["neuron"]:
        without = float((inhibitory["excitatory_inputs"].values == 0).mean())
        axis.set_title(f"I without excitation:\n{100 * without:.0f} %")
    axis.set_ylabel("inhibiting inputs")
    axis.xaxis.set_major_locator(style.few_ticks(integer=True))
    axis.yaxis.set_major_locator(style.few_ticks(integer=True))


def _rates(axis: Axes, shown: Shown) -> None:
    """Draw the rates of excitatory and inhibitory neurons of every culture; lines join those of one culture."""
    ratios = shown.statistics["inhibitory_rate_hz"] / shown.statistics["excitatory_rate_hz"]
    for place, group in enumerate(shown.groups):
        rows = shown.statistics[shown.statistics["group"] == group]
        across = np.array([place - 0.17, place + 0.17])
        for row in rows.itertuples():
            axis.plot(across, [row.excitatory_rate_hz, row.inhibitory_rate_hz], color="0.8", lw=0.6, zorder=1)
        for sign, (_, colour, marker) in SIGNS.items():
            rates = rows["inhibitory_rate_hz" if sign else "excitatory_rate_hz"]
            axis.plot(np.full(len(rates), across[sign]), rates, marker, color=colour, ms=3, mew=0)
    axis.set(yscale="log", ylabel="rate (Hz)")
    _name_groups(axis, shown.groups)
    if ratios.notna().any():
        axis.set_title(f"rates, I / E:\n{ratios.mean():.2f}")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def _map(axis: Axes, shown: Shown) -> None:
    """Draw where the recorded neurons of the first culture lie, and how far their axons go."""
    settings = CultureSet.from_mapping(json.loads(shown.neurons.attrs["simulation_parameters"]))
    group = settings.groups[0]
    parameters = settings.culture_parameters(group)
    own = shown.neurons.isel(neuron=shown.neurons["culture"].values == 0)
    position, tip = own["position"].values, own["axon_tip"].values
    half = parameters.dish_mm / 2
    radius = int(parameters.dish_cells / 2.001) / parameters.dish_cells * parameters.dish_mm
    axis.add_patch(Circle((half, half), radius, fill=False, color="0.6", lw=0.6))
    axis.plot(*np.stack([position, tip], axis=1).T, color="0.6", lw=0.4, zorder=1)
    for sign, (_, colour, marker) in SIGNS.items():
        axis.plot(*position[own["inhibitory"].values == sign].T, marker, color=colour, ms=2, mew=0)
    row = shown.statistics.iloc[0]
    axis.set(
        aspect="equal",
        xlim=(0, 2 * half),
        ylim=(0, 2 * half),
        xlabel="mm",
        title=f"{group.label}, culture 1: {row['neurons']:.0f} neurons,\n{row['links']:.0f} links",
    )
    axis.set_xticks([0, half, 2 * half])
    axis.set_yticks([0, half, 2 * half])


def _bursts(axis: Axes, sets: list[Shown], groups: list[str], name: str) -> None:
    """Draw one number of network bursts: a point a culture, and the mean, by group and set."""
    width = 0.6 / len(sets)
    for index, shown in enumerate(sets):
        colour, marker = SETS[index % len(SETS)]
        for place, group in enumerate(groups):
            values = shown.statistics.loc[shown.statistics["group"] == group, name].to_numpy()
            at = place + (index - (len(sets) - 1) / 2) * width
            axis.plot(np.full(len(values), at), values, marker, color=colour, ms=3, mew=0)
            if np.isfinite(values).any():
                axis.plot([at - 0.35 * width, at + 0.35 * width], [np.nanmean(values)] * 2, color=style.BLACK, lw=0.9)
    largest = pd.concat([shown.statistics[name] for shown in sets]).max()
    axis.set(title=BURSTS[name], ylim=(0, 1.1 * largest if largest > 0 else 1))
    _name_groups(axis, groups)


def _name_groups(axis: Axes, groups: list[str]) -> None:
    """Write the groups along the horizontal axis, aslant where they need room."""
    axis.set_xlim(-0.6, len(groups) - 0.4)
    axis.set_xticks(range(len(groups)), groups)
    if len("".join(groups)) > 12:
        axis.tick_params(axis="x", rotation=30)
        for text in axis.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def _key(fig: Figure, sets: list[Shown]) -> None:
    """Draw the key and say what is shown."""
    handles = [
        Line2D([], [], ls="", marker=marker, color=colour, ms=3, label=f"{name} neurons")
        for name, colour, marker in SIGNS.values()
    ]
    handles += [
        Line2D([], [], ls="", marker=SETS[i % len(SETS)][1], color=SETS[i % len(SETS)][0], ms=3, label=shown.name)
        for i, shown in enumerate(sets)
    ]
    counts = ", ".join(f"{shown.name} {len(shown.statistics)}" for shown in sets)
    text = (
        f"Number of cultures: {counts}. Rasters, inputs and map: recorded neurons, drawn from those that fired. Rates "
        "and bursts: all neurons, a point a culture; short lines are means. A network burst: at least 5 % of the "
        "neurons fire within 50 ms."
    )
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles), title=fill(text, 150), title_fontsize=6)

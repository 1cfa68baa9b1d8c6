"""AVAE, Figure 1: parameters of the simulated neurons by group, and traces of a few of them.

Inputs:
    traces: traces.nc of simulated cultures with noise (the paper's level is 1).
"""

from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.seeds import generator
from calcium_latents.simulation.culture.izhikevich import NEURON_TYPES
from calcium_latents.studies.avae.figure_tables import joined, named

INPUTS = {"traces": "{examples}/traces.nc"}
PARAMETERS = {"a": "a (1/ms)", "b": "b (1/ms)", "v0": "v₀ (mV)", "du": "Δu (mV/ms)"}
NEEDED = [*PARAMETERS, "group", "neuron_type", "inhibitory", "culture", "noise_level", "fluorescence", "noiseless"]
MOST_GROUPS = 4
TRACES = 4
MOST_POINTS = 3000  # of a line that is drawn as a vector
MOST_NEURONS = 2000


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return which part of the neurons is nearest to the median of their own group, of each parameter."""
    traces = read_dataset(inputs["traces"][0], NEEDED)
    groups, labels = _groups(traces), traces["group"].values
    known = np.isin(labels, groups)
    rows = [(name, nearest_median(traces[name].values[known], labels[known])) for name in PARAMETERS]
    table = pd.DataFrame(rows, columns=["parameter", "value"]).assign(chance=1 / len(groups), n=int(known.sum()))
    return joined([named(table, "A", "part nearest to the median of their own group")])


def _groups(traces: xr.Dataset) -> list[str]:
    return list(dict.fromkeys(traces["group"].values))[:MOST_GROUPS]


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    traces = read_dataset(inputs["traces"][0], NEEDED)
    groups = _groups(traces)
    fig = style.figure(6.3)
    rows = fig.add_gridspec(2, 1, height_ratios=(1.5, 3.6))
    above = [fig.add_subplot(cell) for cell in rows[0].subgridspec(1, len(PARAMETERS))]
    for axis, name in zip(above, PARAMETERS, strict=True):
        _parameter(axis, traces, groups, name, table[table["parameter"] == name].iloc[0])
    below = rows[1].subgridspec(TRACES, len(groups)).subplots(sharex=True, sharey="col", squeeze=False)
    for column, group in enumerate(groups):
        _traces(below[:, column], traces, group, style.GROUPS[column][0])
    below[TRACES // 2, 0].set_ylabel("fluorescence (a.u., baseline 42)", y=1.1)
    style.panel_letter(above[0], "A", x=-0.15)
    style.panel_letter(below[0, 0], "B", x=-0.12)
    levels = np.unique(traces["noise_level"].values)
    handles = [
        Line2D([], [], color=style.BLACK, lw=2, label="Table 1"),
        Line2D([], [], color=style.GREY, label=f"noisy trace, σ = {', '.join(f'{level:g}' for level in levels)}"),
        Line2D([], [], color=style.BLACK, lw=0.6, label="without noise"),
    ]
    neurons, cultures = traces.sizes["neuron"], len(np.unique(traces["culture"].values))
    counts = f"{neurons} neurons of {cultures} culture{'s' if cultures > 1 else ''}"
    if neurons > MOST_NEURONS:
        counts += f" ({MOST_NEURONS} are shown)"
    text = (
        f"{traces.attrs.get('label', '')}: {counts}. A: the titles say how many are nearer to the median of their own "
        "group than to that of another. B: neurons drawn at random, excitatory (E) or inhibitory (I)."
    )
    fig.legend(handles=handles, loc="outside lower center", ncols=3, title=fill(text, 150), title_fontsize=6)
    return style.save(fig, output_stem)


def nearest_median(values: np.ndarray, labels: np.ndarray) -> float:
    """Return which part of `values` [neuron] is nearest to its own label's median, over labels [neuron]."""
    names = np.unique(labels)
    medians = np.array([np.median(values[labels == name]) for name in names])
    nearest = names[np.abs(values[:, None] - medians).argmin(axis=1)]
    return float(np.mean([(nearest[labels == name] == name).mean() for name in names]))


def _parameter(axis: Axes, traces: xr.Dataset, groups: list[str], name: str, nearest: pd.Series) -> None:
    """Draw one parameter of the neurons of all groups, beside the value of their type."""
    random = generator(0, "avae_figure1", "places")
    chosen = random.permutation(traces.sizes["neuron"])[:MOST_NEURONS]
    labels, values = traces["group"].values, traces[name].values
    types = traces["neuron_type"].values
    for place, group in enumerate(groups):
        own = chosen[labels[chosen] == group]
        colour, marker = style.GROUPS[place]
        at = place + random.uniform(-0.3, 0.3, len(own))
        axis.plot(at, values[own], marker, color=colour, ms=1.6, mew=0, alpha=0.6, rasterized=len(chosen) > 1000)
        for value in {NEURON_TYPES[kind][list(PARAMETERS).index(name)] for kind in types[labels == group]}:
            axis.plot([place - 0.38, place + 0.38], [value, value], color=style.BLACK, lw=1.5)
    axis.set(ylabel=PARAMETERS[name], xlim=(-0.6, len(groups) - 0.4))
    if len(groups) > 1:
        axis.set_title(f"{100 * nearest['value']:.0f} % nearest own\n(chance {100 * nearest['chance']:.0f} %)")
    axis.set_xticks(range(len(groups)), groups)
    axis.yaxis.set_major_locator(style.few_ticks())


def _traces(axes: np.ndarray, traces: xr.Dataset, group: str, colour: str) -> None:
    """Draw a few traces of one group, one below the other."""
    own = np.flatnonzero(traces["group"].values == group)
    chosen = np.sort(generator(0, "avae_figure1", str(group)).permutation(own)[: len(axes)])
    time = traces["time"].values
    step = -(-len(time) // MOST_POINTS)
    numbers = {culture: index + 1 for index, culture in enumerate(np.unique(traces["culture"].values[own]))}
    for axis, neuron in zip(axes, chosen, strict=False):
        one = traces.isel(neuron=neuron, trial=0)
        # few samples make a thin line of noise, which must not vanish below the other
        width = 0.4 if len(time) > MOST_POINTS else 1.3
        axis.plot(time, one["fluorescence"], color=colour, lw=width, rasterized=len(time) > MOST_POINTS)
        axis.plot(time[::step], one["noiseless"][::step], color=style.BLACK, lw=0.6)
        axis.set_title(
            f"culture {numbers[int(one['culture'])]}, {'EI'[int(one['inhibitory'])]}", loc="right", fontsize=6, pad=1
        )
        axis.yaxis.set_major_locator(style.few_ticks())
        axis.margins(x=0.01)
    axes[0].set_title(group, loc="left", color=style.BLACK, pad=1)
    axes[-1].set_xlabel("time (s)")

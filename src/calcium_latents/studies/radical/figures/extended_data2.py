"""RADICaL Extended Data Figure 2: from spikes to deconvolved events, the indicator's curve, and its response
to a train.

Inputs:
    recording: events.nc of the example dataset (simulated; spikes, fluorescence, noise_level and the
        simulation's parameters).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.figures.panels import tidy
from calcium_latents.recordings import read_recording
from calcium_latents.studies.radical.simulation_example import (
    example_neuron,
    example_stages,
    indicator_curves,
    parameters_of,
    stimulus_train,
)

INPUTS = {"recording": "{activity}/events.nc"}
VARIABLES = ["spikes", "fluorescence", "noise_level"]
KINDS = {"linear": ("linear", style.BLUE, "-"), "gcamp6f": ("GCaMP6f (Hill curve)", style.VERMILLION, "--")}
#: label, column of the table, and how it is drawn
STAGES = [
    ("true spikes\n(per bin)", "spikes", "stem"),
    ("spike sizes\n(spikes)", "spike_sizes", "stem"),
    ("calcium\n(one spike = 1)", "calcium", "line"),
    ("noiseless\nfluorescence", "noiseless", "line"),
    ("noisy\nfluorescence", "fluorescence", "line"),
    ("sampled\nfluorescence", "sampled", "dots"),
    ("deconvolved\nevents", "events", "stem"),
    ("true spikes\n(again)", "spikes", "stem"),
]


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the stages of one neuron (a), the indicator's curves (b), and its response to a train of spikes (c)."""
    recording = read_recording(inputs["recording"][0], VARIABLES)
    settings, neuron = parameters_of(recording), example_neuron(recording)
    stages = example_stages(recording, neuron).assign(neuron=neuron)
    return tidy({"a": stages, "b": indicator_curves(settings), "c": stimulus_train(settings)})


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    recording = read_recording(inputs["recording"][0], VARIABLES)
    stages, curves, train = (table[table["panel"] == panel] for panel in "abc")
    fig = style.figure(5.2)
    left, right = fig.subfigures(1, 2, width_ratios=[1.7, 1])
    _pipeline(left, stages, recording)
    axes = right.subplots(2, 1)
    indicator = parameters_of(recording).indicator
    for kind, (name, colour, line) in KINDS.items():
        used = " – used here" if indicator == kind else ""
        axes[0].plot(curves["calcium"], curves[kind], line, color=colour, label=name + used)
        axes[1].plot(train["time_s"], train[kind], line, color=colour, label=name)
    axes[0].set(
        xlabel="calcium (peaks after one spike)",
        ylabel="fluorescence\n(peaks after one spike)",
        xlim=(0, 10),
        ylim=(0, None),
    )
    axes[0].legend(loc="upper left")
    axes[0].set_title("indicator curve, noiseless")
    low, high = axes[1].get_ylim()
    at = train["time_s"][train["spikes"] > 0]
    axes[1].vlines(at, -0.12 * high, -0.05 * high, color=style.BLACK, lw=0.7)
    axes[1].set_ylim(-0.16 * high, high)
    axes[1].set_yticks([tick for tick in axes[1].get_yticks() if 0 <= tick <= high])
    axes[1].set(xlabel="time (s)", ylabel="fluorescence\n(peaks after one spike)")
    axes[1].set_title(f"response to {len(at)} spikes at 10 Hz (ticks)")
    for axis, letter in zip(axes, "bc", strict=True):
        style.panel_letter(axis, letter, x=-0.12, y=1.03)
    return style.save(fig, output_stem)


def _pipeline(fig, stages: pd.DataFrame, recording: xr.Dataset) -> None:
    """Panel a: every stage of one neuron."""
    time = stages["time_s"].to_numpy()
    axes = fig.subplots(len(STAGES), 1, sharex=True)
    for axis, (name, key, kind) in zip(axes, STAGES, strict=True):
        values = stages[key].to_numpy()
        if kind == "stem":
            keep = np.isfinite(values) & (values > 0)
            axis.vlines(time[keep], 0, values[keep], color=style.BLACK if "spike" in key else style.VERMILLION, lw=0.9)
            axis.set_ylim(0, max(float(values[keep].max(initial=0)) * 1.1, 1e-3))
        elif kind == "dots":
            axis.plot(time, values, ".", ms=2, color=style.BLUE)
        else:
            axis.plot(time, values, color=style.BLUE, lw=0.8)
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.yaxis.set_major_locator(style.few_ticks(integer=key == "spikes"))
        axis.set_xlim(0, time[-1])
    axes[-1].set_xlabel("time (s)")
    neuron, rate = int(stages["neuron"].iloc[0]), float(recording.attrs["imaging_rate_hz"])
    noise = float(recording["noise_level"].values[neuron])
    duration = recording.sizes["trial"] * recording.sizes["time"] * float(recording.attrs["bin_width_s"])
    axes[0].set_title(
        f"neuron {neuron} (noise level {noise:.2f}), {rate:.1f} samples/s; {time[-1]:.0f} of {duration:.0f} s"
    )
    style.panel_letter(axes[0], "a", x=-0.24, y=1.1)

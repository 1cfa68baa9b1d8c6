"""RADICaL Extended Data Figure 2: from spikes to deconvolved events, the indicator's curve, and its response
to a train.

Inputs:
    recording: events.nc of the example dataset (simulated; spikes, fluorescence, noise_level and the
        simulation's parameters).
"""

from pathlib import Path

import numpy as np
import xarray as xr

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.recordings import read_recording
from calcium_latents.studies.radical.simulation_example import curve, parameters_of, pipeline_stages, stimulus_train

INPUTS = {"recording": "{activity}/events.nc"}
SHOWN_S = 3.0
KINDS = {"linear": ("linear", style.BLUE, "-"), "gcamp6f": ("GCaMP6f (Hill curve)", style.VERMILLION, "--")}


@style.styled
def draw(inputs: Inputs, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    recording = read_recording(inputs["recording"][0], ["spikes", "fluorescence", "noise_level"])
    settings = parameters_of(recording)
    fig = style.figure(5.2)
    left, right = fig.subfigures(1, 2, width_ratios=[1.7, 1])
    _pipeline(left, recording)
    axes = right.subplots(2, 1)
    level = np.linspace(0, 10, 201)
    for kind, (name, colour, line) in KINDS.items():
        used = " – used here" if settings.indicator == kind else ""
        axes[0].plot(level, curve(level, settings, kind), line, color=colour, label=name + used)
    axes[0].set(
        xlabel="calcium (peaks after one spike)",
        ylabel="fluorescence\n(peaks after one spike)",
        xlim=(0, 10),
        ylim=(0, None),
    )
    axes[0].legend(loc="upper left")
    axes[0].set_title("indicator curve, noiseless")
    train = stimulus_train(settings)
    for kind, (name, colour, line) in KINDS.items():
        axes[1].plot(train["time"], train[kind], line, color=colour, label=name)
    low, high = axes[1].get_ylim()
    at = train["time"][train["spikes"] > 0]
    axes[1].vlines(at, -0.12 * high, -0.05 * high, color=style.BLACK, lw=0.7)
    axes[1].set_ylim(-0.16 * high, high)
    axes[1].set_yticks([tick for tick in axes[1].get_yticks() if 0 <= tick <= high])
    axes[1].set(xlabel="time (s)", ylabel="fluorescence\n(peaks after one spike)")
    axes[1].set_title(f"response to {len(at)} spikes at 10 Hz (ticks)")
    for axis, letter in zip(axes, "bc", strict=True):
        style.panel_letter(axis, letter, x=-0.12, y=1.03)
    return style.save(fig, output_stem)


def _pipeline(fig, recording: xr.Dataset) -> None:
    """Panel a: every stage of one neuron, the neuron of median noise among the more active half."""
    counts = recording["spikes"].values.sum(axis=(0, 1))
    active = np.flatnonzero(counts >= np.median(counts))
    noise = recording["noise_level"].values
    neuron = int(active[np.argsort(noise[active], kind="stable")[len(active) // 2]])
    stages = pipeline_stages(recording, neuron)
    duration = len(stages["time"]) * float(recording.attrs["bin_width_s"])
    # The stretch with most spikes among whole windows, so that there is something to see.
    size = min(round(SHOWN_S / recording.attrs["bin_width_s"]), len(stages["time"]))
    windows = stages["spikes"][: len(stages["spikes"]) // size * size].reshape(-1, size).sum(axis=1)
    start = int(windows.argsort(kind="stable")[int(0.9 * (len(windows) - 1))]) * size
    cut = slice(start, start + size)
    time = stages["time"][cut] - stages["time"][start]
    rows = [
        ("true spikes\n(per bin)", "spikes", "stem"),
        ("spike sizes\n(spikes)", "spike_sizes", "stem"),
        ("calcium\n(one spike = 1)", "calcium", "line"),
        ("noiseless\nfluorescence", "noiseless", "line"),
        ("noisy\nfluorescence", "fluorescence", "line"),
        ("sampled\nfluorescence", "sampled", "dots"),
        ("deconvolved\nevents", "events", "stem"),
        ("true spikes\n(again)", "spikes", "stem"),
    ]
    axes = fig.subplots(len(rows), 1, sharex=True)
    for axis, (name, key, kind) in zip(axes, rows, strict=True):
        values = stages[key][cut]
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
    rate = float(recording.attrs["imaging_rate_hz"])
    axes[0].set_title(
        f"neuron {neuron} (noise level {noise[neuron]:.2f}), {rate:.1f} samples/s; {time[-1]:.0f} of {duration:.0f} s"
    )
    style.panel_letter(axes[0], "a", x=-0.24, y=1.1)

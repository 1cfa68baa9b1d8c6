"""RADICaL Extended Data Figure 1: an example Lorenz trial from states to spikes, and power spectra of the
states.

Inputs:
    recording: events.nc or recording.nc, one per speed (latents, firing_rate, spikes); the first is the
        example. Spectra are those of the Lorenz system with each recording's own parameters, on long
        trajectories.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps

from calcium_latents.figures import style
from calcium_latents.figures.inputs import Inputs
from calcium_latents.recordings import read_recording
from calcium_latents.studies.radical.spectra import lorenz_spectra

INPUTS = {"recording": "{activity_first}/events.nc"}
LATENT_COLOURS = {"X": style.SKY, "Y": style.ORANGE, "Z": style.PURPLE}
HIGHEST_HZ = 30.0


def tabulate(inputs: Inputs) -> pd.DataFrame:
    """Return the spectra (panels b and c) of the system of each recording; `frequency_hz`: its peak of Z."""
    systems = [read_recording(path, ["latents", "noise_level"]).attrs for path in inputs["recording"]]
    parts = {_peak(attrs): lorenz_spectra(attrs["simulation_parameters"]) for attrs in systems}
    table = pd.concat(parts, names=["frequency_hz", None]).reset_index("frequency_hz")
    table.insert(0, "panel", "bc")
    return table


@style.styled
def draw(inputs: Inputs, table: pd.DataFrame, output_stem: Path) -> list[Path]:
    """Draw the figure; see the module's docstring for `inputs`."""
    example = read_recording(inputs["recording"][0], ["latents", "firing_rate", "spikes"])
    fig = style.figure(4.9)
    top, bottom = fig.subfigures(2, 1, height_ratios=[1.15, 1])
    _example(top, example)
    _spectra(bottom, table, _peak(example.attrs))
    return style.save(fig, output_stem)


def _peak(attributes: Mapping) -> float:
    return round(float(attributes["realised_peak_hz"]), 1)


def _example(fig, recording: xr.Dataset) -> None:
    """Panel a: one trial as a trajectory, as states in time, as rates and as spikes."""
    grid = fig.add_gridspec(1, 4, width_ratios=[1, 1.05, 1.15, 1.0])
    states, time = recording["latents"].values[0], recording["time"].values
    names = [str(name) for name in recording["latent"].values]
    space = fig.add_subplot(grid[0], projection="3d")
    space.plot(*states.T, color=style.BLACK, lw=0.9)
    space.plot(*states[:1].T, "o", color=style.VERMILLION, ms=3)
    space.set_xticklabels([]), space.set_yticklabels([]), space.set_zticklabels([])
    for setter, name in zip((space.set_xlabel, space.set_ylabel, space.set_zlabel), names, strict=False):
        setter(name, labelpad=-12)
    space.set_box_aspect(None, zoom=1.25)
    space.set_title("trajectory (dot: start)", pad=0)
    space.text2D(-0.12, 1.08, "a", transform=space.transAxes, fontsize=10, fontweight="bold")
    axis = fig.add_subplot(grid[1])
    for index, name in enumerate(names):
        axis.plot(time, states[:, index] - 4.5 * index, color=LATENT_COLOURS.get(name, style.GREY))
        axis.text(time[0] - 0.02 * np.ptp(time), -4.5 * index, name, ha="right", va="center")
    axis.plot([time[-1] * 1.03] * 2, [0, 2], color=style.BLACK, lw=1.2, clip_on=False)
    axis.text(time[-1] * 1.05, 1, "2 s.d.", va="center", fontsize=6)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_title("Lorenz states")
    axis.set_xlabel("time (s)")
    rate, spikes = recording["firing_rate"].values[0].T, recording["spikes"].values[0].T
    order = np.argsort(rate.argmax(axis=1), kind="stable")
    extent = (time[0], 2 * time[-1] - time[-2], len(rate), 0)
    axis = fig.add_subplot(grid[2])
    image = axis.imshow(rate[order], aspect="auto", extent=extent, cmap="viridis", vmin=0, vmax=np.percentile(rate, 99))
    fig.colorbar(image, ax=axis, label="spikes/s (cut at the 99th percentile)", fraction=0.06, pad=0.03)
    axis.set(title="firing rates", xlabel="time (s)", ylabel=f"{len(rate)} neurons, by time of peak", yticks=[])
    axis = fig.add_subplot(grid[3])
    axis.imshow(spikes[order] > 0, aspect="auto", extent=extent, cmap="Greys", vmin=0, vmax=1)
    axis.set(title="spikes", xlabel="time (s)", yticks=[])


def _spectra(fig, spectra: pd.DataFrame, example_hz: float) -> None:
    """Panels b and c: states at the example speed; Z at all speeds."""
    left, right = fig.subplots(1, 2)
    speeds = np.sort(spectra["frequency_hz"].unique())
    for name, part in spectra[spectra["frequency_hz"] == example_hz].groupby("latent"):
        left.semilogy(part["spectrum_hz"], part["power"], color=LATENT_COLOURS.get(name, style.GREY), label=name)
    left.set_title(f"example system (Z peak {example_hz:g} Hz)")
    left.legend(loc="upper right")
    colours = colormaps["viridis"](np.linspace(0.0, 0.88, len(speeds)))
    for colour, speed in zip(colours, speeds, strict=True):
        part = spectra[(spectra["frequency_hz"] == speed) & (spectra["latent"] == "Z")]
        right.semilogy(part["spectrum_hz"], part["power"], color=colour, label=f"{speed:g}")
        peak = part.loc[part["power"].idxmax()]
        right.plot(peak["spectrum_hz"], peak["power"], "v", color=colour, ms=4)
    right.legend(title="Z peak (Hz)", loc="upper right", ncols=2)
    right.set_title("Z at all speeds (▼ largest power)")
    for axis, letter in ((left, "b"), (right, "c")):
        axis.set(xlim=(0, HIGHEST_HZ), xlabel="frequency (Hz)", ylabel="power (s.d.²/Hz)")
        inside = spectra[(spectra["spectrum_hz"] <= HIGHEST_HZ) & (spectra["power"] > 0)]["power"]
        axis.set_ylim(max(inside.min(), inside.max() * 1e-5), inside.max() * 4)
        style.panel_letter(axis, letter, x=-0.1)
    fig.supxlabel(
        "Welch spectra of 64 trajectories of 1,024 bins, states scaled to unit variance",
        fontsize=6,
        color="0.3",
    )

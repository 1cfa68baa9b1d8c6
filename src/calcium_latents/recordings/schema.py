"""The Recording: one box for simulated and real data, so that nothing downstream knows which it got.

An xarray Dataset with dims `trial`, `time`, `neuron` (and `latent`, `axis`).
A sample that was not taken is NaN.
Ground truth (spikes, firing rate, latents, condition) rides along as optional variables.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.box import Box
from calcium_latents.recordings.fields import Field, fail

SCHEMA = "calcium-latents recording"
GRID = ("trial", "time", "neuron")

FIELDS: dict[str, Field] = {
    "trial": Field(("trial",), "int", "1", "trial"),
    "time": Field(("time",), "float64", "s", "start of the bin relative to the trial's zero"),
    "neuron": Field(("neuron",), "int", "1", "neuron"),
    "latent": Field(("latent",), "str", "1", "latent state"),
    "axis": Field(("axis",), "str", "1", "axis of the field of view"),
    "fluorescence": Field(GRID, "float32", "1", "fluorescence (NaN: not sampled)", missing=True),
    "events": Field(GRID, "float32", "1", "deconvolved events (NaN: not sampled)", missing=True, minimum=0),
    "spikes": Field(GRID, "int16", "1", "true spikes in the bin", minimum=0),
    "firing_rate": Field(GRID, "float32", "1/s", "true firing rate", minimum=0),
    "latents": Field(("trial", "time", "latent"), "float32", "1", "true latent states"),
    "condition": Field(("trial",), "int", "1", "condition of the trial"),
    "trial_start": Field(("trial",), "float64", "s", "the trial's zero in the session"),
    "sample_offset": Field(("trial", "neuron"), "float32", "s", "sample time in its imaging frame", minimum=0),
    "position": Field(("neuron", "axis"), "float32", "pixel", "position in the field of view"),
    "noise_level": Field(("neuron",), "float32", "1", "standard deviation of the noise", minimum=0),
}


def make_recording(
    *,
    time: np.ndarray,
    bin_width_s: float,
    imaging_rate_hz: float,
    source: str,
    latent_names: Sequence[str] | None = None,
    position_units: str = "pixel",
    consecutive_trials: bool = False,
    others: Mapping[str, tuple] | None = None,
    attributes: Mapping[str, Any] | None = None,
    **variables: np.ndarray | None,
) -> xr.Dataset:
    """Build and check a Recording. Arrays that have the right type already are held, not copied.

    Args:
        time: bin starts [time], s, relative to the trial's zero.
        bin_width_s: width of a bin; 1/imaging_rate_hz for a continuous recording.
        imaging_rate_hz: frames per second.
        source: where the data come from, in words or as a file name.
        latent_names: names of the latents; default "0", "1", ...
        position_units: units of the position.
        consecutive_trials: trials are consecutive pieces of one session, so deconvolution runs through them.
        others: further variables, name -> (dims, values, units, long_name).
        attributes: further attributes; mappings are stored as JSON.
        variables: fluorescence, events: [trial, time, neuron], NaN = not sampled; at least one, same NaN in both; a
            `LazyArray` of float32 stays one.
            spikes, firing_rate [1/s]: truth on the same grid, everywhere. latents: truth [trial, time, latent].
            condition: [trial], integers. trial_start: [trial], s in the session; default: trials follow each other.
            sample_offset: [trial, neuron] or [neuron], s from the start of the frame; default 0 (unknown).
            position: [neuron, axis] with axis x, y (z). noise_level: [neuron], in units of the fluorescence.
            trial, neuron: numbers; default 0, 1, ...

    Raises:
        UserError: shapes, values or attributes are not those of a Recording.
    """
    given: dict[str, Any] = {name: values for name, values in variables.items() if values is not None} | {"time": time}
    grid = given.get("fluorescence", given.get("events"))
    if grid is None or np.ndim(grid) != 3:
        expected = "fluorescence or events [trial, time, neuron]"
        shape = () if grid is None else np.shape(grid)
        raise UserError(f"{source}: a recording needs {expected}, found shape {shape}.")
    n_trials, n_bins, n_neurons = np.shape(grid)
    given.setdefault("trial", np.arange(n_trials))
    given.setdefault("neuron", np.arange(n_neurons))
    given.setdefault("trial_start", np.arange(n_trials) * n_bins * bin_width_s)
    # Zeros take no memory before they are changed; np.array, not a view that cannot be.
    offset = given.get("sample_offset")
    shape = (n_trials, n_neurons)
    given["sample_offset"] = np.zeros(shape, np.float32) if offset is None else np.array(np.broadcast_to(offset, shape))
    if "latents" in given:
        count = np.shape(given["latents"])[-1]
        given["latent"] = [str(i) for i in range(count)] if latent_names is None else latent_names
    if "position" in given:
        given["axis"] = list("xyz"[: np.shape(given["position"])[-1]])
    own = {
        "bin_width_s": float(bin_width_s),
        "imaging_rate_hz": float(imaging_rate_hz),
        "consecutive_trials": int(consecutive_trials),
        "source": str(source),
    }
    return RECORDING.make(
        source, given, own | dict(attributes or {}), units={"position": position_units}, others=others
    )


def _check_order(dataset: xr.Dataset, path: str | Path) -> None:
    consecutive = dataset.attrs.get("consecutive_trials")
    if consecutive not in (0, 1):
        fail(path, "attribute consecutive_trials", "0 or 1", f"{consecutive!r}", "Set it.")
    if "trial_start" in dataset and (np.diff(dataset["trial_start"].values) < 0).any():
        expected = "trials in the order of the session"
        fail(path, "trial_start", expected, "an earlier one after a later", "Sort them.")


def _check_offsets(dataset: xr.Dataset, path: str | Path) -> None:
    if "sample_offset" not in dataset:
        return
    period, latest = 1 / dataset.attrs["imaging_rate_hz"], float(dataset["sample_offset"].values.max())
    # float32 rounds an offset at the very end of the frame up to the period.
    if latest > period * (1 + 1e-6):
        expected = f"times within the imaging frame (0 to {period:g} s)"
        advice = "Give offsets in seconds from the start of the frame in which the neuron is sampled."
        fail(path, "sample_offset", expected, f"{latest:g} s", advice)


class SampleCheck:
    """Where samples are missing, and whether events keep the promised smallest size, a part after another."""

    def __init__(self, dataset: xr.Dataset, path: str | Path):
        self.names = tuple(name for name in ("fluorescence", "events") if name in dataset)
        self.path, self.smallest = path, dataset.attrs.get("event_minimum")
        self.neurons = dataset["neuron"].values if self.names else np.zeros(0)
        self.sampled = {name: np.zeros(self.neurons.size, bool) for name in self.names}
        self.differ, self.between, self.least = 0, 0, np.inf

    def add(self, parts: Mapping[str, np.ndarray], at: tuple[slice, ...]) -> None:
        """Look at the variables' `parts`, each [trial, time, neuron], that stand `at` these slices of them."""
        masks = {name: np.isfinite(parts[name]) for name in self.names}
        for name, mask in masks.items():
            self.sampled[name][at[2:] or ...] |= mask.any(axis=(0, 1))
        if len(masks) == 2:
            self.differ += int(np.count_nonzero(masks["fluorescence"] != masks["events"]))
        if "events" in masks and self.smallest is not None:
            events = parts["events"]
            small = events[(events > 0) & (events < self.smallest * (1 - 1e-4))]
            self.between, self.least = self.between + small.size, min(self.least, float(small.min(initial=np.inf)))

    def finish(self) -> None:
        """Raise the UserError for what was found."""
        for name, any_sample in self.sampled.items():
            never = np.flatnonzero(~any_sample)
            if never.size:
                found = f"{never.size} neurons without, the first: {int(self.neurons[never[0]])}"
                fail(self.path, name, "at least one sample of every neuron", found, "Leave these neurons out.")
        if self.differ:
            expected = "NaN exactly where fluorescence has it"
            fail(self.path, "events", expected, f"{self.differ} bins that differ", "Deconvolve again.")
        if self.between:
            expected = f"zero or at least event_minimum = {self.smallest:g}"
            advice = "Deconvolve with this smallest event size (s_min), or rescale the events to it."
            fail(self.path, "events", expected, f"{self.between} between, down to {self.least:g}", advice)


RECORDING = Box(
    SCHEMA,
    FIELDS,
    required=("trial", "time", "neuron", "trial_start", "sample_offset"),
    either=("fluorescence", "events"),
    numbers=("bin_width_s", "imaging_rate_hz"),
    texts=("source",),
    checks=(_check_order, _check_offsets),
    part_checks=(SampleCheck,),
)
check_recording, read_recording, write_recording = RECORDING.check, RECORDING.read, RECORDING.write
#: A recording whose large variables stay on disk until they are asked for.
open_recording = partial(RECORDING.open, lazy_dims=GRID)

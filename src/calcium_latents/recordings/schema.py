"""The Recording: one box for simulated and real data, so that nothing downstream knows which it got.

An xarray Dataset with dims `trial`, `time`, `neuron` (and `latent`, `axis`).
A sample that was not taken is NaN.
Ground truth (spikes, firing rate, latents, condition) rides along as optional variables.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import Field, check_dataset, check_time, fail, variable

SCHEMA = "calcium-latents recording"
SCHEMA_VERSION = 1
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
REQUIRED = ("trial", "time", "neuron", "trial_start", "sample_offset")
NUMBERS = ("bin_width_s", "imaging_rate_hz")


def attribute(value: Any) -> str | int | float | np.ndarray:
    """Return `value` as netCDF stores it: flags as 0/1, mappings and lists of text as JSON."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if value is None or isinstance(value, Mapping | list | tuple):
        return json.dumps(value, sort_keys=True, default=str)
    return str(value) if isinstance(value, Path) else value


def make_recording(
    *,
    time: np.ndarray,
    bin_width_s: float,
    imaging_rate_hz: float,
    source: str,
    fluorescence: np.ndarray | None = None,
    events: np.ndarray | None = None,
    spikes: np.ndarray | None = None,
    firing_rate: np.ndarray | None = None,
    latents: np.ndarray | None = None,
    latent_names: Sequence[str] | None = None,
    condition: np.ndarray | None = None,
    trial_start: np.ndarray | None = None,
    sample_offset: np.ndarray | None = None,
    position: np.ndarray | None = None,
    position_units: str = "pixel",
    noise_level: np.ndarray | None = None,
    trial: np.ndarray | None = None,
    neuron: np.ndarray | None = None,
    consecutive_trials: bool = False,
    others: Mapping[str, tuple] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Build and check a Recording. Arrays that have the right type already are held, not copied.

    Args:
        time: bin starts [time], s, relative to the trial's zero.
        bin_width_s: width of a bin; 1/imaging_rate_hz for a continuous recording.
        imaging_rate_hz: frames per second.
        source: where the data come from, in words or as a file name.
        fluorescence, events: [trial, time, neuron], NaN = not sampled; at least one, same NaN in both.
        spikes, firing_rate [1/s]: truth on the same grid, everywhere.
        latents: truth [trial, time, latent], named by `latent_names` (default "0", "1", ...).
        condition: [trial], integers.
        trial_start: [trial], s in the session; default: trials follow each other.
        sample_offset: [trial, neuron] or [neuron], s from the start of the frame; default 0 (unknown).
        position: [neuron, axis] with axis x, y (z), in `position_units`.
        noise_level: [neuron], in units of the fluorescence.
        consecutive_trials: trials are consecutive pieces of one session, so deconvolution runs through them.
        others: further variables, name -> (dims, values, units, long_name).
        attributes: further attributes; mappings are stored as JSON.

    Raises:
        UserError: shapes, values or attributes are not those of a Recording.
    """
    grid = fluorescence if fluorescence is not None else events
    if grid is None or np.ndim(grid) != 3:
        expected = "fluorescence or events [trial, time, neuron]"
        raise UserError(f"{source}: a recording needs {expected}, found shape {np.shape(grid)}.")
    n_trials, n_bins, n_neurons = np.shape(grid)
    given: dict[str, Any] = {
        "trial": np.arange(n_trials) if trial is None else trial,
        "time": time,
        "neuron": np.arange(n_neurons) if neuron is None else neuron,
        "fluorescence": fluorescence,
        "events": events,
        "spikes": spikes,
        "firing_rate": firing_rate,
        "latents": latents,
        "condition": condition,
        "trial_start": np.arange(n_trials) * n_bins * bin_width_s if trial_start is None else trial_start,
        # Zeros take no memory before they are changed; np.array, not a view that cannot be.
        "sample_offset": np.zeros((n_trials, n_neurons), np.float32)
        if sample_offset is None
        else np.array(np.broadcast_to(sample_offset, (n_trials, n_neurons))),
        "position": position,
        "noise_level": noise_level,
    }
    if latents is not None:
        given["latent"] = [str(i) for i in range(np.shape(latents)[-1])] if latent_names is None else latent_names
    if position is not None:
        given["axis"] = list("xyz"[: np.shape(position)[-1]])
    units = {"position": position_units}
    variables = {name: variable(FIELDS[name], v, units.get(name)) for name, v in given.items() if v is not None}
    for name, (dims, values, unit, long_name) in (others or {}).items():
        variables[name] = (dims, np.asarray(values), {"units": unit, "long_name": long_name})
    try:
        dataset = xr.Dataset(variables)
    except ValueError as error:
        raise UserError(f"{source}: the parts of the recording do not fit together: {error}") from error
    dataset.attrs = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "bin_width_s": float(bin_width_s),
        "imaging_rate_hz": float(imaging_rate_hz),
        "consecutive_trials": int(consecutive_trials),
        "source": str(source),
    } | {name: attribute(value) for name, value in (attributes or {}).items()}
    check_recording(dataset, source)
    return dataset


def check_recording(dataset: xr.Dataset, path: str | Path, *, partial: bool = False) -> None:
    """Check that `dataset` is a Recording; `path` names it in messages; `partial`: some variables only.

    Raises:
        UserError: names the file, the field, what was expected, what was found, and what to do.
    """
    required = ("trial", "time", "neuron") if partial else REQUIRED
    check_dataset(
        dataset,
        path,
        schema=SCHEMA,
        version=SCHEMA_VERSION,
        fields=FIELDS,
        required=required,
        numbers=NUMBERS,
        texts=("source",),
    )
    consecutive = dataset.attrs.get("consecutive_trials")
    if consecutive not in (0, 1):
        fail(path, "attribute consecutive_trials", "0 or 1", f"{consecutive!r}", "Set it.")
    check_time(dataset["time"].values, dataset.attrs["bin_width_s"], path)
    _check_samples(dataset, path, partial)
    if "sample_offset" in dataset:
        period = 1 / dataset.attrs["imaging_rate_hz"]
        latest = float(dataset["sample_offset"].max())
        # float32 rounds an offset at the very end of the frame up to the period.
        if latest > period * (1 + 1e-6):
            fail(
                path,
                "sample_offset",
                f"times within the imaging frame (0 to {period:g} s)",
                f"{latest:g} s",
                "Give offsets in seconds from the start of the frame in which the neuron is sampled.",
            )
    if "trial_start" in dataset and (np.diff(dataset["trial_start"].values) < 0).any():
        fail(
            path,
            "trial_start",
            "trials in the order of the session",
            "an earlier one after a later",
            "Sort them.",
        )


def _check_samples(dataset: xr.Dataset, path: str | Path, partial: bool) -> None:
    """Check where samples are missing, and that events keep the promised smallest size."""
    sampled = {name: np.isfinite(dataset[name].values) for name in ("fluorescence", "events") if name in dataset}
    if not sampled and not partial:
        fail(path, "fluorescence", "fluorescence or events", "neither", "A recording needs one of them.")
    for name, mask in sampled.items():
        never = np.flatnonzero(~mask.any(axis=(0, 1)))
        if never.size:
            found = f"{never.size} neurons without, the first: {int(dataset['neuron'].values[never[0]])}"
            fail(path, name, "at least one sample of every neuron", found, "Leave these neurons out.")
    if len(sampled) == 2 and not np.array_equal(sampled["fluorescence"], sampled["events"]):
        count = int((sampled["fluorescence"] != sampled["events"]).sum())
        fail(
            path,
            "events",
            "NaN exactly where fluorescence has it",
            f"{count} bins that differ",
            "Deconvolve again.",
        )
    smallest = dataset.attrs.get("event_minimum")
    if "events" in sampled and smallest is not None:
        events = dataset["events"].values
        between = (events > 0) & (events < smallest * (1 - 1e-4))
        if between.any():
            fail(
                path,
                "events",
                f"zero or at least event_minimum = {smallest:g}",
                f"{int(between.sum())} between, down to {events[between].min():g}",
                "Deconvolve with this smallest event size (s_min), or rescale the events to it.",
            )

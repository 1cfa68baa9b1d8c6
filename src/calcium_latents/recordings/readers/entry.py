"""An entry of config/recordings.yaml, from the file that it names to a Recording."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.recording_formats import FALLBACK, FORMATS
from calcium_latents.recordings.behaviour import behaviour_variables
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import Columns, as_type, grid, of_neurons, scratch_folder
from calcium_latents.recordings.plausibility import plausibility, stored
from calcium_latents.recordings.preprocessing import NEUROPIL_COEFFICIENT, delta_f_over_f
from calcium_latents.recordings.readers.behaviour_table import read_behaviour
from calcium_latents.recordings.readers.entry_fields import find_path, number
from calcium_latents.recordings.readers.formats import reader
from calcium_latents.recordings.readers.sample_offsets import sample_offsets
from calcium_latents.recordings.readers.selection import USABLE, check_traces, select_neurons, without
from calcium_latents.recordings.readers.traces import Behaviour, Traces, regular_frames
from calcium_latents.recordings.schema import make_recording
from calcium_latents.recordings.trace_measures import blocks
from calcium_latents.recordings.trial_table import ATTRIBUTE, trial_attribute


def read_user_file(entry: Mapping[str, Any], base_directory: str | Path, scratch: Path | None = None) -> xr.Dataset:
    """Return the recording that `entry` describes as a Recording: one trial of imaging frames, dF/F.

    Args:
        entry: see the package's docstring.
        base_directory: what relative paths are relative to.
        scratch: where to keep large traces, which stay on disk until they are used; default: the system's folder.

    Raises:
        UserError: names the file, the field, what was expected, what was found, and what to do.
    """
    with scratch_folder(scratch):
        return _recording(entry, base_directory)


def _recording(entry: Mapping[str, Any], base_directory: str | Path) -> xr.Dataset:
    path = find_path(entry.get("file"), "file", base_directory, folders=True)
    chosen = chosen_format(entry, path)
    rate = number(entry, "sampling_rate_hz", path)
    traces = reader(chosen).read(path, entry)
    if traces.neurons is None:
        traces.neurons = np.arange(traces.values.shape[1])
    time, n_in_file = None, int(np.max(traces.neurons)) + 1
    traces = select_neurons(traces, entry.get("neurons"), str(path))
    if (kind := traces.values.dtype).kind != "f":
        traces.values = as_type(traces.values, np.float32 if kind.itemsize < 4 else float)
    if traces.timestamps is not None:
        traces.values, time, actual = regular_frames(traces.values, traces.timestamps, str(path))
        if traces.neuropil is not None:
            traces.neuropil = regular_frames(traces.neuropil, traces.timestamps, str(path))[0]
        if rate is not None and abs(actual / rate - 1) > 0.01:
            found = f"{rate:g}, but frames {1 / actual:.6g} s apart"
            expected = f"{actual:.6g} as in the file's timestamps"
            fail(path, "sampling_rate_hz", expected, found, "Correct the entry.")
        traces.sampling_rate_hz = actual
    rate = check_traces(traces, str(path))
    if time is None:
        time = traces.start_s + np.arange(traces.values.shape[0]) / rate
    behaviour = traces.behaviour | _behaviour(entry, base_directory, time)
    traces, made = made_dff(traces, entry, path)
    left_out = traces.attributes.get("left_out", "")
    plausible = plausibility(traces.values, rate, made, traces.neurons, left_out, str(path))
    dff = as_type(traces.values, np.float32) if made is None else made
    attributes = {**traces.attributes, **stored(plausible), "source_format": chosen}
    if traces.notes:
        attributes["reader_notes"] = json.dumps(list(traces.notes))
    if traces.trials is not None:
        attributes[ATTRIBUTE] = trial_attribute(traces.trials)
    return make_recording(
        fluorescence=grid(dff),
        time=time,
        bin_width_s=1 / rate,
        imaging_rate_hz=rate,
        trial_start=np.zeros(1),
        sample_offset=sample_offsets(traces, entry, base_directory, path, n_in_file),
        position=traces.position,
        position_units=traces.position_units,
        neuron=traces.neurons,
        source=path.name,
        others=behaviour_variables(behaviour, time, 1 / rate),
        attributes=attributes,
    )


def _behaviour(entry: Mapping[str, Any], base_directory: str | Path, time: np.ndarray) -> dict[str, Behaviour]:
    """Return the signals in the file that `behaviour` of `entry` names, some of them within `time` [frame], s."""
    if entry.get("behaviour") is None:
        return {}
    path = find_path(entry["behaviour"], "behaviour", base_directory)
    signals = read_behaviour(path)
    clock = next(iter(signals.values())).times
    if clock[-1] < time[0] or clock[0] > time[-1]:
        expected = f"times within the recording ({time[0]:g} to {time[-1]:g} s)"
        fail(path, "time_s", expected, f"{clock[0]:g} to {clock[-1]:g} s", "Give seconds on the recording's own clock.")
    return signals


def chosen_format(entry: Mapping[str, Any], path: Path) -> str:
    """Return the format that the entry names, or that the file is known by. Raises UserError for an unknown one."""
    given = entry.get("format")
    if given not in (None, "auto"):
        if given not in FORMATS:
            fail(path, "format", f"one of {FORMATS}", f"{given!r}", "Correct it, or leave it out.")
        return given
    return next((name for name in FORMATS if reader(name).recognises(path)), FALLBACK)


def made_dff(traces: Traces, entry: Mapping[str, Any], path: Path) -> tuple[Traces, np.ndarray | Columns | None]:
    """Return dF/F [frame, neuron] made of `traces` as `is_dff` and `neuropil` of `entry` say; None where they are dF/F.

    Where only usable neurons are asked for, those whose baseline is not above 0 are left out of both.

    Raises:
        UserError: neither the file nor the entry says what the traces are, or they are no raw fluorescence.
    """
    is_dff = entry.get("is_dff", traces.is_dff)
    if is_dff is None:
        fail(path, "is_dff", "true or false", "none, and this format does not say", "Add `is_dff` to the entry.")
    if is_dff:
        return traces, None
    own = NEUROPIL_COEFFICIENT if traces.neuropil_coefficient is None else traces.neuropil_coefficient
    setting = entry.get("neuropil")
    setting = setting.get("coefficient") if isinstance(setting, Mapping) else setting
    # By identity: 1 is a coefficient, though it equals true.
    coefficient = own if setting is None or setting is True else 0.0 if setting in (False, "none") else setting
    if not isinstance(coefficient, int | float) or not 0 <= coefficient <= 2:
        fail(path, "neuropil", "a coefficient from 0 to 2", f"{coefficient!r}", "Correct it in the entry.")
    assert traces.sampling_rate_hz is not None  # see `check_traces`
    usable = entry.get("neurons") == USABLE
    dff = delta_f_over_f(
        traces.values, traces.sampling_rate_hz, str(path), traces.neuropil, coefficient, traces.neurons, usable
    )
    dark = np.concatenate([np.isnan(part).all(axis=1) for part in blocks(dff)]) if usable else np.zeros(1, bool)
    if not dark.any():
        return traces, dff
    return without(traces, np.where(dark, "a baseline that is not above 0", ""), str(path)), of_neurons(dff, ~dark)

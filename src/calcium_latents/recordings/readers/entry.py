"""An entry of config/recordings.yaml, from the file that it names to a Recording."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.preprocessing import NEUROPIL_COEFFICIENT, delta_f_over_f, subtract_neuropil
from calcium_latents.recordings.readers.arrays import read_arrays
from calcium_latents.recordings.readers.caiman import is_caiman, read_caiman
from calcium_latents.recordings.readers.netcal import is_netcal, read_netcal
from calcium_latents.recordings.readers.nwb import read_nwb
from calcium_latents.recordings.readers.suite2p import read_suite2p
from calcium_latents.recordings.readers.traces import Traces, check_traces, regular_frames, select_neurons
from calcium_latents.recordings.schema import make_recording

FORMATS = ("nwb", "suite2p", "caiman", "netcal", "arrays")


def read_user_file(entry: Mapping[str, Any], base_directory: str | Path) -> xr.Dataset:
    """Return the recording that `entry` describes as a Recording: one trial of imaging frames, dF/F.

    Args:
        entry: see the package's docstring.
        base_directory: what relative paths are relative to.

    Raises:
        UserError: names the file, the field, what was expected, what was found, and what to do.
    """
    path = _path(entry, "file", base_directory)
    chosen = _format(entry, path)
    rate = _number(entry, "sampling_rate_hz", path)
    traces = _read(entry, path, chosen, rate)
    if traces.neurons is None:
        traces.neurons = np.arange(traces.values.shape[1])
    n_in_file = int(np.max(traces.neurons)) + 1
    traces = select_neurons(traces, entry.get("neurons"), str(path))
    traces.values = np.asarray(traces.values, float)
    if traces.timestamps is not None:
        raw = traces.values
        traces.values, time, actual = regular_frames(raw, traces.timestamps, str(path))
        if traces.neuropil is not None:
            traces.neuropil = regular_frames(traces.neuropil, traces.timestamps, str(path))[0]
        if rate is not None and abs(actual / rate - 1) > 0.01:
            found = f"{rate:g}, but frames {1 / actual:.6g} s apart"
            fail(
                path,
                "sampling_rate_hz",
                f"{actual:.6g} as in the file's timestamps",
                found,
                "Correct the entry.",
            )
        traces.sampling_rate_hz = actual
    check_traces(traces, str(path))
    if traces.timestamps is None:
        time = traces.start_s + np.arange(traces.values.shape[0]) / traces.sampling_rate_hz
    dff = _as_dff(traces, entry, path)
    return make_recording(
        fluorescence=dff[None],
        time=time,
        bin_width_s=1 / traces.sampling_rate_hz,
        imaging_rate_hz=traces.sampling_rate_hz,
        trial_start=np.zeros(1),
        sample_offset=_sample_offsets(traces, entry, base_directory, path, chosen, n_in_file),
        position=traces.position,
        position_units=traces.position_units,
        neuron=traces.neurons,
        source=path.name,
        attributes={**traces.attributes, "source_format": chosen},
    )


def window_options(entry: Mapping[str, Any], base_directory: str | Path) -> dict[str, Any]:
    """Return the keyword arguments of `cut_windows` that `entry` asks for.

    `windows`: a mapping of `length_s` (default 1 s) and `overlap_s` (default 0.2 s). `trials`: none; or a
    mapping of `starts_s` (a list, or a CSV file), `before_s` and `after_s`; or a CSV file with a column
    `start_s` and, if wanted, `before_s` and `after_s`. `bin_width_s`: s, or null for one bin a frame.

    Raises:
        UserError: a field is not as said.
    """
    windows = entry.get("windows") or {}
    options = {
        "bin_width_s": _number(entry, "bin_width_s", "the entry"),
        "window_s": _number(windows, "length_s", "windows", 1.0),
        "overlap_s": _number(windows, "overlap_s", "windows", 0.2),
    }
    trials = entry.get("trials")
    if trials in (None, "none", False):
        return options
    trials = {"starts_s": trials} if isinstance(trials, str) else trials
    if not isinstance(trials, Mapping) or "starts_s" not in trials:
        fail(
            "the entry",
            "trials",
            "none, a CSV file, or a mapping with starts_s",
            f"{trials!r}",
            "Correct it.",
        )
    starts, given = trials["starts_s"], dict(trials)
    if isinstance(starts, str):
        starts, columns = _trial_table(_path(trials, "starts_s", base_directory))
        given = columns | given
    try:
        options["trial_starts_s"] = [float(start) for start in starts]
    except (TypeError, ValueError):
        fail("the entry", "trials starts_s", "a list of times in s", f"{starts!r:.100}", "Correct it.")
    options["before_s"] = _number(given, "before_s", "trials", 0.0)
    options["after_s"] = _number(given, "after_s", "trials")
    return options


def _trial_table(path: Path) -> tuple[list[float], dict[str, float]]:
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        fail(path, "file", "a CSV file of trials", f"an unreadable one ({error})", "Save it as CSV.")
    if "start_s" not in table or not pd.api.types.is_numeric_dtype(table["start_s"]):
        fail(
            path,
            "start_s",
            "a column of times in s",
            f"the columns {list(table)}",
            "Add or rename the column.",
        )
    columns = {}
    for name in ("before_s", "after_s"):
        if name in table:
            if table[name].nunique() != 1:
                fail(
                    path,
                    name,
                    "the same in all trials",
                    "several values",
                    "Trials have one length: choose it.",
                )
            columns[name] = float(table[name].iloc[0])
    return table["start_s"].tolist(), columns


def _read(entry: Mapping[str, Any], path: Path, chosen: str, rate: float | None) -> Traces:
    key = entry.get("key")
    if chosen == "nwb":
        return read_nwb(path, key, rate)
    if chosen == "suite2p":
        return read_suite2p(path, rate)
    if chosen == "caiman":
        return read_caiman(path, key, rate)
    if chosen == "netcal":
        return read_netcal(path, key, rate, entry.get("orientation"))
    neuropil = entry.get("neuropil")
    neuropil_key = neuropil.get("key") if isinstance(neuropil, Mapping) else None
    return read_arrays(path, key, rate, entry.get("orientation"), neuropil_key)


def _format(entry: Mapping[str, Any], path: Path) -> str:
    given = entry.get("format")
    if given not in (None, "auto"):
        if given not in FORMATS:
            fail(path, "format", f"one of {FORMATS}", f"{given!r}", "Correct it, or leave it out.")
        return given
    if path.is_dir():
        return "suite2p"
    if path.suffix == ".nwb":
        return "nwb"
    if is_netcal(path):
        return "netcal"
    return "caiman" if is_caiman(path) else "arrays"


def _path(entry: Mapping[str, Any], name: str, base_directory: str | Path) -> Path:
    given = entry.get(name)
    if not isinstance(given, str | Path) or not str(given):
        raise UserError(f"the entry: {name}: expected a path, found {given!r}. Add `{name}` to the entry.")
    path = Path(base_directory) / Path(given).expanduser()
    if not path.exists():
        fail(path, name, "an existing file or folder", "none", f"Correct `{name}` in the entry.")
    return path


def _number(entry: Mapping[str, Any], name: str, path: str | Path, default: float | None = None) -> float | None:
    value = entry.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        fail(path, name, "a number", f"{value!r}", "Correct it in the entry.")
    if name in ("sampling_rate_hz", "bin_width_s", "length_s") and value <= 0:
        fail(path, name, "a positive number", f"{value!r}", "Correct it in the entry.")
    return float(value)


def _as_dff(traces: Traces, entry: Mapping[str, Any], path: Path) -> np.ndarray:
    is_dff = entry.get("is_dff", traces.is_dff)
    if is_dff is None:
        fail(
            path,
            "is_dff",
            "true or false",
            "none, and this format does not say",
            "Add `is_dff` to the entry.",
        )
    if is_dff:
        return traces.values
    setting = entry.get("neuropil")
    setting = setting.get("coefficient") if isinstance(setting, Mapping) else setting
    coefficient = 0.0 if setting in (False, "none") else NEUROPIL_COEFFICIENT if setting in (None, True) else setting
    if not isinstance(coefficient, int | float) or not 0 <= coefficient <= 2:
        fail(path, "neuropil", "a coefficient from 0 to 2", f"{setting!r}", "Correct it in the entry.")
    values = traces.values
    if traces.neuropil is not None and coefficient > 0:
        values = subtract_neuropil(values, traces.neuropil, coefficient)
    return delta_f_over_f(values, traces.sampling_rate_hz, str(path))


def _sample_offsets(
    traces: Traces,
    entry: Mapping[str, Any],
    base_directory: str | Path,
    path: Path,
    chosen: str,
    n_in_file: int,
) -> np.ndarray | None:
    setting, period = entry.get("sample_offsets"), 1 / traces.sampling_rate_hz
    if setting in ("none", False) or (setting is None and chosen != "suite2p"):
        return None
    if setting in (None, "from_positions"):
        if traces.frame_fraction is None:
            if setting is None:
                return None
            fail(
                path,
                "sample_offsets",
                "positions of the neurons in a field of view of known height",
                "none",
                "Use `sample_offsets: none`, or a .npy file of seconds, one for each neuron.",
            )
        return traces.frame_fraction * period
    file = _path(entry, "sample_offsets", base_directory)
    try:
        offsets = np.asarray(np.load(file), float).ravel()
    except (OSError, ValueError) as error:
        fail(file, "sample_offsets", "a .npy file of numbers", f"an unreadable one ({error})", "Save it again.")
    if offsets.size == traces.neurons.size:
        pass
    elif offsets.size >= n_in_file:
        offsets = offsets[traces.neurons]
    else:
        expected = f"one value a neuron ({traces.neurons.size})"
        fail(file, "sample_offsets", expected, f"{offsets.size}", "Give one for each neuron, in s.")
    if not np.isfinite(offsets).all() or offsets.min() < 0 or offsets.max() >= period:
        found = f"{offsets.min():g} to {offsets.max():g}"
        fail(
            file,
            "sample_offsets",
            f"seconds from 0 to below {period:g}",
            found,
            "Count from the start of the frame.",
        )
    return offsets

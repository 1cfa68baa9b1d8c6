"""What the header of a user's file says before it is read: how many frames and neurons there are, and at what rate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.io

from calcium_latents.files import user_path
from calcium_latents.recording_formats import FALLBACK
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.grids import check_within
from calcium_latents.recordings.readers.behaviour_table import read_behaviour
from calcium_latents.recordings.readers.cutting import window_options
from calcium_latents.recordings.readers.entry import chosen_format
from calcium_latents.recordings.readers.entry_fields import find_path
from calcium_latents.recordings.readers.formats import suite2p
from calcium_latents.recordings.readers.formats.arrays import choose_matrix, open_variables
from calcium_latents.recordings.readers.opening import is_hdf5, load_npy, reading


class Header(NamedTuple):
    """Of the traces in a file, all that it has."""

    frames: int
    neurons: int
    rate_hz: float

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last."""
        return self.frames / self.rate_hz


def check_files(entry: Mapping[str, Any], base_directory: str | Path) -> Header | None:
    """Check what an entry says of its files, as far as their headers and tables tell; return the matrix's header.

    Args:
        entry: see the package's docstring; its windows are those that it is cut by.
        base_directory: what relative paths are relative to.

    Returns:
        None for formats other than plain matrices and suite2p's folders: they are looked into when they are imported.

    Raises:
        UserError: a field is missing or does not fit the file.
    """
    if entry.get("behaviour") is not None:
        read_behaviour(find_path(entry["behaviour"], "behaviour", base_directory))
    options = window_options(entry, base_directory)
    header = _header(entry, find_path(entry["file"], "file", base_directory, folders=True))
    if header is None:
        return None
    path = user_path(entry["file"], base_directory)
    if isinstance(wanted := entry.get("neurons"), list | tuple) and max(wanted) >= header.neurons:
        fail(path, "neurons", f"numbers below {header.neurons}", f"{max(wanted)}", "Correct the entry.")
    if not path.is_dir() and entry.get("sample_offsets") not in (None, "none", "from_positions"):
        file = find_path(entry["sample_offsets"], "sample_offsets", base_directory)
        count = load_npy(file, mapped=True).size
        if count < (header.neurons if not isinstance(wanted, list | tuple) else len(wanted)):
            fail(file, "sample_offsets", f"one value a neuron ({header.neurons})", f"{count}", "Give one for each.")
    cut = options.get("trials") is not None and options.get("cut_trials", True)
    if not cut and options["window_s"] > header.duration_s:
        expected = f"at most the recording's {header.duration_s:g} s"
        fail(path, "windows length_s", expected, f"{options['window_s']:g} s", "Shorten the windows.")
    if cut and not isinstance(options["trials"], str):  # else a table in the file, which the import reads
        _check_trials(options, header, path)
    return header


def _check_trials(options: Mapping[str, Any], header: Header, path: Path) -> None:
    """Check that no trial lies outside of the recording by more than a frame."""
    trials = options["trials"]
    table = trials if isinstance(trials, pd.DataFrame) else pd.DataFrame({"start_s": trials})
    begin, after = table["start_s"] - options["before_s"], options["after_s"]
    end = table["start_s"] + after if after is not None else table.get("stop_s", table["start_s"])
    check_within(begin.to_numpy(), end.to_numpy(), (0.0, header.duration_s), 1 / header.rate_hz, path)


def _header(entry: Mapping[str, Any], path: Path) -> Header | None:
    if path.is_dir() and chosen_format(entry, path) == "suite2p":
        frames, rois, rate = suite2p.size(path, entry)
        return None if rate is None else Header(frames, rois, rate)
    if path.is_dir() or chosen_format(entry, path) != FALLBACK:
        return None
    for field, expected in (("sampling_rate_hz", "imaging frames per second"), ("is_dff", "true or false")):
        if entry.get(field) is None:
            fail(path, field, expected, "none, and this format does not say", f"Add `{field}` to the entry.")
    shape = _shape(path, entry.get("key"))
    if shape is None:
        return None
    if len(shape) != 2 or 0 in shape:
        fail(path, "key", "a matrix of numbers", f"shape {shape}", "Name another one with `key`.")
    orientation = entry.get("orientation")
    if orientation is None and max(shape) < 10 * min(shape):
        found = f"none, and {shape[0]} x {shape[1]}, which may be either"
        fail(path, "orientation", "neurons x frames or frames x neurons", found, "Add `orientation` to the entry.")
    turned = shape[1] > shape[0] if orientation is None else orientation == "neurons x frames"
    frames, neurons = shape[::-1] if turned else shape
    return Header(frames, neurons, float(entry["sampling_rate_hz"]))


def _shape(path: Path, key: str | None) -> tuple[int, ...] | None:
    """Return the shape of the matrix; None where the whole file would have to be read for it."""
    if path.suffix.lower() == ".npy":
        return load_npy(path, mapped=True).shape
    if path.suffix.lower() == ".mat" and not is_hdf5(path):
        with reading(path, "a MATLAB file"):
            known = {name: (shape, np.dtype(float)) for name, shape, kind in scipy.io.whosmat(path) if kind in NUMBERS}
        return known[choose_matrix(path, key, known)][0] if known and "/" not in (key or "").strip("/") else None
    with open_variables(path, key) as found:
        return found[choose_matrix(path, key, found)][0]


#: Classes of MATLAB's arrays of numbers.
NUMBERS = {"double", "single"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}

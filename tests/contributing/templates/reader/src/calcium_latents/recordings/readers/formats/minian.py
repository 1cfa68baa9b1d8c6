"""Minian's results in netCDF: the denoised traces C [unit_id, frame], of a miniscope."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.traces import Traces


def recognises(path: Path) -> bool:
    """Whether `path` is a netCDF file with a variable C over unit_id."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return "C" in file and "unit_id" in file


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the traces; Minian does not say how often it sampled, so the entry must.

    Raises:
        UserError: no netCDF file, or C is not over unit_id and frame.
    """
    rate = number(entry, "sampling_rate_hz", path)
    try:
        traces = xr.open_dataarray(path, engine="h5netcdf") if path.is_file() else None
    except (OSError, ValueError) as error:
        fail(path, "file", "Minian's C in netCDF", f"an unreadable one ({error})", "Save it with to_netcdf.")
    if traces is None or set(traces.dims) != {"unit_id", "frame"}:
        found = "no file" if traces is None else f"dimensions {traces.dims}"
        fail(path, "C", "dimensions unit_id and frame", found, "Save Minian's C alone.")
    units = traces["unit_id"].values
    return Traces(traces.transpose("frame", "unit_id").values, rate, is_dff=True, neurons=units)

"""Boxes on disk: netCDF4 files with checked contents, written atomically, with the same bytes each time."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.files import atomic_file
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.slabs import slabs

# One MiB of float32: large enough to compress well, small enough to read a few trials cheaply.
CHUNK_VALUES = 262_144
PROVENANCE = ("config_digest", "code_digest", "versions")


def attribute(value: Any) -> str | int | float | np.ndarray:
    """Return `value` as netCDF stores it: flags as 0/1, mappings and lists of text as JSON."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if value is None or isinstance(value, Mapping | list | tuple):
        return json.dumps(value, sort_keys=True, default=str)
    return str(value) if isinstance(value, Path) else value


def write_dataset(dataset: xr.Dataset, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Write `dataset` with `provenance` as attributes: zlib level 1, chunks of whole trials, atomically."""
    for name in PROVENANCE:
        if not provenance.get(name):
            found = f"only {sorted(provenance)}"
            fail(path, f"provenance {name}", "an entry", found, "Pass the result of provenance(...).")
    dataset = dataset.drop_encoding()
    dataset.attrs = dataset.attrs | {name: attribute(v) for name, v in provenance.items() if v is not None}
    # One order, whatever the order in which the parts were put together.
    dataset = dataset[sorted(map(str, dataset.data_vars))]
    dataset.attrs = {name: dataset.attrs[name] for name in sorted(dataset.attrs)}
    encoding = {str(name): _encoding(array) for name, array in dataset.variables.items()}
    with atomic_file(path) as file:
        dataset.to_netcdf(file, engine="h5netcdf", encoding=encoding)


def _encoding(array: xr.Variable) -> dict[str, Any]:
    encoding: dict[str, Any] = {}
    if array.dtype.kind == "f":
        missing = any(np.isnan(array.values[at]).any() for at in slabs(array.values))
        encoding["_FillValue"] = np.array(np.nan, array.dtype)[()] if missing else None
    if array.ndim == 3:
        trials, bins, columns = array.shape
        columns_chunk = min(columns, 1024)
        bins_chunk = max(1, min(bins, CHUNK_VALUES // columns_chunk))
        trials_chunk = max(1, min(trials, CHUNK_VALUES // (columns_chunk * bins_chunk)))
        encoding |= {"zlib": True, "complevel": 1, "chunksizes": (trials_chunk, bins_chunk, columns_chunk)}
    elif array.ndim == 2 and array.size > CHUNK_VALUES:
        # Thousands of one-bin trials: sample offsets as large as the events, and mostly equal.
        rows, columns = array.shape
        columns_chunk = min(columns, 1024)
        chunks = (min(rows, CHUNK_VALUES // columns_chunk), columns_chunk)
        encoding |= {"zlib": True, "complevel": 1, "chunksizes": chunks}
    return encoding


def read_dataset(path: str | Path, variables: list[str] | None = None) -> xr.Dataset:
    """Read a netCDF box into memory; `variables` restricts it to these and the coordinates.

    Raises:
        UserError: the file is missing, no netCDF, or lacks a variable or its provenance.
    """
    path = Path(path)
    if not path.is_file():
        fail(path, "file", "a netCDF file", "no such file", "Run its step, or correct the path.")
    try:
        # Times stay numbers: "s" is a unit here, not a calendar. Missing samples are NaN: nothing is to be masked.
        with xr.open_dataset(
            path, engine="h5netcdf", mask_and_scale=False, decode_times=False, decode_timedelta=False
        ) as opened:
            missing = [name for name in variables or () if name not in opened.variables]
            if missing:
                fail(path, missing[0], "this variable", f"only {sorted(map(str, opened.variables))}", "Run its step.")
            dataset = (opened if variables is None else opened[list(variables)]).load()
    except (OSError, ValueError, KeyError) as error:
        fail(path, "file", "a netCDF4 file", f"an unreadable one ({error})", "Make it again.")
    for array in dataset.variables.values():
        array.attrs.pop("_FillValue", None)
    for name in PROVENANCE:
        if name not in dataset.attrs:
            fail(path, f"attribute {name}", "the file's provenance", "none", "Make it again.")
    return dataset

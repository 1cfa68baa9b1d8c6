"""Boxes on disk: netCDF4 files with checked contents, written atomically, with the same bytes each time."""

import json
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from calcium_latents.files import atomic_path
from calcium_latents.progress import progress
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.lazy import LazyArray, block_neurons, lazy_names, neuron_blocks
from calcium_latents.recordings.slabs import slabs

# One MiB of float32: large enough to compress well, small enough to read a few trials, or neurons, cheaply.
CHUNK_VALUES = 262_144
PROVENANCE = ("config_digest", "code_digest", "versions")
COMPRESSION = {"compression": "gzip", "compression_opts": 1}


class PartCheck(Protocol):
    """What must hold of variables of one shape, looked at a part after another."""

    names: tuple[str, ...]

    def add(self, parts: Mapping[str, np.ndarray], at: tuple[slice, ...]) -> None:
        """Look at `parts`: variable -> its values (any shape) `at` these slices."""

    def finish(self) -> None:
        """Raise the UserError for what was found."""


def attribute(value: Any) -> str | int | float | np.ndarray:
    """Return `value` as netCDF stores it: flags as 0/1, mappings and lists of text as JSON."""
    if isinstance(value, bool | np.bool_):
        return int(value)
    if value is None or isinstance(value, Mapping | list | tuple):
        return json.dumps(value, sort_keys=True, default=str)
    return str(value) if isinstance(value, Path) else value


def write_dataset(
    dataset: xr.Dataset, path: str | Path, provenance: Mapping[str, Any], checks: Sequence[PartCheck] = ()
) -> None:
    """Write `dataset` with `provenance` as attributes: zlib level 1, in chunks, atomically.

    Variables that are not in memory, and those of the same dims, are written a block of neurons at a time, and `checks`
    look at every block: what they raise leaves no file.
    """
    for name in PROVENANCE:
        if not provenance.get(name):
            found = f"only {sorted(provenance)}"
            fail(path, f"provenance {name}", "an entry", found, "Pass the result of provenance(...).")
    dataset = dataset.drop_encoding()
    dataset.attrs = dataset.attrs | {name: attribute(v) for name, v in provenance.items() if v is not None}
    # One order, whatever the order in which the parts were put together.
    dataset = dataset[sorted(map(str, dataset.data_vars))]
    dataset.attrs = {name: dataset.attrs[name] for name in sorted(dataset.attrs)}
    lazy = {dataset[name].dims for name in lazy_names(dataset)}
    blockwise = [str(name) for name, array in dataset.data_vars.items() if array.dims in lazy]
    whole = dataset.drop_vars(blockwise)
    with atomic_path(path) as temporary:
        encoding = {str(name): _encoding(array) for name, array in whole.variables.items()}
        whole.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
        if blockwise:
            with h5netcdf.File(temporary, "r+") as file:
                _write_blocks(dataset[blockwise], file, Path(path).name, checks)


def _write_blocks(dataset: xr.Dataset, file: h5netcdf.File, name: str, checks: Sequence[PartCheck]) -> None:
    """Append the variables of `dataset`, all of one shape [trial, time, neuron], to an open file."""
    arrays = {str(key): array for key, array in dataset.data_vars.items()}
    (shape,) = {array.shape for array in arrays.values()}
    for key, array in arrays.items():
        fill = np.array(np.nan, array.dtype)[()] if array.dtype.kind == "f" else None
        words = {"chunks": _chunks(shape), "fillvalue": fill, **COMPRESSION}
        file.create_variable(key, array.dims, array.dtype, **words).attrs.update(array.attrs)
    for block in progress(list(neuron_blocks(shape)), f"write {name}", unit="block"):
        at = (slice(None), slice(None), block)
        parts = {key: array[at].values for key, array in arrays.items()}
        for check in checks:
            check.add(parts, at)
        for key, part in parts.items():
            file.variables[key][at] = part
    for check in checks:
        check.finish()


def unnamed_array(folder: str | Path, shape: tuple[int, ...]) -> h5py.Dataset:
    """Return a dataset of float32 [trial, time, neuron] on disk, in a file of `folder` that has no name any more.

    It is gone when nothing refers to it, however the process ends.
    """
    path = Path(folder) / f".{secrets.token_hex(6)}.partial.h5"
    file = h5py.File(path, "w")
    path.unlink()
    return file.create_dataset("values", shape, np.float32, chunks=_chunks(shape), compression="lzf")


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the chunks of an array [trial, time, column]: of whole trials where these are short."""
    trials, bins, _ = shape
    columns_chunk = block_neurons(shape)
    bins_chunk = max(1, min(bins, CHUNK_VALUES // columns_chunk))
    return max(1, min(trials, CHUNK_VALUES // (columns_chunk * bins_chunk))), bins_chunk, columns_chunk


def _encoding(array: xr.Variable) -> dict[str, Any]:
    encoding: dict[str, Any] = {}
    if array.dtype.kind == "f":
        missing = any(np.isnan(array.values[at]).any() for at in slabs(array.values))
        encoding["_FillValue"] = np.array(np.nan, array.dtype)[()] if missing else None
    if array.ndim == 3:
        encoding |= {"chunksizes": _chunks(array.shape), **COMPRESSION}
    elif array.ndim == 2 and array.size > CHUNK_VALUES:
        # Thousands of one-bin trials: sample offsets as large as the events, and mostly equal.
        rows, columns = array.shape
        columns_chunk = min(columns, 1024)
        encoding |= {"chunksizes": (min(rows, CHUNK_VALUES // columns_chunk), columns_chunk), **COMPRESSION}
    return encoding


def read_dataset(path: str | Path, variables: list[str] | None = None) -> xr.Dataset:
    """Read a netCDF box into memory; `variables` restricts it to these and the coordinates.

    Raises:
        UserError: the file is missing, no netCDF, or lacks a variable or its provenance.
    """
    with _opened(path) as opened, _readable(path):
        missing = [name for name in variables or () if name not in opened.variables]
        if missing:
            fail(path, missing[0], "this variable", f"only {sorted(map(str, opened.variables))}", "Run its step.")
        return (opened if variables is None else opened[list(variables)]).load()


@contextmanager
def open_dataset(path: str | Path, lazy_dims: tuple[str, ...]) -> Generator[xr.Dataset]:
    """Yield a netCDF box; its variables of `lazy_dims` are read when they are asked for, while it is open.

    Raises:
        UserError: the file is missing, no netCDF, lacks its provenance, or is damaged where it is read.
    """

    def block(array: xr.DataArray, first: int, stop: int) -> np.ndarray:
        with _readable(path):
            return array[..., first:stop].values

    with _opened(path) as opened:
        large = {str(name): array for name, array in opened.data_vars.items() if array.dims == lazy_dims}
        with _readable(path):
            dataset = opened.drop_vars(large).load()
        for name, array in large.items():
            lazy = LazyArray(array.shape, array.dtype, partial(block, array))
            dataset[name] = (array.dims, lazy.indexed(), array.attrs)
        yield dataset


@contextmanager
def _opened(path: str | Path) -> Generator[xr.Dataset]:
    """Yield a netCDF box of which nothing but attributes and coordinates is read yet."""
    path = Path(path)
    if not path.is_file():
        fail(path, "file", "a netCDF file", "no such file", "Run its step, or correct the path.")
    with _readable(path):
        # Times stay numbers: "s" is a unit here, not a calendar. Missing samples are NaN: nothing is to be masked.
        opened = xr.open_dataset(
            path, engine="h5netcdf", cache=False, mask_and_scale=False, decode_times=False, decode_timedelta=False
        )
    with opened:
        for array in opened.variables.values():
            array.attrs.pop("_FillValue", None)
        for name in PROVENANCE:
            if name not in opened.attrs:
                fail(path, f"attribute {name}", "the file's provenance", "none", "Make it again.")
        yield opened


@contextmanager
def _readable(path: str | Path) -> Generator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        fail(path, "file", "a netCDF4 file", f"an unreadable one ({error})", "Make it again.")

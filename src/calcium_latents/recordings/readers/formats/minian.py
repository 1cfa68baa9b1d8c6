"""Minian's results (miniscopes): variables over unit_id and frame in netCDF, or in folders of zarr.

Minian saves a folder with a group of zarr for each variable (C.zarr: denoised traces; A.zarr: footprints) or, in older
versions, one for all. Its units are those of the movie after its background was taken off: no dF/F.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recording_formats import is_zarr, zarr_group
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import Columns, empty
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.opening import hdf5_has, reading, refuse_pickles
from calcium_latents.recordings.readers.stored import parts
from calcium_latents.recordings.readers.traces import Traces


def recognises(path: Path) -> bool:
    """Whether `path` is a netCDF file with C over unit_id, or a folder of zarr."""
    return is_zarr(path) or hdf5_has(path, "C", "unit_id")


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the traces of all units; Minian does not say how often it sampled, so the entry must.

    Positions are centres of mass of A where it stands beside. Frames that `frame` leaves out are missing samples.

    Args:
        path: a netCDF file, a folder of Minian's (with C.zarr in it), or one group of zarr.
        entry: `sampling_rate_hz`, needed; `key`, the variable, default C (denoised); YrA is the one with its noise.

    Raises:
        UserError: no such file or variable, one that is not over unit_id and frame, no rate, or zarr is not installed.
    """
    rate, key = number(entry, "sampling_rate_hz", path), entry.get("key") or "C"
    if rate is None:
        advice = "Minian does not store it: add `sampling_rate_hz` to the entry."
        fail(path, "sampling_rate_hz", "imaging frames per second", "none", advice)
    with _opened(path, key) as found:
        if key not in found:
            known = sorted({*map(str, found), *(group.stem for group in path.glob("*.zarr"))})
            fail(path, "key", f"one of {known}", f"{key!r}", "Correct `key` in the entry.")
        traces = found[key].squeeze(drop=True)
        if set(traces.dims) != {"unit_id", "frame"}:
            fail(path, key, "dimensions unit_id and frame", f"{traces.dims}", "Name another variable by `key`.")
        values = _samples(traces)
        units, frames = (np.asarray(traces[name].values) for name in ("unit_id", "frame"))
    with _opened(path, "A") as found:
        position = _centres(found["A"].squeeze(drop=True), units) if "A" in found else None
    if len(np.unique(units)) < len(units):
        fail(path, "unit_id", "each unit once", "some more than once", "Save it again.")
    gaps = len(frames) > 1 and (np.diff(frames) > 1).any()
    return Traces(
        values=values,
        sampling_rate_hz=rate,
        timestamps=frames / rate if gaps else None,
        start_s=float(frames[0]) / rate,
        position=position,
        neurons=units.astype(int),
    )


def _samples(traces: xr.DataArray) -> np.ndarray | Columns:
    """Return traces over frame and unit_id [frame, unit], a part at a time."""
    turned, array = traces.dims[0] == "unit_id", traces.variable
    values = empty(traces.sizes["frame"], traces.sizes["unit_id"], traces.dtype)
    chunks = array.encoding.get("preferred_chunks", {})
    for part in parts(array.shape, [chunks.get(dim, 1) for dim in array.dims]):
        block = np.asarray(array[part])
        values[part[::-1] if turned else part] = block.T if turned else block
    return values


@contextmanager
def _opened(path: Path, name: str) -> Generator[xr.Dataset]:
    """Yield the dataset that has variable `name`, or another one of the same results."""
    if path.is_dir():
        group = zarr_group(path, name)
        if find_spec("zarr") is None:
            advice = "Run `./run install minian`, or save C with xarray's to_netcdf and name that file."
            raise UserError(f"{path}: file: expected the Python package zarr, which reads this folder. {advice}")
        refuse_pickles(group)
        with reading(group, "a group of zarr"), xr.open_zarr(group, decode_times=False) as found:
            yield found
    else:
        with (
            reading(path, "Minian's results in netCDF", "Save them with to_netcdf."),
            xr.open_dataset(path, engine="h5netcdf", decode_times=False, phony_dims="sort") as found,
        ):
            yield found


def _centres(footprints: xr.DataArray, units: np.ndarray) -> np.ndarray | None:
    """Return centres of mass [unit, (x, y)] in pixels of the cropped movie."""
    if set(footprints.dims) != {"unit_id", "height", "width"} or not set(units) <= set(footprints["unit_id"].values):
        return None
    centres = []
    for unit in units:
        image = footprints.sel(unit_id=unit).transpose("height", "width").values
        weight = image.sum() or 1.0
        centres.append([image.sum(axis) @ np.arange(image.shape[1 - axis]) / weight for axis in (0, 1)])
    return np.array(centres, float)

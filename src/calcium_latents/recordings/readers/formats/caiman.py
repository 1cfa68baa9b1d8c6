"""CaImAn results (CNMF.save): HDF5 with a group `estimates` (C, YrA, F_dff, A, b, f) and `params`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import Columns, held, summed
from calcium_latents.recordings.readers.caiman_background import background_under
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.opening import hdf5_has, open_hdf5
from calcium_latents.recordings.readers.stored import hdf5_matrix
from calcium_latents.recordings.readers.traces import Traces

#: CaImAn's own default, which it stores whether or not the user set it.
DEFAULT_RATE_HZ = 30.0


def recognises(path: Path) -> bool:
    """Whether `path` is an HDF5 file with CaImAn's `estimates`."""
    return hdf5_has(path, "estimates", "estimates/C")


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the accepted components of CaImAn's results.

    Traces are the entry's `key` of the estimates or, by default, F_dff where it was computed, else the fluorescence
    C + YrA (what CaImAn deconvolves: the background is removed). That is no dF/F: the baseline is taken from the
    background b f under each component, as CaImAn's own detrend_df_f does. Positions are centres of mass of A.
    Frames before an online run (OnACID) found a component, zeros in C + YrA, are missing samples.

    Raises:
        UserError: no such file or estimates, parts that do not fit together, no component that the user accepted, or
            fluorescence without background where the entry does not say that it is dF/F.
    """
    rate, notes = number(entry, "sampling_rate_hz", path), []
    with open_hdf5(path, "CaImAn results in HDF5", "Save them with CNMF.save.") as file:
        estimates = file.get("estimates")
        if not isinstance(estimates, h5py.Group):
            expected = "a group of CaImAn's estimates"
            fail(path, "estimates", expected, f"only {sorted(file)}", "Save with CNMF.save.")
        if rate is None:
            rate = _number(file.get("params/data/fr"))
            if rate == DEFAULT_RATE_HZ:
                notes.append("30 Hz is what CaImAn stores by default, too: is it the imaging rate?")
        chosen, measured = _traces(estimates, entry.get("key"), path)
        frames, count = chosen.shape
        keep = _accepted(estimates.get("idx_components"), count, path)
        footprints, dims = _matrix(estimates.get("A")), _dims(file)
        fits = footprints is not None and footprints.shape[1] == count
        given = entry.get("key") is not None
        dff = None if given else _has_matrix(estimates, "F_dff")
        background = None
        if given and entry["key"] == "F_dff":
            dff = True
        elif dff is False and not entry.get("is_dff"):
            background = _background(estimates, footprints, keep, frames) if fits else None
            if background is None:
                found = "neither, but C in units of fluorescence"
                advice = "Run estimates.detrend_df_f before saving; or add `is_dff: true` to take C + YrA as it is."
                fail(path, "estimates/F_dff", "dF/F, or the background (b, f) for it", found, advice)
    position = fraction = None
    if fits and footprints is not None and dims is not None and footprints.shape[0] == dims[0] * dims[1]:
        position = _centres(footprints[:, keep], dims)
        fraction = np.clip(position[:, 1] / dims[0], 0, 1 - 1e-6)
    if measured is not None and measured.shape != chosen.shape:
        measured = None

    def samples(numbers: np.ndarray) -> np.ndarray:
        block = np.asarray(chosen[:, keep[numbers]])
        if measured is not None:
            block = np.where(before_found(measured[:, keep[numbers]].T).T, np.nan, block)
        # The background is added, and its changes are taken off again as neuropil: its mean is the baseline.
        return block if background is None else block + background[:, numbers]

    return Traces(
        values=held(Columns((frames, keep.size), samples(np.arange(1)).dtype, samples)),
        sampling_rate_hz=rate,
        is_dff=dff,
        neuropil=None if background is None else held(background),
        neuropil_coefficient=None if background is None else 1.0,
        position=position,
        frame_fraction=fraction,
        neurons=keep,
        notes=tuple(notes),
    )


def before_found(measured: np.ndarray) -> np.ndarray:
    """Return [component, frame], whether the frame comes before an online run found the component.

    Args:
        measured: C + YrA [component, frame]: zeros until a component is found. A trace that is nowhere below zero is
            denoised and may rest at zero: nothing of it is missing.
    """
    started = np.maximum.accumulate(measured != 0, axis=1)
    return ~started & (measured.min(axis=1, keepdims=True) < 0)


def _has_matrix(estimates: h5py.Group, name: str) -> bool:
    """Whether something was computed: CaImAn stores None as text."""
    item = estimates.get(name)
    return isinstance(item, h5py.Dataset) and item.ndim == 2 and item.dtype.kind in "fiu" and 0 not in item.shape


def _traces(
    estimates: h5py.Group, key: str | None, path: Path
) -> tuple[np.ndarray | Columns, np.ndarray | Columns | None]:
    """Return the traces wanted and C + YrA, or None, both [frame, component]."""
    matrices = sorted(name for name in estimates if _has_matrix(estimates, name))
    if key is not None and key not in matrices:
        fail(path, "key", f"one of {matrices} in estimates", f"{key!r}", "Correct `key` in the entry.")
    if key is None and "F_dff" not in matrices and "C" not in matrices:
        fail(path, "estimates/C", "a matrix of traces", f"only {matrices}", "Run CNMF.fit before saving.")

    def stored(name: str) -> np.ndarray | Columns:
        return hdf5_matrix(path, f"estimates/{name}", turned=True).columns()

    shape = estimates["C"].shape if "C" in matrices else None
    if shape is not None and "YrA" in matrices and (found := estimates["YrA"].shape) != shape:
        fail(path, "estimates/YrA", f"the shape of C {shape}", f"{found}", "Fit again.")
    name = key or ("F_dff" if "F_dff" in matrices else None)
    if key is None and name is not None and shape is not None and (found := estimates[name].shape) != shape:
        fail(path, "estimates/F_dff", f"the shape of C {shape}", f"{found}", "Compute it again.")
    measured = stored("C") if shape is not None else None
    if measured is not None and "YrA" in matrices:
        measured = summed(measured, stored("YrA"))
    chosen = measured if name is None else stored(name)
    assert chosen is not None
    return chosen, measured


def _accepted(item: Any, count: int, path: Path) -> np.ndarray:
    """Return the numbers of the components that the user accepted; all where nothing was evaluated (text for None)."""
    if not isinstance(item, h5py.Dataset) or item.ndim != 1 or item.dtype.kind not in "fiu":
        return np.arange(count)
    # An empty list is stored as an empty array of float64.
    given = np.sort(np.asarray(item[()], float))
    if given.size == 0:
        advice = "Accept some in CaImAn, or store None to take all."
        fail(path, "idx_components", "at least one component", "none: the user accepted no component", advice)
    if (given != np.round(given)).any() or given[0] < 0 or given[-1] >= count or (np.diff(given) == 0).any():
        found = f"{given.size}, from {given[0]:g} to {given[-1]:g}"
        fail(path, "idx_components", f"different components below {count}", found, "Evaluate them again.")
    return given.astype(int)


def _background(
    estimates: h5py.Group, footprints: scipy.sparse.csc_matrix | None, keep: np.ndarray, frames: int
) -> Columns | None:
    """Return the background under each component [frame, component] in the units of C; None where there is none."""
    if footprints is None:
        return None
    part = footprints[:, keep]
    spatial = _matrix(estimates.get("b"))
    if spatial is not None and _has_matrix(estimates, "f"):
        temporal = estimates["f"][()]
        if spatial.shape != (part.shape[0], len(temporal)) or temporal.shape[1] < frames:
            return None
        return background_under(part, spatial, temporal[:, :frames])
    still = estimates.get("b0")  # of CNMF-E, whose ring model has no b and f
    if isinstance(still, h5py.Dataset) and still.dtype.kind in "fiu" and still.size == part.shape[0]:
        return background_under(part, still[()].reshape(-1, 1), np.ones((1, frames)))
    return None


def _number(item: Any) -> float | None:
    """Return a number of the file; None where CaImAn stored None, as text."""
    known = isinstance(item, h5py.Dataset) and item.size == 1 and item.dtype.kind in "fiu"
    return float(np.ravel(item[()])[0]) if known else None


def _matrix(item: Any) -> scipy.sparse.csc_matrix | None:
    """Return a matrix that CaImAn stored whole, or in parts because it is sparse."""
    if isinstance(item, h5py.Dataset) and item.ndim == 2 and item.dtype.kind in "fiu":
        return scipy.sparse.csc_matrix(item[()])
    if not isinstance(item, h5py.Group) or not {"data", "indices", "indptr", "shape"} <= set(item):
        return None
    parts = (item["data"][()], item["indices"][()], item["indptr"][()])
    return scipy.sparse.csc_matrix(parts, shape=tuple(int(n) for n in item["shape"][()]))


def _dims(file: h5py.File) -> tuple[int, int] | None:
    for name in ("dims", "estimates/dims", "params/data/dims"):
        item = file.get(name)
        if isinstance(item, h5py.Dataset) and item.shape == (2,) and item.dtype.kind in "iuf":
            return int(item[0]), int(item[1])
    return None


def _centres(footprints: scipy.sparse.csc_matrix, dims: tuple[int, int]) -> np.ndarray:
    """Return centres of mass [component, (x, y)]; CaImAn flattens images column by column."""
    pixel = np.arange(footprints.shape[0])
    weight = np.asarray(footprints.sum(axis=0)).ravel()
    weight[weight == 0] = 1
    return np.stack([footprints.T @ (pixel // dims[0]) / weight, footprints.T @ (pixel % dims[0]) / weight], axis=1)

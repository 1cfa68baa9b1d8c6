"""CaImAn results (CNMF.save): HDF5 with a group `estimates` (C, YrA, F_dff, A) and `params`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.traces import Traces


def recognises(path: Path) -> bool:
    """Whether `path` is an HDF5 file with CaImAn's `estimates`."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return "estimates" in file and "C" in file["estimates"]


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the accepted components of CaImAn's results.

    Traces are the entry's `key` of the estimates or, by default, F_dff where it was computed, else C + YrA (what CaImAn
    deconvolves: background removed, so that it counts as dF/F), else C. Positions are centres of mass of A.

    Raises:
        UserError: no such file or estimates, or parts that do not fit together.
    """
    key, sampling_rate_hz = entry.get("key"), number(entry, "sampling_rate_hz", path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        found = f"an unreadable one ({error})"
        fail(path, "file", "CaImAn results in HDF5", found, "Save them with CNMF.save.")
    with file:
        if "estimates" not in file:
            expected = "a group of CaImAn's estimates"
            fail(path, "estimates", expected, f"only {sorted(file)}", "Save with CNMF.save.")
        estimates = file["estimates"]
        # CaImAn stores None as text: only matrices count.
        matrices = sorted(n for n, item in estimates.items() if isinstance(item, h5py.Dataset) and item.ndim == 2)
        if key is not None:
            if key not in matrices:
                fail(path, "key", f"one of {matrices} in estimates", f"{key!r}", "Correct `key` in the entry.")
            values = estimates[key][()]
        elif "F_dff" in matrices:
            values = estimates["F_dff"][()]
        elif "C" in matrices:
            values = estimates["C"][()]
            if "YrA" in matrices and estimates["YrA"].shape == values.shape:
                values = values + estimates["YrA"][()]
        else:
            fail(path, "estimates/C", "a matrix of traces", f"only {matrices}", "Run CNMF.fit before saving.")
        if sampling_rate_hz is None and "params/data/fr" in file:
            sampling_rate_hz = float(file["params/data/fr"][()])
        footprints, dims = _footprints(estimates), _dims(file)
        keep = np.arange(values.shape[0])
        accepted = estimates.get("idx_components")
        if isinstance(accepted, h5py.Dataset) and accepted.ndim == 1 and accepted.dtype.kind in "iu":
            keep = np.sort(accepted[()].astype(int))
        if keep.size == 0 or keep[-1] >= values.shape[0]:
            found = f"{keep.size}, up to {keep.max(initial=-1)}"
            fail(path, "idx_components", f"components below {values.shape[0]}", found, "Evaluate them again.")
    position = fraction = None
    if footprints is not None and dims is not None and footprints.shape == (dims[0] * dims[1], values.shape[0]):
        position = _centres(footprints, dims)[keep]
        fraction = np.clip(position[:, 1] / dims[0], 0, 1 - 1e-6)
    return Traces(
        values=values[keep].T,
        sampling_rate_hz=sampling_rate_hz,
        is_dff=True,
        position=position,
        frame_fraction=fraction,
        neurons=keep,
    )


def _footprints(estimates: h5py.Group) -> scipy.sparse.csc_matrix | None:
    group = estimates.get("A")
    if isinstance(group, h5py.Dataset) and group.ndim == 2:
        return scipy.sparse.csc_matrix(group[()])
    if not isinstance(group, h5py.Group) or not {"data", "indices", "indptr", "shape"} <= set(group):
        return None
    parts = (group["data"][()], group["indices"][()], group["indptr"][()])
    return scipy.sparse.csc_matrix(parts, shape=tuple(int(n) for n in group["shape"][()]))


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

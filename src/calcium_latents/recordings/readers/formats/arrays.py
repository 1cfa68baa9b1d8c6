"""Plain matrices of traces: .npy, HDF5, and MATLAB files of version 5 (SciPy) and 7.3 (which are HDF5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.traces import Traces, oriented


def recognises(path: Path) -> bool:
    """Return False: any matrix may be meant, so this reader takes what no other recognises."""
    return False


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read traces from a matrix in a .npy, HDF5 or .mat file.

    Args:
        path: the file.
        entry: `key`, name of the matrix (a path inside HDF5), not needed where the file holds a single matrix;
            `sampling_rate_hz`, imaging frames per second, which such files do not say; `orientation`, see
            `traces.oriented` (a matrix of a MATLAB 7.3 file counts as MATLAB shows it); `neuropil`, a mapping whose
            `key` names a matrix of neuropil traces in the same file.

    Raises:
        UserError: no such matrix, several and no key, or an orientation that cannot be told.
    """
    sampling_rate_hz, orientation = number(entry, "sampling_rate_hz", path), entry.get("orientation")
    neuropil_setting = entry.get("neuropil")
    neuropil_key = neuropil_setting.get("key") if isinstance(neuropil_setting, Mapping) else None
    matrix, name = read_matrix(path, entry.get("key"))
    values = oriented(matrix, orientation, str(path), name)
    neuropil = None
    if neuropil_key is not None:
        neuropil = oriented(read_matrix(path, neuropil_key)[0], orientation, str(path), neuropil_key)
    return Traces(values=values, sampling_rate_hz=sampling_rate_hz, neuropil=neuropil)


def read_matrix(path: Path, key: str | None) -> tuple[np.ndarray, str]:
    """Return a numeric matrix of the file and its name."""
    if path.suffix == ".npy":
        return _load_npy(path), path.name
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            # MATLAB writes its arrays column by column: HDF5 sees them transposed.
            matlab = path.suffix == ".mat" or "MATLAB_class" in _attributes(file)
            found: dict[str, h5py.Dataset] = {}
            file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
            matrices = {name: (item.shape, item.dtype) for name, item in found.items()}
            name = choose_matrix(path, key, matrices)
            array = found[name][()]
            return (array.T if matlab else array), name
    if path.suffix != ".mat":
        advice = "Set `format` in the entry, or convert it."
        fail(path, "format", "a .npy, HDF5 or .mat file", "none of these", advice)
    try:
        kinds = {name: (shape, np.dtype(_MATLAB.get(kind, "O"))) for name, shape, kind in scipy.io.whosmat(path)}
        name = choose_matrix(path, key, kinds)
        return scipy.io.loadmat(path, variable_names=[name])[name], name
    except (ValueError, OSError, NotImplementedError, MatReadError) as error:
        fail(path, "file", "a MATLAB file", f"an unreadable one ({error})", "Save it again.")


_MATLAB = {"double": "f8", "single": "f4"} | {
    f"{sign}int{bits}": f"{sign or 'i'}{bits // 8}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def _attributes(file: h5py.File) -> set[str]:
    return {name for item in file.values() for name in item.attrs}


def _load_npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        fail(path, "file", "a .npy file of numbers", f"an unreadable one ({error})", "Save it with numpy.save.")


def choose_matrix(path: Path, key: str | None, matrices: dict[str, tuple]) -> str:
    """Return `key`, or the name of the only matrix of numbers."""
    if key is not None:
        name = key.strip("/")
        if name not in matrices:
            fail(path, "key", f"one of {sorted(matrices)}", f"{key!r}", "Correct `key` in the entry.")
        return name
    usable = sorted(
        name for name, (shape, dtype) in matrices.items() if len(shape) == 2 and min(shape) > 1 and dtype.kind in "fiu"
    )
    if len(usable) != 1:
        found = f"{len(usable)} in the file ({', '.join(usable[:8])})" if usable else "none in the file"
        fail(path, "key", "the name of a matrix of traces", found, "Add `key` to the entry.")
    return usable[0]

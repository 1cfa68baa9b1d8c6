"""Plain matrices of traces: .npy, HDF5, and MATLAB files of version 5 (SciPy) and 7.3 (which are HDF5)."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.matlab import Arrays, hdf5_variables, variables
from calcium_latents.recordings.readers.opening import is_hdf5, load_mat, load_npy, open_hdf5, reading
from calcium_latents.recordings.readers.stored import Stored, npy_matrix
from calcium_latents.recordings.readers.traces import Traces, oriented


def recognises(path: Path) -> bool:
    """Return False: any matrix may be meant, so this reader takes what no other recognises."""
    return False


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read traces from a matrix in a .npy, HDF5 or .mat file.

    Args:
        path: the file.
        entry: `key`, name of the matrix (a path inside HDF5; fields of MATLAB's structs after slashes), not needed
            where the file holds a single matrix; `sampling_rate_hz`, imaging frames per second, which such files do not
            say; `orientation`, see `traces.oriented` (a matrix of a MATLAB 7.3 file counts as MATLAB shows it);
            `neuropil`, a mapping whose `key` names a matrix of neuropil traces in the same file.

    Raises:
        UserError: the file cannot be read, no such matrix, several and no key, an orientation that cannot be told, or
            neuropil of another shape.
    """
    sampling_rate_hz, orientation = number(entry, "sampling_rate_hz", path), entry.get("orientation")
    neuropil_setting = entry.get("neuropil")
    neuropil_key = neuropil_setting.get("key") if isinstance(neuropil_setting, Mapping) else None
    matrix, name = _stored_matrix(path, entry.get("key"))
    values = oriented(matrix, orientation, str(path), name)
    neuropil = None
    if neuropil_key is not None:
        neuropil = oriented(_stored_matrix(path, neuropil_key)[0], orientation, str(path), neuropil_key)
        if neuropil.shape != values.shape:
            expected, found = f"the shape of {name} {values.shape}", f"{neuropil.shape}"
            fail(path, neuropil_key, expected, found, "Both must list the same frames and neurons.")
    return Traces(values=values, sampling_rate_hz=sampling_rate_hz, neuropil=neuropil)


def read_matrix(path: Path, key: str | None) -> tuple[np.ndarray, str]:
    """Return a numeric matrix of the file and its name; a .npy file is mapped, not read, until it is used."""
    if path.suffix.lower() == ".npy":
        return load_npy(path, mapped=True), path.name
    with open_variables(path, key) as found:
        name = choose_matrix(path, key, found)
        return found[name].get(), name


def _stored_matrix(path: Path, key: str | None) -> tuple[np.ndarray | Stored, str]:
    """Return a numeric matrix of the file, on disk where that can be, and its name."""
    if path.suffix.lower() == ".npy":
        return npy_matrix(path), path.name
    with open_variables(path, key) as found:
        name = choose_matrix(path, key, found)
        return found[name].anywhere(), name


@contextmanager
def open_variables(path: Path, key: str | None = None, matlab: bool | None = None) -> Generator[Arrays]:
    """Yield path -> what is known of the arrays in an HDF5 or MATLAB file.

    Args:
        path: the file.
        key: only this, or what is in it, is wanted.
        matlab: whether MATLAB wrote an HDF5 file, which turns its arrays; by default told from the file.

    Raises:
        UserError: neither, or one that cannot be read.
    """
    if is_hdf5(path):
        with open_hdf5(path) as file:
            if matlab is None:
                matlab = path.suffix.lower() == ".mat" or any("MATLAB_class" in item.attrs for item in file.values())
            yield hdf5_variables(file, matlab)
    elif path.suffix.lower() == ".mat":
        with reading(path, "a MATLAB file"):
            known = {name for name, *_ in scipy.io.whosmat(path)}
        first = (key or "").strip("/").partition("/")[0]
        found = variables(load_mat(path, variables=[first])) if first in known else {}
        yield found or variables(load_mat(path))
    elif path.suffix.lower() in (".h5", ".hdf5", ".hdf"):
        fail(path, "file", "an HDF5 file", "another, or an empty one", "Save it again.")
    else:
        advice = "Set `format` in the entry, or convert it."
        fail(path, "format", "a .npy, HDF5 or .mat file", "none of these", advice)


def choose_matrix(path: Path, key: str | None, matrices: Mapping[str, tuple]) -> str:
    """Return `key`, or the name of the only matrix of numbers."""
    if key is not None:
        name = key.strip("/")
        if name not in matrices:
            fail(path, "key", f"one of {sorted(matrices)}", f"{key!r}", "Correct `key` in the entry.")
        return name
    usable = sorted(
        name
        for name, (shape, dtype, *_) in matrices.items()
        if len(shape) == 2 and min(shape) > 1 and dtype.kind in "fiu"
    )
    if len(usable) != 1:
        found = f"{len(usable)} in the file ({', '.join(usable[:8])})" if usable else "none in the file"
        fail(path, "key", "the name of a matrix of traces", found, "Add `key` to the entry.")
    return usable[0]

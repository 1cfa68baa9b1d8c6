"""Numbers in MATLAB's files by their paths, the fields of structs after slashes: `output/temporal_weights`.

A cell array, or a field of a struct array, whose parts are vectors of one length counts as the matrix of its parts,
[part, sample]: how traces of one neuron each are kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from calcium_latents.recordings.readers.stored import Stored, hdf5_matrix

ALL = slice(None)
NUMBERS = {"double", "single"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
#: Where MATLAB 7.3 keeps the parts of cells and objects.
INTERNAL = ("#refs#", "#subsystem#")


class Numbers(NamedTuple):
    """An array of a file.

    Attributes:
        shape, dtype: its own.
        get: reads it, or a slice of its last axis, while the file is open.
        stored: gives the matrix on disk; None where it cannot be read in parts.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    get: Callable[..., np.ndarray]
    stored: Callable[[], Stored] | None = None

    def anywhere(self) -> np.ndarray | Stored:
        """Return it on disk where that can be, else in memory."""
        return self.get() if self.stored is None else self.stored()


Arrays = dict[str, Numbers]


def variables(items: Mapping[str, Any], folder: str = "") -> Arrays:
    """Return path -> all numbers in variables as `opening.load_mat` returns them."""
    found: Arrays = {}
    for name, item in items.items():
        if not isinstance(item, np.ndarray):
            continue
        path = f"{folder}{name}"
        if item.dtype.names is not None:
            fields = {field: item[field] for field in item.dtype.names}
            found |= variables(fields if item.size != 1 else {n: f.ravel()[0] for n, f in fields.items()}, f"{path}/")
        elif item.dtype.kind in "fiu":
            found[path] = Numbers(item.shape, item.dtype, lambda last=ALL, item=item: _part(item, last))
        elif item.dtype.kind == "O" and (known := _stackable(item.ravel().tolist())):
            found[path] = Numbers(*known, lambda last=ALL, item=item: _part(_stacked(item.ravel().tolist()), last))
    return found


def hdf5_variables(file: h5py.File, matlab: bool) -> Arrays:
    """Return path -> all numbers in an HDF5 file, while it is open.

    Args:
        file: any HDF5 file.
        matlab: whether MATLAB wrote it: column by column, so that HDF5 sees its arrays transposed; they are turned
            back to what MATLAB shows.
    """
    found: Arrays = {}

    def add(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or name.startswith(INTERNAL) or item.attrs.get("MATLAB_empty"):
            return
        if h5py.check_ref_dtype(item.dtype) is h5py.Reference:
            parts = [file[reference] for reference in item[()].ravel() if reference]
            if all(_has_numbers(part) for part in parts) and (known := _stackable(parts)):
                found[name] = Numbers(*known, lambda last=ALL: _part(_stacked([part[()].T for part in parts]), last))
        elif _has_numbers(item):
            shape = item.shape[::-1] if matlab else item.shape
            at = (file.filename, f"/{name}", matlab)
            stored = (lambda: hdf5_matrix(*at)) if item.ndim == 2 else None
            found[name] = Numbers(shape, item.dtype, lambda last=ALL: _part(item, last, matlab), stored)

    file.visititems(add)
    return found


def _part(item: np.ndarray | h5py.Dataset, last: slice, turned: bool = False) -> np.ndarray:
    """Return an array, or its transpose if it is `turned`, or a slice of the last axis of that."""
    if last == ALL:
        return item[()].T if turned else item[()]
    return item[last].T if turned else item[..., last]


def _has_numbers(item: Any) -> bool:
    """Whether these are numbers to MATLAB, too: characters are stored as such."""
    kind = item.attrs.get("MATLAB_class", b"double")
    return (kind.decode() if isinstance(kind, bytes) else str(kind)) in NUMBERS


def _stackable(parts: Sequence[Any]) -> tuple[tuple[int, ...], np.dtype] | None:
    """Return shape and type of the matrix that parts make, or of the only part; None where they make none."""
    if not len(parts) or any(getattr(part, "dtype", np.dtype("O")).kind not in "fiu" for part in parts):
        return None
    shape, size = parts[0].shape, int(np.prod(parts[0].shape))
    if len(parts) == 1:
        return (shape[::-1] if isinstance(parts[0], h5py.Dataset) else shape), parts[0].dtype
    if size < 2 or any(max(part.shape, default=0) != size or np.prod(part.shape) != size for part in parts):
        return None
    return (len(parts), size), np.result_type(*(part.dtype for part in parts))


def _stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.stack([np.ravel(part) for part in parts])

"""Where two files begin to differ, in the terms of what they hold."""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

READ_BYTES = 1 << 20
REFERENCES = ("DIMENSION_LIST", "REFERENCE_LIST")  # attributes of netCDF4: places in the file


def first_difference(one: Path, other: Path) -> str | None:
    """Return the first difference of two files in words; None where all their bytes are the same, or neither exists."""
    missing = [path for path in (one, other) if not path.is_file()]
    if len(missing) == 1:
        return f"missing from {missing[0].parent}"
    if missing or _same_bytes(one, other):
        return None
    describe = DESCRIBED.get(one.suffix, _bytes)
    try:
        found = describe(one, other)
    except Exception as error:  # a damaged file, too, is to be named
        found = f"unreadable ({error})"
    return found or f"the same content, in other bytes ({_bytes(one, other)})"


def _same_bytes(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while block := a.read(READ_BYTES):
            if block != b.read(READ_BYTES):
                return False
    return True


def _bytes(one: Path, other: Path) -> str:
    a, b = one.read_bytes(), other.read_bytes()
    place = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return f"byte {place} of {len(a)} and {len(b)}"


def _text(one: Path, other: Path) -> str | None:
    lines = zip_longest(one.read_text().splitlines(), other.read_text().splitlines())
    for number, (a, b) in enumerate(lines, start=1):
        if a != b:
            return f"line {number}: {_short(a)} and {_short(b)}"
    return None


def _table(one: Path, other: Path) -> str | None:
    import pandas as pd

    a, b = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in (one, other))
    if list(a) != list(b):
        return f"columns {list(a)} and {list(b)}"
    if len(a) != len(b):
        return f"{len(a)} and {len(b)} rows"
    columns = [str(name) for name in a if (a[name] != b[name]).any()]
    if not columns:
        return None
    row = int((a[columns[0]] != b[columns[0]]).to_numpy().argmax())
    found = f"{a[columns[0]][row]} and {b[columns[0]][row]}"
    return f"columns {', '.join(columns)}: first in row {row + 1} of {columns[0]}: {found}"


def _image(one: Path, other: Path) -> str | None:
    from matplotlib.image import imread

    return _values(imread(one), imread(other), "pixels")


def _array(one: Path, other: Path) -> str | None:
    return _values(np.load(one), np.load(other), "array")


def _torch(one: Path, other: Path) -> str | None:
    import torch

    a, b = (torch.load(path, map_location="cpu", weights_only=False) for path in (one, other))
    return _values(a, b, "") or _archive(one, other)


def _archive(one: Path, other: Path) -> str | None:
    with zipfile.ZipFile(one) as a, zipfile.ZipFile(other) as b:
        if a.namelist() != b.namelist():
            return f"entries {_short(a.namelist())} and {_short(b.namelist())}"
        for name in a.namelist():
            if a.read(name) != b.read(name):
                return f"entry {name}"
    return None


def _hdf5(one: Path, other: Path) -> str | None:
    import h5py

    with h5py.File(one) as a, h5py.File(other) as b:
        (names_a, places_a), (names_b, places_b) = map(_places, (a, b))
        if names_a != names_b:
            return f"objects {_short(sorted(set(names_a) ^ set(names_b)) or 'in another order')}"
        for place in places_a:
            x, y = places_a[place], places_b[place]
            if isinstance(x, h5py.Dataset):
                if difference := _values(_read(x), _read(y), place):
                    return difference
                if (x.chunks, x.compression) != (y.chunks, y.compression):
                    return f"{place}: chunks or compression"
            if difference := _values(_attributes(x), _attributes(y), f"{place}: attributes"):
                return difference
    return None


def _attributes(item: Any) -> dict[str, Any]:
    return {name: value for name, value in item.attrs.items() if name not in REFERENCES}


def _read(item: Any) -> Any:
    """Return the values of a dataset; of references to objects, their names."""
    import h5py

    if h5py.check_ref_dtype(item.dtype) is not h5py.Reference:
        return item[()]
    return [item.file[reference].name for reference in np.ravel(item[()])]


def _places(file) -> tuple[list[str], dict[str, Any]]:
    """Return the names of all objects of an HDF5 file, in its order, and the objects, the file itself among them."""
    found = {"/": file}
    file.visititems(lambda name, item: found.setdefault(name, item) and None)
    return list(found), found


def _values(a: Any, b: Any, place: str) -> str | None:
    """Return where nested values differ: mappings, sequences, arrays, tensors, plain ones."""
    return next(_walk(a, b, place), None)


def _walk(a: Any, b: Any, place: str) -> Iterator[str]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if list(a) != list(b):
            yield f"{place}: keys {_short(list(a))} and {_short(list(b))}"
        for key in a:
            if key in b:
                yield from _walk(a[key], b[key], f"{place}.{key}".lstrip("."))
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            yield f"{place}: {len(a)} and {len(b)} items"
        for number, (x, y) in enumerate(zip(a, b, strict=False)):
            yield from _walk(x, y, f"{place}[{number}]")
    elif type(a) is not type(b):
        yield f"{place}: {type(a).__name__} and {type(b).__name__}"
    elif hasattr(a, "dtype") and hasattr(a, "shape"):
        x, y = np.asarray(a), np.asarray(b)
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            yield f"{place}: {x.dtype} {x.shape} and {y.dtype} {y.shape}"
            return
        unlike = np.atleast_1d((x != y) & ~((x != x) & (y != y)))
        if unlike.any():
            at = tuple(int(i) for i in np.argwhere(unlike)[0])
            found = f"{np.atleast_1d(x)[at]!s} and {np.atleast_1d(y)[at]!s}"
            yield f"{place}{list(at)}: {_short(found)} ({int(unlike.sum())} of {unlike.size} values differ)"
    elif a != b and not (a != a and b != b):
        yield f"{place}: {_short(a)} and {_short(b)}"


def _short(value: Any, most: int = 100) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


DESCRIBED: dict[str, Callable[[Path, Path], str | None]] = {
    **dict.fromkeys((".nc", ".h5", ".hdf5", ".nwb"), _hdf5),
    **dict.fromkeys((".yaml", ".json", ".txt", ".svg", ".html"), _text),
    ".csv": _table,
    ".pt": _torch,
    ".png": _image,
    ".npy": _array,
    ".npz": _archive,
    ".zip": _archive,
}

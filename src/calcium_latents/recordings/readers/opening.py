"""A user's files, opened: what a library raises over a broken one becomes a `UserError` that names the file.

Every reader opens its files here. Libraries raise all kinds of exceptions over an empty, truncated or foreign file
(EOFError, UnpicklingError, RuntimeError, ...); to a user they mean one thing.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.pickled_arrays import load_pickled_array

#: What says nothing of the file: a machine without memory, and mistakes of this package.
OTHERS = (UserError, MemoryError, AssertionError, NameError)
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def reading(path: str | Path, expected: str, advice: str = "Save it again.") -> Generator[None]:
    """Read a file in the block.

    Raises:
        UserError: for whatever a library raises in the block, naming the file and what was expected.
    """
    try:
        yield
    except OTHERS:
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or "no more"
        fail(path, "file", expected, f"an unreadable one ({type(error).__name__}: {text:.300})", advice)


def is_hdf5(path: Path) -> bool:
    """Whether a file starts as HDF5 does, be the rest of it whole or not (after MATLAB's 512 bytes of its own)."""
    try:
        with path.open("rb") as file:
            start = file.read(2048 + len(HDF5_SIGNATURE))
    except OSError:
        return False
    return any(start[at : at + len(HDF5_SIGNATURE)] == HDF5_SIGNATURE for at in (0, 512, 1024, 2048))


def refuse_pickles(group: Path) -> None:
    """Check that nothing in a group of zarr is stored as pickled objects: reading them could run code.

    Raises:
        UserError: something is.
    """
    for name in (".zarray", ".zmetadata", "zarr.json"):
        for path in group.rglob(name):
            with reading(path, "JSON"):
                waiting = [json.loads(path.read_text())]
            while waiting:
                item = waiting.pop()
                if isinstance(item, str) and item.lower() in ("pickle", "numcodecs.pickle"):
                    fail(path, "codec", "numbers", "pickled objects, which could run code", "Save numbers instead.")
                waiting += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()


def text_start(path: Path, size: int) -> str:
    """Return the first characters of a file, none where it cannot be read: for telling formats apart."""
    try:
        with path.open("rb") as file:
            return file.read(size).decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def open_hdf5(path: Path, expected: str = "an HDF5 file", advice: str = "Save it again.") -> Generator[h5py.File]:
    """Yield the file, open for reading; a `UserError` for what fails in it."""
    with reading(path, expected, advice), h5py.File(path, "r") as file:
        yield file


def hdf5_has(path: Path, *items: str) -> bool:
    """Whether a path is an HDF5 file that opens and has all `items`: for telling formats apart, without an error."""
    try:
        with open_hdf5(path) as file:
            return all(item in file for item in items)
    except UserError:
        return False


@contextmanager
def open_nwb(path: Path) -> Generator[Any]:
    """Yield what pynwb reads of an NWB file; a `UserError` for what fails in it."""
    from pynwb import NWBHDF5IO  # a slow import that other formats need not wait for

    with (
        reading(path, "a readable NWB file", "Check it with nwbinspector."),
        NWBHDF5IO(str(path), "r", load_namespaces=True) as io,
    ):
        yield io.read()


def load_npy(
    path: Path,
    expected: str = "a .npy file of numbers",
    advice: str = "Save it with numpy.save.",
    pickled: bool = False,
    mapped: bool = False,
) -> np.ndarray:
    """Return the array of a .npy file; `pickled`: perhaps of Python's objects, see `load_pickled_array`; `mapped`: on
    disk until it is used.

    Raises:
        UserError: the file cannot be read.
    """
    with reading(path, expected, advice):
        if pickled:
            return load_pickled_array(path)
        array = np.load(path, allow_pickle=False, mmap_mode="r" if mapped else None)
        if not isinstance(array, np.ndarray):
            raise ValueError("an archive of several arrays")
        return array


def load_npz(path: Path, key: str, name: str) -> np.ndarray:
    """Return array `key` of a .npz file; `name` is the field of the entry that asks for it.

    Raises:
        UserError: the file cannot be read, or has no such array.
    """
    with reading(path, "a .npz file of arrays of numbers"), np.load(path, allow_pickle=False) as arrays:
        names = sorted(arrays.files)
        if key in names:
            return arrays[key]
    fail(path, f"key of {name}", f"one of {names}", f"{key!r}", "Correct `key` in the entry.")


def load_mat(path: Path, expected: str = "a MATLAB file", variables: list[str] | None = None) -> dict[str, Any]:
    """Return the variables of a MATLAB file of a version before 7.3 (those are HDF5), or only some.

    Raises:
        UserError: the file cannot be read.
    """
    with reading(path, expected):
        found = scipy.io.loadmat(path, variable_names=variables)
        return {name: item for name, item in found.items() if not name.startswith("__")}

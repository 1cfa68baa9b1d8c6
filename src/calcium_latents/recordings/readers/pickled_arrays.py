"""NumPy files of Python's objects, as suite2p writes them, read without running what a file may ask for.

A pickle may call any function by its name. Here it gets NumPy's arrays, types and numbers, Python's containers and
numbers, dates, and paths, which become text: Windows' paths cannot be made elsewhere. Any other name is refused.
"""

import codecs
import datetime
import importlib
import pickle
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

CONTAINERS = (dict, list, tuple, set, frozenset, str, bytes, bytearray, bool, int, float, complex, slice, range)
DATES = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone)
NUMPY_FUNCTIONS = {"multiarray": ("_reconstruct", "scalar"), "numeric": ("_frombuffer",)}
OLD_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # of Python 2


def load_pickled_array(path: Path) -> np.ndarray:
    """Return the array in a .npy file, be it of objects or not.

    Raises:
        ValueError, EOFError, OSError, UnpicklingError and others: the file is damaged, or asks for something else.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)
        if not dtype.hasobject:
            return np.load(path, allow_pickle=False)
        array = PlainUnpickler(file, encoding="latin1").load()  # Python 2's text, as NumPy's own arrays need
    if not isinstance(array, np.ndarray):
        raise ValueError(f"a {type(array).__name__} instead of an array")
    return array.reshape(shape, order="F" if fortran else "C")


class PlainUnpickler(pickle.Unpickler):
    """Makes arrays, containers, numbers, text and dates, and nothing else."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return what a name stands for; raises UnpicklingError where it is none of the above."""
        module = OLD_NAMES.get(module_name, module_name)
        found = KNOWN.get((module, global_name))
        if found is None:
            found = _of_numpy(module, global_name)
        if found is None:
            raise pickle.UnpicklingError(f"the class {module_name}.{global_name}, which could run code")
        return found


def _of_numpy(module: str, name: str) -> Any:
    """Return a type of NumPy's, or a function that makes an array, by any of the names that its versions have."""
    package, _, place = module.rpartition(".")
    if package in ("numpy.core", "numpy._core") and name in NUMPY_FUNCTIONS.get(place, ()):
        return getattr(importlib.import_module(f"numpy._core.{place}"), name)
    if module in ("numpy", "numpy.dtypes"):
        found = getattr(np if module == "numpy" else np.dtypes, name, None)
        # no subclass of arrays: one, np.memmap, writes to files
        if found is np.ndarray or (isinstance(found, type) and issubclass(found, np.dtype | np.generic)):
            return found
    return None


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How old pickles say bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return codecs.encode(text, "latin1")


def _path(flavour: type[PurePosixPath] | type[PureWindowsPath]) -> Callable[..., str]:
    return lambda *parts: str(flavour(*parts))


KNOWN: dict[tuple[str, str], Any] = {
    **{("builtins", kind.__name__): kind for kind in CONTAINERS},
    ("builtins", "xrange"): range,  # Python 2's
    ("builtins", "unicode"): str,
    ("builtins", "long"): int,
    **{("collections", kind.__name__): kind for kind in (OrderedDict, defaultdict, deque)},
    **{("datetime", kind.__name__): kind for kind in DATES},
    ("_codecs", "encode"): _encode,
    **{
        (module, prefix + name): _path(flavour)
        for module in ("pathlib", "pathlib._local")  # where Python 3.13 says they are
        for prefix in ("", "Pure")
        for name, flavour in (("PosixPath", PurePosixPath), ("WindowsPath", PureWindowsPath))
    },
}

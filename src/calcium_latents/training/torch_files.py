"""PyTorch's files, written atomically and to the same bytes for the same content, and read without running anything.

They hold tensors, NumPy arrays, numbers, text, and containers of these. An object of any other class could run code
when it is read, so none is written, and a file that has one is refused.
"""

import copy
import errno
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray

from calcium_latents.errors import UserError
from calcium_latents.files import atomic_path

PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.Tensor, torch.Size, torch.dtype, np.generic)
#: what NumPy needs to be read
NUMPY = (
    np.ndarray,
    np.dtype,
    multiarray._reconstruct,
    multiarray.scalar,
    *{type(np.dtype(kind)) for kind in ("?", *"bhilqBHILQefdFD", "U", "S")},
)


class UnreadableFile(UserError):
    """A file that is damaged, or holds more than `write_torch` writes."""


def write_torch(value: Any, path: str | Path) -> None:
    """Save `value` at `path`.

    Raises:
        TypeError: `value` has something in it that could not be read again.
    """
    _check(value, Path(path).name)
    # to an open file: given a path, PyTorch writes its (temporary) name into the archive
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(_unshared(value), file)


def _unshared(value: Any) -> Any:
    """Return the same nested value, whose equal texts are one object and whose containers are each their own.

    Pickle writes an object that it meets again as a reference. Which texts are one object depends on what was read from
    a file, as in a training that goes on, and what was made by this process.
    """
    if type(value) is str:
        return sys.intern(value)
    if isinstance(value, dict):
        other = copy.copy(value)  # with the attributes of a state_dict
        other.clear()
        other.update((_unshared(key), _unshared(part)) for key, part in value.items())
        return other
    if type(value) in (list, tuple):
        return type(value)(map(_unshared, value))
    return value


def read_torch(path: str | Path, mapped: bool = False) -> Any:
    """Load what `write_torch` saved, to the CPU; `mapped`: tensors stay on the disk until they are used.

    Raises:
        OSError: there is no such file, or the disk fails.
        UnreadableFile: it is empty, cut off, damaged, or holds other objects, of which none is made.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # PyTorch does not compare checksums
                raise ValueError(f"damage in {damaged}")
        with torch.serialization.safe_globals(list(NUMPY)):
            return torch.load(path, weights_only=True, map_location="cpu", mmap=mapped)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        # not PyTorch's own words: they advise to read it anyway, which would run code in the file
        _, _, refused = str(error).partition("GLOBAL ")
        found = f"the class {refused.split()[0]}, which could run code" if refused else "something else"
        raise UnreadableFile(f"{path}: expected numbers and text in a checkpoint, found {found}.") from None
    except Exception as error:  # libraries raise all kinds over damage
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk's, not the file's
        raise UnreadableFile(
            f"{path}: expected a whole file of PyTorch, found an unreadable one ({type(error).__name__}: {error})."
        ) from error


def read_state(path: str | Path) -> Any:
    """Return what an interrupted run left in a file; None where there is none that can be read, which the log says."""
    try:
        return read_torch(path)
    except FileNotFoundError:
        return None
    except UnreadableFile as error:
        print(f"{error} It counts as none.", file=sys.stderr)
        return None


def _check(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, f"{where}, a key")
            _check(item, f"{where}[{name!r}]")
    elif isinstance(value, list | tuple | set):
        for number, item in enumerate(value):
            _check(item, f"{where}[{number}]")
    elif not isinstance(value, PLAIN) and not (isinstance(value, np.ndarray) and not value.dtype.hasobject):
        raise TypeError(f"{where}: expected numbers, text or containers of these, found {type(value)}")

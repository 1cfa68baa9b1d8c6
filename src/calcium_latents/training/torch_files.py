"""PyTorch's files, written atomically and to the same bytes for the same content."""

import copy
import sys
from pathlib import Path
from typing import Any

import torch

from calcium_latents.files import atomic_path


def write_torch(value: Any, path: str | Path) -> None:
    """Save `value` at `path`."""
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


def read_torch(path: str | Path) -> Any:
    """Load what `write_torch` saved, to the CPU; tensors are read from the disk when they are used."""
    return torch.load(path, weights_only=False, map_location="cpu", mmap=True)

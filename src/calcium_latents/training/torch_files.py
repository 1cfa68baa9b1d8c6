"""PyTorch's files, written atomically and to the same bytes for the same content."""

from pathlib import Path
from typing import Any

import torch

from calcium_latents.files import atomic_path


def write_torch(value: Any, path: str | Path) -> None:
    """Save `value` at `path`."""
    # to an open file: given a path, PyTorch writes its (temporary) name into the archive
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save(value, file)


def read_torch(path: str | Path) -> Any:
    """Load what `write_torch` saved, to the CPU; tensors are read from the disk when they are used."""
    return torch.load(path, weights_only=False, map_location="cpu", mmap=True)

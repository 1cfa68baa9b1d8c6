"""Batches of numbers of samples: a trainer hands them out, and the module that is trained looks the samples up."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.utils.data import DataLoader


def load_numbers(count: int, batches: Iterable[list[int]] | None = None) -> DataLoader:
    """Return batches [b] of numbers below `count`, as the batch sampler `batches` has them; None: one by one."""
    numbers: Any = range(count)  # whatever has a length and items is a data set
    if batches is None:
        return DataLoader(numbers)
    return DataLoader(numbers, batch_sampler=batches, collate_fn=torch.tensor)

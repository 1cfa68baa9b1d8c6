"""Progress bars for people, silence for logs."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], description: str, total: int | None = None, unit: str = "it") -> Iterable[Item]:
    """Iterate over `items` with a bar on standard error, shown only on a terminal and only after one second."""
    return tqdm(
        items,
        desc=description,
        total=total,
        unit=unit,
        delay=1.0,
        disable=not sys.stderr.isatty(),
        leave=False,
    )

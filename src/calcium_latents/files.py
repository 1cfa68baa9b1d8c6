"""Atomic writes: a file under its final name is always whole."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | Path) -> Generator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, remove it when it fails.

    The temporary name keeps the suffix, because writers choose their format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(table, path: str | Path, **options) -> None:
    """Write a DataFrame as CSV without its index, atomically; `options` are those of `DataFrame.to_csv`."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, **options)

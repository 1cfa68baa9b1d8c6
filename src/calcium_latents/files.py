"""Where a user's path leads; atomic writes: a file under its final name is always whole; tables, with checks."""

import os
import secrets
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from calcium_latents.errors import UserError


def user_path(given: str | Path, folder: str | Path) -> Path:
    """Return where a path lies that a user gives: below `folder` where it is relative; `~` is a home.

    Planning and reading ask this alike, so that what is read is what is tracked.
    """
    return Path(folder, os.path.expanduser(given))


@contextmanager
def atomic_path(path: str | Path) -> Generator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, remove it when it fails.

    The temporary name keeps the suffix, because writers choose their format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(6)}.partial{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(table, path: str | Path, **options) -> None:
    """Write a DataFrame as CSV without its index, atomically; `options` are those of `DataFrame.to_csv`."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, **options)


def read_table(path: str | Path, columns: Iterable[str] = ()):
    """Return the DataFrame in a CSV file, which may have no rows; a group may be named "NA" or "null".

    Raises:
        UserError: the file is missing or unreadable, or lacks one of `columns`.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=["", "nan", "NaN"])
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a CSV table, found none ({error}). Make or save it again.") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise UserError(f"{path}: expected the columns {missing}, found {list(table.columns)}.")
    return table

"""Where a user's path leads; atomic writes: a file under its final name is always whole; tables, with checks."""

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from calcium_latents.errors import UserError
from calcium_latents.processes import NAME, is_alive, process_name
from calcium_latents.unfailing_file import UnfailingFile

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
#: a file that is being written: its stem (shortened where names must not be longer), its writer, and its suffix
PARTIAL = re.compile(rf"\..*\.({NAME.pattern})\.[0-9a-f]{{8}}\.partial[^/]*")
LONGEST_STEM = 150
ABANDONED_S = 24 * 3600  # no step leaves the file that it writes alone for so long


def user_path(given: str | Path, folder: str | Path) -> Path:
    """Return where a path lies that a user gives: below `folder` where it is relative; `~` is a home.

    Planning and reading ask this alike, so that what is read is what is tracked.
    """
    return Path(folder, os.path.expanduser(given))


@contextmanager
def atomic_path(path: str | Path) -> Generator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, remove it when it fails.

    The temporary name keeps the suffix, because writers choose their format by it. The content is on the disk before
    the name is, and the name when the block has been left: after a power loss there is the old file or the new one.

    Raises:
        UserError: the disk is full, or the folder cannot be written to.
    """
    path = Path(path)
    writer = f"{process_name()}.{secrets.token_hex(4)}"
    temporary = path.with_name(f".{path.stem[:LONGEST_STEM]}.{writer}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _synchronise(temporary)
        os.replace(temporary, path)
        _synchronise(path.parent)
    except Exception as error:
        reason = _why_unwritten(error, temporary)
        temporary.unlink(missing_ok=True)  # before anything is said: the log may lie on the same disk
        if reason is None:
            raise
        raise UserError(f"{path}: expected to write this file, found {reason}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: str | Path) -> Generator[UnfailingFile]:
    """Like `atomic_path`, but yield an open file, for libraries that crash when a write fails (HDF5) or do not notice
    (`numpy.save` to a path)."""
    with atomic_path(path) as temporary, UnfailingFile(temporary) as file:
        yield file


def remove_partials(folder: str | Path) -> int:
    """Remove below `folder` what writers left that died at it; return how many. Of other machines, those a day old."""
    removed = 0
    for path, writer in _partials(Path(folder)):
        with suppress(OSError):  # its writer has just ended
            alive = is_alive(writer)
            if alive is None:
                alive = time.time() - path.stat().st_mtime < ABANDONED_S
            if not alive:
                path.unlink()
                removed += 1
    return removed


def require_writable(folder: str | Path) -> None:
    """Make `folder`, and check that files can be written there.

    Raises:
        UserError: they cannot, and why.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{process_name()}.{secrets.token_hex(4)}.partial"
        try:
            probe.write_bytes(bytes(4096))
            _synchronise(probe)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        reason = _of(error, folder) or f"an error ({error})."
        raise UserError(f"{folder}: expected a folder that can be written to, found {reason}") from error


def _partials(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield files that are or were being written, and by which process."""
    for above, _, names in os.walk(folder):
        for name in names:
            if parts := PARTIAL.fullmatch(name):
                yield Path(above, name), parts[1]


def _synchronise(path: Path) -> None:
    """Wait until a file, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks know no such thing of folders
            raise
    finally:
        os.close(descriptor)


def _why_unwritten(error: BaseException, temporary: Path) -> str | None:
    """Return what kept a file from being written; None where it was not the disk."""
    if isinstance(error, UserError):
        return None
    links: BaseException | None = error
    while links is not None:  # libraries wrap what the system said, or drop it
        if isinstance(links, OSError) and (reason := _of(links, temporary.parent)):
            return reason
        links = links.__cause__ or links.__context__
    if temporary.is_file():
        try:
            with temporary.open("ab") as file:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
        except OSError as found:
            return _of(found, temporary.parent)
    return None


def _of(error: OSError, folder: Path) -> str | None:
    if error.errno in FULL:
        free = shutil.disk_usage(folder).free / 1e6
        return f"no space for it: {error.strerror}, {free:.0f} MB are free in {folder}. Make room, and start again."
    if error.errno in FORBIDDEN:
        return f"that it is not allowed: {error.strerror}. Ask for the right to write, or choose another folder."
    return None


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

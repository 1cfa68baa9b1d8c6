"""Loops compiled by Numba, kept on disk for as long as the code that they were made of stays the same.

Numba's own cache notices when a function's file changes, not when a function or constant that it takes from another
file does. Here each module's compiled functions lie in a folder named by the digest of the module and of all that it
imports, below $CALCIUM_LATENTS_CACHE, the user's cache directory or, where neither can be written to, a folder of the
user's among the temporary ones. All processes share them.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TextIO

import numba

from calcium_latents.kept import cache_directory
from calcium_latents.provenance import PACKAGE, code_digest

MOST_KEPT = 64  # folders, a version of a module each
LONGEST_UNUSED_S = 30 * 24 * 3600
_IN_USE: list[TextIO] = []  # open, and locked, for as long as this process runs


def njit(function: Callable | None = None, **options: Any) -> Callable:
    """Compile a function as `numba.njit` does with these options, except `cache`; use as a decorator, with or without.

    Functions of modules outside this package are compiled anew in every process.
    """
    if function is None:
        return partial(njit, **options)
    folder = _folder(function.__module__)
    if folder is None:
        return numba.njit(**options)(function)
    # Numba reads this once, when a function is decorated: other libraries' functions keep their place
    settings: Any = numba.config  # whose fields numba sets when it is imported
    elsewhere, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
    try:
        return numba.njit(cache=True, **options)(function)
    finally:
        settings.CACHE_DIR = elsewhere


@cache
def _folder(module: str) -> Path | None:
    """Return where compiled functions of a module lie, marked as in use; None where they are not kept."""
    above = cache_directory()
    if above is None or module.split(".")[0] != PACKAGE:
        return None
    folder = above / f"{module.removeprefix(PACKAGE + '.')}-{code_digest([module])}-numba-{numba.__version__}"
    try:
        new = not folder.is_dir()
        folder.mkdir(exist_ok=True)
        for file in (path for path in folder.rglob("*.nb[ic]") if not _is_whole(path)):
            file.unlink()  # cut off by a power loss: Numba would fail on it every time
        _IN_USE.append(open(folder / "in-use", "a+"))  # noqa: SIM115
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a disk without locks: then age alone decides
        fcntl.flock(_IN_USE[-1], fcntl.LOCK_SH)
    with contextlib.suppress(OSError):
        os.utime(folder)
    if new:
        remove_unused(above)
    return folder


def _is_whole(path: Path) -> bool:
    """Whether a file ends as a pickle does; Numba's do."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read() == b"."


def remove_unused(above: Path) -> None:
    """Remove the folders that nobody has used for long, and the oldest of too many; none that a process uses."""

    def last_used(folder: Path) -> float:
        with contextlib.suppress(OSError):  # another process has just removed it
            return folder.stat().st_mtime
        return 0.0

    folders = sorted((path.parent for path in above.glob("*/in-use")), key=last_used, reverse=True)
    for place, folder in enumerate(folders):
        if place < MOST_KEPT and time.time() - last_used(folder) < LONGEST_UNUSED_S:
            continue
        with contextlib.suppress(OSError), open(folder / "in-use") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)

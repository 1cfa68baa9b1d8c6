"""Users without a home to write to, or that the system does not know at all: in a container, on a locked node."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

NOWHERE = "/nonexistent"


def identity(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables for what Snakemake and PyTorch ask of a user, and fail where the system does not know it."""
    try:
        pwd.getpwuid(os.getuid())
        return {}
    except KeyError:
        unknown = {"LOGNAME": str(os.getuid()), "HOME": NOWHERE}
        return {name: environment.get(name) or value for name, value in unknown.items()}


def caches(environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return variables by which Snakemake, Numba and matplotlib keep their caches below `directory`.

    Empty where the user's own cache directory can be written to. `directory` is where the workflow writes.
    """
    own = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(own) and _can_write(Path(own)):
        return {}
    below = directory.absolute() / ".snakemake/caches"
    return {"XDG_CACHE_HOME": str(below), "MPLCONFIGDIR": environment.get("MPLCONFIGDIR") or str(below / "matplotlib")}


def _can_write(folder: Path) -> bool:
    """Tell whether files can be written to a folder, which may have to be made first."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)

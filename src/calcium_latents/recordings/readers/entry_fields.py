"""Fields of an entry of config/recordings.yaml, checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.files import user_path
from calcium_latents.recordings.fields import fail


def find_path(
    given: Any, name: str, base_directory: str | Path, source: str = "the entry", folders: bool = False
) -> Path:
    """Return the path of an existing file (or, with `folders`, folder); see `files.user_path`.

    Raises:
        UserError: no path, or nothing there; it names `source` and the field `name` of the entry.
    """
    if not isinstance(given, str | Path) or not str(given):
        raise UserError(f"{source}: {name}: expected a path, found {given!r}. Add `{name}` to the entry.")
    path = user_path(given, base_directory)
    expected = "an existing file or folder" if folders else "an existing file"
    try:
        found = path.is_file() or (folders and path.is_dir())
    except OSError as error:  # a folder that may not be entered
        fail(path, name, expected, f"an error ({error})", "Ask for the right to read it.")
    if not found:
        fail(path, name, expected, "none", f"Correct `{name}` in the entry.")
    return path


def number(entry: Mapping[str, Any], name: str, path: str | Path, default: float | None = None) -> float | None:
    """Return field `name` of `entry`, `default` where it is missing; `path` names the source in messages.

    Raises:
        UserError: no finite number, or none above 0 where it is a rate, a width or a length.
    """
    value = entry.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        fail(path, name, "a number", f"{value!r}", "Correct it in the entry.")
    if name in ("sampling_rate_hz", "bin_width_s", "length_s") and value <= 0:
        fail(path, name, "a positive number", f"{value!r}", "Correct it in the entry.")
    return float(value)

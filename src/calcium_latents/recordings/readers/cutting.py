"""How an entry of config/recordings.yaml asks for its recording to be cut."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from calcium_latents.files import read_table
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import find_path, number
from calcium_latents.recordings.trial_table import FROM_FILE, checked_trials


def window_options(entry: Mapping[str, Any], base_directory: str | Path) -> dict[str, Any]:
    """Return the keyword arguments of `cut_windows` that `entry` asks for.

    `windows`: a mapping of `length_s` (default 1 s), `overlap_s` (default 0.2 s) and `least` (0). `trials`: none; or a
    mapping of `starts_s` (what stands below), `before_s` and `after_s`; or a list of times; or file, the table of
    trials in the recording's file; or a CSV file with a column `start_s` (or `start_time`) and, if wanted, `stop_s`,
    `condition`, `before_s`, `after_s` and others. With `cut: false` in the mapping, windows of the whole session are
    cut all the same, and the trials go along. `bin_width_s`: s, or null for one bin a frame.

    Raises:
        UserError: a field is not as said.
    """
    windows = entry.get("windows") or {}
    options: dict[str, Any] = {
        "bin_width_s": number(entry, "bin_width_s", "the entry"),
        "window_s": number(windows, "length_s", "windows", 1.0),
        "overlap_s": number(windows, "overlap_s", "windows", 0.2),
        "least_windows": int(windows.get("least", 0)),
    }
    trials = entry.get("trials")
    if trials in (None, "none", False):
        return options
    trials = trials if isinstance(trials, Mapping) else {"starts_s": trials}
    starts, given = trials.get("starts_s"), dict(trials)
    if isinstance(starts, str) and starts != FROM_FILE:
        path = find_path(starts, "starts_s", base_directory)
        starts = checked_trials(read_table(path), path)
        given = _common(starts, path) | given
    elif starts != FROM_FILE:
        try:
            starts = [float(start) for start in starts or ()]
        except (TypeError, ValueError):
            starts = []
        if not starts:
            expected = f"none, a CSV file, {FROM_FILE}, a list of times in s, or a mapping with starts_s"
            fail("the entry", "trials", expected, f"{trials.get('starts_s')!r:.100}", "Correct it.")
    return options | {
        "trials": starts,
        "cut_trials": given.get("cut", True),
        "before_s": number(given, "before_s", "trials", 0.0),
        "after_s": number(given, "after_s", "trials"),
    }


def _common(table: pd.DataFrame, path: str | Path) -> dict[str, float]:
    """Return `before_s` and `after_s` where the table has them."""
    columns = {}
    for name in ("before_s", "after_s"):
        if name in table:
            if table[name].nunique(dropna=False) != 1:
                advice = "It is one for all: choose it, or give stop_s."
                fail(path, name, "the same in all trials", "several values", advice)
            columns[name] = float(table[name].iloc[0])
    return columns

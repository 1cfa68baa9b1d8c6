"""How an entry of config/recordings.yaml asks for its recording to be cut."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from calcium_latents.files import read_table
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import find_path, number


def window_options(entry: Mapping[str, Any], base_directory: str | Path) -> dict[str, Any]:
    """Return the keyword arguments of `cut_windows` that `entry` asks for.

    `windows`: a mapping of `length_s` (default 1 s) and `overlap_s` (default 0.2 s). `trials`: none; or a
    mapping of `starts_s` (a list, or a CSV file), `before_s` and `after_s`; or a CSV file with a column
    `start_s` and, if wanted, `before_s` and `after_s`. `bin_width_s`: s, or null for one bin a frame.

    Raises:
        UserError: a field is not as said.
    """
    windows = entry.get("windows") or {}
    options: dict[str, Any] = {
        "bin_width_s": number(entry, "bin_width_s", "the entry"),
        "window_s": number(windows, "length_s", "windows", 1.0),
        "overlap_s": number(windows, "overlap_s", "windows", 0.2),
    }
    trials = entry.get("trials")
    if trials in (None, "none", False):
        return options
    trials = {"starts_s": trials} if isinstance(trials, str) else trials
    if not isinstance(trials, Mapping) or "starts_s" not in trials:
        expected = "none, a CSV file, or a mapping with starts_s"
        fail("the entry", "trials", expected, f"{trials!r}", "Correct it.")
    starts, given = trials["starts_s"], dict(trials)
    if isinstance(starts, str):
        starts, columns = _trial_table(find_path(starts, "starts_s", base_directory))
        given = columns | given
    try:
        options["trial_starts_s"] = [float(start) for start in starts]
    except (TypeError, ValueError):
        fail("the entry", "trials starts_s", "a list of times in s", f"{starts!r:.100}", "Correct it.")
    options["before_s"] = number(given, "before_s", "trials", 0.0)
    options["after_s"] = number(given, "after_s", "trials")
    return options


def _trial_table(path: Path) -> tuple[list[float], dict[str, float]]:
    table = read_table(path)
    if "start_s" not in table or not pd.api.types.is_numeric_dtype(table["start_s"]):
        found = f"the columns {list(table)}"
        fail(path, "start_s", "a column of times in s", found, "Add or rename the column.")
    columns = {}
    for name in ("before_s", "after_s"):
        if name in table:
            if table[name].nunique() != 1:
                advice = "Trials have one length: choose it."
                fail(path, name, "the same in all trials", "several values", advice)
            columns[name] = float(table[name].iloc[0])
    return table["start_s"].tolist(), columns

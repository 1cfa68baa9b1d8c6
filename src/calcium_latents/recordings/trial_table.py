"""The table of a session's trials, an attribute of a Recording: start_s, stop_s, condition and what else is known."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.recordings.fields import fail

ATTRIBUTE = "trials"
#: What an entry's `trials` says to take the table in the recording's file.
FROM_FILE = "file"
#: Columns as exports of NWB call them -> here.
ALIASES = {"start_time": "start_s", "stop_time": "stop_s"}


def trial_attribute(table: pd.DataFrame) -> str:
    """Return the attribute `trials` of a Recording: JSON, column -> values, null where one is missing."""
    columns = {str(name): [_plain(value) for value in table[name].tolist()] for name in table}
    return json.dumps(columns, default=str)


def _plain(value: Any) -> Any:
    return None if np.ndim(value) == 0 and pd.isna(value) else value


def trial_table(recording: xr.Dataset) -> pd.DataFrame | None:
    """Return the table of trials of a Recording, a row each, or None if it has none."""
    text = recording.attrs.get(ATTRIBUTE)
    return None if text is None else pd.DataFrame(json.loads(text))


def with_trials_of(recording: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """Return `recording` with the table of trials of another Recording, where that has one."""
    return recording.assign_attrs({ATTRIBUTE: other.attrs[ATTRIBUTE]} if ATTRIBUTE in other.attrs else {})


def checked_trials(table: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Return the table in the order of the session, with the columns start_s and, where known, stop_s.

    Raises:
        UserError: no column of onsets, onsets or ends that are no times, trials that come twice or end before they
            begin; it names `path`.
    """
    table = table.rename(columns={old: new for old, new in ALIASES.items() if new not in table})
    if "start_s" not in table:
        fail(path, "start_s", "a column of times in s", f"the columns {list(table)}", "Add or rename the column.")
    if table.empty:
        fail(path, "start_s", "at least one trial", "none", "Add rows, or leave `trials` out.")
    for name in ("start_s", "stop_s"):
        if name in table and not pd.api.types.is_numeric_dtype(table[name]):
            fail(path, name, "a column of times in s", f"{table[name].dtype}", "Correct the column.")
        if name in table and not np.isfinite(table[name].to_numpy(float)).all():
            fail(path, name, "a time in s in every row", "missing ones", "Fill them in, or leave these trials out.")
    table = table.sort_values("start_s", kind="stable", ignore_index=True)
    twice = table["start_s"].duplicated()
    if twice.any():
        found = f"{int(twice.sum())} repeated, the first: {table['start_s'][twice].iloc[0]:g} s"
        fail(path, "start_s", "each onset once", found, "Leave out the repeated rows.")
    if "stop_s" in table and (table["stop_s"] <= table["start_s"]).any():
        row = table[table["stop_s"] <= table["start_s"]].iloc[0]
        found = f"{row['stop_s']:g} s for the trial from {row['start_s']:g} s"
        fail(path, "stop_s", "ends after the onsets", found, "Correct the rows.")
    return table


def numbered_conditions(conditions: Sequence, source: str | Path) -> tuple[np.ndarray, list[str] | None]:
    """Return the conditions as integers [trial], and their names in order where they were no whole numbers.

    Raises:
        UserError: some are missing; it names `source`.
    """
    # NaN is not itself; as given, since an array of names would hold it as the name "nan"
    missing = [value is None or value != value for value in conditions]
    if any(missing):
        fail(source, "conditions", "a condition for every onset", f"{sum(missing)} missing", "Fill them in.")
    given = np.asarray(conditions)
    whole = given.dtype.kind in "iuf" and np.array_equal(given, np.rint(given.astype(float)))
    if whole and np.abs(given).max(initial=0) < 2**31:
        return given.astype(np.int32), None
    unique, numbers = np.unique(given, return_inverse=True)
    return numbers, [str(value) for value in unique]

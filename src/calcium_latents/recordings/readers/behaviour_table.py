"""Behaviour beside a recording whose own file has none: a CSV file, a row a sample, units in the names of columns."""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.files import read_table
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.running_speed import in_cm_s
from calcium_latents.recordings.readers.traces import Behaviour

TIME = "time_s"
#: How a column's name ends -> units.
UNITS = {
    "cm_s": "cm/s",
    "mm_s": "mm/s",
    "m_s": "m/s",
    "deg_s": "deg/s",
    "rad_s": "rad/s",
    "deg": "deg",
    "rad": "rad",
    "um": "um",
    "mm": "mm",
    "cm": "cm",
    "m": "m",
    "px": "pixel",
    "hz": "Hz",
    "ms": "ms",
    "s": "s",
    "mv": "mV",
    "v": "V",
    "percent": "%",
}


def read_behaviour(path: Path) -> dict[str, Behaviour]:
    """Return the signals in a CSV file by name.

    A column `time_s` has the times of the samples, s in the session, at any rate; every other one is a signal, whose
    name ends in its units where it has some: running_speed_cm_s is running_speed in cm/s. An empty cell is not known.

    Raises:
        UserError: no such table, times that do not increase, or a column of something else than numbers.
    """
    table = read_table(path, [TIME])
    times = pd.to_numeric(table[TIME], errors="coerce").to_numpy(float)
    if times.size < 2 or not np.isfinite(times).all() or np.diff(times).min() <= 0:
        fail(path, TIME, "two or more finite, increasing times in s", "others", "Correct the column, or sort the rows.")
    signals = {}
    for column in table.columns.drop(TIME):
        if not pd.api.types.is_numeric_dtype(table[column]):
            fail(path, column, "a column of numbers", f"{table[column].dtype}", "Correct or leave out the column.")
        name, units = _name_and_units(str(column))
        signals[name] = in_cm_s(name, Behaviour(times, table[column].to_numpy(float), units))
    if not signals:
        fail(path, "columns", f"a signal beside {TIME}", "none", "Add a column, running_speed_cm_s say.")
    return signals


def _name_and_units(column: str) -> tuple[str, str]:
    for ending, units in UNITS.items():
        if column.lower().endswith(f"_{ending}"):
            return column[: -len(ending) - 1], units
    return column, "1"

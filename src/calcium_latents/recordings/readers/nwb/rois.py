"""The table of ROIs of an NWB file: their numbers, and which of them were accepted as cells."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.nwb.series import RoiSeries, full_name

# Columns that say which ROIs are cells: of suite2p, NWB's own examples, roiextractors, Allen, CaImAn; small letters.
ACCEPTING = ("iscell", "is_cell", "accepted", "is_accepted", "valid_roi", "keep")
REJECTING = ("rejected", "is_rejected")
# CaImAn writes a user's lists of accepted and rejected beside `keep`, which it chose itself: they correct it.
AUTOMATIC, CORRECTION = "keep", "accepted"


def roi_numbers(planes: Sequence[RoiSeries]) -> np.ndarray:
    """Return the ROIs' ids in the file [neuron]; columns of the joined series where ids come twice or are too large."""
    numbers = np.concatenate([np.asarray(item.table.id[:], int)[item.rows] for item in planes])
    usable = np.unique(numbers).size == numbers.size and np.abs(numbers).max(initial=0) <= np.iinfo(np.int32).max
    return numbers if usable else np.arange(numbers.size)


def accepted(planes: Sequence[RoiSeries], path: str | Path) -> np.ndarray:
    """Return which ROIs are accepted [neuron]; all of a table that does not say.

    A ROI is accepted if every column that says so accepts it and none rejects it, but for CaImAn's `keep`, to which
    `accepted` adds.

    Raises:
        UserError: a column that is no number or truth a ROI, or no ROI is accepted.
    """
    keep, names = [], []
    for item in planes:
        kept, columns = _accepted(item.table, path)
        keep.append(kept[item.rows])
        names += columns
    joined = np.concatenate(keep)
    if not joined.any():
        columns = ", ".join(dict.fromkeys(names))
        advice = "Curate the ROIs again, or say `neurons: all` to read rejected ones, too."
        fail(path, columns, "at least one accepted ROI", f"none of {joined.size}", advice)
    return joined


def _accepted(table: Any, path: str | Path) -> tuple[np.ndarray, list[str]]:
    columns = {name.lower(): name for name in table.colnames or () if name.lower() in ACCEPTING + REJECTING}
    flags = {name: _flags(table, own, path) for name, own in columns.items()}
    if AUTOMATIC in flags and CORRECTION in flags:
        flags[AUTOMATIC] = flags[AUTOMATIC] | flags.pop(CORRECTION)
    keep = np.ones(len(table.id), bool)
    for name, flag in flags.items():
        keep &= ~flag if name in REJECTING else flag
    return keep, [f"{full_name(table)}/{own}" for own in columns.values()]


def _flags(table: Any, name: str, path: str | Path) -> np.ndarray:
    """Return a column [row] as truth; suite2p's `iscell` has the probability of being a cell beside it."""
    values = np.asarray(table[name].data[:])
    values = values[:, 0] if values.ndim == 2 else values
    if values.dtype.kind not in "biuf" or values.shape != (len(table.id),):
        found = f"{values.dtype} of shape {values.shape}"
        advice = "Correct the file, or say `neurons: all` to read every ROI."
        fail(path, f"{full_name(table)}/{name}", "a number or truth a ROI", found, advice)
    return values > 0 if values.dtype.kind != "f" else values >= 0.5

"""Traces exported from Inscopix's Data Processing Software as CSV.

The first line names the cells (C00, C01, ...), the second their status (accepted, undecided or rejected); then comes a
line a frame, its time in s first. A cell is empty, or NaN, where a frame was dropped.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import of_neurons
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.opening import reading, text_start
from calcium_latents.recordings.readers.stored import read_rows
from calcium_latents.recordings.readers.traces import Traces

#: Values that are read at once.
CHUNK_VALUES = 2**21
STATUSES = ("accepted", "undecided", "rejected")


def recognises(path: Path) -> bool:
    """Whether `path` is a .csv file whose second line has the status of each cell."""
    lines = text_start(path, 1_000_000).splitlines() if path.suffix.lower() == ".csv" else []
    return len(lines) > 1 and any(status in _cells(lines[1])[1:] for status in STATUSES)


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the cells that the user accepted, and those that nobody decided on; whether they are dF/F it does not say.

    Raises:
        UserError: the file cannot be read, has no line of statuses, cells that are no numbers, or no cell to take.
    """
    rate, advice = number(entry, "sampling_rate_hz", path), "Export it again, with its header."
    with reading(path, "traces of Inscopix as CSV", advice):
        with path.open(encoding="utf-8-sig") as file:
            names, statuses = (_cells(file.readline())[1:] for _ in range(2))
        if not names or len(statuses) != len(names) or not set(statuses) <= set(STATUSES):
            found = f"{statuses[:5]}" if statuses else "none"
            fail(path, "line 2", f"a status of each of {len(names)} cells, of {list(STATUSES)}", found, advice)
        options = {"skiprows": 2, "header": None, "skipinitialspace": True, "dtype": np.float64, "na_values": [""]}
        with pd.read_csv(path, chunksize=max(1, CHUNK_VALUES // len(names)), **options) as chunks:
            table = read_rows(chunks, _lines(path))
    if len(table) < 2 or table.shape[1] != len(names) + 1:
        found = f"{len(table)} rows of {table.shape[1]}"
        fail(path, "file", f"two rows or more of {len(names) + 1} numbers", found, advice)
    kept = np.flatnonzero(np.array(statuses) != "rejected")
    if not kept.size:
        fail(path, "line 2", "at least one cell accepted", "all rejected", "Accept some and export it again.")
    undecided = statuses.count("undecided")
    told = (f"{undecided} of {len(names)} cells are undecided, and taken with the accepted ones",) if undecided else ()
    digits = [re.search(r"\d+$", name) for name in names]
    numbers = np.array([int(match.group()) if match else -1 for match in digits])
    named = len(set(numbers.tolist())) == len(names) and numbers.min() >= 0 and numbers.max() < 2**31
    return Traces(
        values=of_neurons(table, 1 + kept),
        sampling_rate_hz=rate,
        timestamps=table[:, 0],
        neurons=numbers[kept] if named else kept,
        attributes={"roi_names": json.dumps([names[i] for i in kept])},
        notes=told,
    )


def _lines(path: Path) -> int:
    """Return how many lines come after the first two, empty ones among them."""
    with path.open("rb") as file:
        return sum(1 for _ in file) - 2


def _cells(line: str) -> list[str]:
    return [cell.strip(' \t\r\n"\ufeff') for cell in line.rstrip("\r\n").split(",")]

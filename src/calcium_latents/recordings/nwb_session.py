"""What is known of a recording's session beside its traces, as parts of an NWB file; and NWB files, written."""

import datetime
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.files import atomic_file

if TYPE_CHECKING:  # slow import
    from pynwb import NWBFile
    from pynwb.file import Subject

#: Attribute of a Recording: JSON, field of an NWB Subject -> text.
SUBJECT = "subject"
SUBJECT_FIELDS = ("subject_id", "species", "sex", "age", "genotype", "strain", "weight", "description")
#: What is true of every animal: NWB's validators ask for these fields.
UNKNOWN = {
    "subject_id": "unknown",
    "species": "http://purl.obolibrary.org/obo/NCBITaxon_33208",  # Metazoa
    "sex": "U",
    "age": "P0D/",  # 0 days or more
    "description": "The source file does not say all of this; an unknown species is given as Metazoa, any animal.",
}
REGULAR = 1e-3  # of a step: times that differ less from a fixed rate have one
#: Columns of a table of trials that NWB keeps for itself.
RESERVED = ("start_time", "stop_time", "id", "tags", "timeseries", "timeseries_index", "name", "description")


def write_nwb(file: "NWBFile", path: str | Path) -> None:
    """Write an NWB file at `path`, atomically and to the same bytes for the same content and identifier.

    NWB gives every object an id at random: here each follows from the file's identifier and the object's place.
    """
    import h5py
    from pynwb import NWBHDF5IO  # a slow import that other steps need not wait for

    found: list[tuple[str, Any]] = [("", file)]
    for place, container in found:  # which grows
        found += [(f"{place}/{i}:{child.name}", child) for i, child in enumerate(container.children)]
        # hdmf has no way to choose an id but for an object that it reads
        container._AbstractContainer__object_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{file.identifier} {place}"))
    with (
        atomic_file(path) as disk,
        h5py.File(disk, "w") as hdf5,
        NWBHDF5IO(file=hdf5, mode="w") as io,
    ):
        io.write(file)


def subject(recording: xr.Dataset) -> tuple["Subject", bool]:
    """Return the animal as NWB has it, and whether the source said which: else every field is a placeholder."""
    from pynwb.file import Subject

    said = json.loads(recording.attrs.get(SUBJECT, "{}"))
    fields: dict[str, Any] = {name: str(said[name]) for name in SUBJECT_FIELDS if said.get(name)}
    if said.get("date_of_birth"):
        born = datetime.datetime.fromisoformat(said["date_of_birth"])
        fields["date_of_birth"] = born if born.tzinfo else born.replace(tzinfo=datetime.UTC)
    return Subject(**(UNKNOWN | fields)), bool(fields)


def time_axis(times: np.ndarray) -> dict[str, Any]:
    """Return `times` [sample] (s) as the arguments of a TimeSeries: a rate where they are regular, else time stamps."""
    step = (times[-1] - times[0]) / (times.size - 1)
    regular = times[0] + np.arange(times.size) * step
    if np.abs(times - regular).max() < REGULAR * step:
        return {"rate": float(1 / step), "starting_time": float(times[0])}
    return {"timestamps": times}


def add_trials(file: "NWBFile", table: pd.DataFrame, end_s: float) -> None:
    """Add a table of trials, with columns start_s, perhaps stop_s, and others, to an NWB file.

    A trial without an end lasts to the next one's start, the last one to `end_s`.
    """
    starts = table["start_s"].to_numpy(float)
    following = np.append(starts[1:], max(end_s, starts[-1]))
    given = table["stop_s"].to_numpy(float) if "stop_s" in table else np.full(len(table), np.nan)
    stops = np.where(np.isfinite(given), given, following)
    columns = {}
    for name in table.columns.drop(["start_s", "stop_s"], errors="ignore"):
        own = f"source_{name}" if name in RESERVED else str(name).replace("/", "_")
        columns[own] = _column(table[name])
        file.add_trial_column(own, f"{name}, as in the table of trials of the recording.")
    for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        file.add_trial(start_time=start, stop_time=stop, **{name: values[row] for name, values in columns.items()})


def _column(values: pd.Series) -> list:
    """Return numbers as they are (missing: NaN), anything else as text (missing: empty)."""
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        return values.tolist()
    return ["" if value is None or value != value else str(value) for value in values]

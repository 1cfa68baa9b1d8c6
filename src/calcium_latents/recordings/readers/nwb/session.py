"""What an NWB file says of the session: who, when, and its table of trials."""

import datetime
from typing import Any

import numpy as np
import pandas as pd

SUBJECT = ("subject_id", "species", "strain", "genotype", "sex", "age", "date_of_birth", "weight", "description")
TIMES = {"start_time": "start_s", "stop_time": "stop_s"}


def session_attributes(file: Any) -> dict[str, Any]:
    """Return what identifies the session of an open NWB file; what it does not say is left out."""
    attributes: dict[str, Any] = {
        "session_start_time": file.session_start_time.isoformat(),
        "nwb_identifier": file.identifier,
        "session_id": file.session_id,
    }
    if file.subject is not None:
        subject = {name: _plain(getattr(file.subject, name, None)) for name in SUBJECT}
        attributes["subject"] = {name: value for name, value in subject.items() if value is not None}
    return {name: value for name, value in attributes.items() if value}


def trial_table(file: Any) -> pd.DataFrame | None:
    """Return the table of trials with its columns of one value a trial: start_s, stop_s, others as they are named."""
    table = file.trials
    if table is None or len(table) == 0:
        return None
    columns = {}
    for name in table.colnames:
        data = getattr(table[name], "data", None)
        # A ragged column (tags, parts of other series) is an index into other data.
        values = None if data is None or hasattr(table[name], "target") else np.asarray(data[:])
        if values is None or values.ndim != 1 or values.dtype.kind not in "biufOSU":
            continue
        if values.dtype.kind in "OS":
            texts = [value.decode() if isinstance(value, bytes) else value for value in values]
            if not all(isinstance(value, str) for value in texts):
                continue
            values = np.array(texts, object)
        columns[TIMES.get(name, name)] = values
    return pd.DataFrame(columns)


def _plain(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime.datetime) else None if value is None else str(value)

"""MIN1PIPE's results (miniscopes): the traces sigfn [cell, frame] and the frame rate Fsi_new in a MATLAB file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.formats.arrays import open_variables
from calcium_latents.recordings.readers.traces import Traces


def recognises(path: Path) -> bool:
    """Whether `path` is a file that has the name that MIN1PIPE gives."""
    return path.is_file() and path.name.endswith("_data_processed.mat")


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the traces of all cells.

    Raises:
        UserError: the file cannot be read, or has no sigfn.
    """
    rate = number(entry, "sampling_rate_hz", path)
    with open_variables(path) as found:
        if "sigfn" not in found:
            fail(path, "sigfn", "traces (cells, frames)", f"only {sorted(found)}", "Is this MIN1PIPE's file?")
        values = found["sigfn"][2]().T
        if rate is None and "Fsi_new" in found:
            rate = float(found["Fsi_new"][2]().item())
    return Traces(values, rate, is_dff=True)

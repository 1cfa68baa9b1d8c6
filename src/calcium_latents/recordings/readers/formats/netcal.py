"""Exports of NETCAL (calcium imaging of cultures): CSV, TXT, or a .mat file that holds the same.

One row a frame, one column a ROI, the time in s in the first column. CSV files are separated by a comma and a blank
and start with a header "time (s), 1, 2, ..." of the ROIs' numbers; TXT files are separated by blanks, without header.
NETCAL exports smoothed, raw or denoised traces: whether they are dF/F the file does not say.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from calcium_latents.progress import progress
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import Columns, of_neurons
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.formats.arrays import choose_matrix, open_variables
from calcium_latents.recordings.readers.opening import reading, text_start
from calcium_latents.recordings.readers.stored import read_rows
from calcium_latents.recordings.readers.traces import Traces, oriented, regular_frames

TIME = "time (s)"
#: Values that are read at once.
CHUNK_VALUES = 2**21
#: What other programs put around a cell: blanks, quotes, a byte order mark.
WRAPPING = ' \t\r\n"\ufeff'
MISSING = ["NaN", "nan", "NAN", "-NaN", "-nan"]
#: Matrices of traces in NETCAL's own variables, and the times that belong to them.
TIMES_OF = {"traces": "t", "rawTraces": "rawT", "rawTracesDenoised": "rawTDenoised"}


def recognises(path: Path) -> bool:
    """Whether `path` is a .txt file, or a .csv file whose header starts with "time (s)"."""
    if not path.is_file() or path.suffix.lower() not in (".csv", ".txt"):
        return False
    # The header may be long; a byte order mark or quotes may come before it.
    start = text_start(path, 100).lstrip(WRAPPING).lower()
    return path.suffix.lower() == ".txt" or start.startswith(TIME)


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read traces as NETCAL exports them.

    The rate follows from the times; dropped frames are filled with NaN. In a TXT file the first column is taken for the
    time if it increases from each row to the next, which no trace does; NETCAL always writes it. Without such a column
    (or, in a .mat file, without a vector of times) `sampling_rate_hz` is needed.

    Args:
        path: a .csv, .txt or .mat file.
        entry: `sampling_rate_hz`, frames per second, must agree with the times to 1 %. Of .mat files only: `key`, name
            of the matrix, fields of structs separated by slashes, default: NETCAL's names (traces, rawTraces,
            rawTracesDenoised, at the top or in a struct), else the only matrix; `orientation`, see `traces.oriented`,
            not needed where the file holds the times.

    Raises:
        UserError: the file cannot be read, has no header, has rows of different lengths or cells that are no numbers,
            ROIs that come twice, or times that are irregular or contradict `sampling_rate_hz`.
    """
    sampling_rate_hz = number(entry, "sampling_rate_hz", path)
    if path.suffix.lower() == ".mat":
        values, time = _read_mat(path, entry.get("key"), entry.get("orientation"))
        neurons, attributes = None, {}
    elif path.suffix.lower() in (".csv", ".txt"):
        table, header = _read_table(path, comma=path.suffix.lower() == ".csv")
        neurons, attributes = _numbers(header, path)
        has_time = header is not None or _is_increasing(table[:, 0])
        time, values = (table[:, 0], of_neurons(table, np.arange(1, table.shape[1]))) if has_time else (None, table)
        if values.shape[1] == 0:
            fail(path, "columns", "at least one ROI beside the time", "none", "Export the traces of all ROIs.")
    else:
        fail(path, "format", "a .csv, .txt or .mat file of NETCAL", f"'{path.suffix}'", "Export it again.")
    if time is None:
        return Traces(values=values, sampling_rate_hz=sampling_rate_hz, neurons=neurons, attributes=attributes)
    values, frames, rate = regular_frames(values, time, str(path))
    if sampling_rate_hz is not None and abs(rate / sampling_rate_hz - 1) > 0.01:
        found = f"{sampling_rate_hz:g}, but frames {1 / rate:.6g} s apart"
        fail(path, "sampling_rate_hz", f"{rate:.6g} as in the file's times", found, "Correct the entry.")
    return Traces(
        values=values,
        sampling_rate_hz=float(rate),
        start_s=float(frames[0]),
        neurons=neurons,
        attributes=attributes,
    )


def _read_table(path: Path, comma: bool) -> tuple[np.ndarray | Columns, list[str] | None]:
    """Return the numbers [row, column] of a text file, and the names in its header (CSV only)."""
    with reading(path, "rows of numbers", "Export it again."):
        header, skipped, rows, width = _check_lines(path, comma)
    options = {
        "sep": "," if comma else r"\s+",
        "header": None,
        "skiprows": skipped,
        "skipinitialspace": True,
        # An empty cell is an error, not a missing sample.
        "keep_default_na": False,
        "na_values": MISSING,
    }
    try:
        chunk = max(1, CHUNK_VALUES // width)
        with pd.read_csv(path, dtype=np.float64, chunksize=chunk, **options) as chunks:
            number = -(-rows // chunk)
            steps = progress(chunks, f"reading {path.name}", total=number, unit="part")
            table = read_rows(steps, rows)
    except (ValueError, OSError) as error:
        _fail_at_cell(path, header, error)
    return table, header


def _check_lines(path: Path, comma: bool) -> tuple[list[str] | None, int, int, int]:
    """Check the header (CSV) and that all rows are of one length; return the header, the lines before
    the rows, and the numbers of rows and of columns.

    pandas would fill up short rows with missing samples.
    """
    header, width, rows, first = None, 0, 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(progress(file, f"checking {path.name}", unit="line"), start=1):
            if not line.strip():
                continue
            cells = line.count(b",") + 1 if comma else len(line.split())
            if width == 0:
                width, first = cells, number
                if comma:
                    header = [cell.decode(errors="replace").strip(WRAPPING) for cell in line.split(b",")]
                    if header[0].lower() != TIME:
                        expected = f"a header '{TIME}, ...' with the ROIs in the first line"
                        fail(path, "file", expected, f"{header[0]!r}", "Export it from NETCAL as CSV, with its header.")
                    continue
            elif cells != width:
                found = f"{cells} in line {number}"
                fail(path, "file", f"{width} values in each line, as in the first", found, "Export it again.")
            rows += 1
    if rows < 2:
        fail(path, "file", "rows of numbers, two frames or more", f"{rows}", "Is this an export of NETCAL?")
    return header, first - 1 + comma, rows, width


def _fail_at_cell(path: Path, header: list[str] | None, error: Exception) -> NoReturn:
    """Name the first cell that is no number."""
    with path.open("rb") as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        if header is not None:
            next(lines)
        for number, line in lines:
            for column, cell in enumerate(line.split(b"," if header is not None else None)):
                text = cell.decode(errors="replace").strip(WRAPPING)
                if _is_number(text):
                    continue
                name = f"column {column + 1}" + (f" ('{header[column]}')" if header else "")
                found = f"{text!r} in line {number}, {name}"
                expected, advice = "numbers (NaN where nothing was sampled)", "Correct this cell, or export it again."
                fail(path, "file", expected, found, advice)
    fail(path, "file", "a table of numbers", f"an unreadable one ({error})", "Export it again.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(header: list[str] | None, path: Path) -> tuple[np.ndarray | None, dict[str, str]]:
    """Return the ROIs' numbers, or, where they have names, none and the names as an attribute."""
    if header is None:
        return None, {}
    names = header[1:]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        fail(path, "header", "each ROI once", f"{twice[0]!r} more than once", "Export it again.")
    if all(name.isascii() and name.isdigit() and int(name) < 2**31 for name in names):
        return np.array([int(name) for name in names], dtype=int), {}
    return None, {"roi_names": json.dumps(names)}


def _is_increasing(column: np.ndarray) -> bool:
    return column.size > 2 and bool(np.isfinite(column).all() and (np.diff(column) > 0).all())


def _read_mat(path: Path, key: str | None, orientation: str | None) -> tuple[np.ndarray | Columns, np.ndarray | None]:
    """Return traces [frame, ROI] and their times [frame], None where the file has none."""
    with open_variables(path) as found:
        if key is None:
            # The shortest path: a field of the experiment before those of its parts.
            known = sorted((n for n in found if n.rsplit("/", 1)[-1] in TIMES_OF), key=lambda n: (n.count("/"), n))
            own = [name for name in known if name.rsplit("/", 1)[-1] == "traces"]
            key = next(iter(own or known), None)
        key = choose_matrix(path, key, found)
        matrix = found[key].anywhere()
        folder, _, last = key.rpartition("/")
        clock = f"{folder}/{TIMES_OF.get(last, 't')}".lstrip("/")
        time = found[clock].get().astype(float).ravel() if clock in found else None
    if time is not None and matrix.ndim == 2 and orientation is None:
        if time.size not in matrix.shape:
            expected = f"one time a frame of {key} {matrix.shape}"
            fail(path, clock, expected, f"{time.size}", "Export it again.")
        orientation = "frames x neurons" if matrix.shape[0] == time.size else "neurons x frames"
    return oriented(matrix, orientation, str(path), key), time

"""suite2p folders: F.npy, Fneu.npy, iscell.npy, stat.npy, and the settings of its run (one plane, or `combined`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recording_formats import SUITE2P_RUN, is_zarr, suite2p_folder
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import Columns, held, of_neurons
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.opening import load_npy, reading
from calcium_latents.recordings.readers.stored import Stored, npy_matrix
from calcium_latents.recordings.readers.traces import Traces

EXPECTED, AGAIN = "a NumPy file of suite2p", "Run suite2p again."


@dataclass(frozen=True)
class Plane:
    """What is known of one plane's run.

    Attributes:
        run: suite2p's settings by name.
        bad: [frame], whether registration flagged the frame; None where nothing is said.
        frames: number of the plane's own frames; None where its traces are elsewhere.
    """

    run: dict[str, Any]
    bad: np.ndarray | None
    frames: int | None


def recognises(path: Path) -> bool:
    """Whether `path` is a folder without arrays of zarr: no other format is one."""
    return path.is_dir() and not is_zarr(path)


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the cells (iscell) of a suite2p folder: raw fluorescence, neuropil, positions and sample times.

    A line of the image takes 1/Ly of the time of its plane, and plane p of P follows p/P of a volume later:
    a cell at line y is sampled (p + y/Ly)/P of the imaging period after the start of the frame. Frames that
    registration flagged (badframes) are missing samples, and so are those by which a plane of `combined` is shorter
    than others, which suite2p fills with zeros.

    Raises:
        UserError: no suite2p folder, files that cannot be read or do not fit together, or no cells.
    """
    rate = number(entry, "sampling_rate_hz", path)
    with reading(path, "a suite2p folder with F.npy", "Ask for the right to read it."):
        folder = suite2p_folder(path)
    fluorescence = _traces(folder, "F.npy")
    n_neurons, n_frames = fluorescence.shape
    neuropil = _traces(folder, "Fneu.npy") if (folder / "Fneu.npy").is_file() else None
    if neuropil is not None and neuropil.shape != fluorescence.shape:
        found = f"{neuropil.shape}"
        fail(folder / "Fneu.npy", "Fneu", f"the shape of F {fluorescence.shape}", found, AGAIN)
    cells, notes = _cells(folder, n_neurons), []
    med, plane_of = _stat(folder, n_neurons)
    planes = _planes(folder, plane_of)
    run = _settings(folder)
    missing = {name: _missing(folder, plane, n_frames) for name, plane in planes.items()}
    plane_of_cell = np.full(cells.sum(), next(iter(planes))) if len(planes) == 1 else plane_of[cells]
    values, background = (
        None if traces is None else _sampled(of_neurons(traces.T.columns(), cells), plane_of_cell, missing)
        for traces in (fluorescence, neuropil)
    )
    assert values is not None
    position = fraction = None
    if med is not None:
        position = med[cells, ::-1]
        with reading(folder, "numbers for Ly and nplanes in suite2p's settings", AGAIN):
            fraction = _frame_fraction(folder, med[:, 0], plane_of, planes, run)
        if fraction is None:
            notes.append("sample times within the frame are unknown (no Ly, or no number of the plane)")
    extraction = run.get("extraction")  # of suite2p 1.x
    coefficient = extraction.get("neuropil_coefficient") if isinstance(extraction, Mapping) else run.get("neucoeff")
    with reading(folder, "numbers for fs and the neuropil's coefficient in suite2p's settings", AGAIN):
        fs, coefficient = (None if value is None else float(value) for value in (run.get("fs"), coefficient))
    return Traces(
        values=values,
        sampling_rate_hz=fs if rate is None else rate,
        is_dff=False,
        neuropil=background,
        neuropil_coefficient=coefficient,
        position=position,
        frame_fraction=None if fraction is None else fraction[cells],
        scanned_by_line=True,
        neurons=np.flatnonzero(cells),
        notes=tuple(notes),
    )


def size(path: Path, entry: Mapping[str, Any]) -> tuple[int, int, float | None]:
    """Return how many frames and ROIs a suite2p folder has, and the imaging rate (Hz), None where nothing says it.

    Raises UserError where `read` would.
    """
    with reading(path, "a suite2p folder with F.npy", "Ask for the right to read it."):
        folder = suite2p_folder(path)
    n_neurons, n_frames = _traces(folder, "F.npy").shape
    rate = number(entry, "sampling_rate_hz", path)
    if rate is None and (fs := _settings(folder).get("fs")) is not None:
        with reading(folder, "a number for fs in suite2p's settings", AGAIN):
            rate = float(fs)
    return n_frames, n_neurons, rate


def _sampled(
    traces: np.ndarray | Columns, plane_of: np.ndarray, missing: Mapping[int, np.ndarray]
) -> np.ndarray | Columns:
    """Return traces [frame, cell] without the samples that are `missing` [frame] in a cell's plane."""
    if not any(frames.any() for frames in missing.values()):
        return traces

    def read(numbers: np.ndarray) -> np.ndarray:
        block = np.array(traces[:, numbers], order="F")
        for at, plane in enumerate(plane_of[numbers]):
            block[missing[int(plane)], at] = np.nan
        return block

    return held(Columns((traces.shape[0], traces.shape[1]), traces.dtype, read))


def _traces(folder: Path, name: str) -> Stored:
    """Return [ROI, frame], on disk."""
    traces = npy_matrix(folder / name, EXPECTED, AGAIN)
    if not isinstance(traces, Stored) or traces.dtype.kind != "f":
        found = f"shape {traces.shape} of {traces.dtype}"
        fail(folder / name, name.removesuffix(".npy"), "traces (ROIs, frames)", found, AGAIN)
    return traces


def _cells(folder: Path, n_neurons: int) -> np.ndarray:
    """Return [ROI], whether it is a cell: iscell.npy is (ROIs, 2), with the probability, or (ROIs,)."""
    path = folder / "iscell.npy"
    if not path.is_file():
        return np.ones(n_neurons, bool)
    iscell = load_npy(path, EXPECTED, AGAIN)
    if iscell.ndim not in (1, 2) or iscell.dtype.kind not in "fiub" or len(iscell) != n_neurons or not iscell.size:
        fail(path, "iscell", f"{n_neurons} rows as in F", f"shape {iscell.shape} of {iscell.dtype}", AGAIN)
    cells = iscell.reshape(n_neurons, -1)[:, 0] > 0
    if not cells.any():
        fail(path, "iscell", "at least one cell", "none", "Curate the cells in suite2p.")
    return cells


def _stat(folder: Path, n_neurons: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return centres [ROI, (y, x)] or None, and numbers of planes [ROI], -1 where they are not said."""
    path, unknown = folder / "stat.npy", np.full(n_neurons, -1)
    if not path.is_file():
        return None, unknown
    stat = np.atleast_1d(load_npy(path, EXPECTED, AGAIN, pickled=True))
    if len(stat) != n_neurons:
        fail(path, "stat", f"{n_neurons} entries as F", f"{len(stat)}", AGAIN)
    with reading(path, "a `med` (y, x) of each ROI", AGAIN):
        centres = np.array([roi["med"] for roi in stat], float).reshape(n_neurons, 2)
        return centres, np.array([roi.get("iplane", -1) for roi in stat], int)


def _settings(folder: Path) -> dict[str, Any]:
    """Return the settings by which the traces in a folder were made; of `combined`, its first plane's under its own."""
    return _run(folder) if folder.name != "combined" else _run(folder.parent / "plane0") | _run(folder)


def _run(folder: Path) -> dict[str, Any]:
    """Return the settings of a run: ops.npy or, where suite2p 1.x wrote none, settings.npy and db.npy."""
    run: dict[str, Any] = {}
    for name in SUITE2P_RUN:
        path = folder / name
        if path.is_file():
            with reading(path, "a dictionary of suite2p's settings", AGAIN):
                run |= dict(load_npy(path, EXPECTED, AGAIN, pickled=True).item())
    return run


def _planes(folder: Path, plane_of: np.ndarray) -> dict[int, Plane]:
    """Return number -> plane of those that the ROIs are in; of a plane's own folder, that plane alone."""
    if folder.name != "combined":
        number = folder.name.removeprefix("plane")
        own = np.unique(plane_of)
        name = int(own[0]) if own.size == 1 and own[0] >= 0 else int(number) if number.isdigit() else -1
        return {name: _plane(folder, _run(folder))}
    return {int(name): _plane(folder.parent / f"plane{name}", None) for name in np.unique(plane_of)}


def _plane(folder: Path, run: dict[str, Any] | None) -> Plane:
    alone, run = run is not None, _run(folder) if run is None else run
    bad = run.get("badframes")
    path = folder / "reg_outputs.npy"
    if bad is None and path.is_file():
        with reading(path, "a dictionary of suite2p's registration", AGAIN):
            bad = load_npy(path, EXPECTED, AGAIN, pickled=True).item().get("badframes")
    frames = None if alone or not (folder / "F.npy").is_file() else _traces(folder, "F.npy").shape[1]
    return Plane(run, None if bad is None else np.asarray(bad, bool).ravel(), frames)


def _missing(folder: Path, plane: Plane, n_frames: int) -> np.ndarray:
    """Return [frame], whether the plane's ROIs have no sample there."""
    own = n_frames if plane.frames is None else min(plane.frames, n_frames)
    missing = np.arange(n_frames) >= own
    if plane.bad is not None and plane.bad.size:
        if plane.bad.size != own:
            found = f"{plane.bad.size}"
            fail(folder, "badframes", f"one a frame ({own})", found, AGAIN)
        missing[:own] |= plane.bad
    if missing.all():
        fail(folder, "badframes", "at least one good frame", "none", "Check the registration in suite2p.")
    return missing


def _frame_fraction(
    folder: Path, y: np.ndarray, plane_of: np.ndarray, planes: dict[int, Plane], run: dict[str, Any]
) -> np.ndarray | None:
    """Return [ROI], the part of the imaging period after which the ROI is sampled; None where that is unknown."""
    count = int(run.get("nplanes") or 1)
    if folder.name == "combined":
        # The combined view tiles the planes and its Ly is the mosaic's: planes know their own.
        lines = [float(plane.run.get("Ly") or 0) for plane in planes.values()]
        if -1 in planes or not all(lines):
            return None
        height, plane = max(lines), plane_of.astype(float)
        y = y % height
    else:
        (name,) = planes
        if not run.get("Ly") or (count > 1 and not 0 <= name < count):
            return None
        height, plane = float(run["Ly"]), float(name if count > 1 else 0)
    return np.clip((plane + np.clip(y / height, 0, 1)) / count, 0, 1 - 1e-6)

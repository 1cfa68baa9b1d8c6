"""suite2p folders: F.npy, Fneu.npy, iscell.npy, stat.npy, ops.npy (one plane, or `combined`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.traces import Traces


def recognises(path: Path) -> bool:
    """Whether `path` is a folder: no other format is one."""
    return path.is_dir()


def suite2p_folder(path: Path) -> Path | None:
    """Return the folder with the traces: `path` itself, or the only plane (or `combined`) below it."""
    for folder in (path, path / "suite2p"):
        for plane in (folder, folder / "combined"):
            if (plane / "F.npy").is_file():
                return plane
        planes = sorted(file.parent for file in folder.glob("plane*/F.npy"))
        if len(planes) == 1:
            return planes[0]
        if planes:
            names = ", ".join(p.name for p in planes)
            advice = "Name the folder of one plane in the entry."
            fail(path, "file", "one plane, or a `combined` folder", names, advice)
    return None


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the cells (iscell) of a suite2p folder: raw fluorescence, neuropil, positions and sample times.

    A line of the image takes 1/Ly of the time of its plane, and plane p of P follows p/P of a volume later:
    a cell at line y is sampled (p + y/Ly)/P of the imaging period after the start of the frame.

    Raises:
        UserError: no suite2p folder, files that do not fit together, or no cells.
    """
    rate, folder = number(entry, "sampling_rate_hz", path), suite2p_folder(path)
    if folder is None:
        fail(path, "file", "a suite2p folder with F.npy", "none", "Name the folder plane0, say, in the entry.")
    fluorescence = _load(folder, "F.npy").T
    neuropil = _load(folder, "Fneu.npy").T if (folder / "Fneu.npy").is_file() else None
    n_neurons = fluorescence.shape[1]
    if neuropil is not None and neuropil.shape != fluorescence.shape:
        found = f"{neuropil.T.shape}"
        fail(folder / "Fneu.npy", "Fneu", f"the shape of F {fluorescence.T.shape}", found, "Run suite2p again.")
    ops = _load(folder, "ops.npy", allow_pickle=True).item() if (folder / "ops.npy").is_file() else {}
    stat = _load(folder, "stat.npy", allow_pickle=True) if (folder / "stat.npy").is_file() else None
    if stat is not None and len(stat) != n_neurons:
        fail(folder / "stat.npy", "stat", f"{n_neurons} entries as F", f"{len(stat)}", "Run suite2p again.")
    cells = np.ones(n_neurons, bool)
    if (folder / "iscell.npy").is_file():
        iscell = np.atleast_2d(_load(folder, "iscell.npy"))
        if len(iscell) != n_neurons:
            expected = f"{n_neurons} rows as in F"
            fail(folder / "iscell.npy", "iscell", expected, f"{len(iscell)}", "Run suite2p again.")
        cells = iscell[:, 0] > 0
    if not cells.any():
        fail(folder / "iscell.npy", "iscell", "at least one cell", "none", "Curate the cells in suite2p.")
    position = fraction = None
    if stat is not None:
        centre = np.array([entry["med"] for entry in stat], float)
        position = centre[:, ::-1]
        fraction = _frame_fraction(folder, stat, centre[:, 0], ops)
    return Traces(
        values=fluorescence[:, cells],
        sampling_rate_hz=float(ops["fs"]) if rate is None and "fs" in ops else rate,
        is_dff=False,
        neuropil=None if neuropil is None else neuropil[:, cells],
        position=None if position is None else position[cells],
        frame_fraction=None if fraction is None else fraction[cells],
        scanned_by_line=True,
        neurons=np.flatnonzero(cells),
    )


def _frame_fraction(folder: Path, stat: np.ndarray, y: np.ndarray, ops: dict) -> np.ndarray | None:
    planes = int(ops.get("nplanes", 1))
    if folder.name == "combined":
        # The combined view tiles the planes and its Ly is the mosaic's: ask a plane's own ops.npy.
        if not (folder.parent / "plane0" / "ops.npy").is_file() or any("iplane" not in entry for entry in stat):
            return None
        lines = _load(folder.parent / "plane0", "ops.npy", allow_pickle=True).item().get("Ly")
        plane = np.array([entry["iplane"] for entry in stat], float)
        y = y % lines if lines else y
    else:
        lines = ops.get("Ly")
        number = folder.name.removeprefix("plane")
        plane = float(number) if number.isdigit() and int(number) < planes else 0.0
    if not lines:
        return None
    return np.clip((plane + np.clip(y / lines, 0, 1)) / planes, 0, 1 - 1e-6)


def _load(folder: Path, name: str, allow_pickle: bool = False) -> np.ndarray:
    try:
        # Traces are mapped: of thousands of ROIs, only the cells are held.
        return np.load(folder / name, mmap_mode=None if allow_pickle else "r", allow_pickle=allow_pickle)
    except (OSError, ValueError) as error:
        found = f"an unreadable one ({error})"
        fail(folder / name, "file", "a NumPy file of suite2p", found, "Run suite2p again.")

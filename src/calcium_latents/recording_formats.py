"""The formats of a user's recordings by name, and which files a reader opens: nothing heavy is imported.

The workflow asks when it plans, and readers of folders ask the same, so that what is read is what is tracked.
"""

import os
from pathlib import Path

from calcium_latents.errors import UserError

#: The format of a file that no reader recognises.
FALLBACK = "arrays"
FORMATS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("recordings/readers/formats/[!_]*.py")))

#: Files of suite2p: a run's settings, what a `combined` view needs of its planes, and what the folder with traces has.
SUITE2P_RUN = ("settings.npy", "db.npy", "ops.npy")
SUITE2P_PLANE = ("F.npy", "reg_outputs.npy", *SUITE2P_RUN)
SUITE2P_TRACES = ("Fneu.npy", "iscell.npy", "stat.npy", *SUITE2P_PLANE)
ZARR_MARKS = (".zgroup", ".zarray", ".zmetadata", "zarr.json")


def files_read(path: str | Path, kind: str | None = None, key: str | None = None) -> list[str]:
    """Return the files that the import of a recording opens: `path` itself or, of a folder, those in it, sorted.

    Args:
        path: an existing file or folder.
        kind: its format; None or "auto": told from the folder.
        key: the variable that is wanted, of Minian's.

    Raises:
        UserError: a folder of suite2p without traces, or with several planes.
    """
    path = Path(path)
    if not path.is_dir():
        return [str(path)]
    if kind in (None, "auto"):
        kind = "minian" if is_zarr(path) else "suite2p"
    if kind == "suite2p":
        traces = suite2p_folder(path)
        found = [traces / name for name in SUITE2P_TRACES]
        if traces.name == "combined":
            found += [plane / name for plane in traces.parent.glob("plane*") for name in SUITE2P_PLANE]
        return sorted(str(file) for file in found if file.is_file())
    tops = {zarr_group(path, key or "C"), zarr_group(path, "A")} if kind == "minian" else {path}
    return sorted({os.path.join(at, name) for top in tops for at, _, names in os.walk(top) for name in names})


def suite2p_folder(path: Path) -> Path:
    """Return the folder with the traces: `path` itself, or `combined` or the only plane below it.

    Raises:
        UserError: there is none, or several planes.
    """
    for folder in (path, path / "suite2p"):
        for plane in (folder, folder / "combined"):
            if (plane / "F.npy").is_file():
                return plane
        planes = sorted(file.parent for file in folder.glob("plane*/F.npy"))
        if len(planes) == 1:
            return planes[0]
        if planes:
            names = ", ".join(plane.name for plane in planes)
            raise UserError(
                f"{path}: file: expected one plane, or a `combined` folder, found {names}. Name the folder of one plane"
                " in the entry."
            )
    raise UserError(
        f"{path}: file: expected a suite2p folder with F.npy, found none. Name the folder plane0, say, in the entry."
    )


def is_zarr(path: Path) -> bool:
    """Whether a folder is a group of zarr, or holds some."""
    try:
        return path.is_dir() and (any((path / mark).is_file() for mark in ZARR_MARKS) or any(path.glob("*.zarr")))
    except OSError:
        return False


def zarr_group(path: Path, name: str) -> Path:
    """Return the group of zarr in Minian's folder that has variable `name`, or another one of the same results."""
    inside = path / f"{name}.zarr"
    return inside if inside.is_dir() else min(path.glob("*.zarr"), default=path)

"""The formats of a user's recordings by name, for the configuration: nothing heavy is imported."""

from pathlib import Path

#: The format of a file that no reader recognises.
FALLBACK = "arrays"
FORMATS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("recordings/readers/formats/[!_]*.py")))

#: Files by which a folder of suite2p or of zarr is known to have changed: tools write into it without touching itself.
DECIDING = {f"{name}.npy" for name in ("F", "Fneu", "iscell", "stat", "ops", "settings", "db", "reg_outputs")}
DECIDING |= {".zarray", ".zgroup", ".zmetadata", "zarr.json"}


def deciding_files(path: str | Path) -> list[str]:
    """Return the files of a recording that is a folder on which its import depends; none of one that is a file.

    A `combined` view of suite2p's depends on its planes' folders, too.
    """
    folder = Path(path)
    if not folder.is_dir():
        return []
    above = folder.parent if folder.name == "combined" else folder
    levels = ("*", "*/*", "*/*/*")
    return sorted(str(file) for level in levels for file in above.glob(level) if file.name in DECIDING)

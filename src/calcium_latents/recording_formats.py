"""The formats of a user's recordings by name. Configuration takes its choices from here: nothing heavy is imported."""

from pathlib import Path
from types import ModuleType

#: The format of a file that no reader recognises.
FALLBACK = "arrays"
FORMATS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("recordings/readers/formats/[!_]*.py")))


def reader(name: str) -> ModuleType:
    """Return the reader of a format; see `recordings.readers.formats`."""
    # Named, so that the digest of the code that imports recordings covers them.
    from calcium_latents.recordings.readers.formats import arrays, caiman, netcal, nwb, suite2p  # noqa: F401

    return locals()[name]

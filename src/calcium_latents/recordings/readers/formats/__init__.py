"""Readers of a user's traces, one format a module.

Each has `recognises(path) -> bool`, whether a file or folder is of its format (no two say so of the same; `arrays` is
what remains), and `read(path, entry) -> Traces`, which takes what it needs of the entry of config/recordings.yaml.
A new one is a module here, its test, and its name in `reader`.
"""

from types import ModuleType


def reader(name: str) -> ModuleType:
    """Return the reader of a format (of `recording_formats.FORMATS`)."""
    # Named, so that the digest of the code that imports recordings covers them.
    from calcium_latents.recordings.readers.formats import (  # noqa: F401
        arrays,
        caiman,
        extract,
        inscopix,
        minian,
        netcal,
        nwb,
        suite2p,
    )

    return locals()[name]

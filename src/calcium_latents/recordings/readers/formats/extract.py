"""EXTRACT's results (MATLAB): a struct `output` with temporal_weights [frame, cell] and spatial_weights [y, x, cell].

MATLAB 7.3 writes HDF5, in which these are (cells, frames) and (cells, x, y).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.formats.arrays import open_variables
from calcium_latents.recordings.readers.opening import hdf5_has, is_hdf5, load_mat, reading
from calcium_latents.recordings.readers.traces import Traces, oriented

#: Cells whose images are looked at together.
IMAGES_AT_ONCE = 32
STRUCT, TRACES, IMAGES = "output", "temporal_weights", "spatial_weights"


def recognises(path: Path) -> bool:
    """Whether `path` is a MATLAB or HDF5 file with EXTRACT's traces in `output`."""
    if is_hdf5(path) or path.suffix.lower() != ".mat" or not path.is_file():
        return hdf5_has(path, f"{STRUCT}/{TRACES}")
    try:
        with reading(path, "a MATLAB file"):
            structs = {name for name, _, kind in scipy.io.whosmat(path) if kind == "struct"}
        return STRUCT in structs and TRACES in load_mat(path, variables=[STRUCT])[STRUCT].dtype.names
    except UserError:
        return False  # a broken file is nobody's: the reader of what remains says so


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the traces of all cells, and their centres of mass where the images are stored as an array.

    Whether they are dF/F depends on EXTRACT's preprocessing, and the file does not say how often it sampled: the entry
    must say both.

    Args:
        path: a MATLAB file (of version 7.3: HDF5).
        entry: `sampling_rate_hz`, frames per second; `key`, name of the struct, default `output`.

    Raises:
        UserError: the file cannot be read, has no such traces, or another number of images.
    """
    rate, position = number(entry, "sampling_rate_hz", path), None
    struct = str(entry.get("key") or STRUCT).strip("/")
    traces, images = f"{struct}/{TRACES}", f"{struct}/{IMAGES}"
    with open_variables(path, struct, matlab=True) as found:
        if traces not in found:
            fail(path, traces, "EXTRACT's traces", f"only {sorted(found)[:12]}", "Name the struct by `key`.")
        values = found[traces].anywhere()
        if values.ndim != 2 or 0 in values.shape:
            fail(path, traces, "frames x cells", f"shape {values.shape}", "Save the struct again.")
        if images in found and len(found[images].shape) == 3:
            if found[images].shape[2] != values.shape[1]:
                shape = f"{found[images].shape}"
                fail(path, images, f"images of {values.shape[1]} cells", shape, "Save the struct again.")
            cells = (slice(at, at + IMAGES_AT_ONCE) for at in range(0, values.shape[1], IMAGES_AT_ONCE))
            position = np.concatenate([_centres(found[images].get(part)) for part in cells])
    return Traces(
        values=oriented(values, "frames x neurons", str(path), traces), sampling_rate_hz=rate, position=position
    )


def _centres(images: np.ndarray) -> np.ndarray:
    """Return centres of mass [cell, (x, y)] in pixels of images [y, x, cell]."""
    weight = images.sum((0, 1))
    weight[weight == 0] = 1
    return np.stack([images.sum(axis).T @ np.arange(images.shape[1 - axis]) / weight for axis in (0, 1)], axis=1)

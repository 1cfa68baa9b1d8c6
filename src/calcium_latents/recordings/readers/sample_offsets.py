"""When, within an imaging frame, each neuron of a user's recording was sampled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import find_path
from calcium_latents.recordings.readers.opening import load_npy
from calcium_latents.recordings.readers.traces import Traces


def sample_offsets(
    traces: Traces, entry: Mapping[str, Any], base_directory: str | Path, path: Path, n_in_file: int
) -> np.ndarray | None:
    """Return how long after the start of its frame each neuron is sampled: [neuron], s, or None where that is unknown.

    Args:
        traces: of the neurons that are kept, with a known rate.
        entry: `sample_offsets`, see the package's docstring.
        base_directory: what a relative path of a .npy file is relative to.
        path: names the file in messages.
        n_in_file: number of neurons in the file, of which some may be left out.

    Raises:
        UserError: no positions to tell it from, or a file of offsets that does not fit.
    """
    assert traces.sampling_rate_hz is not None  # see `check_traces`
    setting, period = entry.get("sample_offsets"), 1 / traces.sampling_rate_hz
    if setting in ("none", False) or (setting is None and not traces.scanned_by_line):
        return None
    if setting in (None, "from_positions"):
        if traces.frame_fraction is None:
            if setting is None:
                return None
            expected = "positions of the neurons in a field of view of known height"
            advice = "Use `sample_offsets: none`, or a .npy file of seconds, one for each neuron."
            fail(path, "sample_offsets", expected, "none", advice)
        return traces.frame_fraction * period
    file = find_path(setting, "sample_offsets", base_directory)
    offsets = load_npy(file)
    if offsets.dtype.kind not in "fiu" or not offsets.size:
        fail(file, "sample_offsets", "numbers", f"shape {offsets.shape} of {offsets.dtype}", "Save it again.")
    offsets = np.asarray(offsets, float).ravel()
    if traces.neurons is None or offsets.size == traces.neurons.size:
        pass
    elif offsets.size >= n_in_file:
        offsets = offsets[traces.neurons]
    else:
        expected = f"one value a neuron ({traces.neurons.size})"
        fail(file, "sample_offsets", expected, f"{offsets.size}", "Give one for each neuron, in s.")
    if not np.isfinite(offsets).all() or offsets.min() < 0 or offsets.max() >= period:
        found = f"{offsets.min():g} to {offsets.max():g}"
        expected = f"seconds from 0 to below {period:g}"
        fail(file, "sample_offsets", expected, found, "Count from the start of the frame.")
    return offsets

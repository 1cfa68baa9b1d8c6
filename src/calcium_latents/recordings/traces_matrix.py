"""A recording as a matrix of traces, one row a neuron: what models of single neurons take."""

from pathlib import Path

import numpy as np
import xarray as xr

from calcium_latents.recordings.fields import fail, named_neurons

MINIMUM_NEURONS = 2
MINIMUM_SAMPLES = 16


def trace_matrix(recording: xr.Dataset, path: str | Path) -> np.ndarray:
    """Return the fluorescence of each neuron as a row: [neuron, time] float32.

    Consecutive trials are joined in their order. Nothing is scaled.

    Args:
        recording: a Recording with fluorescence; one trial, or consecutive ones.
        path: names the recording in messages.

    Raises:
        UserError: no fluorescence, trials that are not consecutive, missing or infinite samples, traces that never
            change, fewer than 2 neurons or 16 samples, or labels (culture, group) that cannot be used.
    """
    if "fluorescence" not in recording:
        fail(path, "fluorescence", "traces", "none", "Give a recording before deconvolution.")
    trials = recording.sizes["trial"]
    if trials > 1 and not recording.attrs.get("consecutive_trials", 0):
        expected = "one continuous trial, or consecutive ones"
        fail(path, "trial", expected, f"{trials} separate trials", "Give the recording as it was before it was cut.")
    values = recording["fluorescence"].transpose("neuron", "trial", "time").values
    matrix = np.ascontiguousarray(values.reshape(recording.sizes["neuron"], -1), np.float32)
    neurons, samples = matrix.shape
    if neurons < MINIMUM_NEURONS:
        found = "one neuron" if neurons == 1 else f"{neurons} neurons"
        fail(path, "neuron", f"at least {MINIMUM_NEURONS} neurons", found, "Give a recording of more neurons.")
    if samples < MINIMUM_SAMPLES:
        found = f"{samples}"
        fail(path, "time", f"at least {MINIMUM_SAMPLES} samples of each neuron", found, "Give a longer recording.")
    check_matrix(matrix, recording["neuron"].values, path)
    check_labels(recording, path)
    return matrix


def check_matrix(matrix: np.ndarray, neuron: np.ndarray, path: str | Path) -> None:
    """Check that traces [neuron, time] are finite and change; `neuron` numbers them in messages.

    Raises:
        UserError: names the file, the neurons and what to do.
    """
    infinite = np.isinf(matrix).any(axis=1)
    if infinite.any():
        advice = "Correct these traces in the source, or leave the neurons out."
        fail(path, "fluorescence", "finite values", f"infinite ones in {named_neurons(neuron[infinite])}", advice)
    missing = np.isnan(matrix)
    if missing.any():
        first = int(np.argmax(missing.any(axis=1)))
        at = int(np.argmax(missing[first]))
        found = (
            f"{int(missing.sum())} missing (NaN) in {named_neurons(neuron[missing.any(axis=1)])}; "
            f"the first is sample {at} of neuron {int(neuron[first])}"
        )
        advice = "Let join_recordings bridge short gaps, or leave these neurons out."
        fail(path, "fluorescence", "a sample of every neuron at every time", found, advice)
    constant = matrix.max(axis=1) == matrix.min(axis=1)
    if constant.any():
        expected = "traces that change over time"
        found = f"no variance in {named_neurons(neuron[constant])}"
        fail(path, "fluorescence", expected, found, "Leave these neurons out (`neurons: usable` in their entry).")


def check_labels(recording: xr.Dataset, path: str | Path) -> None:
    """Check `culture` and `group` [neuron], where present: whole numbers and text, one group a culture.

    Raises:
        UserError: names the file, the field, what was expected, what was found, and what to do.
    """
    kinds = {"culture": ("iu", "whole numbers, 0 or more"), "group": ("OUST", "text, not empty")}
    for name, (kind, expected) in kinds.items():
        if name not in recording:
            continue
        array = recording[name]
        if array.dims != ("neuron",):
            fail(path, name, "one label a neuron", f"dims {array.dims}", "Give dims ('neuron',).")
        if array.dtype.kind not in kind:
            fail(path, name, expected, f"type {array.dtype}", "Correct the labels.")
        wrong = array.values < 0 if name == "culture" else np.array([not _is_text(label) for label in array.values])
        if wrong.any():
            at = int(np.argmax(wrong))
            found = f"{array.values.tolist()[at]!r} of neuron {int(recording['neuron'].values[at])}"
            fail(path, name, expected, found, "Correct the labels.")
    if "culture" in recording and "group" in recording:
        seen: dict[int, str] = {}
        for culture, group in zip(recording["culture"].values, recording["group"].values, strict=True):
            if seen.setdefault(int(culture), str(group)) != str(group):
                found = f"{seen[int(culture)]!r} and {str(group)!r} in culture {int(culture)}"
                fail(path, "group", "one group a culture", found, "Correct the labels.")


def _is_text(label: object) -> bool:
    return isinstance(label, str) and bool(label)

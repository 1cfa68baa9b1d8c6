"""A recording as a matrix of traces, one row a neuron: what models of single neurons take."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.signal import resample_poly

from calcium_latents.recordings.fields import fail

MINIMUM_NEURONS = 2
MINIMUM_SAMPLES = 16
# Rates from exported times are rounded: a last bin that is full but for this share of it counts.
ROUNDING = 0.05
# Rates are the same if the traces' ends are less than this part of a sample apart.
SAME_RATE = 0.1
# A ratio of rates is made a fraction; at the end of the trace it may be off by this part of a sample.
LARGEST_DRIFT = 0.01
LARGEST_DENOMINATOR = 10**6
# Neurons that are filtered at once, in float64.
BLOCK = 256


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
        fail(path, "fluorescence", "finite values", f"infinite ones in {_named(neuron, infinite)}", advice)
    missing = np.isnan(matrix)
    if missing.any():
        first = int(np.argmax(missing.any(axis=1)))
        at = int(np.argmax(missing[first]))
        found = (
            f"{int(missing.sum())} missing (NaN) in {_named(neuron, missing.any(axis=1))}; "
            f"the first is sample {at} of neuron {int(neuron[first])}"
        )
        advice = "Let join_recordings bridge short gaps, or leave these neurons out."
        fail(path, "fluorescence", "a sample of every neuron at every time", found, advice)
    constant = matrix.max(axis=1) == matrix.min(axis=1)
    if constant.any():
        expected = "traces that change over time"
        found = f"no variance in {_named(neuron, constant)}"
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


def resample_traces(
    values: np.ndarray,
    from_rate_hz: float,
    to_rate_hz: float,
    duration_s: float | None = None,
    path: str | Path = "traces",
) -> np.ndarray:
    """Return traces at another rate, and cut to a duration: [neuron, new time], of the type of `values`.

    The first sample stays where it is. To a lower rate, traces are low-pass filtered first (a polyphase filter with
    linear phase), so that nothing faster than the new rate can show is folded into it; at the ends, the traces are
    mirrored. To a higher rate, they are interpolated linearly; after the last sample its value is kept. At the same
    rate, nothing changes.

    Args:
        values: [neuron, time], finite.
        from_rate_hz, to_rate_hz: samples per second.
        duration_s: how much to return from the start on, s; default: all, that is, time / from_rate_hz.
        path: names the traces in messages.

    Raises:
        UserError: values that are no finite matrix, rates or a duration that are no positive numbers, or traces
            shorter than `duration_s` or than one bin.
    """
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype.kind not in "fiu" or 0 in values.shape:
        found = f"shape {values.shape} of {values.dtype}"
        fail(path, "values", "a matrix [neuron, time] of numbers", found, "Give one row a neuron.")
    for name, number in (("from_rate_hz", from_rate_hz), ("to_rate_hz", to_rate_hz), ("duration_s", duration_s)):
        if name == "duration_s" and number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float | np.number) or not 0 < number < np.inf:
            fail(path, name, "a positive number", f"{number!r}", "Correct it.")
    if not np.isfinite(values).all():
        found = f"{int((~np.isfinite(values)).sum())} others"
        fail(path, "values", "finite values", found, "Bridge gaps first, or leave these neurons out.")
    held = values.shape[1] / from_rate_hz
    wanted = held if duration_s is None else duration_s
    if wanted > held + ROUNDING / from_rate_hz:
        advice = "Ask for a shorter duration, or leave this recording out."
        fail(path, "duration_s", f"a recording of at least {wanted:.6g} s", f"{held:.6g} s", advice)
    count = int(np.floor(wanted * to_rate_hz + ROUNDING))
    if count < 1:
        expected = f"at least {1 / wanted:.6g}, one sample in {wanted:.6g} s"
        fail(path, "to_rate_hz", expected, f"{to_rate_hz:g}", "Raise it, or give longer traces.")
    kind = values.dtype if values.dtype.kind == "f" else np.dtype("float64")
    ratio = to_rate_hz / from_rate_hz
    if abs(ratio - 1) * values.shape[1] < SAME_RATE:
        return values[:, :count].astype(kind)
    result = np.empty((len(values), count), kind)
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK].astype(float)
        result[start : start + BLOCK] = _lowered(block, ratio, count) if ratio < 1 else _raised(block, ratio, count)
    return result


def _lowered(block: np.ndarray, ratio: float, count: int) -> np.ndarray:
    fraction = _fraction(ratio, count)
    # The filter's gain at zero frequency is one only up to its ripple: the mean is kept out of it.
    mean = block.mean(axis=1, keepdims=True)
    filtered = resample_poly(block - mean, fraction.numerator, fraction.denominator, axis=1, padtype="symmetric")
    return filtered[:, :count] + mean


def _raised(block: np.ndarray, ratio: float, count: int) -> np.ndarray:
    at = np.minimum(np.arange(count) / ratio, block.shape[1] - 1)
    left = np.minimum(at.astype(int), max(block.shape[1] - 2, 0))
    right = np.minimum(left + 1, block.shape[1] - 1)
    share = at - left
    return (1 - share) * block[:, left] + share * block[:, right]


def _fraction(ratio: float, count: int) -> Fraction:
    """Return the simplest fraction by which `count` samples are not shifted noticeably."""
    denominator = 100
    while True:
        fraction = Fraction(ratio).limit_denominator(denominator)
        drift = abs(float(fraction) / ratio - 1) * count if fraction else np.inf
        if drift <= LARGEST_DRIFT or denominator >= LARGEST_DENOMINATOR:
            return fraction
        denominator *= 10


def _is_text(label: object) -> bool:
    return isinstance(label, str) and bool(label)


def _named(neuron: np.ndarray, chosen: np.ndarray) -> str:
    """Return "neuron 3", or "4 neurons (3, 5, 6, 7)" with at most eight numbers."""
    numbers = [int(number) for number in np.asarray(neuron)[chosen]]
    if len(numbers) == 1:
        return f"neuron {numbers[0]}"
    more = ", ..." if len(numbers) > 8 else ""
    return f"{len(numbers)} neurons ({', '.join(map(str, numbers[:8]))}{more})"

"""Samples at one rate as samples at another: what resampling of recordings and of plain traces share."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from calcium_latents.recordings.fields import fail

# Times carry rounding errors: overlaps below this share of a frame are none.
ROUNDING = 1e-6
# Rates from exported times are rounded: a last bin that is full but for this share of it counts.
SLACK = 0.05
# Rates are the same if the traces' ends are less than this part of a sample apart.
SAME_RATE = 0.1
# A ratio of rates is made a fraction; at the end of the trace it may be off by this part of a sample.
LARGEST_DRIFT = 0.01
LARGEST_DENOMINATOR = 10**6
# Neurons that are filtered at once, in float64.
BLOCK = 256


def check_positive(value: Any, name: str, path: str | Path) -> None:
    """Raise a `UserError` that names `path` and `name` unless `value` is a positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        fail(path, name, "a positive number", f"{value!r}", "Correct it.")


def overlap_weights(starts: np.ndarray, period: float, begin: np.ndarray, end: np.ndarray) -> csr_array:
    """Return weights [bin, sample] of the mean over each bin [begin, end) of samples that stand from `starts` for a
    `period`, at most until the next; all zero in bins without samples."""
    stops = np.minimum(starts + period, np.append(starts[1:], np.inf))
    first = np.searchsorted(stops, begin, side="right")
    count = np.maximum(np.searchsorted(starts, end, side="left") - first, 0)
    bins = np.repeat(np.arange(begin.size), count)
    samples = np.arange(bins.size) - np.repeat(np.cumsum(count) - count, count) + first[bins]
    overlap = np.minimum(stops[samples], end[bins]) - np.maximum(starts[samples], begin[bins])
    overlap[overlap < ROUNDING * period] = 0
    total = np.bincount(bins, overlap, begin.size)
    kept = overlap > 0
    bins, samples, overlap = bins[kept], samples[kept], overlap[kept]
    return csr_array((overlap / total[bins], (bins, samples)), shape=(begin.size, starts.size))


def interpolation_weights(centres: np.ndarray, at: np.ndarray) -> csr_array:
    """Return weights [bin, sample] of the linear interpolation at times `at` [bin] between samples at `centres`."""
    right = np.clip(np.searchsorted(centres, at), 1, max(centres.size - 1, 1))
    last = np.minimum(right, centres.size - 1)
    gap = centres[last] - centres[right - 1]
    gap[gap == 0] = np.inf  # a single sample is its own neighbour
    share = np.clip((at - centres[right - 1]) / gap, 0, 1)
    rows = np.tile(np.arange(at.size), 2)
    columns = np.concatenate([right - 1, last])
    return csr_array((np.concatenate([1 - share, share]), (rows, columns)), shape=(at.size, centres.size))


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
        if name != "duration_s" or number is not None:
            check_positive(number, name, path)
    if not np.isfinite(values).all():
        found = f"{int((~np.isfinite(values)).sum())} others"
        fail(path, "values", "finite values", found, "Bridge gaps first, or leave these neurons out.")
    held = values.shape[1] / from_rate_hz
    wanted = held if duration_s is None else duration_s
    if wanted > held + SLACK / from_rate_hz:
        advice = "Ask for a shorter duration, or leave this recording out."
        fail(path, "duration_s", f"a recording of at least {wanted:.6g} s", f"{held:.6g} s", advice)
    count = int(np.floor(wanted * to_rate_hz + SLACK))
    if count < 1:
        expected = f"at least {1 / wanted:.6g}, one sample in {wanted:.6g} s"
        fail(path, "to_rate_hz", expected, f"{to_rate_hz:g}", "Raise it, or give longer traces.")
    kind = values.dtype if values.dtype.kind == "f" else np.dtype("float64")
    ratio = to_rate_hz / from_rate_hz
    if abs(ratio - 1) * values.shape[1] < SAME_RATE:
        return values[:, :count].astype(kind)
    result = np.empty((len(values), count), kind)
    raised = (
        interpolation_weights(np.arange(values.shape[1], dtype=float), np.arange(count) / ratio) if ratio > 1 else None
    )
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK].astype(float)
        result[start : start + BLOCK] = _lowered(block, ratio, count) if ratio < 1 else (raised @ block.T).T
    return result


def _lowered(block: np.ndarray, ratio: float, count: int) -> np.ndarray:
    from scipy.signal import resample_poly  # a slow import that planning, and most steps, need not wait for

    fraction = _fraction(ratio, count)
    # The filter's gain at zero frequency is one only up to its ripple: the mean is kept out of it.
    mean = block.mean(axis=1, keepdims=True)
    filtered = resample_poly(block - mean, fraction.numerator, fraction.denominator, axis=1, padtype="symmetric")
    return filtered[:, :count] + mean


def _fraction(ratio: float, count: int) -> Fraction:
    """Return the simplest fraction by which `count` samples are not shifted noticeably."""
    denominator = 100
    while True:
        fraction = Fraction(ratio).limit_denominator(denominator)
        drift = abs(float(fraction) / ratio - 1) * count if fraction else np.inf
        if drift <= LARGEST_DRIFT or denominator >= LARGEST_DENOMINATOR:
            return fraction
        denominator *= 10

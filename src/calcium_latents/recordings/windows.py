"""Cut a continuous recording into windows or trials on a sub-frame grid, and stitch them together again.

A laser scanner visits each neuron at its own time within the imaging frame. The true sample time of a
neuron is the start of the frame plus its `sample_offset`; its event goes to bin
floor((time - window start) / bin width), and every other bin of the neuron is NaN
(RADICaL, Methods: 31.08 Hz events in 10 ms bins).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.carried import kept_attributes, neuron_fields, neuron_variables
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.inferred import SERIES, make_inferred
from calcium_latents.recordings.schema import make_recording

# A sample this fraction of a bin before a boundary belongs to the later bin: times carry rounding errors.
ROUNDING = 1e-6


def cut_windows(
    recording: xr.Dataset,
    bin_width_s: float | None,
    window_s: float,
    overlap_s: float,
    *,
    trial_starts_s: Sequence[float] | None = None,
    before_s: float = 0.0,
    after_s: float | None = None,
) -> xr.Dataset:
    """Return the continuous `recording` (one trial of imaging frames) as trials on the sub-frame grid.

    Args:
        recording: a Recording of one trial whose bins are imaging frames.
        bin_width_s: width of the new bins, at most the imaging period. None: one bin a frame, offsets unused.
        window_s: length of a window, rounded to whole bins.
        overlap_s: time that neighbouring windows share, rounded to whole bins. The last window is moved back
            so that it ends with the recording, and may share more.
        trial_starts_s: zeros of the user's trials, s in the session; replaces the regular windows.
        before_s, after_s: a trial runs from `before_s` before its zero to `after_s` after it
            (default: `window_s` in all).

    Returns:
        Recording [trial, time, neuron] of events and fluorescence (those that `recording` has), with
        `trial_start` in the session and everything that the recording says about its neurons.

    Raises:
        UserError: bins wider than the interval between two samples of a neuron, windows longer than the
            recording, trials outside of it, or a recording that is not continuous.
    """
    source = recording.attrs["source"]
    _check_continuous(recording)
    period = 1 / recording.attrs["imaging_rate_hz"]
    session = recording["time"].values + recording["trial_start"].values[0]
    if bin_width_s is None:
        # Nominal frame times: recorded ones jitter around the grid.
        width, times = period, session[0] + np.arange(session.size) * period
        offsets = np.zeros(recording.sizes["neuron"])
    else:
        width, times = float(bin_width_s), session
        offsets = recording["sample_offset"].values[0].astype(float)
        _check_bin_width(width, times, source)
    origin, last = times[0], times[-1] + offsets.max()
    if trial_starts_s is None:
        n_bins, overlap = _window_bins(window_s, overlap_s, width, source)
        total = int(np.floor((last - origin) / width + ROUNDING)) + 1
        if total < n_bins:
            fail(
                source,
                "windows length_s",
                f"at most the recording's {last - origin:.3f} s",
                f"{window_s:g} s",
                "Shorten the windows.",
            )
        shifts = np.arange(0, total - n_bins + 1, n_bins - overlap)
        if shifts[-1] + n_bins < total:
            shifts = np.append(shifts, total - n_bins)
        grids = [(origin, int(shift)) for shift in shifts]
        starts, zero_bins = origin + shifts * width, 0
    else:
        overlap, after_s = 0, window_s - before_s if after_s is None else after_s
        starts = np.asarray(trial_starts_s, float)
        n_bins = round((before_s + after_s) / width)
        zero_bins = round(before_s / width)
        _check_trials(starts, before_s, after_s, n_bins, (origin, last + period), source)
        grids = [(start - zero_bins * width, 0) for start in starts]
        if bin_width_s is None:
            # floor(frame - start) = frame - ceil(start): whole frames, free of rounding.
            frames_before = np.ceil((starts - origin) / width - ROUNDING).astype(int) - zero_bins
            grids = [(origin, int(shift)) for shift in frames_before]

    cut: dict[str, Any] = {}
    for name in ("fluorescence", "events"):
        if name in recording:
            frames = recording[name].values[0]
            blocks = [_place(frames, times, offsets, start, shift, width, n_bins) for start, shift in grids]
            cut[name] = np.stack(blocks)
    _check_filled(cut, recording, source)
    attributes = {
        **kept_attributes(recording),
        "window_s": n_bins * width,
        "overlap_s": overlap * width,
        "cut": "windows" if trial_starts_s is None else "trials",
    }
    return make_recording(
        **cut,
        time=(np.arange(n_bins) - zero_bins) * width,
        bin_width_s=width,
        imaging_rate_hz=recording.attrs["imaging_rate_hz"],
        source=source,
        trial_start=starts,
        sample_offset=np.broadcast_to(recording["sample_offset"].values, (len(grids), offsets.size)),
        **neuron_fields(recording),
        others=neuron_variables(recording, more_dims=True),
        attributes=attributes,
    )


def _place(frames, times, offsets, start, shift, width, n_bins) -> np.ndarray:
    """Return `frames` [frame, neuron] as [bin, neuron] from `shift` bins after `start`."""
    begin = start + shift * width
    # One bin of slack on either side: the exact decision is the floor below.
    first = np.searchsorted(times, begin - offsets.max() - width)
    stop = np.searchsorted(times, begin + (n_bins + 1) * width)
    values = frames[first:stop]
    # All windows of a recording share one grid (`start` is its origin): a sample keeps its bin in each.
    bins = np.floor((times[first:stop, None] + offsets - start) / width + ROUNDING).astype(int) - shift
    frame, neuron = np.nonzero((bins >= 0) & (bins < n_bins) & np.isfinite(values))
    block = np.full((n_bins, frames.shape[1]), np.nan, np.float32)
    block[bins[frame, neuron], neuron] = values[frame, neuron]
    if np.isfinite(block).sum() != frame.size:
        raise UserError(
            f"bin_width_s: two samples of one neuron fall into a bin of {width:g} s. Choose narrower bins, "
            "or bin_width_s: null for one bin a frame."
        )
    return block


def _check_continuous(recording: xr.Dataset) -> None:
    source, period = recording.attrs["source"], 1 / recording.attrs["imaging_rate_hz"]
    if recording.sizes["trial"] != 1:
        found = f"{recording.sizes['trial']} trials"
        fail(source, "trial", "one continuous trial", found, "Only an uncut recording can be cut.")
    if recording.attrs["bin_width_s"] < 0.99 * period:
        found = f"{recording.attrs['bin_width_s']:g} s"
        fail(
            source,
            "bin_width_s",
            f"imaging frames of {period:g} s",
            found,
            "It is on a sub-frame grid already.",
        )


def _check_bin_width(width: float, times: np.ndarray, source: str) -> None:
    if not np.isfinite(width) or width <= 0:
        fail(source, "bin_width_s", "a positive number of seconds", f"{width:g}", "Use 0.01, say, or null.")
    shortest = np.diff(times).min() if times.size > 1 else np.inf
    if width > shortest * (1 + ROUNDING):
        fail(
            source,
            "bin_width_s",
            f"at most {shortest:.6g} s, the shortest interval between two samples of a neuron",
            f"{width:g} s, so that two samples would fall into one bin",
            "Choose narrower bins, or bin_width_s: null for one bin a frame.",
        )


def _window_bins(window_s: float, overlap_s: float, width: float, source: str) -> tuple[int, int]:
    n_bins, overlap = round(window_s / width), round(overlap_s / width)
    if overlap_s < window_s:  # rounding alone must not make them equal
        overlap = min(overlap, max(n_bins - 1, 0))
    if n_bins < 2:
        fail(source, "windows length_s", f"two bins of {width:g} s or more", f"{window_s:g} s", "Lengthen it.")
    if not 0 <= overlap < n_bins:
        expected = f"from 0 to less than length_s = {window_s:g} s"
        fail(source, "windows overlap_s", expected, f"{overlap_s:g} s", "Shorten the overlap.")
    return n_bins, overlap


def _check_trials(starts, before_s, after_s, n_bins, covered, source) -> None:
    if starts.ndim != 1 or starts.size == 0 or not np.isfinite(starts).all():
        fail(source, "trials starts_s", "a list of times in seconds", f"{starts!r:.100}", "Correct the list.")
    if n_bins < 2:
        found = f"{before_s:g} s before and {after_s:g} s after"
        fail(source, "trials before_s, after_s", "two bins or more in all", found, "Lengthen the trials.")
    if (np.diff(starts) < 0).any():
        fail(
            source,
            "trials starts_s",
            "times in ascending order",
            "an earlier one after a later",
            "Sort them.",
        )
    begin, end = covered
    outside = (starts - before_s < begin - 1e-9) | (starts + after_s > end + 1e-9)
    if outside.any():
        first = starts[np.argmax(outside)]
        fail(
            source,
            "trials starts_s",
            f"trials within the recording ({begin:g} to {end:g} s)",
            f"{int(outside.sum())} others, the first from {first - before_s:g} to {first + after_s:g} s",
            "Leave them out, or correct before_s and after_s.",
        )


def _check_filled(cut: dict[str, np.ndarray], recording: xr.Dataset, source: str) -> None:
    for name, array in cut.items():
        empty = np.flatnonzero(~np.isfinite(array).any(axis=(1, 2)))
        if empty.size:
            fail(source, name, "samples in every trial", f"none in trial {empty[0]}", "Leave such trials out.")
        never = np.flatnonzero(~np.isfinite(array).any(axis=(0, 1)))
        if never.size:
            found = f"none of neuron {int(recording['neuron'].values[never[0]])}"
            fail(source, name, "samples of every neuron in the trials", found, "Leave such neurons out.")


def crossfade_weights(starts: np.ndarray, n_bins: int) -> np.ndarray:
    """Return weights [window, bin] of windows at ascending `starts` (bins); they sum to one at every bin.

    Within the overlap of two neighbours one fades linearly into the other.
    """
    position = np.arange(n_bins) + 0.5
    weights = np.ones((len(starts), n_bins))
    for i, start in enumerate(starts):
        shared_before = starts[i - 1] + n_bins - start if i > 0 else 0
        shared_after = start + n_bins - starts[i + 1] if i + 1 < len(starts) else 0
        if shared_before > 0:
            weights[i] = np.minimum(weights[i], position / shared_before)
        if shared_after > 0:
            weights[i] = np.minimum(weights[i], (n_bins - position) / shared_after)
    total = np.zeros(starts[-1] + n_bins - starts[0])
    for i, start in enumerate(starts - starts[0]):
        total[start : start + n_bins] += weights[i]
    for i, start in enumerate(starts - starts[0]):
        weights[i] /= total[start : start + n_bins]
    return weights


def stitch_windows(inferred: xr.Dataset, overlap_s: float) -> xr.Dataset:
    """Return the windows of `inferred` as one continuous trial, cross-faded linearly where they overlap.

    `time` becomes seconds in the session. Bins that no trial covers are NaN. Where the windows do not start
    on one grid of bins (user's trials, coarse frames) values are interpolated linearly to that of the first.

    Args:
        inferred: Inferred with `trial_start`.
        overlap_s: the overlap with which the windows were cut; checked against `trial_start` unless 0.

    Raises:
        UserError: `trial_start` is missing, times are uneven, or the windows do not overlap as said.
    """
    model = inferred.attrs["model"]
    if "trial_start" not in inferred:
        advice = "Infer from a recording made by cut_windows."
        fail(model, "trial_start", "the trials' times in the session", "none", advice)
    time, begin = inferred["time"].values, inferred["trial_start"].values
    if time.size < 2:
        fail(model, "time", "two bins or more", f"{time.size}", "Use longer windows.")
    width, n_bins = float(np.median(np.diff(time))), time.size
    uneven = np.abs(np.diff(time) - width).max()
    if uneven > 1e-3 * width:
        found = f"steps that differ from their median {width:g} s by up to {uneven:g} s"
        fail(model, "time", "even steps", found, "Infer rates on a regular grid of bins or frames.")
    if overlap_s > 0 and begin.size > 1:
        # The last window may share more, and with two windows it is the last that tells.
        shared = n_bins * width - float(np.diff(begin).max())
        if shared < overlap_s - 2 * width or (begin.size > 2 and shared > overlap_s + 2 * width):
            advice = "Pass the overlap of cut_windows, or 0 for trials."
            fail(model, "overlap_s", f"{shared:g} s as in trial_start", f"{overlap_s:g} s", advice)
    exact = (begin - begin[0]) / width
    starts = np.ceil(exact - 0.5 - ROUNDING).astype(int)
    shift = starts - exact
    shift[np.abs(shift) < 1e-3] = 0
    weights = crossfade_weights(starts, n_bins)
    total = int(starts[-1]) + n_bins
    stitched: dict[str, Any] = {}
    for name in SERIES:
        if name not in inferred:
            continue
        windows = inferred[name].values
        joined = np.zeros((total, windows.shape[2]))
        for i, start in enumerate(starts):
            joined[start : start + n_bins] += weights[i][:, None] * _shifted(windows[i], shift[i])
        covered = np.zeros(total, bool)
        for start in starts:
            covered[start : start + n_bins] = True
        joined[~covered] = np.nan
        stitched[name] = joined[None].astype(np.float32)
    attributes = {name: v for name, v in inferred.attrs.items() if not name.startswith("schema") and name != "model"}
    return make_inferred(
        **stitched,
        time=begin[0] + time[0] + np.arange(total) * width,
        model=model,
        neuron=inferred["neuron"].values,
        trial_start=np.zeros(1),
        attributes=attributes | {"stitched": 1},
    )


def _shifted(window: np.ndarray, shift: float) -> np.ndarray:
    """Return `window` [time, column] at times `shift` bins later (|shift| <= 1/2), clamped at its ends."""
    if shift == 0:
        return window
    neighbour = np.empty_like(window)
    if shift > 0:
        neighbour[:-1], neighbour[-1] = window[1:], window[-1]
    else:
        neighbour[1:], neighbour[0] = window[:-1], window[0]
    return (1 - abs(shift)) * window + abs(shift) * neighbour

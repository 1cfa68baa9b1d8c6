"""Where the bins of windows and trials lie on the clock of a session, and which sample falls into which."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.rates import ROUNDING

MOST_SHARED = 0.8  # of a window, by its neighbour
PLACED_VALUES = 2**18  # samples that are put into bins at a time


@dataclass(frozen=True)
class Clock:
    """When frames and neurons were sampled.

    Attributes:
        times: [frame], starts of the frames on the grid, s: recorded ones, or evenly spaced ones `by_frame`.
        recorded: [frame], starts of the frames in the session, s.
        offsets: [neuron], sample time in the frame, s; 0 `by_frame`.
        period: imaging period, s.
        width: of a bin, s.
        by_frame: one bin a frame.
        delay: by which events are told of earlier, s: so much of the session's end is without them.
    """

    times: np.ndarray
    recorded: np.ndarray
    offsets: np.ndarray
    period: float
    width: float
    by_frame: bool
    delay: float = 0.0


@dataclass(frozen=True)
class Grid:
    """Bins of windows or trials.

    Attributes:
        origin: [trial], where the grid of bins begins on the clock, s; one for all windows.
        shift: [trial], bins from there to the first bin.
        starts: [trial], zeros in the session, s.
        lengths: [trial], bins until the trial's end.
        n_bins: of the longest.
        zero_bins: bins before the zero.
        width: of a bin, s.
    """

    origin: np.ndarray
    shift: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    n_bins: int
    zero_bins: int
    width: float

    @property
    def begins(self) -> np.ndarray:
        """[trial], start of the first bin on the clock, s."""
        return self.origin + self.shift * self.width

    def __getitem__(self, chosen: np.ndarray) -> "Grid":
        """The grid of the trials `chosen` [trial]."""
        parts = {name: getattr(self, name)[chosen] for name in ("origin", "shift", "starts", "lengths")}
        return replace(self, **parts)


def frame_clock(recording: xr.Dataset, bin_width_s: float | None) -> Clock:
    """Return the clock of a continuous recording for bins of `bin_width_s`.

    None, or a width of the imaging period or more: one bin a frame, since two samples of a neuron have no place in one.

    Raises:
        UserError: a width that is no positive number.
    """
    period = 1 / recording.attrs["imaging_rate_hz"]
    delay = float(recording.attrs.get("event_delay_s", 0.0))
    recorded = recording["time"].values + recording["trial_start"].values[0]
    source = recording.attrs["source"]
    width = period if bin_width_s is None else float(bin_width_s)
    if not np.isfinite(width) or width <= 0:
        fail(source, "bin_width_s", "a positive number of seconds", f"{width:g}", "Use 0.01, say, or null.")
    if width >= period * (1 - ROUNDING):
        # Recorded times jitter around this line, which has as many frames as they.
        count = np.arange(recorded.size)
        times = np.mean(recorded - count * period) + count * period
        return Clock(times, recorded, np.zeros(recording.sizes["neuron"]), period, period, True, delay)
    times = recorded
    if times.size > 1 and np.diff(times).min() < width:
        # Of two frames that jitter has brought closer than a bin, the later one waits for the next.
        bins = np.arange(times.size) * width
        times = np.maximum.accumulate(times - bins) + bins
    offsets = recording["sample_offset"].values[0].astype(float)
    return Clock(times, recorded, offsets, period, width, False, delay)


def window_grid(
    clock: Clock, window_s: float, overlap_s: float, source: str, least_windows: int = 0
) -> tuple[Grid, int]:
    """Return the grid of regular windows over the whole recording, and how many bins neighbours share.

    Where there would be fewer than `least_windows`, neighbours share more, up to `MOST_SHARED` of a window.

    Raises:
        UserError: windows of less than two bins or longer than the recording, or an overlap that is not shorter.
    """
    n_bins, overlap = _window_bins(window_s, overlap_s, clock.width, source)
    origin, last = clock.times[0], clock.times[-1] + clock.offsets.max()
    total = int(np.floor((last - origin) / clock.width + ROUNDING)) + 1
    if total < n_bins:
        expected = f"at most the recording's {last - origin:.3f} s"
        fail(source, "windows length_s", expected, f"{window_s:g} s", "Shorten the windows.")
    fewest_bins = max(1, round((1 - MOST_SHARED) * n_bins))
    if least_windows > 1 and (total - n_bins) // (n_bins - overlap) + 1 < least_windows:
        overlap = max(overlap, n_bins - max(fewest_bins, (total - n_bins) // (least_windows - 1)))
    shift = np.arange(0, total - n_bins + 1, n_bins - overlap)
    if shift[-1] + n_bins < total:
        shift = np.append(shift, total - n_bins)
    starts = origin + shift * clock.width
    same = np.full(shift.size, n_bins)
    return Grid(np.full(shift.size, origin), shift, starts, same, n_bins, 0, clock.width), overlap


def trial_grid(
    clock: Clock, table: pd.DataFrame, before_s: float, after_s: float | None, window_s: float, source: str
) -> Grid:
    """Return the grid of the trials in `table` (see `trial_table.checked_trials`).

    They run from `before_s` before start_s to `after_s` after it; without `after_s` to stop_s, or else for `window_s`
    in all. Trials that overlap are told on stderr.

    Raises:
        UserError: trials of less than two bins, or outside of the recording.
    """
    starts = table["start_s"].to_numpy(float)
    if after_s is None and "stop_s" in table:
        after = table["stop_s"].to_numpy(float) - starts
    else:
        after = np.full(starts.size, window_s - before_s if after_s is None else after_s)
    lengths = np.rint((before_s + after) / clock.width).astype(int)
    n_bins, zero_bins = int(lengths.max()), round(before_s / clock.width)
    if n_bins < 2:
        found = f"{before_s:g} s before and {after.max():g} s after"
        fail(source, "trials before_s, after_s", "two bins or more in all", found, "Lengthen the trials.")
    _check_covered(clock, starts - before_s, starts + after, source)
    late = starts[1:] - before_s < np.maximum.accumulate(starts + after)[:-1] - ROUNDING * clock.width
    if late.any():
        found = f"{int(late.sum())} of {starts.size} trials begin before an earlier one ends"
        print(f"{source}: {found}: their samples come in both.", file=sys.stderr)
    origin = starts
    if clock.by_frame:
        right = np.clip(np.searchsorted(clock.recorded, starts), 1, clock.recorded.size - 1)
        nearer = starts - clock.recorded[right - 1] < clock.recorded[right] - starts
        origin = clock.times[right - nearer]
    shift = np.full(starts.size, -zero_bins)
    return Grid(origin, shift, starts, np.maximum(lengths, 1), n_bins, zero_bins, clock.width)


def place(frames: np.ndarray, times: np.ndarray, offsets: np.ndarray, grid: Grid) -> np.ndarray:
    """Return `frames` [frame, neuron], taken at `times` [frame] plus `offsets` [neuron], as [trial, bin, neuron].

    Raises:
        UserError: two samples of a neuron fall into one bin.
    """
    width, neurons = grid.width, frames.shape[1]
    # One bin of slack on either side: the exact decision is the floor below.
    first = np.searchsorted(times, grid.begins - offsets.max() - width)
    counts = np.searchsorted(times, grid.begins + (grid.n_bins + 1) * width) - first
    block = np.full((grid.starts.size, grid.n_bins, neurons), np.nan, np.float32)
    step = max(1, PLACED_VALUES // (max(1, int(counts.max(initial=1))) * neurons))
    for begin in range(0, len(block), step):
        count = counts[begin : begin + step]
        trial = np.repeat(np.arange(count.size), count)
        frame = np.arange(trial.size) - np.repeat(np.cumsum(count) - count, count) + first[begin + trial]
        _place(frames[frame], times[frame], offsets, grid, begin + trial, block)
    return block


def _place(
    values: np.ndarray, times: np.ndarray, offsets: np.ndarray, grid: Grid, trial: np.ndarray, block: np.ndarray
) -> None:
    """Put `values` [sample, neuron] of the trials `trial` [sample], where they are in them, into `block` [trial, bin,
    neuron]."""
    # All windows of a recording share one grid: a sample keeps its bin in each.
    later = times[:, None] + offsets - grid.origin[trial, None]
    bins = np.floor(later / grid.width + ROUNDING).astype(int) - grid.shift[trial, None]
    sample, neuron = np.nonzero((bins >= 0) & (bins < grid.lengths[trial, None]) & np.isfinite(values))
    block[trial[sample], bins[sample, neuron], neuron] = values[sample, neuron]
    part = block[trial[0] : trial[-1] + 1] if trial.size else block[:0]
    if np.isfinite(part).sum() != sample.size:
        raise UserError(
            f"bin_width_s: two samples of one neuron fall into a bin of {grid.width:g} s. Choose narrower bins, "
            "or bin_width_s: null for one bin a frame."
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


def _check_covered(clock: Clock, begin: np.ndarray, end: np.ndarray, source: str) -> None:
    first, last = clock.recorded[0], clock.recorded[-1] + clock.offsets.max() + clock.period + max(clock.delay, 0)
    # Stamps of frames jitter by up to half a frame.
    check_within(begin, end, (first, last), clock.period / 2, source)


def check_within(
    begin: np.ndarray, end: np.ndarray, recorded: tuple[float, float], slack: float, source: str | Path
) -> None:
    """Check that trials from `begin` to `end` [trial] lie in the `recorded` time, but for `slack`; all in s.

    Raises UserError where any do not.
    """
    first, last = recorded
    outside = (begin < first - slack) | (end > last + slack)
    if outside.any():
        at = np.argmax(outside)
        expected = f"trials within the recording ({first:g} to {last:g} s)"
        found = f"{int(outside.sum())} others, the first from {begin[at]:g} to {end[at]:g} s"
        advice = "Leave them out, or correct before_s, after_s or stop_s."
        fail(source, "trials starts_s", expected, found, advice)

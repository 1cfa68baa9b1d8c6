"""Cut a continuous recording into windows or trials on a sub-frame grid, and stitch them together again.

A laser scanner visits each neuron at its own time within the imaging frame. The true sample time of a
neuron is the start of the frame plus its `sample_offset`; its event goes to bin
floor((time - window start) / bin width), and every other bin of the neuron is NaN
(RADICaL, Methods: 31.08 Hz events in 10 ms bins).
"""

import json
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.recordings.behaviour import at_times, behaviour_names
from calcium_latents.recordings.carried import kept_attributes, neuron_fields, neuron_variables
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.grids import Clock, Grid, frame_clock, place, trial_grid, window_grid
from calcium_latents.recordings.inferred import SERIES, make_inferred
from calcium_latents.recordings.lazy import LazyArray, as_lazy_as, neuron_blocks
from calcium_latents.recordings.rates import ROUNDING
from calcium_latents.recordings.schema import check_recording, make_recording
from calcium_latents.recordings.trial_table import (
    ATTRIBUTE,
    checked_trials,
    numbered_conditions,
    trial_attribute,
    trial_table,
)


def cut_windows(
    recording: xr.Dataset,
    bin_width_s: float | None,
    window_s: float,
    overlap_s: float,
    *,
    trials: pd.DataFrame | Sequence[float] | Literal["file"] | None = None,
    cut_trials: bool = True,
    least_windows: int = 0,
    before_s: float = 0.0,
    after_s: float | None = None,
) -> xr.Dataset:
    """Return the continuous `recording` (one trial of imaging frames) as trials on the sub-frame grid.

    Args:
        recording: a Recording of one trial whose bins are imaging frames.
        bin_width_s: width of the new bins. None, or the imaging period or more: one bin a frame, offsets unused; a
            trial's zero is then at the frame that begins nearest to it.
        window_s: length of a window, rounded to whole bins.
        overlap_s: time that neighbouring windows share, rounded to whole bins. The last window is moved back
            so that it ends with the recording, and may share more.
        trials: replace the regular windows: a table with a column start_s, the trials' zeros in s of the session (and,
            where known, stop_s, condition and others), the zeros alone, or "file" for the recording's own table.
        least_windows: windows overlap more where there would be fewer than these.
        cut_trials: false keeps the regular windows; the table goes along.
        before_s, after_s: a trial runs from `before_s` before its zero to `after_s` after it; default: to its stop_s,
            or else for `window_s` in all. The longest trial sets the length; shorter ones are NaN after their end.

    Returns:
        Recording [trial, time, neuron] of events and fluorescence (those that `recording` has; of one on disk, they are
        cut when they are asked for), with `trial_start` in the session, behaviour, `condition` where the table has it,
        and everything that the recording says about its neurons. Windows and trials without any sample are left out:
        attribute `left_out` says how many. Attribute `trials` is the table, of the trials that are there where trials
        are cut.

    Raises:
        UserError: windows longer than the recording, trials outside of it, no
            samples in any, or a recording that is not continuous.
    """
    source = recording.attrs["source"]
    _check_continuous(recording)
    clock = frame_clock(recording, bin_width_s)
    table, overlap = _trials_of(recording, trials), 0
    others: dict[str, Any] = {}
    if table is not None and not cut_trials:
        table, others[ATTRIBUTE] = None, trial_attribute(table)
    if table is None:
        grid, overlap = window_grid(clock, window_s, overlap_s, source, least_windows)
    else:
        grid = trial_grid(clock, table, before_s, after_s, window_s, source)
    there = [name for name in ("fluorescence", "events") if name in recording]
    sampled = _sampled(recording[there[-1]], clock, grid)  # samples are missing alike in both (see schema)
    if not sampled.any():
        advice = "Are the times those of the same session?"
        fail(source, there[0], "samples in one trial or more", "none in any", advice)
    kept = grid[sampled]
    shape = (kept.starts.size, kept.n_bins, recording.sizes["neuron"])
    cut: dict[str, Any] = {
        name: LazyArray(shape, np.float32, partial(_placed, recording[name], clock, kept)) for name in there
    }
    attributes = (
        kept_attributes(recording)
        | others
        | {
            "window_s": grid.n_bins * clock.width,
            "overlap_s": overlap * clock.width,
            "cut": "windows" if table is None else "trials",
        }
    )
    if not sampled.all():
        attributes["left_out"] = int((~sampled).sum())
        found = f"{attributes['left_out']} of {sampled.size} {attributes['cut']}"
        print(f"{source}: {found} have no sample (a gap in the recording) and are left out.", file=sys.stderr)
    if table is not None:
        table = table[sampled]
        attributes[ATTRIBUTE] = trial_attribute(table)
        if "condition" in table:
            cut["condition"], names = numbered_conditions(table["condition"].tolist(), source)
            if names is not None:
                attributes["condition_names"] = json.dumps(names)
    made = make_recording(
        **cut,
        time=(np.arange(kept.n_bins) - kept.zero_bins) * clock.width,
        bin_width_s=clock.width,
        imaging_rate_hz=recording.attrs["imaging_rate_hz"],
        source=source,
        trial_start=kept.starts,
        sample_offset=np.broadcast_to(recording["sample_offset"].values, (kept.starts.size, clock.offsets.size)),
        **neuron_fields(recording),
        others=neuron_variables(recording, more_dims=True) | _behaviour(recording, clock, kept),
        attributes=attributes,
    )
    made = as_lazy_as(recording, made)
    check_recording(made, source)
    return made


def _placed(frames: xr.DataArray, clock: Clock, grid: Grid, first: int, stop: int) -> np.ndarray:
    """Return some neurons of `frames` [one trial, frame, neuron] on the grid: [trial, bin, neuron]."""
    return place(frames[0, :, first:stop].values, clock.times, clock.offsets[first:stop], grid)


def _sampled(frames: xr.DataArray, clock: Clock, grid: Grid) -> np.ndarray:
    """Return which trials of the grid have samples of any neuron, [trial]."""
    sampled = np.zeros(grid.starts.size, bool)
    for block in neuron_blocks((grid.starts.size, grid.n_bins, frames.shape[-1])):
        if sampled.all():  # but for gaps, after the first neurons
            break
        wanted = np.flatnonzero(~sampled)
        sampled[wanted] = np.isfinite(_placed(frames, clock, grid[wanted], block.start, block.stop)).any(axis=(1, 2))
    return sampled


def _trials_of(recording: xr.Dataset, trials: Any) -> pd.DataFrame | None:
    source = recording.attrs["source"]
    if trials is None:
        return None
    if isinstance(trials, str):
        trials = trial_table(recording)
        if trials is None:
            fail(source, "trials", "a table of trials in the file", "none", "Name a CSV file, or leave `trials` out.")
    if not isinstance(trials, pd.DataFrame):
        trials = pd.DataFrame({"start_s": np.asarray(trials, float)})
    return checked_trials(trials, source)


def _behaviour(recording: xr.Dataset, clock: Clock, grid: Grid) -> dict[str, tuple]:
    """Return the recording's behaviour on the bins of `grid`, as `others` of `make_recording`."""
    variables = {}
    centres = clock.times + clock.period / 2
    bins = grid.begins[:, None] + (np.arange(grid.n_bins) + 0.5) * grid.width
    inside = (bins >= clock.times[0]) & (bins < clock.times[-1] + clock.period)
    inside &= np.arange(grid.n_bins) < grid.lengths[:, None]
    # Half a frame at either end of the recording has the value of the frame.
    bins = np.clip(bins, centres[0], centres[-1])
    for name in behaviour_names(recording):
        values, attrs = recording[name].values[0].astype(float), recording[name].attrs
        if clock.by_frame:
            cut = place(values[:, None], clock.times, np.zeros(1), grid)[:, :, 0]
        else:
            cut = np.where(inside, at_times(centres, values, bins), np.nan)
        variables[name] = (("trial", "time"), cut.astype(np.float32), attrs["units"], attrs.get("long_name", name))
    return variables


def _check_continuous(recording: xr.Dataset) -> None:
    source, period = recording.attrs["source"], 1 / recording.attrs["imaging_rate_hz"]
    if recording.sizes["trial"] != 1:
        found = f"{recording.sizes['trial']} trials"
        fail(source, "trial", "one continuous trial", found, "Only an uncut recording can be cut.")
    if recording.attrs["bin_width_s"] < 0.99 * period:
        found = f"{recording.attrs['bin_width_s']:g} s"
        expected = f"imaging frames of {period:g} s"
        fail(source, "bin_width_s", expected, found, "It is on a sub-frame grid already.")


def crossfade_weights(starts: np.ndarray, n_bins: int, lengths: np.ndarray | None = None) -> np.ndarray:
    """Return weights [window, bin] of windows at ascending `starts` (bins); they sum to one at every bin of a window.

    Within the overlap of two neighbours one fades linearly into the other. Windows shorter than `n_bins` have
    `lengths` [window] (bins), and no weight after their end.
    """
    ends = starts + (np.full(len(starts), n_bins) if lengths is None else lengths)
    position = np.arange(n_bins) + 0.5
    weights = (position < (ends - starts)[:, None]).astype(float)
    for i, start in enumerate(starts):
        shared_before = ends[i - 1] - start if i > 0 else 0
        shared_after = ends[i] - starts[i + 1] if i + 1 < len(starts) else 0
        if shared_before > 0:
            weights[i] = np.minimum(weights[i], position / shared_before)
        if shared_after > 0:
            weights[i] = np.minimum(weights[i], np.maximum(ends[i] - start - position, 0) / shared_after)
    total = np.zeros(starts[-1] + n_bins - starts[0])
    for i, start in enumerate(starts - starts[0]):
        total[start : start + n_bins] += weights[i]
    total[total == 0] = 1
    for i, start in enumerate(starts - starts[0]):
        weights[i] /= total[start : start + n_bins]
    return weights


def stitch_windows(inferred: xr.Dataset, overlap_s: float) -> xr.Dataset:
    """Return the windows of `inferred` as one continuous trial, cross-faded linearly where they overlap.

    `time` becomes seconds in the session. Bins that no trial covers are NaN. Where the windows do not start
    on one grid of bins (user's trials, coarse frames) values are interpolated linearly to that of the first.

    Args:
        inferred: Inferred with `trial_start`; with `trial_stop`, bins after it are not covered.
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
        # windows without samples are left out: the closest neighbours tell
        steps = np.diff(begin)
        shared = n_bins * width - float((steps[:-1] if steps.size > 1 else steps).min())
        if shared < overlap_s - 2 * width or (begin.size > 2 and shared > overlap_s + 2 * width):
            advice = "Pass the overlap of cut_windows, or 0 for trials."
            fail(model, "overlap_s", f"{shared:g} s as in trial_start", f"{overlap_s:g} s", advice)
    exact = (begin - begin[0]) / width
    starts = np.ceil(exact - 0.5 - ROUNDING).astype(int)
    shift = starts - exact
    shift[np.abs(shift) < 1e-3] = 0
    lengths = np.full(begin.size, n_bins)
    if "trial_stop" in inferred:
        ends = (inferred["trial_stop"].values - begin - time[0]) / width
        lengths = np.clip(np.ceil(ends - ROUNDING).astype(int), 1, n_bins)
    weights = crossfade_weights(starts, n_bins, lengths)
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
        for start, length in zip(starts, lengths, strict=True):
            covered[start : start + length] = True
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

"""Signals of the animal on imaging frames: variables of a Recording with dims (trial, time)."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from calcium_latents.recordings.rates import ROUNDING

if TYPE_CHECKING:  # readers import this module
    from calcium_latents.recordings.readers.traces import Behaviour

SPEED = "running_speed"
PREFIX = "behaviour_"
# Up to this many frames a sample, a signal is as fast as frames: clocks jitter, and stamps are rounded.
AS_FAST = 1.25
# A pause in a signal's clock of so many of its steps, and of so many seconds, is not bridged.
PAUSE_STEPS, PAUSE_S = 10, 1.0


def behaviour_variables(
    behaviour: Mapping[str, "Behaviour"], frame_times: np.ndarray, period: float
) -> dict[str, tuple]:
    """Return the signals on imaging frames, as `others` of `make_recording`.

    A frame has the mean of the samples within it where the signal is as fast as the frames or faster; else, and in
    frames without samples, the linear interpolation at its middle. NaN outside of the signal, in its pauses, and beside
    samples that are not known.

    Args:
        behaviour: name -> signal, in seconds of the session.
        frame_times: [frame], starts of all imaging frames, s in the session.
        period: imaging period, s.

    Returns:
        running_speed, or behaviour_NAME -> (dims, values [1, frame] float32, units, long_name); signals without any
        value on a frame are left out.
    """
    variables = {}
    for name, signal in behaviour.items():
        own = name if name == SPEED else PREFIX + re.sub(r"\W+", "_", name)
        values = on_frames(np.asarray(signal.times, float), np.asarray(signal.values, float), frame_times, period)
        long_name = name.replace("_", " ")
        if np.isfinite(values).any():
            variables[own] = (("trial", "time"), values[None].astype(np.float32), signal.units or "1", long_name)
    return variables


def behaviour_names(recording: xr.Dataset) -> list[str]:
    """Return the variables of `recording` that are signals of the animal, in order."""
    named = (str(name) for name, array in recording.data_vars.items() if array.dims == ("trial", "time"))
    return sorted(name for name in named if name == SPEED or name.startswith(PREFIX))


def on_frames(times: np.ndarray, values: np.ndarray, frame_times: np.ndarray, period: float) -> np.ndarray:
    """Return a signal, values [sample] at `times` [sample] (s), on frames that begin at `frame_times` [frame] (s)."""
    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(times[order])]
    times, values = times[order], values[order]
    result = at_times(times, values, frame_times + period / 2)
    if times.size < 2 or np.median(np.diff(times)) > AS_FAST * period:
        return result
    slack = ROUNDING * period
    frame = np.searchsorted(frame_times, times + slack, side="right") - 1
    stops = np.append(frame_times[1:], frame_times[-1] + period)
    inside = (frame >= 0) & (times < stops[frame] - slack)
    count = np.bincount(frame[inside], minlength=frame_times.size)
    total = np.bincount(frame[inside], values[inside], frame_times.size)
    return np.where(count > 0, total / np.maximum(count, 1), result)


def at_times(times: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the linear interpolation of values [sample] at `times` [sample] for the times `at` (any shape).

    NaN before the first and after the last sample, in pauses, and between samples one of which is NaN.
    """
    if times.size < 2:
        return np.full(np.shape(at), np.nan)
    steps = np.diff(times)
    longest = max(PAUSE_STEPS * float(np.median(steps)), PAUSE_S)
    right = np.clip(np.searchsorted(times, at, side="right"), 1, times.size - 1)
    left = right - 1
    share = np.divide(at - times[left], steps[left], out=np.zeros(np.shape(at)), where=steps[left] > 0)
    # On a sample, the other neighbour does not count, though it be NaN or beyond a pause.
    between = np.where(share == 0, values[left], np.where(share == 1, values[right], np.nan))
    inner = (share > 0) & (share < 1) & (steps[left] <= longest)
    return np.where(inner, (1 - share) * values[left] + share * values[right], between)


def put_earlier(recording: xr.Dataset, delay_s: float) -> xr.Dataset:
    """Return a recording whose events stand `delay_s` earlier on the session's clock, and its behaviour where it was.

    Attribute `event_delay_s` keeps the sum of such delays.
    """
    moved = recording.assign_coords(time=recording["time"] - delay_s)
    moved["time"].attrs = recording["time"].attrs
    for name in behaviour_names(recording):
        times, values = recording["time"].values, recording[name].values
        # the first frames now begin before the signal does: they have its first value
        at = np.clip(times - delay_s, times[0], times[-1])
        shifted = np.stack([at_times(times, trial, at) for trial in values]).astype(np.float32)
        moved[name] = (recording[name].dims, shifted, recording[name].attrs)
    return moved.assign_attrs(event_delay_s=float(recording.attrs.get("event_delay_s", 0.0) + delay_s))

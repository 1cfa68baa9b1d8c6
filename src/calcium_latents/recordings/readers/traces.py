"""What every reader returns, whatever the file: traces over frames, and what is known of where and when."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import Columns
from calcium_latents.recordings.readers.stored import Stored

#: Imaging frames per second that a recording may have; others are times in another unit.
RATES_HZ = (0.3, 2000.0)
# Gaps are filled with NaN until a recording has this many frames for each that was taken.
MOST_FRAMES = 10
# A stamp may be this part of a frame off.
JITTER = 0.49
# How fast the expected times of frames follow the stamps, a frame; gaps of more frames than LONG are placed by the
# whole session's rate, so that the phases of many gaps do not add up.
FOLLOW, LONG = 0.02, 10
BEGINNING = 200


@dataclass(frozen=True)
class Behaviour:
    """A signal of the animal beside the imaging, on its own clock.

    Attributes:
        times: [sample], s in the session.
        values: [sample]; NaN = not known.
        units: of the values, "cm/s" say.
    """

    times: np.ndarray
    values: np.ndarray
    units: str = "1"


@dataclass
class Traces:
    """Traces of one continuous recording.

    Attributes:
        values: [frame, neuron]; NaN = not sampled. They and the neuropil may be on disk.
        sampling_rate_hz: imaging frames per second; None if the file does not say.
        is_dff: whether values are dF/F (else raw fluorescence); None if the file does not say.
        timestamps: [frame], s in the session; None for frames at the sampling rate from `start_s`.
        neuropil: [frame, neuron] or None.
        neuropil_coefficient: the file's own, where the entry gives none; None for the default.
        position: [neuron, axis x, y(, z)] in `position_units`, or None.
        frame_fraction: [neuron], the part of the imaging period after which the neuron is sampled, or None.
        scanned_by_line: whether the frame fractions are known to be right; else they are used only if asked for.
        neurons: [neuron], the numbers of the neurons in the file.
        trials: the file's table of trials, a row each: start_s, and where known stop_s, condition and others; or None.
        behaviour: name (running_speed, pupil_diameter, ...) -> signal.
        attributes: further attributes for the Recording.
        notes: sentences for the user: what the reader took for granted, or could not tell.
    """

    values: np.ndarray | Columns
    sampling_rate_hz: float | None
    is_dff: bool | None = None
    timestamps: np.ndarray | None = None
    start_s: float = 0.0
    neuropil: np.ndarray | Columns | None = None
    neuropil_coefficient: float | None = None
    position: np.ndarray | None = None
    position_units: str = "pixel"
    frame_fraction: np.ndarray | None = None
    scanned_by_line: bool = False
    neurons: np.ndarray | None = None
    trials: pd.DataFrame | None = None
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def oriented(array: np.ndarray | Stored, orientation: str | None, path: str, name: str) -> np.ndarray | Columns:
    """Return `array` as [frame, neuron].

    Args:
        array: a matrix of traces, which may be on disk.
        orientation: "neurons x frames", "frames x neurons", or None to take the longer side for frames. That
            is done only if it is ten times the other and if neighbours along it resemble each other more than
            along the other, as those in time do: a wrong guess would go unnoticed.

    Raises:
        UserError: not a matrix of numbers, an unknown orientation, or one that cannot be told.
    """
    array = array if isinstance(array, Stored) else np.asarray(array)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        fail(
            path,
            name,
            "a matrix of numbers",
            f"shape {array.shape} of {array.dtype}",
            "Name another one with `key`.",
        )
    known = {"neurons x frames": True, "frames x neurons": False}
    if orientation is not None:
        if orientation not in known:
            fail(path, "orientation", f"one of {list(known)}", f"{orientation!r}", "Correct it in the entry.")
        return _read(array.T if known[orientation] else array)
    rows, columns = array.shape
    longer = array.T if columns > rows else array
    if max(rows, columns) < 10 * min(rows, columns) or not _smoothness(longer) > _smoothness(longer.T):
        fail(
            path,
            "orientation",
            f"one of {list(known)}",
            f"none, and {rows} x {columns}, which may be either",
            f"Add `orientation: {next(iter(known))}`, say, to the entry.",
        )
    return _read(array.T if columns > rows else array)


def _read(array: np.ndarray | Stored) -> np.ndarray | Columns:
    return array.columns() if isinstance(array, Stored) else array


def _smoothness(array: np.ndarray | Stored) -> float:
    """Return the mean correlation of neighbours along the first axis, over about 200 columns."""
    step = max(1, array.shape[1] // 200)
    sample = array.every(step) if isinstance(array, Stored) else array[:, ::step]
    correlation = np.concatenate([_correlations(sample[:, at : at + 16]) for at in range(0, sample.shape[1], 16)])
    finite = correlation[np.isfinite(correlation)]
    return float(finite.mean()) if finite.size else -np.inf


def _correlations(columns: np.ndarray) -> np.ndarray:
    """Return the correlation of neighbours in each of some columns; NaN or infinite where there is none."""
    part = np.asarray(columns, float)
    part = part - np.nansum(part, axis=0) / np.maximum(np.isfinite(part).sum(axis=0), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(part[1:] * part[:-1], axis=0) / np.nansum(part**2, axis=0)


def regular_frames(
    values: np.ndarray | Columns, timestamps: np.ndarray, path: str
) -> tuple[np.ndarray | Columns, np.ndarray, float]:
    """Return frames [frame, neuron], their times [frame] in s and the rate in Hz, with frames not taken filled with
    NaN.

    The rate is that of the whole session, frames not taken among them: stamps may be rounded, or jitter by 0.4 of a
    frame. Frames keep their own times; those of filled ones are interpolated.

    Args:
        values: [frame taken, neuron].
        timestamps: [frame taken], s.
        path: names the source in messages.

    Raises:
        UserError: times that do not increase, are not in seconds, jitter by half a frame, or leave too much to
            fill.
    """
    times = np.asarray(timestamps, float).ravel()
    if times.size != values.shape[0]:
        fail(
            path,
            "timestamps",
            f"one a frame ({values.shape[0]})",
            f"{times.size}",
            "Correct the source file.",
        )
    rising = np.isfinite(times[:-1]) & (np.diff(times) > 0)
    if times.size < 2 or not rising.all() or not np.isfinite(times[-1]):
        at = int(np.argmin(np.append(rising, False)))
        found = f"{times[at : at + 2].tolist()} from frame {at} on"
        fail(path, "timestamps", "two or more finite, increasing times in s", found, "Correct the source file.")
    index, period = _numbered_frames(times, path)
    count, kind = int(index[-1]) + 1, np.result_type(values.dtype, np.float32)

    def filled(numbers: np.ndarray) -> np.ndarray:
        block = np.full((count, numbers.size), np.nan, kind)
        block[index] = values[:, numbers]
        return block

    regular = Columns((count, values.shape[1]), kind, filled, "C")
    when = np.interp(np.arange(count), index, times)
    return regular if isinstance(values, Columns) else np.asarray(regular), when, 1 / period


def _numbered_frames(times: np.ndarray, path: str) -> tuple[np.ndarray, float]:
    """Return the number [frame taken] of each frame, counting those not taken, and the imaging period, s."""
    steps = np.diff(times)
    median = float(np.median(steps))
    # Rounded steps (30 or 40 ms at 30 Hz) have the right mean, not the right median; longer ones are gaps.
    near = np.abs(steps / median - 1) < 0.501
    period = float(steps[near].mean())
    check_rate(1 / period, path, "timestamps")
    index, phase = np.arange(times.size), 0.0
    for _ in range(5):
        before, (index, off) = index, _follow((times - times[0]) / period, phase)
        jitter = float(np.abs(off).max())
        centred = index - index.mean()
        period = float(centred @ times / (centred @ centred))
        # the first stamp jitters, too: the first hundreds tell when frames are expected
        phase = float(np.median(((times - times[0]) / period - index)[:BEGINNING]))
        if np.array_equal(before, index) and jitter <= JITTER:
            break
    if jitter > JITTER:
        at = int(np.argmax(np.abs(off)))
        found = f"one {off[at] * period:+.6g} s off at {times[at]:.6g} s"
        advice = "Resample the traces to a regular rate."
        fail(path, "timestamps", f"frames about {period:.6g} s apart", found, advice)
    if index[-1] + 1 > MOST_FRAMES * times.size:
        at = int(np.argmax(steps))
        expected = f"gaps of at most {MOST_FRAMES - 1} times the frames taken in all"
        longest = f"the longest gap {steps[at]:.6g} s after frame {at}"
        found = f"{times.size} frames in {times[-1] - times[0]:.6g} s, {longest}"
        advice = "Split the file at its longest gaps and enter the parts as recordings."
        fail(path, "timestamps", expected, found, advice)
    return index, period


def _follow(stamps: np.ndarray, phase: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each frame taken, from 0 on, and how far its stamp is off, in frames: both [frame taken].

    `stamps` are in frames [frame taken], and `phase` is when the first is expected."""
    first = number = round(float(stamps[0]) - phase)
    expected = phase + number
    index, off = np.zeros(stamps.size, int), np.zeros(stamps.size)
    for frame, stamp in enumerate(stamps.tolist()):
        step = max(1, round(stamp - expected)) if frame else 0
        if step > LONG:
            # a camera starts anew at any phase
            number = max(number + 1, first + round(stamp))
            expected = stamp
        else:
            number, expected = number + step, expected + step
            off[frame] = stamp - expected
            expected += FOLLOW * off[frame]
        index[frame] = number - first
    return index, off


def check_rate(rate: float, path: str, name: str) -> None:
    """Raise a `UserError` where `rate`, Hz, is none of imaging."""
    low, high = RATES_HZ
    if not low <= rate <= high:
        found = f"{rate:.6g} (a frame every {1 / rate:.6g} s)"
        advice = "Are these times in milliseconds, say? Give them in seconds, and rates in Hz."
        fail(path, name, f"from {low:g} to {high:g} imaging frames per second", found, advice)

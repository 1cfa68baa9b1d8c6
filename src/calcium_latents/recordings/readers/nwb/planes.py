"""Planes of one recording: joined frame by frame, and when within a frame each of their neurons is sampled."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.nwb.masks import is_suite2p
from calcium_latents.recordings.readers.nwb.series import RoiSeries, frame_count

# Rates and steps between planes may differ by so much of themselves, and of a frame.
RATE_TOLERANCE, STEP_TOLERANCE = 1e-3, 0.1


@dataclass(frozen=True)
class Frames:
    """The frames that planes have in common.

    Attributes:
        count: number of frames.
        rate_hz: frames per second, or None where the file says time stamps only.
        start_s: of the first frame, s.
        timestamps: [frame], s, or None.
        delays: [plane], s after the start of the frame.
    """

    count: int
    rate_hz: float | None
    start_s: float
    timestamps: np.ndarray | None
    delays: np.ndarray

    @property
    def period_s(self) -> float:
        """Time from one frame to the next, s; not a number where the file says none."""
        if self.timestamps is None:
            return 1 / self.rate_hz if self.rate_hz else np.nan
        return float(np.median(np.diff(self.timestamps))) if self.timestamps.size > 1 else np.nan


def common_frames(planes: Sequence[RoiSeries], turned: bool, path: str | Path) -> Frames:
    """Return the frames of planes; the last frame of a volume that was cut short is left out.

    Raises:
        UserError: the planes differ in rate, in length, or by a whole frame or more in time; the message asks for one.
    """
    lengths = [frame_count(item, turned) for item in planes]
    count, names = min(lengths), [item.name for item in planes]
    if max(lengths) > count + 1:
        _differ(path, names, "the same number of frames", lengths)
    series = [item.series for item in planes]
    without = [one.timestamps is None for one in series]
    if any(without) and not all(without):
        _differ(path, names, "time stamps of all or of none", ["none" if none else "some" for none in without])
    if all(without):
        rates = [float(one.rate or 0.0) for one in series]
        if np.ptp(rates) > RATE_TOLERANCE * max(rates):
            _differ(path, names, "the same rate", [f"{rate:g} Hz" for rate in rates])
        starts = np.array([float(one.starting_time or 0.0) for one in series])
        frames = Frames(count, rates[0] or None, float(starts.min()), None, starts - starts.min())
    elif len(series) == 1:
        # All stamps, so that a wrong number of them is told where they are used.
        frames = Frames(count, None, 0.0, np.asarray(series[0].timestamps[:], float), np.zeros(1))
    else:
        stamps = np.array([np.asarray(one.timestamps[:count], float) for one in series])
        steps = stamps - stamps[0]
        delays = np.median(steps, axis=1)
        frames = Frames(count, None, 0.0, stamps[int(np.argmin(delays))], delays - delays.min())
        if np.ptp(steps, axis=1).max() > STEP_TOLERANCE * frames.period_s:
            _differ(path, names, "the same steps between time stamps", [f"off by {np.ptp(step):g} s" for step in steps])
    if frames.delays.max() >= frames.period_s:
        found = [f"{delay:g} s" for delay in frames.delays]
        _differ(path, names, f"starts less than a frame ({frames.period_s:g} s) apart", found)
    return frames


def plane_delays(planes: Sequence[RoiSeries], frames: Frames, siblings: Sequence[RoiSeries]) -> tuple[np.ndarray, int]:
    """Return the part of a frame after which each plane starts [plane], and how many planes take turns in a frame.

    It follows from the planes' own times. Files of suite2p say none there: plane p of P comes p/P of a frame later.
    Other planes that start at once are taken to be imaged at once.

    Args:
        planes: joined planes.
        frames: theirs.
        siblings: all planes of the file, joined or not.
    """
    if frames.delays.any():
        return frames.delays / frames.period_s, len(planes)
    if not all(is_suite2p(item.table) for item in planes):
        return np.zeros(len(planes)), 1
    numbers = np.array([plane_number(item.name) for item in planes])
    count = max(len({plane_number(item.name) for item in siblings}), int(numbers.max()) + 1)
    return numbers / count, count


def frame_fractions(
    planes: Sequence[RoiSeries], delays: np.ndarray, lines: Sequence[np.ndarray], alternating: int
) -> np.ndarray:
    """Return the part of the imaging period after which each neuron is sampled [neuron].

    Args:
        planes: joined planes, with the neurons that are kept.
        delays: [plane], see `plane_delays`.
        lines: [neuron] of each plane, parts of the height of the field of view; zeros where lines shall not count.
        alternating: how many planes take turns.
    """
    parts = [
        np.full(item.rows.size, delay) + np.clip(line, 0, 1) / alternating
        for item, delay, line in zip(planes, delays, lines, strict=True)
    ]
    return np.clip(np.concatenate(parts), 0, 1 - 1e-6)


def plane_number(name: str) -> int:
    """Return the number that a series' name ends in after "plane", or 0."""
    found = re.search(r"plane[ _-]?(\d+)$", name, re.IGNORECASE)
    return int(found[1]) if found else 0


def _differ(path: str | Path, names: Sequence[str], expected: str, found: Sequence) -> NoReturn:
    each = ", ".join(f"{name}: {value}" for name, value in zip(names, found, strict=True))
    fail(path, "key", f"planes of {expected}", each, "Name one of them by `key` in the entry.")

"""Signals of the animal in an NWB file: running speed, pupil, position and the like, on their own clocks."""

import re
from typing import Any

import numpy as np

from calcium_latents.recordings.behaviour import SPEED
from calcium_latents.recordings.readers.nwb.series import full_name
from calcium_latents.recordings.readers.running_speed import in_cm_s
from calcium_latents.recordings.readers.traces import Behaviour

# NWB's containers of behaviour; a TimeSeries elsewhere is behaviour where its name or that of its module says so.
CONTAINERS = ("BehavioralTimeSeries", "PupilTracking", "EyeTracking", "Position", "CompassDirection")
BEHAVING = re.compile(
    r"behav|running|run_?speed|locomot|treadmill|wheel|speed|velocity|pupil|eye|gaze|lick|whisk|\bface|facial|motion_energy"
)
RUNNING = re.compile(r"(run|locomot|treadmill|wheel|ball).*(speed|velocity)|(speed|velocity).*(run|locomot)")
# Names that say nothing: the container's is taken.
NAMELESS = re.compile(r"(time|spatial|behavioral_?time)_?series|data|timeseries")
MOST_COLUMNS = 10


def behaviour_signals(file: Any) -> dict[str, Behaviour]:
    """Return signals of behaviour by name, in units (conversion and offset applied); running speed in cm/s.

    Running speed whose unit is no length per second keeps its unit. A series of two or three columns gives a signal
    each: of space _x, _y and _z, else _0, _1 and so on; one of more than ten (components of a film, say) is left out.
    """
    signals: dict[str, Behaviour] = {}
    measured = [*file.acquisition.values(), *file.processing.values()]  # what was shown is no behaviour
    for item in sorted(file.objects.values(), key=full_name):
        if not _is_behaviour(item) or not _is_below(item, measured):
            continue
        values, times = _values(item), _times(item)
        if values is None or times is None:
            continue
        for ending, column in _columns(item, values):
            name = _name(item, ending)
            if name in signals:
                name = _slug(full_name(item)) + ending
            signals[name] = in_cm_s(name, Behaviour(times, column, str(item.unit or "1")))
    return signals


def _is_behaviour(item: Any) -> bool:
    from pynwb import TimeSeries
    from pynwb.behavior import SpatialSeries

    if isinstance(item, SpatialSeries):
        return True
    kinds = {kind.__name__ for kind in type(getattr(item, "parent", None)).__mro__}
    if isinstance(item, TimeSeries) and kinds & set(CONTAINERS):
        return True
    return type(item) is TimeSeries and bool(BEHAVING.search(full_name(item).lower()))


def _is_below(item: Any, roots: list) -> bool:
    while item is not None and not any(item is root for root in roots):
        item = item.parent
    return item is not None


def _values(item: Any) -> np.ndarray | None:
    shape = np.shape(item.data)
    if not shape or 0 in shape or len(shape) > 2 or (len(shape) == 2 and shape[1] > MOST_COLUMNS):
        return None
    data = np.asarray(item.data[:])
    if data.dtype.kind not in "biuf":
        return None
    values = data.reshape(len(data), -1).astype(float)
    return values * (item.conversion or 1.0) + (item.offset or 0.0)


def _times(item: Any) -> np.ndarray | None:
    count = len(item.data)
    if item.timestamps is not None:
        times = np.asarray(item.timestamps[:], float)
        return times if times.size == count else None
    return float(item.starting_time or 0.0) + np.arange(count) / item.rate if item.rate else None


def _columns(item: Any, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    from pynwb.behavior import SpatialSeries

    if values.shape[1] == 1:
        return [("", values[:, 0])]
    spatial = isinstance(item, SpatialSeries) and values.shape[1] <= 3
    endings = "xyz" if spatial else [str(number) for number in range(values.shape[1])]
    return [(f"_{ending}", column) for ending, column in zip(endings, values.T, strict=False)]


def _name(item: Any, ending: str) -> str:
    whole = full_name(item).lower()
    if not ending and RUNNING.search(whole):
        return SPEED
    own = item.name if not NAMELESS.fullmatch(item.name.lower()) else item.parent.name
    return _slug(own) + ending


def _slug(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"\W+", "_", words).strip("_").lower()

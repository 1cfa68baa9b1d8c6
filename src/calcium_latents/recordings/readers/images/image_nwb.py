"""Images and responses to them from an NWB file: which image came when, and what the neurons did after its onset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import find_path
from calcium_latents.recordings.readers.formats import nwb
from calcium_latents.recordings.readers.images.image_nwb_stimuli import read_stimuli
from calcium_latents.recordings.readers.images.presentations import Presentations
from calcium_latents.recordings.readers.nwb.series import roi_series
from calcium_latents.recordings.readers.opening import open_nwb

RESPONSE_WINDOW_S = (0.05, 0.35)  # after the onset; the paper's
UNITS = "units"
FIELDS = (
    "file",
    "key",
    "orientation",
    "response_window_s",
    "baseline_window_s",
    "presentations",
    "image_column",
    "images",
    "blanks",
    "image_axes",
    "test",
    "minimum_repeats",
)


def nwb_fields(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that `read_image_nwb` knows."""
    return FIELDS


def read_image_nwb(entry: Mapping[str, Any], folder: str | Path, label: str) -> Presentations:
    """Read images and responses as an entry with `format: nwb` describes them; see `readers.image_responses`.

    A response is the number of spikes in the window after an onset, or the mean of the activity in it; NaN where it
    holds no frame. Spikes are taken to be recorded throughout.

    Raises:
        UserError: no NWB file, or one without images, onsets or activity, or with several and none named.
    """
    path = find_path(entry.get("file"), "file", folder, label)
    window = _window(entry, "response_window_s", path) or RESPONSE_WINDOW_S
    baseline = _window(entry, "baseline_window_s", path)
    with open_nwb(path) as file:
        stimuli = read_stimuli(file, entry, path)
        spikes = _spike_times(file, entry.get("key"), path)
    if spikes is not None:
        kind, responses = "spike count", count_spikes(spikes, stimuli.onsets, window)
        numbers = np.arange(len(spikes))
        if baseline is not None:
            lengths = (window[1] - window[0]) / (baseline[1] - baseline[0])
            responses = responses - lengths * count_spikes(spikes, stimuli.onsets, baseline)
    else:
        times, values, numbers = _activity(path, entry)
        kind, responses = "mean activity", mean_activity(times, values, stimuli.onsets, window)
        if baseline is not None:
            responses = responses - mean_activity(times, values, stimuli.onsets, baseline)
    unseen = np.isnan(responses).all(1)
    if unseen.mean() > 0.5:
        found = f"none in {int(unseen.sum())} of {len(responses)} windows"
        advice = "Choose a longer window; or are the onsets and the activity on different clocks?"
        fail(path, "response_window_s", "frames of the activity in the window after an onset", found, advice)
    return Presentations(
        images=stimuli.images,
        image_of_trial=stimuli.image_of_trial,
        responses=responses,
        animal=np.zeros(numbers.size, int),
        neuron=numbers,
        number=np.arange(len(stimuli.images)),
        test=None,
        source=path.name,
        attributes={"response_window_s": list(window), "response_kind": kind},
    )


def count_spikes(spike_times: list[np.ndarray], onsets: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Return how many spikes lie in [onset + window[0], onset + window[1]), [onset, neuron].

    Args:
        spike_times: s, rising, one array a neuron.
        onsets: [onset], s.
        window: s.
    """
    edges = onsets[:, None] + np.asarray(window)
    counts = [np.diff(np.searchsorted(np.sort(times), edges), axis=1)[:, 0] for times in spike_times]
    return np.stack(counts, axis=1).astype(float)


def mean_activity(times: np.ndarray, values: np.ndarray, onsets: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Return the mean over frames in [onset + window[0], onset + window[1]), [onset, neuron]; NaN where there are none.

    Args:
        times: [frame], s, rising.
        values: [frame, neuron]; NaN = not sampled.
        onsets: [onset], s.
        window: s.
    """
    first, last = np.searchsorted(times, onsets[:, None] + np.asarray(window)).T
    means = np.full((len(onsets), values.shape[1]), np.nan)
    for row, (start, stop) in enumerate(zip(first, last, strict=True)):
        frames = values[start:stop]
        known = ~np.isnan(frames)
        counts = known.sum(0)
        np.divide(np.where(known, frames, 0).sum(0), counts, out=means[row], where=counts > 0)
    return means


def _window(entry: Mapping[str, Any], name: str, path: Path) -> tuple[float, float] | None:
    given = entry.get(name)
    if given is None:
        return None
    good = isinstance(given, list | tuple) and len(given) == 2
    good = good and all(isinstance(edge, int | float) and np.isfinite(edge) for edge in given)
    if not good or not given[0] < given[1]:
        fail(path, name, "[from, to] in s after the onset, rising", f"{given!r:.100}", "Correct it in the entry.")
    return float(given[0]), float(given[1])


def _spike_times(file: Any, key: str | None, path: Path) -> list[np.ndarray] | None:
    """Return spike times of each unit, or None where the activity is a series of frames."""
    units = file.units
    has_units = units is not None and "spike_times" in (units.colnames or ()) and len(units) > 0
    if key == UNITS:
        if not has_units:
            fail(path, "key", "units with spike times", "none", "Name a RoiResponseSeries by `key` in the entry.")
    elif key is not None or not has_units:
        return None
    elif roi_series(file):
        found = "spike times of units and RoiResponseSeries"
        fail(path, "key", "one kind of activity", found, "Choose by `key` in the entry: units, or a series' name.")
    return [np.asarray(times, float) for times in units["spike_times"][:]]


def _activity(path: Path, entry: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return frame times [frame], s, activity [frame, neuron] and numbers of the accepted ROIs [neuron]."""
    traces = nwb.read(path, {name: entry.get(name) for name in ("key", "orientation")})
    values = traces.values
    assert traces.neurons is not None  # the reader says them
    times = traces.timestamps
    if times is None:
        if not traces.sampling_rate_hz:
            fail(path, "rate", "times of the activity's frames", "neither timestamps nor a rate", "Correct the file.")
        times = traces.start_s + np.arange(len(values)) / traces.sampling_rate_hz
    if len(times) != len(values) or (np.diff(times) <= 0).any():
        fail(path, "timestamps", "one rising time a frame", "others", "Correct the file.")
    return times, np.asarray(values), traces.neurons

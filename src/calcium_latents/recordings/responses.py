"""Responses to stimuli: one number per neuron and presentation (cross-encoder, appendix F: "neuronal activity within a
response window was averaged").

The appendix also projects out the 30 leading principal components of a spontaneous session of the same mouse; here no
second session is asked for, and nothing is projected out."""

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from calcium_latents.recordings.carried import kept_attributes, neuron_fields, neuron_variables
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.rates import ROUNDING, overlap_weights
from calcium_latents.recordings.resampling import frame_times, weigh_behaviour, weigh_neurons
from calcium_latents.recordings.schema import make_recording
from calcium_latents.recordings.trial_table import numbered_conditions


def stimulus_responses(
    recording: xr.Dataset, starts_s: Sequence[float], conditions: Sequence, window_s: float
) -> xr.Dataset:
    """Return the mean activity in a window after each stimulus onset: one trial of one bin a presentation.

    Frames count by their overlap with the window, a frame standing from its sample time for one imaging period.

    Args:
        recording: a Recording of one trial of imaging frames with events.
        starts_s: [presentation], onsets, s in the session, in any order.
        conditions: [presentation], which stimulus was shown. Whole numbers are kept; anything else is numbered in
            sorted order, and attribute `condition_names` (JSON) lists the names.
        window_s: length of the window (paper: 0.5 s for images, 2.0 s for gratings).

    Returns:
        Recording [presentation, 1, neuron] in the order of the session: events, condition, trial_start, behaviour
        where the recording has it; attribute paradigm = "stimulus".

    Raises:
        UserError: onsets that are no times or outside of the recording, conditions shown only once or missing, a window
            that holds no sample of a neuron.
    """
    source = recording.attrs["source"]
    times, period = frame_times(recording)
    if (
        isinstance(window_s, bool)
        or not isinstance(window_s, int | float | np.number)
        or not np.isfinite(window_s)
        or window_s <= 0
    ):
        fail(source, "window_s", "a positive number of seconds", f"{window_s!r}", "Correct it.")
    starts = _onsets(starts_s, window_s, (times[0], times[-1] + period), source)
    numbers, names = _numbered(conditions, starts.size, source)
    order = np.argsort(starts, kind="stable")
    starts, numbers = starts[order], numbers[order]

    def weights(samples: np.ndarray):
        return overlap_weights(samples, period, starts, starts + window_s)

    events = weigh_neurons(recording, weights, starts.size)
    if np.isnan(events).any():
        presentation, neuron = np.argwhere(np.isnan(events))[0]
        found = f"none of neuron {recording['neuron'].values[neuron]} at {starts[presentation]:g} s"
        fail(
            source, "events", "a sample of every neuron in every window", found, "Widen the window, or resample first."
        )
    others = neuron_variables(recording)
    for name, (values, *described) in weigh_behaviour(recording, weights, starts, starts + window_s).items():
        others[name] = (("trial", "time"), values[:, None], *described)
    attributes = kept_attributes(recording, but=("event_minimum",)) | {"paradigm": "stimulus"}
    if names is not None:
        attributes["condition_names"] = json.dumps(names)
    return make_recording(
        **neuron_fields(recording),
        events=events[:, None],
        time=np.zeros(1),
        bin_width_s=window_s,
        imaging_rate_hz=recording.attrs["imaging_rate_hz"],
        source=source,
        condition=numbers,
        trial_start=starts,
        others=others,
        attributes=attributes,
    )


def _onsets(starts_s: Sequence[float], window_s: float, session: tuple[float, float], source: str) -> np.ndarray:
    """Return the onsets as numbers, all with their window inside of the session (first, last), s."""
    try:
        starts = np.asarray(starts_s, float)
    except (TypeError, ValueError):
        starts = np.full(1, np.nan)
    if starts.ndim != 1 or not starts.size or not np.isfinite(starts).all():
        fail(source, "starts_s", "a list of times in s", f"{starts_s!r:.100}", "Correct it.")
    slack = ROUNDING * window_s
    outside = (starts < session[0] - slack) | (starts + window_s > session[1] + slack)
    if outside.any():
        expected = f"onsets from {session[0]:g} to {session[1] - window_s:g} s (windows inside of the recording)"
        found = f"{int(outside.sum())} others, the first: {starts[outside][0]:g} s"
        fail(source, "starts_s", expected, found, "Are these seconds of the same session? Leave out the others.")
    return starts


def _numbered(conditions: Sequence, count: int, source: str) -> tuple[np.ndarray, list[str] | None]:
    """Return the conditions as integers, and their names where they were none; each must come twice."""
    given = np.asarray(conditions)
    if given.shape != (count,):
        fail(source, "conditions", f"{count} of them, one an onset", f"shape {given.shape}", "Correct the table.")
    numbers, names = numbered_conditions(conditions, source)
    unique, counts = np.unique(given, return_counts=True)
    if counts.min() < 2:
        found = f"{int((counts < 2).sum())} of {unique.size} shown once, the first: {unique[counts.argmin()]}"
        fail(source, "conditions", "each at least twice", found, "Leave these presentations out.")
    return numbers, names

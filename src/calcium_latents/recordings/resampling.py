"""Deconvolved activity on a regular grid of another rate (cross-encoder, appendix F: "resampled using linear
interpolation at 5 Hz")."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from calcium_latents.recordings.behaviour import behaviour_names
from calcium_latents.recordings.carried import kept_attributes, neuron_fields, neuron_variables
from calcium_latents.recordings.fields import fail, named_neurons
from calcium_latents.recordings.missing import bridge
from calcium_latents.recordings.rates import ROUNDING, check_positive, interpolation_weights, overlap_weights
from calcium_latents.recordings.schema import make_recording

# A longer stretch in which no neuron was sampled is not interpolated.
LONGEST_GAP_S = 2.0
# Neurons that are weighed at once, in float64.
BLOCK = 1024


def resample(recording: xr.Dataset, rate_hz: float) -> xr.Dataset:
    """Return the continuous `recording`'s events at `rate_hz`.

    The new bins start with the recording; a last bin that it does not fill is left out. A neuron's sample was taken at
    the start of its frame plus the neuron's `sample_offset`, and stands for one imaging period from then on, so that
    neurons that a scanner visits at different times are aligned.

    - To a lower or equal rate, a bin is the mean of the samples, weighted by their overlap with the bin (that is, the
      linear interpolation of the cumulated activity). Interpolating the samples themselves, as the appendix may be
      read, would skip most of them and alias what is faster than the new rate.
    - To a higher rate (the paper's: volumes at 4.1 to 4.5 Hz), a bin is the linear interpolation at its centre between
      the centres of the samples; before the first and after the last it keeps their values.

    Missing samples (NaN) have no weight; bins without any sample are interpolated linearly from their neighbours.

    Args:
        recording: a Recording of one trial of imaging frames with events; behaviour (trial, time) is kept.
        rate_hz: bins per second of the result.

    Returns:
        Recording of one trial: events [1, time, neuron] (in the same unit, the mean per imaging frame; no longer above
        `event_minimum`), everything that the recording says about its neurons, attribute paradigm = "spontaneous".

    Raises:
        UserError: no events, not a continuous recording, a gap in all neurons of more than `LONGEST_GAP_S`, or a rate
            that leaves no bin.
    """
    source = recording.attrs["source"]
    check_positive(rate_hz, "rate_hz", source)
    times, period = frame_times(recording)
    check_gaps(recording)
    duration = times[-1] + period - times[0]
    count = int(np.floor(duration * rate_hz + ROUNDING))
    if count < 1:
        expected = f"at least {1 / duration:.6g}, one bin in {duration:.6g} s"
        fail(source, "rate_hz", expected, f"{rate_hz:g}", "Raise it, or record for longer.")
    begin = times[0] + np.arange(count) / rate_hz
    end = begin + 1 / rate_hz
    slower = rate_hz <= recording.attrs["imaging_rate_hz"] * (1 + ROUNDING)

    def weights(starts: np.ndarray) -> csr_array:
        if slower:
            return overlap_weights(starts, period, begin, end)
        return interpolation_weights(starts + period / 2, (begin + end) / 2)

    weighed = weigh_neurons(recording, weights, count)
    never = np.isnan(weighed).all(axis=0)
    if never.any():
        found = f"none of {named_neurons(recording['neuron'].values[never])}"
        fail(source, "events", "a sample of every neuron in at least one bin", found, "Leave these neurons out.")
    events = bridge(weighed)
    others = neuron_variables(recording)
    for name, (values, *described) in weigh_behaviour(recording, weights, begin, end).items():
        others[name] = (("trial", "time"), values[None], *described)
    return make_recording(
        **neuron_fields(recording),
        events=events[None],
        time=begin - recording["trial_start"].values[0],
        trial_start=recording["trial_start"].values,
        bin_width_s=1 / rate_hz,
        imaging_rate_hz=rate_hz,
        source=source,
        others=others,
        attributes=kept_attributes(recording, but=("event_minimum",))
        | {"paradigm": "spontaneous", "resampled_from_hz": float(recording.attrs["imaging_rate_hz"])},
    )


def frame_times(recording: xr.Dataset) -> tuple[np.ndarray, float]:
    """Return the starts of the imaging frames [time] in the session and the imaging period, s.

    Raises:
        UserError: `recording` has no events, or is not one trial of imaging frames.
    """
    source, period = recording.attrs["source"], 1 / recording.attrs["imaging_rate_hz"]
    if "events" not in recording:
        fail(source, "events", "deconvolved activity", "none", "Deconvolve the recording first.")
    if recording.sizes["trial"] != 1:
        advice = "Give the recording as it was before it was cut."
        fail(source, "trial", "one continuous trial", f"{recording.sizes['trial']} trials", advice)
    width = recording.attrs["bin_width_s"]
    if abs(width / period - 1) > 0.01:
        expected = f"imaging frames of {period:g} s"
        fail(source, "bin_width_s", expected, f"{width:g} s", "Give the recording before it is cut into bins.")
    return recording["time"].values + recording["trial_start"].values[0], period


def weigh_neurons(recording: xr.Dataset, weights, count: int) -> np.ndarray:
    """Return the events of one continuous trial, weighed into bins: [bin, neuron] float32, NaN where no sample is.

    `weights` makes a matrix [bin, sample] from a neuron's sample times; neurons sampled at the same times share it.
    """
    times, _ = frame_times(recording)
    events = recording["events"].values[0]
    offsets = recording["sample_offset"].values[0].astype(float)
    result = np.empty((count, events.shape[1]), np.float32)
    for neurons, sampled in _sampled_alike(events, offsets):
        matrix = weights(times[sampled] + offsets[neurons[0]])
        values = events[:, neurons] if sampled.all() else events[np.ix_(sampled, neurons)]
        result[:, neurons] = _weighed(matrix, values)
    return result


def weigh_behaviour(recording: xr.Dataset, weights, begin: np.ndarray, end: np.ndarray) -> dict[str, tuple]:
    """Return behaviour of one continuous trial in bins from `begin` to `end` [bin], s, weighed as neurons are.

    Returns:
        variable -> (values [bin] float32, units, long_name); NaN in bins without a known value.
    """
    times, period = frame_times(recording)
    variables = {}
    for name in behaviour_names(recording):
        values, attrs = recording[name].values.reshape(-1, 1), recording[name].attrs
        known = np.isfinite(values[:, 0])
        weighed = np.full((begin.size, 1), np.nan, np.float32)
        if known.any():
            weighed = _weighed(weights(times[known]), values[known])
            weighed[np.diff(overlap_weights(times[known], period, begin, end).indptr) == 0] = np.nan
        variables[name] = (weighed[:, 0], attrs["units"], attrs.get("long_name", name))
    return variables


def check_gaps(recording: xr.Dataset) -> None:
    """Raise a `UserError` where no neuron was sampled for longer than `LONGEST_GAP_S`: activity is not made up."""
    times, period = frame_times(recording)
    taken = times[np.isfinite(recording["events"].values[0]).any(axis=1)]
    steps = np.diff(taken)
    if steps.max(initial=0) > LONGEST_GAP_S + period:
        at = int(np.argmax(steps))
        found = f"{steps[at] - period:.6g} s without from {taken[at] + period:.6g} s on"
        expected = f"samples with gaps of at most {LONGEST_GAP_S:g} s"
        advice = "Split the file at such gaps, or leave it out of the cross-encoder (`studies` in its entry)."
        fail(recording.attrs["source"], "events", expected, found, advice)


def _sampled_alike(events: np.ndarray, offsets: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (neurons, sampled [time]) for each set of at most BLOCK neurons with the same sample times."""
    groups: dict[tuple[float, bytes], list[int]] = {}
    for neuron in range(events.shape[1]):
        key = (float(offsets[neuron]), np.packbits(np.isfinite(events[:, neuron])).tobytes())
        groups.setdefault(key, []).append(neuron)
    for (_, packed), members in groups.items():
        sampled = np.unpackbits(np.frombuffer(packed, np.uint8), count=len(events)).astype(bool)
        for start in range(0, len(members), BLOCK):
            yield np.array(members[start : start + BLOCK]), sampled


def _weighed(matrix: csr_array, values: np.ndarray) -> np.ndarray:
    """Return matrix @ values in float32, NaN where the matrix has no weight."""
    result = (matrix @ values.astype(float)).astype(np.float32)
    result[np.diff(matrix.indptr) == 0] = np.nan
    return result

"""Deconvolved events against true spikes: how much of the spiking is left for any later model to see."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

#: Bin widths (s) of the published comparisons of spike inference run from single frames to a second.
BIN_WIDTHS_S = (0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.2, 0.3, 0.5, 1.0)

#: How far (s) events may be moved back against spikes; 0 means as they are.
LAGS_S = (0.0, 0.03, 0.06, 0.09, 0.12)

COLUMNS = (
    "dataset", "indicator", "neuron", "recording", "bin_width_s", "lag_s", "correlation", "bins", "spikes",
)  # fmt: skip


@dataclass(frozen=True)
class NeuronEvents:
    """Events and true spikes of one neuron in one recording.

    `events` [sample] (NaN = not sampled) at `sample_time_s` [sample], ascending; `spike_time_s` [spike] on
    the same clock; the rest are labels.
    """

    dataset: str
    indicator: str
    neuron: str
    recording: str
    events: np.ndarray
    sample_time_s: np.ndarray
    spike_time_s: np.ndarray


def event_correlation(
    events: np.ndarray,
    sample_time_s: np.ndarray,
    spike_time_s: np.ndarray,
    bin_width_s: float,
    lag_s: float = 0.0,
) -> tuple[float, int, int]:
    """Correlate events with spikes, both summed in bins (start, end] of `bin_width_s`.

    A sample counts for the light collected before it, hence bins that include their end. With `lag_s` above
    zero, events are moved back in time by so much before they are binned (deconvolved events come late). Bins
    without a sample (unsampled, NaN) are left out, and so are bins that reach beyond the first or the last
    sample.

    Returns
    -------
    Pearson's correlation (NaN where events or spikes do not vary, or with fewer than three bins), the number
    of bins, and the number of spikes in them.
    """
    # The grid of bins comes from all sample times, so that it does not move with the samples that are lost.
    grid = np.asarray(sample_time_s, dtype=float) - lag_s
    valid = np.isfinite(events)
    times, values = grid[valid], np.asarray(events)[valid]
    if times.size < 2:
        return float("nan"), 0, 0
    start = grid[0] - float(np.median(np.diff(grid)))
    # The small shift decides that a sample that sits on an edge, up to rounding, belongs to the bin that it
    # ends.
    number = int(np.floor((grid[-1] - start) / bin_width_s + 1e-6))
    if number < 3:
        return float("nan"), number, 0

    def bin_of(at: np.ndarray) -> np.ndarray:
        return np.ceil((at - start) / bin_width_s - 1e-6).astype(np.int64) - 1

    index = bin_of(times)
    inside = (index >= 0) & (index < number)
    summed = np.bincount(index[inside], values[inside], minlength=number)
    sampled = np.bincount(index[inside], minlength=number) > 0
    spike_index = bin_of(np.asarray(spike_time_s, dtype=float))
    spike_index = spike_index[(spike_index >= 0) & (spike_index < number)]
    counts = np.bincount(spike_index, minlength=number)[sampled]
    return _correlation(summed[sampled], counts), int(sampled.sum()), int(counts.sum())


def spike_inference(
    neurons: Iterable[NeuronEvents],
    bin_widths_s: Sequence[float] = BIN_WIDTHS_S,
    lags_s: Sequence[float] = LAGS_S,
) -> pd.DataFrame:
    """Return one row a neuron, recording, bin width and lag, with the columns `COLUMNS`.

    `bins` and `spikes` are the numbers that the correlation rests on; a correlation that is not defined is
    NaN.
    """
    rows = [
        (one.dataset, one.indicator, one.neuron, one.recording, width, lag)
        + event_correlation(one.events, one.sample_time_s, one.spike_time_s, width, lag)
        for one in neurons
        for width in bin_widths_s
        for lag in lags_s
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def recording_neurons(
    recording: xr.Dataset,
    dataset: str,
    indicator: str = "",
    neuron: str | None = None,
    limit: int | None = None,
) -> Iterator[NeuronEvents]:
    """Take the neurons of a recording with `events` and `spikes` (counts per bin) or `spike_time` (s).

    Trials are laid out by their start in the session; a sample is timed at the end of its bin, a counted
    spike in the middle of its bin. `limit` takes the first so many neurons; `neuron` overrides the label.
    """
    time, width = recording["time"].values, float(recording.attrs["bin_width_s"])
    start = recording["trial_start"].values[:, None] + time[None, :]
    events = recording["events"].transpose("trial", "time", "neuron").values
    has_times = "spike_time" in recording
    source = str(recording.attrs.get("source", dataset))
    for index, label in list(enumerate(recording["neuron"].values))[:limit]:
        values = events[:, :, index]
        where = np.isfinite(values)
        if has_times:
            spike_times = recording["spike_time"].values
        else:
            counts = recording["spikes"].transpose("trial", "time", "neuron").values[:, :, index]
            spike_times = np.repeat(start.ravel() + 0.5 * width, counts.ravel())
        yield NeuronEvents(
            dataset=dataset,
            indicator=indicator or str(recording.attrs.get("indicator", "")),
            neuron=neuron or str(label),
            recording=source,
            events=values[where],
            sample_time_s=start[where] + width,
            spike_time_s=spike_times,
        )


def frame_correlation(recording: xr.Dataset) -> pd.DataFrame:
    """Correlate, at zero lag, each neuron's events with the spikes of the imaging frame that ends at the
    sample.

    This is the calibration of the simulation: the paper reports a mean of 0.32 over neurons (Zhu et al. 2022,
    Methods). Samples whose frame begins before the first bin of the session are counted with the bins that
    exist.

    Parameters
    ----------
    recording
        Recording with `events` and `spikes`; consecutive trials count as one session.

    Returns
    -------
    One row a neuron: neuron, correlation, samples, spikes.
    """
    events = recording["events"].transpose("trial", "time", "neuron").values
    spikes = recording["spikes"].transpose("trial", "time", "neuron").values
    frame = max(1, round(1.0 / (float(recording.attrs["imaging_rate_hz"]) * float(recording.attrs["bin_width_s"]))))
    joined = bool(recording.attrs.get("consecutive_trials", 0))
    shape = (1, -1, spikes.shape[2]) if joined else spikes.shape
    total = np.cumsum(spikes.reshape(shape), axis=1, dtype=np.int64)
    window = total.copy()
    window[:, frame:] -= total[:, :-frame]
    window = window.reshape(spikes.shape)
    rows = []
    for index, neuron in enumerate(recording["neuron"].values):
        where = np.isfinite(events[:, :, index])
        counted = window[:, :, index][where]
        correlation = _correlation(events[:, :, index][where], counted)
        rows.append((neuron, correlation, int(where.sum()), int(spikes[:, :, index].sum())))
    return pd.DataFrame(rows, columns=["neuron", "correlation", "samples", "spikes"])


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if first.size < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])

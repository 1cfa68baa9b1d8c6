"""Traces as AVAE+ sees them: bins as long as calcium is slow, scaled by the training traces, and their statistics."""

from dataclasses import dataclass

import numpy as np

from calcium_latents.models.traces.parameters import BinOptions
from calcium_latents.models.traces.statistics import STATISTICS, event_statistics

SMALLEST_EVENT = 3.5  # standard deviations of the noise of what two bins add
FEWEST_STATISTICS = 2
SMALLEST_SPREAD = 1e-3
BASELINE_QUANTILE = 0.02
COUNT = STATISTICS.index("log(1 + events)")  # the one statistic that grows with a trace's length


@dataclass(frozen=True)
class TraceBins:
    """How traces become scaled bins, and back; fitted to training traces.

    Attributes:
        samples: of a trace, T.
        factor: samples in a bin; the last bin may have fewer.
        width_s: of a bin.
        mean, sd: of the training bins.
        baseline: scaled value of a trace without events.
        threshold, decay: see `models.traces.statistics.event_statistics`, in scaled units.
        statistics_mean, statistics_sd: of the training traces' statistics [statistics].
        directions: of the identity code [statistics, identity latents], scaled to variance one.
    """

    samples: int
    factor: int
    width_s: float
    mean: float
    sd: float
    baseline: float
    threshold: float
    decay: float
    statistics_mean: np.ndarray
    statistics_sd: np.ndarray
    directions: np.ndarray

    @property
    def bins(self) -> int:
        """Number of bins, B."""
        return -(-self.samples // self.factor)

    def to_bins(self, values: np.ndarray) -> np.ndarray:
        """Return scaled bins [n, B] float32 of normalised traces [n, T]."""
        return ((bin_means(values, self.factor) - self.mean) / self.sd).astype(np.float32)

    def to_samples(self, bins: np.ndarray) -> np.ndarray:
        """Return normalised traces [n, T] of scaled bins [n, B], interpolated linearly between the bins' centres."""
        values = bins * self.sd + self.mean
        if self.factor == 1:
            return values
        starts = np.arange(self.bins) * self.factor
        centres = 0.5 * (starts + np.minimum(starts + self.factor, self.samples) - 1)
        place = np.interp(np.arange(self.samples), centres, np.arange(self.bins))
        low = np.minimum(place.astype(int), self.bins - 1)
        part = (place - low).astype(np.float32)
        return values[:, low] * (1 - part) + values[:, np.minimum(low + 1, self.bins - 1)] * part

    def identity(self, bins: np.ndarray) -> np.ndarray:
        """Return the identity code [n, identity latents] float32 of the first b <= B scaled bins [n, b] of traces.

        A part has fewer events than the whole: their number is extrapolated at the same rate.
        """
        if self.directions.shape[1] == 0:
            return np.zeros((len(bins), 0), np.float32)
        statistics = event_statistics(bins - self.baseline, self.decay, self.threshold)[:, : len(self.directions)]
        if bins.shape[1] < self.bins:
            whole = np.expm1(statistics[:, COUNT]) * (self.bins / bins.shape[1])
            statistics[:, COUNT] = np.log1p(whole)
        return ((statistics - self.statistics_mean) / self.statistics_sd @ self.directions).astype(np.float32)


def fit_bins(training: np.ndarray, rate_hz: float, options: BinOptions, identity: int) -> TraceBins:
    """Return the bins of normalised training traces [n, T] at `rate_hz`, with `identity` identity latents.

    The identity code is made of the first principal components of the traces' standardised statistics, of which as many
    are taken as there are identity latents, but two at least.
    """
    samples = training.shape[1]
    factor = options.samples_per_bin(samples, rate_hz)
    raw = bin_means(training, factor)
    mean, sd = float(raw.mean()), float(raw.std())
    bins = ((raw - mean) / sd).astype(np.float32)
    # most samples only decay: the median step between neighbours is noise
    step = float(np.median(np.abs(np.diff(training[:, : 2000 * factor], axis=1))))
    noise = step / (0.6745 * np.sqrt(2 * factor)) / sd
    baseline = float(np.quantile(bins, BASELINE_QUANTILE))
    decay = float(np.exp(-factor / rate_hz / options.decay_time_s))
    # noise of x(t+2) + (1 - decay) x(t+1) - decay x(t)
    threshold = max(SMALLEST_EVENT * noise * np.sqrt(1 + (1 - decay) ** 2 + decay**2), 1e-3)
    common = samples, factor, factor / rate_hz, mean, sd, baseline, threshold, decay
    if identity == 0:
        empty = np.zeros((0, 0))
        return TraceBins(*common, empty, empty, empty)
    used = max(identity, FEWEST_STATISTICS)
    statistics = event_statistics(bins - baseline, decay, threshold)[:, :used]
    centre, spread = statistics.mean(0), statistics.std(0)
    # a statistic, or a combination of some, that is the same for all says nothing about those to come
    spread = np.where(spread > SMALLEST_SPREAD, spread, np.inf)
    standardised = ((statistics - centre) / spread).astype(np.float64)
    squares, directions = np.linalg.eigh(standardised.T @ standardised / len(statistics))
    chosen = np.argsort(squares)[::-1][:identity]
    directions = directions[:, chosen] * np.where(directions[:, chosen].sum(0) < 0, -1, 1)
    sd = np.sqrt(np.maximum(squares[chosen], 0))
    directions = directions / np.where(sd > SMALLEST_SPREAD, sd, np.inf)
    return TraceBins(*common, centre, spread, directions)


def bin_means(values: np.ndarray, factor: int) -> np.ndarray:
    """Return means [n, ceil(T / factor)] of traces [n, T] over bins of `factor` samples; the last may have fewer."""
    if factor == 1:
        return values
    starts = np.arange(0, values.shape[1], factor)
    counts = np.diff(np.append(starts, values.shape[1]))
    return (np.add.reduceat(values, starts, axis=1) / counts).astype(np.float32)

"""How much of the animal's behaviour latents tell: ridge regression on blocks of time that it did not see, beside the
same of the behaviour shifted in time.

The session is cut into `BLOCKS` consecutive blocks. Each is predicted from all others but for samples within `GAP_S` of
it, with the penalty that predicts best within those. R2 = 1 - (squared error) / (squared deviation from the mean of the
training samples), summed over blocks: 0 for predicting that mean. The null shifts the behaviour circularly, which keeps
its slowness and that of the latents (which alone make predictions of a short session look good), and breaks what ties
them together.
"""

from dataclasses import dataclass

import numpy as np

from calcium_latents.metrics.ridge import Moments, Ridge
from calcium_latents.recordings.missing import gaussian_mean

BLOCKS = 10
GAP_S = 1.0
PENALTIES = np.geomspace(1e-3, 1e3, 7)  # relative to the number of samples, for latents of unit variance
MOST_SHIFTS = 199
SHORTEST_SHIFT_S = 10.0
FEWEST_SAMPLES = 20  # of a block
SMOOTHING_S = (0.1, 0.3, 1.0)  # of events, before principal components: standard deviations of a Gaussian


@dataclass(frozen=True)
class Prediction:
    """What blocks of time tell.

    Attributes:
        predicted: [sample], each block predicted from the others.
        error: [block] summed squared error.
        total: [block] summed squared deviation from the mean of the training samples.
        null: [shift], R2 of the behaviour shifted in time.
    """

    predicted: np.ndarray
    error: np.ndarray
    total: np.ndarray
    null: np.ndarray

    @property
    def r2(self) -> float:
        """Of all blocks."""
        return float(1 - self.error.sum() / self.total.sum())

    @property
    def p(self) -> float:
        """The part of shifts (and the unshifted one) that predict at least as well."""
        return float((1 + (self.null >= self.r2).sum()) / (1 + self.null.size))


def predict(latents: np.ndarray, behaviour: np.ndarray, step_s: float) -> Prediction:
    """Predict a behaviour from latents, and so the same shifted in time.

    Args:
        latents: [sample, latent], consecutive samples.
        behaviour: [sample].
        step_s: time between samples, s.
    """
    spread = latents.std(axis=0)
    x = (latents - latents.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    targets = np.stack([np.roll(behaviour, shift) for shift in (0, *shifts(len(x), step_s))], axis=1)
    block = np.arange(len(x)) * BLOCKS // len(x)
    gap = int(np.ceil(GAP_S / step_s))
    parts = [Moments.of(x[block == number], targets[block == number]) for number in range(BLOCKS)]
    predicted = np.zeros(len(x))
    error, total = np.zeros((BLOCKS, targets.shape[1])), np.zeros((BLOCKS, targets.shape[1]))
    for number in range(BLOCKS):
        rows = np.flatnonzero(block == number)
        others = [other for other in range(BLOCKS) if other != number]
        kept = dict(
            zip(others, (_less_gap(x, targets, block, parts, other, rows, gap) for other in others), strict=True)
        )
        inner = np.zeros((len(PENALTIES), targets.shape[1]))
        for other in others:
            training = Moments.total(kept[one] for one in others if one != other)
            inner += Ridge(training).squared_error(PENALTIES * training.count, kept[other])
        training = Moments.total(kept.values())
        weights, intercept = Ridge(training).solve(PENALTIES[inner.argmin(axis=0)] * training.count)
        guess = x[rows] @ weights + intercept
        predicted[rows] = guess[:, 0]
        error[number] = ((targets[rows] - guess) ** 2).sum(axis=0)
        total[number] = ((targets[rows] - training.y / training.count) ** 2).sum(axis=0)
    null = 1 - error[:, 1:].sum(axis=0) / total[:, 1:].sum(axis=0)
    return Prediction(predicted, error[:, 0], total[:, 0], null)


def _less_gap(x, targets, block, parts, other, rows, gap) -> Moments:
    """Return the moments of block `other` without samples within `gap` of `rows`."""
    own = np.flatnonzero(block == other)
    far = own[(own < rows[0] - gap) | (own > rows[-1] + gap)]
    return parts[other] if far.size == own.size else Moments.of(x[far], targets[far])


def shifts(samples: int, step_s: float) -> np.ndarray:
    """Return the circular shifts of the null: distinct, evenly spread, none shorter than `SHORTEST_SHIFT_S` (in a short
    session, than a tenth of it) either way round."""
    shortest = min(int(np.ceil(SHORTEST_SHIFT_S / step_s)), samples // 10)
    return np.unique(np.linspace(shortest, samples - shortest, MOST_SHIFTS).round().astype(int))


def smoothed_components(events: np.ndarray, step_s: float, sd_s: float, count: int) -> np.ndarray:
    """Return the leading `count` principal components of smoothed, z-scored events: [frame, component].

    Args:
        events: [frame, neuron], NaN = not sampled.
        step_s: imaging period, s.
        sd_s: standard deviation of the Gaussian, s.
        count: how many.
    """
    sd = sd_s / step_s
    smoothed = gaussian_mean(events, sd, axis=0, radius=max(1, int(np.ceil(4 * sd))))
    smoothed = np.where(np.isfinite(smoothed), smoothed, np.nanmean(events, axis=0))
    spread = smoothed.std(axis=0)
    scaled = (smoothed - smoothed.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    _, vectors = np.linalg.eigh(scaled.T @ scaled)
    return scaled @ vectors[:, ::-1][:, :count]

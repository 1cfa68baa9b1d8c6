"""Where to start: the low-rank structure of a recording's events, found by principal components before training.

From random weights, gradient descent finds a population's latent dimensions one after another, and only the first few
on a recording of many noisy neurons. Principal components of the smoothed events find them all at once. They tell the
encoders how to average neurons, and the readout how latents move each neuron's probability of an event.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.model import LFADS

SMOOTHING_S = 0.05  # sd of the Gaussian; at least half an imaging period
TRIALS_AT_ONCE = 64
NULL_SHIFTS = 3
FEWEST_LATENTS = 2
LEAST_WEIGHT = 0.4  # of the samples under the Gaussian, of their usual weight; about half are at a trial's ends
LEAST_SLOPE_VARIANCE = 1e-3  # of an event's occurrence: bounds the slopes of neurons of very few events


@dataclass(frozen=True)
class LowRankStart:
    """Principal components of smoothed events, as the model needs them.

    Attributes:
        projection: `[N, L]`, from an event's size to what it adds to each latent, whose variance is 1.
        slopes: `[L, N]`, from a latent to the log odds of an event.
    """

    projection: np.ndarray
    slopes: np.ndarray

    @property
    def latents(self) -> int:
        """Number of latents L."""
        return self.projection.shape[1]


def find_low_rank_start(
    events: Tensor, bin_width_s: float, imaging_rate_hz: float, most_latents: int, rng: np.random.Generator
) -> LowRankStart:
    """Principal components of the correlations between neurons, as many as stand out of chance.

    Chance is what is left when every neuron's events are shifted in time by themselves (parallel analysis, Horn 1965).

    Args:
        events: `[trials, time, N]`, NaN where not sampled.
        bin_width_s: of the bins, s.
        imaging_rate_hz: Hz.
        most_latents: upper bound; at least `FEWEST_LATENTS` are taken where there are so many neurons.
        rng: draws the shifts.

    Raises:
        UserError: a bound below 1.
    """
    if most_latents < 1:
        raise UserError(f"model.initialisation.most_latents: expected 1 or more, found {most_latents}.")
    period = 1 / imaging_rate_hz
    sd, step = max(SMOOTHING_S, period / 2) / bin_width_s, max(1, round(max(2 * SMOOTHING_S, period) / bin_width_s))
    parts = [_smoothed(part.numpy(), sd, step) for part in events.split(TRIALS_AT_ONCE)]
    (sizes, _), (happened, fraction) = (_centred(np.concatenate(values)) for values in zip(*parts, strict=True))
    spread = np.maximum(sizes.std(0), 1e-6)
    sizes /= spread
    values, vectors = np.linalg.eigh(sizes.T @ sizes / len(sizes))
    values, vectors = values[::-1], vectors[:, ::-1]
    found = int((values > _chance(sizes, rng)).sum())
    latents = min(max(found, FEWEST_LATENTS), most_latents, len(values))
    basis = vectors[:, :latents] / np.sqrt(np.maximum(values[:latents], 1e-6))
    latent = sizes @ basis
    slopes = latent.T @ happened / len(latent) / np.maximum(fraction * (1 - fraction), LEAST_SLOPE_VARIANCE)
    return LowRankStart(basis / spread[:, None], slopes)


@torch.no_grad()
def start_from(model: LFADS, start: LowRankStart, input_gain: float) -> None:
    """Set the encoders' input weights and the readout of event probability of every member.

    The encoders' random weights then act on latents, times `input_gain`, instead of single neurons; latents stand in
    random orthogonal directions of the factors. Both random parts come from the weights that the model has.
    """
    projection = torch.as_tensor(start.projection, dtype=torch.float32) / model.input_scale
    neurons, latents = projection.shape
    width = neurons + model.sizes.encoder
    # a sum of L independent rows of the random weights, scaled to sd 1 / sqrt(L)
    rows = model.encoder_input[:, :latents] * (width / latents) ** 0.5
    model.encoder_input[:] = input_gain * projection @ rows
    directions = torch.linalg.qr(model.readout_weight[:, :, -1, :latents])[0]
    model.readout_weight[:, :, -1] = directions @ torch.as_tensor(start.slopes, dtype=torch.float32)


def _smoothed(events: np.ndarray, sd: float, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Local means of event sizes and of their occurrence every `step` bins, float32 `[rows, N]`.

    NaN where too few samples are near, since a lone one would count several times; rows without any are left out.
    """
    known, rows = np.isfinite(events), np.s_[:, step // 2 :: step]
    weight = gaussian_filter1d(known.astype(float), sd, axis=1, mode="constant")
    enough = weight[rows] >= LEAST_WEIGHT * weight[known].mean() if known.any() else known[rows]

    def mean(values: np.ndarray) -> np.ndarray:
        total = gaussian_filter1d(np.where(known, values, 0.0), sd, axis=1, mode="constant")[rows]
        means = np.divide(total, weight[rows], out=np.full(total.shape, np.nan), where=enough)
        return means[enough.any(2)].astype(np.float32)

    return mean(events), mean(events > 0)


def _centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `values` `[time, N]` minus their means, and the means `[N]`; unknown values (NaN) become the mean, since
    zeros in all neurons at a time would be a latent of their own."""
    count = np.maximum(np.isfinite(values).sum(0), 1)
    mean = (np.nansum(values, axis=0, dtype=np.float64) / count).astype(np.float32)
    return np.nan_to_num(values - mean), mean


def _chance(values: np.ndarray, rng: np.random.Generator) -> float:
    """Largest eigenvalue of the correlations of `values` `[time, N]` where neurons are shifted against each other."""
    largest = 0.0
    for _ in range(NULL_SHIFTS):
        shifts = rng.integers(len(values), size=values.shape[1])
        moved = np.stack([np.roll(column, shift) for column, shift in zip(values.T, shifts, strict=True)], axis=1)
        largest = max(largest, float(np.linalg.eigvalsh(moved.T @ moved / len(moved))[-1]))
    return largest

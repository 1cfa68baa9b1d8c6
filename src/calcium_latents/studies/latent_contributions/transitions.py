"""Transitions between states: moments at which the latents move farther than noise does.

That supposes states with noise around them: where latents without noise are always on their way, as a model's smooth
latents may be, it finds the fastest parts of the path and no switches.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from calcium_latents.errors import UserError

FALSE_POSITIVES = 0.05  # expected detections in stationary noise, in all trials together
CHANCES = 8
CONCENTRATIONS = 20
BEGUN, DONE = 0.1, 0.9  # parts of the way at a transition's onset and end


@dataclass(frozen=True)
class Transition:
    """A move of the latents. Frames are indices of the trial.

    Attributes:
        trial: index of the trial.
        onset: last frame at which less than a tenth of the way is done.
        peak: frame before which the latents differ most from after it.
        end: first frame at which nine tenths of the way are done.
        before, after: frames (start, stop) that are averaged as the state before and after it.
        displacement: change of the latents from before to after, [latent].
        height: largest step over the threshold.
    """

    trial: int
    onset: int
    peak: int
    end: int
    before: tuple[int, int]
    after: tuple[int, int]
    displacement: np.ndarray
    height: float

    @property
    def distance(self) -> float:
        """|displacement|."""
        return float(np.linalg.norm(self.displacement))


def steps(latents: np.ndarray, span: int) -> np.ndarray:
    """Return the mean of z over the `span` frames from t on less that over the `span` frames before t, [time, latent].

    NaN in the first `span` frames and the last `span` - 1. Over `span` times a frame's duration: the latents' velocity.
    """
    z = np.asarray(latents, dtype=np.float64)
    result = np.full(z.shape, np.nan)
    if len(z) >= 2 * span:
        # about the mean: running sums of what is far from zero lose digits
        sums = np.concatenate([np.zeros((1, z.shape[1])), np.cumsum(z - z.mean(axis=0), axis=0)])
        means = (sums[span:] - sums[:-span]) / span
        result[span : len(z) - span + 1] = means[span:] - means[:-span]
    return result


def noise_covariance(vectors: np.ndarray) -> np.ndarray:
    """Return the covariance [latent, latent] of steps [step, latent] in the absence of transitions.

    Steps of noise have mean zero. Minimum covariance determinant by concentration (Rousseeuw & Van Driessen 1999,
    Technometrics 41:212): the half of the steps that lies nearest, by its own covariance; then all steps within the
    98 % quantile of a Gaussian. Transitions may take up to about a third of the time.
    """
    size = vectors.shape[1]
    typical = np.median(np.abs(vectors), axis=0)
    kept = np.linalg.norm(vectors / np.where(typical > 0, typical, np.inf), axis=1)
    for share in (*[0.5] * CONCENTRATIONS, 0.98):
        edge = chi2.ppf(share, size)
        near = vectors[kept <= (np.quantile(kept, share) if share == 0.5 else edge)]
        # a Gaussian cut off there has a smaller covariance, by this factor
        covariance = near.T @ near / len(near) * share / chi2.cdf(edge, size + 2)
        kept = noise_distances(vectors, covariance) ** 2
    return covariance


def noise_distances(vectors: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return sqrt(step' covariance^-1 step), [step], of steps [step, latent] and covariance [latent, latent]: steps in
    units of their noise, whatever the latents' own units.

    Directions without noise are left out: those below 1e-9 of the largest eigenvalue of the correlation matrix.
    """
    sd = np.sqrt(np.diag(covariance))
    sd = np.where(sd > 0, sd, np.inf)
    values, directions = np.linalg.eigh(covariance / np.outer(sd, sd))
    kept = values > 1e-9 * max(values[-1], 1e-9)
    return np.linalg.norm((vectors / sd) @ directions[:, kept] / np.sqrt(values[kept]), axis=1)


def step_threshold(count: int, size: int, span: int, false_positives: float = FALSE_POSITIVES) -> float:
    """Return the distance that steps of stationary Gaussian noise exceed `false_positives` times, all trials together.

    Squared distances in an estimated covariance follow Hotelling's T2; one independent step every `span` frames
    estimates it, and `CHANCES` every `span` frames could exceed it. Infinite where there are too few steps for the
    covariance. The number is an upper limit for white noise and for noise with a correlation time of up to 20 frames in
    500 or 3000 frames (simulated, 1 to 8 latents, spans 3 to 25); heavier tails than a Gaussian's give more.

    Args:
        count: of steps.
        size: number of latents.
        span: frames averaged on either side.
        false_positives: expected number.
    """
    if not false_positives > 0:
        raise UserError(f"false_positives: expected a positive number, found {false_positives}.")
    independent = count / span
    if independent <= size + 1:
        return np.inf
    chance = min(1.0, false_positives / max(1.0, CHANCES * independent))
    scale = size * (independent - 1) / (independent - size)
    return float(np.sqrt(scale * f_distribution.isf(chance, size, independent - size)))


def largest_step(latents: Sequence[np.ndarray], surrogates: Iterable[Sequence[np.ndarray]], span: int) -> float:
    """Return the largest distance of any step in any surrogate, in units of the noise of `latents`; 0 for none.

    As a threshold, with S surrogates of what has no transitions, a recording that is no different has any detection
    with probability 1 / (S + 1), whatever its distribution.

    Args:
        latents: of each trial, [time, latent].
        surrogates: the same without transitions, such as from neurons that were shifted in time independently.
        span: frames averaged on either side.
    """
    covariance = noise_covariance(_known_steps(latents, span))
    distances = (noise_distances(_known_steps(surrogate, span), covariance) for surrogate in surrogates)
    return max((float(d.max(initial=0.0)) for d in distances), default=0.0)


def detect_transitions(
    latents: Sequence[np.ndarray], span: int, *, false_positives: float = FALSE_POSITIVES, limit: float | None = None
) -> tuple[list[Transition], float]:
    """Return the transitions of all trials, in order, and the threshold of `steps`.

    A transition is a peak of the steps above the threshold, the highest within `span` frames.

    Args:
        latents: z of each trial, [time, latent], finite. Trials of less than 2 `span` frames have none.
        span: frames averaged before and after, the time scale: shorter stays in a state are missed, and
            slower moves are seen as less than they are.
        false_positives: expected number of detections in stationary noise, all trials together; see `step_threshold`.
        limit: use this threshold (standard deviations of the noise of steps) instead.

    Raises:
        UserError: latents that are not finite [time, latent], or `span` below 1.
    """
    if span < 1:
        raise UserError(f"span: expected at least one frame, found {span}.")
    for z in latents:
        if np.ndim(z) != 2 or not np.isfinite(z).all():
            raise UserError(f"latents: expected finite values [time, latent] of each trial, found {np.shape(z)}.")
    vectors = _known_steps(latents, span)
    if not len(vectors) or not vectors.any():
        return [], np.inf
    covariance = noise_covariance(vectors)
    threshold = (
        step_threshold(*vectors.shape, span=span, false_positives=false_positives) if limit is None else float(limit)
    )
    found = []
    for trial, z in enumerate(latents):
        moved = steps(z, span)
        known = np.isfinite(moved[:, 0])
        values = np.full(len(z), -1.0)
        values[known] = noise_distances(moved[known], covariance)
        # a peak at the border of what is known counts: pad with less than anything
        padded = np.concatenate([[-1.0], values, [-1.0]])
        peaks, _ = find_peaks(padded, height=np.nextafter(threshold, np.inf), distance=span)
        places = [int(peak) - 1 for peak in peaks]
        for index, peak in enumerate(places):
            left = places[index - 1] if index else 0
            right = places[index + 1] if index + 1 < len(places) else len(z)
            found.append(_transition(z, trial, peak, (left, right), span, values[peak] / threshold))
    return found, threshold


def _known_steps(latents: Sequence[np.ndarray], span: int) -> np.ndarray:
    """Return the steps of all trials that are known, [step, latent]."""
    parts = [values[np.isfinite(values[:, 0])] for values in (steps(z, span) for z in latents)]
    return np.concatenate(parts) if parts else np.empty((0, 1))


def _transition(z: np.ndarray, trial: int, peak: int, between: tuple[int, int], span: int, height: float) -> Transition:
    """Find onset and end around a peak, by the part of the way done; `between`: the neighbouring peaks."""
    left, right = between
    onset, end = peak - 1, peak
    for _ in range(2):
        # the first time right at the peak; the second time without the frames of the move itself
        before = (max(left, onset + 1 - span), onset + 1)
        after = (end, min(right, end + span))
        start, change = z[slice(*before)].mean(axis=0), z[slice(*after)].mean(axis=0) - z[slice(*before)].mean(axis=0)
        way = (z[left:right] - start) @ change / max(float(change @ change), np.finfo(float).tiny)
        early, late = np.flatnonzero(way[: peak - left] <= BEGUN), np.flatnonzero(way[peak - left :] >= DONE)
        # at most `span` frames to either side, and at least one frame of rest on each
        onset = max(left + int(early[-1]) if len(early) else left, peak - span, left)
        end = min(peak + int(late[0]) if len(late) else right - 1, peak + span, right - 1)
    before, after = (max(left, onset + 1 - span), onset + 1), (end, min(right, end + span))
    change = z[slice(*after)].mean(axis=0) - z[slice(*before)].mean(axis=0)
    return Transition(trial, onset, peak, end, before, after, change, float(height))

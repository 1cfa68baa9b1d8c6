"""Factor analysis of activity with missing samples, by expectation-maximisation.

y = f C + noise with variance psi / w, f standard normal (Rubin & Thayer 1982; Bishop 2006, eq. 12.64 to 12.69). A bin
of weight w is the known part of a whole one: y_whole = w y + (1 - w) u, whose unknown part u is filled in with f C, and
whose variance given f, (1 - w) psi, counts in the sums. Where nothing is missing, this is exact; elsewhere the
posterior covariance of f is that of the neurons' mean weights, equal at all times.
"""

from dataclasses import dataclass

import numpy as np

from calcium_latents.models.linear_latents.principal_components import Factors, leading_directions

ITERATIONS = 60
TOLERANCE = 1e-4  # change of the noise variances, relative
SMALLEST_NOISE = 1e-3  # of a neuron's variance, which is 1


@dataclass(frozen=True)
class FactorAnalysis(Factors):
    """Factors, with the noise variance `[neuron]` of each neuron in a whole bin."""

    noise: np.ndarray


def factor_analysis(
    values: np.ndarray, weight: np.ndarray, rank: int, iterations: int = ITERATIONS, tolerance: float = TOLERANCE
) -> FactorAnalysis:
    """Return the factor analysis of centred values [time, neuron] of variance 1 under `weight` [time, neuron]."""
    known, missing = values * weight, 1 - weight
    singular, directions = leading_directions(known, rank)
    count, share = len(values), missing.mean(axis=0)
    squares = (missing**2).mean(axis=0)
    rest = max(float((known**2).sum() - (singular**2).sum()) / count / known.shape[1], SMALLEST_NOISE)
    loadings = (directions * np.sqrt(np.maximum(singular**2 / count - rest, SMALLEST_NOISE))).T
    noise = np.maximum(1 - (loadings**2).sum(axis=0), SMALLEST_NOISE)
    filled = known
    for _ in range(iterations):
        weighted = loadings / noise
        factors = filled @ np.linalg.solve(np.eye(rank) + weighted @ loadings.T, weighted).T.astype(values.dtype)
        filled = known + missing * (factors @ loadings)
        covariance = np.linalg.inv(np.eye(rank) + (weighted * (1 - share)) @ loadings.T)
        # sums of the complete data: with what is missing given f, and f given what is known
        cross = factors.T @ filled / count + covariance @ loadings * share
        gram = factors.T @ factors / count + covariance
        variance = (filled**2).mean(axis=0) + share * noise + squares * ((covariance @ loadings) * loadings).sum(axis=0)
        loadings = np.linalg.solve(gram, cross).astype(values.dtype)
        new = np.maximum(variance - (loadings * cross).sum(axis=0), SMALLEST_NOISE)
        change = float(np.abs(new - noise).max() / noise.max())
        noise = new.astype(values.dtype)
        if change < tolerance:
            break
    return FactorAnalysis(posterior_mean(known, missing, loadings, noise), loadings, noise)


def posterior_mean(known: np.ndarray, missing: np.ndarray, loadings: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return E[f | y] [time, factor]: (I + C W psi^-1 C') f = C W psi^-1 y, by filling in until f stays.

    Args:
        known: weight times value, [time, neuron].
        missing: 1 - weight, [time, neuron].
        loadings: [factor, neuron].
        noise: [neuron].
    """
    weighted = loadings / noise
    readout = np.linalg.solve(np.eye(len(loadings)) + weighted @ loadings.T, weighted).T.astype(known.dtype)
    direct = known @ readout
    factors = direct
    if not missing.any():
        return factors
    for _ in range(ITERATIONS):
        new = direct + (missing * (factors @ loadings)) @ readout
        if np.linalg.norm(new - factors) <= TOLERANCE * np.linalg.norm(new):
            return new
        factors = new
    return factors


def log_likelihood(values: np.ndarray, loadings: np.ndarray, noise: np.ndarray) -> float:
    """Return the mean log-likelihood (nats) of a complete time point of values [time, neuron].

    Args:
        values: centred.
        loadings: [factor, neuron].
        noise: [neuron].
    """
    covariance = loadings.T @ loadings + np.diag(noise)
    _, logarithm = np.linalg.slogdet(covariance)
    distance = (values * np.linalg.solve(covariance, values.T).T).sum(axis=1).mean()
    return float(-(values.shape[1] * np.log(2 * np.pi) + logarithm + distance) / 2)

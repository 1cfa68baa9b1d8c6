"""Gaussian-process factor analysis: factors that are Gaussian processes in time, by expectation-maximisation.

The model of Yu et al. 2009 (J Neurophysiol 102:614, eq. 1 to 6): y = f C + noise, f one Gaussian process a factor with
a timescale of its own, with a Matern-1/2 kernel in place of their squared exponential one, so that a Kalman smoother
gives the exact posterior of a session of any length in linear time. Parameters are learnt on windows that count as
independent, as their trials do; the factors are those of the whole session at once.
"""

from dataclasses import dataclass

import numpy as np

from calcium_latents.models.linear_latents.factor_analysis import SMALLEST_NOISE, factor_analysis
from calcium_latents.models.linear_latents.kalman import kalman_smoother
from calcium_latents.models.linear_latents.principal_components import Factors

WINDOW_BINS = 200
ITERATIONS = 12
#: decays a of one bin that are tried: timescales from a third of a bin to some thousand
DECAYS = np.exp(-1 / np.geomspace(0.3, 3000, 120))


@dataclass(frozen=True)
class Parameters:
    """Loadings `[factor, neuron]`, noise `[neuron]` (variance in a whole bin), decay `[factor]` (from bin to bin)."""

    loadings: np.ndarray
    noise: np.ndarray
    decay: np.ndarray


def initial(values: np.ndarray, weight: np.ndarray, rank: int) -> Parameters:
    """Return the parameters of a factor analysis of values [time, neuron] under `weight` [time, neuron].

    A factor's decay is its covariance two bins apart over that one bin apart, to which noise adds nothing.
    """
    start = factor_analysis(values, weight, rank)
    factors = start.factors
    one, two = ((factors[lag:] * factors[:-lag]).sum(axis=0) for lag in (1, 2))
    ratio = np.divide(two, one, out=np.zeros_like(one), where=one > 0)
    return Parameters(start.loadings, start.noise, np.clip(ratio, DECAYS[0], DECAYS[-1]).astype(np.float64))


def learn(values: np.ndarray, weight: np.ndarray, parameters: Parameters, iterations: int = ITERATIONS) -> Parameters:
    """Return `parameters` after `iterations` of expectation-maximisation.

    Args:
        values: [time, neuron], centred, of variance 1; 0 where missing.
        weight: [time, neuron], 0 (missing) to 1.
        parameters: to begin with.
        iterations: number of steps.
    """
    length = min(WINDOW_BINS, len(values))
    trials = -(-len(values) // length)
    seen = np.arange(trials * length).reshape(trials, length) < len(values)
    known = values * weight
    total = (known * values).sum(axis=0)
    bins = np.maximum((weight > 0).sum(axis=0), 1)
    for _ in range(iterations):
        posterior = kalman_smoother(*_observed(known, weight, parameters, trials, length), parameters.decay)
        mean = posterior.mean.reshape(trials * length, -1)[: len(values)]
        second = posterior.mean[..., :, None] * posterior.mean[..., None, :] + posterior.covariance
        rank = mean.shape[1]
        flat = second.reshape(trials * length, rank * rank)[: len(values)].astype(values.dtype)
        gram = (weight.T @ flat).reshape(-1, rank, rank)
        cross = known.T @ mean.astype(values.dtype)
        loadings = np.linalg.solve(gram + 1e-9 * np.eye(rank), cross[..., None])[..., 0]
        noise = np.maximum((total - (loadings * cross).sum(axis=1)) / bins, SMALLEST_NOISE)
        parameters = Parameters(
            loadings.T.astype(values.dtype), noise.astype(values.dtype), _decay(posterior, second, seen)
        )
    return parameters


def infer(values: np.ndarray, weight: np.ndarray, parameters: Parameters) -> Factors:
    """Return the posterior mean of the factors of the whole session: values, `weight` [time, neuron]."""
    posterior = kalman_smoother(*_observed(values * weight, weight, parameters, 1, len(values)), parameters.decay)
    return Factors(posterior.mean[0].astype(values.dtype), parameters.loadings)


def _observed(known, weight, parameters, trials, length) -> tuple[np.ndarray, np.ndarray]:
    """Return evidence [trial, time, factor] and information [trial, time, factor, factor]; 0 past the end."""
    loadings, rank = parameters.loadings, len(parameters.loadings)
    precise = (loadings / parameters.noise).T
    evidence, information = np.zeros((trials * length, rank)), np.zeros((trials * length, rank * rank))
    evidence[: len(known)] = known @ precise
    pairs = precise[:, :, None] * loadings.T[:, None, :]
    information[: len(known)] = weight @ pairs.reshape(-1, rank * rank)
    return evidence.reshape(trials, length, rank), information.reshape(trials, length, rank, rank)


def _decay(posterior, second, seen) -> np.ndarray:
    """Return the decay [factor] of `DECAYS` under which the expected log-likelihood of the factors is largest."""
    pair = (seen[:, 1:] & seen[:, :-1])[..., None]
    squares = np.einsum("ntii->nti", second)
    before, after = (squares[:, :-1] * pair).sum(axis=(0, 1)), (squares[:, 1:] * pair).sum(axis=(0, 1))
    product = posterior.mean[:, 1:] * posterior.mean[:, :-1] + posterior.next_covariance
    product, count = (product * pair).sum(axis=(0, 1)), pair.sum()
    a = DECAYS[:, None]
    expected = -count / 2 * np.log(1 - a**2) - (after - 2 * a * product + a**2 * before) / (2 * (1 - a**2))
    return DECAYS[expected.argmax(axis=0)]

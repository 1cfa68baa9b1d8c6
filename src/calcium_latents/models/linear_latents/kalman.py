"""Kalman smoother of independent stationary processes of first order under any Gaussian observation, in linear time.

Each state has f_t = a f_{t-1} + sqrt(1 - a^2) e_t, so variance 1 and the covariance exp(-lag / timescale) of a Gaussian
process with a Matern-1/2 kernel (Rasmussen & Williams 2006, appendix B.2). What is observed enters as information
(Särkkä 2013, Bayesian Filtering and Smoothing, sections 4.3 and 8.2): the result is exact Gaussian-process regression.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Smoothed:
    """Posterior of the states.

    Attributes:
        mean: `[trial, time, state]`.
        covariance: `[trial, time, state, state]`.
        next_covariance: `[trial, time - 1, state]`, covariance of a state with itself one step later.
    """

    mean: np.ndarray
    covariance: np.ndarray
    next_covariance: np.ndarray


def kalman_smoother(evidence: np.ndarray, information: np.ndarray, decay: np.ndarray) -> Smoothed:
    """Return the posterior of states whose log-likelihood is evidence' f - f' information f / 2 at each time.

    Args:
        evidence: [trial, time, state].
        information: [trial, time, state, state], symmetric.
        decay: [state], a of each state, from 0 to below 1.
    """
    trials, count, states = evidence.shape
    mean = np.zeros((trials, count, states))
    covariance = np.zeros((trials, count, states, states))
    steps, innovation, unit = np.outer(decay, decay), np.diag(1 - decay**2), np.eye(states)
    prior_mean, prior = np.zeros((trials, states)), np.broadcast_to(unit, (trials, states, states))
    predicted = np.empty_like(covariance)
    for t in range(count):
        predicted[:, t] = prior
        # (prior^-1 + information)^-1 = prior (I + information prior)^-1
        posterior = np.linalg.solve(unit + prior @ information[:, t], prior)
        change = evidence[:, t] - (information[:, t] @ prior_mean[..., None])[..., 0]
        mean[:, t] = prior_mean + (posterior @ change[..., None])[..., 0]
        covariance[:, t] = (posterior + posterior.swapaxes(1, 2)) / 2
        prior_mean, prior = decay * mean[:, t], steps * covariance[:, t] + innovation
    # gains of all times at once: V_t A P_{t+1}^-1
    gains = np.linalg.solve(predicted[:, 1:], decay[:, None] * covariance[:, :-1]).swapaxes(2, 3)
    next_covariance = np.empty((trials, count - 1, states))
    for t in range(count - 2, -1, -1):
        gain = gains[:, t]
        mean[:, t] += (gain @ (mean[:, t + 1] - decay * mean[:, t])[..., None])[..., 0]
        after = gain @ covariance[:, t + 1]
        next_covariance[:, t] = np.einsum("nii->ni", after)
        covariance[:, t] += (after - gain @ predicted[:, t + 1]) @ gain.swapaxes(1, 2)
    return Smoothed(mean, covariance, next_covariance)

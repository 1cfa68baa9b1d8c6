"""Random low-rank networks (appendix C) with a finite number of neurons, in the coordinates of their latents.

x' = -x + W Phi(x) with W = xi M xi^T / N has x(t) = xi k(t) + r exp(-t), so that only the latents are integrated and
no N x N matrix is made. Their infinite limit is `calcium_latents.theory.low_rank.flow`.
"""

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.simulation.runge_kutta import runge_kutta
from calcium_latents.theory.low_rank import Activation, flow


def draw_patterns(neurons: int, size: int, random: np.random.Generator) -> np.ndarray:
    """Return independent standard normal patterns xi [neurons, size]."""
    return random.standard_normal((neurons, size))


def network_flow(
    latents: np.ndarray, patterns: np.ndarray, mixing: np.ndarray, activation: Activation, residual: np.ndarray | float
) -> np.ndarray:
    """Return dk/dt [d] = -k + M xi^T Phi(xi k + residual) / N of N neurons with `patterns` xi [N, d], M [d, d]."""
    rates = activation(patterns @ latents + residual)
    return -latents + mixing @ (rates @ patterns) / patterns.shape[0]


def simulate_low_rank(
    patterns: np.ndarray,
    mixing: np.ndarray,
    activation: Activation,
    initial: np.ndarray,
    time_step: float,
    steps: int,
) -> np.ndarray:
    """Return the latents pinv(xi) x [steps + 1, d] of the network from the state `initial` [N], by Runge-Kutta steps.

    The scheme is of fourth order for smooth activations; for a step function each crossing costs accuracy of order
    time_step / N, well below the deviation of a finite network from the infinite one, of order 1/sqrt(N).

    Raises:
        UserError: shapes do not fit.
    """
    patterns, mixing = np.asarray(patterns, dtype=float), np.asarray(mixing, dtype=float)
    initial = np.asarray(initial, dtype=float)
    neurons, size = patterns.shape
    if mixing.shape != (size, size) or initial.shape != (neurons,):
        raise UserError(
            f"low-rank network: expected a mixing matrix of shape {(size, size)} and an initial state of {neurons} "
            f"neurons, found {mixing.shape} and {initial.shape}."
        )
    start = np.linalg.lstsq(patterns, initial, rcond=None)[0]
    residual = initial - patterns @ start

    def slope(latents: np.ndarray, time: float) -> np.ndarray:
        return network_flow(latents, patterns, mixing, activation, residual * np.exp(-time))

    return runge_kutta(slope, start, time_step, steps)


def reduced_low_rank(
    mixing: np.ndarray, activation: Activation, initial: np.ndarray, time_step: float, steps: int
) -> np.ndarray:
    """Return the latents [steps + 1, ..., d] of the infinite network (Eq. 20) from `initial` [..., d]."""
    return runge_kutta(lambda at, _: flow(at, mixing, activation), np.asarray(initial, float), time_step, steps)

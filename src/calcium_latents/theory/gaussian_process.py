"""The Gaussian process that random readouts of the ring network become (appendix E).

g(phi) = sum_i w_i Theta(cos(theta_i - phi)) / sqrt(M), with M neurons at independent uniform angles theta_i and
standard normal weights w_i, and phi the angle of the latents. As M grows, g becomes a Gaussian process on the circle
with mean 0 and covariance (pi - |d|) / (2 pi).
"""

import numpy as np

from calcium_latents.theory.ring import angular_distance


def covariance(difference: np.ndarray) -> np.ndarray:
    """Return E[g(phi) g(phi + difference)] = (pi - |d|) / (2 pi), for any number of neurons M.

    The variance is 1/2. The appendix prints pi - |d| (Eq. 18, k_0 and Sigma), which lacks the 1/(2 pi) of the uniform
    distribution; see `printed_covariance`.
    """
    return (np.pi - angular_distance(difference)) / (2 * np.pi)


def printed_covariance(difference: np.ndarray) -> np.ndarray:
    """Return pi - |d| (d in rad, any shape), the covariance as the appendix prints it: 2 pi times too large."""
    return np.pi - angular_distance(difference)


def marginal_kurtosis(neurons: int) -> float:
    """Return the excess kurtosis of g(phi) for M neurons, 3/M: how far from Gaussian a finite network is.

    Given the angles, g(phi) is normal with variance n/M, n the number of active neurons, which is binomial (M, 1/2).
    """
    return 3.0 / neurons


def readout(angles: np.ndarray, weights: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Return g [..., phase] of one network: `angles` [M], `weights` [..., M], at `phases` [phase] (radians).

    Exactly, in every draw, g(phi) + g(phi + pi) = sum_i w_i / sqrt(M): each neuron is active in one half of the cycle.
    """
    angles = np.asarray(angles, dtype=float)
    active = np.cos(angles[:, None] - np.asarray(phases, dtype=float)) > 0
    return np.asarray(weights, dtype=float) @ active.astype(float) / np.sqrt(angles.size)


def phase_grid(count: int) -> np.ndarray:
    """Return `count` equally spaced phases (radians) from 0."""
    return 2 * np.pi * np.arange(count) / count


def draw_readouts(draws: int, neurons: int, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw independent networks and return their readouts on `phase_grid(count)`; exact, in O(neurons) each.

    All neurons between two neighbouring phases (shifted by pi/2) are active at the same phases, so their weights may be
    summed first.

    Args:
        draws, neurons: number of networks and M.
        count: number of phases, even.
        random: source of angles and weights.

    Returns:
        g [draws, count], and sum_i w_i / sqrt(M) [draws].
    """
    if count % 2 or count < 2:
        raise ValueError(f"phases: an even number is needed for opposite phases, found {count}")
    values, sums = np.empty((draws, count)), np.empty(draws)
    for draw in range(draws):
        # Angle theta is active at phases in (theta - pi/2, theta + pi/2): where that begins matters alone.
        start = random.random(neurons) * count
        weights = random.standard_normal(neurons)
        summed = np.bincount(start.astype(np.intp) % count, weights, minlength=count)
        before = np.concatenate([[0.0], np.cumsum(np.concatenate([summed, summed]))])
        # At phase k those are active whose half cycle began in the count/2 steps before k.
        values[draw] = before[count : 2 * count] - before[count - count // 2 : 2 * count - count // 2]
        sums[draw] = summed.sum()
    return values / np.sqrt(neurons), sums / np.sqrt(neurons)


def draw_process(draws: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw from the limit, the Gaussian process itself, on `phase_grid(count)`: [draws, count].

    The covariance on the grid is circulant: its transform holds the variances of independent harmonics.
    """
    row = covariance(phase_grid(count))
    variance = np.fft.fft(row).real
    # Even harmonics have none, up to rounding, whose root would show.
    variance[variance < 1e-12] = 0.0
    noise = random.standard_normal((draws, count)) + 1j * random.standard_normal((draws, count))
    return np.fft.fft(noise * np.sqrt(variance / count), axis=-1).real

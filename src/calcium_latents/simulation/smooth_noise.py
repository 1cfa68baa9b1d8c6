"""Stationary noise whose paths are smooth: what slow latents and fluctuations are drawn from."""

import numpy as np
from scipy.signal import lfilter


def smooth_noise(frames: int, columns: int, time_constant: float, random: np.random.Generator) -> np.ndarray:
    """Draw a stationary Ornstein-Uhlenbeck process that is filtered once more: [frame, column], unit variance.

    With the time constant tau of both filters (in frames),
        tau y' = -y + noise,  tau x' = -x + y,
    the autocorrelation of x is (1 + |lag| / tau) exp(-|lag| / tau). Frames follow from the exact solution of
    the two equations, so there is no error of a time step.
    """
    decay = np.exp(-1 / time_constant)
    # In one frame y keeps its share `decay`, and x gains the part of y that has passed through its filter.
    step = decay * np.array([[1.0, 1 / time_constant], [0.0, 1.0]])
    # The stationary covariance of (x, y) with var x = 1.
    stationary = np.array([[1.0, 1.0], [1.0, 2.0]])
    # The eigendecomposition takes the nearly singular covariance of short steps, where Cholesky may not.
    values, vectors = np.linalg.eigh(stationary - step @ stationary @ step.T)
    kick = vectors * np.sqrt(np.clip(values, 0, None))
    normal = random.standard_normal((frames, columns, 2))
    # The first frame is drawn from the stationary distribution, each later one adds its kick.
    moved = np.concatenate([normal[:1] @ np.linalg.cholesky(stationary).T, normal[1:] @ kick.T])
    second = lfilter([1.0], [1.0, -decay], moved[..., 1], axis=0)
    gained = moved[..., 0]
    gained[1:] += step[0, 1] * second[:-1]
    return lfilter([1.0], [1.0, -decay], gained, axis=0)

"""The running speed of a simulated animal."""

import numpy as np

from calcium_latents.simulation.smooth_noise import smooth_noise

SOFTNESS_CM_S = 1.0


def running_speed(
    followed: np.ndarray, share: float, mean: float, sd: float, time_constant: float, random: np.random.Generator
) -> np.ndarray:
    """Return the running speed [frame], cm/s, that goes with a signal `followed` [frame] of mean 0 and variance 1.

    speed = s softplus(drive / s), s = 1 cm/s. The drive has the mean and sd given (cm/s); its `share` of the variance
    is the signal, the rest slow independent noise (`time_constant` in frames).
    """
    noise = smooth_noise(len(followed), 1, time_constant, random)[:, 0]
    drive = mean + sd * (np.sqrt(share) * followed + np.sqrt(1 - share) * noise)
    return SOFTNESS_CM_S * np.logaddexp(0.0, drive / SOFTNESS_CM_S)

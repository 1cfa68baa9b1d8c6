"""Latent states of simulated sessions: those of stimuli, and smooth ones of spontaneous activity."""

import numpy as np

from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters

SPEED_SOFTNESS_CM_S = 1.0


def stimulus_latents(parameters: LatentPopulationParameters, random: np.random.Generator) -> np.ndarray:
    """Draw the latent state of each stimulus, independently: [stimulus, latent]."""
    count = parameters.stimuli
    if parameters.manifold == "ring":
        if parameters.integer_degrees:
            angle = np.deg2rad(random.integers(0, 360, count))
        else:
            angle = random.uniform(0, 2 * np.pi, count)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    states = random.standard_normal((count, parameters.dimension))
    return states if parameters.manifold == "gaussian" else on_sphere(states)


def presentation_order(stimuli: int, repeats: int, random: np.random.Generator) -> np.ndarray:
    """Return the stimulus of each presentation: all stimuli in random order, as often as there are repeats."""
    return np.concatenate([random.permutation(stimuli) for _ in range(repeats)])


def spontaneous_latents(parameters: LatentPopulationParameters, random: np.random.Generator) -> np.ndarray:
    """Draw smooth latents [frame, latent], at every moment distributed as the manifold's stimuli are."""
    states = smooth_noise(
        parameters.frames, parameters.dimension, parameters.latent_time_constant_s * parameters.rate_hz, random
    )
    return states if parameters.manifold == "gaussian" else on_sphere(states)


def on_sphere(states: np.ndarray) -> np.ndarray:
    """Project `states` [..., latent] on the unit sphere; isotropic states become uniform on it."""
    return states / np.linalg.norm(states, axis=-1, keepdims=True)


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
    state = normal[0] @ np.linalg.cholesky(stationary).T
    kicks = normal[1:] @ kick.T
    path = np.empty((frames, columns))
    path[0] = state[:, 0]
    for frame in range(1, frames):
        state = state @ step.T + kicks[frame - 1]
        path[frame] = state[:, 0]
    return path


def running_speed(
    latents: np.ndarray, parameters: LatentPopulationParameters, random: np.random.Generator
) -> np.ndarray:
    """Return the running speed [frame], cm/s, that goes with `latents` [frame, latent].

    speed = s softplus(drive / s), s = 1 cm/s. The drive has the mean and sd of `parameters`; its share
    `speed_coupling` of the variance is a fixed random direction of the latents, the rest slow independent noise.
    """
    direction = on_sphere(random.standard_normal(latents.shape[1]))
    # The sd of one coordinate over the latent distribution.
    sd = 1.0 if parameters.manifold == "gaussian" else latents.shape[1] ** -0.5
    time_constant = parameters.speed_time_constant_s * parameters.rate_hz
    noise = smooth_noise(len(latents), 1, time_constant, random)[:, 0]
    share = parameters.speed_coupling
    standard = np.sqrt(share) * (latents @ direction) / sd + np.sqrt(1 - share) * noise
    drive = parameters.speed_mean_cm_s + parameters.speed_sd_cm_s * standard
    return SPEED_SOFTNESS_CM_S * np.logaddexp(0.0, drive / SPEED_SOFTNESS_CM_S)


def multiple_r2(target: np.ndarray, latents: np.ndarray) -> float:
    """Return R2 of the least-squares regression of `target` [frame] on `latents` [frame, latent] and 1.

    It is NaN for a target that does not vary.
    """
    design = np.column_stack([latents, np.ones(len(latents))])
    residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    total = np.sum((target - target.mean()) ** 2)
    return float(1 - np.sum(residual**2) / total) if total > 0 else float("nan")

"""Latent states of simulated sessions: those of stimuli, and smooth ones of spontaneous activity."""

import numpy as np

from calcium_latents.simulation import running
from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters
from calcium_latents.simulation.smooth_noise import smooth_noise


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


def running_speed(
    latents: np.ndarray, parameters: LatentPopulationParameters, random: np.random.Generator
) -> np.ndarray:
    """Return the running speed [frame], cm/s, that goes with `latents` [frame, latent]: it follows a random direction
    of them."""
    direction = on_sphere(random.standard_normal(latents.shape[1]))
    # The sd of one coordinate over the latent distribution.
    sd = 1.0 if parameters.manifold == "gaussian" else latents.shape[1] ** -0.5
    return running.running_speed(
        latents @ direction / sd,
        parameters.speed_coupling,
        parameters.speed_mean_cm_s,
        parameters.speed_sd_cm_s,
        parameters.speed_time_constant_s * parameters.rate_hz,
        random,
    )


def multiple_r2(target: np.ndarray, latents: np.ndarray) -> float:
    """Return R2 of the least-squares regression of `target` [frame] on `latents` [frame, latent] and 1.

    It is NaN for a target that does not vary.
    """
    design = np.column_stack([latents, np.ones(len(latents))])
    residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    total = np.sum((target - target.mean()) ** 2)
    return float(1 - np.sum(residual**2) / total) if total > 0 else float("nan")

"""A population of neurons that read a latent state of known dimension, with noise like that of deconvolved events.

Recordings for the neural cross-encoder: the decoder of the true population has the form that the method assumes,
r0_i + [u_i . z + c_i]_+^p (appendix G), so that it can be asked for the right dimension; a linear population, where
no nonlinear method may win, is the null.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from calcium_latents.progress import progress
from calcium_latents.recordings.expected_activity import BLOCK, mean_activity
from calcium_latents.recordings.schema import make_recording
from calcium_latents.seeds import generator
from calcium_latents.simulation.latent_population import latent_trajectories as trajectories
from calcium_latents.simulation.latent_population.latent_population_parameters import (
    GAUSSIAN_MARGIN,
    LatentPopulationParameters,
)
from calcium_latents.simulation.latent_population.latent_tuning import draw_threshold, signal_moments


def simulate_latent_population(parameters: Mapping | LatentPopulationParameters, seed: int) -> xr.Dataset:
    """Simulate one session of stimuli or of spontaneous activity.

    Neuron i has the expected activity m = baseline_i + gain_i sigma(u_i . z + c_i), with a gain that gives the
    signal unit variance over the latent distribution, and is observed as gamma-distributed events of mean m and
    variance F_i m (zero where m is zero; or with Gaussian noise of one variance, F_i = 0). F_i makes the average
    noise variance noise_level^2, so the true expected activity explains about 1 / (1 + noise_level^2) of the
    variance. Every neuron has a random stream of its own: its data do not change with the number of other neurons.

    Parameters
    ----------
    parameters
        `LatentPopulationParameters`, or a mapping of some of its fields.
    seed
        The same seed and parameters give the same bytes.

    Returns
    -------
    Recording with events (trial, time, neuron), latents (trial, time, latent), preferred_direction (neuron, latent),
    threshold, gain, baseline, fano_factor and noise_level (neuron), and attributes paradigm, nonlinearity, exponent,
    true_latent_size and ceiling_r2.
    Stimuli: one trial a presentation, one bin of the response window, condition = stimulus. Spontaneous: one trial,
    running_speed (trial, time) in cm/s, and the attribute running_speed_multiple_r2 (of its regression on the true
    latents of this session).

    Raises
    ------
    UserError
        A parameter is unknown or out of range.
    """
    parameters = LatentPopulationParameters.from_mapping(parameters)
    session = _stimulus_session if parameters.paradigm == "stimulus" else _spontaneous_session
    latents, layout, others, attributes = session(parameters, seed)
    # Truth is what the file says: activity follows from the rounded latents.
    latents = latents.astype(np.float32)
    flat = latents.reshape(-1, latents.shape[-1])
    tuning, events = _population(flat, parameters, seed)

    units = {"preferred_direction": ("neuron", "latent")}
    names = {
        "preferred_direction": "direction of the latent state that the neuron reads",
        "threshold": "threshold: sigma(preferred_direction . z + threshold)",
        "gain": "activity per unit of sigma",
        "baseline": "expected activity where sigma is zero",
        "fano_factor": "variance of gamma noise per expected activity",
    }
    others |= {name: (units.get(name, ("neuron",)), tuning[name], "1", text) for name, text in names.items()}
    return make_recording(
        **layout,
        imaging_rate_hz=parameters.rate_hz,
        source=f"simulated from latents ({parameters.manifold}, {parameters.latent_size} dimensions)",
        events=events.reshape(*latents.shape[:2], -1),
        latents=latents,
        noise_level=np.full(parameters.neurons, parameters.noise_level),
        others=others,
        attributes=attributes
        | {
            "seed": int(seed),
            "paradigm": parameters.paradigm,
            "nonlinearity": parameters.nonlinearity,
            "exponent": float(parameters.exponent),
            "true_latent_size": parameters.dimension,
            "ceiling_r2": parameters.ceiling_r2,
            "simulation_parameters": parameters.to_dict(),
        },
    )


def _population(
    latents: np.ndarray, parameters: LatentPopulationParameters, seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw all neurons' tuning (each [neuron, ...]) and events [sample, neuron] for `latents` [sample, latent]."""
    neurons = parameters.neurons
    sizes = {"preferred_direction": (neurons, latents.shape[1])}
    names = ("preferred_direction", "threshold", "gain", "baseline", "fano_factor")
    tuning = {name: np.empty(sizes.get(name, neurons), np.float32) for name in names}
    events = np.empty((len(latents), neurons), np.float32)
    # Bounds |u . z|, so that a linear population's activity stays above its baseline parameter.
    largest = float(np.linalg.norm(latents, axis=1).max())
    starts = progress(range(0, neurons, BLOCK), "simulate neurons", total=-(-neurons // BLOCK), unit="block")
    for start in starts:
        columns = range(start, min(start + BLOCK, neurons))
        block = np.empty((len(columns), len(latents)), np.float32)
        for row, neuron in enumerate(columns):
            random = generator(seed, "neuron", neuron)
            own = draw_tuning(parameters, largest, random)
            for name in names:
                tuning[name][neuron] = own[name]
            read = [tuning[name][neuron] for name in names]
            how = {"nonlinearity": parameters.nonlinearity, "exponent": parameters.exponent}
            mean = mean_activity(latents, *read[:4], **how)
            if parameters.noise == "gaussian":
                noise = np.float32(parameters.noise_level) * random.standard_normal(len(mean), dtype=np.float32)
                block[row] = np.maximum(mean + noise, 0)
            else:
                block[row] = observed_activity(mean, read[4], random)
        events[:, start : start + BLOCK] = block.T
    return tuning, events


def draw_tuning(
    parameters: LatentPopulationParameters, largest: float, random: np.random.Generator
) -> dict[str, np.ndarray | float]:
    """Draw one neuron: preferred_direction [latent], threshold, gain, baseline, fano_factor.

    `largest` is the largest |z| of the session, which lifts the baseline of a linear neuron.
    """
    direction = trajectories.on_sphere(random.standard_normal(parameters.latent_size))
    threshold = draw_threshold(parameters, random)
    mean, variance = signal_moments(parameters, threshold)
    gain = variance**-0.5
    baseline = parameters.baseline
    if parameters.nonlinearity == "linear":
        baseline += gain * largest
    gaussian = parameters.noise == "gaussian"
    if gaussian:
        baseline += GAUSSIAN_MARGIN * parameters.noise_level
    return {
        "preferred_direction": direction,
        "threshold": threshold,
        "gain": gain,
        "baseline": baseline,
        "fano_factor": 0.0 if gaussian else parameters.noise_level**2 / (baseline + gain * mean),
    }


def observed_activity(mean: np.ndarray, fano_factor: float, random: np.random.Generator) -> np.ndarray:
    """Draw gamma-distributed activity with `mean` [sample] and variance fano_factor * mean: never negative."""
    if fano_factor <= 0:
        return mean
    return random.standard_gamma(mean / fano_factor, dtype=np.float32) * np.float32(fano_factor)


def _stimulus_session(parameters: LatentPopulationParameters, seed: int) -> tuple[np.ndarray, dict, dict, dict]:
    """Return latents [presentation, 1, latent], the layout of the recording, other variables and attributes."""
    states = trajectories.stimulus_latents(parameters, generator(seed, "stimuli"))
    order = trajectories.presentation_order(parameters.stimuli, parameters.repeats, generator(seed, "order"))
    layout = {
        "time": np.zeros(1),
        "bin_width_s": parameters.response_window_s,
        "condition": order,
        "trial_start": np.arange(len(order)) * parameters.onset_interval_s,
    }
    return states[order][:, None], layout, {}, {}


def _spontaneous_session(parameters: LatentPopulationParameters, seed: int) -> tuple[np.ndarray, dict, dict, dict]:
    """Return latents [1, frame, latent], the layout of the recording, other variables and attributes."""
    latents = trajectories.spontaneous_latents(parameters, generator(seed, "latents"))
    speed = trajectories.running_speed(latents, parameters, generator(seed, "running speed")).astype(np.float32)
    layout = {"time": np.arange(len(latents)) / parameters.rate_hz, "bin_width_s": 1 / parameters.rate_hz}
    others = {"running_speed": (("trial", "time"), speed[None], "cm/s", "running speed")}
    r2 = trajectories.multiple_r2(speed.astype(float), latents)
    return latents[None], layout, others, {"running_speed_multiple_r2": r2}

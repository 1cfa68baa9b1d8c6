"""A two-photon recording of neurons driven by a Lorenz system (Zhu et al. 2022, Methods, "Simulation
experiments")."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.progress import progress
from calcium_latents.recordings.schema import make_recording
from calcium_latents.seeds import generator
from calcium_latents.simulation import fluorescence as indicator
from calcium_latents.simulation import laser_scanning
from calcium_latents.simulation.lorenz import lorenz
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters


def simulate_lorenz_recording(parameters: Mapping | LorenzRecordingParameters, seed: int) -> xr.Dataset:
    """Simulate one session of trials: latents, rates, spikes and scanned fluorescence.

    The trials of all conditions are put in random order and joined without gaps into one session before
    calcium is computed, so calcium carries over from trial to trial; the file keeps that order
    (`consecutive_trials` is 1). Every neuron has a random stream of its own: its data do not change with the
    number of other neurons, apart from its place in the scan.

    Parameters
    ----------
    parameters
        `LorenzRecordingParameters`, or a mapping of some of its fields (the others take the paper's values)
        with an optional `speed` label.
    seed
        The same seed and parameters give the same bytes.

    Returns
    -------
    Recording with fluorescence (trial, time, neuron; NaN = not sampled), spikes, firing_rate, latents
    (z-scored), condition, trial_start, sample_offset, position and noise_level.

    Raises
    ------
    UserError
        A parameter is unknown or out of range.
    """
    parameters = LorenzRecordingParameters.from_mapping(parameters)
    condition, latents = _session_latents(parameters, seed)
    trials, bins, neurons = len(condition), parameters.trial_bins, parameters.neurons

    place = laser_scanning.positions(neurons, generator(seed, "position"))
    first = laser_scanning.sample_bins(place[:, 1], trials, parameters.sample_spacing, parameters.phases)

    rate = np.empty((trials, bins, neurons), np.float32)
    spikes = np.empty((trials, bins, neurons), np.int16)
    observed = np.full((trials, bins, neurons), np.nan, np.float32)
    levels = np.empty(neurons, np.float32)
    session = latents.reshape(-1, 3)
    for neuron in progress(range(neurons), "simulate neurons", total=neurons, unit="neuron"):
        random = generator(seed, "neuron", neuron)
        trace = simulate_neuron(session, parameters, random)
        rate[:, :, neuron] = trace["firing_rate"].reshape(trials, bins)
        spikes[:, :, neuron] = trace["spikes"].reshape(trials, bins)
        levels[neuron] = trace["noise_level"]
        mask = laser_scanning.sampled(first[:, neuron : neuron + 1], bins, parameters.sample_spacing)[:, :, 0]
        observed[:, :, neuron][mask] = trace["fluorescence"].reshape(trials, bins)[mask]

    width = parameters.bin_width_s
    peak = lorenz.peak_frequency_hz(
        parameters.downsampling,
        time_step=parameters.time_step,
        integrator=parameters.integrator,
        bin_width_s=width,
        sigma=parameters.sigma,
        rho=parameters.rho,
        beta=parameters.beta,
    )
    return make_recording(
        time=np.arange(bins) * width,
        bin_width_s=width,
        imaging_rate_hz=1.0 / (parameters.sample_spacing * width),
        source="simulated from a Lorenz system",
        fluorescence=observed,
        spikes=spikes,
        firing_rate=rate,
        latents=latents,
        latent_names=lorenz.LATENTS,
        condition=condition,
        sample_offset=first * width,
        position=place,
        position_units="field of view",
        noise_level=levels,
        consecutive_trials=True,
        attributes={
            "seed": int(seed),
            "realised_peak_hz": peak,
            "simulation_parameters": parameters.to_dict(),
        },
    )


def simulate_neuron(
    latents: np.ndarray, parameters: LorenzRecordingParameters, random: np.random.Generator
) -> dict[str, Any]:
    """Simulate one neuron through a session of z-scored `latents` [time, latent] at the full bin rate.

    Returns
    -------
    firing_rate (1/s), spikes (count per bin), calcium, noiseless, fluorescence, each [time], and noise_level.
    """
    weights = random.standard_normal(latents.shape[1]) * parameters.readout_sd / np.sqrt(latents.shape[1])
    rate = parameters.baseline_rate_hz * np.exp(latents @ weights)
    spikes = random.poisson(rate * parameters.bin_width_s)
    level = indicator.noise_level(parameters.noise_mean, parameters.noise_sd, parameters.noise_minimum, random)
    sizes = indicator.spike_sizes(spikes, parameters.spike_size_noise_sd, random)
    calcium = indicator.calcium(sizes, parameters.rise_time_s, parameters.decay_time_s, parameters.bin_width_s)
    noiseless = indicator.min_max(curve(calcium, parameters, parameters.indicator))
    noisy = indicator.add_noise(noiseless, level, parameters.noise_multiplier, parameters.signal_dependent, random)
    return {
        "firing_rate": rate,
        "spikes": spikes,
        "calcium": calcium,
        "noiseless": noiseless,
        "fluorescence": noisy,
        "noise_level": level,
    }


def curve(calcium: np.ndarray, settings: LorenzRecordingParameters, kind: str) -> np.ndarray:
    """Return the noiseless response to `calcium` of any shape (peak after one spike = 1) of the indicator `kind`."""
    if kind == "linear":
        return calcium
    unit = settings.calcium_per_spike_nm
    return indicator.hill_curve(
        calcium,
        settings.hill_coefficient,
        settings.half_saturation_nm / unit,
        settings.resting_calcium_nm / unit,
    )


def _session_latents(parameters: LorenzRecordingParameters, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the condition of each trial in session order, and its z-scored states [trial, time, latent]."""
    trials = parameters.number_of_trials
    conditions = parameters.conditions or trials
    states = lorenz.trajectories(
        generator(seed, "initial state").normal(size=(conditions, 3)),
        parameters.trial_bins,
        parameters.downsampling,
        time_step=parameters.time_step,
        integrator=parameters.integrator,
        burn_in_steps=parameters.burn_in_steps,
        sigma=parameters.sigma,
        rho=parameters.rho,
        beta=parameters.beta,
    )
    condition = generator(seed, "trial order").permutation(np.arange(trials) % conditions)
    latents = states[condition]
    return condition, (latents - latents.mean(axis=(0, 1))) / latents.std(axis=(0, 1))

"""Trials, latents, firing rates and spikes of a session."""

import numpy as np
import pandas as pd

from calcium_latents.seeds import generator
from calcium_latents.simulation.running import running_speed
from calcium_latents.simulation.smooth_noise import smooth_noise
from calcium_latents.simulation.two_photon_session.parameters import TwoPhotonSessionParameters


def draw_trials(parameters: TwoPhotonSessionParameters, seed: int) -> pd.DataFrame:
    """Return the trials, a row each: start_s, stop_s, condition; all conditions in random order, block after block."""
    shortest, longest = parameters.interval_s
    count = int(parameters.duration_s / (parameters.trial_s + shortest))
    random = generator(seed, "trials")
    starts = np.cumsum(random.uniform(shortest, longest, count) + parameters.trial_s) - parameters.trial_s
    starts = starts[starts + parameters.trial_s <= parameters.duration_s]
    blocks = -(-len(starts) // parameters.conditions)
    order = [random.permutation(parameters.conditions) for _ in range(blocks)]
    condition = np.concatenate([np.empty(0, int), *order])[: len(starts)]
    return pd.DataFrame({"start_s": starts, "stop_s": starts + parameters.trial_s, "condition": condition})


def latent_states(parameters: TwoPhotonSessionParameters, trials: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the latents [step, latent], each of mean 0 and variance 1 over the session; the last is arousal."""
    steps, per_second = parameters.frames * parameters.steps, parameters.imaging_rate_hz * parameters.steps
    constants = [
        parameters.time_constants_s[i % len(parameters.time_constants_s)] for i in range(parameters.latents - 1)
    ]
    spontaneous = [
        smooth_noise(steps, 1, constant * per_second, generator(seed, "latent", latent))
        for latent, constant in enumerate([*constants, parameters.arousal_time_constant_s])
    ]
    states = standardised(np.concatenate(spontaneous, axis=1))
    locked = parameters.stimulus_latents if len(trials) else 0
    for pair in range(locked // 2):
        columns = slice(2 * pair, 2 * pair + 2)
        rotation = _rotations(parameters, trials, pair, seed)
        rotation = (rotation - rotation.mean(axis=0)) / np.sqrt(rotation.var(axis=0).mean())
        share = parameters.stimulus_share
        states[:, columns] = np.sqrt(share) * rotation + np.sqrt(1 - share) * states[:, columns]
    return standardised(states)


def _rotations(parameters: TwoPhotonSessionParameters, trials: pd.DataFrame, pair: int, seed: int) -> np.ndarray:
    """Return the sum [step, 2] of all trials' transient rotations in one plane."""
    random = generator(seed, "rotations", pair)
    per_second = parameters.imaging_rate_hz * parameters.steps
    count, decay = parameters.conditions, parameters.response_decay_s
    # The second pair has the conditions in another order, so that together they tell neighbours apart.
    phases = 2 * np.pi * (np.arange(count) if pair == 0 else random.permutation(count)) / count
    sizes = np.exp(0.3 * random.standard_normal(count))
    frequencies = parameters.rotation_frequencies_hz
    frequency = frequencies[pair % len(frequencies)]
    total = np.zeros((parameters.frames * parameters.steps, 2))
    since = np.arange(int(8 * decay * per_second))
    variability = parameters.trial_variability * random.standard_normal((len(trials), 2))
    for trial, (start, condition) in enumerate(zip(trials["start_s"], trials["condition"], strict=True)):
        first = int(np.ceil(start * per_second))
        time = ((first + since) / per_second - start)[: len(total) - first]
        size = sizes[condition] * np.exp(variability[trial, 0])
        envelope = size * (np.exp(-time / decay) - np.exp(-4 * time / decay))
        angle = 2 * np.pi * frequency * time + phases[condition] + variability[trial, 1]
        total[first : first + len(time)] += envelope[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return total


def standardised(values: np.ndarray) -> np.ndarray:
    """Return `values` [time, ...] with mean 0 and variance 1 over time; what does not vary becomes 0."""
    centred = values - values.mean(axis=0)
    sd = centred.std(axis=0)
    return centred / np.where(sd > 0, sd, 1.0)


def cell_tuning(parameters: TwoPhotonSessionParameters, random: np.random.Generator) -> dict:
    """Draw one cell: mean_rate (1/s), modulation, latent_share, and loading [latent] of length one (0: undriven)."""
    spread, driven = parameters.rate_spread, random.uniform() >= parameters.undriven_share
    loading = random.standard_normal(parameters.latents)
    modulation = random.standard_normal()
    return {
        "mean_rate": parameters.mean_rate_hz * np.exp(spread * random.standard_normal() - spread**2 / 2),
        "modulation": parameters.modulation * np.exp(parameters.modulation_spread * modulation),
        "latent_share": parameters.latent_share if driven else 0.0,
        "loading": loading / np.linalg.norm(loading) if driven else np.zeros(parameters.latents),
    }


def firing_rate(
    tuning: dict, latents: np.ndarray, parameters: TwoPhotonSessionParameters, random: np.random.Generator
) -> np.ndarray:
    """Return a cell's firing rate [step], 1/s, given the latents [step, latent].

    log rate = baseline + modulation * (sqrt(share) z + sqrt(1 - share) p), z the latents along the loading, p a private
    fluctuation, both of unit variance; cut at the largest rate. The baseline makes the session's mean rate the cell's.
    """
    time_constant = parameters.private_time_constant_s * parameters.imaging_rate_hz * parameters.steps
    private = standardised(smooth_noise(len(latents), 1, time_constant, random)[:, 0])
    share = tuning["latent_share"]
    drive = np.sqrt(share) * standardised(latents @ tuning["loading"]) + np.sqrt(1 - share) * private
    relative = np.exp(tuning["modulation"] * drive)
    wanted = min(tuning["mean_rate"], parameters.largest_rate_hz / 2)
    scale = wanted / relative.mean()
    # Each time what was cut off is given back to the rest.
    for _ in range(8):
        rate = np.minimum(scale * relative, parameters.largest_rate_hz)
        scale *= wanted / rate.mean()
    return rate


def spike_times(rate: np.ndarray, step_s: float, random: np.random.Generator) -> np.ndarray:
    """Draw the times [spike], s, of a Poisson process whose `rate` [step] (1/s) is constant in each step."""
    expected = np.concatenate([[0.0], np.cumsum(rate) * step_s])
    drawn = np.sort(random.uniform(0.0, expected[-1], random.poisson(expected[-1])))
    return np.interp(drawn, expected, np.arange(len(expected)) * step_s)


def speed_of_arousal(
    arousal: np.ndarray, times: np.ndarray, parameters: TwoPhotonSessionParameters, seed: int
) -> np.ndarray:
    """Return the running speed [time], cm/s, at `times` [time] (s), given `arousal` [step]."""
    per_second = parameters.imaging_rate_hz * parameters.steps
    return running_speed(
        np.interp(times, np.arange(len(arousal)) / per_second, arousal),
        parameters.speed_coupling,
        parameters.speed_mean_cm_s,
        parameters.speed_sd_cm_s,
        parameters.arousal_time_constant_s * parameters.behaviour_rate_hz,
        generator(seed, "running"),
    )

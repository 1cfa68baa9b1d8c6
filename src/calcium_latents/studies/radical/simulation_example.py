"""The simulation's stages for one neuron, and its indicator alone (RADICaL, Extended Data Figure 2)."""

import json

import numpy as np
import xarray as xr

from calcium_latents.deconvolution.oasis import deconvolve_trace
from calcium_latents.seeds import generator
from calcium_latents.simulation import fluorescence as indicator
from calcium_latents.simulation.lorenz.lorenz_recording import curve
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters


def parameters_of(recording: xr.Dataset) -> LorenzRecordingParameters:
    """Return the parameters with which a recording was simulated."""
    return LorenzRecordingParameters.from_mapping(json.loads(recording.attrs["simulation_parameters"]))


def pipeline_stages(recording: xr.Dataset, neuron: int, s_min: float = 0.1) -> dict[str, np.ndarray]:
    """Send one neuron's true spikes through the simulation again and keep every stage, each [time] over the
    whole session.

    Noise is drawn anew (the recording keeps no intermediate stages) with the neuron's own noise level, and
    samples are taken where the recording has them. Stages: time (s), spikes, spike_sizes, calcium, noiseless,
    fluorescence, sampled (NaN = not sampled), events (NaN = not sampled).
    """
    settings = parameters_of(recording)
    random = generator(int(recording.attrs["seed"]), "pipeline example", neuron)
    spikes = recording["spikes"].values[:, :, neuron].ravel()
    sizes = indicator.spike_sizes(spikes, settings.spike_size_noise_sd, random)
    calcium = indicator.calcium(sizes, settings.rise_time_s, settings.decay_time_s, settings.bin_width_s)
    noiseless = indicator.min_max(curve(calcium, settings, settings.indicator))
    level = float(recording["noise_level"].values[neuron])
    noisy = indicator.add_noise(noiseless, level, settings.noise_multiplier, settings.signal_dependent, random)
    observed = np.isfinite(recording["fluorescence"].values[:, :, neuron].ravel())
    events = np.full(len(noisy), np.nan)
    events[observed] = deconvolve_trace(noisy[observed], s_min).events
    return {
        "time": np.arange(len(noisy)) * settings.bin_width_s,
        "spikes": spikes,
        "spike_sizes": sizes,
        "calcium": calcium,
        "noiseless": noiseless,
        "fluorescence": noisy,
        "sampled": np.where(observed, noisy, np.nan),
        "events": events,
    }


def stimulus_train(
    settings: LorenzRecordingParameters, rate_hz: float = 10.0, spikes: int = 20, duration_s: float = 4.0
) -> dict[str, np.ndarray]:
    """Return the noiseless response [time] to a regular train of spikes, linear and Hill curve."""
    width = settings.bin_width_s
    train = np.zeros(round(duration_s / width))
    train[np.round((0.25 + np.arange(spikes) / rate_hz) / width).astype(int)] = 1.0
    calcium = indicator.calcium(train, settings.rise_time_s, settings.decay_time_s, width)
    return {
        "time": np.arange(len(train)) * width,
        "spikes": train,
        "linear": calcium,
        "gcamp6f": curve(calcium, settings, "gcamp6f"),
    }

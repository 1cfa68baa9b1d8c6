"""The simulation's stages for one neuron, and its indicator alone (RADICaL, Extended Data Figure 2)."""

import json

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.deconvolution.oasis import deconvolve_trace
from calcium_latents.seeds import generator
from calcium_latents.simulation import fluorescence as indicator
from calcium_latents.simulation.lorenz.lorenz_recording import curve
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters


def parameters_of(recording: xr.Dataset) -> LorenzRecordingParameters:
    """Return the parameters with which a recording was simulated."""
    return LorenzRecordingParameters.from_mapping(json.loads(recording.attrs["simulation_parameters"]))


SHOWN_S = 3.0
KINDS = ("linear", "gcamp6f")


def example_neuron(recording: xr.Dataset) -> int:
    """Return the neuron of median noise among the more active half."""
    counts = recording["spikes"].values.sum(axis=(0, 1))
    active = np.flatnonzero(counts >= np.median(counts))
    return int(active[np.argsort(recording["noise_level"].values[active], kind="stable")[len(active) // 2]])


def example_stages(recording: xr.Dataset, neuron: int) -> pd.DataFrame:
    """Return `SHOWN_S` of `pipeline_stages` of a neuron: a row a bin, a column a stage, time_s from the first bin.

    It is the stretch with most spikes among whole windows (of the busiest tenth, the least busy), so that there is
    something to see.
    """
    stages = pipeline_stages(recording, neuron)
    size = min(round(SHOWN_S / recording.attrs["bin_width_s"]), len(stages))
    spikes = stages["spikes"].to_numpy()
    windows = spikes[: len(spikes) // size * size].reshape(-1, size).sum(axis=1)
    start = int(windows.argsort(kind="stable")[int(0.9 * (len(windows) - 1))]) * size
    shown = stages[start : start + size].reset_index(drop=True)
    return shown.assign(time_s=shown["time_s"] - shown["time_s"].iloc[0])


def indicator_curves(settings: LorenzRecordingParameters) -> pd.DataFrame:
    """Return the noiseless response to steady calcium: columns calcium and `KINDS` (all in peaks after one spike)."""
    level = np.linspace(0, 10, 201)
    return pd.DataFrame({"calcium": level, **{kind: curve(level, settings, kind) for kind in KINDS}})


def pipeline_stages(recording: xr.Dataset, neuron: int, s_min: float = 0.1) -> pd.DataFrame:
    """Send one neuron's true spikes through the simulation again and keep every stage: a row a bin of the session.

    Noise is drawn anew (the recording keeps no intermediate stages) with the neuron's own noise level, and
    samples are taken where the recording has them. Columns: time_s, spikes, spike_sizes, calcium, noiseless,
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
    return pd.DataFrame(
        {
            "time_s": np.arange(len(noisy)) * settings.bin_width_s,
            "spikes": spikes,
            "spike_sizes": sizes,
            "calcium": calcium,
            "noiseless": noiseless,
            "fluorescence": noisy,
            "sampled": np.where(observed, noisy, np.nan),
            "events": events,
        }
    )


def stimulus_train(
    settings: LorenzRecordingParameters, rate_hz: float = 10.0, spikes: int = 20, duration_s: float = 4.0
) -> pd.DataFrame:
    """Return the noiseless response (peaks after one spike) to a regular train: columns time_s, spikes, and `KINDS`."""
    width = settings.bin_width_s
    train = np.zeros(round(duration_s / width))
    train[np.round((0.25 + np.arange(spikes) / rate_hz) / width).astype(int)] = 1.0
    calcium = indicator.calcium(train, settings.rise_time_s, settings.decay_time_s, width)
    responses = {kind: curve(calcium, settings, kind) for kind in KINDS}
    return pd.DataFrame({"time_s": np.arange(len(train)) * width, "spikes": train, **responses})

"""Power spectra of latent states (RADICaL, Extended Data Figure 1)."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.signal import welch

from calcium_latents.seeds import generator
from calcium_latents.simulation.lorenz import lorenz


def latent_spectra(
    latents: np.ndarray, bin_width_s: float, names: Sequence[str], segment_bins: int = 1024
) -> pd.DataFrame:
    """Return the mean power spectral density of every latent over trajectories.

    Args:
        latents: [trajectory, time, latent]; each latent is scaled to unit variance over everything first.
        bin_width_s: time step.
        names: names of the latents.
        segment_bins: length of Welch's Hann windows, at most that of the trajectories.

    Returns:
        Columns latent, spectrum_hz, power (latent s.d. squared per Hz).
    """
    z = (latents - latents.mean(axis=(0, 1))) / np.maximum(latents.std(axis=(0, 1)), 1e-12)
    frequency, power = welch(z, fs=1 / bin_width_s, nperseg=segment_bins, axis=1, detrend="constant")
    mean = power.mean(axis=0)
    tables = [
        pd.DataFrame({"latent": name, "spectrum_hz": frequency, "power": mean[:, i]}) for i, name in enumerate(names)
    ]
    return pd.concat(tables, ignore_index=True)


def lorenz_spectra(simulation_parameters: str, trajectories: int = 64, bins: int = 1024) -> pd.DataFrame:
    """Return the spectra of the Lorenz system of a simulated recording, from long trajectories (as
    `latent_spectra`).

    A trial of 0.9 s resolves about one hertz; the system's peak is a property of its settings, so it is
    measured on long runs.

    Args:
        simulation_parameters: the recording's attribute of that name (JSON).
        trajectories: number of runs from random initial states.
        bins: length of each run in bins of the recording.
    """
    settings = json.loads(simulation_parameters)
    options = {name: settings[name] for name in ("time_step", "integrator", "sigma", "rho", "beta")}
    initial = generator(0, "lorenz_spectra").normal(size=(trajectories, 3))
    states = lorenz.trajectories(initial, bins, settings["downsampling"], burn_in_steps=1000, **options)
    return latent_spectra(states, settings["bin_width_s"], lorenz.LATENTS)

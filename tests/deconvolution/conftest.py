"""Recordings with known spikes."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter

from calcium_latents.recordings import make_recording
from calcium_latents.seeds import generator

RATE_HZ, DECAY_S, NOISE = 30.0, 0.6, 0.1


def spikes_and_fluorescence(neurons: int, frames: int, rate_hz: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Return true spikes and dF/F, both [frame, neuron]."""
    random = generator(3, "tests", "known spikes")
    spikes = random.poisson(rate_hz / RATE_HZ, (frames, neurons)).astype(float)
    calcium = lfilter([1.0], [1.0, -np.exp(-1 / (RATE_HZ * DECAY_S))], spikes, axis=0)
    return spikes, calcium + NOISE * random.standard_normal((frames, neurons))


@pytest.fixture(scope="session")
def known() -> tuple[np.ndarray, np.ndarray]:
    """Spikes and dF/F [frame, neuron] of four neurons for a minute."""
    return spikes_and_fluorescence(4, 1800)


@pytest.fixture(scope="session")
def session_of() -> Callable[[np.ndarray], xr.Dataset]:
    """Make a recording of one trial of dF/F [frame, neuron]; neurons are numbered from 10."""

    def make(fluorescence: np.ndarray) -> xr.Dataset:
        return make_recording(
            fluorescence=np.asarray(fluorescence, np.float32)[None],
            time=np.arange(len(fluorescence)) / RATE_HZ,
            bin_width_s=1 / RATE_HZ,
            imaging_rate_hz=RATE_HZ,
            neuron=10 + np.arange(fluorescence.shape[1]),
            source="session.nc",
        )

    return make

"""A continuous recording in which every sample can be told from every other."""

import numpy as np
import xarray as xr

from calcium_latents.recordings import make_recording
from calcium_latents.seeds import generator


def make_continuous(n_frames=200, n_neurons=6, rate=30.0, offsets=True, start=0.0, seed=1) -> xr.Dataset:
    """A continuous recording whose values are all different, so that each sample can be followed."""
    random = generator(seed, "tests", "continuous")
    values = np.arange(n_frames * n_neurons, dtype=float).reshape(n_frames, n_neurons) + 1
    return make_recording(
        events=values[None],
        fluorescence=-values[None],
        time=start + np.arange(n_frames) / rate,
        bin_width_s=1 / rate,
        imaging_rate_hz=rate,
        trial_start=np.zeros(1),
        sample_offset=random.uniform(0, 0.999 / rate, n_neurons) if offsets else None,
        position=random.uniform(size=(n_neurons, 2)),
        neuron=np.arange(n_neurons) * 2,
        source="continuous",
        attributes={"deconvolution": "test"},
    )

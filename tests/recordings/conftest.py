"""Small recordings, and where the real ones are."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from calcium_latents.recordings import make_recording
from calcium_latents.seeds import generator

PROVENANCE = {"config_digest": "c0ffee", "code_digest": "f00d", "seed": 3, "versions": {"numpy": "2"}}


@pytest.fixture
def provenance() -> dict:
    """What every written box carries."""
    return dict(PROVENANCE)


@pytest.fixture
def recording() -> xr.Dataset:
    """Four trials of nine bins and five neurons, every third bin sampled, with all truth variables."""
    random = generator(1, "tests", "recording")
    fluorescence = random.normal(size=(4, 9, 5))
    fluorescence[:, np.arange(9) % 3 != 0] = np.nan
    events = np.where(np.isnan(fluorescence), np.nan, np.where(fluorescence > 0, fluorescence + 0.1, 0))
    return make_recording(
        fluorescence=fluorescence,
        events=events,
        spikes=random.poisson(1.0, (4, 9, 5)),
        firing_rate=random.gamma(1.0, 1.0, (4, 9, 5)),
        latents=random.normal(size=(4, 9, 3)),
        latent_names=["X", "Y", "Z"],
        condition=[0, 1, 0, 1],
        sample_offset=np.full(5, 0.001),
        position=random.uniform(size=(5, 2)),
        noise_level=np.full(5, 0.1),
        time=np.arange(9) * 0.01,
        bin_width_s=0.01,
        imaging_rate_hz=100 / 3,
        source="test",
        attributes={"event_minimum": 0.1, "deconvolution_parameters": {"s_min": 0.1}},
    )


@pytest.fixture
def real_data() -> Path:
    """The folder of real recordings, or skip."""
    repository = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("CALCIUM_LATENTS_DATA") or repository.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real recordings in {folder} (set CALCIUM_LATENTS_DATA)")
    return folder

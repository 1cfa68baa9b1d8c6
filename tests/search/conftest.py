"""A small recording, and the training command with a search of four members on it."""

import sys
from pathlib import Path

import numpy as np
import pytest

SIZES = {"encoder": 4, "controller": 4, "generator": 6, "initial_condition": 4, "factors": 4}
SEARCH = {
    "population": 4,
    "generation_epochs": 2,
    "first_generation_epochs": 1,
    "generations": 3,
    "validate_last_epochs": 2,
}
#: small, and with an average of weights: the state of a member has all its parts
WORDS = [
    *(f"model.sizes.{name}={value}" for name, value in SIZES.items()),
    *(f"search.{name}={value}" for name, value in SEARCH.items()),
    "training=smoke",
]


@pytest.fixture(scope="session")
def recording_path(tmp_path_factory):
    """Events of 6 neurons in 20 trials of 12 bins, each neuron sampled in every third."""
    from calcium_latents.recordings import make_recording, write_recording

    rng = np.random.default_rng(0)
    trials, bins, neurons = 20, 12, 6
    state = np.sin(np.arange(bins) / 2 + rng.choice([0, 2], trials)[:, None])
    rate = 0.3 * np.exp(state[..., None] * rng.standard_normal(neurons))
    events = np.where(rng.random((trials, bins, neurons)) < rate, rng.gamma(2, 0.2, rate.shape) + 0.1, 0.0)
    phase = (np.arange(neurons) + np.arange(trials)[:, None]) % 3
    events[(np.arange(bins)[None, :, None] - phase[:, None]) % 3 != 0] = np.nan
    recording = make_recording(
        time=np.arange(bins) * 0.01,
        bin_width_s=0.01,
        imaging_rate_hz=100 / 3,
        source="test",
        events=events.astype(np.float32),
        trial_start=np.arange(trials) * bins * 0.01,
        attributes={"event_minimum": 0.0999, "deconvolution": "none", "deconvolution_parameters": {}},
    )
    path = tmp_path_factory.mktemp("search") / "events.nc"
    write_recording(recording, path, {"seed": 0, "config_digest": "0", "code_digest": "0", "versions": "{}"})
    return path


@pytest.fixture(scope="session")
def composed(recording_path):
    """Return a function: Hydra's words -> the training command's configuration."""
    from hydra import compose, initialize_config_dir

    from calcium_latents.commands.train import CONFIG

    def make(*words):
        with initialize_config_dir(str(CONFIG), version_base=None):
            return compose("train", ["search=pbt", *WORDS, f"recording={recording_path}", *words])

    return make


@pytest.fixture
def search(composed):
    """Return a function: run the training command in a directory, and return the directory."""
    from calcium_latents.commands.train import train

    def run(directory: Path, *words):
        directory.mkdir(exist_ok=True)
        train(composed(*words), directory)
        return directory

    return run


@pytest.fixture
def command(recording_path):
    """Return a function: the words that start the training command, or another, as a process of its own."""

    def words(directory: Path, *more, module="train"):
        start = [sys.executable, "-m", f"calcium_latents.commands.{module}", "search=pbt", *WORDS]
        return [*start, f"recording={recording_path}", f"hydra.run.dir={directory}", *more]

    return words

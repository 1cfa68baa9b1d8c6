"""What all tests share: where the repository and the real recordings are, what is made once, and their order."""

import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def no_power_losses():
    """Files of tests need not be on the disk: waiting for it takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


def pytest_collection_modifyitems(items):
    """Begin with the files of most slow tests: one of them, begun last, would keep one worker busy for minutes."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A function: return what `make(folder)` returns, which the first worker makes and pickles for the others."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent

    def once(name, make):
        folder = common / f"{name}-made-once"
        with FileLock(f"{folder}.lock"):
            kept = folder / "returned.pickle"
            if not kept.exists():
                folder.mkdir()
                kept.write_bytes(pickle.dumps(make(folder)))
        return pickle.loads(kept.read_bytes())

    return once


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is missing."""
    path = Path(os.environ.get("CALCIUM_LATENTS_DATA") or ROOT / "../shared/data").resolve()
    if not path.is_dir():
        pytest.skip(f"no real recordings: set CALCIUM_LATENTS_DATA ({path} is not a folder)")
    return path


@pytest.fixture(scope="session")
def events_path(tmp_path_factory):
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

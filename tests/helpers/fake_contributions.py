"""Small made-up inputs for the figure of contributions: a population that jumps between states."""

from pathlib import Path

import numpy as np

from calcium_latents.recordings import make_recording
from calcium_latents.recordings.netcdf import write_dataset
from calcium_latents.seeds import generator
from calcium_latents.studies.latent_contributions.contribution_run import run

EXPECTED_TEXT = {
    "latent_contributions": [
        "principal components",
        "transitions (shaded)",
        "all others",
        "of its variance",
        "that cancels",
        "r.m.s.",
        "share of the raw movement",
        "raw early movement",
        "no truth here",
        "n = 30",
    ]
}
PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}


def jumping_recording(frames: int = 900, neurons: int = 30, trials: int = 1, seed: int = 0):
    """A Recording at 10 Hz whose neurons jump between three patterns every 8 s or so, with noise."""
    rng = generator(seed, "fake_contributions")
    patterns = rng.gamma(0.6, 1.0, (3, neurons))
    times = np.cumsum(rng.integers(60, 110, frames * trials // 60))
    order = np.cumsum(rng.integers(1, 3, len(times) + 1)) % 3
    state = order[np.searchsorted(times, np.arange(frames * trials), side="right")]
    events = np.maximum(patterns[state] + 0.4 * rng.normal(size=(frames * trials, neurons)), 0)
    return make_recording(
        events=events.reshape(trials, frames, neurons),
        time=np.arange(frames) / 10,
        bin_width_s=0.1,
        imaging_rate_hz=10.0,
        neuron=np.arange(neurons) + 100,
        source="jumps between patterns",
    )


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"activity": "events", "span_s": 1.0, "components": 3, "shown_s": 30.0}
    box, _, summary = run(jumping_recording(), "pca", settings)
    write_dataset(box, folder / "contributions.nc", PROVENANCE)
    summary.to_csv(folder / "contributions_summary.csv", index=False)
    return {
        "latent_contributions": {
            "contributions": [folder / "contributions.nc"],
            "summary": [folder / "contributions_summary.csv"],
        }
    }

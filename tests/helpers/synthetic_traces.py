"""Small recordings of many neurons whose traces rise at events and decay between them, and the training command."""

from pathlib import Path

import numpy as np
import torch
import xarray as xr

from calcium_latents.recordings import make_recording, write_recording
from calcium_latents.seeds import generator

torch.set_num_threads(1)  # as the training command does: models as small as these get slower with more
PROVENANCE = {"seed": 0, "config_digest": "0", "code_digest": "0", "versions": "{}"}


def event_traces(neurons, samples, rate_hz=10.0, decay_time_s=1.0, events=1.0, seed=1) -> np.ndarray:
    """Noiseless traces [neurons, samples]: each neuron has its own number (mean `events`) and size of events."""
    random = generator(seed, "tests", "event traces")
    decay = np.exp(-1 / rate_hz / decay_time_s)
    counts = 1 + random.poisson(max(events - 1, 0), neurons)
    traces = np.zeros((neurons, samples))
    for trace, count, size in zip(traces, counts, random.uniform(0.5, 1.5, neurons), strict=True):
        for time in random.integers(0, samples, count):
            trace[time:] += size * decay ** np.arange(samples - time)
    return traces


def trace_recording(
    cultures=("a", "a", "b", "b"),
    neurons=8,
    samples=60,
    rate_hz=10.0,
    noise=0.05,
    labels=True,
    trials=1,
    seed=1,
    **events,
) -> xr.Dataset:
    """A recording of `neurons` of each culture; `cultures`: the group of each. F0 is 42."""
    truth = 42 + event_traces(neurons * len(cultures), samples, rate_hz, seed=seed, **events)
    measured = truth + noise * generator(seed, "tests", "noise", str(noise)).normal(size=truth.shape)
    grid = [values.reshape(len(values), trials, -1).transpose(1, 2, 0) for values in (truth, measured)]
    others = {}
    if labels:
        others = {
            "noiseless": (("trial", "time", "neuron"), grid[0].astype(np.float32), "1", "noiseless fluorescence"),
            "culture": (("neuron",), np.repeat(np.arange(len(cultures), dtype=np.int32), neurons), "1", "culture"),
            "group": (("neuron",), np.repeat(np.array(cultures, dtype=object), neurons), "1", "group"),
        }
    return make_recording(
        fluorescence=grid[1],
        time=np.arange(samples // trials) / rate_hz,
        bin_width_s=1 / rate_hz,
        imaging_rate_hz=rate_hz,
        source="test",
        consecutive_trials=trials > 1,
        others=others,
    )


def write(recording: xr.Dataset, path: Path) -> Path:
    """Write a recording as the workflow does."""
    write_recording(recording, path, PROVENANCE)
    return path


def run_training(recording: Path, directory: Path, *overrides: str) -> Path:
    """Run the training command's function with Hydra's configuration."""
    from hydra import compose, initialize_config_dir

    from calcium_latents.commands.train import CONFIG, train

    with initialize_config_dir(str(CONFIG), version_base=None):
        config = compose("train", [f"recording={recording}", "data=traces", *overrides])
    directory.mkdir(exist_ok=True)
    train(config, directory)
    return directory

"""What a model said at earlier points of its training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.training.lfads_family import LFADSFamily
from calcium_latents.training.lfads_inference import infer_rates
from calcium_latents.training.trials import TrialOptions, prepare_trials


@dataclass(frozen=True)
class SnapshotRates:
    """Event rates [trial, time, neuron] (1/s) at `time` [time] (s) after `step` steps, which took `seconds`.

    `metrics` are the validation metrics at the snapshot, empty before the first.
    """

    step: int
    seconds: float
    metrics: Mapping[str, float]
    event_rate: np.ndarray
    time: np.ndarray


def snapshot_rates(directory: Path, recording: xr.Dataset, data: Mapping[str, Any]) -> Iterator[SnapshotRates]:
    """Yield the rates of every snapshot that a training run left in `directory`, at the posterior means.

    Args:
        directory: of the run, with checkpoint.pt and snapshots.pt.
        recording: what the run was trained on.
        data: its Hydra group `data`.
    """
    checkpoint = torch.load(directory / "checkpoint.pt", map_location="cpu", weights_only=True)
    snapshots = torch.load(directory / "snapshots.pt", map_location="cpu", weights_only=True)
    family = LFADSFamily(**checkpoint["family"])
    model = family.build(checkpoint["neurons"], checkpoint["event_minimum"], checkpoint["population"])
    trials = prepare_trials(recording, TrialOptions(**data))
    store = TrialStore(trials.events)
    for snapshot in snapshots:
        model.load_state_dict(snapshot["state"])
        rate = infer_rates(model, store, samples=0)["mean"] * trials.imaging_rate
        yield SnapshotRates(snapshot["step"], snapshot["seconds"], snapshot["metrics"], rate, trials.time)

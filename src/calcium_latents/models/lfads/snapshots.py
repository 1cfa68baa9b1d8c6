"""Event rates from the weights that a training run kept on its way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.family import LFADSFamily
from calcium_latents.models.lfads.inference import infer_rates
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.parameters import TrialOptions
from calcium_latents.models.lfads.trials import prepare_trials
from calcium_latents.training.streams import Streams
from calcium_latents.training.torch_files import read_torch


@dataclass(frozen=True)
class SnapshotRates:
    """What a model said at one moment of its training.

    Attributes:
        step: optimiser steps taken.
        event_rate: `[trial, time, neuron]`, 1/s, from the posterior means.
        time: `[time]` bin starts, s.
        metrics: validation metrics at that step; empty before the first validation.
    """

    step: int
    event_rate: np.ndarray
    time: np.ndarray
    metrics: dict[str, float]


def load_model(directory: Path) -> tuple[LFADSFamily, LFADS]:
    """Rebuild the trained model of a run directory."""
    checkpoint = read_torch(directory / "checkpoint.pt")
    family = LFADSFamily(**checkpoint["family"])
    streams = Streams([0] * checkpoint["population"])
    model = family.build(checkpoint["neurons"], checkpoint["event_minimum"], streams)
    model.load_state_dict(checkpoint["state"])
    return family, model


def snapshot_rates(directory: Path, recording: xr.Dataset, data: Mapping) -> Iterator[SnapshotRates]:
    """Yield the event rates of every snapshot of a run, oldest first.

    Args:
        directory: the run's directory.
        recording: the recording that it was trained on.
        data: its Hydra group `data`.
    """
    _, model = load_model(directory)
    trials = prepare_trials(recording, TrialOptions(**data), str(directory))
    store = TrialStore(trials.events)
    for snapshot in read_torch(directory / "snapshots.pt"):
        model.load_state_dict(snapshot["state"])
        rates = infer_rates(model, store, samples=0)["mean"] * trials.imaging_rate
        yield SnapshotRates(snapshot["step"], rates, trials.time, snapshot["metrics"])

"""Event rates of every member that a search over hyperparameters kept."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.inference import infer_rates, to_inferred
from calcium_latents.models.lfads.parameters import TrialOptions
from calcium_latents.models.lfads.snapshots import load_model
from calcium_latents.models.lfads.trials import prepare_trials
from calcium_latents.training.torch_files import read_torch


def member_rates(directory: Path, recording: xr.Dataset, data: Mapping) -> Iterator[tuple[int, xr.Dataset | None]]:
    """Yield (number, Inferred dataset) of every member of a run's population, from the posterior means.

    None stands for a member whose rates are not finite: it diverged.

    Args:
        directory: the run's directory, of a search that kept its members (`search=random`).
        recording: the recording that it was trained on.
        data: its Hydra group `data`.

    Raises UserError when the run kept no members.
    """
    checkpoint = read_torch(directory / "checkpoint.pt")
    if "members" not in checkpoint:
        raise UserError(
            f"{directory / 'checkpoint.pt'}: expected the weights of every member under 'members', found"
            f" {sorted(checkpoint)}. Train the model with search=random."
        )
    family, model = load_model(directory)
    trials = prepare_trials(recording, TrialOptions(**data), str(directory))
    store = TrialStore(trials.events)
    for number, state in enumerate(checkpoint["members"]):
        model.load_state_dict(state)
        rates = infer_rates(model, store, samples=0)
        finite = all(np.isfinite(value).all() for value in rates.values())
        yield number, to_inferred(rates, trials, recording, family.name) if finite else None

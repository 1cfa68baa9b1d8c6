"""What every model of the project offers to the one training command."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
import xarray as xr

if TYPE_CHECKING:  # slow to import, and not needed where nothing is trained
    import pytorch_lightning as lightning
    from _typeshed import DataclassInstance
    from torch.utils.data import DataLoader

    from calcium_latents.training.stepwise import StepwiseTraining


@dataclass
class FitResult:
    """What a fit leaves behind.

    Attributes:
        inferred: what the model says about every trial.
        checkpoint: what is needed to rebuild the model.
        metrics: a row per validation (and member of the population).
        timing: seconds of training (training_seconds) at steps, each validation among them; here alone, because they
            differ from run to run.
        snapshots: weights over training, oldest first.
    """

    inferred: xr.Dataset
    checkpoint: dict[str, Any]
    metrics: pd.DataFrame
    timing: pd.DataFrame
    snapshots: list[dict[str, Any]] = field(default_factory=list)


class ModelFamily(Protocol):
    """A model that the training command can fit; `config/model/*.yaml` names its class as `_target_`."""

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> "tuple[StepwiseTraining | lightning.LightningModule, DataLoader, int]":
        """Return the training (stepwise, or a Lightning module), its batches, and the number of optimiser steps.

        Raises UserError when the recording does not fit the model.
        """

    def result(self, module: "StepwiseTraining | lightning.LightningModule", recording: xr.Dataset) -> FitResult:
        """Return what the trained module leaves behind."""


def configured(family: "DataclassInstance") -> dict[str, Any]:
    """Return what the config says of a family (a dataclass), for its checkpoint."""
    return {part.name: getattr(family, part.name) for part in fields(family) if part.init}


class NothingToTrain:
    """Stands where a module is expected: the fit is done before the first step."""

    step = 0
    on_checkpoint = None

    def resume(self, state: dict) -> None:
        """Nothing to go on from."""

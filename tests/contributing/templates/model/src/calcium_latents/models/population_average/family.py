"""The population average for the training command: closed form, no steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch.utils.data import DataLoader

from calcium_latents.recordings import make_inferred
from calcium_latents.training.family import FitResult, NothingToTrain, configured


@dataclass
class PopulationAverageFamily:
    """The population average as the config describes it; see `training.family.ModelFamily`.

    Fields are those of `parameters.PopulationAverageModel`, which checks them.
    """

    name: str
    smallest_rate_hz: float
    _means: np.ndarray | None = field(default=None, init=False, repr=False)

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[NothingToTrain, DataLoader, int]:
        """Fit the mean event of every neuron, over samples that were taken; see `ModelFamily.prepare`."""
        self._means = np.nanmean(recording["events"].values, axis=(0, 1))
        return NothingToTrain(), DataLoader(torch.zeros(1)), 0

    def result(self, module: NothingToTrain, recording: xr.Dataset) -> FitResult:
        """Return every neuron's mean times the population's relative activity; see `ModelFamily.result`."""
        relative = recording["events"].values / self._means
        taken = np.isfinite(relative)
        total = np.where(taken, relative, 0.0).sum(axis=2) / np.maximum(taken.sum(axis=2), 1)
        rates = total[..., None] * self._means / float(recording.attrs["bin_width_s"])
        return FitResult(
            inferred=make_inferred(
                event_rate=np.maximum(rates, self.smallest_rate_hz).astype(np.float32),
                time=recording["time"].values,
                model=self.name,
                factors=total[..., None].astype(np.float32),
                recording=recording,
            ),
            checkpoint={"family": configured(self), "means": self._means},
            metrics=pd.DataFrame({"step": [0]}),
            timing=pd.DataFrame({"step": [0], "training_seconds": [0.0]}),
        )

"""Reduced-rank regression for the training command: closed form, no steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from torch.utils.data import DataLoader

from calcium_latents.models.cross_encoder.linear_pairs import fit_linear, linear_scores
from calcium_latents.models.cross_encoder.pairs import make_pairs
from calcium_latents.models.cross_encoder.parameters import PairOptions
from calcium_latents.models.cross_encoder.results import ceiling, final_rows, reported_row, to_inferred
from calcium_latents.training.family import FitResult, NothingToTrain, configured
from calcium_latents.training.loaders import load_numbers


@dataclass
class ReducedRankRegressionFamily:
    """Reduced-rank regression as the config describes it; see `training.family.ModelFamily`.

    Fields are those of `parameters.ReducedRankRegressionModel`, which checks them.
    """

    name: str
    latent_sizes: list[int]
    penalties: list[float]
    reported_latent_size: int | None = None
    _fit: Any = field(default=None, init=False, repr=False)

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[NothingToTrain, DataLoader, int]:
        """Fit; return a module without steps; see `ModelFamily.prepare`."""
        pairs = make_pairs(recording, PairOptions(**data), seed, path)
        self._fit = pairs, fit_linear(pairs, self.latent_sizes, self.penalties)
        return NothingToTrain(), load_numbers(1), 0

    def result(self, module: NothingToTrain, recording: xr.Dataset) -> FitResult:
        """Score every rank, and let the reported one speak; see `ModelFamily.result`."""
        pairs, models = self._fit
        scores = linear_scores(pairs, models)
        table = final_rows(
            [{"latent_size": size, "restart": 0, **row} for size, row in scores.items()], ceiling(recording, pairs)
        )
        size = int(table["latent_size"][reported_row(table, self.reported_latent_size)])
        model = models[size][1]
        everything = pairs.source_windows(np.arange(len(pairs.activity)))
        latents = model.latents(everything)
        prediction = latents @ model.decoder + model.y_mean
        parts = {part.name: getattr(model, part.name) for part in fields(model)}
        return FitResult(
            inferred=to_inferred(recording, pairs, prediction, latents, self.name),
            checkpoint={
                "family": configured(self),
                **pairs.described(recording["neuron"].values),
                "latent_size": size,
                "model": parts,
            },
            metrics=table,
            timing=pd.DataFrame({"step": [0], "training_seconds": [0.0]}),
        )

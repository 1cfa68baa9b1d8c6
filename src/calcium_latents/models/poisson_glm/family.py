"""Poisson regression on pixels for the training command: cross-validated, no steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from torch.utils.data import DataLoader

from calcium_latents.models.digital_twin.image_pairs import make_pairs
from calcium_latents.models.digital_twin.parameters import ImageOptions
from calcium_latents.models.poisson_glm.regression import PoissonRegression
from calcium_latents.recordings.fields import TRAINING
from calcium_latents.recordings.image_predictions import make_image_predictions
from calcium_latents.training.family import FitResult, NothingToTrain, configured
from calcium_latents.training.loaders import load_numbers


@dataclass
class PoissonGlmFamily:
    """Poisson regressions as the config describes them; see `training.family.ModelFamily`.

    Attributes:
        name: of the model in results.
        penalty_range: smallest and largest penalty; see `models.poisson_glm.regression` for their scale.
        penalties: how many to choose from, log-spaced, at least 1.
        folds: of the cross-validation, within the training images.
        tolerance: of the fits; see `PoissonRegression`.
        single_precision: see `PoissonRegression`.
    """

    name: str
    penalty_range: list[float] = field(default_factory=lambda: [0.1, 5.0])
    penalties: int = 48
    folds: int = 3
    tolerance: float = 1e-4
    single_precision: bool = True
    _fit: Any = field(default=None, init=False, repr=False)

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[NothingToTrain, DataLoader, int]:
        """Fit; return a module without steps; see `ModelFamily.prepare`.

        Responses stay in their units, spikes where they are spikes, whatever the data group says.
        """
        pairs = make_pairs(recording, ImageOptions(scale_responses=False), path)
        rows = pairs.rows(TRAINING)
        regression = PoissonRegression(
            pairs.images[rows].flatten(1).numpy(),
            pairs.response[rows].numpy(),
            tolerance=self.tolerance,
            single_precision=self.single_precision,
        )
        penalties = np.geomspace(*self.penalty_range, num=self.penalties)
        self._fit = seed, *regression.fit_cross_validated(penalties, self.folds, seed)
        return NothingToTrain(), load_numbers(1), 0

    def result(self, module: NothingToTrain, recording: xr.Dataset) -> FitResult:
        """Predict rates of all images; see `ModelFamily.result`."""
        seed, model, validation = self._fit
        images = recording["images"].values
        filters = model.filters.reshape(-1, *images.shape[1:])
        inferred = make_image_predictions(
            model=self.name,
            seed=seed,
            rate=model.rates(images.reshape(len(images), -1)),
            responses=recording,
            filter=filters,
            penalty=model.penalties,
            attributes={"largest_gradient_norm": float(model.gradient_norms.max())},
        )
        metrics = pd.DataFrame(
            {
                "step": 0,
                "penalty": validation.penalties,
                "validation_negative_log_likelihood": validation.losses.mean(1),
                "neurons": np.bincount(validation.chosen, minlength=len(validation.penalties)),
            }
        )
        return FitResult(
            inferred=inferred,
            checkpoint={
                "family": configured(self),
                "model": {"filters": filters, "intercepts": model.intercepts, "penalties": model.penalties},
                "neuron": recording["neuron"].values,
            },
            metrics=metrics,
            timing=pd.DataFrame({"step": [0], "training_seconds": [0.0]}),
        )

"""Reduced-rank regression on pairs: penalties chosen on validation pairs, one linear model for every latent size."""

from collections.abc import Sequence

import numpy as np

from calcium_latents.models.cross_encoder.pairs import TEST, TRAINING, VALIDATION, Pairs
from calcium_latents.models.reduced_rank_regression.regression import (
    LinearLatents,
    ReducedRankRegression,
    select_penalties,
)

#: (penalty, model) of each latent size
LinearModels = dict[int, tuple[float, LinearLatents]]


def fit_linear(pairs: Pairs, sizes: Sequence[int], penalties: Sequence[float]) -> LinearModels:
    """Return the best linear model of every latent size and its ridge penalty."""
    regression = ReducedRankRegression(pairs.inputs(TRAINING), pairs.outputs(TRAINING))
    return select_penalties(regression, sizes, penalties, pairs.inputs(VALIDATION), pairs.outputs(VALIDATION))


def best_linear(pairs: Pairs, models: LinearModels) -> LinearLatents:
    """Return the model with the smallest error on validation pairs, of any latent size."""
    x, y = pairs.inputs(VALIDATION), pairs.outputs(VALIDATION)
    return min((model for _, model in models.values()), key=lambda model: float(((model.predict(x) - y) ** 2).sum()))


def explained_variance(prediction: np.ndarray, outputs: np.ndarray, training_mean: np.ndarray) -> float:
    """R2: one minus squared error over squares about the training mean, pooled over pairs and target neurons.

    `prediction` and `outputs` `[n, B]`, `training_mean` `[B]`.
    """
    total = ((outputs - training_mean) ** 2).sum(dtype=np.float64)
    return float(1 - ((prediction - outputs) ** 2).sum(dtype=np.float64) / total)


def linear_scores(pairs: Pairs, models: LinearModels) -> dict[int, dict[str, float]]:
    """Return training, validation and test R2 and the penalty of every latent size."""
    parts = {"training_r2": TRAINING, "validation_r2": VALIDATION, "test_r2": TEST}
    values = {name: (pairs.inputs(part), pairs.outputs(part)) for name, part in parts.items()}
    scores = {}
    for size, (penalty, model) in models.items():
        r2 = {name: explained_variance(model.predict(x), y, model.y_mean) for name, (x, y) in values.items()}
        scores[size] = r2 | {"ridge_penalty": penalty}
    return scores

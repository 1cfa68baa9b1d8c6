"""Each neuron from the others alone: ridge regression of reduced rank between parts of the population."""

import numpy as np

from calcium_latents.models.reduced_rank_regression.regression import ReducedRankRegression


def predict_from_neighbours(
    sources: np.ndarray, targets: np.ndarray, parts: np.ndarray, penalty: float, rank: int
) -> np.ndarray:
    """Return the activity [time, neuron] of each neuron that the neurons of other parts predict; none predicts itself.

    Args:
        sources: [time, neuron], what is predicted from; finite.
        targets: [time, neuron], what the weights are fitted to; finite.
        parts: [neuron], number of the part that a neuron belongs to; two or more parts.
        penalty: of the ridge, relative to the number of times.
        rank: number of latents between a part and the others; at most that of neurons of a part has an effect.
    """
    predicted = np.zeros(sources.shape, np.float32)
    for part in np.unique(parts):
        own = parts == part
        regression = ReducedRankRegression(sources[:, ~own], targets[:, own])
        predicted[:, own] = regression.fit(penalty * len(sources), [rank])[rank].predict(sources[:, ~own])
    return predicted

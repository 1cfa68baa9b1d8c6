"""Bootstraps over the neurons of one or two cultures: areas under the ROC curve, and how far neurons lie apart."""

import numpy as np

from calcium_latents.statistics.intervals import quantile_interval


def area_with_interval(
    wins: np.ndarray, weights: np.ndarray, resamples: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return an area under the ROC curve with its 95 % percentile bootstrap interval over neurons.

    Args:
        wins: [neurons of a, neurons of b], how often the second scores above the first (a tie is a half).
        weights: same shape, how often the two were compared.
    """
    if not weights.sum() > 0:
        return np.nan, np.nan, np.nan
    counts = [rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float) for n in wins.shape]
    above, compared = (((counts[0] @ table) * counts[1]).sum(axis=1) for table in (wins, weights))
    return float(wins.sum() / weights.sum()), *quantile_interval(above[compared > 0] / compared[compared > 0])


def dispersion_with_interval(
    points: np.ndarray, resamples: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the mean variance of `points` [neuron, latent] over latents, with its bootstrap interval over neurons."""
    n = len(points)
    if n < 2:
        return np.nan, np.nan, np.nan
    points = points - points.mean(axis=0)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    # Resampled variances are too small by (n - 1) / n on average, so this divides by n - 1 twice.
    spread = (counts @ (points**2).mean(axis=1) - ((counts @ points) ** 2).mean(axis=1)) * (n / (n - 1)) ** 2
    return float(points.var(axis=0, ddof=1).mean()), *quantile_interval(spread)

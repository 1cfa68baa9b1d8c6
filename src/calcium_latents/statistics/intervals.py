"""Paired tests between methods across cross-validation folds, and intervals for means.

RADICaL tests "the difference of R2 between each pair of methods ... by a paired, one-sided Student's t-test
on the distribution of R2 across the five folds". Folds share four fifths of their training trials, so their
scores are not independent and the plain test is optimistic. The corrected resampled t-test (Nadeau & Bengio
2003, Machine Learning 52:239) stands beside it: the variance of the mean difference is multiplied by (1/k +
n_test/n_train) / (1/k). Both condition on the trained
models: neither speaks of new recordings or of new training seeds.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator


def paired_t_test(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """One-sided paired t-test of mean(first - second) > 0 over k complementary folds, plain and corrected.

    In k complementary folds n_test / n_train = 1 / (k - 1). Differences that are all zero give t = NaN and p
    = 1; equal non-zero differences give t = +-infinity.
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    k = len(difference)
    if k < 2:
        raise UserError(f"paired test: expected at least two folds with both methods, found {k}.")
    mean, sd = float(difference.mean()), float(difference.std(ddof=1))
    result: dict[str, float] = {"mean_difference": mean}
    for suffix, factor in (("", 1 / k), ("_corrected", 1 / k + 1 / (k - 1))):
        with np.errstate(divide="ignore", invalid="ignore"):
            t = float(np.divide(mean, sd * np.sqrt(factor)))
        result[f"t{suffix}"] = t
        result[f"p{suffix}"] = 1.0 if np.isnan(t) else float(stats.t.sf(t, k - 1))
    return {**result, "degrees_of_freedom": k - 1, "folds": k}


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the mean and its Student t interval; a single value has an interval of NaN."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan, np.nan
    mean = float(values.mean())
    if len(values) == 1:
        return mean, np.nan, np.nan
    half = float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.mean,
    confidence: float = 0.95,
    repeats: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return the statistic of `values` (resampled along the first axis) and its percentile bootstrap
    interval.

    Resamples for which the statistic is undefined (NaN) are left out of the interval.
    """
    values = np.asarray(values)
    rng = generator(seed, "bootstrap_interval", len(values))
    estimates = np.array([statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(repeats)])
    estimates = estimates[np.isfinite(estimates)]
    if not len(estimates):
        return float(statistic(values)), np.nan, np.nan
    tail = (1 - confidence) / 2
    return (float(statistic(values)), *(float(bound) for bound in np.quantile(estimates, [tail, 1 - tail])))

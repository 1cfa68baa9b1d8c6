"""Paired tests between methods across cross-validation folds, and intervals for means.

RADICaL tests "the difference of R2 between each pair of methods ... by a paired, one-sided Student's t-test
on the distribution of R2 across the five folds". Folds share four fifths of their training trials, so their
scores are not independent and the plain test is optimistic. The corrected resampled t-test (Nadeau & Bengio
2003, Machine Learning 52:239) stands beside it: the variance of the mean difference is multiplied by (1/k +
n_test/n_train) / (1/k). Both condition on the trained
models: neither speaks of new recordings or of new training seeds.
"""

import warnings
from collections.abc import Callable

import numpy as np
from scipy import stats

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator

AT_ONCE = 10**6  # units that are drawn at once


def paired_t_test(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """One-sided paired t-test of mean(first - second) > 0 over k complementary folds [fold], plain and corrected.

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
    """Return the mean of `values` (any shape) and its Student t interval; a single value has an interval of NaN."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan, np.nan
    mean = float(values.mean())
    if len(values) == 1:
        return mean, np.nan, np.nan
    half = float(stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def quantile_interval(estimates: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval that holds the middle `confidence` of `estimates` (any shape); NaN where none is finite.

    Estimates that are not finite (a statistic undefined for a resample) are left out.
    """
    estimates = np.asarray(estimates)[np.isfinite(estimates)]
    if not estimates.size:
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(estimates, [tail, 1 - tail])
    return float(lower), float(upper)


def bootstrap(
    count: int,
    statistic: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    repeats: int = 2000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic of `count` units, resampled with `scipy.stats.bootstrap`.

    Args:
        count: number of units; one has no spread.
        statistic: of the numbers of the units drawn, [resample, unit] -> [resample] (or [unit] -> scalar). Resamples
            for which it is NaN are left out.
        rng: random numbers.
        repeats: number of resamples.
        confidence: part of the resamples that the interval holds.
    """
    if count == 1:
        return quantile_interval(statistic(np.zeros((1, 1), int)), confidence)
    with warnings.catch_warnings():
        # about SciPy's own interval, where a resample is undefined
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        drawn = stats.bootstrap(
            (np.arange(count),),
            lambda units, axis: np.asarray(statistic(units), float),
            n_resamples=repeats,
            batch=max(1, AT_ONCE // count),
            vectorized=True,
            method="percentile",
            rng=rng,
        )
    return quantile_interval(drawn.bootstrap_distribution, confidence)


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.mean,
    confidence: float = 0.95,
    repeats: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return the statistic of `values` [unit, ...] and its percentile bootstrap interval over units.

    Resamples for which the statistic is undefined (NaN) are left out of the interval.
    """
    values = np.asarray(values)
    found, rng = float(statistic(values)), generator(seed, "bootstrap_interval", len(values))

    def of_units(units: np.ndarray) -> np.ndarray:
        return np.array([statistic(values[row]) for row in np.atleast_2d(units)]).reshape(units.shape[:-1])

    return found, *bootstrap(len(values), of_units, rng, repeats, confidence)

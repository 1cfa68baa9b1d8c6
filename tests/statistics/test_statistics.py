"""Paired tests and intervals against SciPy and closed forms."""

import numpy as np
import pytest
from scipy import stats

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import (
    bootstrap,
    bootstrap_interval,
    mean_interval,
    paired_t_test,
    quantile_interval,
)

A, B = np.array([0.8, 0.82, 0.79, 0.85, 0.8]), np.array([0.7, 0.75, 0.74, 0.76, 0.73])


def test_plain_test_is_scipys():
    ours = paired_t_test(A, B)
    theirs = stats.ttest_rel(A, B, alternative="greater")
    assert ours["t"] == pytest.approx(theirs.statistic) and ours["p"] == pytest.approx(theirs.pvalue)
    assert ours["degrees_of_freedom"] == 4


def test_corrected_test_is_more_cautious_by_the_known_factor():
    ours = paired_t_test(A, B)
    assert ours["t_corrected"] == pytest.approx(ours["t"] * np.sqrt((1 / 5) / (1 / 5 + 1 / 4)))
    assert ours["p_corrected"] > ours["p"]


def test_equal_methods_are_no_evidence_and_constant_gains_are_total():
    assert paired_t_test(A, A)["p"] == 1
    assert paired_t_test(np.ones(5), np.zeros(5))["p"] == 0
    with pytest.raises(UserError, match="at least two folds"):
        paired_t_test(A[:1], B[:1])


def test_intervals():
    mean, lower, upper = mean_interval(A)
    assert (lower, upper) == pytest.approx(stats.t.interval(0.95, 4, A.mean(), stats.sem(A)))
    assert np.isnan(mean_interval(A[:1])[1])
    x = np.random.default_rng(0).normal(2, 1, 400)
    centre, low, high = bootstrap_interval(x)
    assert low < 2 < high and high - low == pytest.approx(2 * 1.96 / 20, rel=0.2)
    assert bootstrap_interval(x) == (centre, low, high)


def test_a_bootstrap_is_that_of_scipy_and_draws_once_for_all_statistics():
    values = generator(1, "tests", "bootstrap").normal(size=40)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=3000, method="percentile", rng=0).confidence_interval
    ours = bootstrap(40, lambda units: values[units].mean(axis=-1), np.random.default_rng(0), 3000)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    drawn, again = np.random.default_rng(0), np.random.default_rng(0)
    bootstrap(40, lambda units: units[..., 0], drawn, 50)
    again.integers(0, 40, (50, 40))
    assert drawn.integers(10**9) == again.integers(10**9)


def test_undefined_resamples_are_left_out():
    values = np.array([1.0, 1.0, np.nan])
    ours = bootstrap(3, lambda units: values[units].mean(axis=-1), np.random.default_rng(0), 200)
    assert ours == (1.0, 1.0)
    assert np.isnan(bootstrap(3, lambda units: np.full(units.shape[:-1], np.nan), np.random.default_rng(0), 20)).all()


def test_one_unit_has_no_spread():
    assert bootstrap_interval(np.array([2.5])) == (2.5, 2.5, 2.5)


def test_quantiles_of_estimates():
    assert quantile_interval(np.arange(101.0), 0.9) == pytest.approx((5.0, 95.0))
    assert quantile_interval(np.array([np.nan, 3.0, np.inf])) == (3.0, 3.0)
    assert np.isnan(quantile_interval(np.array([np.nan]))).all() and np.isnan(quantile_interval([])).all()

"""Paired tests and intervals against SciPy and closed forms."""

import numpy as np
import pytest
from scipy import stats

from calcium_latents.errors import UserError
from calcium_latents.statistics.intervals import (
    bootstrap_interval,
    mean_interval,
    paired_t_test,
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

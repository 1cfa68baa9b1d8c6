"""Tests of clusters against the population: agreement with SciPy, chance, and clusters that do differ."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from calcium_latents.errors import UserError
from calcium_latents.studies.digital_twin.tuning import cluster_tests as tests

NAMES = ("suppression", "nonlinearity", "gabor_vs_mei")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), neurons=st.integers(8, 80), ties=st.booleans(), missing=st.booleans())
def test_agrees_with_scipy(seed, neurons, ties, missing):
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=neurons), 1 if ties else 9)
    clusters = rng.integers(0, 4, neurons)
    if missing:
        values[rng.random(neurons) < 0.2] = np.nan
    found = tests.kolmogorov_smirnov(values, clusters)
    assert list(found["cluster"]) == sorted(set(clusters))
    for row in found.itertuples():
        own = values[(clusters == row.cluster) & np.isfinite(values)]
        assert row.neurons == len(own)
        if len(own) < 2:
            assert np.isnan(row.ks) and np.isnan(row.p)
            continue
        expected = ks_2samp(own, values[np.isfinite(values)], method="asymp")
        assert row.ks == pytest.approx(expected.statistic) and row.p == pytest.approx(expected.pvalue, abs=1e-9)


def properties(neurons=600, clusters=10, effect=0.0, seed=0):
    """Properties of neurons; cluster 0 differs in all of them by `effect`, cluster 1 in the first."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(size=neurons) for name in NAMES})
    table["cluster"] = np.arange(neurons) % clusters
    table.loc[table["cluster"] == 0, list(NAMES)] += effect
    table.loc[table["cluster"] == 1, NAMES[0]] += effect
    return table


def test_clusters_that_differ_are_found_and_chance_is_not():
    table = tests.cluster_tests(properties(effect=2.0), "d", "D", names=NAMES, seed=1)
    assert list(table.columns) == list(tests.COLUMNS) and len(table) == 21 * 10 * 3
    counts = tests.count_significant(table).set_index("assignment")
    assert counts.loc["k-means", ["clusters", "properties", "on_all"]].tolist() == [10, 3, 1]
    found = table[(table["assignment"] == "k-means") & (table["significant"] == 1)]
    assert set(found.loc[found["cluster"] == 0, "property"]) == set(NAMES)
    assert NAMES[0] in set(found.loc[found["cluster"] == 1, "property"])
    shuffled = counts.drop(index="k-means")
    assert len(shuffled) == 20 and shuffled["on_all"].max() == 0
    assert shuffled["on_one"].mean() < 1 and shuffled["median_ks"].max() < counts.loc["k-means", "median_ks"]
    # clusters of the same sizes
    sizes = table.groupby(["assignment", "cluster"])["neurons"].first()
    assert (sizes == 60).all()


def test_chance_of_independent_clusters_is_near_its_expectation():
    found = [
        tests.count_significant(tests.cluster_tests(properties(seed=s), "d", "D", names=NAMES, alpha=0.1, shuffles=20))
        for s in range(3)
    ]
    mean = pd.concat(found)["on_one"].mean()
    # conservative, as the population holds the cluster
    expected = tests.expected_by_chance(10, 3, 0.1)[0]
    assert expected == pytest.approx(2.71) and 0.4 * expected < mean < 1.1 * expected


def test_expected_by_chance():
    assert tests.expected_by_chance(50, 8) == pytest.approx((50 * (1 - 0.99**8), 50e-16))
    assert tests.expected_by_chance(50, 1, 0.5) == (25, 25)


def test_properties_without_values_small_clusters_and_seeds():
    table = properties(60, effect=1.0)
    table["gabor_vs_mei"] = np.nan
    table.loc[0, "cluster"] = 99
    found = tests.cluster_tests(table, "d", "D", names=NAMES, shuffles=1, seed=3)
    assert set(found["property"]) == set(NAMES[:2])
    alone = found[(found["cluster"] == 99) & (found["assignment"] == "k-means")]
    assert alone["p"].isna().all() and not alone["significant"].any()
    again = tests.cluster_tests(table, "d", "D", names=NAMES, shuffles=1, seed=3)
    other = tests.cluster_tests(table, "d", "D", names=NAMES, shuffles=1, seed=4)
    assert found.equals(again) and not found.equals(other)
    assert tests.cluster_tests(table, "d", "D", names=["gabor_vs_mei"]).empty


def test_wrong_settings_are_named():
    for wrong in ({"alpha": 0.0}, {"alpha": 1.5}, {"shuffles": 0}):
        with pytest.raises(UserError, match="cluster tests"):
            tests.cluster_tests(properties(30), "d", "D", names=NAMES, **wrong)

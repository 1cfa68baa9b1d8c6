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
    counts = tests.count_significant(table).set_index(["assignment", "at_least"])
    own, shuffled = counts.loc["k-means"], counts["value"].unstack().drop(index="k-means")
    assert (own["of"] == 10).all() and own["value"].is_monotonic_decreasing and own["value"].iloc[-1] == 1
    found = table[(table["assignment"] == "k-means") & (table["significant"] == 1)]
    assert set(found.loc[found["cluster"] == 0, "property"]) == set(NAMES)
    assert NAMES[0] in set(found.loc[found["cluster"] == 1, "property"])
    assert len(shuffled) == 20 and shuffled[3].max() == 0 and shuffled[1].mean() < 1
    # clusters of the same sizes
    sizes = table.groupby(["assignment", "cluster"])["neurons"].first()
    assert (sizes == 60).all()


def test_chance_of_independent_clusters_is_near_its_expectation():
    found = [
        tests.count_significant(tests.cluster_tests(properties(seed=s), "d", "D", names=NAMES, alpha=0.1, shuffles=20))
        for s in range(3)
    ]
    on_one = pd.concat(found).groupby("at_least")[["value", "expected"]].mean().loc[1]
    # conservative, as the population holds the cluster
    expected = on_one["expected"]
    assert expected == pytest.approx(2.71) and 0.4 * expected < on_one["value"] < 1.1 * expected


def test_expected_by_chance():
    names = [f"property {number}" for number in range(8)]
    table = pd.DataFrame([(c, name) for c in range(50) for name in names], columns=["cluster", "property"])
    counts = tests.count_significant(table.assign(assignment="k-means", significant=0, alpha=0.01))
    assert counts["expected"].iloc[[0, -1]].tolist() == pytest.approx([50 * (1 - 0.99**8), 50e-16])
    one = table[table["property"] == names[0]].assign(assignment="k-means", significant=1, alpha=0.5)
    assert tests.count_significant(one)[["value", "of", "expected"]].to_numpy().tolist() == [[50, 50, 25]]


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

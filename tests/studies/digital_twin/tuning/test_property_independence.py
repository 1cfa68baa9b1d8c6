"""Independence of properties: closed forms, populations that are independent or not by construction, intervals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.tuning import property_independence as pi

FAST = pi.Settings(permutations=300, bootstraps=200)


def joint(same=0.5, exclusive=0.5):
    """Probabilities [2, 2, 2]: the first two bits are equal with `same`; the third is their XOR with `exclusive`."""
    p = np.empty((2, 2, 2))
    for a, b, c in np.ndindex(2, 2, 2):
        p[a, b, c] = 0.5 * (same if a == b else 1 - same) * (exclusive if c == (a ^ b) else 1 - exclusive)
    return p


def draw(p, units, seed=0):
    chosen = np.random.default_rng(seed).choice(p.size, units, p=p.ravel())
    return np.array(np.unravel_index(chosen, p.shape)).T


def entropy(p):
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def test_multi_information_in_closed_form():
    assert pi.multi_information(np.ones((1, 2, 2, 2)))[0] == 0
    all_equal = np.zeros((1, 2, 2, 2))
    all_equal[0, 0, 0, 0] = all_equal[0, 1, 1, 1] = 5
    assert pi.multi_information(all_equal)[0] == pytest.approx(2)
    assert pi.multi_information(joint(same=0.8)[None])[0] == pytest.approx(1 - entropy(0.8))
    # three properties that are independent in pairs, and not jointly
    exclusive = joint(exclusive=0.7)
    assert pi.multi_information(exclusive[None])[0] == pytest.approx(1 - entropy(0.7))
    assert pi.multi_information(exclusive.sum(axis=2)[None])[0] == pytest.approx(0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(bits=st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=1, max_size=40))
def test_counts_and_bounds(bits):
    bits = np.array(bits)
    counts = pi.count_combinations(bits[None])
    assert counts.sum() == len(bits)
    assert counts[0, 1, 0, 1] == (bits == [1, 0, 1]).all(axis=1).sum()
    information = pi.multi_information(counts)[0]
    assert 0 <= information <= 2 + 1e-9
    relabelled = pi.multi_information(pi.count_combinations((1 - bits[:, [2, 0, 1]])[None]))[0]
    assert information == pytest.approx(relabelled, abs=1e-9)
    found, cells = pi.independence_test(bits, pi.Settings(permutations=100), generator(0, "test"))
    assert cells["expected"].sum() == pytest.approx(len(bits)) and cells["count"].sum() == len(bits)
    if np.isfinite(found["p"]):
        assert found["lower_bits"] <= found["corrected_bits"] + 1e-9 <= found["upper_bits"] + 2e-9
    else:
        assert found["decision"] == "undecided"


CASES = {
    "independent": (joint(), 400, {"independent"}),
    "pairs": (joint(same=0.85), 400, {"dependent"}),
    "exclusive": (joint(exclusive=0.8), 400, {"dependent"}),
    "weak": (joint(same=0.6), 4000, {"weakly dependent"}),
    "few": (joint(same=0.6), 25, {"undecided"}),
}


@pytest.mark.parametrize("name", CASES)
def test_decisions_tell_constructions_apart(name):
    p, units, right = CASES[name]
    found = [pi.independence_test(draw(p, units, s), FAST, generator(s, "t"))[0] for s in range(12)]
    assert sum(one["decision"] in right for one in found) >= 11
    true = pi.multi_information(p[None])[0]
    assert sum(one["lower_bits"] <= true <= one["upper_bits"] for one in found) >= 10
    assert np.mean([one["corrected_bits"] for one in found]) == pytest.approx(true, abs=0.05)


def test_one_property_that_does_not_vary():
    bits = draw(joint(same=0.9), 200)
    bits[:, 2] = 1
    found, cells = pi.independence_test(bits, FAST, generator(0, "t"))
    assert found["decision"] == "dependent" and (cells.loc[cells[2] == 0, "count"] == 0).all()
    bits[:, 1] = 0
    found, cells = pi.independence_test(bits, FAST, generator(0, "t"))
    assert found["decision"] == "undecided" and np.isnan(found["multi_information_bits"])
    found, cells = pi.independence_test(np.zeros((0, 3), int), FAST, generator(0, "t"))
    assert found["decision"] == "undecided" and cells["count"].sum() == 0


def test_counts_against_independence():
    p = joint(same=0.9)
    found, cells = pi.independence_test(draw(p, 400), FAST, generator(0, "t"))
    outside = (cells["count"] < cells["lower"]) | (cells["count"] > cells["upper"])
    assert outside.all() and cells["expected"].to_numpy() == pytest.approx(50, abs=15)
    assert found["p"] == pytest.approx(1 / 301)


def test_information_interval_inverts_the_chi_square():
    assert pi.information_interval(4.0, 4, 0.95)[0] == 0
    lower, upper = pi.information_interval(40.0, 4, 0.95)
    from scipy.stats import ncx2

    assert ncx2.cdf(40, 4, lower) == pytest.approx(0.975) and ncx2.cdf(40, 4, upper) == pytest.approx(0.025)
    # luck is no proof: fewer deviations than by chance do not shorten the interval
    assert pi.information_interval(0.01, 4, 0.95) == pi.information_interval(4.0, 4, 0.95)


def test_correlation_of_known_strength_and_of_none():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    b, c = 0.6 * a + 0.8 * rng.normal(size=500), rng.normal(size=500)
    found = pi.correlation_test(a, b, FAST, generator(0, "c"))
    fisher = np.tanh(np.arctanh(found["r"]) + np.array([-1.96, 1.96]) / np.sqrt(497))
    assert found["r"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert [found["lower"], found["upper"]] == pytest.approx(fisher, abs=0.03)
    assert found["p"] == pytest.approx(1 / 301) and found["null_upper"] == pytest.approx(1.96 / np.sqrt(500), abs=0.02)
    none = pi.correlation_test(a, c, FAST, generator(0, "c"))
    assert none["lower"] < 0 < none["upper"] and none["p"] > 0.05
    b[:10] = np.nan
    assert pi.correlation_test(a, b, FAST, generator(0, "c"))["neurons"] == 490
    flat = pi.correlation_test(a, np.ones(500), FAST, generator(0, "c"))
    assert np.isnan([flat[name] for name in ("r", "lower", "p", "null_upper")]).all()
    assert np.isnan(pi.correlation_test(a[:3], c[:3], FAST, generator(0, "c"))["r"])


def test_null_of_correlations_rejects_as_often_as_it_says():
    rng = np.random.default_rng(2)
    settings = pi.Settings(permutations=199, bootstraps=100)
    p = [pi.correlation_test(*rng.normal(size=(2, 30)), settings, rng)["p"] for _ in range(300)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.03)


def population(dependent=False, error=0.0, neurons=400, seed=0):
    """Indices of neurons from bits, in clusters by type; with errors of measurement."""
    bits = draw(joint(same=0.85 if dependent else 0.5), neurons, seed)
    rng = np.random.default_rng(seed + 1)
    table = pd.DataFrame(0.1 + 0.5 * bits + error * rng.normal(size=bits.shape), columns=list(pi.CODE))
    table["orientation_selectivity"] = rng.uniform(0, 1, neurons)
    table["nonlinearity"] = 1 + bits.sum(axis=1) + 0.3 * rng.normal(size=neurons)
    table["cluster"] = bits @ [4, 2, 1] + 8 * rng.integers(0, 3, neurons)
    return table


def everywhere(table):
    clusters = sorted(set(table["cluster"]))
    return {"all": {"neurons": pd.Series(True, table.index), "clusters": pd.Series(True, clusters)}}


@pytest.mark.parametrize("dependent", [False, True])
def test_a_study_tells_the_two_populations_apart(dependent):
    true, model = population(dependent), population(dependent, error=0.15)
    correlations, counts = pi.study_independence({"truth": true, "model": model}, everywhere(true), "d", "D", FAST)
    assert list(correlations.columns) == list(pi.CORRELATION_COLUMNS)
    assert list(counts.columns) == list(pi.COMBINATION_COLUMNS)
    for source in ("truth", "model"):
        part = counts[(counts["source"] == source) & (counts["unit"] == "neurons")]
        assert len(part) == 8 and part["count"].sum() == 400 and part["decision"].nunique() == 1
        assert part["decision"].iloc[0] == ("dependent" if dependent else "independent")
    rows = correlations[correlations["unit"] == "neurons"].set_index(["source", "property_a", "property_b"])
    r = rows.loc[("model", "phase_invariance", "suppression")]
    assert (r["lower"] > 0.3) == dependent and (r["lower"] < 0 < r["upper"]) != dependent
    assert (rows.xs("nonlinearity", level="property_b")["r"].drop(["orientation_selectivity"], level=1) > 0.3).all()
    assert "nonlinearity_difference" not in set(correlations["property_b"])


def test_thresholds_are_of_all_neurons_and_subsets_choose():
    table = population(neurons=200)
    half = table.index < 100
    subsets = everywhere(table) | {
        "half": {"neurons": pd.Series(half, table.index), "clusters": pd.Series([True, False], [0, 1])}
    }
    _, counts = pi.study_independence({"truth": table}, subsets, "d", "D", FAST)
    sums = counts.groupby(["subset", "unit"])["count"].sum()
    assert sums["half", "neurons"] == 100 and sums["half", "clusters"] <= 1
    high = counts[(counts["subset"] == "half") & (counts["unit"] == "neurons") & (counts["suppressed"] == 1)]
    assert high["count"].sum() == (table["suppression"][half] > table["suppression"].mean()).sum()


def test_cluster_means_need_neurons_and_sources_may_lack_properties():
    table = pd.DataFrame({"suppression": [1.0, 2, 3, 4, np.nan], "cluster": [0, 0, 0, 1, 1]})
    means = pi.cluster_means(table)
    assert means["suppression"].tolist() == pytest.approx([2, np.nan], nan_ok=True)
    table = population(neurons=50).drop(columns=["suppression", "nonlinearity"])
    correlations, counts = pi.study_independence({"truth": table}, everywhere(table), "d", "D", FAST)
    assert counts.empty and len(correlations) == 2 * 3


def test_seeds_and_wrong_settings():
    table = population(neurons=60)
    runs = [pi.study_independence({"truth": table}, everywhere(table), "d", "D", FAST, seed) for seed in (1, 1, 2)]
    assert runs[0][0].equals(runs[1][0]) and runs[0][1].equals(runs[1][1]) and not runs[0][0].equals(runs[2][0])
    for wrong in ({"permutations": 10}, {"margin_bits": 0}, {"confidence": 1.0}, {"smallest_cluster": 0}):
        with pytest.raises(UserError, match="independence"):
            pi.Settings(**wrong)

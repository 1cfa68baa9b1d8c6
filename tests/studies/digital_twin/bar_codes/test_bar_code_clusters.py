"""Clusters of bar codes and their agreement with types: against scikit-learn, closed forms, edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.bar_codes.bar_code_clusters import (
    agreement,
    chance,
    k_means,
    map_in_two,
    order_by_size,
    weighted_rand,
)

LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40)


def blobs(each=20, kinds=3):
    rng = generator(1, "tests", "bar code clusters")
    kind = np.repeat(np.arange(kinds), each)
    return 5 * np.eye(kinds, 6)[kind] + 0.1 * rng.normal(size=(len(kind), 6)), kind


@given(LABELS)
@settings(max_examples=100, deadline=None)
def test_the_index_equals_that_of_scikit_learn(pairs):
    types, clusters = np.array(pairs).T
    every = np.ones(len(types))
    assert weighted_rand(types, clusters, every) == pytest.approx(adjusted_rand_score(types, clusters), abs=1e-9)


@given(LABELS, st.data())
@settings(max_examples=60, deadline=None)
def test_weights_count_pairs_of_different_neurons(pairs, data):
    """Against the sum over all pairs, with weights as of a bootstrap."""
    types, clusters = np.array(pairs).T
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(types), max_size=len(types))), float)
    product = np.triu(weights[:, None] * weights, 1)
    by_type, by_cluster = ((labels[:, None] == labels) * product for labels in (types, clusters))
    together, every = (by_type * (clusters[:, None] == clusters)).sum(), product.sum()
    expected = by_type.sum() * by_cluster.sum() / every if every else 0
    span = (by_type.sum() + by_cluster.sum()) / 2 - expected
    index = (together - expected) / span if span > 1e-9 else 1.0
    assert weighted_rand(types, clusters, weights) == pytest.approx(index, abs=1e-9)


def test_a_bootstrap_of_random_clusters_has_no_bias():
    """Copies of a neuron would agree with themselves: an ordinary index of resampled labels is above 0."""
    rng = generator(2, "tests", "bar code clusters")
    types, clusters = rng.integers(0, 10, 60), rng.integers(0, 10, 60)
    whole = adjusted_rand_score(types, clusters)
    draws = [rng.integers(0, 60, 60) for _ in range(300)]
    naive = np.mean([adjusted_rand_score(types[d], clusters[d]) for d in draws])
    ours = np.mean([weighted_rand(types, clusters, np.bincount(d, minlength=60).astype(float)) for d in draws])
    assert abs(ours - whole) < 0.01 < 0.05 < naive - whole


def test_agreement_and_chance():
    rng = generator(3, "tests", "bar code clusters")
    types = np.repeat(["a", "b", "c"], 30)
    same = agreement(types, np.repeat([2, 0, 1], 30), 0, 50)
    assert same == {"ari": 1.0, "ari_lower": 1.0, "ari_upper": 1.0, "homogeneity": 1.0}
    noisy = np.where(rng.random(90) < 0.2, rng.integers(0, 3, 90), np.repeat([0, 1, 2], 30))
    found = agreement(types, noisy, 0, 200)
    assert found["ari_lower"] < found["ari"] < found["ari_upper"] < 1
    assert found == agreement(types, noisy, 0, 200) != agreement(types, noisy, 1, 200)
    null = chance(types, noisy, 0, 200)
    assert abs(null["chance_ari"]) < 0.02 < null["chance_upper"] < 0.1
    every = chance(types, np.arange(90), 0, 20)  # a cluster for each neuron is pure, and worth nothing
    assert every["chance_homogeneity"] == pytest.approx(1) and every["chance_ari"] == pytest.approx(0)


def test_clusters_are_found_and_ordered_by_size():
    codes, kind = blobs()
    codes, kind = codes[7:], kind[7:]  # the first kind is the smallest
    found = k_means(codes.reshape(-1, 2, 3), 3, seed=0)
    assert adjusted_rand_score(kind, found) == 1
    assert (np.diff(np.bincount(found)) <= 0).all() and (found[kind == 0] == 2).all()
    np.testing.assert_array_equal(found, k_means(codes, 3, seed=0))


def test_order_by_size():
    np.testing.assert_array_equal(order_by_size(np.array([5, 5, 1, 7, 1, 1])), [1, 1, 0, 2, 0, 0])
    np.testing.assert_array_equal(order_by_size(np.array([3, 0, 3, 0])), [0, 1, 0, 1])  # ties: the first neuron's


def test_equal_codes_make_fewer_clusters_and_too_many_clusters_are_named():
    codes = np.zeros((5, 4))
    np.testing.assert_array_equal(k_means(codes, 3, 0), 0)
    np.testing.assert_array_equal(k_means(codes[:1], 1, 0), [0])
    for clusters in (0, 6):
        with pytest.raises(UserError, match=f"from 1 to 5 .neurons., found {clusters}"):
            k_means(codes, clusters, 0)


def test_the_map_keeps_kinds_apart_and_does_with_few_neurons():
    codes, kind = blobs()
    found = map_in_two(codes, 0)
    centres = np.array([found[kind == k].mean(axis=0) for k in range(3)])
    own = np.linalg.norm(found - centres[kind], axis=1).max()
    assert found.shape == (60, 2) and own < min(np.linalg.norm(centres[i] - centres[i - 1]) for i in range(3))
    np.testing.assert_array_equal(found, map_in_two(codes, 0))
    for neurons in (1, 3):
        np.testing.assert_array_equal(map_in_two(codes[:neurons], 0), np.zeros((neurons, 2)))
    np.testing.assert_array_equal(map_in_two(np.ones((9, 4)), 0), np.zeros((9, 2)))
    assert np.isfinite(map_in_two(codes[:5], 0)).all()

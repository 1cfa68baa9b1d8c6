"""Clusters against groups: known partitions, equality with sklearn, invariances, nulls, and edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import special_ortho_group
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from calcium_latents.errors import UserError
from calcium_latents.metrics import clustering as c

FREE = [name for name, (_, peeks) in c.PROTOCOLS.items() if not peeks]
SMALL = c.Settings(min_samples=5, permutations=40)


def blobs(distance=12.0, each=60, training=100, latents=3, seed=0, groups=3, scale=1.0):
    """Neurons in `groups` round blobs whose centres lie `distance` standard deviations apart."""
    rng = np.random.default_rng(seed)
    centres = distance * np.eye(groups, max(latents, groups))[:, :latents] / np.sqrt(2)
    sides = []
    for count in (each, training):
        labels = rng.permutation(np.repeat(np.arange(groups), count))
        sides += [scale * (centres[labels] + rng.normal(size=(len(labels), latents))), labels]
    test, test_labels, train, train_labels = sides
    return c.Neurons(test, train, test_labels, train_labels, groups=groups)


def changed(neurons, change):
    return c.Neurons(
        change(neurons.test),
        change(neurons.training),
        neurons.test_labels,
        neurons.training_labels,
        method=neurons.method,
        groups=neurons.groups,
    )


def test_separated_blobs_are_found_by_every_protocol():
    # a small scale: the published grid ends at eps 0.49
    found = c.cluster(blobs(distance=30, scale=1 / 8), SMALL)
    assert set(found) == set(c.PROTOCOLS)
    for name, scores in found.items():
        # at the knee the tails of a Gaussian are noise
        assert scores["ari"] > (0.85 if name == "dbscan knee" else 0.99), name
        assert scores["ari"] > scores["null_upper"] + 0.5 and abs(scores["null_ari"]) < 0.15, name
        assert scores["clusters"] in (3, 4), name
    for name in ("gmm bic", c.HEADLINE, "k-means, known number", "dbscan relative, oracle", c.PUBLISHED):
        assert found[name]["ari"] == 1 and found[name]["clusters"] == 3, name


def test_one_blob_gives_nothing_beyond_the_null():
    values = {name: [] for name in c.PROTOCOLS}
    for seed in range(4):
        for name, scores in c.cluster(blobs(distance=0, seed=seed, scale=0.1), SMALL).items():
            values[name].append(scores["ari"] - scores["null_ari"])
    for name, differences in values.items():
        assert abs(np.mean(differences)) < 0.03, name


def test_a_choice_by_test_labels_has_its_gain_in_the_null():
    neurons = blobs(distance=0, each=20, scale=0.2)
    found = c.cluster(neurons, SMALL)
    for name, (_, peeks) in c.PROTOCOLS.items():
        assert found[name]["peeks"] == peeks
        assert (found[name]["null_ari"] == 0) == (not peeks), name
        assert found[name]["null_upper"] >= found[name]["null_ari"]
    assert found["dbscan relative, oracle"]["null_ari"] > 0.005
    with pytest.raises(ValueError, match="expected one candidate"):
        c.score(np.array([[0, 1], [0, 0]]), np.array([0, 1]), 0, np.array([[0, 1]]))


def test_the_null_without_a_choice_has_mean_zero():
    """The exact mean of the adjusted Rand index over permutations is 0; score() relies on it."""
    rng = np.random.default_rng(0)
    labels, found = rng.integers(0, 3, 40), rng.integers(0, 4, 40)
    null = c.adjusted_rand(found, rng.permuted(np.tile(labels, (4000, 1)), axis=1))
    assert abs(null.mean()) < 4 * null.std() / np.sqrt(4000)


@given(
    st.lists(st.lists(st.integers(-1, 4), min_size=7, max_size=7), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_adjusted_rand_is_sklearns(first, second):
    found = c.adjusted_rand(np.array(first), np.array(second))
    expected = [[adjusted_rand_score(one, other) for other in second] for one in first]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 10**6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_dbscan_is_sklearns(count, min_samples, seed, duplicates):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, 2))
    z = np.round(z) if duplicates else z
    distances, eps = cdist(z, z), np.array([0.0, 0.3, 0.7, 1.0, 2.0, 9.0])
    found = c.dbscan(distances, eps, min_samples)
    for row, value in zip(found[1:], eps[1:], strict=True):  # sklearn takes no eps of 0
        expected = DBSCAN(eps=value, min_samples=min_samples, metric="precomputed").fit_predict(distances)
        np.testing.assert_array_equal(row, expected)


def test_core_distance_is_the_radius_at_which_a_neuron_becomes_core():
    distances = cdist([[0.0], [1.0], [3.0], [7.0]], [[0.0], [1.0], [3.0], [7.0]])
    np.testing.assert_array_equal(c.core_distances(distances, 1), 0)
    np.testing.assert_array_equal(c.core_distances(distances, 2), [1, 1, 2, 4])
    np.testing.assert_array_equal(c.core_distances(distances, 9), [7, 6, 4, 7])


def test_published_grid_is_the_authors_and_depends_on_the_method():
    assert c.PUBLISHED_EPS["avae"][[0, -1]].tolist() == [0.01, 0.49] and len(c.PUBLISHED_EPS["avae"]) == 49
    assert c.PUBLISHED_EPS["pca"][[0, -1]].tolist() == [0.5, 1.99] and len(c.PUBLISHED_EPS["pca"]) == 150
    neurons = blobs(distance=30)  # 30 apart, spread 1: too coarse for the grid of the AVAE, not for that of PCA
    wide = c.Neurons(**{**vars(neurons), "method": "pca"})
    assert c.cluster(neurons, SMALL)[c.PUBLISHED]["ari"] < 0.2
    assert c.cluster(wide, SMALL)[c.PUBLISHED]["ari"] > 0.95
    scaled = c.Settings(min_samples=5, permutations=40, pca_eps_factor=10.0)
    large = c.Neurons(**{**vars(changed(neurons, lambda z: 10 * z)), "method": "pca"})
    np.testing.assert_array_equal(c.dbscan_published(large, scaled), c.dbscan_published(wide, SMALL))


def test_the_published_protocol_clusters_noiseless_latents_where_given():
    neurons = blobs(distance=0, scale=0.1)
    clean = np.eye(3)[neurons.test_labels] * 9 + 0.01 * neurons.test
    found = c.cluster(c.Neurons(**{**vars(neurons), "noiseless": clean}), SMALL)
    assert found[c.PUBLISHED]["ari"] == 1 and found[c.HEADLINE]["ari"] < 0.2


def test_rotation_and_shift_leave_the_published_protocol_and_scales_the_others():
    neurons = blobs(distance=3, each=40)
    turn = special_ortho_group.rvs(3, random_state=1)
    for name, change in (
        (c.PUBLISHED, lambda z: z @ turn + 5),
        ("dbscan relative, oracle", lambda z: z * [1e-3, -4, 1e3] + [0, 1, -2]),
        ("dbscan, eps from training labels", lambda z: z * [0.5, 4, 1024.0]),
        ("dbscan knee", lambda z: z * [1e-3, -4, 1e3]),
        ("hdbscan", lambda z: z * [0.5, 4, 1024.0]),
        (c.HEADLINE, lambda z: z * [0.5, 4, 1024.0]),
        ("k-means, known number", lambda z: z * [0.5, 4, 1024.0]),
    ):
        protocol, _ = c.PROTOCOLS[name]
        one, other = protocol(neurons, SMALL), protocol(changed(neurons, change), SMALL)
        assert min(adjusted_rand_score(a, b) for a, b in zip(one, other, strict=True)) > 0.999, name


def test_scores_do_not_depend_on_the_order_of_test_neurons_or_the_names_of_groups():
    neurons = blobs(distance=5, each=40, scale=0.1)
    order = np.random.default_rng(3).permutation(len(neurons.test))
    other = c.Neurons(
        neurons.test[order],
        neurons.training,
        np.array([7, 3, 5])[neurons.test_labels[order]],
        np.array([7, 3, 5])[neurons.training_labels],
    )
    one, two = c.cluster(neurons, SMALL), c.cluster(other, SMALL)
    for name in c.PROTOCOLS:
        # a border neuron of DBSCAN joins the first of two clusters
        assert one[name]["ari"] == pytest.approx(two[name]["ari"], abs=0.03), name


def test_labels_of_test_neurons_matter_only_to_those_that_peek():
    neurons = blobs(distance=4)
    rng = np.random.default_rng(0)
    other = c.Neurons(**{**vars(neurons), "test_labels": rng.permutation(neurons.test_labels)})
    for name in FREE:
        np.testing.assert_array_equal(c.PROTOCOLS[name][0](neurons, SMALL), c.PROTOCOLS[name][0](other, SMALL))


def test_same_seed_same_scores():
    neurons = blobs(distance=3, each=30, training=250)
    assert c.cluster(neurons) == c.cluster(blobs(distance=3, each=30, training=250))


@given(st.integers(1, 9), st.integers(0, 6), st.integers(1, 3), st.sampled_from(["normal", "equal", "few", "inf"]))
@settings(max_examples=40, deadline=None)
def test_edges_give_a_score_or_nan(count, training, latents, kind):
    """Fewer neurons than min_samples, duplicates, constant or infinite latents, no training neurons."""
    rng = np.random.default_rng(count + 10 * training)
    z = {
        "normal": rng.normal(size=(count + training, latents)),
        "equal": np.full((count + training, latents), 0.3) + 1e-9 * rng.normal(size=(count + training, latents)),
        "few": rng.integers(0, 2, (count + training, latents)).astype(float),
        "inf": np.full((count + training, latents), np.inf),
    }[kind]
    labels = np.arange(count + training) % 3
    found = c.cluster(c.Neurons(z[:count], z[count:], labels[:count], labels[count:]), c.Settings(permutations=20))
    for name, scores in found.items():
        if kind == "inf" or count < 2 or not training:
            assert np.isnan(scores["ari"]) and np.isnan(scores["null_upper"]) and scores["clusters"] == 0
        else:
            assert -1 <= scores["ari"] <= 1 and np.isfinite(scores["null_upper"]), name
            if kind == "equal" and name != c.PUBLISHED:
                assert scores["clusters"] == 1 and scores["ari"] == 0, name


def test_standardise_leaves_out_constants_and_uses_the_other_sample():
    z = np.array([[1.0, 5.0], [3.0, 5.0 + 1e-7]])
    np.testing.assert_allclose(c.standardise(z), [[-1], [1]])
    np.testing.assert_allclose(c.standardise(z + [2, 0], z), [[1], [3]])
    assert c.standardise(np.zeros((4, 2))).shape == (4, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_samples": 0},
        {"permutations": 5},
        {"pca_eps_factor": 0},
        {"smallest_cluster": 0.9},
        {"training_min_samples": ()},
    ],
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(UserError, match=r"expected"):
        c.Settings(**wrong)

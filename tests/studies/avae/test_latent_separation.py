"""Linear readout of labels from latents: separable, not separable, chance, weights of classes, edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from calcium_latents.studies.avae.latent_separation import balanced_accuracy, separation


def sample(distance, count, seed, rare=0.5, latents=3):
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < rare).astype(int)
    z = rng.normal(size=(count, latents))
    z[:, 0] += distance * labels
    return z, labels


def readout(distance, rare=0.5, seed=0, scale=1.0, count=400):
    train, test = sample(distance, count, seed, rare), sample(distance, count // 2, seed + 1, rare)
    return separation(train[0] * scale, train[1], test[0] * scale, test[1], np.random.default_rng(0))


def test_separable_classes_are_told_and_equal_ones_are_not():
    found = readout(12.0)
    assert found["score"] == 1 and found["chance"] == 0.5 and 0.5 < found["null_upper"] < 0.65
    scores = [readout(0.0, seed=10 * seed)["score"] for seed in range(6)]
    assert abs(np.mean(scores) - 0.5) < 0.05


def test_score_of_overlapping_gaussians_is_the_closed_form():
    """The best balanced accuracy of two unit Gaussians d apart is Phi(d / 2), however rare one of them is."""
    for rare in (0.5, 0.15):
        assert readout(2.0, rare, count=8000)["score"] == pytest.approx(0.8413, abs=0.03)


def test_scales_do_not_matter():
    assert readout(1.0) == readout(1.0, scale=np.array([1024.0, 1.0, 2**-10]))


@given(st.lists(st.integers(0, 2), min_size=3, max_size=12), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_balanced_accuracy_is_sklearns(predicted, seed):
    rng = np.random.default_rng(seed)
    truth = rng.permuted(np.tile(np.arange(len(predicted)) % 3, (3, 1)), axis=1)
    found = balanced_accuracy(truth, np.array(predicted))
    np.testing.assert_allclose(found, [balanced_accuracy_score(row, predicted) for row in truth])


def test_edges_are_chance_or_missing():
    rng = np.random.default_rng(0)
    z, labels = sample(3.0, 40, 0)
    constant = separation(np.full((40, 2), 7.0), labels, np.full((40, 2), 7.0), labels, rng)
    assert constant["score"] == constant["null_upper"] == 0.5
    one_class = separation(z, np.zeros(40), z, labels, rng)
    assert np.isnan(one_class["score"]) and one_class["chance"] == 0.5
    assert np.isnan(separation(z, labels, z[:5], np.ones(5), rng)["score"])
    assert np.isnan(separation(np.full((40, 3), np.inf), labels, z, labels, rng)["null_upper"])
    names = separation(z, np.array(["no", "yes"])[labels], z, np.array(["no", "yes"])[labels], rng)
    assert names["score"] > 0.85 and names["chance"] == 0.5
    three = separation(np.tile(z, (2, 1)), np.arange(80) % 3, z, np.arange(40) % 3, rng)
    assert three["chance"] == pytest.approx(1 / 3)

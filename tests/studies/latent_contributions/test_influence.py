"""Lagged influence: sums without the matrix against the matrix, and what the similarities amount to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions.contributions import contributions
from calcium_latents.studies.latent_contributions.influence import influence_degrees, influence_matrix, mean_degrees


def made(frames, neurons, latents, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(frames, neurons)), rng.normal(size=(neurons, latents))


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(4, 12),
    neurons=st.integers(1, 6),
    latents=st.integers(1, 4),
    lag=st.integers(0, 2),
    block=st.integers(1, 9),
)
def test_sums_are_those_of_the_matrix(frames, neurons, latents, lag, block):
    x, u = made(frames, neurons, latents)
    x[:, 0] *= neurons > 1  # a silent neuron
    parts = list(influence_degrees(x, u, lag, block))
    out, into, net, total = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("out", "into", "net", "total")
    )
    assert len(total) == frames - lag
    for at in range(frames - lag):
        a = influence_matrix(x[at], x[at + lag], u)
        np.testing.assert_allclose(out[at], a.sum(axis=1), atol=1e-10)
        np.testing.assert_allclose(into[at], a.sum(axis=0), atol=1e-10)
        np.testing.assert_allclose(total[at], a.sum(), atol=1e-10)
    np.testing.assert_allclose(net.sum(axis=1), 0, atol=1e-10)
    mean = mean_degrees(x, u, lag, block)
    np.testing.assert_allclose(mean.net[0], net.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(mean.total, total.mean(), atol=1e-10)


def test_dot_is_the_similarity_of_contributions():
    x, u = made(9, 5, 3)
    c, z = contributions(x, u), x @ u
    a = influence_matrix(x[2], x[6], u)
    np.testing.assert_allclose(a, c[2] @ c[6].T, atol=1e-10)
    np.testing.assert_allclose(a.sum(axis=1), c[2] @ z[6], atol=1e-10)
    np.testing.assert_allclose(a.sum(axis=0), c[6] @ z[2], atol=1e-10)
    np.testing.assert_allclose(a.sum(), z[2] @ z[6], atol=1e-10)


def test_cosine_carries_time_by_the_sign_alone():
    x, u = made(9, 5, 3)
    c = contributions(x, u)
    length = np.linalg.norm(c, axis=2)
    cosine = (c[2] @ c[6].T) / np.outer(length[2], length[6])
    np.testing.assert_allclose(influence_matrix(x[2], x[6], u, "cosine"), cosine, atol=1e-10)
    same_signs = influence_matrix(x[2] * [3, 0.1, 9, 2, 1], x[6] * 5, u, "cosine")
    np.testing.assert_allclose(same_signs, cosine, atol=1e-10)


def test_windowed_correlation_is_the_plain_lagged_correlation_times_a_constant():
    x, u = made(40, 5, 3)
    early, late = x[4:24], x[7:27]
    c, d = contributions(early, u), contributions(late, u)
    c, d = (v - v.mean(axis=0) for v in (c, d))
    expected = np.einsum("tik,tjk->ij", c, d) / np.sqrt(np.outer((c**2).sum((0, 2)), (d**2).sum((0, 2))))
    found = influence_matrix(early, late, u, "correlation")
    np.testing.assert_allclose(found, expected, atol=1e-10)
    unit = u / np.linalg.norm(u, axis=1, keepdims=True)
    np.testing.assert_allclose(found, (unit @ unit.T) * np.corrcoef(early.T, late.T)[:5, 5:], atol=1e-10)


@pytest.mark.parametrize("similarity", ["dot", "cosine", "correlation"])
def test_neurons_without_contribution_have_none(similarity):
    x, u = made(12, 4, 2)
    x[:, 1], u[2] = 7.0 if similarity == "correlation" else 0.0, 0.0
    a = influence_matrix(*((x[:6], x[6:]) if similarity == "correlation" else (x[0], x[6])), u, similarity)
    assert np.isfinite(a).all() and not a[1].any() and not a[:, 1].any() and not a[2].any()
    if similarity == "dot":
        mean = mean_degrees(x, u, 1)
        assert not mean.out[0, 1:3].any() and mean.out[0, 0]


def test_a_delayed_copy_leads():
    rng = np.random.default_rng(0)
    drive = np.convolve(rng.normal(size=2003), np.ones(4) / 2, "valid")
    x = np.stack([drive[3:], drive[:-3]], axis=1)  # neuron 1 repeats neuron 0 three frames later
    assert mean_degrees(x, np.ones((2, 1)), 3).net[0, 0] > 0.1
    np.testing.assert_allclose(mean_degrees(x, np.ones((2, 1)), 0).net, 0, atol=1e-12)


def test_errors():
    x, u = made(6, 3, 2)
    for lag in (-1, 6, 7):
        with pytest.raises(UserError, match="0 to 5 frames"):
            next(influence_degrees(x, u, lag))
    with pytest.raises(UserError, match="expected one of"):
        influence_matrix(x[0], x[1], u, "euclidean")
    with pytest.raises(UserError, match="two moments"):
        influence_matrix(x[:2], x[:2], u)
    with pytest.raises(UserError, match="axes"):
        next(influence_degrees(x, u[:2], 1))
    with pytest.raises(UserError, match="finite axes"):
        next(influence_degrees(x, u * np.nan, 1))
    x[4, 1] = np.nan
    with pytest.raises(UserError, match="frame 4, neuron 1"):
        list(influence_degrees(x, u, 1, block=2))

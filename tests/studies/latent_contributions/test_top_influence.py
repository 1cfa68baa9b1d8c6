"""The strongest influences against the whole matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions import top_influence
from calcium_latents.studies.latent_contributions.influence import influence_degrees, influence_matrix
from calcium_latents.studies.latent_contributions.top_influence import top_neurons, top_pairs, top_partners


def made(frames, neurons, latents, seed=0, whole_numbers=False):
    rng = np.random.default_rng(seed)
    x, u = rng.normal(size=(frames, neurons)) ** 3, rng.normal(size=(neurons, latents))
    return (np.round(x), np.round(u)) if whole_numbers else (x, u)


def dense(x, u, lag, similarity, frames):
    start, stop = frames
    if similarity != "dot":
        return influence_matrix(x[start - lag : stop - lag], x[start:stop], u, similarity)
    return sum(influence_matrix(x[t - lag], x[t], u) for t in range(start, stop))


def best_pairs(a, count, magnitude=False, include_self=False):
    i, j = np.indices(a.shape).reshape(2, -1)
    if not include_self:
        i, j = i[i != j], j[i != j]
    keys = np.abs(a[i, j]) if magnitude else a[i, j]
    order = np.lexsort((j, i, -keys))[:count]
    return i[order], j[order], a[i[order], j[order]]


@settings(max_examples=40, deadline=None)
@given(
    neurons=st.integers(1, 9),
    latents=st.integers(1, 3),
    count=st.integers(1, 30),
    lag=st.integers(0, 2),
    window=st.sampled_from([1, 3]),
    whole_numbers=st.booleans(),
    magnitude=st.booleans(),
    include_self=st.booleans(),
)
def test_pairs_and_partners(neurons, latents, count, lag, window, whole_numbers, magnitude, include_self):
    # whole numbers have ties, which go by index
    x, u = made(8, neurons, latents, neurons, whole_numbers)
    frames = (4, 4 + window)
    a = dense(x, u, lag, "dot", frames)
    found = top_pairs(x, u, lag, count, frames=frames, magnitude=magnitude, include_self=include_self)
    i, j, values = best_pairs(a, count, magnitude, include_self)
    np.testing.assert_allclose(found.values, values, atol=1e-10)
    np.testing.assert_array_equal(found.rows, i)
    np.testing.assert_array_equal(found.columns, j)
    partners, strengths = top_partners(x, u, lag, count, frames=frames, include_self=include_self)
    if not include_self:
        np.fill_diagonal(a, -np.inf)
    order = np.argsort(-a, axis=1, kind="stable")[:, : min(count, neurons - (not include_self))]
    np.testing.assert_array_equal(partners, order)
    np.testing.assert_allclose(strengths, np.take_along_axis(a, order, axis=1), atol=1e-10)


@pytest.mark.parametrize("similarity", ["dot", "cosine", "correlation"])
def test_large_matrices_are_not_computed_whole(similarity, monkeypatch):
    monkeypatch.setattr(top_influence, "TILE", 32)
    monkeypatch.setattr(top_influence._Short, "tile", 32)
    x, u = made(40, 400, 3)
    u *= np.random.default_rng(1).gamma(0.5, size=(400, 1))
    frames = (20, 21) if similarity == "cosine" else (20, 30)
    a = dense(x, u, 2, similarity, frames)
    found = top_pairs(x, u, 2, 20, similarity, frames=frames)
    i, j, values = best_pairs(a, 20)
    np.testing.assert_allclose(found.values, values, atol=1e-9)
    if similarity == "dot":
        np.testing.assert_array_equal(found.rows * 400 + found.columns, i * 400 + j)
        assert found.computed < 0.5
    chosen = np.array([7, 3, 250])
    partners, strengths = top_partners(x, u, 2, 5, chosen, similarity, frames=frames)
    np.fill_diagonal(a, -np.inf)
    np.testing.assert_allclose(strengths, -np.sort(-a[chosen], axis=1)[:, :5], atol=1e-9)
    np.testing.assert_allclose(a[chosen[:, None], partners], strengths, atol=1e-9)


@pytest.mark.parametrize("similarity", ["dot", "correlation"])
def test_long_windows_are_read_by_blocks(similarity, monkeypatch):
    x, u = made(300, 30, 3)
    x[:, 4] = 2.0
    short = top_pairs(x, u, 3, 15, similarity), top_partners(x, u, 3, 4, similarity=similarity)
    monkeypatch.setattr(top_influence, "LONG_VALUES", 0)
    monkeypatch.setattr(top_influence._Long, "tile", 8)
    monkeypatch.setattr("calcium_latents.studies.latent_contributions.contributions.BLOCK_VALUES", 1000)
    long = top_pairs(x, u, 3, 15, similarity), top_partners(x, u, 3, 4, similarity=similarity)
    np.testing.assert_array_equal(long[0].rows, short[0].rows)
    np.testing.assert_array_equal(long[0].columns, short[0].columns)
    np.testing.assert_allclose(long[0].values, short[0].values, atol=1e-10)
    np.testing.assert_allclose(long[1][1], short[1][1], atol=1e-10)
    np.testing.assert_allclose(short[0].values, best_pairs(dense(x, u, 3, similarity, (3, 300)), 15)[2], atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(neurons=st.integers(1, 9), count=st.integers(1, 12), kind=st.sampled_from(["out", "into", "net"]))
def test_top_neurons(neurons, count, kind):
    x, u = made(7, neurons, 2, neurons, whole_numbers=True)
    found, values = top_neurons(x, u, 1, count, kind, block=3)
    expected = np.concatenate([getattr(part, kind) for part in influence_degrees(x, u, 1)])
    order = np.argsort(-expected, axis=1, kind="stable")[:, :count]
    np.testing.assert_array_equal(found, order)
    np.testing.assert_array_equal(values, np.take_along_axis(expected, order, axis=1))


def test_silence():
    found = top_pairs(np.zeros((3, 4)), np.ones((4, 2)), 1, 3, frames=(2, 3))
    np.testing.assert_array_equal(found.values, 0)
    np.testing.assert_array_equal(found.rows * 4 + found.columns, [1, 2, 3])


def test_errors():
    x, u = made(6, 3, 2)
    with pytest.raises(UserError, match="0 to 5"):
        top_pairs(x, u, 6, 1)
    with pytest.raises(UserError, match="within 2 to 6"):
        top_pairs(x, u, 2, 1, frames=(1, 4))
    with pytest.raises(UserError, match="one for cosine"):
        top_partners(x, u, 2, 1, similarity="cosine")
    with pytest.raises(UserError, match="at least one"):
        top_pairs(x, u, 2, 0)
    with pytest.raises(UserError, match="expected one of"):
        top_neurons(x, u, 2, 1, "both")
    with pytest.raises(UserError, match="finite"):
        top_pairs(x * np.nan, u, 2, 1)

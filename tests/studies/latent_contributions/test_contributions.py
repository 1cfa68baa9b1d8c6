"""Contributions: the sum, cancellation, ratios, averages over time, shares of transitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions.contributions import (
    cancellation_index,
    contributions,
    largest,
    partial_shares,
    relative_contributions,
    shares_of_change,
    summarise,
    summarise_blocks,
    time_blocks,
    transition_shares,
)
from calcium_latents.studies.latent_contributions.latent_axes import principal_axes

sizes = st.integers(1, 6)


def made(frames, neurons, latents, seed=0):
    rng = np.random.default_rng(seed)
    return rng.gamma(1.0, 1.0, (frames, neurons)) + 3.0, rng.normal(size=(neurons, latents))


@settings(max_examples=40, deadline=None)
@given(frames=sizes, neurons=sizes, latents=sizes, block=sizes, centred=st.booleans())
def test_contributions_sum_to_the_latents_and_summaries_are_those_of_the_array(
    frames, neurons, latents, block, centred
):
    x, u = made(frames, neurons, latents)
    mean = x.mean(axis=0) if centred else None
    c = contributions(x, u, mean)
    z = (x - (mean if centred else 0)) @ u
    np.testing.assert_allclose(c.sum(axis=1), z, atol=1e-12)
    by_products = summarise(x, u, mean, block)
    by_blocks = summarise_blocks(c[start:stop] for start, stop in time_blocks(frames, neurons, block))
    for found in (by_products, by_blocks):
        np.testing.assert_allclose(found.latents, z, atol=1e-12)
        np.testing.assert_allclose(found.absolute, np.abs(c).sum(axis=1), atol=1e-12)
        np.testing.assert_allclose(found.mean, c.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(found.mean_absolute, np.abs(c).mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(found.mean_product, (c * z[:, None]).mean(axis=0), atol=1e-11)
        index = found.cancellation
        assert (((index >= 0) & (index <= 1)) | (found.absolute == 0)).all()
    np.testing.assert_array_equal(by_blocks.mean_share, 0)


def test_the_share_of_the_mean_is_what_centring_takes_away():
    x, u = made(50, 7, 3)
    whole, centred = summarise(x, u), summarise(x, u, x.mean(axis=0))
    np.testing.assert_allclose(centred.latents + centred.mean_share.sum(axis=0), whole.latents, atol=1e-10)
    np.testing.assert_allclose(centred.mean, 0, atol=1e-12)
    np.testing.assert_array_equal(whole.mean_share, 0)
    # and it does not touch what varies
    np.testing.assert_allclose(centred.variance_share, whole.variance_share, atol=1e-10)
    np.testing.assert_allclose(centred.variance_share.sum(axis=0), 1, atol=1e-10)


def test_on_average_a_principal_component_s_contributions_are_its_squared_weights():
    x, _ = made(400, 12, 1)
    found = principal_axes(x, 4)
    summary = summarise(x, found.axes, found.mean)
    np.testing.assert_allclose(summary.mean_product, found.axes**2 * found.variance, atol=1e-10)
    np.testing.assert_allclose(summary.variance_share, found.axes**2, atol=1e-10)


def test_cancellation():
    np.testing.assert_allclose(
        cancellation_index(np.array([2.0, 0.0, -3.0, 0.0]), np.array([2.0, 4.0, 6.0, 0.0])), [0, 1, 0.5, np.nan]
    )
    silent = summarise(np.zeros((3, 2)), np.ones((2, 1)))
    assert np.isnan(silent.cancellation).all() and np.isnan(silent.variance_share).all()


def test_ratios_sum_to_one_and_are_masked_near_zero():
    x, u = made(500, 6, 2)
    mean = x.mean(axis=0)
    c = contributions(x, u, mean)
    z = c.sum(axis=1)
    bare, nothing = relative_contributions(c, z, 0.0)
    np.testing.assert_allclose(bare.sum(axis=1), 1, atol=1e-9)
    assert (nothing == 0).all()
    ratio, masked = relative_contributions(c[:, :2], z, 0.2)
    small = np.abs(z) <= 0.2 * np.sqrt((z**2).mean(axis=0))
    np.testing.assert_array_equal(np.isnan(ratio), np.repeat(small[:, None], 2, axis=1))
    np.testing.assert_allclose(masked, small.mean(axis=0))
    assert (masked > 0.05).all() and np.nanmax(np.abs(ratio)) < np.abs(bare).max()
    # a latent that is always zero is masked throughout, not divided by
    ratio, masked = relative_contributions(np.zeros((4, 3, 1)), np.zeros((4, 1)))
    assert np.isnan(ratio).all() and masked == 1


@settings(max_examples=30, deadline=None)
@given(count=sizes, neurons=sizes, latents=sizes)
def test_shares_of_transitions_sum_to_one(count, neurons, latents):
    x, u = made(3 * count, neurons, latents)
    before, part, after = np.split(x, 3)
    shares = transition_shares(before, after, u)
    dx, dz = after - before, (after - before) @ u
    expected = [[(u[i] * dx[n, i]) @ dz[n] / (dz[n] @ dz[n]) for i in range(neurons)] for n in range(count)]
    np.testing.assert_allclose(shares, expected, atol=1e-10)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-10)
    np.testing.assert_allclose(shares_of_change(dx[:, :, None] * u[None]), shares, atol=1e-10)
    early = partial_shares(before, part, after, u)
    way = (((part - before) @ u) * dz).sum(axis=1) / (dz**2).sum(axis=1)
    np.testing.assert_allclose(early.sum(axis=1), way, atol=1e-10)


def test_a_transition_without_change_has_no_shares():
    assert np.isnan(transition_shares(np.ones((1, 3)), np.ones((1, 3)), np.eye(3))).all()


def test_largest():
    np.testing.assert_array_equal(largest(np.array([1.0, np.nan, 3.0, 3.0, -5.0]), 4), [2, 3, 0, 4])
    assert len(largest(np.arange(2.0), 9)) == 2


def test_memory_maps_are_read_by_blocks(tmp_path):
    x, u = made(200, 5, 2)
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=x.shape)
    mapped[:] = x
    np.testing.assert_array_equal(summarise(mapped, u, block=7).latents, summarise(x, u, block=7).latents)


def test_errors():
    x, u = made(5, 3, 2)
    x[3, 1] = np.nan
    with pytest.raises(UserError, match="found nan at frame 3, neuron 1"):
        summarise(x, u, block=2)
    with pytest.raises(UserError, match="expected activity"):
        contributions(x, u[:2])
    with pytest.raises(UserError, match="none empty"):
        summarise(np.empty((0, 3)), u)
    with pytest.raises(UserError, match="finite mean"):
        summarise(x[:2], u, np.zeros(2))
    with pytest.raises(UserError, match="at least one frame"):
        summarise(x[:2], u, block=0)
    with pytest.raises(UserError, match="at least one frame"):
        summarise_blocks([])
    with pytest.raises(UserError, match="finite values"):
        summarise_blocks([np.full((1, 1, 1), np.inf)])
    with pytest.raises(UserError, match="relative"):
        relative_contributions(np.zeros((2, 2, 1)), np.zeros((2, 2)))

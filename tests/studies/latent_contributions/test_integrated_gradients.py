"""Integrated gradients: completeness, linear encoders, kinks, windows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions.contributions import contributions
from calcium_latents.studies.latent_contributions.integrated_gradients import (
    contribution_blocks,
    integrated_gradients,
    windows,
)

RNG = np.random.default_rng(0)


def network(inputs, latents, activation, hidden=(16, 12), seed=0):
    torch.manual_seed(seed)
    layers, width = [], inputs
    for size in hidden:
        layers += [torch.nn.Linear(width, size), activation()]
        width = size
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, latents)).double().requires_grad_(False)


def change(encode, x, b):
    return (encode(torch.as_tensor(x)) - encode(torch.as_tensor(b))).numpy()


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(1, 5), features=st.integers(1, 5), latents=st.integers(1, 3), nodes=st.integers(1, 5))
def test_a_linear_encoder_gives_the_plain_contributions(samples, features, latents, nodes):
    rng = np.random.default_rng(features)
    x, b, u = rng.normal(size=(samples, features)), rng.normal(size=features), rng.normal(size=(features, latents))
    found = integrated_gradients(lambda t: t @ torch.as_tensor(u) + 7, x, b, nodes=nodes)
    np.testing.assert_allclose(found.contributions, contributions(x, u, b), atol=1e-12)
    assert found.error.max() < 1e-12 and found.pieces == samples


@pytest.mark.parametrize("activation", [torch.nn.Tanh, torch.nn.Softplus])
def test_completeness_of_smooth_encoders(activation):
    encode, x = network(10, 3, activation), RNG.normal(size=(25, 10))
    found = integrated_gradients(encode, x, np.zeros(10), tolerance=1e-9)
    np.testing.assert_allclose(found.contributions.sum(axis=1), change(encode, x, np.zeros((1, 10))), atol=1e-8)
    many = integrated_gradients(encode, x, np.zeros(10), nodes=40, tolerance=1e-3)
    np.testing.assert_allclose(found.contributions, many.contributions, atol=1e-8)


def test_a_closed_form():
    # z = x1 x2^2 from 0: the integral of x1 s^2 x2^2 is z / 3 for neuron 1, and 2 z / 3 for neuron 2
    x = RNG.normal(size=(6, 2))
    found = integrated_gradients(lambda t: t[:, :1] * t[:, 1:] ** 2, x, np.zeros(2), nodes=2, tolerance=1e-10)
    z = x[:, 0] * x[:, 1] ** 2
    np.testing.assert_allclose(found.contributions[:, :, 0], np.stack([z / 3, 2 * z / 3], axis=1), atol=1e-12)


def test_rectifiers_are_cut_at_their_kinks():
    encode, x = network(10, 3, torch.nn.ReLU), RNG.normal(size=(25, 10))
    found = integrated_gradients(encode, x, x.mean(axis=0), nodes=2, tolerance=1e-11)
    assert found.error.max() < 1e-10
    # dense Riemann sums along the path
    s = torch.linspace(0, 1, 20001, dtype=torch.float64)[:, None]
    b = torch.as_tensor(x.mean(axis=0))
    path = (b + (s[1:] + s[:-1]) / 2 * (torch.as_tensor(x[0]) - b)).requires_grad_(True)
    gradient = torch.autograd.grad(encode(path)[:, 1].sum(), path)[0].mean(0)
    np.testing.assert_allclose(found.contributions[0, :, 1], ((torch.as_tensor(x[0]) - b) * gradient), atol=1e-3)


def test_a_single_kink_takes_three_pieces():
    found = integrated_gradients(torch.relu, np.array([[1.0]]), np.array([-2.0]), nodes=3, tolerance=1e-12)
    assert found.pieces == 3 and found.contributions[0, 0, 0] == pytest.approx(1.0, abs=1e-12)


def test_jumps_are_reported_or_refused():
    def step(t):
        return (t > 0.3).double() + 0 * t

    with pytest.raises(UserError, match="miss the tolerance"):
        integrated_gradients(step, np.array([[1.0]]), np.zeros(1))
    found = integrated_gradients(step, np.array([[1.0]]), np.zeros(1), strict=False)
    assert found.error[0, 0] == pytest.approx(1.0)


def test_blocks_change_nothing_and_frames_of_a_window_add_up():
    activity = RNG.gamma(1.0, size=(30, 4))
    x, times = windows(activity, (-3, -2, -1, 0, 1, 2))
    np.testing.assert_array_equal(times, np.arange(3, 28))
    np.testing.assert_array_equal(x[5].reshape(6, 4), activity[5:11])
    encode = network(24, 2, torch.nn.Tanh)
    whole = integrated_gradients(encode, x, x.mean(axis=0), tolerance=1e-10)
    for block in (1, 7, 100):
        parts = list(contribution_blocks(encode, x, frames=6, block=block, tolerance=1e-10))
        joined = np.concatenate([part.contributions for part in parts])
        assert joined.shape == (25, 4, 2)
        np.testing.assert_allclose(joined, whole.contributions.reshape(25, 6, 4, 2).sum(axis=1), atol=1e-9)
    np.testing.assert_allclose(joined.sum(axis=1), change(encode, x, x.mean(axis=0)[None]), atol=1e-8)


def test_a_baseline_for_each_sample():
    encode, x = network(5, 2, torch.nn.Tanh), RNG.normal(size=(8, 5))
    found = integrated_gradients(encode, x[4:], x[:4], tolerance=1e-10)
    np.testing.assert_allclose(found.contributions.sum(axis=1), change(encode, x[4:], x[:4]), atol=1e-9)


def test_no_change_no_contributions():
    x = np.ones((3, 4))
    found = integrated_gradients(network(4, 2, torch.nn.ReLU), x, x[0])
    assert (found.contributions == 0).all() and (found.error == 0).all()


def test_errors():
    encode, x = network(4, 2, torch.nn.Tanh), np.ones((3, 4))
    with pytest.raises(UserError, match="finite"):
        integrated_gradients(encode, np.where(np.eye(3, 4) > 0, np.nan, x), x[0])
    with pytest.raises(UserError, match="baseline"):
        integrated_gradients(encode, x, np.zeros(3))
    with pytest.raises(UserError, match="divisor"):
        next(contribution_blocks(encode, x, frames=3))
    with pytest.raises(UserError, match="more than 5 frames"):
        windows(x, (-3, 2))

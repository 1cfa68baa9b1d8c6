"""Refined latents: exact where a closed form exists, never worse than their start, blind to what was not measured."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.models.traces.latent_inference import Posterior, refine_latents
from calcium_latents.seeds import generator


def normal(*shape, seed=1, dtype=torch.float64):
    return torch.as_tensor(generator(seed, "tests", "latent inference").normal(size=shape)).to(dtype)


def curved(weights, strength=0.5):
    """A decoder [..., latents] to [..., bins] that is not linear."""

    def decode(z):
        drive = z @ weights
        return drive + strength * torch.tanh(drive) * drive.cos()

    return decode


def objective(decode, x, z, prior_mean, precision, variance, observed=None):
    squares = (x - decode(z)).square()
    squares = squares if observed is None else torch.where(observed, squares, 0.0)
    return squares.sum(-1) / variance + (precision * (z - prior_mean).square()).sum(-1)


def ridge(x, weights, shift, prior_mean, precision, variance, observed):
    """Mean and standard deviation of the posterior of one trace under a linear decoder."""
    seen = weights[:, observed]
    covariance = torch.linalg.inv(seen @ seen.T / variance + torch.diag(precision))
    mean = covariance @ (seen @ (x - shift)[observed] / variance + precision * prior_mean)
    return mean, covariance.diagonal().sqrt()


@settings(max_examples=15, deadline=None)
@given(
    shape=st.sampled_from([(), (1,), (4,), (2, 3), (0,)]),
    latents=st.integers(1, 5),
    bins=st.integers(1, 12),
    variance=st.floats(1e-3, 10),
    own_prior=st.booleans(),
    seed=st.integers(0, 999),
)
def test_a_linear_decoder_gives_ridge_regression(shape, latents, bins, variance, own_prior, seed):
    weights, shift = normal(latents, bins, seed=seed), normal(bins, seed=seed + 1)
    x, start = normal(*shape, bins, seed=seed + 2), 5 * normal(*shape, latents, seed=seed + 3)
    prior_mean = normal(*(shape if own_prior else ()), latents, seed=seed + 4)
    precision = 0.1 + normal(latents, seed=seed + 5).abs()
    observed = normal(*shape, bins, seed=seed + 6) > -0.5
    found = refine_latents(lambda z: shift + z @ weights, x, start, prior_mean, precision, variance, observed, steps=25)
    assert found.mean.shape == found.sd.shape == (*shape, latents) and found.objective.shape == shape
    rows = (x.view(-1, bins), prior_mean.expand_as(start).reshape(-1, latents), observed.view(-1, bins))
    for row, (own_x, own_mean, own_observed) in enumerate(zip(*rows, strict=True)):
        mean, sd = ridge(own_x, weights, shift, own_mean, precision, variance, own_observed)
        torch.testing.assert_close(found.mean.view(-1, latents)[row], mean, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(found.sd.view(-1, latents)[row], sd, rtol=1e-8, atol=1e-10)


def test_single_precision_is_good_enough():
    """As in use: noise much smaller than the trace, so that the curvature is large."""
    weights, variance, precision = normal(8, 300), 0.02, torch.ones(8).double()
    weights[6:] *= 1e-2
    x, start = normal(20, 8) @ weights + variance**0.5 * normal(20, 300), torch.zeros(20, 8).double()
    arguments = x, start, torch.zeros(8).double(), precision
    found = refine_latents(lambda z: z @ weights.float(), *(a.float() for a in arguments), variance)
    everywhere = torch.ones(300, dtype=torch.bool)
    mean, sd = ridge(x[0], weights, torch.zeros(300), arguments[2], precision, variance, everywhere)
    torch.testing.assert_close(found.mean[0].double(), mean, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.sd[0].double(), sd, rtol=1e-3, atol=0)


def test_nothing_measured_leaves_the_prior():
    weights, precision = normal(3, 10), torch.tensor([1.0, 4.0, 0.25]).double()
    prior_mean, start = normal(5, 3, seed=2), normal(5, 3, seed=3)
    x = torch.full((5, 10), torch.nan).double()
    observed = torch.zeros(5, 10, dtype=torch.bool)
    found = refine_latents(curved(weights), x, start, prior_mean, precision, 0.1, observed, steps=25)
    torch.testing.assert_close(found.mean, prior_mean, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.sd, precision.rsqrt().expand(5, 3))
    torch.testing.assert_close(found.objective, torch.zeros(5).double(), rtol=0, atol=1e-12)


@settings(max_examples=15, deadline=None)
@given(
    latents=st.integers(1, 4),
    bins=st.integers(1, 20),
    variance=st.floats(1e-3, 10),
    strength=st.floats(0, 5),
    size=st.floats(0.1, 10),
    seed=st.integers(0, 999),
)
def test_the_objective_never_rises(latents, bins, variance, strength, size, seed):
    decode = curved(normal(latents, bins, seed=seed), strength)
    x, start = size * normal(6, bins, seed=seed + 1), size * normal(6, latents, seed=seed + 2)
    prior_mean, precision = normal(6, latents, seed=seed + 3), torch.full((latents,), 0.5).double()
    before = objective(decode, x, start, prior_mean, precision, variance)
    for steps in range(5):
        found = refine_latents(decode, x, start, prior_mean, precision, variance, steps=steps)
        if steps == 0:
            assert torch.equal(found.mean, start)
        stated = objective(decode, x, found.mean, prior_mean, precision, variance)
        torch.testing.assert_close(found.objective, stated, rtol=1e-9, atol=1e-9)
        assert (found.objective <= before).all()
        assert found.sd.isfinite().all() and (found.sd <= 0.5**-0.5 + 1e-9).all()
        before = found.objective


def test_it_ends_where_the_gradient_is_zero_and_more_steps_do_not_hurt():
    decode, variance = curved(normal(3, 40)), 0.05
    truth = normal(50, 3, seed=2)
    x = decode(truth) + variance**0.5 * normal(50, 40, seed=3)
    arguments = (
        decode,
        x,
        truth + 0.3 * normal(50, 3, seed=4),
        torch.zeros(3).double(),
        torch.ones(3).double(),
        variance,
    )
    few, many = (refine_latents(*arguments, steps=steps) for steps in (15, 200))
    assert (many.objective <= few.objective).all()
    torch.testing.assert_close(many.mean, few.mean, rtol=0, atol=1e-6)
    z = few.mean.clone().requires_grad_()
    objective(decode, x, z, *arguments[3:]).sum().backward()
    scale = few.sd.reciprocal()  # the gradient one posterior standard deviation away
    assert (z.grad.abs() < 1e-4 * scale).all()
    error = ((few.mean - truth) / few.sd).square().mean()
    assert 0.7 < float(error) < 1.3  # Laplace's standard deviations are those of the errors


@pytest.mark.parametrize("garbage", [1e6, np.nan, np.inf, -np.inf])
def test_unobserved_bins_do_not_matter(garbage):
    decode, observed = curved(normal(3, 20)), normal(7, 20, seed=5) > 0
    x, start = normal(7, 20, seed=2), torch.zeros(7, 3).double()
    rest = torch.zeros(3).double(), torch.ones(3).double(), 0.1, observed
    clean = refine_latents(decode, torch.where(observed, x, 0.0), start, *rest)
    spoilt = refine_latents(decode, torch.where(observed, x, garbage), start, *rest)
    for one, other in zip(vars(clean).values(), vars(spoilt).values(), strict=True):
        assert torch.equal(one, other)
    assert clean.mean.isfinite().all()
    # one mask for all traces, as for traces that end early
    shared = torch.arange(20) < 12
    early = refine_latents(decode, torch.where(shared, x, garbage), start, *rest[:3], shared)
    cut = refine_latents(lambda z: decode(z)[..., :12], x[:, :12], start, *rest[:3])
    torch.testing.assert_close(early.mean, cut.mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(early.sd, cut.sd, rtol=1e-9, atol=1e-9)


def test_turning_the_latents_turns_the_answer():
    weights, rotation = normal(3, 30), torch.linalg.qr(normal(3, 3, seed=9))[0]
    decode = curved(weights, 0.3)
    truth = normal(20, 3, seed=2)
    x, start = decode(truth) + 0.1 * normal(20, 30, seed=3), truth + 0.2 * normal(20, 3, seed=4)
    rest = torch.zeros(3).double(), torch.ones(3).double(), 0.01
    plain = refine_latents(decode, x, start, *rest, steps=40)
    turned = refine_latents(lambda z: decode(z @ rotation.T), x, start @ rotation, *rest, steps=40)
    torch.testing.assert_close(turned.mean, plain.mean @ rotation, rtol=0, atol=1e-7)
    torch.testing.assert_close(turned.objective, plain.objective, rtol=1e-9, atol=1e-9)
    # the same with bins in another order
    order = torch.as_tensor(generator(1, "order").permutation(30))
    shuffled = refine_latents(lambda z: decode(z)[:, order], x[:, order], start, *rest, steps=40)
    torch.testing.assert_close(shuffled.mean, plain.mean, rtol=0, atol=1e-7)


def test_a_trace_does_not_depend_on_its_company():
    decode = curved(normal(3, 20))
    x, start = normal(6, 20, seed=2), normal(6, 3, seed=3)
    rest = torch.zeros(3).double(), torch.ones(3).double(), 0.1
    whole = refine_latents(decode, x, start, *rest)
    for row in range(6):
        alone = refine_latents(decode, x[row : row + 1], start[row : row + 1], *rest)
        torch.testing.assert_close(alone.mean[0], whole.mean[row], rtol=0, atol=1e-9)
    # nor on a trace that is not finite
    x[4] = torch.nan
    spoilt = refine_latents(decode, x, start, *rest)
    kept = torch.arange(6) != 4
    torch.testing.assert_close(spoilt.mean[kept], whole.mean[kept], rtol=0, atol=1e-9)
    torch.testing.assert_close(spoilt.sd[kept], whole.sd[kept], rtol=0, atol=1e-9)


def test_directions_that_a_trace_says_nothing_of_keep_the_prior():
    """Single precision, hardly any noise, a latent without effect, and two that do the same."""
    weights = normal(4, 50, dtype=torch.float32)
    weights[1], weights[3] = 0.0, weights[2]
    x, start = normal(5, 4, seed=2, dtype=torch.float32) @ weights, normal(5, 4, seed=3, dtype=torch.float32)
    found = refine_latents(lambda z: z @ weights, x, start, torch.zeros(4), torch.ones(4), 1e-9, steps=40)
    assert all(value.isfinite().all() for value in vars(found).values())
    torch.testing.assert_close(found.mean[:, 1], torch.zeros(5), rtol=0, atol=1e-4)
    torch.testing.assert_close(found.sd[:, 1], torch.ones(5))
    torch.testing.assert_close(found.sd[:, 2:], torch.full((5, 2), 0.5**0.5), rtol=1e-3, atol=0)
    torch.testing.assert_close(found.mean @ weights, x, rtol=0, atol=1e-3)
    # a direction without any prior is no reason to stop
    free = refine_latents(lambda z: z @ weights[:2], x, start[:, :2], torch.zeros(2), torch.tensor([1.0, 1e-30]), 1.0)
    assert torch.isfinite(free.mean).all()


def test_it_runs_where_gradients_are_off():
    decode = curved(normal(3, 20))
    arguments = decode, normal(6, 20), normal(6, 3), torch.zeros(3).double(), torch.ones(3).double(), 0.1
    with torch.no_grad():
        quiet = refine_latents(*arguments)
    assert isinstance(quiet, Posterior) and not quiet.mean.requires_grad
    assert torch.equal(quiet.mean, refine_latents(*arguments).mean)

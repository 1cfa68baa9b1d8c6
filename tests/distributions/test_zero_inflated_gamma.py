"""The zero-inflated gamma distribution against SciPy, its gradients, and its edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calcium_latents.distributions.zero_inflated_gamma import ZeroInflatedGamma

POSITIVE = st.floats(0.05, 20.0)


@given(q=st.floats(0.01, 0.99), shape=POSITIVE, scale=POSITIVE, excess=st.floats(1e-3, 50.0))
@settings(max_examples=100, deadline=None)
def test_log_prob_is_scipys(q, shape, scale, excess):
    arguments = [torch.tensor(v, dtype=torch.float64) for v in (q, shape, scale)]
    distribution = ZeroInflatedGamma(*arguments, location=0.1)
    got = distribution.log_prob(torch.tensor([0.0, 0.1 + excess], dtype=torch.float64)).numpy()
    event = np.log(q) + stats.gamma.logpdf(0.1 + excess, shape, loc=0.1, scale=scale)
    np.testing.assert_allclose(got, [np.log1p(-q), event], rtol=1e-9, atol=1e-9)


def test_density_integrates_to_event_probability():
    distribution = ZeroInflatedGamma(torch.tensor(0.3, dtype=torch.float64), 2.0, 0.5, 0.1)
    x = torch.linspace(0.1 + 1e-6, 20, 400_001, dtype=torch.float64)
    assert torch.trapezoid(distribution.log_prob(x).exp(), x).item() == pytest.approx(0.3, abs=1e-6)


def test_moments_are_those_of_samples():
    torch.manual_seed(0)
    distribution = ZeroInflatedGamma(torch.tensor([0.05, 0.6]), torch.tensor([0.7, 3.0]), torch.tensor([2.0, 0.2]), 0.1)
    samples = distribution.sample((200_000,))
    error = (samples.var(0) / 200_000).sqrt()
    assert ((samples.mean(0) - distribution.mean).abs() < 5 * error).all()
    np.testing.assert_allclose(samples.var(0), distribution.variance, rtol=0.05)
    assert ((samples == 0) | (samples >= 0.1)).all()


def test_gradients_over_the_support():
    value = torch.tensor([0.0, 0.1 + 1e-3, 0.3, 5.0, 0.0], dtype=torch.float64)
    arguments = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([0.2] * 5, [0.6] * 5, [1.3] * 5)]
    assert torch.autograd.gradcheck(lambda q, k, a: ZeroInflatedGamma(q, k, a, 0.1).log_prob(value), arguments)


@pytest.mark.parametrize("q", [1e-5, 0.5, 1 - 1e-5])
@pytest.mark.parametrize("shape", [1e-5, 1.0, 20.0])
@pytest.mark.parametrize("scale", [1e-5, 1.0, 20.0])
def test_finite_at_zero_at_the_location_and_for_saturated_parameters(q, shape, scale):
    arguments = [torch.tensor(v, requires_grad=True) for v in (q, shape, scale)]
    value = torch.tensor([0.0, 0.1, 0.1 + 1e-7, 30.0])
    result = ZeroInflatedGamma(*arguments, location=0.1).log_prob(value)
    result.sum().backward()
    assert torch.isfinite(result).all()
    assert all(torch.isfinite(a.grad) for a in arguments)


def test_values_below_the_location_are_outside():
    inside = torch.tensor(0.05)
    assert ZeroInflatedGamma(0.5, 1.0, 1.0, 0.1, validate_args=False).log_prob(inside) == -torch.inf
    with pytest.raises(ValueError, match="outside the support"):
        ZeroInflatedGamma(torch.tensor(0.5), 1.0, 1.0, 0.1, validate_args=True).log_prob(inside)

"""Divergences against closed forms and Monte Carlo."""

import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from calcium_latents.models.lfads import priors


def test_initial_condition_divergence_is_torchs():
    torch.manual_seed(0)
    mean, variance, prior = torch.randn(2, 5, 3), torch.rand(2, 5, 3) + 0.1, torch.randn(2, 3)
    expected = kl_divergence(Normal(mean, variance.sqrt()), Normal(prior[:, None], 0.1**0.5)).sum(-1).mean(-1)
    got = priors.initial_condition_divergence(mean, variance, prior, 0.1)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_autoregressive_density_is_that_of_the_stationary_process():
    steps, tau, noise = 6, 10.0, 0.3
    phi = torch.exp(torch.tensor(-1 / tau, dtype=torch.float64))
    lag = (torch.arange(steps)[:, None] - torch.arange(steps)).abs()
    covariance = noise / (1 - phi**2) * phi**lag
    value = torch.randn(steps, 1, 4, 1, dtype=torch.float64)
    expected = MultivariateNormal(torch.zeros(steps, dtype=torch.float64), covariance).log_prob(value[:, 0, :, 0].T)
    log = [torch.tensor([[v]], dtype=torch.float64).log() for v in (tau, noise)]
    torch.testing.assert_close(priors.autoregressive_log_density(value, *log)[0], expected)


def test_inferred_input_divergence_vanishes_for_the_prior_itself():
    """A white posterior equal to a white prior (tau near 0) has no divergence, draw by draw."""
    posterior = torch.cat([torch.zeros(7, 1, 3, 2), torch.full((7, 1, 3, 2), 0.2).log()], dim=-1)
    noise = torch.randn(7, 1, 3, 2)
    log_tau, log_noise = torch.full((1, 2), 1e-3).log(), torch.full((1, 2), 0.2).log()
    divergence = priors.inferred_input_divergence(posterior, noise, log_tau, log_noise)
    torch.testing.assert_close(divergence, torch.zeros(1), rtol=0, atol=1e-4)


def test_inferred_input_divergence_and_its_gradient():
    torch.manual_seed(0)
    posterior, noise = torch.randn(6, 2, 3, 4, dtype=torch.float64), torch.randn(6, 2, 3, 2, dtype=torch.float64)
    log_tau, log_noise = torch.randn(2, 2, 2, dtype=torch.float64).unbind(0)
    mean, log_variance = posterior.chunk(2, dim=-1)
    density = Normal(mean, torch.exp(0.5 * log_variance))
    value = mean + density.scale * noise
    of_prior = priors.autoregressive_log_density(value, log_tau, log_noise)
    expected = (density.log_prob(value).sum((0, 3)) - of_prior).mean(-1)
    torch.testing.assert_close(priors.inferred_input_divergence(posterior, noise, log_tau, log_noise), expected)
    inputs = [x.requires_grad_() for x in (posterior, log_tau, log_noise)]
    assert torch.autograd.gradcheck(lambda q, *log: priors.inferred_input_divergence(q, noise, *log), inputs)

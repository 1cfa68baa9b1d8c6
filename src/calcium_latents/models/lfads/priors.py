"""Kullback-Leibler terms of the initial condition and the inferred inputs (Zhu 2022, Methods)."""

import math

import torch
from torch import Tensor


def initial_condition_divergence(mean: Tensor, variance: Tensor, prior_mean: Tensor, prior_variance: float) -> Tensor:
    """KL of N(mean, variance) from N(prior_mean, prior_variance), summed over dimensions, mean over trials.

    Args:
        mean: `[P, B, I]`.
        variance: `[P, B, I]`.
        prior_mean: `[P, I]`.
        prior_variance: scalar.

    Returns:
        `[P]`.
    """
    ratio = variance / prior_variance
    distance = (mean - prior_mean[:, None]) ** 2 / prior_variance
    return 0.5 * (ratio - torch.log(ratio) + distance - 1).sum(-1).mean(-1)


def normal_log_density(value: Tensor, mean: Tensor | float, log_variance: Tensor) -> Tensor:
    """Log density of a normal distribution, elementwise: arguments and result are of the same shape."""
    return -0.5 * (math.log(2 * math.pi) + log_variance + (value - mean) ** 2 * torch.exp(-log_variance))


def autoregressive_log_density(value: Tensor, log_time_constant: Tensor, log_noise_variance: Tensor) -> Tensor:
    """Log density of sequences under independent zero-mean AR(1) processes, summed over time and dimensions.

        phi = exp(-1 / tau),   u_0 ~ N(0, s^2 / (1 - phi^2)),   u_t ~ N(phi u_{t-1}, s^2)

    Args:
        value: `[T, P, B, U]`.
        log_time_constant: `[P, U]`, log tau in bins.
        log_noise_variance: `[P, U]`, log s^2.

    Returns:
        `[P, B]`.
    """
    phi = torch.exp(-torch.exp(-log_time_constant))[:, None]
    noise = log_noise_variance[:, None]
    first = normal_log_density(value[0], 0.0, noise - torch.log1p(-(phi**2)))
    rest = normal_log_density(value[1:], phi * value[:-1], noise)
    return (first + rest.sum(0)).sum(-1)


def inferred_input_divergence(
    posterior: Tensor, noise: Tensor, log_time_constant: Tensor, log_noise_variance: Tensor
) -> Tensor:
    """One-sample estimate of KL(q(u) || AR(1) prior), summed over time and dimensions, mean over trials.

    Args:
        posterior: `[T, P, B, 2 U]`, means then log variances.
        noise: `[T, P, B, U]`, a fresh standard normal draw.
        log_time_constant: `[P, U]`.
        log_noise_variance: `[P, U]`.

    Returns:
        `[P]`.
    """
    mean, log_variance = posterior.chunk(2, dim=-1)
    value = mean + torch.exp(0.5 * log_variance) * noise
    log_posterior = -0.5 * (math.log(2 * math.pi) + log_variance + noise**2).sum((0, 3))
    return (log_posterior - autoregressive_log_density(value, log_time_constant, log_noise_variance)).mean(-1)

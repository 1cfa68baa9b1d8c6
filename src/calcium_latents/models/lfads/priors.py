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
        `[P]`, with a gradient formed on the way: a small part of a step's arithmetic, but many small operations.
    """
    return _InferredInputDivergence.apply(posterior, noise, log_time_constant, log_noise_variance)


class _InferredInputDivergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx, posterior, noise, log_time_constant, log_noise_variance):
        mean, log_variance = posterior.chunk(2, dim=-1)
        spread = torch.exp(0.5 * log_variance) * noise
        value = mean + spread
        decay = torch.exp(-log_time_constant)
        phi = torch.exp(-decay)[:, None]
        stationary = -torch.expm1(-2 * decay)[:, None]  # 1 - phi^2
        # residuals under the prior, each over its variance; the first value's is that of the stationary process
        scaled = torch.addcmul(value, torch.cat([torch.zeros_like(value[:1]), value[:-1]]), phi, value=-1)
        residual = scaled.clone()
        scaled.mul_(torch.exp(-log_noise_variance)[:, None])
        scaled[0].mul_(stationary)
        excess = (residual * scaled).sum(2)  # [T, P, U], over trials
        trials, total = noise.shape[2], excess.sum(0)
        log_prior = len(value) * log_noise_variance - torch.log(stationary)[:, 0]
        terms = log_prior - (log_variance + noise**2).sum((0, 2)) / trials + total / trials
        # d / d u_t: the residual at t, and the next one through its mean
        to_value = scaled.clone()
        to_value[:-1].addcmul_(scaled[1:], phi, value=-1)
        to_noise = 0.5 * (len(value) - total / trials)
        to_phi = phi[:, 0] / stationary[:, 0] * (1 - excess[0] / trials)
        to_phi = to_phi - (scaled[1:] * value[:-1]).sum((0, 2)) / trials
        to_variance = 0.5 * torch.addcmul(to_value.new_tensor(-1.0), to_value, spread)
        ctx.gradients = (
            torch.cat([to_value, to_variance], dim=-1) / trials,
            to_phi * phi[:, 0] * decay,
            to_noise,
        )
        return 0.5 * terms.sum(-1)

    @staticmethod
    def backward(ctx, grad):
        posterior, time_constant, noise_variance = ctx.gradients
        by_member = grad[:, None]
        return posterior * by_member[..., None], None, time_constant * by_member, noise_variance * by_member

"""Posterior of latents by optimisation: the latents that explain a trace best under the prior, and how sure they are.

Minimises, for each trace on its own,

    sum over observed bins of (x - d(z))^2 / variance + sum over latents of precision (z - prior mean)^2

by Levenberg-Marquardt steps; the posterior's covariance is the inverse of half the objective's Gauss-Newton curvature
(Laplace's approximation).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jvp, vmap

DAMPING = 1e-2  # of the first step, relative to the curvature's diagonal
MOST_DAMPING = 1e6


@dataclass(frozen=True)
class Posterior:
    """Latents `mean` and `sd` `[..., latents]`, and the `objective` `[...]` at the mean."""

    mean: Tensor
    sd: Tensor
    objective: Tensor


def refine_latents(
    decode: Callable[[Tensor], Tensor],
    x: Tensor,
    start: Tensor,
    prior_mean: Tensor,
    precision: Tensor,
    variance: float,
    observed: Tensor | None = None,
    steps: int = 15,
    smallest_gain: float = 0.0,
) -> Posterior:
    """Refine latents `start` `[..., latents]` of traces `x` `[..., bins]`; the objective never rises.

    Args:
        decode: latents `[..., latents]` to traces `[..., bins]`, each trace from its own latents alone.
        prior_mean: `[..., latents]` or `[latents]`.
        precision: of the prior, `[latents]`, above 0.
        variance: of the residual of a bin.
        observed: `[..., bins]`, true where a bin was measured; None: everywhere.
        steps: Levenberg-Marquardt steps, at most.
        smallest_gain: a trace whose objective falls by a smaller part of itself in a step has arrived.
    """
    seen = torch.ones_like(x) if observed is None else observed.to(x).expand_as(x)
    x = torch.where(seen > 0, x, 0.0)
    prior_mean, z = prior_mean.expand_as(start), start.clone()

    def evaluate(z: Tensor, some: Tensor) -> tuple[Tensor, Tensor]:
        residual = (x[some] - decode(z)) * seen[some]
        prior = (precision * (z - prior_mean[some]).square()).sum(-1)
        return residual, residual.square().sum(-1) / variance + prior

    moving = torch.ones(z.shape[:-1], dtype=torch.bool, device=z.device)
    objective = evaluate(z[moving], moving)[1].view(z.shape[:-1])
    damping = torch.full_like(objective, DAMPING)
    for _ in range(steps):
        if not moving.any():
            break
        present = z[moving]
        residual, before = evaluate(present, moving)
        jacobian = _jacobian(decode, present) * seen[moving].unsqueeze(-2)
        gradient = (jacobian @ residual.unsqueeze(-1)).squeeze(-1) / variance
        gradient = gradient - precision * (present - prior_mean[moving])
        curvature = jacobian @ jacobian.mT / variance + torch.diag_embed(precision.expand_as(present))
        diagonal = curvature.diagonal(dim1=-2, dim2=-1)
        damped = curvature + torch.diag_embed(damping[moving].unsqueeze(-1) * diagonal)
        # no error of one trace may stop the others: what a singular matrix gives is not better, and damping grows
        proposal = present + torch.linalg.solve_ex(damped, gradient).result
        after = evaluate(proposal, moving)[1]
        better = after < before
        z[moving] = torch.where(better.unsqueeze(-1), proposal, present)
        objective[moving] = torch.where(better, after, before)
        damping[moving] = torch.where(better, damping[moving] / 5, (damping[moving] * 5).clamp_max(MOST_DAMPING))
        moving[moving.clone()] = ~better | (before - after > smallest_gain * before)
    # in double precision: noise may be so small that the prior's part would be lost
    jacobian = (_jacobian(decode, z) * seen.unsqueeze(-2)).double()
    curvature = jacobian @ jacobian.mT / variance + torch.diag_embed(precision.double().expand_as(z))
    variances = torch.linalg.inv(curvature).diagonal(dim1=-2, dim2=-1)
    return Posterior(z, variances.clamp_min(0).sqrt().to(z), objective)


def _jacobian(decode: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Derivatives of the trace by each latent, `[..., latents, bins]`, by forward differentiation."""
    directions = torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
    columns = vmap(lambda direction: jvp(decode, (z,), (direction.expand_as(z),))[1])(directions)
    return columns.movedim(0, -2)

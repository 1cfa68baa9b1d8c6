"""Momentum whose singular values are made equal, for weights that are matrices; Adam for the rest."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# x -> a x + b x^3 + c x^5, iterated, sends singular values in (0, 1] near 1 (Jordan et al. 2024, "Muon")
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
SMALLEST = 1e-7


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return about the orthogonal factor U V^T of `matrix` [n, m] = U S V^T: singular values from about 0.7 to 1.2.

    Singular values below some 1e-3 of the root of the sum of squares stay smaller.
    """
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + SMALLEST)
    for _ in range(ITERATIONS):
        squared = x @ x.T
        x = a * x + (b * squared + c * squared @ squared) @ x
    return x.T if tall else x


class OrthogonalMomentum(Optimizer):
    """Steps along orthogonalised momentum (Jordan et al. 2024) for groups with `orthogonal`, Adam's for the others.

    All inputs of a layer learn at one pace, however much their gradients differ: the twin's core reaches in a third of
    the steps where Adam gets it.

    Args:
        groups: mappings with `params` and, for weights [..., inputs, outputs] (all but the last axis are inputs),
            `orthogonal=True`.
        learning_rate: of all groups; a group's `lr` may be changed between steps.
        betas: Adam's decay rates.
        momentum: decay rate of the momentum.
        epsilon: Adam's.
    """

    def __init__(
        self,
        groups: Iterable[Mapping[str, Any]],
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        momentum: float = 0.95,
        epsilon: float = 1e-8,
    ):
        defaults = {"lr": learning_rate, "betas": betas, "momentum": momentum, "epsilon": epsilon, "orthogonal": False}
        super().__init__([dict(group) for group in groups], defaults)

    @torch.no_grad()
    def step(self, closure=None) -> None:  # pyrefly: ignore[bad-override]  # no loss is returned
        """Update all parameters that have a gradient."""
        if closure is not None:
            with torch.enable_grad():
                closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if group["orthogonal"]:
                    parameter.sub_(self._orthogonal(state, parameter.grad, group["momentum"]), alpha=group["lr"])
                else:
                    parameter.sub_(self._adam(state, parameter.grad, group), alpha=group["lr"])

    @staticmethod
    def _orthogonal(state: dict, gradient: Tensor, momentum: float) -> Tensor:
        if not state:
            state["mean"] = torch.zeros_like(gradient)
        state["mean"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(state["mean"], momentum).flatten(0, -2)  # Nesterov's
        # a step changes the outputs as much whatever the number of inputs
        growth = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
        return growth * orthogonalise(ahead).view_as(gradient)

    @staticmethod
    def _adam(state: dict, gradient: Tensor, group: dict) -> Tensor:
        if not state:
            state.update(step=0, mean=torch.zeros_like(gradient), square=torch.zeros_like(gradient))
        first, second = group["betas"]
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (state["square"] / (1 - second ** state["step"])).sqrt_().add_(group["epsilon"])
        return state["mean"] / root / (1 - first ** state["step"])

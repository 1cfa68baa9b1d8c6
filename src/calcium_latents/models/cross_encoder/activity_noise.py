"""Noise added to source activity in training (appendix G.2): shot-like, additive, multiplicative; and shared."""

from dataclasses import dataclass

import torch
from torch import Tensor

from calcium_latents.errors import UserError


@dataclass(frozen=True)
class ActivityNoise:
    """Variances of the three kinds of noise, relative to activity of unit variance.

    Attributes:
        shot: variance over activity: zero-mean, variance `shot` times the activity.
        additive: variance of additive noise.
        multiplicative: variance of factors with mean 1, one for each neuron and sample.
        shared: variance of factors with mean 1 that all neurons of a sample share (published: none): a population's
            gain wanders, and latents should not follow it.
        copies: noisy copies of the training set beside the original (published: 3), drawn once; 0: noise is drawn
            afresh at every step.
    """

    shot: float = 0.05
    additive: float = 0.05
    multiplicative: float = 0.05
    shared: float = 0.0
    copies: int = 3

    def __post_init__(self):
        for name in ("shot", "additive", "multiplicative", "shared", "copies"):
            if getattr(self, name) < 0:
                raise UserError(f"training.noise.{name}: expected 0 or more, found {getattr(self, name)}.")

    def add(self, activity: Tensor, random: torch.Generator) -> Tensor:
        """Return noisy activity `[n, A]` of `activity` `[n, A]`: shot, then additive, then multiplicative."""

        def normal() -> Tensor:
            return torch.randn(activity.shape, generator=random, device=activity.device)

        noisy = activity + normal() * (self.shot * activity.clamp_min(0)).sqrt()
        noisy = noisy + normal() * self.additive**0.5
        noisy = noisy * (1 + normal() * self.multiplicative**0.5)
        if self.shared:
            gain = torch.randn(len(activity), 1, generator=random, device=activity.device)
            noisy = noisy * (1 + gain * self.shared**0.5)
        return noisy

    def training_set(self, activity: Tensor, random: torch.Generator) -> Tensor:
        """Return activity `[n, A]` followed by its noisy copies, `[(copies + 1) n, A]`."""
        return torch.cat([activity, *(self.add(activity, random) for _ in range(self.copies))])

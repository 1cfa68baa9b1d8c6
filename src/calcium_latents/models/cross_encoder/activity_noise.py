"""Noise added to source activity in training (appendix G.2): shot-like, additive, multiplicative; and shared."""

import torch
from torch import Tensor

from calcium_latents.models.cross_encoder.parameters import NoiseVariances


def add_noise(activity: Tensor, noise: NoiseVariances, random: torch.Generator) -> Tensor:
    """Return noisy activity `[n, A]` of `activity` `[n, A]`: shot, then additive, then multiplicative."""

    def normal() -> Tensor:
        return torch.randn(activity.shape, generator=random, device=activity.device)

    noisy = activity + normal() * (noise.shot * activity.clamp_min(0)).sqrt()
    noisy = noisy + normal() * noise.additive**0.5
    noisy = noisy * (1 + normal() * noise.multiplicative**0.5)
    if noise.shared:
        gain = torch.randn(len(activity), 1, generator=random, device=activity.device)
        noisy = noisy * (1 + gain * noise.shared**0.5)
    return noisy


def noisy_training_set(activity: Tensor, noise: NoiseVariances, random: torch.Generator) -> Tensor:
    """Return activity `[n, A]` followed by its noisy copies, `[(copies + 1) n, A]`."""
    return torch.cat([activity, *(add_noise(activity, noise, random) for _ in range(noise.copies))])

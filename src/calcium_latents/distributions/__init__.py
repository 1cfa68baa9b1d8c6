"""Observation distributions, in the manner of `torch.distributions`."""

from calcium_latents.distributions.zero_inflated_gamma import ZeroInflatedGamma

__all__ = ["ZeroInflatedGamma"]

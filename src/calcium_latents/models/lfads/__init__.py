"""Latent factor analysis via dynamical systems, with a leading population axis on every parameter."""

from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.sizes import LFADSSizes

__all__ = ["LFADS", "LFADSSizes"]

"""Latent factor analysis via dynamical systems, with a leading population axis on every parameter."""

from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.sizes import LFADSSizes
from calcium_latents.models.streams import Streams

__all__ = ["LFADS", "LFADSSizes", "Streams"]

"""Latent structure in calcium imaging: simulation, models and figures of five works, and your own recording."""

__version__ = "0.1.0"

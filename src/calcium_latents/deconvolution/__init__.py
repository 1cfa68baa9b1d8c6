"""Deconvolution: from fluorescence to events, one method a file behind `deconvolve`."""

from calcium_latents.deconvolution.interface import METHODS, deconvolve

__all__ = ["METHODS", "deconvolve"]

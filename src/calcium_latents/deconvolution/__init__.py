"""Deconvolution: from fluorescence to events, one method a file behind `interface.deconvolve`."""

"""Closed forms of the solvable network: latent dynamics, correlations, spectra, and its Gaussian process.

Pure functions of NumPy arrays. Simulations of the same systems are in `calcium_latents.simulation`.
"""

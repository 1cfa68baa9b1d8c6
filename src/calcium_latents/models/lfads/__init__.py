"""Latent factor analysis via dynamical systems, with a leading population axis on every parameter."""

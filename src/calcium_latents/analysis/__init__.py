"""Pure functions from arrays to tidy tables.

Latent recovery, statistics, convergence, held-out scores, claims.
"""

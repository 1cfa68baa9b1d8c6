"""Poisson regression on pixels."""

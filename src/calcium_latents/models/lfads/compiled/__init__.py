"""Loops over time compiled by Numba, equal to the plain ones in value and gradient."""

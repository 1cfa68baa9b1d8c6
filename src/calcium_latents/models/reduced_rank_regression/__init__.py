"""Reduced-rank regression in closed form."""

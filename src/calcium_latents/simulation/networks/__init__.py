"""Recurrent networks whose dynamics are known: rings, low-rank networks, attractors."""

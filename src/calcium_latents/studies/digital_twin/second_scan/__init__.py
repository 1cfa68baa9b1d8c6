"""A second scan with Gabors chosen in silico."""

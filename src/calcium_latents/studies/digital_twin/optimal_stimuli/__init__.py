"""Stimuli that drive neurons best: Gabors, differences of Gaussians, most exciting images."""

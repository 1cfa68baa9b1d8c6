"""Observation distributions, in the manner of `torch.distributions`; `excess` needs no torch."""

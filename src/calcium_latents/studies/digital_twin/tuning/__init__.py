"""Tuning in silico: experiments, indices, and how properties of neurons combine."""

"""Populations whose responses are a nonlinear function of few latents."""

"""Populations driven by Lorenz systems, through an indicator and a laser scan."""

"""Sizes and fixed constants of the LFADS family."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LFADSSizes:
    """Sizes of the networks; the defaults are the paper's (Zhu 2022, Methods, architecture and training).

    Attributes:
        neurons: number of neurons N in the data.
        encoder: units of each direction of both encoders (64).
        controller: units of the controller (64).
        generator: units of the generator (100).
        initial_condition: dimension of the initial condition (64).
        inferred_inputs: dimension of the inferred input u(t) (2).
        factors: number of factors (100).
        initial_condition_prior_variance: fixed prior variance (0.1).
        posterior_variance_minimum: floor of the initial condition's posterior variance (1e-4).
        autoregressive_time_constant: initial tau of the inferred inputs' prior, in bins (10).
        autoregressive_noise_variance: initial noise variance of that prior (0.1).
        state_clip: bound on the generator's state (5).
    """

    neurons: int
    encoder: int = 64
    controller: int = 64
    generator: int = 100
    initial_condition: int = 64
    inferred_inputs: int = 2
    factors: int = 100
    initial_condition_prior_variance: float = 0.1
    posterior_variance_minimum: float = 1e-4
    autoregressive_time_constant: float = 10.0
    autoregressive_noise_variance: float = 0.1
    state_clip: float = 5.0

"""Sizes of the study of the solvable network."""

from typing import Annotated, ClassVar

from pydantic import Field

from calcium_latents.parameter_section import DIFFERENT, Count, Counts, NotNegative, Numeric, ParameterSection, Rule

AtLeastEight = Annotated[int, Numeric(whole=True), Field(ge=8)]
SeveralSizes = Annotated[tuple[AtLeastEight, ...], Field(min_length=1), DIFFERENT]
Dimensions = Annotated[tuple[Annotated[int, Numeric(whole=True), Field(ge=2)], ...], Field(min_length=1), DIFFERENT]
AtLeastForty = Annotated[int, Numeric(whole=True), Field(ge=40)]


class SolvableNetworkParameters(ParameterSection):
    """Sizes of the study; the appendix gives none of its simulations: these are ours, for the scale paper."""

    SECTION: ClassVar[str] = "solvable_network"

    neurons: AtLeastEight = 1000
    """Of the ring network in the figure."""
    network_sizes: SeveralSizes = (
        16,
        32,
        64,
        128,
        256,
        512,
        1024,
        2048,
    )
    """Numbers of neurons at which the period is measured (each even or odd)."""
    random_networks: Count = 40
    """Networks with random angles at each size."""
    dimensions: Annotated[
        tuple[Annotated[int, Numeric(whole=True), Field(ge=2)], ...], Field(min_length=1), DIFFERENT
    ] = (
        2,
        3,
        4,
        5,
    )
    """d of the random-feature spectra."""
    exponents: Annotated[tuple[NotNegative, ...], Field(min_length=1), DIFFERENT] = (0, 1, 2)
    """p of the random-feature spectra."""
    features: AtLeastForty = 2000
    """N of the simulated activity."""
    samples: AtLeastForty = 2000
    """T of the simulated activity."""
    replicates: Count = 5
    """Activity matrices for each d and p."""
    readout_neurons: Count = 4000
    """M of the readouts that approach the Gaussian process."""
    readout_sizes: Annotated[Counts, DIFFERENT] = (1, 4, 16, 64)
    """Smaller M, to show the approach."""
    draws: Count = 4000
    """Readouts of each size."""
    phases: Annotated[Count, Rule("even", lambda value: value % 2 == 0)] = 64
    """On which readouts are evaluated."""
    low_rank_sizes: Annotated[Counts, DIFFERENT] = (1000, 4000, 16000)
    """Numbers of neurons of the low-rank networks."""
    low_rank_networks: Count = 3
    """Networks of each size."""

"""Parameters of the benchmark of neurons' roles."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    DIFFERENT,
    Count,
    Fault,
    NotNegative,
    Number,
    Numbers,
    ParameterSection,
    Rule,
    WrongFieldsError,
)
from calcium_latents.simulation.lorenz.delayed_lorenz_parameters import DelayedLorenzParameters
from calcium_latents.simulation.networks.attractor_network_parameters import AttractorNetworkParameters

NETWORK = AttractorNetworkParameters.model_fields
VARIED = Rule("of fields of AttractorNetworkParameters", lambda values: set(values) <= set(NETWORK))
Lags = Annotated[tuple[Number, ...], Field(min_length=1)]


class RolesBenchmarkParameters(ParameterSection):
    """Simulated networks in which roles are known, and how roles are looked for."""

    SECTION: ClassVar[str] = "roles benchmark"

    networks: Count = 8
    """Networks of each level of transitions."""
    latents: Count = 3
    """Principal components (of p patterns: p - 1, where the spectrum drops)."""
    span_s: NotNegative = 2.0
    """Of `transitions.detect_transitions`, s."""
    false_positives: NotNegative = 0.5
    """Of `transitions.detect_transitions`."""
    smallest_distance: NotNegative = 0.5
    """Detected transitions shorter than this part of the distances' 90 % quantile are left out (moves within a
    state)."""
    matching_s: NotNegative = 1.0
    """A detection within this time of a true transition has found it, s."""
    lags_s: Lags = (0.3, 0.6, 1.0)
    """Of influence, s."""
    attractor_network: AttractorNetworkParameters = AttractorNetworkParameters()
    """Of the networks with transitions."""
    difficulties: Annotated[dict[str, Annotated[Numbers, DIFFERENT]], VARIED] = {
        "observation_noise": (1.0, 2.0, 3.0, 4.0),
        "pulse_strength": (1.25,),
        "lead_jitter_s": (1.2,),
    }
    """Parameter of the network -> values, one changed at a time."""
    delay_networks: Count = 6
    """Networks of each level of delays."""
    delay_latents: Count = 3
    """Principal components of networks of delays."""
    delay_picture_latents: Count = 8
    """Components of the peak lags."""
    longest_lag_s: NotNegative = 1.2
    """Largest lag of the peak lags, s."""
    delay_lags_s: Lags = (0.2, 0.4, 0.8)
    """Of lagged correlation, s."""
    delayed_lorenz: DelayedLorenzParameters = DelayedLorenzParameters(neurons=150, frames=1500)
    """Of the networks of delays."""
    delay_noise: Annotated[tuple[NotNegative, ...], Field(min_length=1), DIFFERENT] = (0.5, 2.0, 4.0)
    """Values of their `observation_noise`."""

    @model_validator(mode="after")
    def _check_difficulties(self):
        faults = []
        for name, values in self.difficulties.items():
            for value in values:
                try:
                    self.attractor_network.changed(**{name: value})
                except WrongFieldsError as error:
                    faults += [Fault(("difficulties", name), fault.text) for fault in error.faults]
        if faults:
            raise WrongFieldsError(faults, self.SECTION)
        return self

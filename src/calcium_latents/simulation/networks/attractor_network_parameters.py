"""Parameters of a rate network whose transitions between basins have known initiators and stabilisers.

Times in s, inputs and noise in units of x (a flip is -1 to 1).
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from calcium_latents.parameter_section import Count, NotNegative, Numeric, ParameterSection, Positive, Share


class AttractorNetworkParameters(ParameterSection):
    """Parameters of one network and its session; equations: `simulation.networks.attractor_network`."""

    neurons: Annotated[int, Numeric(whole=True), Field(ge=8)] = 160
    """Number of neurons."""
    patterns: Annotated[int, Numeric(whole=True), Field(ge=2)] = 4
    """Number of stored patterns."""
    transitions: Count = 30
    """Number; the session starts in a pattern and has one dwell more than transitions."""
    dwell_s: Positive = 12.0
    """Mean time between onsets."""
    dwell_jitter: Share = 0.2
    """Its uniform relative jitter."""
    imaging_rate_hz: Positive = 10.0
    """Frames per second."""
    recurrent_gain: NotNegative = 1.75
    """Mean of g_i."""
    gain_spread: NotNegative = 0.3
    """Relative sd of g_i over neurons (log-normal)."""
    time_constant_s: Positive = 0.3
    """Median of tau_i."""
    time_constant_spread: NotNegative = 0.6
    """Sd of the logarithm of tau_i."""
    adaptation: NotNegative = 0.6
    """b."""
    adaptation_s: Positive = 2.0
    """Time constant of the adaptation."""
    initiator_share: Share = 0.25
    """Share of the neurons; disjoint from the stabilisers."""
    stabiliser_share: Share = 0.25
    """Share of the neurons."""
    pulse_strength: NotNegative = 2.5
    """Mean of the initiators' pulse at its top."""
    pulse_spread: NotNegative = 0.7
    """Sd of its logarithm over initiators."""
    ramp_s: Positive = 1.0
    """Rise of the pulse to its top."""
    pulse_s: Positive = 2.0
    """Time from the pulse's start to its end."""
    lead_jitter_s: NotNegative = 0.4
    """Sd of the start of each initiator's pulse about the onset, drawn anew for each transition."""
    participation: Share = 0.6
    """Probability that an initiator gets a pulse at a transition."""
    support_strength: NotNegative = 0.5
    """Mean of the stabilisers' input."""
    support_spread: NotNegative = 0.5
    """Sd of its logarithm over stabilisers."""
    support_delay_s: NotNegative = 2.0
    """The support follows the pattern of highest overlap with this delay."""
    support_rise_s: Positive = 1.0
    """Time constant that smooths the support."""
    process_noise: NotNegative = 0.3
    """Sd of the input noise of a substep."""
    size_spread: NotNegative = 0.3
    """Sd of the logarithm of the neurons' size of observed activity."""
    observation_noise: NotNegative = 2.0
    """Sd of the noise of a frame."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        groups = sum(self.group_sizes)
        if min(self.group_sizes) < 1 or groups >= self.neurons:
            expected = "shares that leave each group, and the rest, at least one neuron"
            raise self.wrong("initiator_share, stabiliser_share", expected, groups)
        if self.patterns > self.neurons // 4:
            raise self.wrong("patterns", "at most neurons / 4", self.patterns)
        return self

    @property
    def group_sizes(self) -> tuple[int, int]:
        """Number of initiators and of stabilisers."""
        return round(self.initiator_share * self.neurons), round(self.stabiliser_share * self.neurons)

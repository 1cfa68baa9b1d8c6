"""Parameters of neurons that follow one Lorenz system, each with a delay of its own."""

from typing import Annotated

from pydantic import Field

from calcium_latents.parameter_section import Count, NotNegative, NotNegativeWhole, Numeric, ParameterSection, Positive


class DelayedLorenzParameters(ParameterSection):
    """Parameters of one recording."""

    neurons: Annotated[int, Numeric(whole=True), Field(ge=2)] = 200
    """Number of neurons."""
    frames: Annotated[int, Numeric(whole=True), Field(ge=20)] = 4000
    """Number of frames."""
    imaging_rate_hz: Positive = 10.0
    """Frames per second; sets the unit of time only."""
    downsampling: Count = 3
    """Lorenz steps of 0.01 in a frame (3: a turn about a lobe lasts about 25 frames)."""
    largest_delay_frames: NotNegativeWhole = 10
    """Delays are drawn evenly from 0 to this many whole frames."""
    observation_noise: NotNegative = 0.5
    """Sd of white noise, relative to each neuron's signal of sd 1."""

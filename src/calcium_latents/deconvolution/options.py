"""Options of every deconvolution method."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from calcium_latents.parameter_section import Flag, Number, Numeric, ParameterSection, Positive, Rule


class Options(ParameterSection):
    """Options of `deconvolve`."""

    SECTION: ClassVar[str] = "deconvolution"

    s_min: Number | None = 0.1
    """Smallest event: above 0 in the unit of the fluorescence (the paper: 0.1); below 0 in units of each neuron's
    noise, -s_min * noise * sqrt(1 - decay); 0 chosen from the noise; null no threshold (L1 solution)."""
    decay_time_limits_s: (
        Annotated[tuple[Positive, Positive], Rule("two rising times", lambda limits: limits[0] <= limits[1])] | None
    ) = None
    """Clip each neuron's decay time to these (s); the paper uses 0.3 to 0.8 for its real recordings."""
    decay_outside_range: Literal["error", "caiman"] = "error"
    """A trace whose autocovariance gives no decay between 0 and 1 (noise without transients, or a drift) and no limits
    to clip it to: error, or caiman to use about 0.15 or 0.95 as CaImAn silently does."""
    baseline_nonnegative: Flag = True
    """Keep the fitted baseline at zero or above, as CaImAn's function does by default; a trace whose baseline is below
    zero (centred or z-scored dF/F) loses most events by it."""
    normalise: Flag = False
    """Scale each neuron's events so that its threshold (or, without one, its smallest event) is `event_minimum`, as the
    paper does with real recordings."""
    event_minimum: Positive = 0.1
    """Smallest event of each neuron when they are normalised."""
    silent_probability: Annotated[float, Numeric(), Field(gt=0, lt=1)] | None = None
    """A neuron is silent, and has no events, where noise alone gives transients as clear as its own with more than this
    probability; null: every neuron's events are kept."""
    event_delay_s: Number = 0.0
    """How long after spikes their events come, because an indicator takes time to rise: events are told of as so much
    earlier, on a clock of their own."""

"""How contributions of neurons to latents are computed."""

from typing import ClassVar, Literal

from calcium_latents.parameter_section import (
    Count,
    Flag,
    NotNegative,
    NotNegativeWhole,
    ParameterSection,
    PositiveNumbers,
)


class ContributionParameters(ParameterSection):
    """From a recording, and a model of it, to contributions."""

    SECTION: ClassVar[str] = "parameters"

    activity: Literal["event_rate", "smoothed_events", "events"] | None = None
    """Of the inferred file, of frames, or as events are; null: by method."""
    sd_s: NotNegative = 0.1
    """Width of the smoothing, s."""
    missing: Literal["error", "mean"] = "error"
    """What is done with events that were not sampled (`latent_axes.complete`)."""
    stitch: Flag = False
    """Join overlapping windows of the inferred file to one session first."""
    components: NotNegativeWhole = 5
    """Latents: principal components of the activity, or of a model's factors."""
    standardise: Flag = False
    """Divide each neuron's activity by its standard deviation (pca, regression)."""
    penalty: PositiveNumbers | None = None
    """Of the regression, relative; null: `latent_axes.PENALTIES`."""
    slack: NotNegative = 0.01
    """Of the regression: share of a latent's variance given up for smaller weights."""
    whiten: Flag | None = None
    """Give the latents unit covariance; null: all but principal components."""
    span_s: NotNegative = 0.5
    """Averaged on either side of a transition, s."""
    false_positives: NotNegative = 0.05
    """Transitions expected in stationary Gaussian noise."""
    surrogates: NotNegativeWhole | None = None
    """Neurons shifted independently: no transition is smaller than the largest step in so many of them; null: 20 for
    events, and 0 for a model's rates, which vary together whatever happens."""
    relative_threshold: NotNegative = 0.1
    """Ratios are masked where |z| is below this, in root mean squares of z."""
    shown_s: NotNegative = 20.0
    """Stretch whose contributions are kept in full, s."""
    top: NotNegativeWhole = 5
    """Neurons kept for each latent."""
    tolerance: NotNegative = 1e-3
    """Completeness of integrated gradients."""
    most_frames: Count = 1000
    """Evaluated with integrated gradients."""

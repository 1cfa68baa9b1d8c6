"""Parameters of the alignment and the clusters of bar codes."""

from typing import ClassVar, Literal

from calcium_latents.parameter_section import Count, NotNegative, ParameterSection, Positive


class PublishedOptions(ParameterSection):
    """The published alignment: values of the authors' script; `starts` is ours."""

    SECTION: ClassVar[str] = "published alignment"

    penalty: NotNegative = 1.5
    """Weight of the change by a shift of 0, which keeps the temperature up."""
    highest_temperature: Positive = 1.5
    """The learned temperature is this times a sigmoid."""
    learning_rate: Positive = 0.01
    """Of Adam at first; divided by sqrt(10) at every later stage."""
    check_every: Count = 25
    """Steps between two looks at the loss."""
    patience: Count = 5
    """Looks without gain that end a stage."""
    least_gain: NotNegative = 1e-3
    """Relative gain that counts."""
    stages: Count = 5
    """Of learning rates."""
    starts: Count = 3
    """Random starts, the best of which is kept."""
    most_steps: Count = 20_000
    """Of one start."""


class StudyOptions(ParameterSection):
    """Alignment and clusters of bar codes."""

    SECTION: ClassVar[str] = "bar codes"

    clusters: Count | None = None
    """Of k-means; null: as many as there are known types or, without types, 50 (published), but no more than a fifth of
    the neurons. The table has twice as many beside it."""
    method: Literal["hard shift", "gradient (published)", "coordinate ascent", "Fourier shift"] = "Fourier shift"
    """Whose result later steps use."""
    metric: Literal["drive", "weights"] = "drive"
    """Of the codes that later steps use; the table has both."""
    temperature: Positive = 3.0
    """Of its shift (not of the published alignment, which learns it), and of random shifts."""
    temperatures: tuple[Positive, ...] = (1.5, 6.0, 12.0)
    """Of more coordinate ascents in the table, with both kernels."""
    starts: Count = 20
    """Of a coordinate ascent."""
    angles: Count = 32
    """Of a coordinate ascent."""
    restarts: Count = 20
    """Of k-means."""
    perplexity: Positive = 50.0
    """Of t-SNE."""
    resamples: Count = 1000
    """Of neurons for intervals."""
    permutations: Count = 200
    """Of types for chance levels."""
    published: PublishedOptions = PublishedOptions()
    """The published alignment."""

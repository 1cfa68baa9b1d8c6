"""Parameters of most exciting images: of neurons, of clusters, and of their comparison with other stimuli."""

from math import sqrt
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    Count,
    NotNegative,
    NotNegativeWhole,
    Numeric,
    ParameterSection,
    Positive,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import Precision


class MostExcitingImageParameters(ParameterSection):
    """How images are optimised; defaults are the published ones."""

    SECTION: ClassVar[str] = "digital_twin.meis.images"

    starts: Count = 8
    """Noise images that each neuron starts from."""
    screening_steps: NotNegativeWhole = 0
    """After these steps only a neuron's best start goes on; 0: all go on to the end, as published."""
    steps: Count = 2000
    """At most."""
    patience: Count = 100
    """Steps without a new best of the objective's running mean, after which an image is left alone."""
    tolerance: NotNegative = 0.0
    """Gain that counts as a new best, as a part of the last best."""
    memory: Annotated[float, Numeric(), Field(ge=0, lt=1)] = 0.9
    """Of the running mean."""
    norm: Positive = 12.0
    """L2 norm of every image, in z-scored pixels."""
    smoothness: NotNegative = 0.005
    """gamma, weight of the sum of the squared Laplacian of the image."""
    learning_rate: Positive = 1.0
    """Of Adam, on an image that starts as unit normal noise and is scaled to the norm."""
    start_power: NotNegative = 0.0
    """Noise is multiplied by frequency to minus this power; 0: white, as published. Smooth noise needs fewer steps."""
    frequency_power: NotNegative = 0.5
    """Gradients are multiplied by frequency to minus this power; 0: left as they are."""
    batch_images: Count = 128
    """Images in one batch."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.screening_steps >= self.steps:
            raise self.wrong("screening_steps", "a whole number of at least 0, below steps", self.screening_steps)
        return self


class ClusterMeiParameters(ParameterSection):
    """How templates are optimised. The paper does not print its values; these are ours."""

    SECTION: ClassVar[str] = "digital_twin.meis.templates"

    max_rank: Count = 12
    """Number of ranks of the Hermite basis, max_rank (max_rank + 1) / 2 functions."""
    extent_px: Positive = 25.0
    """Diameter that the highest rank fills, px."""
    angles: Count = 16
    """Of the search over a turn."""
    starts: Count = 3
    """Candidate templates of each group."""
    rounds: Count = 2
    """Searches over angles, each followed by its share of the steps."""
    steps: Count = 200
    """Of gradient ascent."""
    learning_rate: Positive = 0.05
    """Of Adam: for angles in rad, for coefficients as a part of their root mean square."""
    batch_images: Count = 128
    """Images in one batch."""

    @property
    def scale_px(self) -> float:
        """Unit of r of the basis: the highest rank, which reaches to 2 scale sqrt(max_rank), fills the extent."""
        return self.extent_px / (4 * sqrt(self.max_rank))


class StimulusComparisonParameters(ParameterSection):
    """Levels of energy at which stimuli are compared."""

    SECTION: ClassVar[str] = "digital_twin.meis.comparison"

    levels: Count = 5
    """Their number, E."""
    span: Annotated[float, Numeric(), Field(ge=1)] = 2.0
    """Highest norm over lowest; they lie symmetrically, in geometric steps, about the norm of the MEIs."""
    floor: Annotated[float, Numeric(), Field(gt=0, lt=1)] = 0.01
    """A ratio is undefined (NaN) where the response below is less than this part of the neuron's largest response to
    any stimulus of the comparison at that level: a model's rate is never quite zero, and a ratio to nearly nothing says
    nothing."""

    def norms(self, norm: float):
        """Return the L2 norms [levels] about `norm`."""
        import numpy as np  # a workflow that is planned needs none

        if self.levels == 1:
            return np.array([norm])
        return norm * self.span ** (np.linspace(-0.5, 0.5, self.levels))


class MeiStudyParameters(ParameterSection):
    """Which neurons' images are optimised, and how."""

    SECTION: ClassVar[str] = "digital_twin.meis"

    neurons_per_cluster: Count | None = None
    """The best predicted ones of each cluster; null: all."""
    precision: Precision = "float32"
    """Of the ascents and of the rates that they report (`models.digital_twin.precision`); stimuli are compared in
    float32."""
    images: MostExcitingImageParameters = MostExcitingImageParameters()
    """Of neurons."""
    templates: ClusterMeiParameters = ClusterMeiParameters()
    """Of clusters."""
    comparison: StimulusComparisonParameters = StimulusComparisonParameters()
    """Of stimuli at equal energy."""

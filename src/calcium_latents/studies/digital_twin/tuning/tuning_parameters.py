"""Parameters of experiments in silico, and of the tests of the properties that they find."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from calcium_latents.parameter_section import (
    INCREASING,
    Count,
    Flag,
    NotNegative,
    NotNegativeWhole,
    Number,
    Numeric,
    ParameterSection,
    Positive,
    Rule,
    Seed,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import geometric

Levels = Annotated[tuple[NotNegative, ...], Field(min_length=2), INCREASING]
Hundred = Annotated[int, Numeric(whole=True), Field(ge=100)]
Between = Annotated[float, Numeric(), Field(gt=0, lt=1)]


class ExperimentSettings(ParameterSection):
    """Stimuli of the experiments; grids of sizes and contrasts are the published ones."""

    SECTION: ClassVar[str] = "digital_twin.experiments"

    orientations: Annotated[int, Numeric(whole=True), Field(ge=4)] = 24
    """Over a half turn about the Gabor's own (the paper gives no number)."""
    phases: Annotated[int, Numeric(whole=True), Field(ge=3)] = 24
    """Over a whole turn from 0 on (the paper gives no number)."""
    sizes_px: Annotated[Levels, Rule("sizes above 0", lambda values: values[0] > 0)] = geometric(8, 1.2, 12)
    """Of the size-contrast experiment (4 SD of the envelope), px."""
    contrasts: Levels = geometric(2**-3.5, 2**0.5, 12)
    """Of the size-contrast experiment."""
    plaid_contrasts: Levels = (0.0, *geometric(2**-3, 2**0.5, 9))
    """Of both Gabors of a plaid; 0 among them shows each alone."""
    whole_maps: NotNegativeWhole | None = None
    """Size-contrast and plaid maps are shown whole to so many neurons; the others are shown the rows that indices are
    made of (the largest contrast, the largest size; the largest preferred contrast), and the rest of their maps is NaN.
    Null: all neurons see whole maps."""
    own_rows_only: Flag = False
    """The neurons' own Gabors are shown for the rows of indices only."""


class ExperimentParameters(ExperimentSettings):
    """Experiments, and the Gabors about which they are made."""

    stimuli: Annotated[tuple[Literal["own", "cluster"], ...], Field(min_length=1)] = ("own", "cluster")
    """Whose optimal Gabor: the neuron's own, or its cluster's."""
    seed: Seed = 0
    """Recorded beside the results."""


class Settings(ParameterSection):
    """Tests of whether properties are independent."""

    SECTION: ClassVar[str] = "independence"

    permutations: Hundred = 1000
    """For the nulls."""
    bootstraps: Hundred = 1000
    """For intervals of correlations."""
    confidence: Between = 0.95
    """Of all intervals; a permutation test rejects at half of what is left, as it has one side."""
    margin_bits: Positive = 0.1
    """Multi-information that would matter."""
    smallest_cluster: Count = 3
    """Neurons with values that a cluster needs for a mean."""


class PropertyParameters(Settings):
    """All tests of properties."""

    SECTION: ClassVar[str] = "digital_twin.properties"

    alpha: Between = 0.01
    """Level of the tests of clusters [paper: 0.01]."""
    shuffles: Count = 20
    """Random clusters beside those that were found."""
    floor: Number = 0.05
    """Least correlation of the linear model in the non-linearity index."""

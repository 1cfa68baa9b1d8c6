"""Parameters of the second scan: which Gabors are chosen for it, and how its curves are compared."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    INCREASING,
    Count,
    Counts,
    NotNegative,
    Numeric,
    ParameterSection,
    PositiveNumbers,
    Seed,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import geometric

Levels = Annotated[PositiveNumbers, INCREASING]


class ScanParameters(ParameterSection):
    """The grid, the choice, and the curves that are shown; defaults are the paper's (Methods; code of its models)."""

    SECTION: ClassVar[str] = "digital_twin.gabor_selection"

    sizes_px: Levels = geometric(8, 1.25, 8)
    """Sizes (4 SD of the envelope), px."""
    cycles_per_size: Levels = geometric(1 / 1.3, 1.3, 4)
    """Frequency times size."""
    contrasts: Levels = geometric(1 / 8, 2, 6)
    """Michelson contrasts, in z-scored units."""
    orientations: Count = 12
    """Number of equal steps over pi."""
    phases: Count = 8
    """Number of equal steps over 2 pi."""
    gabors: Count = 20
    """How many to choose."""
    threshold: Annotated[float, Numeric(), Field(gt=0, le=1)] = 0.5
    """Fraction of the own optimal Gabor's rate from which on a neuron counts as reached."""
    coverage: Annotated[Counts, INCREASING] = (1, 10, 20)
    """Sizes of sets for the coverage curves (Fig. 5D), at most `gabors`."""
    random_draws: Count = 200
    """Of random sets, for the null."""
    fractions: Levels = (0.25, 0.40, 0.55, 0.70, 0.85)
    """Of the own optimum, for the examples of suboptimal Gabors (Fig. 5C)."""
    examples: Count = 5
    """Neurons whose size-contrast curves are shown."""
    compared: Count = 100
    """Neurons (the examples among them) whose size curves are compared."""
    curve_sizes_px: Levels = geometric(8, 1.2, 12)
    """Of the size-contrast curves, px."""
    curve_contrasts: Levels = geometric(2**-3.5, 2**0.5, 12)
    """Of the size-contrast curves."""
    batch: Count = 256
    """Images shown to the model at once."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if max(self.coverage) > self.gabors:
            raise self.wrong("coverage", f"whole numbers up to gabors ({self.gabors})", self.coverage)
        if self.gabors > self.images:
            raise self.wrong("gabors", f"at most as many as the grid has ({self.images})", self.gabors)
        return self

    @property
    def images(self) -> int:
        """Number of Gabors of the grid (paper: 18,432)."""
        per_contrast = len(self.sizes_px) * len(self.cycles_per_size) * self.orientations * self.phases
        return per_contrast * len(self.contrasts)


class SelectionParameters(ScanParameters):
    """The choice of Gabors for the second scan."""

    seed: Seed = 0
    """Of random sets and of the neurons that are compared."""


class AgreementParameters(ParameterSection):
    """How size tuning curves of the second scan are compared with the model's."""

    SECTION: ClassVar[str] = "digital_twin.scan_agreement"

    thresholds: Annotated[tuple[NotNegative, ...], Field(min_length=1), INCREASING] = (0.25, 0.5, 0.75)
    """Fractions of the own optimal Gabor's rate."""
    batch: Count = 256
    """Images shown to the model at once."""

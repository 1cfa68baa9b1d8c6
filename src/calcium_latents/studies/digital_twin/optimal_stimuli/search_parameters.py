"""Parameters of the search for optimal Gabors and differences of Gaussians, and their grids."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    INCREASING,
    Count,
    Flag,
    NotNegative,
    NotNegativeWhole,
    Numbers,
    Numeric,
    ParameterSection,
    PositiveNumbers,
    Seed,
    Whole,
)

Values = Annotated[Numbers, INCREASING]
PositiveValues = Annotated[PositiveNumbers, INCREASING]
Weights = Annotated[tuple[NotNegative, ...], Field(min_length=1), INCREASING]
Steps = Annotated[int, Numeric(whole=True), Field(ge=2)]
Precision = Literal["float32", "bfloat16", "auto"]  # of models.digital_twin.precision


def geometric(first: float, factor: float, count: int) -> tuple[float, ...]:
    """Return first, first factor, first factor^2, ... (`count` values)."""
    return tuple(first * factor**power for power in range(count))


class GridParameters(ParameterSection):
    """Places of a grid of stimuli."""

    rows_px: tuple[Whole, Whole] | None = None
    """First and last place along y, px; null: all that lie `margin_px` off the border."""
    columns_px: tuple[Whole, Whole] | None = None
    """First and last place along x, px; null: all that lie `margin_px` off the border."""
    margin_px: NotNegativeWhole = 4
    """Distance of places from the border, px."""
    image_shape: tuple[Count, Count] = (36, 64)
    """(y, x) of the images, px; the command takes that of the responses."""

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        if 2 * self.margin_px >= min(self.image_shape):
            raise self.wrong("margin_px", "a whole number below half of the image", self.margin_px)
        for name, size in zip(("rows_px", "columns_px"), self.image_shape, strict=True):
            span = getattr(self, name)
            if span is not None and not 0 <= span[0] <= span[1] < size:
                raise self.wrong(name, f"first and last place within 0 .. {size - 1}", span)
        return self


class GaborGridParameters(GridParameters):
    """Gabors; the defaults are the published models' (with rows 5 to 27 and columns 27 to 48: 9,326,592 images)."""

    SECTION: ClassVar[str] = "gabors"

    sizes_px: PositiveValues = geometric(8, 1.25, 8)
    """Sizes (4 SD of the envelope), px."""
    cycles_per_size: PositiveValues = geometric(1 / 1.3, 1.3, 4)
    """Frequency times size."""
    contrasts: PositiveValues = geometric(1 / 8, 2, 6)
    """Michelson contrasts in z-scored units: the carrier's amplitude is half of it."""
    orientations: Steps = 12
    """Number of equal steps over pi."""
    phases: Steps = 8
    """Number of equal steps over 2 pi."""


class DifferenceGridParameters(GridParameters):
    """Differences of Gaussians about one place; the paper gives no grid, this one is ours."""

    SECTION: ClassVar[str] = "differences"

    centres_px: PositiveValues = geometric(1, 6 ** (1 / 5), 6)
    """SD of the centre, px."""
    surround_ratios: PositiveValues = geometric(1.3, (3 / 1.3) ** (1 / 3), 4)
    """SD of the surround over that of the centre."""
    surround_weights: Weights = (0.0, 0.25, 0.5, 0.75, 1.0)
    """Weight of the surround; 0 is a plain Gaussian."""
    contrasts: Values = (*(-value for value in reversed(geometric(1 / 8, 2, 6))), *geometric(1 / 8, 2, 6))
    """Twice the value at the place in z-scored units, bright or dark; the command takes both signs of the Gabors'."""


class SearchSettings(ParameterSection):
    """How the grid is thinned for the coarse scan, and how far the refinement goes."""

    SECTION: ClassVar[str] = "search"

    place_step: Count = 2
    """Of the coarse scan's places, px; they surround the neurons' start places."""
    size_step: Count = 3
    """In steps of the grid, from the last value downwards (as are the next ones, so that the largest contrast is always
    among them); of a difference of Gaussians, for its two sizes."""
    frequency_step: Count = 2
    """In steps of the grid; of a difference of Gaussians, for the surround's weight."""
    orientation_step: Count = 2
    """In steps of the grid."""
    phase_step: Count = 2
    """In steps of the grid."""
    contrast_step: Count = 2
    """In steps of the grid."""
    coarse_contrasts: Count = 1
    """So many contrasts (of each sign) of the thinned axis are shown, the largest ones."""
    candidates: Count = 2
    """Images of the scan from which each neuron's refinement starts."""
    most_rounds: NotNegativeWhole = 20
    """Of refinement over all groups of axes; 0: the candidates are only compared."""


class DifferenceSearchSettings(SearchSettings):
    """As `SearchSettings`; a difference of Gaussians has few shapes and many local optima in place and sign.

    Hence all places, and extreme weights.
    """

    place_step: Count = 1
    """Of the coarse scan's places, px."""
    size_step: Count = 1
    """In steps of the grid, for both sizes."""
    frequency_step: Count = 4
    """In steps of the grid, for the surround's weight."""
    candidates: Count = 1
    """Images of the scan from which each neuron's refinement starts."""


class ClusterSettings(ParameterSection):
    """How a cluster's stimulus is searched for."""

    SECTION: ClassVar[str] = "clusters"

    average: Literal["relative", "absolute"] = "relative"
    """Of rates: relative to the rate at each neuron's own optimum, or absolute."""
    starts: Count = 3
    """So many of the members' own optima are tried first, the most common ones."""
    most_members: Count | None = None
    """Of a larger cluster so many, drawn at random, choose its stimulus; null: all."""
    most_rounds: Count = 10
    """Over all groups of axes."""


class CheckSettings(ParameterSection):
    """What the search is compared with the whole grid on."""

    SECTION: ClassVar[str] = "check"

    neurons: Count = 4
    """So many, spread evenly over all."""
    reach_px: Count | None = None
    """The grid of the check keeps places up to so many px about the neurons' mean start; null: all places. The search
    of the check uses the same grid."""
    contrasts: Count | None = None
    """So many of the largest contrasts; null: all."""


class OptimalStimuliParameters(ParameterSection):
    """The search for optimal stimuli of neurons and clusters."""

    SECTION: ClassVar[str] = "digital_twin.optimal_stimuli"

    gabors: GaborGridParameters = GaborGridParameters()
    """Grid of Gabors."""
    differences: DifferenceGridParameters = DifferenceGridParameters()
    """Grid of differences of Gaussians."""
    search: SearchSettings = SearchSettings()
    """Of Gabors."""
    difference_search: DifferenceSearchSettings = DifferenceSearchSettings()
    """Of differences of Gaussians."""
    clusters: ClusterSettings = ClusterSettings()
    """Of clusters' stimuli."""
    check: CheckSettings = CheckSettings()
    """Of the search against the whole grid."""
    share_places: Flag = True
    """All places of the twin's scan at the cost of one, see `gabor_translation`."""
    precision: Precision = "float32"
    """Of the search (see `models.digital_twin.precision`); the rates of what it finds, and the check, are float32."""
    seed: Seed = 0
    """Of members of clusters that are drawn."""

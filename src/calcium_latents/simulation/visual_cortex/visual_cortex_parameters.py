"""Every number of the simulated visual cortex and of the experiment on it, and what it means.

The defaults were chosen so that the question is well posed, on a population of seed 101, and not to look like mouse V1:
suppression and inhibition are strong (weights 3 and 2), the surround is tuned to the neuron's own orientation, phases
lie within 0.3 rad of even symmetry, and dead leaves carry more and stronger gratings than at first (`DeadLeaves`: share
0.8 for 0.6, mean amplitude 2 for 0.6). Before, the true rates to lone Gabors lay 3 to 10 times above anything that the
training images evoke: no model fitted to those images could have known them. Results therefore hold where training
images exercise what experiments ask for.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    INCREASING,
    Count,
    NotNegative,
    Number,
    Numeric,
    ParameterSection,
    Positive,
    PositiveNumbers,
    Rule,
    Share,
)

Variation = Annotated[float, Numeric(), Field(ge=0, le=0.3)]
AtLeastTwo = Annotated[int, Numeric(whole=True), Field(ge=2)]
Side = Annotated[int, Numeric(whole=True), Field(ge=8)]
Range = Annotated[tuple[Positive, Positive], Rule("[smallest, largest]", lambda value: value[0] <= value[1])]

#: name -> (complex, surround suppression, cross-orientation inhibition): all combinations of the three properties
GABOR_TYPES: dict[str, tuple[bool, bool, bool]] = {
    "simple": (False, False, False),
    "simple SS": (False, True, False),
    "simple COI": (False, False, True),
    "simple SS COI": (False, True, True),
    "complex": (True, False, False),
    "complex SS": (True, True, False),
    "complex COI": (True, False, True),
    "complex SS COI": (True, True, True),
}
NEURON_TYPES = (*GABOR_TYPES, "ON", "OFF")

#: Any neuron with a Gabor has each property with probability 1/2, whatever its others: independent by construction.
#: That holds among these alone: ON and OFF neurons have no property, so over all neurons each two correlate by 1/6.
INDEPENDENT: dict[str, float] = dict.fromkeys(NEURON_TYPES, 1.0)
#: The null of the independence claim: suppression and inhibition come together, and mostly in complex cells.
DEPENDENT: dict[str, float] = {
    "simple": 3.2,
    "simple SS COI": 0.8,
    "complex": 0.8,
    "complex SS COI": 3.2,
    "ON": 1.0,
    "OFF": 1.0,
}
POOL_REACH = 2.0  # standard deviations at which the surround pool ends


class VisualCortexParameters(ParameterSection):
    """What the neurons are made of; see `simulation.visual_cortex.visual_cortex`."""

    SECTION: ClassVar[str] = "digital_twin.simulated.neurons"

    neurons: Count = 300
    """Number, of all animals together."""
    shares: Annotated[
        dict[Literal[NEURON_TYPES], NotNegative],  # pyrefly: ignore[not-a-type]  # known when imported
        Rule("not all 0", lambda shares: sum(shares.values()) > 0),
    ] = dict(INDEPENDENT)
    """Type -> share, of `NEURON_TYPES`; need not add up to 1. Default: all alike, `INDEPENDENT`."""
    place_radius_px: NotNegative = 3.0
    """Receptive fields are centred uniformly within a disc about the image's centre."""
    frequency_cpp: Annotated[float, Numeric(), Field(gt=0, le=0.4)] = 0.19
    """Mean spatial frequency, cycles per pixel; also that of the surround's filters."""
    envelope_px: Positive = 2.0
    """Mean of the envelope's standard deviation; also that of the surround's filters."""
    phase_spread_rad: NotNegative = 0.3
    """Phases of the Gabors are uniform within so much of 0, even symmetry; pi: any phase. A bar code says where and
    how turned a neuron's filter is no more, but its phase it does say: with any phase, types are continua."""
    jitter: Variation = 0.06
    """Coefficient of variation of frequency and envelope between neurons."""
    centre_px: Positive = 1.5
    """Of ON and OFF neurons: standard deviation of the centre."""
    antagonist_ratio: Annotated[float, Numeric(), Field(gt=1)] = 1.6
    """Of ON and OFF neurons: how much wider the antagonistic Gaussian is."""
    orthogonal_weight: NotNegative = 2.0
    """Mean weight of cross-orientation inhibition where a type has it."""
    surround_weight: NotNegative = 3.0
    """Mean weight of surround suppression where a type has it."""
    surround_tuning: Share = 1.0
    """How much the surround prefers the neuron's own orientation, from 0 (not at all) to 1."""
    weight_jitter: Variation = 0.1
    """Coefficient of variation of both weights."""
    surround_px: Positive = 4.5
    """Standard deviation of the pool of the surround, which ends at 2 of them and must lie within the image."""
    hole_px: Positive = 3.0
    """Standard deviation of the hole in that pool."""
    semisaturation: Positive = 0.25
    """s of num / (s + w num + ...)."""
    self_weight: NotNegative = 0.5
    """w of num / (s + w num + ...): the drive saturates at 1 / w."""
    mean_spikes: Positive = 2.0
    """Mean rate over training images that gains are set for."""
    highest_spikes: Positive = 40.0
    """Rate at the 99.9th percentile of training images that no gain goes beyond."""

    def check_fit(self, shape: tuple[int, int]) -> None:
        """Check that the surround pools of all neurons lie within images of `shape` (height, width).

        Raises
        ------
        UserError
            They reach over the border, so that suppression would depend on a neuron's place.
        """
        needed = self.place_radius_px + POOL_REACH * self.surround_px
        room = (min(shape) - 1) / 2
        suppressed = any(GABOR_TYPES.get(name, (0, 0, 0))[1] and share > 0 for name, share in self.shares.items())
        if suppressed and needed > room:
            expected = f"at most {(room - self.place_radius_px) / POOL_REACH:g} in images of {shape[0]} x {shape[1]} px"
            raise self.wrong("surround_px", expected, self.surround_px)


class DeadLeaves(ParameterSection):
    """What pictures of opaque leaves are made of."""

    SECTION: ClassVar[str] = "digital_twin.simulated.leaves"

    smallest_px: Annotated[float, Numeric(), Field(ge=0.5)] = 2.0
    """Smallest radius; the density of radii falls with the third power: the picture then looks alike at all scales."""
    largest_px: Number | None = None
    """Largest radius, more than smallest_px; null: 0.64 of the image's shorter side, as a larger image shows more."""
    aspect: Annotated[float, Numeric(), Field(gt=0, le=1)] = 0.35
    """Smallest ratio of a leaf's axes; uniform from here to 1."""
    grating_share: Share = 0.8
    """Share of leaves that carry a grating."""
    grating_cpp: Range = (0.08, 0.35)
    """Range of its frequency, in cycles per pixel, log-uniform."""
    grating_contrast: NotNegative = 2.0
    """Mean of its exponentially distributed amplitude, in standard deviations of the leaves' luminance."""
    blur: Share = 0.5
    """0: none; 1: binomial 3 x 3 filter; between: a mixture of both pictures."""
    contrast_spread: NotNegative = 0.5
    """Standard deviation of the log-normal contrast of images (median 1)."""
    contrast_range: Range = (0.25, 2.5)
    """Where that contrast is clipped."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.largest_px is not None and self.largest_px <= self.smallest_px:
            raise self.wrong("largest_px", f"more than smallest_px, {self.smallest_px:g}, or null", self.largest_px)
        return self


class VisualCortexExperiment(ParameterSection):
    """Which images a simulated visual cortex is shown, and how; see `visual_cortex_recording`."""

    SECTION: ClassVar[str] = "digital_twin.simulated"

    shape: tuple[Side, Side] = (26, 26)
    """[height, width] of the images, px."""
    image_source: Literal["dead leaves", "photographs", "mixed"] = "dead leaves"
    """Of the images; see `simulation.visual_cortex.natural_images`."""
    training_images: AtLeastTwo = 5000
    """Number, each shown once [paper: 4,692 with validation images]."""
    validation_images: Count = 500
    """Number, each shown once."""
    test_images: Count = 100
    """Number [paper: 100]."""
    repeats: AtLeastTwo = 10
    """Presentations of each test image [paper: 10]."""
    animals: Count = 2
    """Number of animals that the neurons are split among."""
    missed_share: Annotated[float, Numeric(), Field(ge=0, lt=1)] = 0.0
    """Share of training presentations that each animal missed, drawn for each."""
    leaves: DeadLeaves = DeadLeaves()
    """Of dead leaves."""
    neurons: VisualCortexParameters = VisualCortexParameters()
    """Of the neurons."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        self.neurons.check_fit(self.shape)
        if self.neurons.neurons < self.animals:
            raise self.wrong("animals", f"at most one an animal of {self.neurons.neurons} neurons", self.animals)
        return self


class GaborScan(ParameterSection):
    """How the second scan of the same neurons shows the chosen Gabor patterns (page 4 of the paper)."""

    SECTION: ClassVar[str] = "digital_twin.gabor_scan"

    sizes_px: Annotated[PositiveNumbers, INCREASING] = (8.0, 13.2, 21.8, 35.9, 59.3)
    """Sizes (4 standard deviations of the envelope) [paper: 8 px and up by factors of 1.65]."""
    contrast: Positive = 4.0
    """Of all patterns, in the images' units [paper: the highest, 4]."""
    repeats: AtLeastTwo = 10
    """Presentations of each pattern in each size."""

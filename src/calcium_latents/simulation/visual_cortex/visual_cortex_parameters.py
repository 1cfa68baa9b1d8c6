"""Every number of the simulated visual cortex and of the experiment on it, and what it means.

The defaults were chosen so that the question is well posed, on a population of seed 101, and not to look like mouse V1:
suppression and inhibition are strong (weights 3 and 2), the surround is tuned to the neuron's own orientation, phases
lie within 0.3 rad of even symmetry, and dead leaves carry more and stronger gratings than at first (`DeadLeaves`: share
0.8 for 0.6, mean amplitude 2 for 0.6). Before, the true rates to lone Gabors lay 3 to 10 times above anything that the
training images evoke: no model fitted to those images could have known them. Results therefore hold where training
images exercise what experiments ask for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import ParameterSection, is_number
from calcium_latents.simulation.visual_cortex.natural_images import SOURCES, DeadLeaves

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


@dataclass(frozen=True)
class VisualCortexParameters(ParameterSection):
    """What the neurons are made of; see `simulation.visual_cortex.visual_cortex`.

    Attributes
    ----------
    neurons
        Number, of all animals together.
    shares
        Type -> share, of `NEURON_TYPES`; need not add up to 1. Default: all alike, `INDEPENDENT`.
    place_radius_px
        Receptive fields are centred uniformly within a disc about the image's centre.
    frequency_cpp, envelope_px
        Means of spatial frequency and of the envelope's standard deviation; also those of the surround's filters.
    phase_spread_rad
        Phases of the Gabors are uniform within so much of 0, even symmetry; pi: any phase. A bar code says where and
        how turned a neuron's filter is no more, but its phase it does say: with any phase, types are continua.
    jitter
        Coefficient of variation of both between neurons.
    centre_px, antagonist_ratio
        Of ON and OFF neurons: standard deviation of the centre, and how much wider the antagonistic Gaussian is.
    orthogonal_weight, surround_weight, weight_jitter
        Mean weights of cross-orientation inhibition and surround suppression where a type has them, and their
        coefficient of variation.
    surround_px, hole_px
        Standard deviations of the pool of the surround and of the hole in it. The pool ends at 2 standard deviations
        and must lie within the image.
    surround_tuning
        How much the surround prefers the neuron's own orientation, from 0 (not at all) to 1.
    semisaturation, self_weight
        s and w of num / (s + w num + ...): the drive saturates at 1 / w.
    mean_spikes
        Mean rate over training images that gains are set for.
    highest_spikes
        Rate at the 99.9th percentile of training images that no gain goes beyond.
    """

    SECTION: ClassVar[str] = "digital_twin.simulated.neurons"

    neurons: int = 300
    shares: Mapping[str, float] = field(default_factory=lambda: dict(INDEPENDENT))
    place_radius_px: float = 3.0
    frequency_cpp: float = 0.19
    envelope_px: float = 2.0
    phase_spread_rad: float = 0.3
    jitter: float = 0.06
    centre_px: float = 1.5
    antagonist_ratio: float = 1.6
    orthogonal_weight: float = 2.0
    surround_weight: float = 3.0
    surround_tuning: float = 1.0
    weight_jitter: float = 0.1
    surround_px: float = 4.5
    hole_px: float = 3.0
    semisaturation: float = 0.25
    self_weight: float = 0.5
    mean_spikes: float = 2.0
    highest_spikes: float = 40.0

    def __post_init__(self):
        self.check_numbers("neurons", least=1, whole=True)
        self.check_numbers("frequency_cpp", "envelope_px", "centre_px", "surround_px", "hole_px", above=True)
        self.check_numbers("semisaturation", "mean_spikes", "highest_spikes", above=True)
        self.check_numbers("place_radius_px", "phase_spread_rad", "orthogonal_weight", "surround_weight", "self_weight")
        self.check_numbers("jitter", "weight_jitter", most=0.3)
        self.check_numbers("surround_tuning", most=1)
        if self.frequency_cpp > 0.4:
            raise self.wrong("frequency_cpp", "at most 0.4 cycles per pixel", self.frequency_cpp)
        if not is_number(self.antagonist_ratio) or self.antagonist_ratio <= 1:
            raise self.wrong("antagonist_ratio", "a number above 1", self.antagonist_ratio)
        if not isinstance(self.shares, Mapping) or (unknown := sorted(set(self.shares) - set(NEURON_TYPES))):
            found = unknown if isinstance(self.shares, Mapping) else self.shares
            raise self.wrong("shares", f"a share of some of {', '.join(NEURON_TYPES)}", found)
        values = list(self.shares.values())
        if not all(map(is_number, values)) or min(values, default=0) < 0 or sum(values) <= 0:
            raise self.wrong("shares", "shares of 0 or more, not all 0", dict(self.shares))

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


@dataclass(frozen=True)
class VisualCortexExperiment(ParameterSection):
    """Which images a simulated visual cortex is shown, and how; see `simulation.visual_cortex.visual_cortex_recording`.

    Attributes
    ----------
    shape
        (height, width) of the images, px.
    image_source
        "dead leaves", "photographs" or "mixed".
    training_images, validation_images, test_images
        Numbers of images [paper: 4,692 for training, 100 for test].
    repeats
        Presentations of each test image [paper: 10]; training and validation images are shown once.
    animals
        Number of animals that the neurons are split among.
    missed_share
        Share of training presentations that each animal missed, drawn for each.
    leaves
        Fields of `DeadLeaves`.
    neurons
        Fields of `VisualCortexParameters`.
    """

    SECTION: ClassVar[str] = "digital_twin.simulated"

    shape: Sequence[int] = (26, 26)
    image_source: str = "dead leaves"
    training_images: int = 5000
    validation_images: int = 500
    test_images: int = 100
    repeats: int = 10
    animals: int = 2
    missed_share: float = 0.0
    leaves: Mapping[str, Any] = field(default_factory=dict)
    neurons: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        shape = self.shape
        if isinstance(shape, str) or len(shape) != 2 or not all(is_number(n, whole=True) and n >= 8 for n in shape):
            raise self.wrong("shape", "[height, width] of 8 px or more", shape)
        self.check_choices({"image_source": SOURCES})
        self.check_numbers("training_images", "repeats", least=2, whole=True)
        self.check_numbers("validation_images", "test_images", "animals", least=1, whole=True)
        if not is_number(self.missed_share) or not 0 <= self.missed_share < 1:
            raise self.wrong("missed_share", "a number from 0 to less than 1", self.missed_share)
        for name in ("leaves", "neurons"):
            if not isinstance(getattr(self, name), Mapping):
                raise self.wrong(name, "named fields", getattr(self, name))
        neurons = self.neuron_parameters
        _ = self.leaf_parameters  # wrong fields are named here and not after minutes
        neurons.check_fit(tuple(shape))
        if neurons.neurons < self.animals:
            raise UserError(
                f"{self.SECTION}.animals: expected at most one an animal of {neurons.neurons} neurons, "
                f"found {self.animals}. Correct it in the scale's configuration."
            )

    @property
    def neuron_parameters(self) -> VisualCortexParameters:
        """The neurons' parameters, read."""
        return VisualCortexParameters.from_mapping(self.neurons)

    @property
    def leaf_parameters(self) -> DeadLeaves:
        """The dead leaves' parameters, read."""
        return DeadLeaves.from_mapping(
            {name: tuple(value) if isinstance(value, list) else value for name, value in self.leaves.items()}
        )


@dataclass(frozen=True)
class GaborScan(ParameterSection):
    """How the second scan of the same neurons shows the chosen Gabor patterns (page 4 of the paper).

    Attributes
    ----------
    sizes_px
        Sizes (4 standard deviations of the envelope) [paper: 8 px and up by factors of 1.65].
    contrast
        Of all patterns, in the images' units [paper: the highest, 4].
    repeats
        Presentations of each pattern in each size.
    """

    SECTION: ClassVar[str] = "digital_twin.gabor_scan"

    sizes_px: Sequence[float] = (8.0, 13.2, 21.8, 35.9, 59.3)
    contrast: float = 4.0
    repeats: int = 10

    def __post_init__(self):
        sizes = self.sizes_px
        if isinstance(sizes, str | float | int) or not sizes or not all(is_number(n) and n > 0 for n in sizes):
            raise self.wrong("sizes_px", "a list of positive numbers", sizes)
        if any(after <= before for before, after in zip(sizes, sizes[1:], strict=False)):
            raise self.wrong("sizes_px", "sizes in increasing order", sizes)
        self.check_numbers("contrast", above=True)
        self.check_numbers("repeats", least=2, whole=True)

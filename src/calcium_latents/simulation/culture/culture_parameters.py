"""Parameters of simulated neuronal cultures, with the values of Abante et al. 2025 as defaults.

[P] paper; [N] the simulator's code, by its authors, where the paper gives no number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import ParameterSection, is_number
from calcium_latents.simulation.culture.gcamp6s import NONLINEARITIES
from calcium_latents.simulation.culture.izhikevich import NEURON_TYPES, STEP_MS

ORIENTATIONS = ("published", "presynaptic")


@dataclass(frozen=True)
class CultureParameters(ParameterSection):
    """What a culture is made of; see `simulation.culture.culture` and `simulation.culture.izhikevich`.

    Attributes
    ----------
    dish_mm, dish_cells
        Side of the square that holds the well, and cells along it [N: 3 mm, 100].
    density_per_mm2
        Neurons per area of the square [N: 250, so 2,250 neurons, all in the well].
    soma_distance_mm
        Least distance between somata [N: 7.5 um].
    axon_length_mm
        Scale of the Rayleigh distribution of axon lengths [N: 0.1 mm; the mean is sqrt(pi / 2) of it].
    axon_step_mm, axon_turn_rad
        Segment of an axon [N: 1 um], and standard deviation of its turn after 1 um [N: 0.1 rad].
    dendrite_radius_mm, dendrite_radius_sd_mm
        Of the dendritic discs [N: 150 +- 20 um].
    connection_probability
        That a possible link is one [N: 0.5].
    inhibitory_fraction
        [P: 20 %].
    excitatory_weight, inhibitory_weight, weight_variation
        Means of the weights [P: 6, -12], and their coefficient of variation [N: 0.1].
    orientation
        "published": a neuron is driven by the neurons that its own axon reaches, with the sign of its own type, as the
        authors' code multiplies the matrix (so inhibitory neurons receive inhibition only, and inhibit nobody as such);
        "presynaptic": it is driven by the neurons whose axons reach it, with their sign, as the paper describes it.
    neuron_type
        Firing type of the neurons, a key of `izhikevich.NEURON_TYPES` [P: RS, IB or CH].
    inhibitory_type
        Of the inhibitory ones; None: the same [N].
    parameter_variation
        Coefficient of variation of a, b, v0 and du between neurons [N: 0.05; the paper gives none].
    noise
        Intensity of the membrane noise, whose standard deviation at a step of dt ms is sqrt(2 noise / dt) [N: 2.25].
    synapse_time_constant_ms, recovery_time_constant_ms, depression
        Of the synaptic current [N: 10 ms], of the resource [N: 8 s], and the part of it lost at a spike [N: 0.8].
    """

    SECTION: ClassVar[str] = "avae.sets.parameters"

    dish_mm: float = 3.0
    dish_cells: int = 100
    density_per_mm2: float = 250.0
    soma_distance_mm: float = 0.0075
    axon_length_mm: float = 0.1
    axon_step_mm: float = 0.001
    axon_turn_rad: float = 0.1
    dendrite_radius_mm: float = 0.15
    dendrite_radius_sd_mm: float = 0.02
    connection_probability: float = 0.5
    inhibitory_fraction: float = 0.2
    excitatory_weight: float = 6.0
    inhibitory_weight: float = -12.0
    weight_variation: float = 0.1
    orientation: str = "published"
    neuron_type: str = "RS"
    inhibitory_type: str | None = None
    parameter_variation: float = 0.05
    noise: float = 2.25
    synapse_time_constant_ms: float = 10.0
    recovery_time_constant_ms: float = 8000.0
    depression: float = 0.8

    def __post_init__(self):
        self.check_numbers("dish_mm", "density_per_mm2", "axon_length_mm", "axon_step_mm", above=True)
        self.check_numbers("soma_distance_mm", "axon_turn_rad", "dendrite_radius_mm", "dendrite_radius_sd_mm")
        self.check_numbers("excitatory_weight", "weight_variation", "parameter_variation", "noise")
        self.check_numbers("connection_probability", "inhibitory_fraction", "depression", most=1)
        for name in ("synapse_time_constant_ms", "recovery_time_constant_ms"):
            if not is_number(value := getattr(self, name)) or value < STEP_MS:
                raise self.wrong(name, f"at least the time step, {STEP_MS:g} ms", value)
        self.check_numbers("dish_cells", least=4, whole=True)
        if not is_number(self.inhibitory_weight) or self.inhibitory_weight > 0:
            raise self.wrong("inhibitory_weight", "a number of 0 or less", self.inhibitory_weight)
        types = tuple(NEURON_TYPES)
        self.check_choices({"orientation": ORIENTATIONS, "neuron_type": types})
        if self.inhibitory_type not in (None, *types):
            raise self.wrong("inhibitory_type", f"one of {', '.join(types)}, or null", self.inhibitory_type)
        if 2 * self.axon_step_mm >= self.dish_mm / self.dish_cells:
            expected = f"less than half a cell of the dish, {self.dish_mm / self.dish_cells / 2:g} mm"
            raise self.wrong("axon_step_mm", expected, self.axon_step_mm)
        if self.neurons < 2:
            expected = f"at least 2 neurons in {self.dish_mm:g} x {self.dish_mm:g} mm"
            raise self.wrong("density_per_mm2", expected, self.density_per_mm2)

    @property
    def neurons(self) -> int:
        """Neurons of the culture."""
        return int(self.dish_mm**2 * self.density_per_mm2 * (1 + 1e-12))  # 1e-12: 9.0 neurons are not 8


@dataclass(frozen=True)
class CultureGroup(ParameterSection):
    """Cultures of one kind.

    Attributes
    ----------
    label
        Its name, such as "RS".
    cultures
        Their number [P: 5 of each firing type].
    parameters
        Fields of `CultureParameters` that differ from those of the set.
    """

    SECTION: ClassVar[str] = "avae.sets.groups"

    label: str = ""
    cultures: int = 5
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if not isinstance(self.label, str) or not self.label:
            raise self.wrong("label", "text", self.label)
        self.check_numbers("cultures", least=1, whole=True)
        if not isinstance(self.parameters, Mapping):
            raise self.wrong("parameters", "named fields of a culture", self.parameters)


@dataclass(frozen=True)
class CultureSet(ParameterSection):
    """What a set of recorded cultures is made of; see `simulation.culture.culture_recording`.

    Attributes
    ----------
    groups
        Mappings of the fields of `CultureGroup`.
    parameters
        Fields of `CultureParameters` of all cultures; those of a group go over them.
    orientation
        Of all cultures, as in `CultureParameters`.
    rate_hz
        Samples a second; their distance is a whole number of ms [P: 1,000; the authors' scripts: 500].
    duration_s
        Of each recording [P: 30 s].
    neurons
        Number kept of each culture; None: all that fired.
    discarded_s
        Range of the start T_in of a culture that is left out, drawn uniformly for each [neither P nor N: our choice].
    nonlinearity
        Of the indicator, see `gcamp6s.fluorescence`.
    """

    SECTION: ClassVar[str] = "avae.sets"

    groups: Sequence[Mapping[str, Any]] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    orientation: str = "published"
    rate_hz: float = 500.0
    duration_s: float = 30.0
    neurons: int | None = None
    discarded_s: Sequence[float] = (0.5, 2.0)
    nonlinearity: str = "per_spike"

    def __post_init__(self):
        self.check_numbers("rate_hz", "duration_s", above=True)
        self.check_choices({"orientation": ORIENTATIONS, "nonlinearity": NONLINEARITIES})
        if self.neurons is not None and (not is_number(self.neurons, whole=True) or self.neurons < 1):
            raise self.wrong("neurons", "a whole number of 1 or more, or null", self.neurons)
        interval = 1000 / self.rate_hz
        if round(interval) < 1 or abs(interval - round(interval)) > 1e-6 * interval:
            expected = "a rate whose samples are a whole number of ms apart, such as 1000, 500, 200, 100, 50 or 20"
            raise self.wrong("rate_hz", expected, self.rate_hz)
        if self.samples < 2 or abs(1000 * self.duration_s - self.samples * self.interval_ms) > 1e-6:
            expected = f"a whole number (2 or more) of samples, {self.interval_ms} ms apart"
            raise self.wrong("duration_s", expected, self.duration_s)
        if not _is_range(self.discarded_s):
            raise self.wrong("discarded_s", "two times, [shortest, longest], of 0 s or more", self.discarded_s)
        if not isinstance(self.parameters, Mapping) or "orientation" in self.parameters:
            raise self.wrong("parameters", "named fields of a culture, without orientation", self.parameters)
        if isinstance(self.groups, str) or not isinstance(self.groups, Sequence) or not self.groups:
            raise self.wrong("groups", "a list of at least one group", self.groups)
        self._check_groups()

    def _check_groups(self) -> None:
        labels = []
        for index, given in enumerate(self.groups):
            if not isinstance(given, Mapping):
                raise self.wrong(f"groups[{index}]", "a mapping with a label", given)
            group = CultureGroup.from_mapping(given)
            if group.label in labels:
                raise self.wrong(f"groups[{index}].label", "a label of its own", group.label)
            labels.append(group.label)
            self.culture_parameters(group)

    def culture_parameters(self, group: CultureGroup) -> CultureParameters:
        """Return the parameters of the cultures of `group`; errors name it."""
        if "orientation" in group.parameters:
            raise self.wrong(f"groups ({group.label}).parameters", "no orientation: it is the set's", group.parameters)
        try:
            return CultureParameters.from_mapping(
                {**self.parameters, **group.parameters, "orientation": self.orientation}
            )
        except UserError as error:
            raise UserError(f"group {group.label!r}: {error}") from error

    @property
    def members(self) -> list[CultureGroup]:
        """The groups, read."""
        return [CultureGroup.from_mapping(group) for group in self.groups]

    @property
    def interval_ms(self) -> int:
        """From sample to sample."""
        return round(1000 / self.rate_hz)

    @property
    def samples(self) -> int:
        """Number of samples of each recording."""
        return round(1000 * self.duration_s / self.interval_ms)

    @property
    def duration_ms(self) -> int:
        """Steps of 1 ms that are recorded."""
        return self.samples * self.interval_ms


def _is_range(value: object) -> bool:
    """Tell whether `value` is two times in order, of 0 s or more."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) == 2
        and all(map(is_number, value))
        and 0 <= value[0] <= value[1]
    )

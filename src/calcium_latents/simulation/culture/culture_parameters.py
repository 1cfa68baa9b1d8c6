"""Parameters of simulated neuronal cultures, with the values of Abante et al. 2025 as defaults.

[P] paper; [N] the simulator's code, by its authors, where the paper gives no number.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from calcium_latents.parameter_section import (
    Count,
    Fault,
    FieldsOf,
    NotNegative,
    Number,
    Numeric,
    ParameterSection,
    Positive,
    Rule,
    Share,
    Text,
    WrongFieldsError,
)

Orientation = Literal["published", "presynaptic"]
NeuronType = Literal["RS", "IB", "CH", "FS", "LTS", "TC", "RZ"]  # keys of `izhikevich.NEURON_TYPES`
Milliseconds = Annotated[float, Numeric(), Field(ge=1)]  # at least the time step


class CultureParameters(ParameterSection):
    """What a culture is made of; see `simulation.culture.culture` and `simulation.culture.izhikevich`."""

    SECTION: ClassVar[str] = "avae.sets.parameters"

    dish_mm: Positive = 3.0
    """Side of the square that holds the well [N]."""
    dish_cells: Annotated[int, Numeric(whole=True), Field(ge=4)] = 100
    """Cells of the dish's grid along its side [N]."""
    density_per_mm2: Positive = 250.0
    """Neurons per area of the square [N: so 2,250 neurons, all in the well]."""
    soma_distance_mm: NotNegative = 0.0075
    """Least distance between somata [N: 7.5 um]."""
    axon_length_mm: Positive = 0.1
    """Scale of the Rayleigh distribution of axon lengths [N: 0.1 mm; the mean is sqrt(pi / 2) of it]."""
    axon_step_mm: Positive = 0.001
    """Segment of an axon [N: 1 um]."""
    axon_turn_rad: NotNegative = 0.1
    """Standard deviation of an axon's turn after 1 um [N: 0.1 rad]."""
    dendrite_radius_mm: NotNegative = 0.15
    """Mean radius of the dendritic discs [N: 150 um]."""
    dendrite_radius_sd_mm: NotNegative = 0.02
    """Its standard deviation [N: 20 um]."""
    connection_probability: Share = 0.5
    """That a possible link is one [N]."""
    inhibitory_fraction: Share = 0.2
    """[P: 20 %]."""
    excitatory_weight: NotNegative = 6.0
    """Mean of the weights [P]."""
    inhibitory_weight: Annotated[float, Numeric(), Field(le=0)] = -12.0
    """Mean of the weights [P]."""
    weight_variation: NotNegative = 0.1
    """Coefficient of variation of the weights [N]."""
    orientation: Orientation = "published"
    """published: a neuron is driven by the neurons that its own axon reaches, with the sign of its own type, as the
    authors' code multiplies the matrix (so inhibitory neurons receive inhibition only, and inhibit nobody as such);
    presynaptic: it is driven by the neurons whose axons reach it, with their sign, as the paper describes it."""
    neuron_type: NeuronType = "RS"
    """Firing type of the neurons, see `izhikevich.NEURON_TYPES` [P: RS, IB or CH]."""
    inhibitory_type: NeuronType | None = None
    """Of the inhibitory ones; null: the same [N]."""
    parameter_variation: NotNegative = 0.05
    """Coefficient of variation of a, b, v0 and du between neurons [N; the paper gives none]."""
    noise: NotNegative = 2.25
    """Intensity of the membrane noise, whose standard deviation at a step of dt ms is sqrt(2 noise / dt) [N]."""
    synapse_time_constant_ms: Milliseconds = 10.0
    """Of the synaptic current, ms [N]."""
    recovery_time_constant_ms: Milliseconds = 8000.0
    """Of the synaptic resource, ms [N]."""
    depression: Share = 0.8
    """Part of the resource that is lost at a spike [N]."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if 2 * self.axon_step_mm >= self.dish_mm / self.dish_cells:
            expected = f"less than half a cell of the dish, {self.dish_mm / self.dish_cells / 2:g} mm"
            raise self.wrong("axon_step_mm", expected, self.axon_step_mm)
        if self.neurons < 2:
            expected = f"at least 2 neurons in {self.dish_mm:g} x {self.dish_mm:g} mm"
            raise self.wrong("density_per_mm2", expected, self.density_per_mm2)
        return self

    @property
    def neurons(self) -> int:
        """Neurons of the culture."""
        return int(self.dish_mm**2 * self.density_per_mm2 * (1 + 1e-12))  # 1e-12: 9.0 neurons are not 8


class CultureGroup(ParameterSection):
    """Cultures of one kind."""

    SECTION: ClassVar[str] = "avae.sets.groups"

    label: Annotated[Text, Field(min_length=1)]
    """Its name, such as "RS"."""
    cultures: Count = 5
    """Their number [P: 5 of each firing type]."""
    parameters: Annotated[dict[str, object], FieldsOf(CultureParameters)] = {}
    """What differs from the set."""


class CultureSet(ParameterSection):
    """What a set of recorded cultures is made of; see `simulation.culture.culture_recording`."""

    SECTION: ClassVar[str] = "avae.sets"

    groups: Annotated[tuple[CultureGroup, ...], Field(min_length=1)]
    """Kinds of cultures."""
    parameters: Annotated[dict[str, object], FieldsOf(CultureParameters)] = {}
    """Of all cultures, without orientation; those of a group go over them."""
    orientation: Orientation = "published"
    """Of all cultures, as in `CultureParameters`."""
    rate_hz: Positive = 500.0
    """Samples a second; their distance is a whole number of ms [P: 1,000; the authors' scripts: 500]."""
    duration_s: Positive = 30.0
    """Of each recording [P: 30 s]."""
    neurons: Count | None = None
    """Number kept of each culture; null: all that fired."""
    discarded_s: Annotated[
        tuple[Number, Number], Rule("[shortest, longest], of 0 s or more", lambda value: 0 <= value[0] <= value[1])
    ] = (0.5, 2.0)
    """Range of the start T_in of a culture that is left out, drawn uniformly for each [neither P nor N: our choice]."""
    nonlinearity: Literal["per_spike", "summed"] = "per_spike"
    """Of the indicator, see `gcamp6s.fluorescence`."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        interval = 1000 / self.rate_hz
        if round(interval) < 1 or abs(interval - round(interval)) > 1e-6 * interval:
            expected = "a rate whose samples are a whole number of ms apart, such as 1000, 500, 200, 100, 50 or 20"
            raise self.wrong("rate_hz", expected, self.rate_hz)
        if self.samples < 2 or abs(1000 * self.duration_s - self.samples * self.interval_ms) > 1e-6:
            expected = f"a whole number (2 or more) of samples, {self.interval_ms} ms apart"
            raise self.wrong("duration_s", expected, self.duration_s)
        if "orientation" in self.parameters:
            raise self.wrong("parameters", "named fields of a culture, without orientation", self.parameters)
        labels = [group.label for group in self.groups]
        for index, group in enumerate(self.groups):
            if group.label in labels[:index]:
                raise self.wrong(f"groups.{index}.label", "a label of its own", group.label)
            self.culture_parameters(group)
        return self

    def culture_parameters(self, group: CultureGroup) -> CultureParameters:
        """Return the parameters of the cultures of `group`; errors name it."""
        place = ("groups", group.label, "parameters")
        if "orientation" in group.parameters:
            raise self.wrong(".".join(place), "no orientation: it is the set's", group.parameters)
        try:
            return CultureParameters.from_mapping(
                {**self.parameters, **group.parameters, "orientation": self.orientation}
            )
        except WrongFieldsError as error:
            raise WrongFieldsError(
                [Fault((*place, *path), text) for path, text in error.faults], self.SECTION
            ) from error

    def most_neurons(self, group: CultureGroup) -> int:
        """Return how many neurons are recorded of a culture of `group`, if all of them fire."""
        grown = self.culture_parameters(group).neurons
        return grown if self.neurons is None else min(grown, self.neurons)

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

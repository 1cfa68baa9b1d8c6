"""The section `cross_encoder` of a scale: the solvable network, simulated populations, models, scores."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from calcium_latents.configuration.sections import Name, Overrides, Structure, Study, Texts
from calcium_latents.parameter_section import LEFT_OUT, Count, FieldsOf, ParameterSection, Positive, Seed, Text
from calcium_latents.simulation.latent_population.latent_population_parameters import LatentPopulationParameters
from calcium_latents.studies.cross_encoder.solvable_network_parameters import SolvableNetworkParameters


class Dataset(Structure):
    """A simulated population."""

    label: Text
    """In print."""
    overrides: Texts = ()
    """Of single fields for all models."""
    seed: Seed = LEFT_OUT
    """Of the simulation; default: that of config/config.yaml."""
    parameters: Annotated[dict[str, object], FieldsOf(LatentPopulationParameters)]
    """Over those of `population`."""


class RunningSpeed(ParameterSection):
    """How running speed is predicted from latents."""

    shifts: Count = 500
    """Of the running speed, for its null."""


class Parameters(Study):
    """The neural cross-encoder against reduced-rank regression."""

    SECTION: ClassVar[str] = "cross_encoder"
    TAKES_RECORDINGS: ClassVar[bool] = True

    solvable_network: SolvableNetworkParameters
    """Of Fig. 1."""
    population: LatentPopulationParameters
    """Of all simulated datasets."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    """Simulated populations."""
    rate_hz: Positive
    """Recordings are resampled to it."""
    recordings: Overrides
    """The entries of config/recordings.yaml that name this study."""
    running_speed: RunningSpeed
    """Of spontaneous sessions."""

    @model_validator(mode="after")
    def _check_populations(self):
        overlays = {name: dataset.parameters for name, dataset in self.datasets.items()}
        self.check_overlays(LatentPopulationParameters, self.population.given(), overlays)
        return self

"""Every parameter of the population average."""

from typing import ClassVar

from calcium_latents.models.lfads.parameters import TrialOptions
from calcium_latents.parameter_section import ParameterSection, Positive, Text
from calcium_latents.training.parameters import ClosedForm, Run


class PopulationAverageModel(ParameterSection):
    """The population average: config/model/population_average.yaml."""

    SECTION: ClassVar[str] = "model"

    name: Text
    """Of the model in results."""
    smallest_rate_hz: Positive
    """Rates are at least this."""


class PopulationAverageRun(Run):
    """A run of the population average."""

    model: PopulationAverageModel
    """A file of config/model."""
    data: TrialOptions
    """A file of config/data."""
    training: ClosedForm
    """A file of config/training."""

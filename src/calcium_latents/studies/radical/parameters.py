"""The section `radical` of a scale: Lorenz simulation, models, scores."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from calcium_latents.configuration.sections import Deconvolution, Name, Names, Smoothing, Structure, Study
from calcium_latents.parameter_section import FieldsOf, Flag, Number, Positive, Text
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters


class Dataset(Structure):
    """A simulated recording."""

    label_hz: Positive
    """Speed of the Lorenz system as the paper names it."""
    parameters: Annotated[dict[str, object], FieldsOf(LorenzRecordingParameters)]
    """Over those of `simulation`."""


class Evaluation(Structure):
    """How latents are compared with the truth."""

    lag_s: Number
    """That the inferred rates are ahead of the latents, s."""
    lag_sweep: Flag
    """Whether other lags are scored, too."""


class Convergence(Structure):
    """The figure of convergence."""

    dataset: Text
    """A dataset that is run."""
    models: Names
    """Models of it."""


class Figures(Structure):
    """Datasets that are drawn."""

    activity: Text
    """Whose activity is shown."""
    examples: Names
    """Whose latents are shown."""


class Parameters(Study):
    """Lorenz latents seen through two-photon imaging."""

    SECTION: ClassVar[str] = "radical"

    simulator: Literal["lorenz_recording"]
    """A module of calcium_latents.simulation.lorenz."""
    simulation: LorenzRecordingParameters
    """Of all datasets."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    """Simulated recordings."""
    deconvolution: Deconvolution
    """Of all datasets."""
    smoothing: dict[Name, Smoothing]
    """Baselines by name."""
    evaluation: Evaluation
    """Of all models."""
    convergence: Convergence
    """What is drawn of it."""
    figures: Figures
    """What is drawn."""

    @model_validator(mode="after")
    def _check_parts(self):
        overlays = {name: dataset.parameters for name, dataset in self.datasets.items()}
        self.check_overlays(LorenzRecordingParameters, self.simulation.given(), overlays)
        if both := sorted({*self.smoothing} & {*self.models}):
            raise self.wrong("smoothing", "names that no model has", ", ".join(both))
        self.require("convergence.dataset", [self.convergence.dataset], self.run)
        self.require("convergence.models", self.convergence.models, self.models)
        self.require("figures.activity", [self.figures.activity], self.run)
        self.require("figures.examples", self.figures.examples, self.run)
        return self

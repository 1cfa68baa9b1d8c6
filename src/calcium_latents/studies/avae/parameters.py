"""The section `avae` of a scale: sets of cultures, noise, models of single-neuron traces, scores."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from calcium_latents.configuration.sections import Name, Names, Overrides, Structure, Study, Texts
from calcium_latents.parameter_section import LEFT_OUT, Flag, NotNegative, Positive, Rule, Text
from calcium_latents.simulation.culture.culture_parameters import CultureSet
from calcium_latents.studies.avae.score_parameters import ScoreParameters

Condition = Annotated[Text, Rule("without =", lambda name: name and "=" not in name)]


class Dataset(Structure):
    """Traces to embed: simulated cultures with noise, or the user's recordings by condition."""

    label: Text
    """In print."""
    set: Text = LEFT_OUT
    """One of `sets`."""
    noise: NotNegative = LEFT_OUT
    """Standard deviation, in units of the fluorescence."""
    recordings: Annotated[dict[Condition, Names], Field(min_length=1)] = LEFT_OUT
    """Condition: names of entries of config/recordings.yaml. They are cut to the shortest."""
    conditions: Flag = False
    """Whether its groups are conditions to compare."""
    overrides: Texts = ()
    """Of single fields for all models."""

    @model_validator(mode="after")
    def _check_kind(self):
        simulated, measured = {"set", "noise"} <= self.model_fields_set, self.recordings is not None
        if simulated == measured:
            raise self.wrong("", "either set and noise or recordings", sorted(self.model_fields_set))
        return self


class Recordings(Overrides):
    """The entries of config/recordings.yaml that name this study."""

    rate_hz: Positive
    """They, and those that a dataset joins, are resampled to it."""
    longest_gap_s: NotNegative
    """Missing samples are bridged up to this long, s."""


class Figures(Structure):
    """Datasets that are drawn; what of them is not run is left out."""

    examples: Text
    """Whose traces, maps and correlations are shown."""
    noise: Names
    """That differ in noise."""


class Parameters(Study):
    """Autoencoders of single neurons' traces."""

    SECTION: ClassVar[str] = "avae"
    TAKES_RECORDINGS: ClassVar[bool] = True

    sets: Annotated[dict[Name, CultureSet], Field(min_length=1)]
    """Sets of cultures."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    """Recordings of a set with noise, or the user's."""
    recordings: Recordings
    """The user's recordings by themselves: a culture each."""
    scores: ScoreParameters
    """Of embeddings."""
    figures: Figures
    """What is drawn."""

    @model_validator(mode="after")
    def _check_figures(self):
        for name, dataset in self.datasets.items():
            self.require(f"datasets.{name}.set", filter(None, [dataset.set]), self.sets)
        self.require("figures.examples", [self.figures.examples], self.datasets)
        self.require("figures.noise", self.figures.noise, self.datasets)
        return self

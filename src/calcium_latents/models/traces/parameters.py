"""Every parameter of what models of single neurons' traces share, and of principal components."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import (
    Between,
    Count,
    Counts,
    NotNegative,
    NotNegativeWhole,
    Numeric,
    ParameterSection,
    Positive,
    Text,
)
from calcium_latents.training.parameters import ClosedForm, Run

NotNegatives = Annotated[tuple[NotNegative, ...], Field(min_length=1)]
FEWEST_TRAINING_NEURONS = 8
FEWEST_BINS = 16  # for the statistics of a trace
Normalisation = Literal["global", "trace"]
Split = Literal["neuron", "culture"]  # of recordings.embedding


class TraceOptions(ParameterSection):
    """Traces of single neurons: config/data/traces.yaml."""

    SECTION: ClassVar[str] = "data"

    normalisation: Normalisation = "global"
    """To minus a half and a half, of the global minimum and maximum (the authors' code) or of each trace (the paper's
    Eq. 4)."""
    splits: Annotated[tuple[Split, ...], Field(min_length=1)] = ("neuron", "culture")
    """neuron: random neurons are the test set, as published, and their culture mates are trained on; culture: whole
    cultures are, one of each group. What a recording has no cultures for is left out."""
    partitions: Count | dict[Split, Count] = 10
    """Number of partitions for each split, or a mapping from split to number."""
    test_fraction: Between = 0.2
    """Of neurons, for the split by neuron."""
    grid_differences: Annotated[int, Numeric(whole=True), Field(ge=0, le=2)] = 2
    """Combinations of sizes and weights that are fitted beside the reported one: those that differ from it in at most
    so many of the two (2: all)."""
    grid_partitions: NotNegativeWhole = 3
    """Partitions for them."""

    @model_validator(mode="after")
    def _check_partitions(self):
        for split in self.splits:
            if not self.partitions_of(split):
                raise self.wrong("partitions", f"a number for split '{split}', too", self.partitions)
        return self

    def training_neurons(self, count: int) -> int:
        """Return how many of `count` neurons are trained on where they are split by neuron."""
        return count - max(1, round(self.test_fraction * count))

    def check_sizes(self, neurons: int, samples: int, latents: int, place: str) -> None:
        """Raise a UserError where `neurons` to train on, of so many samples, are too few for so many latents."""
        needed = max(FEWEST_TRAINING_NEURONS, latents + 1)
        if neurons < needed or samples <= latents:
            raise UserError(
                f"{place}: neuron: expected at least {needed} neurons to train on and more than {latents} samples for"
                f" {latents} latents, found {neurons} neurons and {samples} samples. Use a larger recording or"
                " model.latent_sizes below."
            )

    def partitions_of(self, split: Split) -> int:
        """Return the number of partitions of a split; 0 where none is given."""
        return self.partitions.get(split, 0) if isinstance(self.partitions, Mapping) else self.partitions


class BinOptions(ParameterSection):
    """Bins of traces."""

    SECTION: ClassVar[str] = "model.bins"

    width_s: Positive
    """Of a bin; calcium is slow, so narrower bins add work and no information."""
    most: Count
    """Number of bins; longer traces have wider ones."""
    decay_time_s: Positive
    """Of the indicator, after an event."""

    def samples_per_bin(self, samples: int, rate_hz: float) -> int:
        """Return how many samples a bin of traces of `samples` at `rate_hz` has."""
        return max(1, round(self.width_s * rate_hz), -(-samples // self.most))

    def check_length(self, samples: int, rate_hz: float, latents: int, place: str) -> None:
        """Raise a UserError where traces of `samples` at `rate_hz` have too few bins for so many latents."""
        factor = self.samples_per_bin(samples, rate_hz)
        found, needed = -(-samples // factor), max(FEWEST_BINS, latents)
        if found < needed:
            raise UserError(
                f"{place}: time: expected at least {needed} bins of {factor / rate_hz:.3g} s for {latents} latents,"
                f" found {found}. Record for longer, or set model.bins.width_s or model.latent_sizes lower."
            )


class PcaModel(ParameterSection):
    """Principal components of traces: config/model/pca.yaml."""

    SECTION: ClassVar[str] = "model"

    name: Text
    """Of the model in results."""
    latent_sizes: Counts
    """Numbers of components; the first is the reported one."""


class PcaRun(Run):
    """A run of principal components of traces."""

    model: PcaModel
    """A file of config/model."""
    data: TraceOptions
    """A file of config/data."""
    training: ClosedForm
    """A file of config/training."""

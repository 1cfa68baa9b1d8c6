"""Every parameter of what models of single neurons' traces share, and of principal components."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

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
    data: TraceOptions
    training: ClosedForm

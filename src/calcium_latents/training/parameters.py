"""What every run of the training command is told: the sections that all models share (config/train.yaml)."""

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from calcium_latents.parameter_section import Count, ParameterSection, Rate, Seed, Text

AdamBetas = tuple[Rate, Rate]


class Population(ParameterSection):
    """config/search: how many models are trained at once."""

    SECTION: ClassVar[str] = "search"

    population: Count
    """Members or restarts, where a model has any."""


class ClosedForm(ParameterSection):
    """config/training/closed_form.yaml. Fields that a word adds are for other models, and ignored."""

    model_config = ConfigDict(extra="ignore")
    SECTION: ClassVar[str] = "training"


class Run(ParameterSection):
    """A run of the training command. A model's own run declares `model`, `data` and `training`.

    It stands in the module `parameters` of the model's package, and is named as its family: `NAMEFamily`, `NAMERun`.
    """

    SECTION: ClassVar[str] = "run"

    model: Any
    """Declared by each model, as are the next two."""
    data: Any
    """See `model`."""
    training: Any
    """See `model`."""
    search: Population
    """A file of config/search."""
    recording: Text
    """What is trained on (.nc)."""
    seed: Seed
    """Of everything random."""
    accelerator: Literal["cpu", "gpu"]
    """Where it is trained."""
    threads: Count
    """Of the CPU; sums depend on it."""
    processes: Count
    """Of a search on this machine, on the CPU; results do not depend on it."""

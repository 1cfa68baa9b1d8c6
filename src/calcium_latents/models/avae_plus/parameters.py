"""Every parameter of AVAE+, our autoencoder of traces."""

from typing import ClassVar

from pydantic import model_validator

from calcium_latents.models.traces.parameters import BinOptions, NotNegatives, TraceOptions
from calcium_latents.parameter_section import (
    Bound,
    Count,
    Counts,
    Fault,
    NotNegative,
    NotNegativeWhole,
    ParameterSection,
    Positive,
    Share,
    Text,
    WrongFieldsError,
)
from calcium_latents.training.parameters import AdamBetas, Run
from calcium_latents.training.schedules import LearningRateSchedule

STEPS_PER_ROUND = 50


class AvaePlusModel(ParameterSection):
    """Our autoencoder of traces: config/model/avae_plus.yaml."""

    SECTION: ClassVar[str] = "model"

    name: Text
    """Of the model in results."""
    latent_sizes: Counts
    """Numbers of latents; the first is the reported one. A quarter of them, four at most, are identity latents."""
    hidden: Count
    """Units of each hidden layer."""
    betas: NotNegatives
    """Weights of the divergence; the first is the reported one, 1 the evidence lower bound."""
    bins: BinOptions
    """Of traces."""


class AvaePlusOptions(ParameterSection):
    """How it is optimised: config/training/avae_plus.yaml."""

    SECTION: ClassVar[str] = "training"

    steps: Count = 1500
    """Of the optimiser."""
    batch_size: Count = 128
    """Traces a step."""
    learning_rate: Positive = 3e-3
    """At its peak."""
    schedule: LearningRateSchedule = LearningRateSchedule()
    """Of the learning rate."""
    adam_betas: AdamBetas = (0.9, 0.999)
    """Decay rates of Adam's moments."""
    gradient_clip: Bound = 1.0
    """On the global norm."""
    pool: Count = 16384
    """Traces to draw batches from."""
    original: Share = 0.25
    """Part of the pool that is traces as they are; the rest is joined from pieces."""
    joints: NotNegativeWhole = 2
    """See `models.traces.augmentation.join_pieces`."""
    joint_probability: Share = 0.75
    """The same."""
    shift_sd_s: NotNegative = 1.0
    """The same."""
    identity_sd: Positive = 0.2
    """Standard deviation of the identity latents' prior about their code."""
    refinements: NotNegativeWhole = 15
    """Levenberg-Marquardt steps of inference; 0: the encoder's mean."""
    together: Count = 1
    """Members of equal sizes that are trained as one batched program (more on a GPU)."""

    @property
    def rounds(self) -> int:
        """Rounds of `STEPS_PER_ROUND` steps."""
        return -(-self.steps // STEPS_PER_ROUND)


class AvaePlusRun(Run):
    """A run of AVAE+."""

    model: AvaePlusModel
    """A file of config/model."""
    data: TraceOptions
    """A file of config/data."""
    training: AvaePlusOptions
    """A file of config/training."""

    @model_validator(mode="after")
    def _check_pool(self):
        most = max(self.model.latent_sizes)
        if self.training.pool <= most:  # it starts from that many principal components of the pool
            text = f"expected more than {most} (the largest latent size), found {self.training.pool}."
            raise WrongFieldsError([Fault(("training", "pool"), text)], self.SECTION)
        return self

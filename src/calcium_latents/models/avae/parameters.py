"""Every parameter of the published autoencoder of traces."""

from typing import ClassVar

from calcium_latents.models.traces.parameters import NotNegatives, TraceOptions
from calcium_latents.parameter_section import (
    Bound,
    Count,
    Counts,
    NotNegative,
    ParameterSection,
    Positive,
    Share,
    Text,
)
from calcium_latents.training.parameters import AdamBetas, Run


class AvaeModel(ParameterSection):
    """The autoencoder of Abante et al.: config/model/avae.yaml."""

    SECTION: ClassVar[str] = "model"

    name: Text
    """Of the model in results."""
    latent_sizes: Counts
    """Numbers of latents, D2; the first is the reported one."""
    hidden_per_latent: Count
    """D1 / D2; 16 in the paper."""
    betas: NotNegatives
    """Weights of the divergence; the first is the reported one."""


class AvaeOptions(ParameterSection):
    """How it is optimised: config/training/avae.yaml."""

    SECTION: ClassVar[str] = "training"

    epochs: Count = 200
    """At most."""
    batch_size: Count = 256
    """Traces a step; also what the loss is divided by, the last, smaller batch of an epoch included."""
    learning_rate: Positive = 5e-4
    """At first."""
    learning_rate_decay: Share = 0.99
    """Factor on the learning rate after every epoch."""
    adam_betas: AdamBetas = (0.9, 0.999)
    """Decay rates of Adam's moments."""
    adam_epsilon: Positive = 1e-6
    """Adam's epsilon."""
    gradient_clip: Bound = 1.0
    """On the global norm."""
    patience: Count = 5
    """Training stops after so many epochs whose loss on the test set (the authors have no third one) was not smaller by
    `smallest_gain` than the smallest before; the last weights are kept. The loss is that of a trace, divided by the
    number of training batches."""
    smallest_gain: NotNegative = 0.005
    """See `patience`."""
    together: Count = 1
    """Members of equal sizes that are trained as one batched program (more on a GPU)."""


class AvaeRun(Run):
    """A run of the published autoencoder of traces."""

    model: AvaeModel
    """A file of config/model."""
    data: TraceOptions
    """A file of config/data."""
    training: AvaeOptions
    """A file of config/training."""

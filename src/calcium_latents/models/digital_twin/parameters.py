"""Every parameter of the digital twin: core, penalties, optimisation."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import (
    Bound,
    Count,
    Counts,
    Flag,
    NotNegative,
    ParameterSection,
    Positive,
    Rule,
    Text,
)
from calcium_latents.training.parameters import AdamBetas, Run
from calcium_latents.training.schedules import LearningRateSchedule

Layers = Annotated[tuple[NotNegative, ...], Field(min_length=1)]
Odd = Annotated[Count, Rule("odd", lambda value: value % 2 == 1)]


class CoreSizes(ParameterSection):
    """Sizes of the core."""

    SECTION: ClassVar[str] = "model"

    features: Counts = (16, 16, 16)
    """Features of each layer (paper: 16, 16, 16)."""
    kernels: Annotated[tuple[Odd, ...], Field(min_length=1)] = (13, 5, 5)
    """Width of each layer's filters, odd (paper: 13, 5, 5)."""
    rotations: Annotated[Count, Rule("a multiple of 4", lambda value: value % 4 == 0)] = 8
    """Orientations of every feature, a multiple of 4 (paper: 8)."""
    max_ranks: Counts | None = None
    """Ranks of Hermite functions kept in each layer; null: two thirds of the kernel, see
    `filter_bank.default_max_rank`; the published model keeps as many as the kernel is wide."""
    padding: Literal["same", "valid"] = "same"
    """Of the first layer: same (published: zeros around the image, a map as large as the image) or valid. The others
    are same."""

    @model_validator(mode="after")
    def _check_layers(self):
        layers = len(self.features)
        for name in ("kernels", "max_ranks"):
            if (found := getattr(self, name)) is not None and len(found) != layers:
                raise self.wrong(name, f"one a layer ({layers})", list(found))
        return self

    @property
    def offset(self) -> int:
        """Pixel i of the map lies over pixel i + offset of the image."""
        return self.kernels[0] // 2 if self.padding == "valid" else 0

    def map_shape(self, image_shape: tuple[int, int]) -> tuple[int, int]:
        """Shape of the map of features of an image.

        Raises:
            UserError: the image is smaller than the first filter.
        """
        height, width = (size - 2 * self.offset for size in image_shape)
        if min(height, width) < 1:
            raise UserError(f"images: expected at least {self.kernels[0]} px a side, found {image_shape}.")
        return height, width


class DigitalTwinModel(CoreSizes):
    """The digital twin: config/model/digital_twin.yaml, digital_twin_published.yaml."""

    name: Text
    """Of the model in results."""
    mask_initialisation: Literal["random", "energy"]
    """random (published), or energy: the correlation of responses with local contrast, which finds complex cells,
    too."""


class ImageOptions(ParameterSection):
    """Responses to images: config/data/images.yaml."""

    SECTION: ClassVar[str] = "data"

    scale_responses: Flag = True
    """Divide every neuron's responses by their standard deviation over training images (published); without, neurons
    with more spikes weigh more."""


class PenaltyWeights(ParameterSection):
    """Weights of the penalties, beside a loss that is summed over neurons and averaged over images."""

    SECTION: ClassVar[str] = "training.penalties"

    smoothness: NotNegative = 0.0249692
    """Of the squared Laplacian of every filter over its squared norm."""
    smoothness_layers: Layers = (1.0, 0.5, 0.5)
    """Factor of each layer (published: 1, 0.5, 0.5)."""
    sparsity: NotNegative = 0.0152482
    """Of the norms of a filter's kernels, one an input, over the norm of the whole."""
    sparsity_layers: Layers = (0.0, 1.0, 1.0)
    """Factor of each layer (published: 0, 1, 1)."""
    readout: NotNegative = 0.0170696
    """Of the product of a mask's and a bar code's absolute sums."""


class DigitalTwinOptions(ParameterSection):
    """How it is optimised: config/training/digital_twin.yaml, digital_twin_published.yaml."""

    SECTION: ClassVar[str] = "training"

    steps: Count = 10_000
    """Optimiser steps at most."""
    batch_size: Count = 256
    """Images a step (published: 256)."""
    optimiser: Literal["adam", "orthogonal"] = "adam"
    """Of the filters: adam (published) or orthogonal, see `orthogonal_momentum`; all other parameters have Adam."""
    learning_rate: Positive = 2e-3
    """Of the filters, at its peak (published: 0.002)."""
    readout_factor: NotNegative = 1.0
    """Learning rate of all other parameters over that of the filters."""
    schedule: LearningRateSchedule = LearningRateSchedule()
    """Of the learning rate."""
    adam_betas: AdamBetas = (0.9, 0.999)
    """Of Adam."""
    gradient_clip: Bound = float("inf")
    """On the gradient's norm."""
    penalties: PenaltyWeights = PenaltyWeights()
    """Beside the loss."""
    masks: Literal["signed", "nonnegative"] = "signed"
    """signed (published) or nonnegative: only then a bar code's sign means something."""
    validate_every: Count = 50
    """Steps between validations."""
    patience: Count | None = 5
    """Validations without a new best before the learning rate is cut by 10 and training goes on from the best weights;
    null: never (published: 5)."""
    stages: Count = 2
    """Of the learning rate (published: 2); training ends with the last."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of convolutions; auto: bfloat16 on a GPU and on CPUs that multiply matrices of it (AMX), where a step takes a
    quarter of the time. Results and in-silico experiments: float32."""
    checkpoint_every: Count = 500
    """Steps between states from which an interrupted run goes on."""


class DigitalTwinRun(Run):
    """A run of the digital twin."""

    model: DigitalTwinModel
    """A file of config/model."""
    data: ImageOptions
    """A file of config/data."""
    training: DigitalTwinOptions
    """A file of config/training."""

    @model_validator(mode="after")
    def _check_layers(self):
        layers = len(self.model.kernels)
        for name in ("smoothness_layers", "sparsity_layers"):
            if len(found := getattr(self.training.penalties, name)) != layers:
                raise self.wrong(f"training.penalties.{name}", f"one a layer ({layers})", list(found))
        return self

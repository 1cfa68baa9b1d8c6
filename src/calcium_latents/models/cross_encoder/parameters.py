"""Every parameter of the cross-encoder and of reduced-rank regression: pairs, networks, blocks of training."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from calcium_latents.errors import UserError
from calcium_latents.parameter_section import (
    DIFFERENT,
    Between,
    Count,
    Counts,
    Flag,
    NotNegative,
    NotNegativeWhole,
    Numbers,
    ParameterSection,
    Positive,
    PositiveNumbers,
    Rule,
    Seed,
    Text,
)
from calcium_latents.training.parameters import AdamBetas, ClosedForm, Run
from calcium_latents.training.schedules import LearningRateSchedule

Sizes = Annotated[tuple[Count, ...], Field(min_length=1), DIFFERENT]
SHARES = Rule("that sum to 1", lambda shares: abs(sum(shares) - 1) <= 1e-6)


class PairOptions(ParameterSection):
    """How pairs of source and target activity are made: config/data/pairs.yaml."""

    SECTION: ClassVar[str] = "data"

    sources: Positive = 500
    """Source neurons; below 1: a share of all neurons."""
    targets: Positive = 1000
    """Target neurons; below 1: a share of all neurons."""
    target_candidates: Count | None = None
    """With stimuli, targets are drawn at random from that many most reliable neurons after the sources; null: from
    all."""
    fractions: Annotated[tuple[Between, Between, Between], SHARES] = (0.5, 0.2, 0.3)
    """Shares of training, validation and test."""
    chunk_s: Positive = 10.0
    """Spontaneous activity is cut into such chunks ..."""
    buffer_s: NotNegative = 2.0
    """... with such gaps between."""
    window_frames: Count = 6
    """Spontaneous activity: source frames that a latent is computed from, half of them before its own."""
    split_seed: Seed | None = None
    """Of the split; null: the run's seed."""

    @model_validator(mode="after")
    def _check_neurons(self):
        for name in ("sources", "targets"):
            if (found := getattr(self, name)) > 1 and not float(found).is_integer():
                raise self.wrong(name, "a share below 1, or a whole number", found)
        shares = [found for found in (self.sources, self.targets) if found < 1]
        if sum(shares) > 1:
            raise self.wrong("targets", "a share that leaves room for the sources", self.targets)
        if self.target_candidates is not None and self.target_candidates < self.targets:
            raise self.wrong("target_candidates", f"at least data.targets ({self.targets})", self.target_candidates)
        return self

    def neurons(self, count: int, place: str = "recording") -> tuple[int, int]:
        """Return the numbers of source and target neurons of `count` neurons. Raises UserError where they are fewer."""
        sources, targets = (int(n) if n >= 1 else max(1, int(n * count)) for n in (self.sources, self.targets))
        if sources + targets > count:
            advice = "Ask for fewer, or for shares (data.sources=0.4 data.targets=0.6)."
            raise UserError(
                f"{place}: expected at least {sources + targets} neurons (data.sources {sources}, data.targets"
                f" {targets}), found {count}. {advice if count > 1 else 'One neuron cannot be predicted from others.'}"
            )
        return sources, targets

    def chunks(self, frames: int, frame_s: float, place: str = "recording") -> tuple[int, int, int]:
        """Return frames of a chunk, frames between two, and how many chunks there are in `frames` frames.

        Raises UserError where there are fewer than 3, or windows of neighbours would overlap.
        """
        chunk, buffer = round(self.chunk_s / frame_s), round(self.buffer_s / frame_s)
        count = (frames + buffer) // (chunk + buffer) if chunk else 0
        if count < 3:
            raise UserError(
                f"{place}: expected at least 3 chunks of {self.chunk_s:g} s with {self.buffer_s:g} s between, found"
                f" {count} in {frames * frame_s:g} s. Make chunk_s and buffer_s smaller (of the recording's"
                " entry, or data.chunk_s and data.buffer_s)."
            )
        if buffer < self.window_frames:
            raise UserError(
                f"{place}: data.buffer_s: expected at least a window ({self.window_frames} frames of {frame_s:g} s),"
                f" found {self.buffer_s:g} s: windows of different parts would overlap."
            )
        return chunk, buffer, count


class CrossEncoderModel(ParameterSection):
    """The cross-encoder: config/model/cross_encoder.yaml and others."""

    SECTION: ClassVar[str] = "model"

    name: Text
    """Of the model in results."""
    latent_sizes: Sizes
    """Numbers of latents, each fitted `search.population` times."""
    hidden: tuple[Count, ...]
    """Units of the encoder's hidden layers; none: a linear encoder."""
    projection: NotNegativeWhole
    """Width of a fixed linear layer before the hidden ones, with a way past them: the leading latents of the best
    linear model of that rank (at random with kaiming), the same for all fits; 0: none (published). At least the
    largest latent size."""
    gain: Flag
    """The readout has a factor for each neuron: r0 + g [u . z + c]_+^p; without (published) a small p cannot scale
    responses."""
    initialisation: Literal["linear", "kaiming"]
    """kaiming (published), or linear: every member starts as the best linear model of rank `projection` (without one,
    of the largest latent size), cut to its own size."""
    lifts: Numbers
    """Drives start so many of their standard deviations above zero, one a restart, in turn; see
    `models.cross_encoder.network.start_from_linear`. With kaiming: the first thresholds c themselves."""
    penalties: PositiveNumbers
    """Ridge penalties of the linear models, of which validation chooses."""
    linear_sizes: Counts
    """Ranks of the linear models among which the best is distilled."""
    reported_latent_size: Count | None = None
    """Of the fit whose latents are written; null: the smallest size with 95 % of the best validation R2."""

    @model_validator(mode="after")
    def _check_layers(self):
        most = max(self.latent_sizes)
        if self.projection and (self.projection < most or not self.hidden):
            expected = f"0, or at least {most} (the largest latent size) with hidden layers after it"
            raise self.wrong("projection", expected, f"{self.projection} and hidden layers {list(self.hidden)}")
        if self.initialisation == "linear" and self.hidden and not self.projection:
            raise self.wrong("initialisation", "kaiming, or a projection, or no hidden layers", self.initialisation)
        return _with_reported(self)


class ReducedRankRegressionModel(ParameterSection):
    """Reduced-rank regression: config/model/reduced_rank_regression.yaml."""

    SECTION: ClassVar[str] = "model"

    name: Text
    """Of the model in results."""
    latent_sizes: Sizes
    """Ranks."""
    penalties: PositiveNumbers
    """Ridge penalties, of which validation chooses one for each rank."""
    reported_latent_size: Count | None = None
    """As of the cross-encoder."""

    @model_validator(mode="after")
    def _check_reported(self):
        return _with_reported(self)


def _with_reported(model):
    if model.reported_latent_size not in (None, *model.latent_sizes):
        expected = f"null or one of {list(model.latent_sizes)}"
        raise model.wrong("reported_latent_size", expected, model.reported_latent_size)
    return model


class Block(ParameterSection):
    """Steps during which one group of parameters is optimised."""

    SECTION: ClassVar[str] = "training.blocks"

    target: Literal["linear_prediction", "activity"]
    """linear_prediction (distillation: what the best linear model predicts) or activity."""
    parameters: Literal["readout", "encoder", "all"]
    """What is optimised."""
    steps: Count
    """Optimiser steps."""
    learning_rate: Positive
    """Its peak."""


class NoiseVariances(ParameterSection):
    """Variances of the noise on source activity, relative to activity of unit variance."""

    SECTION: ClassVar[str] = "training.noise"

    shot: NotNegative = 0.05
    """Variance over activity: zero-mean, variance `shot` times the activity."""
    additive: NotNegative = 0.05
    """Variance of additive noise."""
    multiplicative: NotNegative = 0.05
    """Variance of factors with mean 1, one for each neuron and sample."""
    shared: NotNegative = 0.0
    """Variance of factors with mean 1 that all neurons of a sample share (published: none): a population's gain
    wanders, and latents should not follow it."""
    copies: NotNegativeWhole = 3
    """Noisy copies of the training set beside the original (published: 3), drawn once; 0: noise is drawn afresh at
    every step."""


class CrossEncoderOptions(ParameterSection):
    """How it is optimised: config/training/cross_encoder.yaml, cross_encoder_published.yaml."""

    SECTION: ClassVar[str] = "training"

    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    """In order; at the end of each, every member goes back to its best weights so far."""
    batch_size: Count = 2048
    """Pairs a step, the same for all members."""
    schedule: LearningRateSchedule = LearningRateSchedule()
    """Of the learning rate over a block."""
    adam_betas: AdamBetas = (0.85, 0.95)
    """Of Adam."""
    adam_epsilon: Positive = 1e-8
    """Of Adam."""
    l2: NotNegative = 1e-5
    """Weight of half the squared norm of the trained parameters; its gradient is added before Adam."""
    noise: NoiseVariances = NoiseVariances()
    """Added to the sources."""
    validate_every: Count = 50
    """Steps between validations."""
    patience: Count | None = None
    """Validations in the last block without a new best of any latent size, after which training ends; null: never."""
    checkpoint_every: Count = 1000
    """Steps between states from which an interrupted run goes on."""

    @property
    def steps(self) -> int:
        """Optimiser steps of all blocks."""
        return sum(block.steps for block in self.blocks)

    def block_at(self, step: int) -> tuple[int, Block, int]:
        """Return the number of the block at `step`, the block, and the step within it."""
        for number, block in enumerate(self.blocks):
            if step < block.steps:
                return number, block, step
            step -= block.steps
        raise ValueError("past the last block")


class CrossEncoderRun(Run):
    """A run of the cross-encoder."""

    model: CrossEncoderModel
    """A file of config/model."""
    data: PairOptions
    """A file of config/data."""
    training: CrossEncoderOptions
    """A file of config/training."""


class ReducedRankRegressionRun(Run):
    """A run of reduced-rank regression."""

    model: ReducedRankRegressionModel
    """A file of config/model."""
    data: PairOptions
    """A file of config/data."""
    training: ClosedForm
    """A file of config/training."""

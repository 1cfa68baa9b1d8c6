"""Every parameter of the LFADS family: networks, start, objective, trials, optimisation."""

from typing import ClassVar, Literal

from pydantic import model_validator

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.metrics import METRICS
from calcium_latents.parameter_section import (
    Between,
    Bound,
    Count,
    Flag,
    NotNegative,
    NotNegativeWhole,
    ParameterSection,
    Positive,
    Rate,
    Seed,
    Text,
)
from calcium_latents.training.parameters import AdamBetas, Run
from calcium_latents.training.schedules import LearningRateSchedule, PenaltyRamp, Plateau

Selected = Literal[("last", *METRICS)]  # pyrefly: ignore[invalid-literal]  # known when imported


class NetworkSizes(ParameterSection):
    """Sizes of the networks; the defaults are the paper's (Zhu 2022, Methods, architecture and training)."""

    SECTION: ClassVar[str] = "model.sizes"

    encoder: Count = 64
    """Units of each direction of both encoders."""
    controller: Count = 64
    """Units of the controller."""
    generator: Count = 100
    """Units of the generator."""
    initial_condition: Count = 64
    """Dimension of the initial condition."""
    inferred_inputs: Count = 2
    """Dimension of the inferred input u(t)."""
    factors: Count = 100
    """Number of factors."""
    initial_condition_prior_variance: Positive = 0.1
    """Fixed prior variance."""
    posterior_variance_minimum: Positive = 1e-4
    """Floor of the initial condition's posterior variance."""
    autoregressive_time_constant: Positive = 10.0
    """Initial tau of the inferred inputs' prior, in bins."""
    autoregressive_noise_variance: Positive = 0.1
    """Initial noise variance of that prior."""
    state_clip: Bound = 5.0
    """Bound on the generator's state."""


class LFADSSizes(NetworkSizes):
    """Sizes of the networks for a recording."""

    neurons: Count
    """Number of neurons N in the data."""


class StartOptions(ParameterSection):
    """How a model starts."""

    SECTION: ClassVar[str] = "model.initialisation"

    input_scale: Literal["none", "root_mean_square"] = "none"
    """none feeds events as they are (published); root_mean_square divides them by the training samples' root mean
    square, without which the encoders start blind on sparse, small events."""
    readout: Literal["zero", "moments"] = "zero"
    """zero biases (published), or moments, at which the readout starts with each neuron's event fraction, mean and
    variance."""
    readout_gain: NotNegative = 1.0
    """Factor on the readout's weights; 1 is published, less starts with rates near their means, so that early noise in
    the factors costs little."""
    generator_gain: NotNegative = 1.0
    """Factor on the generator's recurrent weights; 1 is published, more makes it oscillate."""
    most_latents: NotNegativeWhole = 0
    """Start from up to so many principal components of the events, with an inferred input for each; 0: from random
    weights (published)."""
    latent_gain: NotNegative = 0.3
    """Factor on the encoders' input weights where they start from principal components."""


class ObjectiveOptions(ParameterSection):
    """Choices where the published code and ours differ."""

    SECTION: ClassVar[str] = "model.objective"

    normalise_by_sampled: Flag = True
    """Divide by the sampled entries; the published code divides by all, sampled or not."""
    sample_zeros: Flag = False
    """Draw coordinated dropout for zeros too, as published. A zero looks the same to the encoder whether shown or
    hidden, so weighting zeros by the probability of being hidden has the same expectation and less noise."""
    normalise_divergences: Flag = False
    """Divide the divergences, too, by the number of entries of a trial that the reconstruction is divided by. Their
    weights are then shares of an evidence lower bound, whatever the number of neurons and the length of trials; without
    it (published) a weight regularises more the more neurons there are."""


class HyperparameterValues(ParameterSection):
    """What may differ between the members of a population."""

    SECTION: ClassVar[str] = "model.hyperparameters"

    learning_rate: Positive
    """Of Adam."""
    dropout_rate: Rate
    """Of ordinary dropout."""
    coordinated_dropout_rate: Rate
    """Share of samples that coordinated dropout hides from the encoder."""
    generator_l2: NotNegative
    """Weight of the L2 penalty on the generator's recurrent kernels."""
    controller_l2: NotNegative
    """The same of the controller's."""
    initial_condition_encoder_l2: NotNegative
    """The same of the initial condition encoder's."""
    controller_input_encoder_l2: NotNegative
    """The same of the controller input encoder's."""
    initial_condition_kl: NotNegative
    """Weight of the divergence of the initial condition."""
    inferred_inputs_kl: NotNegative
    """Weight of the divergence of the inferred inputs."""
    sigmoid_scale_prior: NotNegative
    """Target of the scaled sigmoid's scale."""


class LFADSModel(ParameterSection):
    """LFADS, AutoLFADS, RADICaL: config/model/radical.yaml and others."""

    SECTION: ClassVar[str] = "model"

    name: Text
    """Of the model in results."""
    observation: Literal["zero_inflated_gamma", "poisson"]
    """zero_inflated_gamma: RADICaL; poisson: LFADS."""
    sizes: NetworkSizes
    """Of the networks. Once a recording is loaded, inferred inputs are as many as the principal components that the
    model starts from, where it does."""
    initialisation: StartOptions
    """How it starts."""
    objective: ObjectiveOptions
    """What is minimised."""
    hyperparameters: HyperparameterValues
    """One value each."""


class TrialOptions(ParameterSection):
    """Trials of events: config/data/subframe.yaml, frames.yaml."""

    SECTION: ClassVar[str] = "data"

    time_base: Literal["subframe", "frame"] = "subframe"
    """subframe keeps every sample in its own bin; frame treats all samples of an imaging frame as simultaneous, as is
    standard in two-photon imaging (Zhu 2022, data preparation)."""
    cast_to_counts: Flag = False
    """0 stays 0, (0, 2] becomes 1, above 2 is rounded down (the paper's casting for AutoLFADS)."""
    validation_fraction: Between = 0.2
    """Share of trials for validation."""
    split_seed: Seed = 0
    """Seed of the split; the same for every method, so that all see the same trials."""

    def held_out(self, count: int, place: str = "recording") -> int:
        """Return how many of `count` trials are for validation. Raises UserError where none is left to train on."""
        held_out = max(1, round(self.validation_fraction * count))
        if count - held_out < 1:
            raise UserError(f"{place}: expected at least 2 trials to split, found {count}. Use shorter windows.")
        return held_out


class OptimizationOptions(ParameterSection):
    """How the LFADS family is optimised: config/training/fast.yaml and others."""

    SECTION: ClassVar[str] = "training"

    steps: Count
    """Optimiser steps; the most of them where there is a `plateau`."""
    batch_size: Count
    """Trials a step; all training trials where there are fewer."""
    learning_rate: LearningRateSchedule = LearningRateSchedule()
    """Schedule of the learning rate over steps."""
    plateau: Plateau | None = None
    """Once `select` has reached it, the learning rate falls as the schedule has it fall after `hold_fraction`, and
    training ends with that; null: after `steps`."""
    ramp: PenaltyRamp = PenaltyRamp()
    """Of divergences and L2."""
    weight_average: Rate = 0.0
    """Decay of the moving average of weights that is evaluated and kept; 0 for none (published)."""
    adam_betas: AdamBetas = (0.9, 0.99)
    """Decay rates of Adam's moments."""
    adam_epsilon: Positive = 1e-8
    """Adam's epsilon."""
    loss_scale: Positive = 1e4
    """Factor on the loss before gradients are taken."""
    gradient_clip: Bound = 300.0
    """On the global norm of the scaled gradient."""
    validate_every: Count = 100
    """Steps between validations."""
    snapshot_every: Count = 100
    """Steps between snapshots of the weights."""
    checkpoint_every: Count = 500
    """Steps between states from which an interrupted run goes on."""
    posterior_samples: NotNegativeWhole = 50
    """Draws averaged at inference; 0 decodes the posterior means."""
    keep_distribution: Flag = False
    """Write the observation model's parameters too, not only its mean (three more arrays of the size of the event
    rates)."""
    keep_spread: Flag = False
    """Write standard deviations over the draws, too."""
    select: Selected = "last"
    """last keeps the last weights; the name of a validation metric keeps those at its lowest value (mean over the
    population)."""

    @model_validator(mode="after")
    def _check_plateau(self):
        if self.plateau is not None and (self.select == "last" or not 0 < self.learning_rate.hold_fraction < 1):
            found = f"select {self.select!r}, hold_fraction {self.learning_rate.hold_fraction:g}"
            raise self.wrong("plateau", "a metric to select, and a learning rate held for a while", found)
        return self


class LFADSRun(Run):
    """A run of the LFADS family."""

    model: LFADSModel
    """A file of config/model."""
    data: TrialOptions
    """A file of config/data."""
    training: OptimizationOptions
    """A file of config/training."""

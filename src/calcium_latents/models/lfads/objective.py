"""The training objective of the LFADS family: reconstruction, divergences and weight penalties, per member.

    total = reconstruction + ramp (w_ic KL_ic + w_u KL_u) + ramp L2

Reconstruction is the negative log-likelihood of samples that the encoder did not see in this step (coordinated
dropout), over sampled entries only (selective backpropagation through time).
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from calcium_latents.models.lfads.batches import Batch
from calcium_latents.models.lfads.likelihood import Weights, log_likelihood
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.parameters import ObjectiveOptions
from calcium_latents.training.streams import Streams

SIGMOID_PENALTY_WEIGHT = 1e-4  # fixed in the original code


@dataclass
class Hyperparameters:
    """What may differ between the members of a population, each `[P]`; names as in the config.

    Attributes:
        learning_rate: of Adam.
        dropout_rate: of ordinary dropout.
        coordinated_dropout_rate: share of samples that coordinated dropout hides from the encoder.
        generator_l2, controller_l2, initial_condition_encoder_l2, controller_input_encoder_l2: weights of the L2
            penalties on recurrent kernels.
        initial_condition_kl, inferred_inputs_kl: weights of the divergences.
        sigmoid_scale_prior: target of the scaled sigmoid's scale.
    """

    learning_rate: Tensor
    dropout_rate: Tensor
    coordinated_dropout_rate: Tensor
    generator_l2: Tensor
    controller_l2: Tensor
    initial_condition_encoder_l2: Tensor
    controller_input_encoder_l2: Tensor
    initial_condition_kl: Tensor
    inferred_inputs_kl: Tensor
    sigmoid_scale_prior: Tensor

    @classmethod
    def uniform(cls, values: dict[str, float], population: int) -> "Hyperparameters":
        """The same value for every member."""
        return cls(**{field.name: torch.full((population,), float(values[field.name])) for field in fields(cls)})


def step_objective(
    model: LFADS,
    batch: Batch,
    hyperparameters: Hyperparameters,
    divergence_ramp: float,
    options: ObjectiveOptions,
    streams: Streams,
) -> dict[str, Tensor]:
    """Terms of one training step, `[P]` each: total, reconstruction, initial_condition, inferred_inputs, l2."""
    P, E = model.population, len(batch.event_value)
    dropout_rate, coordinated_rate = hyperparameters.dropout_rate, hyperparameters.coordinated_dropout_rate[:, None]
    kept = streams.uniform(P, E) < 1 - coordinated_rate
    shown = kept / (1 - coordinated_rate)
    if bool((dropout_rate > 0).any()):
        kept_share = 1 - dropout_rate[:, None]
        shown = shown * (streams.uniform(P, E) < kept_share) / kept_share
    posterior = model.posterior(batch, shown, dropout_rate, streams)
    # only samples hidden from the encoder are reconstructed; where everything is shown (rate 0), all are
    hidden_event = torch.where(coordinated_rate > 0, 1 - kept.to(shown.dtype), 1.0)
    hidden_zeros, drawn = torch.where(coordinated_rate > 0, coordinated_rate, 1.0)[:, 0], None
    if options.sample_zeros:
        slots = streams.uniform(P, batch.slots)
        drawn, hidden_zeros = (slots < hidden_zeros[:, None]).to(slots.dtype), torch.ones_like(hidden_zeros)
    likelihood = log_likelihood(model, posterior.factors, batch, Weights(hidden_zeros, hidden_event, drawn))
    entries = batch.sampled_count if options.normalise_by_sampled else batch.shape[0] * batch.shape[1] * batch.shape[2]
    reconstruction = -likelihood / entries
    initial, inputs = model.divergences(posterior, streams)
    l2 = weight_penalty(model, hyperparameters)
    divergences = hyperparameters.initial_condition_kl * initial + hyperparameters.inferred_inputs_kl * inputs
    if options.normalise_divergences:
        divergences = divergences * (batch.shape[0] / entries)
    total = reconstruction + divergence_ramp * (divergences + l2)
    return {
        "total": total,
        "reconstruction": reconstruction,
        "initial_condition": initial,
        "inferred_inputs": inputs,
        "l2": l2,
    }


def weight_penalty(model: LFADS, hyperparameters: Hyperparameters) -> Tensor:
    """L2 penalty on recurrent kernels and the scaled sigmoid, over the number of elements it covers; `[P]`.

    A group whose weight is zero is left out of sum and count alike (original code).
    """
    prior = hyperparameters.sigmoid_scale_prior
    values, weights, targets, elements = [], [], [], torch.zeros_like(prior)
    for kernel, names in model.recurrent_weights():
        scale = torch.stack([getattr(hyperparameters, f"{name}_l2") for name in names], dim=1)
        values.append(kernel), weights.append(scale), targets.append(None)
        elements = elements + (scale > 0).sum(1) * (kernel[0].numel() // len(names))
    for parameter in model.observation.parameters():
        values.append(parameter), targets.append(prior)
        weights.append(torch.full_like(prior, SIGMOID_PENALTY_WEIGHT)[:, None])
        elements = elements + parameter[0].numel()
    return _Penalty.apply(weights, targets, *values) / elements.clamp_min(1)


class _Penalty(torch.autograd.Function):
    """Half the weighted sum of squared distances from a target (None: 0), with its gradient."""

    @staticmethod
    def forward(ctx, weights, targets, *values):
        total, ctx.gradients = torch.zeros_like(weights[0][:, 0]), []
        for value, weight, target in zip(values, weights, targets, strict=True):
            distance = value if target is None else value - target.view(-1, *[1] * (value.dim() - 1))
            gradient = distance * weight.view(*weight.shape, *[1] * (value.dim() - 2))
            total += torch.linalg.vecdot(gradient.flatten(1), distance.flatten(1))
            ctx.gradients.append(gradient)
        return 0.5 * total

    @staticmethod
    def backward(ctx, grad):
        return None, None, *(g * grad.view(-1, *[1] * (g.dim() - 1)) for g in ctx.gradients)

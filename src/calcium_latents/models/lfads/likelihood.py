"""Log-likelihood of sampled entries given factors, each entry with a weight of its own; per member.

    sum over zeros of w log p(0) + sum over events of h log p(x)

Weights choose what is scored: samples that the encoder did not see in this step, a fold of samples, some neurons.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from calcium_latents.models.lfads.batches import Batch
from calcium_latents.models.lfads.compiled.likelihood import compiled_likelihood
from calcium_latents.models.lfads.model import LFADS


@dataclass(frozen=True)
class Weights:
    """Weight of every sampled entry.

    Attributes:
        zeros: `[P]`, of entries without an event.
        events: `[P, E]`.
        drawn: `[P, S]` factor on the zeros' weight by slot; None for 1.
        neurons: `[N]` factor on every weight; None for 1.
        sizes: whether an event's size is scored, or only that it happened.
    """

    zeros: Tensor
    events: Tensor
    drawn: Tensor | None = None
    neurons: Tensor | None = None
    sizes: bool = True

    @classmethod
    def all(cls, model: LFADS, batch: Batch) -> "Weights":
        """Weight 1 for every sampled entry."""
        like = batch.event_value
        return cls(like.new_ones(model.population), like.new_ones(model.population, len(like)))


def log_likelihood(model: LFADS, factors: Tensor, batch: Batch, weights: Weights) -> Tensor:
    """Weighted log-likelihood, `[P]`.

    Args:
        model: the population, for its readout and observation model.
        factors: `[T, P, B, F]`.
        batch: the trials.
        weights: see `Weights`.
    """
    if weights.neurons is not None:
        weights = replace(weights, events=weights.events * weights.neurons[batch.event_neuron])
    if model.runs_compiled(factors):
        return compiled_likelihood(model, factors, batch, weights)
    return plain_likelihood(model, factors, batch, weights)


def plain_likelihood(model: LFADS, factors: Tensor, batch: Batch, weights: Weights) -> Tensor:
    """The same, `[P]`, in plain operations that autograd can follow; `weights.events` include those of neurons."""
    logits = model.sampled_logits(factors, batch)
    background, bonus = model.observation.log_likelihood(
        logits, batch.event_slot, batch.event_neuron, batch.event_value, weights.sizes
    )
    zeros = weights.zeros[:, None].expand_as(background)
    if weights.drawn is not None:
        zeros = zeros * weights.drawn
    if weights.neurons is not None:
        zeros = zeros * weights.neurons[batch.slot_neuron()]
    if batch.slot_weight is not None:
        zeros = zeros * batch.slot_weight
    entries = torch.index_copy(zeros, 1, batch.event_slot, weights.events)
    return (entries * background).sum(-1) + (weights.events * bonus).sum(-1)

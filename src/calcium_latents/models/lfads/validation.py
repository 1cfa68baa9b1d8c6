"""Validation metrics of the LFADS family, per member; all in nats a sampled entry, lower is better.

The published metric scores samples that the encoder has seen: a model can lower it by copying noise. The others score
what the encoder has not seen: single samples (speckled hold-out) or whole neurons (co-smoothing; here too a negative
log-likelihood, where others report bits a spike). Those named `event` leave out the sizes of events, in which a model
can be overconfident. `reduced_rank_nll` (see `reduced_rank_metric`) leaves out the readouts too.
"""

from collections.abc import Collection

import torch
from torch import Tensor

from calcium_latents.models.lfads.batches import Batch
from calcium_latents.models.lfads.likelihood import Weights, log_likelihood
from calcium_latents.models.lfads.metrics import HIDDEN, METRICS, REDUCED_RANK
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.seeds import integer
from calcium_latents.training.streams import Streams

FOLDS = 4


def factors_without(model: LFADS, batch: Batch, hidden: Tensor) -> Tensor:
    """Factors `[T, P, B, F]` at the posterior mean, with a fold of events, `hidden` `[E]`, hidden from the encoder."""
    shown = (~hidden).to(batch.event_value.dtype)[None] * FOLDS / (FOLDS - 1)
    return model.posterior(batch, shown).factors


@torch.no_grad()
def validation_metrics(
    model: LFADS, batch: Batch, seed: int, streams: Streams, wanted: Collection[str] = METRICS
) -> dict[str, Tensor]:
    """Metrics on a batch of validation trials alone, `[P]` each; `streams` give the one posterior draw.

    Returns those of `wanted` (default all):
        reconstruction_nll: negative log-likelihood with one posterior draw, everything shown (published).
        speckled_holdout_nll: the same on samples hidden from the encoder, over four folds, at the posterior mean.
        cosmoothing_nll: the same on neurons hidden from the encoder, over four folds.
        speckled_holdout_event_nll, cosmoothing_event_nll: the last two for whether there was an event, whatever its
            size.
    """
    every = Weights.all(model, batch)
    names = (name for name in METRICS if name in wanted and name != REDUCED_RANK)
    totals = {name: batch.event_value.new_zeros(model.population) for name in names}
    if "reconstruction_nll" in totals:
        totals["reconstruction_nll"] = log_likelihood(
            model, model.posterior(batch, streams=streams).factors, batch, every
        )
    random = torch.Generator().manual_seed(integer(seed, "validation folds"))
    event_fold = torch.randint(FOLDS, (len(batch.event_value),), generator=random).to(batch.event_value.device)
    neuron_fold = torch.randperm(batch.shape[2], generator=random).to(batch.event_value.device) % FOLDS
    for fold in range(FOLDS):
        scored = neuron_fold == fold
        # a zero looks the same whether hidden or not, so every fold scores all zeros with the probability of hiding
        choices = {
            "samples": (event_fold == fold, every.zeros / FOLDS, None),
            "neurons": (scored[batch.event_neuron], every.zeros, scored.to(batch.event_value.dtype)),
        }
        for kind, (hidden, zeros, neurons) in choices.items():
            names = [name for name in totals if HIDDEN.get(name) == kind]
            if not names:
                continue
            factors = factors_without(model, batch, hidden)
            events = hidden.to(batch.event_value.dtype).expand_as(every.events)
            for name in names:
                weights = Weights(zeros, events, neurons=neurons, sizes=not name.endswith("event_nll"))
                totals[name] = totals[name] + log_likelihood(model, factors, batch, weights)
    return {name: -total / batch.sampled_count for name, total in totals.items()}

"""Validation metrics of the LFADS family, per member; all in nats a sampled entry, lower is better.

The published metric scores samples that the encoder has seen: a model can lower it by copying noise. The other two
score what the encoder has not seen, single samples or whole neurons (co-smoothing).
"""

import torch
from torch import Tensor

from calcium_latents.models.lfads.batches import Batch
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.streams import Streams
from calcium_latents.seeds import integer

FOLDS = 4


@torch.no_grad()
def validation_metrics(model: LFADS, batch: Batch, seed: int, streams: Streams) -> dict[str, Tensor]:
    """Metrics on a batch of validation trials, `[P]` each; `streams` give the one posterior draw.

    Returns:
        reconstruction_nll: negative log-likelihood with one posterior draw, everything shown (published).
        blind_nll: the same on samples hidden from the encoder, over four folds, at the posterior mean.
        held_out_neuron_nll: the same on neurons hidden from the encoder, over four folds.
    """
    background, bonus = _likelihood(model, batch, None, streams)
    metrics = {"reconstruction_nll": -(_total(background, batch) + bonus.sum(-1)) / batch.sampled_count}
    random = torch.Generator().manual_seed(integer(seed, "validation folds"))
    event_fold = torch.randint(FOLDS, (len(batch.event_value),), generator=random).to(batch.event_value.device)
    neuron_fold = torch.randperm(batch.shape[2], generator=random).to(batch.event_value.device) % FOLDS
    slot_neuron = batch.slot_neuron()
    samples, neurons = 0.0, 0.0
    for fold in range(FOLDS):
        hidden = event_fold == fold
        background, bonus = _likelihood(model, batch, _shown(~hidden, (FOLDS - 1) / FOLDS))
        at_events = background[:, batch.event_slot]
        # a zero looks the same whether hidden or not, so every fold scores all zeros with the probability of hiding
        zeros = (_total(background, batch) - at_events.sum(-1)) / FOLDS
        samples = samples + zeros + (at_events + bonus)[:, hidden].sum(-1)
        hidden = neuron_fold[batch.event_neuron] == fold
        background, bonus = _likelihood(model, batch, _shown(~hidden, (FOLDS - 1) / FOLDS))
        weight = (neuron_fold[slot_neuron] == fold).to(background.dtype)
        neurons = neurons + _total(background * weight, batch) + bonus[:, hidden].sum(-1)
    metrics["blind_nll"] = -samples / batch.sampled_count
    metrics["held_out_neuron_nll"] = -neurons / batch.sampled_count
    return metrics


def _shown(kept: Tensor, keep: float) -> Tensor:
    return kept.to(torch.get_default_dtype())[None] / keep


def _likelihood(
    model: LFADS, batch: Batch, shown: Tensor | None, streams: Streams | None = None
) -> tuple[Tensor, Tensor]:
    posterior = model.posterior(batch, shown, streams=streams)
    logits = model.sampled_logits(posterior.factors, batch)
    return model.observation.log_likelihood(logits, batch.event_slot, batch.event_neuron, batch.event_value)


def _total(background: Tensor, batch: Batch) -> Tensor:
    return (background if batch.slot_weight is None else background * batch.slot_weight).sum(-1)

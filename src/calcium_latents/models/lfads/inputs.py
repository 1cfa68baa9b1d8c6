"""Projection of sparse events to the input of the encoders' GRUs, in the order in which each direction reads."""

import torch
from torch import Tensor
from torch.nn import functional

from calcium_latents.models.lfads.batches import Batch

DIRECTIONS = 4  # initial-condition encoder forward, backward; controller-input encoder forward, backward
BACKWARD = (1, 3)


def project_events(values: Tensor, weight: Tensor, bias: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Input contributions to gates and candidates of the four encoder GRUs.

    A row without events costs nothing: its projection is the bias.

    Args:
        values: `[P, E]` what the encoder sees of every event.
        weight: `[P, N, 4 * 3 H]`, by direction, then reset, update, candidate.
        bias: `[P, 4, 3 H]`.
        batch: where the events are.

    Returns:
        gates `[T, 4 P, B, 2 H]` and candidates `[T, 4 P, B, H]`; time runs as each direction reads, so backwards for
        two of them.
    """
    return _Projection.apply(values, weight, bias, batch)


def add_bias(value: Tensor, bias: Tensor) -> Tensor:
    """`value` `[T, P, B, n]` plus `bias` `[P, n]`, with a gradient that sums the outermost axis first (much faster)."""
    return _AddBias.apply(value, bias)


class _AddBias(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, bias):
        return value + bias[:, None]

    @staticmethod
    def backward(ctx, grad):
        return grad, grad.sum(0).sum(1)


class _Projection(torch.autograd.Function):
    """Sums of weight rows forwards, sums of gradient rows backwards: both are bags of an embedding."""

    @staticmethod
    def forward(ctx, values, weight, bias, batch):
        B, T, N = batch.shape
        P, _, width = weight.shape
        H = width // (3 * DIRECTIONS)
        member = torch.arange(P, device=weight.device)[:, None]
        projected = functional.embedding_bag(
            (batch.event_neuron + member * N).flatten(),
            weight.reshape(P * N, width),
            (batch.bag_start + member * len(batch.event_row)).flatten(),
            mode="sum",
            per_sample_weights=values.flatten(),
        )
        projected = projected.view(P, B, T, DIRECTIONS, 3 * H).permute(2, 0, 3, 1, 4)
        gates = weight.new_empty(T, P * DIRECTIONS, B, 2 * H)
        candidates = weight.new_empty(T, P * DIRECTIONS, B, H)
        for direction in range(DIRECTIONS):
            part = projected[:, :, direction]
            part = part.flip(0) if direction in BACKWARD else part
            offset = bias[:, direction, None]
            torch.add(part[..., : 2 * H], offset[..., : 2 * H], out=gates[:, direction::DIRECTIONS])
            torch.add(part[..., 2 * H :], offset[..., 2 * H :], out=candidates[:, direction::DIRECTIONS])
        ctx.save_for_backward(values)
        ctx.batch, ctx.shape = batch, weight.shape
        return gates, candidates

    @staticmethod
    def backward(ctx, grad_gates, grad_candidates):
        (values,) = ctx.saved_tensors
        batch = ctx.batch
        (B, T, N), (P, _, width) = batch.shape, ctx.shape
        H = width // (3 * DIRECTIONS)
        grad_gates = grad_gates.view(T, P, DIRECTIONS, B, 2 * H)
        grad_candidates = grad_candidates.view(T, P, DIRECTIONS, B, H)
        rows = values.new_empty(P, B, T, DIRECTIONS, 3 * H)
        ordered = rows.permute(2, 0, 3, 1, 4)
        for direction in range(DIRECTIONS):
            for grad, columns in ((grad_gates, slice(0, 2 * H)), (grad_candidates, slice(2 * H, None))):
                part = grad[:, :, direction]
                ordered[:, :, direction, :, columns] = part.flip(0) if direction in BACKWARD else part
        bias = torch.cat([grad_gates.sum(0).sum(2), grad_candidates.sum(0).sum(2)], dim=-1)
        # the gradient of a neuron's weights is the sum, over its events, of value times gradient row
        order = torch.argsort(batch.event_neuron, stable=True)
        counts = torch.bincount(batch.event_neuron, minlength=N)
        member = torch.arange(P, device=values.device)[:, None]
        weight = functional.embedding_bag(
            (batch.event_row[order] + member * (B * T)).flatten(),
            rows.view(P * B * T, width),
            (torch.cumsum(counts, 0) - counts + member * len(order)).flatten(),
            mode="sum",
            per_sample_weights=values[:, order].flatten(),
        )
        return None, weight.view(P, N, width), bias, None

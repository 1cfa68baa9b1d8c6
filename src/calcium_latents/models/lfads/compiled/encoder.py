"""Both bidirectional encoders in compiled loops: the same as `inputs.project_events` and `encoder.recurrence`.

A task is one of the four GRUs of one member on a tile of trials, from the first bin to the last: its state stays in the
cache, and activations are turned into gradients where they stand.
"""

import numpy as np
import torch
from torch import Tensor

from calcium_latents.models.lfads.batches import Batch
from calcium_latents.models.lfads.compiled.buffers import give_back, take
from calcium_latents.models.lfads.compiled.gru import add, add_rows, gru_after, gru_before
from calcium_latents.models.lfads.compiled.math import compiled, sigmoid, tanh
from calcium_latents.models.lfads.compiled.tasks import array, multiply, run_tasks

TILE = 48  # trials a task


def encode(
    values: Tensor,
    input_weight: Tensor,
    bias: Tensor,
    initial: Tensor,
    gate_weight: Tensor,
    candidate_weight: Tensor,
    batch: Batch,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the four GRUs of every member over the events of a batch.

    Directions are in the order of `inputs.DIRECTIONS`; weights as there and in `encoder.gru_step`.

    Args:
        values: `[P, E]` what the encoder sees of every event.
        input_weight: `[P, N, 4 * 3 H]`.
        bias: `[P, 4, 3 H]`.
        initial: `[P, 4, H]`.
        gate_weight: `[P, 4, H, 2 H]`.
        candidate_weight: `[P, 4, H, H]`.
        batch: where the events are.

    Returns:
        Last states of the initial-condition encoder, forward and backward, `[P, B, H]` each; lagged codes of the
        controller-input encoder, `[P, T, B, 2 H]`: at bin t what was read before t, then after t (0 at the ends).
    """
    weights = input_weight, bias, initial, gate_weight, candidate_weight
    return _Encoder.apply(values, *weights, batch, torch.is_grad_enabled())


class _Encoder(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, input_weight, bias, initial, gate_weight, candidate_weight, batch, needed):
        B, T, N = batch.shape
        P, D, H = initial.shape
        activations = take(values, P, D, T, B, 3 * H) if needed else values.new_empty(P, D, 1, B, 3 * H)
        states = take(values, P, D, T + 1, B, H) if needed else values.new_empty(P, D, 2, B, H)
        final, codes = values.new_empty(2, P, B, H), values.new_empty(P, T, B, 2 * H)
        run_tasks(
            _forward,
            P * D * tiles_of(B, TILE),
            T,
            activations.numpy(),
            states.numpy(),
            final.numpy(),
            codes.numpy(),
            array(values),
            batch.event_neuron.numpy(),
            batch.bag_start.numpy(),
            array(input_weight.view(P, N, D, 3 * H).transpose(1, 2)),
            array(bias),
            array(initial),
            array(gate_weight),
            array(candidate_weight),
        )
        ctx.save_for_backward(values, gate_weight, candidate_weight)
        ctx.batch, ctx.buffers, ctx.shape = batch, (activations, states), input_weight.shape
        return *final.unbind(0), codes

    @staticmethod
    def backward(ctx, grad_forward, grad_backward, grad_codes):
        values, gate_weight, candidate_weight = ctx.saved_tensors
        activations, states = ctx.buffers
        ctx.buffers = None  # overwritten: a second backward pass would be wrong
        batch = ctx.batch
        P, D, T, B, width = activations.shape
        H, N, tiles = width // 3, batch.shape[2], tiles_of(B, TILE)
        products = take(values, P, D, T, B, H)
        # gradients of input weights, biases and initial states: a part for each tile
        to_input, partial = values.new_empty(P, tiles, D, N, width), values.new_empty(P, D, tiles, width + H)
        run_tasks(
            _backward,
            P * D * tiles,
            activations.numpy(),
            states.numpy(),
            products.numpy(),
            to_input.numpy(),
            partial.numpy(),
            array(grad_forward),
            array(grad_backward),
            array(grad_codes),
            array(values),
            batch.event_neuron.numpy(),
            batch.bag_start.numpy(),
            array(gate_weight.transpose(2, 3)),
            array(candidate_weight.transpose(2, 3)),
        )
        rows, reset = activations.view(P * D, T * B, width), products.view(P * D, T * B, H)
        to_gates, to_candidate = torch.empty_like(gate_weight), torch.empty_like(candidate_weight)
        before = states.view(P * D, (T + 1) * B, H)[:, : T * B]
        multiply(
            (before, rows[..., : 2 * H], to_gates.view(P * D, H, 2 * H)),
            (reset, rows[..., 2 * H :], to_candidate.view(P * D, H, H)),
        )
        give_back(activations, states, products)
        sums = partial.sum(2)
        to_input = (to_input[:, 0] if tiles == 1 else to_input.sum(1)).transpose(1, 2).reshape(ctx.shape)
        return None, to_input, sums[..., :width], sums[..., width:], to_gates, to_candidate, None, None


def tiles_of(trials: int, tile: int) -> int:
    """Number of tiles that hold all trials."""
    return -(-trials // tile)


@compiled
def _forward(
    first,
    step,
    T,
    activations,
    states,
    final,
    codes,
    values,
    neuron,
    bag_start,
    input_weight,
    bias,
    initial,
    gate_weight,
    candidate,
):
    """Steps k are in each direction's own order; buffers of one step (two states) serve where nothing is kept."""
    P, D, kept, B, width = activations.shape
    H = width // 3
    tiles = (B + TILE - 1) // TILE
    product = np.empty((TILE, H), activations.dtype)
    to_gates = np.empty((TILE, 2 * H), activations.dtype)
    to_candidate = np.empty((TILE, H), activations.dtype)
    for task in range(first, P * D * tiles, step):
        p, d, low = task // (D * tiles), task // tiles % D, task % tiles * TILE
        n = min(TILE, B - low)
        backward = d % 2
        states[p, d, 0, low : low + n] = initial[p, d]
        if d > 1:  # nothing was read before the first step
            codes[p, T - 1 if backward else 0, low : low + n, H * backward : H * (backward + 1)] = 0
        for k in range(T):
            t = T - 1 - k if backward else k
            previous = states[p, d, k % (kept + 1), low : low + n]
            rows = activations[p, d, k % kept, low : low + n]
            np.dot(previous, gate_weight[p, d], to_gates[:n])
            for i in range(n):
                row = (low + i) * T + t
                stop = bag_start[row + 1] if row + 1 < B * T else len(neuron)
                own = rows[i]
                own[:] = bias[p, d]
                for e in range(bag_start[row], stop):
                    value, weight = values[p, e], input_weight[p, d, neuron[e]]
                    for j in range(width):
                        own[j] += value * weight[j]
                for j in range(2 * H):
                    rows[i, j] = sigmoid(rows[i, j] + to_gates[i, j])
                for j in range(H):
                    product[i, j] = rows[i, j] * previous[i, j]
            np.dot(product[:n], candidate[p, d], to_candidate[:n])
            following = states[p, d, (k + 1) % (kept + 1), low : low + n]
            for i in range(n):
                # short loops over few arrays: the compiler vectorises what it can prove apart
                for j in range(H):
                    rows[i, 2 * H + j] = tanh(rows[i, 2 * H + j] + to_candidate[i, j])
                for j in range(H):
                    proposal = rows[i, 2 * H + j]
                    following[i, j] = proposal + rows[i, H + j] * (previous[i, j] - proposal)
            if d < 2:
                if k + 1 == T:
                    final[d, p, low : low + n] = following
            elif k + 1 < T:  # the state after this step is the code of the next bin that is read
                following_code = codes[p, t - 1 if backward else t + 1]
                for i in range(n):
                    for j in range(H):
                        following_code[low + i, H * backward + j] = following[i, j]


@compiled
def _backward(
    first,
    step,
    activations,
    states,
    products,
    to_input,
    partial,
    grad_forward,
    grad_backward,
    grad_codes,
    values,
    neuron,
    bag_start,
    gate_transposed,
    candidate_transposed,
):
    P, D, T, B, width = activations.shape
    H = width // 3
    tiles = (B + TILE - 1) // TILE
    grad = np.empty((TILE, H), activations.dtype)
    to_candidate = np.empty((TILE, H), activations.dtype)
    to_product = np.empty((TILE, H), activations.dtype)
    to_gates = np.empty((TILE, 2 * H), activations.dtype)
    to_state = np.empty((TILE, H), activations.dtype)
    for task in range(first, P * D * tiles, step):
        p, d, tile = task // (D * tiles), task // tiles % D, task % tiles
        low = tile * TILE
        n = min(TILE, B - low)
        backward = d % 2
        sums, to_weights = partial[p, d, tile], to_input[p, tile, d]
        sums[:] = 0
        to_weights[:] = 0
        if d == 0:
            grad[:n] = grad_forward[p, low : low + n]
        elif d == 1:
            grad[:n] = grad_backward[p, low : low + n]
        else:
            grad[:n] = 0
        for k in range(T - 1, -1, -1):
            t = T - 1 - k if backward else k
            if d > 1 and k + 1 < T:
                code = grad_codes[p, t - 1 if backward else t + 1]
                for i in range(n):
                    for j in range(H):
                        grad[i, j] += code[low + i, H * backward + j]
            rows = activations[p, d, k, low : low + n]
            previous = states[p, d, k, low : low + n]
            gru_before(grad, rows, previous, H, to_candidate)
            np.dot(to_candidate[:n], candidate_transposed[p, d], to_product[:n])
            gru_after(grad, rows, previous, H, to_product, products[p, d, k, low : low + n], to_gates)
            add_rows(sums[:width], rows)
            for i in range(n):
                # a neuron's weights: the sum, over its events, of value times gradient
                row = (low + i) * T + t
                stop = bag_start[row + 1] if row + 1 < B * T else len(neuron)
                own = rows[i]
                for e in range(bag_start[row], stop):
                    value, to_weight = values[p, e], to_weights[neuron[e]]
                    for j in range(width):
                        to_weight[j] += value * own[j]
            np.dot(to_gates[:n], gate_transposed[p, d], to_state[:n])
            add(grad, to_state, n)
        for i in range(n):
            for j in range(H):
                sums[width + j] += grad[i, j]

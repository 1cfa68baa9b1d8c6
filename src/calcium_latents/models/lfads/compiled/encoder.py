"""Both bidirectional encoders in compiled loops: the same as `inputs.project_events` and `encoder.recurrence`.

A task is one of the four GRUs of one member on a tile of trials, from the first bin to the last: its state stays in the
cache, and activations are turned into gradients where they stand.
"""

import numpy as np
import torch
from torch import Tensor

from calcium_latents.models.lfads.batches import Batch
from calcium_latents.models.lfads.compiled.gru import add, gru_after, gru_before
from calcium_latents.models.lfads.compiled.math import compiled, sigmoid, tanh
from calcium_latents.models.lfads.compiled.tasks import array, run_tasks

TILE = 48  # trials a task


def encode(
    values: Tensor,
    input_weight: Tensor,
    bias: Tensor,
    initial: Tensor,
    gate_weight: Tensor,
    candidate_weight: Tensor,
    batch: Batch,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
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
        controller-input encoder, `[P, T, B, H]` each: at bin t what was read before t, and after t (0 at the ends).
    """
    return _Encoder.apply(values, input_weight, bias, initial, gate_weight, candidate_weight, batch)


class _Encoder(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, input_weight, bias, initial, gate_weight, candidate_weight, batch):
        B, T, N = batch.shape
        P, D, H = initial.shape
        activations = values.new_empty(P, D, T, B, 3 * H)
        states = values.new_empty(P, D, T + 1, B, H)
        run_tasks(
            _forward,
            P * D * tiles_of(B, TILE),
            activations.numpy(),
            states.numpy(),
            array(values),
            batch.event_neuron.numpy(),
            batch.bag_start.numpy(),
            array(input_weight).reshape(P, N, D, 3 * H),
            array(bias),
            array(initial),
            array(gate_weight),
            array(candidate_weight),
        )
        ctx.save_for_backward(values, initial, gate_weight, candidate_weight)
        ctx.batch, ctx.buffers, ctx.shape = batch, (activations, states), input_weight.shape
        # the slot before the first step holds zeros: the controller's codes are slices
        return states[:, 0, T], states[:, 1, 0], states[:, 2, :T], states[:, 3, 1:]

    @staticmethod
    def backward(ctx, grad_forward, grad_backward, grad_before, grad_after):
        values, initial, gate_weight, candidate_weight = ctx.saved_tensors
        activations, states = ctx.buffers
        ctx.buffers = None  # overwritten: a second backward pass would be wrong
        batch = ctx.batch
        P, D, T, B, width = activations.shape
        H, N = width // 3, batch.shape[2]
        products = torch.empty_like(states[:, :, :T])
        partial = values.new_empty(P, D, tiles_of(B, TILE), 4 * H)  # gradients of biases and of initial states
        grad_initial_gates = values.new_empty(P, D, B, 2 * H)
        run_tasks(
            _backward,
            P * D * tiles_of(B, TILE),
            activations.numpy(),
            states.numpy(),
            products.numpy(),
            partial.numpy(),
            grad_initial_gates.numpy(),
            array(grad_forward),
            array(grad_backward),
            array(grad_before),
            array(grad_after),
            array(initial),
            array(gate_weight.transpose(2, 3)),
            array(candidate_weight.transpose(2, 3)),
        )
        rows = activations.view(P, D, T * B, width)
        grad_gate = torch.empty_like(gate_weight)
        for direction in range(D):
            first = direction % 2
            previous = states[:, direction, first : T + first].reshape(P, T * B, H)
            torch.bmm(previous.mT, rows[:, direction, :, : 2 * H], out=grad_gate[:, direction])
        # at the first step the state is the initial one, and its slot holds zeros
        grad_gate += initial[..., None] * grad_initial_gates.sum(2)[..., None, :]
        grad_candidate = products.view(P * D, T * B, H).mT @ rows.flatten(0, 1)[..., 2 * H :]
        order = torch.argsort(batch.event_neuron, stable=True)
        starts = torch.zeros(N + 1, dtype=torch.long)
        torch.cumsum(torch.bincount(batch.event_neuron, minlength=N), 0, out=starts[1:])
        grad_input = values.new_empty(P, N, D, width)
        run_tasks(
            _input_gradient,
            P * D,
            grad_input.numpy(),
            activations.numpy(),
            array(values[:, order]),
            batch.event_row[order].numpy(),
            starts.numpy(),
        )
        sums = partial.sum(2)
        return (
            None,
            grad_input.view(ctx.shape),
            sums[..., :width],
            sums[..., width:],
            grad_gate,
            grad_candidate.view(candidate_weight.shape),
            None,
        )


def tiles_of(trials: int, tile: int) -> int:
    """Number of tiles that hold all trials."""
    return -(-trials // tile)


@compiled
def _forward(
    first, step, activations, states, values, neuron, bag_start, input_weight, bias, initial, gate_weight, candidate
):
    P, D, T, B, width = activations.shape
    H = width // 3
    tiles = (B + TILE - 1) // TILE
    start = np.empty((TILE, H), activations.dtype)
    product = np.empty((TILE, H), activations.dtype)
    to_gates = np.empty((TILE, 2 * H), activations.dtype)
    to_candidate = np.empty((TILE, H), activations.dtype)
    for task in range(first, P * D * tiles, step):
        p, d, low = task // (D * tiles), task // tiles % D, task % tiles * TILE
        n = min(TILE, B - low)
        backward = d % 2
        states[p, d, T * backward, low : low + n] = 0
        start[:n] = initial[p, d]
        previous = start[:n]
        for k in range(T):
            t = T - 1 - k if backward else k
            rows = activations[p, d, t, low : low + n]
            np.dot(previous, gate_weight[p, d], to_gates[:n])
            for i in range(n):
                row = (low + i) * T + t
                stop = bag_start[row + 1] if row + 1 < B * T else len(neuron)
                for j in range(width):
                    rows[i, j] = bias[p, d, j]
                for e in range(bag_start[row], stop):
                    value, weight = values[p, e], input_weight[p, neuron[e], d]
                    for j in range(width):
                        rows[i, j] += value * weight[j]
                for j in range(2 * H):
                    rows[i, j] = sigmoid(rows[i, j] + to_gates[i, j])
                for j in range(H):
                    product[i, j] = rows[i, j] * previous[i, j]
            np.dot(product[:n], candidate[p, d], to_candidate[:n])
            following = states[p, d, t + 1 - backward, low : low + n]
            for i in range(n):
                # short loops over few arrays: the compiler vectorises what it can prove apart
                for j in range(H):
                    rows[i, 2 * H + j] = tanh(rows[i, 2 * H + j] + to_candidate[i, j])
                for j in range(H):
                    proposal = rows[i, 2 * H + j]
                    following[i, j] = proposal + rows[i, H + j] * (previous[i, j] - proposal)
            previous = following


@compiled
def _backward(
    first,
    step,
    activations,
    states,
    products,
    partial,
    first_gates,
    grad_forward,
    grad_backward,
    grad_before,
    grad_after,
    initial,
    gate_transposed,
    candidate_transposed,
):
    P, D, T, B, width = activations.shape
    H = width // 3
    tiles = (B + TILE - 1) // TILE
    start = np.empty((TILE, H), activations.dtype)
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
        start[:n] = initial[p, d]
        sums = partial[p, d, tile]
        sums[:] = 0
        if d == 0:
            grad[:n] = grad_forward[p, low : low + n]
        elif d == 1:
            grad[:n] = grad_backward[p, low : low + n]
        else:
            grad[:n] = 0
        for k in range(T - 1, -1, -1):
            t = T - 1 - k if backward else k
            # the state after this step is the code of a neighbouring bin
            if d == 2 and t + 1 < T:
                grad[:n] += grad_before[p, t + 1, low : low + n]
            elif d == 3 and t > 0:
                grad[:n] += grad_after[p, t - 1, low : low + n]
            rows = activations[p, d, t, low : low + n]
            previous = states[p, d, t + backward, low : low + n] if k else start[:n]
            gru_before(grad, rows, previous, H, to_candidate)
            np.dot(to_candidate[:n], candidate_transposed[p, d], to_product[:n])
            gru_after(grad, rows, previous, H, to_product, products[p, d, t, low : low + n], to_gates)
            for i in range(n):
                for j in range(width):
                    sums[j] += rows[i, j]
            np.dot(to_gates[:n], gate_transposed[p, d], to_state[:n])
            add(grad, to_state, n)
        first_gates[p, d, low : low + n] = to_gates[:n]
        for i in range(n):
            for j in range(H):
                sums[width + j] += grad[i, j]


@compiled
def _input_gradient(first, step, grad, activations, values, rows, starts):
    """Every neuron's sum, over its events, of value times gradient."""
    P, D, T, _, width = activations.shape
    for task in range(first, P * D, step):
        p, d = task // D, task % D
        for n in range(len(starts) - 1):
            to = grad[p, n, d]
            to[:] = 0
            for e in range(starts[n], starts[n + 1]):
                b, t = rows[e] // T, rows[e] % T
                value, row = values[p, e], activations[p, d, t, b]
                for j in range(width):
                    to[j] += value * row[j]

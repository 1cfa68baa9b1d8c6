"""The recurrence of both bidirectional encoders: four GRUs that read the same input, run as one batch.

The GRU applies its reset gate before the recurrent product (Cho et al. 2014), which `torch.nn.GRU` does not:

    r, z = sigmoid(x W + h U + b),   n = tanh(x W' + (r h) U' + b'),   h' = z h + (1 - z) n
"""

import torch
from torch import Tensor


def recurrence(
    gates: Tensor, candidates: Tensor, initial: Tensor, gate_weight: Tensor, candidate_weight: Tensor
) -> Tensor:
    """Run the GRUs over all steps, with hand-written backpropagation through time.

    Args:
        gates: `[time, networks, batch, 2 H]`, contribution of the input to (reset, update), biases included;
            overwritten by the activations: the caller must not use it again.
        candidates: `[time, networks, batch, H]`, the same for the candidate.
        initial: `[networks, batch, H]`.
        gate_weight: `[networks, H, 2 H]`.
        candidate_weight: `[networks, H, H]`.

    Returns:
        States after each step, `[time, networks, batch, H]`.
    """
    return _Recurrence.apply(gates, candidates, initial, gate_weight, candidate_weight)


def gru_backward_through_update(
    grad: Tensor, state: Tensor, update: Tensor, candidate: Tensor, to_update: Tensor, to_candidate: Tensor
) -> Tensor:
    """First half of a GRU's backward step, all `[networks, B, H]`: everything before the candidate's recurrent product.

    Writes the gradients of the pre-activations of the update gate and the candidate into `to_update` and
    `to_candidate`; returns the direct gradient to the previous state.
    """
    direct = grad * update
    torch.sub(grad, direct, out=to_candidate)
    # d pre_z = g (h - n) z (1 - z), and g (1 - z) stands in `to_candidate`
    torch.sub(state, candidate, out=to_update)
    to_update.mul_(to_candidate).mul_(update)
    to_candidate.addcmul_(to_candidate * candidate, candidate, value=-1)
    return direct


def gru_backward_through_reset(
    to_product: Tensor, state: Tensor, reset: Tensor, product: Tensor, to_reset: Tensor
) -> None:
    """Second half, given the gradient of the reset product r h; all `[networks, B, H]`.

    Turns `to_product` into its share of the state's gradient, stores r h in `product` (for the weight gradient) and
    writes the gradient of the reset gate's pre-activation into `to_reset`.
    """
    torch.mul(reset, state, out=product)
    to_product.mul_(reset)
    torch.mul(to_product, state, out=to_reset)
    to_reset.addcmul_(to_product, product, value=-1)


def sum_over_time(left: Tensor, right: Tensor) -> Tensor:
    """Weight gradient of a recurrence, `sum_t left_t^T right_t`, as one matrix product per network.

    Args:
        left: `[time, networks, batch, a]`.
        right: `[time, networks, batch, b]`.

    Returns:
        `[networks, a, b]`.
    """
    steps, networks, batch, _ = left.shape
    left = left.transpose(0, 1).reshape(networks, steps * batch, -1)
    right = right.transpose(0, 1).reshape(networks, steps * batch, -1)
    return torch.bmm(left.transpose(1, 2), right)


class _Recurrence(torch.autograd.Function):
    """Hand-written backpropagation through time of the stacked GRUs."""

    @staticmethod
    def forward(ctx, gates, candidates, initial, gate_weight, candidate_weight):
        size = initial.shape[-1]
        states = gates.new_empty(len(gates) + 1, *initial.shape)
        states[0] = initial
        product = torch.empty_like(states[0])
        sequence = states.unbind(0)
        resets, updates = gates[..., :size].unbind(0), gates[..., size:].unbind(0)
        steps = zip(sequence[:-1], sequence[1:], gates.unbind(0), resets, updates, candidates.unbind(0), strict=True)
        for state, following, gate, reset, update, candidate in steps:
            gate.baddbmm_(state, gate_weight).sigmoid_()
            torch.mul(reset, state, out=product)
            candidate.baddbmm_(product, candidate_weight).tanh_()
            torch.lerp(candidate, state, update, out=following)
        ctx.save_for_backward(gates, candidates, states, gate_weight, candidate_weight)
        return states[1:]

    @staticmethod
    def backward(ctx, grad_states):
        gates, candidates, states, gate_weight, candidate_weight = ctx.saved_tensors
        size = states.shape[-1]
        gate_transposed = gate_weight.transpose(1, 2)
        candidate_transposed = candidate_weight.transpose(1, 2)
        grad_gates, grad_candidates = torch.empty_like(gates), torch.empty_like(candidates)
        products = torch.empty_like(candidates)
        grad, to_product = torch.zeros_like(states[0]), torch.empty_like(states[0])
        # all views are made before the loop: making them costs as much as a small operation
        views = zip(
            states[:-1].unbind(0), gates[..., :size].unbind(0), gates[..., size:].unbind(0), candidates.unbind(0),
            grad_gates.unbind(0), grad_gates[..., :size].unbind(0), grad_gates[..., size:].unbind(0),
            grad_candidates.unbind(0), products.unbind(0), grad_states.unbind(0),
            strict=True,
        )  # fmt: skip
        for (
            state,
            reset,
            update,
            candidate,
            to_gate,
            to_reset,
            to_update,
            to_candidate,
            product,
            upstream,
        ) in reversed(list(views)):
            grad.add_(upstream)
            direct = gru_backward_through_update(grad, state, update, candidate, to_update, to_candidate)
            torch.bmm(to_candidate, candidate_transposed, out=to_product)
            gru_backward_through_reset(to_product, state, reset, product, to_reset)
            grad = direct.add_(to_product).baddbmm_(to_gate, gate_transposed)
        grad_gate_weight = sum_over_time(states[:-1], grad_gates)
        grad_candidate_weight = sum_over_time(products, grad_candidates)
        return grad_gates, grad_candidates, grad, grad_gate_weight, grad_candidate_weight

"""Controller and generator: from encoder codes to factors, step by step.

At bin t (Zhu 2022, Methods; Pandarinath 2018, online methods):

    controller input = dropout([lagged code of the data, previous factors])
    inferred input   u_t ~ N(mean_t, exp(log variance_t)), both linear in the controller's state
    generator        g_t = clip(GRU(u_t, g_{t-1}))
    factors          f_t = W dropout(g_t), every factor's weights of unit length
"""

from typing import NamedTuple

import torch
from torch import Tensor

from calcium_latents.models.lfads.encoder import (
    gru_backward_through_reset,
    gru_backward_through_update,
    sum_over_time,
)


class DecoderWeights(NamedTuple):
    """Weights of the loop, population axis P first (C controller, G generator, F factors, U inputs)."""

    controller_factors: Tensor  # [P, F, 3 C], previous factors to (reset, update, candidate)
    controller_gates: Tensor  # [P, C, 2 C]
    controller_candidate: Tensor  # [P, C, C]
    inputs: Tensor  # [P, C, 2 U], controller to (mean, log variance)
    inputs_bias: Tensor  # [P, 2 U]
    generator_inputs: Tensor  # [P, U, 3 G]
    generator_bias: Tensor  # [P, 3 G]
    generator_gates: Tensor  # [P, G, 2 G]
    generator_candidate: Tensor  # [P, G, G]
    factors: Tensor  # [P, G, F], unit columns


def decoder(
    codes: Tensor,
    generator: Tensor,
    controller: Tensor,
    noise: Tensor,
    generator_mask: Tensor | None,
    factor_mask: Tensor | None,
    weights: DecoderWeights,
    clip: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the loop, with hand-written backpropagation through time.

    Args:
        codes: `[T, P, B, 3 C]`, contribution of the lagged encoder codes to the controller, bias included.
        generator: `[P, B, G]`, the generator's initial state.
        controller: `[P, B, C]`, the controller's initial state.
        noise: `[T, P, B, U]`, standard normal.
        generator_mask: `[T + 1, P, B, G]` scaled dropout mask between generator and factors; None for no dropout.
        factor_mask: `[T, P, B, F]` scaled dropout mask of the factors fed back to the controller; None for none.
        weights: see `DecoderWeights`.
        clip: bound of the generator's state.

    Returns:
        factors `[T, P, B, F]`; (mean, log variance) of the inferred inputs `[T, P, B, 2 U]`; generator states
        `[T, P, B, G]`, which carry no gradient: nothing in the loss reads them.
    """
    return _Decoder.apply(codes, generator, controller, noise, generator_mask, factor_mask, clip, *weights)


def each(tensor: Tensor) -> tuple[Tensor, ...]:
    """Views of `tensor` `[T, ...]` at every step."""
    return tensor.unbind(0)


def each_part(tensor: Tensor, *columns: tuple) -> list[tuple[Tensor, ...]]:
    """Views of `tensor` `[T, ..., n]` at every step, for each of some `columns` (arguments of `slice`)."""
    return [each(tensor[..., slice(*c)]) for c in columns]


def each_gate(activations: Tensor) -> list[tuple[Tensor, ...]]:
    """Views at every step of `[T, P, B, 3 H]`: all, reset and update gates, reset, update, candidate."""
    size = activations.shape[-1] // 3
    return each_part(activations, (None,), (2 * size,), (size,), (size, 2 * size), (2 * size, None))


class _Decoder(torch.autograd.Function):
    """Hand-written backpropagation through time of controller and generator."""

    @staticmethod
    def forward(ctx, codes, generator, controller, noise, generator_mask, factor_mask, clip, *weights):
        w = DecoderWeights(*weights)
        steps, members, batch, _ = codes.shape
        C, G, F = controller.shape[-1], generator.shape[-1], w.factors.shape[-1]
        U = noise.shape[-1]
        # controller rows: [factors | state] -> [gates | candidate's input part]; state rows of the latter are zero
        mixed = codes.new_zeros(members, F + C, 3 * C)
        mixed[:, :F] = w.controller_factors
        mixed[:, F:, : 2 * C] = w.controller_gates
        generator_mixed = codes.new_zeros(members, U + G, 3 * G)
        generator_mixed[:, :U] = w.generator_inputs
        generator_mixed[:, U:, : 2 * G] = w.generator_gates
        inputs_bias = w.inputs_bias[:, None].expand(members, batch, 2 * U)
        generator_bias = w.generator_bias[:, None].expand(members, batch, 3 * G)

        new = codes.new_empty
        left = new(steps, members, batch, F + C)  # [previous factors | previous controller state] of each step
        right = new(steps, members, batch, U + G)  # [inferred input | previous generator state]
        controller_all = new(steps + 1, members, batch, C)
        generator_all = new(steps + 1, members, batch, G)
        factors_all = new(steps + 1, members, batch, F)
        posteriors = new(steps, members, batch, 2 * U)
        controller_activations = new(steps, members, batch, 3 * C)
        generator_activations = new(steps, members, batch, 3 * G)
        controller_all[0], generator_all[0] = controller, generator
        dropped = None if generator_mask is None else new(steps + 1, members, batch, G)

        # all views are made before the loop: making them costs as much as a small operation
        controllers, generators, factors = each(controller_all), each(generator_all), each(factors_all)
        rows_c, (row_factors, row_controller) = each(left), each_part(left, (F,), (F, None))
        rows_g, (row_inputs, row_generator) = each(right), each_part(right, (U,), (U, None))
        all_c, gates_c, resets_c, updates_c, candidates_c = each_gate(controller_activations)
        all_g, gates_g, resets_g, updates_g, candidates_g = each_gate(generator_activations)
        posterior, (means, log_variances) = each(posteriors), each_part(posteriors, (U,), (U, None))

        def to_factors(t):
            state = generators[t]
            if dropped is not None:
                state = torch.mul(state, generator_mask[t], out=dropped[t])
            torch.bmm(state, w.factors, out=factors[t])

        product_c, product_g = torch.empty_like(controllers[0]), torch.empty_like(generators[0])
        to_factors(0)
        for t in range(steps):
            if factor_mask is None:
                row_factors[t].copy_(factors[t])
            else:
                torch.mul(factors[t], factor_mask[t], out=row_factors[t])
            row_controller[t].copy_(controllers[t])
            torch.baddbmm(codes[t], rows_c[t], mixed, out=all_c[t])
            gates_c[t].sigmoid_()
            torch.mul(resets_c[t], controllers[t], out=product_c)
            candidates_c[t].add_(torch.bmm(product_c, w.controller_candidate)).tanh_()
            torch.lerp(candidates_c[t], controllers[t], updates_c[t], out=controllers[t + 1])

            torch.baddbmm(inputs_bias, controllers[t + 1], w.inputs, out=posterior[t])
            torch.mul(torch.exp(0.5 * log_variances[t]), noise[t], out=row_inputs[t])
            row_inputs[t].add_(means[t])
            row_generator[t].copy_(generators[t])
            torch.baddbmm(generator_bias, rows_g[t], generator_mixed, out=all_g[t])
            gates_g[t].sigmoid_()
            torch.mul(resets_g[t], generators[t], out=product_g)
            candidates_g[t].add_(torch.bmm(product_g, w.generator_candidate)).tanh_()
            torch.lerp(candidates_g[t], generators[t], updates_g[t], out=generators[t + 1])
            generators[t + 1].clamp_(-clip, clip)
            to_factors(t + 1)

        saved = (left, right, controller_all, generator_all, posteriors, controller_activations)
        ctx.save_for_backward(*saved, generator_activations, noise, generator_mask, factor_mask, dropped, *weights)
        ctx.clip = clip
        generator_states = generator_all[1:]
        ctx.mark_non_differentiable(generator_states)
        return factors_all[1:], posteriors, generator_states

    @staticmethod
    def backward(ctx, grad_factors, grad_posteriors, _):
        saved = ctx.saved_tensors
        left, right, controller_all, generator_all, posteriors, activations_c, activations_g = saved[:7]
        noise, generator_mask, factor_mask, dropped = saved[7:11]
        w = DecoderWeights(*saved[11:])
        steps, members, batch, U = noise.shape
        C, G, F = controller_all.shape[-1], generator_all.shape[-1], w.factors.shape[-1]
        clipped = bool((generator_all[1:].abs() >= ctx.clip).any())
        transposed = DecoderWeights(*(weight.transpose(1, 2) if weight.dim() == 3 else weight for weight in w))

        empty = torch.empty_like
        grad_c, grad_g = empty(activations_c), empty(activations_g)  # pre-activations
        products_c, products_g = empty(controller_all[1:]), empty(generator_all[1:])
        grad_outputs = empty(posteriors)
        factors_total = left.new_empty(steps + 1, members, batch, F)
        factors_total[1:] = grad_factors
        factors_total[0] = 0
        d_controller, d_generator = torch.zeros_like(controller_all[0]), torch.zeros_like(generator_all[0])
        half_noise_scale = 0.5 * torch.exp(0.5 * posteriors[..., U:]) * noise

        def from_factors(t):
            to_state = torch.bmm(factors_total[t], transposed.factors)
            if generator_mask is not None:
                to_state.mul_(generator_mask[t])
            return to_state

        controllers, generators = each(controller_all), each(generator_all)
        _, _, resets_c, updates_c, candidates_c = each_gate(activations_c)
        _, _, resets_g, updates_g, candidates_g = each_gate(activations_g)
        to_c, to_gates_c, to_resets_c, to_updates_c, to_candidates_c = each_gate(grad_c)
        to_g, to_gates_g, to_resets_g, to_updates_g, to_candidates_g = each_gate(grad_g)
        outputs, (output_means, output_variances) = each(grad_outputs), each_part(grad_outputs, (U,), (U, None))
        upstream_means, upstream_variances = each_part(grad_posteriors, (U,), (U, None))
        product_c, product_g, half_scale = each(products_c), each(products_g), each(half_noise_scale)

        for t in range(steps - 1, -1, -1):
            d_generator.add_(from_factors(t + 1))
            if clipped:
                d_generator.mul_(generators[t + 1].abs() < ctx.clip)
            direct = gru_backward_through_update(
                d_generator, generators[t], updates_g[t], candidates_g[t], to_updates_g[t], to_candidates_g[t]
            )
            to_product = torch.bmm(to_candidates_g[t], transposed.generator_candidate)
            gru_backward_through_reset(to_product, generators[t], resets_g[t], product_g[t], to_resets_g[t])
            d_generator = direct.add_(to_product).baddbmm_(to_gates_g[t], transposed.generator_gates)

            d_inputs = torch.bmm(to_g[t], transposed.generator_inputs)
            torch.add(upstream_means[t], d_inputs, out=output_means[t])
            torch.addcmul(upstream_variances[t], d_inputs, half_scale[t], out=output_variances[t])
            d_controller.baddbmm_(outputs[t], transposed.inputs)

            direct = gru_backward_through_update(
                d_controller,
                controllers[t],
                updates_c[t],
                candidates_c[t],
                to_updates_c[t],
                to_candidates_c[t],
            )
            to_product = torch.bmm(to_candidates_c[t], transposed.controller_candidate)
            gru_backward_through_reset(to_product, controllers[t], resets_c[t], product_c[t], to_resets_c[t])
            d_controller = direct.add_(to_product).baddbmm_(to_gates_c[t], transposed.controller_gates)

            feedback = torch.bmm(to_c[t], transposed.controller_factors)
            factors_total[t].add_(feedback if factor_mask is None else feedback.mul_(factor_mask[t]))
        d_generator.add_(from_factors(0))

        grad_generator_rows = sum_over_time(right, grad_g)
        grad_controller_rows = sum_over_time(left, grad_c)
        grads = DecoderWeights(
            controller_factors=grad_controller_rows[:, :F],
            controller_gates=grad_controller_rows[:, F:, : 2 * C],
            controller_candidate=sum_over_time(products_c, grad_c[..., 2 * C :]),
            inputs=sum_over_time(controller_all[1:], grad_outputs),
            inputs_bias=grad_outputs.sum(0).sum(1),
            generator_inputs=grad_generator_rows[:, :U],
            generator_bias=grad_g.sum(0).sum(1),
            generator_gates=grad_generator_rows[:, U:, : 2 * G],
            generator_candidate=sum_over_time(products_g, grad_g[..., 2 * G :]),
            factors=sum_over_time(generator_all if dropped is None else dropped, factors_total),
        )
        return grad_c, d_generator, d_controller, None, None, None, None, *grads

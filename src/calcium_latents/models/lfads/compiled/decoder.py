"""Controller and generator in compiled loops: the same as `models.lfads.decoder`.

A task is one member on a tile of trials, from the first bin to the last (see `compiled_encoder`).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from calcium_latents.models.lfads.compiled.encoder import tiles_of
from calcium_latents.models.lfads.compiled.gru import add, gru_after, gru_before
from calcium_latents.models.lfads.compiled.math import compiled, exponential, sigmoid, tanh
from calcium_latents.models.lfads.compiled.tasks import array, run_tasks
from calcium_latents.models.lfads.decoder import DecoderWeights

TILE = 48  # trials a task


def decode(
    codes: Tensor,
    generator: Tensor,
    controller: Tensor,
    noise: Tensor,
    generator_mask: Tensor | None,
    factor_mask: Tensor | None,
    weights: DecoderWeights,
    clip: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same as `models.lfads.decoder.decoder`, but members lead every sequence: `[P, T, B, ...]`.

    `codes` is overwritten by activations: the caller must not use it again. The generator states that it returns carry
    no gradient: nothing in the loss reads them.
    """
    return _Decoder.apply(codes, generator, controller, noise, generator_mask, factor_mask, clip, *weights)


class _Decoder(torch.autograd.Function):
    @staticmethod
    def forward(ctx, codes, generator, controller, noise, generator_mask, factor_mask, clip, *weights):
        w = DecoderWeights(*weights)
        P, T, B, width = codes.shape
        C, G, F, U = width // 3, generator.shape[-1], w.factors.shape[-1], noise.shape[-1]
        new = codes.new_empty
        # rows [previous factors | controller's state]; the state's part of the candidate goes through the reset gate
        mixed = codes.new_zeros(P, F + C, 3 * C)
        mixed[:, :F] = w.controller_factors
        mixed[:, F:, : 2 * C] = w.controller_gates
        controllers, generators = new(P, T + 1, B, C), new(P, T + 1, B, G)
        controllers[:, 0], generators[:, 0] = controller, generator
        factors, posteriors, inputs = new(P, T + 1, B, F), new(P, T, B, 2 * U), new(P, T, B, U)
        generator_activations = new(P, T, B, 3 * G)
        nothing = new(0, 0, 0, 0)
        masks = tuple(nothing if mask is None else mask for mask in (generator_mask, factor_mask))
        dropped = nothing if generator_mask is None else torch.empty_like(generators)
        feedback = nothing if factor_mask is None else new(P, T, B, F)
        run_tasks(
            _forward,
            P * tiles_of(B, TILE),
            codes.numpy(),
            generator_activations.numpy(),
            controllers.numpy(),
            generators.numpy(),
            factors.numpy(),
            posteriors.numpy(),
            inputs.numpy(),
            dropped.numpy(),
            feedback.numpy(),
            array(noise),
            *(array(mask) for mask in masks),
            mixed.numpy(),
            *(array(weight) for weight in w[2:]),
            codes.numpy().dtype.type(clip),
        )
        ctx.save_for_backward(noise, *masks, *weights)
        ctx.buffers = (codes, generator_activations, controllers, generators, factors, posteriors, inputs)
        ctx.dropped, ctx.feedback, ctx.clip = dropped, feedback, clip
        states = generators[:, 1:]
        ctx.mark_non_differentiable(states)
        return factors[:, 1:], posteriors, states

    @staticmethod
    def backward(ctx, grad_factors, grad_posteriors, _):
        noise, generator_mask, factor_mask, *weights = ctx.saved_tensors
        w = DecoderWeights(*weights)
        rows_c, rows_g, controllers, generators, factors, posteriors, inputs = ctx.buffers
        dropped, feedback, clip = ctx.dropped, ctx.feedback, ctx.clip
        ctx.buffers = None  # overwritten: a second backward pass would be wrong
        P, T, B, width = rows_c.shape
        C, G = width // 3, generators.shape[-1]
        arrays: Any = (array(v.transpose(1, 2)) if v.dim() == 3 else array(v) for v in w)
        transposed = DecoderWeights(*arrays)
        to_factors = torch.empty_like(factors)
        products_c, products_g = torch.empty_like(controllers[:, :T]), torch.empty_like(generators[:, :T])
        d_controller, d_generator = torch.empty_like(controllers[:, 0]), torch.empty_like(generators[:, 0])
        to_posteriors = torch.empty_like(posteriors)
        run_tasks(
            _backward,
            P * tiles_of(B, TILE),
            rows_c.numpy(),
            rows_g.numpy(),
            controllers.numpy(),
            generators.numpy(),
            to_factors.numpy(),
            posteriors.numpy(),
            to_posteriors.numpy(),
            products_c.numpy(),
            products_g.numpy(),
            d_controller.numpy(),
            d_generator.numpy(),
            array(grad_factors),
            array(grad_posteriors),
            array(noise),
            generator_mask.numpy(),
            factor_mask.numpy(),
            transposed.controller_factors,
            transposed.controller_gates,
            transposed.controller_candidate,
            transposed.inputs,
            transposed.generator_inputs,
            transposed.generator_gates,
            transposed.generator_candidate,
            transposed.factors,
            rows_c.numpy().dtype.type(clip),
        )

        def flat(value: Tensor) -> Tensor:
            return value.flatten(1, 2) if value.is_contiguous() else value.reshape(P, -1, value.shape[-1])

        def product(left: Tensor, right: Tensor) -> Tensor:
            return torch.bmm(flat(left).mT, right)

        flat_c, flat_g, flat_u = flat(rows_c), flat(rows_g), flat(to_posteriors)
        grads = DecoderWeights(
            controller_factors=product(feedback if feedback.numel() else factors[:, :T], flat_c),
            controller_gates=product(controllers[:, :T], flat_c[..., : 2 * C]),
            controller_candidate=product(products_c, flat_c[..., 2 * C :]),
            inputs=product(controllers[:, 1:], flat_u),
            inputs_bias=flat_u.sum(1),
            generator_inputs=product(inputs, flat_g),
            generator_bias=flat_g.sum(1),
            generator_gates=product(generators[:, :T], flat_g[..., : 2 * G]),
            generator_candidate=product(products_g, flat_g[..., 2 * G :]),
            factors=product(dropped if dropped.numel() else generators, flat(to_factors)),
        )
        return rows_c, d_generator, d_controller, None, None, None, None, *grads


@compiled
def _forward(
    first,
    step,
    rows_c,
    rows_g,
    controllers,
    generators,
    factors,
    posteriors,
    inputs,
    dropped,
    feedback,
    noise,
    generator_mask,
    factor_mask,
    mixed,
    controller_candidate,
    input_weight,
    input_bias,
    generator_inputs,
    generator_bias,
    generator_gates,
    generator_candidate,
    factor_weight,
    clip,
):
    P, T, B, width = rows_c.shape
    C, G, F, U = width // 3, generators.shape[3], factors.shape[3], inputs.shape[3]
    kind = rows_c.dtype
    half = kind.type(0.5)
    tiles = (B + TILE - 1) // TILE
    joint, to_c = np.empty((TILE, F + C), kind), np.empty((TILE, 3 * C), kind)
    product_c, to_candidate_c = np.empty((TILE, C), kind), np.empty((TILE, C), kind)
    to_g, product_g = np.empty((TILE, 2 * G), kind), np.empty((TILE, G), kind)
    to_candidate_g = np.empty((TILE, G), kind)
    for task in range(first, P * tiles, step):
        p, low = task // tiles, task % tiles * TILE
        n = min(TILE, B - low)
        high = low + n
        for t in range(T + 1):
            # factors of the state that the last step left
            state = generators[p, t, low:high]
            if dropped.size:
                kept = dropped[p, t, low:high]
                for i in range(n):
                    for j in range(G):
                        kept[i, j] = state[i, j] * generator_mask[p, t, low + i, j]
                np.dot(kept, factor_weight[p], factors[p, t, low:high])
            else:
                np.dot(state, factor_weight[p], factors[p, t, low:high])
            if t == T:
                break
            con, rows = controllers[p, t, low:high], rows_c[p, t, low:high]
            for i in range(n):
                if feedback.size:
                    for j in range(F):
                        value = factors[p, t, low + i, j] * factor_mask[p, t, low + i, j]
                        feedback[p, t, low + i, j] = value
                        joint[i, j] = value
                else:
                    for j in range(F):
                        joint[i, j] = factors[p, t, low + i, j]
                for j in range(C):
                    joint[i, F + j] = con[i, j]
            np.dot(joint[:n], mixed[p], to_c[:n])
            for i in range(n):
                # short loops over few arrays: the compiler vectorises what it can prove apart
                for j in range(2 * C):
                    rows[i, j] = sigmoid(rows[i, j] + to_c[i, j])
                for j in range(C):
                    product_c[i, j] = rows[i, j] * con[i, j]
            np.dot(product_c[:n], controller_candidate[p], to_candidate_c[:n])
            following = controllers[p, t + 1, low:high]
            for i in range(n):
                for j in range(C):
                    to_candidate_c[i, j] += to_c[i, 2 * C + j]
                for j in range(C):
                    rows[i, 2 * C + j] = tanh(rows[i, 2 * C + j] + to_candidate_c[i, j])
                for j in range(C):
                    proposal = rows[i, 2 * C + j]
                    following[i, j] = proposal + rows[i, C + j] * (con[i, j] - proposal)

            np.dot(following, input_weight[p], posteriors[p, t, low:high])
            np.dot(state, generator_gates[p], to_g[:n])
            rows = rows_g[p, t, low:high]
            for i in range(n):
                for j in range(2 * U):
                    posteriors[p, t, low + i, j] += input_bias[p, j]
                for j in range(3 * G):
                    rows[i, j] = generator_bias[p, j]
                for u in range(U):
                    spread = exponential(half * posteriors[p, t, low + i, U + u])
                    value = posteriors[p, t, low + i, u] + spread * noise[p, t, low + i, u]
                    inputs[p, t, low + i, u] = value
                    for j in range(3 * G):
                        rows[i, j] += value * generator_inputs[p, u, j]
                for j in range(2 * G):
                    rows[i, j] = sigmoid(rows[i, j] + to_g[i, j])
                for j in range(G):
                    product_g[i, j] = rows[i, j] * state[i, j]
            np.dot(product_g[:n], generator_candidate[p], to_candidate_g[:n])
            following = generators[p, t + 1, low:high]
            for i in range(n):
                for j in range(G):
                    rows[i, 2 * G + j] = tanh(rows[i, 2 * G + j] + to_candidate_g[i, j])
                for j in range(G):
                    proposal = rows[i, 2 * G + j]
                    value = proposal + rows[i, G + j] * (state[i, j] - proposal)
                    value = clip if value > clip else value
                    following[i, j] = -clip if value < -clip else value


@compiled
def _backward(
    first,
    step,
    rows_c,
    rows_g,
    controllers,
    generators,
    to_factors,
    posteriors,
    to_posteriors,
    products_c,
    products_g,
    d_controller,
    d_generator,
    grad_factors,
    grad_posteriors,
    noise,
    generator_mask,
    factor_mask,
    from_factors_c,
    from_gates_c,
    from_candidate_c,
    from_inputs,
    from_inputs_g,
    from_gates_g,
    from_candidate_g,
    from_factors,
    clip,
):
    P, T, B, width = rows_c.shape
    C, G, F, U = width // 3, generators.shape[3], to_factors.shape[3], noise.shape[3]
    kind = rows_c.dtype
    half, zero = kind.type(0.5), kind.type(0)
    tiles = (B + TILE - 1) // TILE
    grad_c, grad_g = np.empty((TILE, C), kind), np.empty((TILE, G), kind)
    candidate_c, candidate_g = np.empty((TILE, C), kind), np.empty((TILE, G), kind)
    gates_c, gates_g = np.empty((TILE, 2 * C), kind), np.empty((TILE, 2 * G), kind)
    state_c, state_g = np.empty((TILE, C), kind), np.empty((TILE, G), kind)
    inputs, feedback = np.empty((TILE, U), kind), np.empty((TILE, F), kind)
    for task in range(first, P * tiles, step):
        p, low = task // tiles, task % tiles * TILE
        n = min(TILE, B - low)
        high = low + n
        grad_c[:n] = zero
        grad_g[:n] = zero
        feedback[:n] = zero  # of the factors after the last step: nothing reads them
        for t in range(T, -1, -1):
            to = to_factors[p, t, low:high]
            for i in range(n):
                for j in range(F):
                    to[i, j] = feedback[i, j] + (grad_factors[p, t - 1, low + i, j] if t else zero)
            np.dot(to, from_factors[p], state_g[:n])
            if generator_mask.size:
                for i in range(n):
                    for j in range(G):
                        state_g[i, j] *= generator_mask[p, t, low + i, j]
            add(grad_g, state_g, n)
            if t == 0:
                break
            k = t - 1  # the step that led to state t
            after, state = generators[p, t, low:high], generators[p, k, low:high]
            for i in range(n):
                for j in range(G):
                    if abs(after[i, j]) >= clip:
                        grad_g[i, j] = zero
            rows = rows_g[p, k, low:high]
            gru_before(grad_g, rows, state, G, candidate_g)
            np.dot(candidate_g[:n], from_candidate_g[p], state_g[:n])
            gru_after(grad_g, rows, state, G, state_g, products_g[p, k, low:high], gates_g)
            np.dot(gates_g[:n], from_gates_g[p], state_g[:n])
            add(grad_g, state_g, n)

            np.dot(rows, from_inputs_g[p], inputs[:n])
            to = to_posteriors[p, k, low:high]
            for i in range(n):
                for u in range(U):
                    spread = half * exponential(half * posteriors[p, k, low + i, U + u]) * noise[p, k, low + i, u]
                    to[i, u] = grad_posteriors[p, k, low + i, u] + inputs[i, u]
                    to[i, U + u] = grad_posteriors[p, k, low + i, U + u] + inputs[i, u] * spread
            np.dot(to, from_inputs[p], state_c[:n])
            add(grad_c, state_c, n)
            rows, state = rows_c[p, k, low:high], controllers[p, k, low:high]
            gru_before(grad_c, rows, state, C, candidate_c)
            np.dot(candidate_c[:n], from_candidate_c[p], state_c[:n])
            gru_after(grad_c, rows, state, C, state_c, products_c[p, k, low:high], gates_c)
            np.dot(gates_c[:n], from_gates_c[p], state_c[:n])
            add(grad_c, state_c, n)

            np.dot(rows, from_factors_c[p], feedback[:n])
            if factor_mask.size:
                for i in range(n):
                    for j in range(F):
                        feedback[i, j] *= factor_mask[p, k, low + i, j]
        d_controller[p, low:high] = grad_c[:n]
        d_generator[p, low:high] = grad_g[:n]

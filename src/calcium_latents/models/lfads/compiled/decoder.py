"""Controller and generator in compiled loops: the same as `models.lfads.decoder`.

A task is one member on a tile of trials, from the first bin to the last (see `compiled_encoder`).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calcium_latents.models.lfads.compiled.buffers import give_back, take
from calcium_latents.models.lfads.compiled.encoder import tiles_of
from calcium_latents.models.lfads.compiled.gru import add, add_rows, gru_after, gru_before, masked
from calcium_latents.models.lfads.compiled.math import compiled, exponential, sigmoid, tanh
from calcium_latents.models.lfads.compiled.tasks import array, multiply, run_tasks
from calcium_latents.models.lfads.decoder import DecoderWeights

TILE = 48  # trials a task


def decode(
    codes: Tensor,
    generator: Tensor,
    controller: Tensor,
    noise: Tensor,
    masks: Sequence[Tensor | None],
    code_weight: Tensor,
    code_bias: Tensor,
    weights: DecoderWeights,
    clip: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The same as `models.lfads.decoder.decoder`, but members lead every sequence, and codes are projected here.

    Args:
        codes: `[P, T, B, 2 H]` lagged codes of the encoder.
        generator: `[P, B, G]`.
        controller: `[P, B, C]`.
        noise: `[P, T, B, U]`.
        masks: scaled dropout masks of the codes `[P, T, B, 2 H]`, of the generator `[P, T + 1, B, G]` and of the
            factors fed back `[P, T, B, F]`; None for no dropout.
        code_weight: `[P, 2 H, 3 C]`.
        code_bias: `[P, 3 C]`.
        weights: see `DecoderWeights`.
        clip: bound of the generator's state.

    Returns:
        factors `[P, T, B, F]`, posterior of the inferred inputs `[P, T, B, 2 U]`, generator states `[P, T, B, G]`; the
        latter carry no gradient: nothing in the loss reads them.
    """
    drawn = [codes.new_empty(0, 0, 0, 0) if mask is None else mask for mask in masks]
    needed = torch.is_grad_enabled()
    return _Decoder.apply(codes, generator, controller, noise, *drawn, clip, needed, code_weight, code_bias, *weights)


class _Decoder(torch.autograd.Function):
    @staticmethod
    def forward(ctx, codes, generator, controller, noise, *rest):
        masks, (clip, needed, code_weight, code_bias), w = rest[:3], rest[3:7], DecoderWeights(*rest[7:])
        P, T, B, codes_width = codes.shape
        C, G, F, U = code_weight.shape[-1] // 3, generator.shape[-1], w.factors.shape[-1], noise.shape[-1]
        kept = T if needed else 1
        new = partial(take, codes) if needed else codes.new_empty
        # rows [code | previous factors | controller's state]; the state's part of the candidate passes the reset gate
        mixed = codes.new_zeros(P, codes_width + F + C, 3 * C)
        mixed[:, :codes_width], mixed[:, codes_width : codes_width + F] = code_weight, w.controller_factors
        mixed[:, codes_width + F :, : 2 * C] = w.controller_gates
        joint, rows_c, rows_g = new(P, kept, B, mixed.shape[1]), new(P, kept, B, 3 * C), new(P, kept, B, 3 * G)
        controllers, inputs = new(P, kept + 1, B, C), new(P, kept, B, U)
        dropped = new(P, kept + 1, B, G) if masks[1].numel() else masks[1]
        generators, factors = codes.new_empty(P, T + 1, B, G), codes.new_empty(P, T + 1, B, F)
        posteriors = codes.new_empty(P, T, B, 2 * U)
        controllers[:, 0], generators[:, 0] = controller, generator
        run_tasks(
            _forward,
            P * tiles_of(B, TILE),
            array(codes),
            joint.numpy(),
            rows_c.numpy(),
            rows_g.numpy(),
            controllers.numpy(),
            generators.numpy(),
            factors.numpy(),
            posteriors.numpy(),
            inputs.numpy(),
            dropped.numpy(),
            array(noise),
            *(array(mask) for mask in masks),
            mixed.numpy(),
            array(code_bias),
            *(array(weight) for weight in w[2:]),
            codes.numpy().dtype.type(clip),
        )
        ctx.save_for_backward(noise, *masks, code_weight, *w)
        ctx.buffers = (joint, rows_c, rows_g, controllers, generators, posteriors, inputs, dropped)
        ctx.clip = clip
        states = generators[:, 1:]
        ctx.mark_non_differentiable(states)
        return factors[:, 1:], posteriors, states

    @staticmethod
    def backward(ctx, grad_factors, grad_posteriors, _):
        noise, *masks, code_weight = ctx.saved_tensors[:5]
        w = DecoderWeights(*ctx.saved_tensors[5:])
        joint, rows_c, rows_g, controllers, generators, posteriors, inputs, dropped = ctx.buffers
        ctx.buffers = None  # overwritten: a second backward pass would be wrong
        P, T, B, width = rows_c.shape
        C, G, F, U = width // 3, generators.shape[-1], w.factors.shape[-1], noise.shape[-1]
        codes_width = code_weight.shape[1]
        new, tiles = partial(take, joint), tiles_of(B, TILE)
        arrays: Any = (array(v.transpose(1, 2)) if v.dim() == 3 else array(v) for v in w)
        transposed = DecoderWeights(*arrays)
        to_codes, sums = joint.new_empty(P, T, B, codes_width), joint.new_zeros(P, tiles, 3 * C + 3 * G + 2 * U)
        d_controller, d_generator = torch.empty_like(controllers[:, 0]), torch.empty_like(generators[:, 0])
        to_factors, to_posteriors = new(P, T + 1, B, F), new(P, T, B, 2 * U)
        products_c, products_g = new(P, T, B, C), new(P, T, B, G)
        run_tasks(
            _backward,
            P * tiles,
            rows_c.numpy(),
            rows_g.numpy(),
            controllers.numpy(),
            generators.numpy(),
            to_codes.numpy(),
            to_factors.numpy(),
            posteriors.numpy(),
            to_posteriors.numpy(),
            products_c.numpy(),
            products_g.numpy(),
            d_controller.numpy(),
            d_generator.numpy(),
            sums.numpy(),
            array(grad_factors),
            array(grad_posteriors),
            array(noise),
            *(array(mask) for mask in masks),
            array(torch.cat([code_weight, w.controller_factors], dim=1).mT),
            transposed.controller_gates,
            transposed.controller_candidate,
            transposed.inputs,
            transposed.generator_inputs,
            transposed.generator_gates,
            transposed.generator_candidate,
            transposed.factors,
            rows_c.numpy().dtype.type(ctx.clip),
        )
        to_mixed = joint.new_empty(P, joint.shape[-1], 3 * C)
        grads = {name: torch.empty_like(value) for name, value in w._asdict().items() if value.dim() == 3}
        flat_c, flat_g = rows_c.flatten(1, 2), rows_g.flatten(1, 2)

        def flat(states: Tensor, start: int = 0) -> Tensor:
            return states.view(P, -1, states.shape[-1])[:, start * B : (start + T) * B]

        multiply(
            (flat(joint), flat_c, to_mixed),
            (flat(products_c), flat_c[..., 2 * C :], grads["controller_candidate"]),
            (flat(controllers, 1), flat(to_posteriors), grads["inputs"]),
            (flat(inputs), flat_g, grads["generator_inputs"]),
            (flat(generators), flat_g[..., : 2 * G], grads["generator_gates"]),
            (flat(products_g), flat_g[..., 2 * G :], grads["generator_candidate"]),
            ((dropped if dropped.numel() else generators).flatten(1, 2), to_factors.flatten(1, 2), grads["factors"]),
        )
        grads["controller_factors"] = to_mixed[:, codes_width : codes_width + F]
        grads["controller_gates"] = to_mixed[:, codes_width + F :, : 2 * C]
        code_bias, grads["generator_bias"], grads["inputs_bias"] = sums.sum(1).split([3 * C, 3 * G, 2 * U], dim=-1)
        give_back(joint, rows_c, rows_g, controllers, inputs, to_factors, to_posteriors, products_c, products_g)
        if dropped.numel():
            give_back(dropped)
        to_code_weight = to_mixed[:, :codes_width]
        return to_codes, d_generator, d_controller, *[None] * 6, to_code_weight, code_bias, *DecoderWeights(**grads)


@compiled
def _forward(
    first,
    step,
    codes,
    joint,
    rows_c,
    rows_g,
    controllers,
    generators,
    factors,
    posteriors,
    inputs,
    dropped,
    noise,
    code_mask,
    generator_mask,
    factor_mask,
    mixed,
    code_bias,
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
    """Buffers of one step (two states) serve where nothing is kept."""
    P, T, B, E = codes.shape
    kept, C, G, F, U = joint.shape[1], code_bias.shape[1] // 3, generators.shape[3], factors.shape[3], inputs.shape[3]
    kind = codes.dtype
    half = kind.type(0.5)
    tiles = (B + TILE - 1) // TILE
    to_c = np.empty((TILE, 3 * C), kind)
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
                shown = dropped[p, t % (kept + 1), low:high]
                for i in range(n):
                    masked(shown[i], state[i], generator_mask[p, t, low + i])
                np.dot(shown, factor_weight[p], factors[p, t, low:high])
            else:
                np.dot(state, factor_weight[p], factors[p, t, low:high])
            if t == T:
                break
            con, rows = controllers[p, t % (kept + 1), low:high], rows_c[p, t % kept, low:high]
            mix = joint[p, t % kept, low:high]
            for i in range(n):
                if code_mask.size:
                    masked(mix[i, :E], codes[p, t, low + i], code_mask[p, t, low + i])
                else:
                    mix[i, :E] = codes[p, t, low + i]
                if factor_mask.size:
                    masked(mix[i, E : E + F], factors[p, t, low + i], factor_mask[p, t, low + i])
                else:
                    mix[i, E : E + F] = factors[p, t, low + i]
                mix[i, E + F :] = con[i]
            np.dot(mix, mixed[p], to_c[:n])
            for i in range(n):
                # short loops over few arrays: the compiler vectorises what it can prove apart
                for j in range(2 * C):
                    rows[i, j] = sigmoid(to_c[i, j] + code_bias[p, j])
                for j in range(C):
                    product_c[i, j] = rows[i, j] * con[i, j]
            np.dot(product_c[:n], controller_candidate[p], to_candidate_c[:n])
            following = controllers[p, (t + 1) % (kept + 1), low:high]
            for i in range(n):
                for j in range(C):
                    to_candidate_c[i, j] += to_c[i, 2 * C + j]
                for j in range(C):
                    rows[i, 2 * C + j] = tanh(to_candidate_c[i, j] + code_bias[p, 2 * C + j])
                for j in range(C):
                    proposal = rows[i, 2 * C + j]
                    following[i, j] = proposal + rows[i, C + j] * (con[i, j] - proposal)

            np.dot(following, input_weight[p], posteriors[p, t, low:high])
            np.dot(state, generator_gates[p], to_g[:n])
            rows = rows_g[p, t % kept, low:high]
            for i in range(n):
                for j in range(2 * U):
                    posteriors[p, t, low + i, j] += input_bias[p, j]
                for j in range(3 * G):
                    rows[i, j] = generator_bias[p, j]
                for u in range(U):
                    spread = exponential(half * posteriors[p, t, low + i, U + u])
                    value = posteriors[p, t, low + i, u] + spread * noise[p, t, low + i, u]
                    inputs[p, t % kept, low + i, u] = value
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
    to_codes,
    to_factors,
    posteriors,
    to_posteriors,
    products_c,
    products_g,
    d_controller,
    d_generator,
    sums,
    grad_factors,
    grad_posteriors,
    noise,
    code_mask,
    generator_mask,
    factor_mask,
    from_joint,
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
    E = to_codes.shape[3]
    inputs, feedback, back = np.empty((TILE, U), kind), np.empty((TILE, F), kind), np.empty((TILE, E + F), kind)
    for task in range(first, P * tiles, step):
        p, low = task // tiles, task % tiles * TILE
        n = min(TILE, B - low)
        high = low + n
        own = sums[p, task % tiles]
        sum_c, sum_g, sum_u = own[: 3 * C], own[3 * C : 3 * (C + G)], own[3 * (C + G) :]
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

            add_rows(sum_g, rows)
            np.dot(rows, from_inputs_g[p], inputs[:n])
            to = to_posteriors[p, k, low:high]
            for i in range(n):
                for u in range(U):
                    spread = half * exponential(half * posteriors[p, k, low + i, U + u]) * noise[p, k, low + i, u]
                    to[i, u] = grad_posteriors[p, k, low + i, u] + inputs[i, u]
                    to[i, U + u] = grad_posteriors[p, k, low + i, U + u] + inputs[i, u] * spread
            add_rows(sum_u, to)
            np.dot(to, from_inputs[p], state_c[:n])
            add(grad_c, state_c, n)
            rows, state = rows_c[p, k, low:high], controllers[p, k, low:high]
            gru_before(grad_c, rows, state, C, candidate_c)
            np.dot(candidate_c[:n], from_candidate_c[p], state_c[:n])
            gru_after(grad_c, rows, state, C, state_c, products_c[p, k, low:high], gates_c)
            np.dot(gates_c[:n], from_gates_c[p], state_c[:n])
            add(grad_c, state_c, n)

            add_rows(sum_c, rows)
            np.dot(rows, from_joint[p], back[:n])
            for i in range(n):
                if code_mask.size:
                    masked(to_codes[p, k, low + i], back[i, :E], code_mask[p, k, low + i])
                else:
                    to_codes[p, k, low + i] = back[i, :E]
                if factor_mask.size:
                    masked(feedback[i], back[i, E:], factor_mask[p, k, low + i])
                else:
                    feedback[i] = back[i, E:]
        d_controller[p, low:high] = grad_c[:n]
        d_generator[p, low:high] = grad_g[:n]

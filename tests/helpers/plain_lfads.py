"""LFADS's loops over time in plain operations that autograd can follow: the readable reference of the fast ones."""

from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from calcium_latents.models.lfads import decoder, encoder
from calcium_latents.models.lfads.decoder import DecoderWeights


@contextmanager
def plain_loops():
    """Let models with `loops="handwritten"` run these instead."""
    with patch.object(encoder, "recurrence", plain_recurrence), patch.object(decoder, "decoder", plain_decoder):
        yield


def gru_step(gates: Tensor, candidate: Tensor, state: Tensor, gate_weight: Tensor, candidate_weight: Tensor) -> Tensor:
    """One step of GRUs whose reset gate comes before the recurrent product; states `[..., batch, H]`."""
    reset, update = torch.sigmoid(gates + state @ gate_weight).split(state.shape[-1], dim=-1)
    proposal = torch.tanh(candidate + (reset * state) @ candidate_weight)
    return update * state + (1 - update) * proposal


def plain_recurrence(
    gates: Tensor, candidates: Tensor, initial: Tensor, gate_weight: Tensor, candidate_weight: Tensor
) -> Tensor:
    """Run the GRUs over all steps; as `encoder.recurrence`."""
    states, state = [], initial
    for gate, candidate in zip(gates.unbind(0), candidates.unbind(0), strict=True):
        state = gru_step(gate, candidate, state, gate_weight, candidate_weight)
        states.append(state)
    return torch.stack(states)


def plain_decoder(
    codes: Tensor,
    generator: Tensor,
    controller: Tensor,
    noise: Tensor,
    generator_mask: Tensor | None,
    factor_mask: Tensor | None,
    weights: DecoderWeights,
    clip: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run controller and generator; as `decoder.decoder`."""
    sizes = controller.shape[-1], generator.shape[-1]

    def to_factors(state: Tensor, t: int) -> Tensor:
        return (state if generator_mask is None else state * generator_mask[t]) @ weights.factors

    factors, all_factors, all_posteriors, all_states = to_factors(generator, 0), [], [], []
    for t, code in enumerate(codes.unbind(0)):
        feedback = factors if factor_mask is None else factors * factor_mask[t]
        gates, candidate = (code + feedback @ weights.controller_factors).split([2 * sizes[0], sizes[0]], dim=-1)
        controller = gru_step(gates, candidate, controller, weights.controller_gates, weights.controller_candidate)
        posterior = controller @ weights.inputs + weights.inputs_bias[:, None]
        mean, log_variance = posterior.chunk(2, dim=-1)
        inputs = mean + torch.exp(0.5 * log_variance) * noise[t]
        projected = inputs @ weights.generator_inputs + weights.generator_bias[:, None]
        gates, candidate = projected.split([2 * sizes[1], sizes[1]], dim=-1)
        generator = gru_step(gates, candidate, generator, weights.generator_gates, weights.generator_candidate)
        generator = generator.clamp(-clip, clip)
        factors = to_factors(generator, t + 1)
        all_factors.append(factors)
        all_posteriors.append(posterior)
        all_states.append(generator)
    return torch.stack(all_factors), torch.stack(all_posteriors), torch.stack(all_states)

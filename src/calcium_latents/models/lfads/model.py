"""LFADS for a population of models: parameters, encoding, decoding and the terms of the objective."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from calcium_latents.models.lfads import decoder as decoding
from calcium_latents.models.lfads import encoder as encoding
from calcium_latents.models.lfads import priors
from calcium_latents.models.lfads.batches import Batch
from calcium_latents.models.lfads.compiled import decoder as compiled_decoder
from calcium_latents.models.lfads.compiled import encoder as compiled_encoder
from calcium_latents.models.lfads.inputs import DIRECTIONS, add_bias, project_events
from calcium_latents.models.lfads.observation import Observation
from calcium_latents.models.lfads.parameters import LFADSSizes
from calcium_latents.training.streams import Streams


class Posterior(NamedTuple):
    """Approximate posterior and what the generator makes of one draw from it."""

    initial_mean: Tensor  # [P, B, I]
    initial_variance: Tensor  # [P, B, I]
    inputs: Tensor  # [T, P, B, 2 U], means then log variances
    factors: Tensor  # [T, P, B, F]


class LFADS(nn.Module):
    """The LFADS family; RADICaL is LFADS with a zero-inflated gamma and NaNs in the data.

    Args:
        sizes: network sizes.
        observation: observation model, see `models.lfads.observation`.
        streams: random streams of the initial weights, one a member; their number is the population P.
        loops: "compiled" (on a CPU; elsewhere "handwritten") or "handwritten" (tensor operations with hand-written
            backpropagation through time): the same numbers at different speeds.

    `input_scale` (buffer) multiplies the encoder's input; 1 is the published behaviour.
    """

    def __init__(self, sizes: LFADSSizes, observation: Observation, streams: Streams, loops: str = "compiled"):
        super().__init__()
        population = len(streams)
        self.sizes, self.observation, self.population, self.loops = sizes, observation, population, loops
        N, E, C, G = sizes.neurons, sizes.encoder, sizes.controller, sizes.generator
        L, U, F, K = sizes.initial_condition, sizes.inferred_inputs, sizes.factors, observation.blocks

        def weight(*shape: int, fan: int) -> nn.Parameter:
            return nn.Parameter(streams.normal(population, *shape) / math.sqrt(fan))

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(population, *shape))

        def gate_bias(*lead: int, size: int) -> nn.Parameter:
            bias = torch.zeros(population, *lead, 3 * size)
            bias[..., : 2 * size] = 1.0  # reset and update gates start open
            return nn.Parameter(bias)

        self.encoder_input = weight(N, DIRECTIONS * 3 * E, fan=N + E)
        self.encoder_bias = gate_bias(DIRECTIONS, size=E)
        self.encoder_gates = weight(DIRECTIONS, E, 2 * E, fan=N + E)
        self.encoder_candidate = weight(DIRECTIONS, E, E, fan=N + E)
        self.encoder_initial = zeros(DIRECTIONS, E)
        self.initial_mean_weight, self.initial_mean_bias = weight(2 * E, L, fan=2 * E), zeros(L)
        self.initial_variance_weight, self.initial_variance_bias = weight(2 * E, L, fan=2 * E), zeros(L)
        self.generator_initial_weight, self.generator_initial_bias = weight(L, G, fan=L), zeros(G)
        self.controller_codes = weight(2 * E, 3 * C, fan=2 * E + F)
        self.controller_factors = weight(F, 3 * C, fan=2 * E + F)
        self.controller_bias = gate_bias(size=C)
        self.controller_gates = weight(C, 2 * C, fan=C)
        self.controller_candidate = weight(C, C, fan=C)
        self.controller_initial = zeros(C)
        self.inputs_weight, self.inputs_bias = weight(C, 2 * U, fan=C), zeros(2 * U)
        self.generator_inputs, self.generator_bias = weight(U, 3 * G, fan=U), gate_bias(size=G)
        self.generator_gates, self.generator_candidate = weight(G, 2 * G, fan=G), weight(G, G, fan=G)
        self.factor_weight = weight(G, F, fan=G)
        self.readout_weight, self.readout_bias = weight(F, K, N, fan=F), zeros(K, N)
        self.initial_prior_mean = zeros(L)
        constant, noise = sizes.autoregressive_time_constant, sizes.autoregressive_noise_variance
        self.prior_log_time_constant = nn.Parameter(torch.full((population, U), math.log(constant)))
        self.prior_log_noise_variance = nn.Parameter(torch.full((population, U), math.log(noise)))
        self.register_buffer("input_scale", torch.ones(()))

    # encoding -------------------------------------------------------------------------------------------------------

    def encode(
        self,
        batch: Batch,
        shown: Tensor | None = None,
        dropout_rate: Tensor | None = None,
        streams: Streams | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read the events of a batch.

        Args:
            batch: the trials.
            shown: `[P, E]` factor on every event (0 hides it); None shows all.
            dropout_rate: `[P]`, of ordinary dropout on the encoder's final state; None for no dropout.
            streams: where dropout draws from.

        Returns:
            posterior mean and variance of the initial condition `[P, B, I]`; lagged codes `[T, P, B, 2 H]`.
        """
        B, T, _ = batch.shape
        P, H = self.population, self.sizes.encoder
        values = (batch.event_value * self.input_scale).expand(P, -1)
        values = values if shown is None else values * shown
        if self.runs_compiled(values):
            return self._encode_compiled(values, batch, dropout_rate, streams)
        gates, candidates = project_events(values, self.encoder_input, self.encoder_bias, batch)
        initial = self.encoder_initial.flatten(0, 1)[:, None].expand(-1, B, -1)
        states = encoding.recurrence(
            gates, candidates, initial, self.encoder_gates.flatten(0, 1), self.encoder_candidate.flatten(0, 1)
        )
        # unbind, not slices: the gradient of a slice is a whole tensor of zeros
        initial_forward, initial_backward, forward, backward = states.view(T, P, DIRECTIONS, B, H).unbind(2)
        mean, variance = self._initial_posterior(initial_forward[-1], initial_backward[-1], dropout_rate, streams)
        # the controller at t sees forward codes of data before t and backward codes of data after t, never data at t
        nothing = states.new_zeros(1, P, B, H)
        forward = torch.cat([nothing, forward[:-1]])
        backward = torch.cat([backward[:-1].flip(0), nothing])
        return mean, variance, torch.cat([forward, backward], dim=-1)

    def runs_compiled(self, tensor: Tensor) -> bool:
        """Tell whether compiled loops are chosen, and can work where `tensor` of any shape is."""
        return self.loops == "compiled" and tensor.device.type == "cpu"

    def _encode_compiled(self, values: Tensor, batch: Batch, dropout_rate: Tensor | None, streams: Streams | None):
        forward, backward, codes = compiled_encoder.encode(
            values,
            self.encoder_input,
            self.encoder_bias,
            self.encoder_initial,
            self.encoder_gates,
            self.encoder_candidate,
            batch,
        )
        mean, variance = self._initial_posterior(forward, backward, dropout_rate, streams)
        return mean, variance, codes.transpose(0, 1)

    def _initial_posterior(
        self, forward: Tensor, backward: Tensor, dropout_rate: Tensor | None, streams: Streams | None
    ) -> tuple[Tensor, Tensor]:
        final = _dropout(torch.cat([forward, backward], dim=-1), dropout_rate, streams)
        mean = torch.baddbmm(self.initial_mean_bias[:, None], final, self.initial_mean_weight)
        log_variance = torch.baddbmm(self.initial_variance_bias[:, None], final, self.initial_variance_weight)
        return mean, torch.exp(log_variance) + self.sizes.posterior_variance_minimum

    def decode(
        self,
        codes: Tensor,
        initial: Tensor,
        noise: Tensor,
        dropout_rate: Tensor | None = None,
        streams: Streams | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run controller and generator.

        Args:
            codes: `[T, P, B, 2 H]` from `encode`.
            initial: `[P, B, I]`, a draw of the initial condition.
            noise: `[T, P, B, U]`, standard normal draws for the inferred inputs.
            dropout_rate: `[P]`; None for no dropout.
            streams: where dropout draws from.

        Returns:
            factors `[T, P, B, F]`, posterior of the inferred inputs `[T, P, B, 2 U]`, generator states `[T, P, B, G]`.
        """
        T, P, B, _ = codes.shape
        sizes = self.sizes
        generator = torch.baddbmm(self.generator_initial_bias[:, None], initial, self.generator_initial_weight)
        widths = ((T, 2 * sizes.encoder), (T + 1, sizes.generator), (T, sizes.factors))
        masks: list[Tensor | None] = [None, None, None]
        if streams is not None and dropout_rate is not None and bool((dropout_rate > 0).any()):
            masks = [streams.mask(dropout_rate, P, steps, B, width) for steps, width in widths]
        weights = decoding.DecoderWeights(
            controller_factors=self.controller_factors,
            controller_gates=self.controller_gates,
            controller_candidate=self.controller_candidate,
            inputs=self.inputs_weight,
            inputs_bias=self.inputs_bias,
            generator_inputs=self.generator_inputs,
            generator_bias=self.generator_bias,
            generator_gates=self.generator_gates,
            generator_candidate=self.generator_candidate,
            factors=functional.normalize(self.factor_weight, dim=1),
        )
        controller = self.controller_initial[:, None].expand(P, B, -1)
        if self.runs_compiled(codes):
            codes, noise = codes.transpose(0, 1), noise.transpose(0, 1).contiguous()
            projection = self.controller_codes, self.controller_bias
            factors, posterior, states = compiled_decoder.decode(
                codes, generator, controller, noise, masks, *projection, weights, sizes.state_clip
            )
            return factors.transpose(0, 1), posterior.transpose(0, 1), states.transpose(0, 1)
        of_codes, *masks = [None if mask is None else mask.transpose(0, 1) for mask in masks]
        codes = codes if of_codes is None else codes * of_codes
        projected = add_bias(torch.matmul(codes, self.controller_codes), self.controller_bias)
        return decoding.decoder(projected, generator, controller, noise, *masks, weights=weights, clip=sizes.state_clip)

    def posterior(
        self,
        batch: Batch,
        shown: Tensor | None = None,
        dropout_rate: Tensor | None = None,
        streams: Streams | None = None,
    ) -> Posterior:
        """Encode, and decode one draw from the posterior, or its means where there are no `streams`.

        Arguments as in `encode`; `dropout_rate` is `[P]`.
        """
        return self.draw(self.encode(batch, shown, dropout_rate, streams), dropout_rate, streams)

    def draw(
        self,
        encoded: tuple[Tensor, Tensor, Tensor],
        dropout_rate: Tensor | None = None,
        streams: Streams | None = None,
    ) -> Posterior:
        """Decode one draw from the posterior that `encode` returned, or its means where there are no `streams`.

        Arguments otherwise as in `encode`; `dropout_rate` is `[P]`.
        """
        mean, variance, codes = encoded
        T, P, B, _ = codes.shape
        if streams is None:
            noise, initial = codes.new_zeros(T, P, B, self.sizes.inferred_inputs), mean
        else:
            noise = streams.normal(T, P, B, self.sizes.inferred_inputs, dim=1)
            initial = mean + torch.sqrt(variance) * streams.normal(*mean.shape)
        factors, inputs, _ = self.decode(codes, initial, noise, dropout_rate, streams)
        return Posterior(mean, variance, inputs, factors)

    # likelihood -----------------------------------------------------------------------------------------------------

    def sampled_logits(self, factors: Tensor, batch: Batch) -> list[Tensor]:
        """Logits of the sampled entries only, `[P, S]` for each of the K blocks, from factors `[T, P, B, F]`."""
        rows = factors.permute(1, 2, 0, 3).flatten(1, 2)  # [P, B T, F]
        weights, biases = self.readout_weight.unbind(2), self.readout_bias.unbind(1)
        parts: list[list[Tensor]] = [[] for _ in weights]
        for which, neurons in batch.patterns:
            these = rows if which is None else rows[:, which]
            for part, weight, bias in zip(parts, weights, biases, strict=True):
                if neurons is not None:
                    weight, bias = weight[..., neurons], bias[..., neurons]
                part.append(torch.baddbmm(bias[:, None], these, weight).flatten(1))
        return [part[0] if len(part) == 1 else torch.cat(part, dim=1) for part in parts]

    def logits(self, factors: Tensor) -> Tensor:
        """Logits of every entry, `[P, B, T, K, N]`, from factors `[T, P, B, F]`."""
        P, K, N = self.population, self.observation.blocks, self.sizes.neurons
        rows = factors.permute(1, 2, 0, 3)
        _, B, T, _ = rows.shape
        flat = torch.baddbmm(self.readout_bias.flatten(1)[:, None], rows.flatten(1, 2), self.readout_weight.flatten(2))
        return flat.view(P, B, T, K, N)

    # objective ------------------------------------------------------------------------------------------------------

    def divergences(self, posterior: Posterior, streams: Streams) -> tuple[Tensor, Tensor]:
        """KL of the initial condition and of the inferred inputs (fresh draw), `[P]` each."""
        noise = streams.normal(*posterior.inputs.shape[:3], self.sizes.inferred_inputs, dim=1)
        initial = priors.initial_condition_divergence(
            posterior.initial_mean,
            posterior.initial_variance,
            self.initial_prior_mean,
            self.sizes.initial_condition_prior_variance,
        )
        inputs = priors.inferred_input_divergence(
            posterior.inputs, noise, self.prior_log_time_constant, self.prior_log_noise_variance
        )
        return initial, inputs

    def recurrent_weights(self) -> list[tuple[Tensor, tuple[str, ...]]]:
        """Recurrent kernels `[P, ...]`, each with the name of its L2 penalty, or of every direction's (axis 1)."""
        directions = ("initial_condition_encoder",) * 2 + ("controller_input_encoder",) * 2
        return [
            (self.generator_gates, ("generator",)),
            (self.generator_candidate, ("generator",)),
            (self.controller_gates, ("controller",)),
            (self.controller_candidate, ("controller",)),
            (self.encoder_gates, directions),
            (self.encoder_candidate, directions),
        ]


def _dropout(value: Tensor, dropout_rate: Tensor | None, streams: Streams | None) -> Tensor:
    """Ordinary dropout of `value` `[P, ...]` at `dropout_rate` `[P]`."""
    if dropout_rate is None or bool((dropout_rate <= 0).all()):
        return value
    assert streams is not None  # dropout draws from them
    return value * streams.mask(dropout_rate, *value.shape)

"""Observation models: from factors to the distribution of every sample.

Each gives, for the sampled entries, a `background` (log-likelihood if the entry is zero) and, for the few entries that
hold an event, a `bonus` (what the event's log-likelihood is above it). Both follow from logits that are linear in the
factors, so a readout is one matrix product.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from calcium_latents.distributions.zero_inflated_gamma import (
    RELATIVE_GAP,
    ZeroInflatedGamma,
    gamma_log_density,
)

PARAMETER_FLOOR = 1e-5  # published clamp of every ZIG parameter away from the ends of its range
LOGIT_BOUND = math.log((1 - PARAMETER_FLOOR) / PARAMETER_FLOOR)


class ZeroInflatedGammaObservation(nn.Module):
    """RADICaL's observation model (Zhu 2022, equations 1 and 3).

        shape = sig_k sigmoid(l_k),   scale = sig_a sigmoid(l_a),   q = sigmoid(l_q)

    `sig` is trainable per neuron and starts at 20. The paper's wording would scale q too; its code does not, and a
    probability above one would have no meaning.

    Args:
        neurons: N.
        population: P.
        event_minimum: location of the gamma, just below the smallest event.
    """

    blocks = 3  # shape | scale | q

    def __init__(self, neurons: int, population: int, event_minimum: float):
        super().__init__()
        self.event_minimum = float(event_minimum)
        self.sigmoid_scale = nn.Parameter(torch.full((population, 2, neurons), 20.0))

    def parameters_at(self, logits: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Shape and scale from their logits `[..., 2, n]` and the matching `sig` `[..., 2, n]`."""
        value = scale * torch.sigmoid(logits)
        value = torch.minimum(value.clamp_min(PARAMETER_FLOOR), (scale - PARAMETER_FLOOR).clamp_min(PARAMETER_FLOOR))
        return value[..., 0, :], value[..., 1, :]

    def log_likelihood(
        self, logits: list[Tensor], slot: Tensor, neuron: Tensor, value: Tensor, sizes: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Background of all S slots and bonus of the E events.

        Args:
            logits: `[P, S]` for each block.
            slot: `[E]` slots of the events.
            neuron: `[E]`.
            value: `[E]`, all at or above the event minimum.
            sizes: whether the events' sizes are scored, or only that they happened.

        Returns:
            background `[P, S]`, bonus `[P, E]`.
        """
        odds = logits[2].clamp(-LOGIT_BOUND, LOGIT_BOUND)
        # log q - log(1 - q) is the logit
        background, bonus = -functional.softplus(odds), odds[:, slot]
        if not sizes:
            return background, bonus
        at_events = torch.stack([logits[0][:, slot], logits[1][:, slot]], dim=1)
        shape, scale = self.parameters_at(at_events, self.sigmoid_scale[:, :, neuron])
        excess = (value - self.event_minimum).clamp_min(RELATIVE_GAP * max(self.event_minimum, 1e-6))
        return background, bonus + gamma_log_density(excess, shape, scale)

    def distribution(self, logits: Tensor) -> ZeroInflatedGamma:
        """Distribution of every entry.

        Args:
            logits: `[..., 3, N]` with the population axis first, as `[P, ..., 3, N]`.
        """
        scale = self.sigmoid_scale.view(len(self.sigmoid_scale), *[1] * (logits.dim() - 3), 2, -1)
        shape, scale = self.parameters_at(logits[..., :2, :], scale)
        q = torch.sigmoid(logits[..., 2, :].clamp(-LOGIT_BOUND, LOGIT_BOUND))
        return ZeroInflatedGamma(q, shape, scale, self.event_minimum, validate_args=False)

    def mean(self, logits: Tensor) -> Tensor:
        """Event rate per sample (equation 3), `[P, ..., N]`."""
        return self.distribution(logits).mean

    def biases_from_moments(self, moments: "Moments") -> Tensor:
        """Readout biases `[3, N]` at which the distribution has the data's event fraction, mean and variance."""
        excess = (moments.event_mean - self.event_minimum).clamp_min(1e-3)
        variance = moments.event_variance.clamp_min(1e-6)
        shape, scale = excess**2 / variance, variance / excess
        limit = self.sigmoid_scale[0]
        fraction = torch.stack([shape / limit[0], scale / limit[1], moments.event_fraction]).clamp(1e-3, 1 - 1e-3)
        return torch.logit(fraction)


class PoissonObservation(nn.Module):
    """LFADS's observation model: counts with rate exp(l) per bin.

    Args:
        neurons: N.
        population: P.
        event_minimum: unused; every observation model is made in the same way.
    """

    blocks = 1

    def __init__(self, neurons: int, population: int, event_minimum: float = 0.0):
        super().__init__()

    def log_likelihood(
        self, logits: list[Tensor], slot: Tensor, neuron: Tensor, value: Tensor, sizes: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Background `[P, S]` and bonus `[P, E]`; see `ZeroInflatedGammaObservation.log_likelihood`."""
        log_rate = logits[0]
        at_events = log_rate[:, slot]
        bonus = value * at_events - torch.lgamma(value + 1) if sizes else torch.log(torch.expm1(torch.exp(at_events)))
        return -torch.exp(log_rate), bonus

    def distribution(self, logits: Tensor) -> torch.distributions.Poisson:
        """Distribution of every entry, from logits `[P, ..., 1, N]`."""
        return torch.distributions.Poisson(torch.exp(logits[..., 0, :]), validate_args=False)

    def mean(self, logits: Tensor) -> Tensor:
        """Rate per bin, `[P, ..., N]`."""
        return torch.exp(logits[..., 0, :])

    def biases_from_moments(self, moments: "Moments") -> Tensor:
        """Readout biases `[1, N]` at which the rate is the data's mean."""
        return torch.log((moments.event_fraction * moments.event_mean).clamp_min(1e-4))[None]


Observation = ZeroInflatedGammaObservation | PoissonObservation


class Moments:
    """Per-neuron moments of a recording's samples, with a little shrinkage for neurons of few events.

    Args:
        events: `[trials, time, N]`, NaN where not sampled.
    """

    def __init__(self, events: Tensor):
        sampled = ~torch.isnan(events)
        values = torch.nan_to_num(events)
        is_event = values > 0
        count, samples = is_event.sum((0, 1)), sampled.sum((0, 1))
        overall = values[is_event]
        prior_mean = overall.mean() if len(overall) else events.new_tensor(1.0)
        prior_variance = overall.var() if len(overall) > 1 else events.new_tensor(1.0)
        weight = 5.0  # a neuron's own moments count as much as the population's at five events
        self.event_fraction = (count + 0.5) / (samples + 1.0)
        self.event_mean = (values.sum((0, 1)) + weight * prior_mean) / (count + weight)
        squares = torch.where(is_event, (values - self.event_mean) ** 2, values.new_zeros(()))
        self.event_variance = (squares.sum((0, 1)) + weight * prior_variance) / (count + weight)
        self.root_mean_square = torch.sqrt((values**2).sum() / sampled.sum())

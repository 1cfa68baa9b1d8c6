"""The zero-inflated gamma distribution of deconvolved calcium events (Zhu 2022, equation 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import broadcast_all

from calcium_latents.distributions.excess import RELATIVE_GAP


class ZeroInflatedGamma(Distribution):
    """Zero with probability 1 - q; otherwise location + Gamma(shape, scale).

        p(0) = 1 - q,    p(x) = q Gamma(x - location; shape k, scale alpha)  for x > location

    Args:
        event_probability: q in (0, 1), probability of a non-zero value.
        shape: k > 0.
        scale: alpha > 0, in the units of the data.
        location: smallest event (s_min in the paper) >= 0.

    All arguments broadcast. `log_prob` is finite for zeros and for every event at or above the location; values
    between zero and the location are outside the support (error with `validate_args`, minus infinity without).
    """

    arg_constraints = {  # pyrefly: ignore[bad-override]  # a property in torch's base class
        "event_probability": constraints.unit_interval,
        "shape": constraints.positive,
        "scale": constraints.positive,
        "location": constraints.nonnegative,
    }
    support = constraints.nonnegative
    has_rsample = False

    def __init__(self, event_probability, shape, scale, location=0.0, validate_args=None):
        self.event_probability, self.shape, self.scale, self.location = broadcast_all(
            event_probability, shape, scale, location
        )
        super().__init__(self.event_probability.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """q (k alpha + location), the event rate per bin (equation 3)."""
        return self.event_probability * (self.shape * self.scale + self.location)

    @property
    def variance(self) -> Tensor:
        """q k alpha^2 + q (1 - q) (k alpha + location)^2."""
        q, size = self.event_probability, self.shape * self.scale + self.location
        return q * self.shape * self.scale**2 + q * (1 - q) * size**2

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability (of zero) or log density (of an event), broadcast over `value`."""
        if self._validate_args:
            self._validate_sample(value)
            if bool(((value > 0) & (value < self.location)).any()):
                raise ValueError("value between zero and the location is outside the support of ZeroInflatedGamma")
        is_event = value > 0
        # the unused branch gets a harmless value, so that its gradient is finite
        excess = torch.where(is_event, value - self.location, torch.ones_like(value))
        event = torch.log(self.event_probability) + gamma_log_density(
            excess.clamp_min(RELATIVE_GAP * self.location.clamp_min(1e-30)), self.shape, self.scale
        )
        event = torch.where(is_event & (value < self.location), torch.full_like(event, -torch.inf), event)
        return torch.where(is_event, event, torch.log1p(-self.event_probability))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw values of shape `sample_shape + batch_shape`."""
        shape = self._extended_shape(torch.Size(sample_shape))
        with torch.no_grad():
            gamma = torch._standard_gamma(self.shape.expand(shape).contiguous()) * self.scale + self.location
            return torch.bernoulli(self.event_probability.expand(shape)) * gamma


def gamma_log_density(excess: Tensor, shape: Tensor, scale: Tensor) -> Tensor:
    """Log density of Gamma(shape, scale) at `excess` > 0."""
    return (shape - 1) * torch.log(excess) - excess / scale - shape * torch.log(scale) - torch.lgamma(shape)

"""Normalisation over the batch with statistics shared by all rotations of a feature, and the softplus after it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-3  # as the published model's framework had it


class SharedNormalisation(nn.Module):
    """Batch normalisation per feature, not per rotated channel: only so is the network equivariant.

    Args:
        features: number of features.
        rotations: number of rotations of each.
        scale: whether the result is scaled (the published last layer is not).
        softplus: whether log(1 + exp x) follows ("soft threshold").
        momentum: weight of a batch in the running statistics (published: 0.1).
    """

    def __init__(self, features: int, rotations: int, scale: bool, softplus: bool, momentum: float = 0.1):
        super().__init__()
        self.rotations, self.softplus, self.momentum = rotations, softplus, momentum
        self.bias = nn.Parameter(torch.zeros(features))
        self.scale = nn.Parameter(torch.ones(features)) if scale else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_variance", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised [b, rotation * feature, y, x]."""
        # In memory the features of one place and rotation stand side by side: rotations can pass for places.
        places = x.permute(0, 2, 3, 1).unflatten(3, (self.rotations, -1)).flatten(2, 3).permute(0, 3, 1, 2)
        places = functional.batch_norm(
            places,
            self.running_mean,
            self.running_variance,
            torch.ones_like(self.bias) if self.scale is None else self.scale,
            self.bias,
            self.training,
            self.momentum,
            EPSILON,
        )
        x = places.permute(0, 2, 3, 1).unflatten(2, (-1, self.rotations)).flatten(3).permute(0, 3, 1, 2)
        return functional.softplus(x) if self.softplus else x

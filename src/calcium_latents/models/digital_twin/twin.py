"""The digital twin: the shared core and, for each neuron, a spatial mask, feature weights (its bar code), an offset."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from calcium_latents.models.digital_twin.core import RotationEquivariantCore
from calcium_latents.models.digital_twin.parameters import CoreSizes

LOG_OFFSET = 1e-5  # keeps the logarithm of a rate finite


class DigitalTwin(nn.Module):
    """Rates of all neurons to images: softplus(sum_c w_nc sum_xy mask_n(x, y) features_c(x, y) + b_n).

    Args:
        sizes: of the core.
        image_shape: (y, x) in px.
        neurons: number of neurons, N.
        random: of the initial weights.

    Attributes:
        masks: [N, map y, map x].
        weights: [N, rotation, feature], the bar codes.
        bias: [N].
        response_scale: [N], what a rate of 1 means in the units of the recorded responses.
        compute_dtype: of the convolutions and the pooling; parameters and rates stay in float32.
    """

    def __init__(self, sizes: CoreSizes, image_shape: tuple[int, int], neurons: int, random: torch.Generator):
        super().__init__()
        self.sizes, self.image_shape = sizes, tuple(image_shape)
        self.map_shape = sizes.map_shape(self.image_shape)
        self.offset = sizes.offset
        self.core = RotationEquivariantCore(sizes, random)
        self.masks = nn.Parameter(0.01 * torch.randn(neurons, *self.map_shape, generator=random))
        shape = neurons, sizes.rotations, sizes.features[-1]
        self.weights = nn.Parameter(0.01 * torch.randn(shape, generator=random))
        self.bias = nn.Parameter(torch.zeros(neurons))
        self.register_buffer("response_scale", torch.ones(neurons))
        self.compute_dtype = torch.float32

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Rates [b, N] to images [b, y, x], in units of `response_scale`."""
        features = self.core(images.to(self.compute_dtype)).flatten(1, 2).flatten(2)
        # one product for the whole batch: its gradients are products as large, not sums over images
        pooled = features.flatten(0, 1) @ self.masks.flatten(1).T.to(features.dtype)
        drive = (pooled.unflatten(0, features.shape[:2]) * self.weights.flatten(1).T.to(features.dtype)).sum(1)
        return functional.softplus(drive.float() + self.bias)

    def rates(self, images: Tensor) -> Tensor:
        """Rates [b, N] to images [b, y, x], in the units of the recorded responses."""
        return (self(images.to(self.bias.device)) * self.response_scale).to(images.device)

    def own_rates(self, images: Tensor, neurons: Tensor) -> Tensor:
        """Rate [n] of neuron `neurons[k]` to image k of [n, y, x], in the units of the recorded responses.

        The result is on the images' device, wherever the twin is.
        """
        home, neurons = images.device, neurons.to(self.bias.device)
        features = self.core(images.to(self.bias.device, self.compute_dtype)).flatten(1, 2).flatten(2)
        masks = self.masks.flatten(1)[neurons].to(features.dtype)
        pooled = torch.matmul(features, masks[..., None]).squeeze(-1)  # [n, channel]
        drive = (pooled.float() * self.weights.flatten(1)[neurons]).sum(1)
        return (functional.softplus(drive + self.bias[neurons]) * self.response_scale[neurons]).to(home)

    def mask_centres(self) -> Tensor:
        """Centres (y, x) of the squared masks [N, 2], px of the image."""
        weight = self.masks.detach().cpu().square()
        weight = weight / weight.sum((1, 2), keepdim=True).clamp_min(1e-30)
        y, x = (torch.arange(size, dtype=weight.dtype) + self.offset for size in self.map_shape)
        return torch.stack([(weight.sum(2) * y).sum(1), (weight.sum(1) * x).sum(1)], 1)

    @torch.no_grad()
    def normalise_readout(self) -> None:
        """Give every mask unit absolute sum and a positive sum; the weights take the rest. Rates do not change."""
        total = self.masks.abs().sum((1, 2)).clamp_min(1e-30)
        factor = torch.where(self.masks.sum((1, 2)) < 0, -total, total)
        self.masks.div_(factor[:, None, None])
        self.weights.mul_(factor[:, None, None])


def poisson_loss(rate: Tensor, response: Tensor) -> Tensor:
    """Mean over images of the sum over neurons of rate - response log(rate + 1e-5), [].

    Both are [b, N]; NaN responses count nothing.
    """
    seen = ~response.isnan()
    terms = rate - response.nan_to_num() * torch.log(rate + LOG_OFFSET)
    return (terms * seen).sum() / len(rate)

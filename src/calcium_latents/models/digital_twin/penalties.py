"""What keeps filters smooth, their inputs few, and readouts sparse (Ecker et al. 2019)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from calcium_latents.models.digital_twin.core import GroupConvolution, RotationEquivariantCore
from calcium_latents.models.digital_twin.twin import DigitalTwin

LAPLACIAN = ((0.25, 0.5, 0.25), (0.5, -3.0, 0.5), (0.25, 0.5, 0.25))
NORM_FLOOR = 1e-8


@dataclass(frozen=True)
class Penalties:
    """Weights of the penalties, beside a loss that is summed over neurons and averaged over images.

    Attributes:
        smoothness: of the squared Laplacian of every filter over its squared norm.
        smoothness_layers: factor of each layer (published: 1, 0.5, 0.5).
        sparsity: of the norms of a filter's kernels, one an input, over the norm of the whole.
        sparsity_layers: factor of each layer (published: 0, 1, 1).
        readout: of the product of a mask's and a bar code's absolute sums.
    """

    smoothness: float = 0.0249692
    smoothness_layers: tuple[float, ...] = (1.0, 0.5, 0.5)
    sparsity: float = 0.0152482
    sparsity_layers: tuple[float, ...] = (0.0, 1.0, 1.0)
    readout: float = 0.0170696

    def value(self, twin: DigitalTwin) -> Tensor:
        """Sum of all penalties, []."""
        total = self.readout * readout_norm(twin)
        if self.smoothness or self.sparsity:
            filters = unturned_filters(twin.core)
            rotations = twin.sizes.rotations
            for filter, smooth, sparse in zip(filters, self.smoothness_layers, self.sparsity_layers, strict=True):
                if self.smoothness * smooth:
                    total = total + self.smoothness * smooth * rotations * roughness(filter)
                if self.sparsity * sparse:
                    total = total + self.sparsity * sparse * rotations * group_norm(filter)
        return total


def unturned_filters(core: RotationEquivariantCore) -> list[Tensor]:
    """Filters [feature, inputs, kernel, kernel] of rotation 0: the others are the same, turned, and as rough."""
    layers = [layer for layer in core.layers if isinstance(layer, GroupConvolution)]
    return [torch.einsum("cyx,cif->fiyx", layer.bank[0], layer.coefficients) for layer in layers]


def roughness(filters: Tensor) -> Tensor:
    """Sum over output filters of the squared Laplacian over the squared norm; [outputs, inputs, kernel, kernel]."""
    laplacian = torch.tensor(LAPLACIAN, dtype=filters.dtype, device=filters.device)[None, None]
    rough = functional.conv2d(filters.flatten(0, 1)[:, None], laplacian, padding=1).view_as(filters)
    return (rough.square().sum((1, 2, 3)) / (NORM_FLOOR + filters.square().sum((1, 2, 3)))).sum()


def group_norm(filters: Tensor) -> Tensor:
    """Sum over filters [outputs, inputs, kernel, kernel] of their kernels' norms over the norm of the filter, []."""
    kernels = (filters.square().sum((2, 3)) + NORM_FLOOR**2).sqrt()
    return (kernels.sum(1) / (NORM_FLOOR + filters.square().sum((1, 2, 3))).sqrt()).sum()


def readout_norm(twin: DigitalTwin) -> Tensor:
    """Sum over neurons of (sum |mask|) (sum |weights|), []."""
    return (twin.masks.abs().sum((1, 2)) * twin.weights.abs().sum((1, 2))).sum()

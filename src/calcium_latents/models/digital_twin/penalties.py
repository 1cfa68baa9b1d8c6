"""What keeps filters smooth, their inputs few, and readouts sparse (Ecker et al. 2019)."""

import torch
from torch import Tensor
from torch.nn import functional

from calcium_latents.models.digital_twin.core import GroupConvolution, RotationEquivariantCore
from calcium_latents.models.digital_twin.parameters import PenaltyWeights
from calcium_latents.models.digital_twin.twin import DigitalTwin

LAPLACIAN = ((0.25, 0.5, 0.25), (0.5, -3.0, 0.5), (0.25, 0.5, 0.25))
NORM_FLOOR = 1e-8


def penalty(twin: DigitalTwin, weights: PenaltyWeights) -> Tensor:
    """Return the sum of all penalties, []."""
    total = weights.readout * readout_norm(twin)
    if weights.smoothness or weights.sparsity:
        filters = unturned_filters(twin.core)
        rotations = twin.sizes.rotations
        for filter, smooth, sparse in zip(filters, weights.smoothness_layers, weights.sparsity_layers, strict=True):
            if weights.smoothness * smooth:
                total = total + weights.smoothness * smooth * rotations * roughness(filter)
            if weights.sparsity * sparse:
                total = total + weights.sparsity * sparse * rotations * group_norm(filter)
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

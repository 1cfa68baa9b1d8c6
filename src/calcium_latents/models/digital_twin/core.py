"""The rotation-equivariant core: convolutions whose filters stand in every rotation of a group."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from calcium_latents.models.digital_twin.filter_bank import filter_bank
from calcium_latents.models.digital_twin.normalisation import SharedNormalisation
from calcium_latents.models.digital_twin.parameters import CoreSizes


class RotationEquivariantCore(nn.Module):
    """Three (or any number of) group convolutions on Hermite functions, normalised, with softplus between them.

    A rotation of the image by 90 degrees rotates the maps and shifts their rotation index by a quarter of the group,
    exactly; by 45 degrees approximately. The last layer has no non-linearity (the readout adds it).

    Args:
        sizes: see `CoreSizes`.
        random: of the initial weights.
    """

    def __init__(self, sizes: CoreSizes, random: torch.Generator):
        super().__init__()
        self.sizes = sizes
        self.layers = nn.ModuleList()
        ranks = sizes.max_ranks or (None,) * len(sizes.kernels)
        for number, (kernel, features, rank) in enumerate(zip(sizes.kernels, sizes.features, ranks, strict=True)):
            inputs = 1 if number == 0 else sizes.rotations * sizes.features[number - 1]
            last = number + 1 == len(sizes.kernels)
            self.layers.append(GroupConvolution(kernel, inputs, features, sizes, rank, last, random))

    def forward(self, images: Tensor) -> Tensor:
        """Return features [b, rotation, feature, map y, map x] of images [b, y, x]."""
        x = images[:, None].contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            x = layer(x)
        return x.unflatten(1, (self.sizes.rotations, -1))


class GroupConvolution(nn.Module):
    """One layer: filters in every rotation, normalisation over the batch shared by rotations, softplus."""

    bank: Tensor

    def __init__(self, kernel: int, inputs: int, features: int, sizes: CoreSizes, rank: int | None, last: bool, random):
        super().__init__()
        self.rotations, self.first = sizes.rotations, inputs == 1
        self.padding = 0 if self.first and sizes.padding == "valid" else kernel // 2
        self.register_buffer("bank", filter_bank(kernel, sizes.rotations, rank), persistent=False)
        coefficients = torch.empty(self.bank.shape[1], inputs, features)
        nn.init.trunc_normal_(coefficients, std=0.1, a=-0.2, b=0.2, generator=random)
        self.coefficients = nn.Parameter(coefficients)
        self.normalisation = SharedNormalisation(features, sizes.rotations, scale=not last, softplus=not last)

    def filters(self) -> Tensor:
        """Filters [rotation * feature, inputs, kernel, kernel]; inputs are ordered as the outputs are."""
        coefficients, inputs, features = self.coefficients.shape
        turned = self.coefficients.expand(self.rotations, -1, -1, -1)
        if not self.first:
            # the filter at rotation i sees the input's rotations from i on: turning the image turns both
            groups = self.coefficients.view(coefficients, self.rotations, -1, features)
            turned = torch.stack([groups.roll(i, 1) for i in range(self.rotations)]).flatten(2, 3)
        kernel = self.bank.shape[-1]
        # [r, k k, c] @ [r, c, inputs features]
        filters = self.bank.flatten(2).mT @ turned.flatten(2)
        return filters.view(self.rotations, kernel, kernel, inputs, features).permute(0, 4, 3, 1, 2).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return [b, rotation * feature, y, x] of [b, inputs, y, x]."""
        weight = self.filters().to(x.dtype).contiguous(memory_format=torch.channels_last)
        return self.normalisation(functional.conv2d(x, weight, padding=self.padding))

"""Random numbers of a population: every member draws from a stream of its own."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from calcium_latents.training.masks import fill_mask


class Streams:
    """One generator a member, so that a member draws the same numbers in company as alone.

    Args:
        seeds: one a member, P in all.
        device: where the numbers are drawn; the CPU's and a GPU's numbers differ.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu"):
        self.generators = [torch.Generator(device).manual_seed(int(seed)) for seed in seeds]

    def __len__(self) -> int:
        return len(self.generators)

    def normal(self, *shape: int, dim: int = 0) -> Tensor:
        """Standard normal numbers of `shape`, whose axis `dim` is the population's."""
        return self._draw(torch.randn, shape, dim)

    def uniform(self, *shape: int, dim: int = 0) -> Tensor:
        """Uniform numbers in [0, 1) of `shape`, whose axis `dim` is the population's."""
        return self._draw(torch.rand, shape, dim)

    def mask(self, dropout_rate: Tensor, *shape: int) -> Tensor:
        """Scaled dropout masks of `shape` (members first): 0 at a rate of `dropout_rate` `[P]`, else 1 / (1 - rate)."""
        kept = 1 - dropout_rate
        if shape[0] != len(self):
            raise ValueError(f"axis 0 of {shape} is not the population's: expected {len(self)} members")
        if self.generators[0].device.type != "cpu":
            kept = kept.view(-1, *[1] * (len(shape) - 1))
            return (self.uniform(*shape) < kept) / kept
        mask = torch.empty(shape)
        for member, (generator, probability) in enumerate(zip(self.generators, kept.tolist(), strict=True)):
            key = int(torch.randint(2**62, (), generator=generator))
            fill_mask(mask[member].numpy().reshape(-1), np.uint64(key), probability)
        return mask

    def _draw(self, draw, shape: tuple[int, ...], dim: int) -> Tensor:
        if shape[dim] != len(self):
            raise ValueError(f"axis {dim} of {shape} is not the population's: expected {len(self)} members")
        # each member's numbers are drawn as one contiguous block: a strided view would get others
        own = shape[:dim] + shape[dim + 1 :]
        return torch.stack([draw(own, generator=g, device=g.device) for g in self.generators], dim)

    def state(self) -> list[Tensor]:
        """State of every generator, to continue from."""
        return [g.get_state() for g in self.generators]

    def set_state(self, state: Sequence[Tensor]) -> None:
        """Continue from `state`, a tensor [byte] for each member."""
        for generator, value in zip(self.generators, state, strict=True):
            generator.set_state(value)

    def to(self, device: torch.device) -> "Streams":
        """The same seeds on another device (itself where it is there already)."""
        if self.generators[0].device.type == torch.device(device).type:
            return self
        return Streams([g.initial_seed() for g in self.generators], device)

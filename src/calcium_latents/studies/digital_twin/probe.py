"""One way to show images to neurons: those of a digital twin, and true ones of a simulation."""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import xarray as xr

from calcium_latents.accelerator import device_of
from calcium_latents.models.digital_twin.checkpoint import restore
from calcium_latents.models.digital_twin.precision import compute_dtype
from calcium_latents.models.digital_twin.twin import DigitalTwin
from calcium_latents.simulation.visual_cortex.visual_cortex import Population

BLOCKS = {"cpu": 128, "cuda": 512}  # images a block: bounds the memory, and on a CPU larger ones leave the cache


class Probe(Protocol):
    """Neurons that answer any image.

    Attributes:
        image_shape: (y, x), px.
        neurons: number of neurons.
    """

    image_shape: tuple[int, int]
    neurons: int

    def own_rates(self, images: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Rate [n] of neuron `neurons[k]` to image k of [n, y, x], in the units of the recorded responses."""

    def all_rates(self, images: np.ndarray) -> np.ndarray:
        """Rates [n, N] of all neurons to images [n, y, x]."""


class ModelProbe:
    """A trained digital twin.

    Args:
        twin: in evaluation mode.
    """

    def __init__(self, twin: DigitalTwin):
        self.twin = twin.eval()
        self.image_shape, self.neurons = twin.image_shape, twin.neurons
        self.block = BLOCKS[twin.bias.device.type]

    @classmethod
    def from_checkpoint(cls, path: str | Path, accelerator: str = "cpu", precision: str = "float32") -> "ModelProbe":
        """Load the twin of a training run.

        Args:
            path: its checkpoint.
            accelerator: "cpu" or "gpu".
            precision: of convolutions, see `compute_dtype`; bfloat16 errs by about half a percent of a rate.

        Raises:
            UserError: the file is no checkpoint of a digital twin, or there is no GPU.
        """
        twin = restore(path).to(device_of(accelerator))
        twin.compute_dtype = compute_dtype(precision, twin.bias.device)
        return cls(twin)

    @torch.no_grad()
    def own_rates(self, images: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """See `Probe.own_rates`: images [n, y, x], neurons [n]."""
        shown, seen_by = torch.as_tensor(np.asarray(images, np.float32)), torch.as_tensor(np.asarray(neurons))
        parts = zip(shown.split(self.block), seen_by.split(self.block), strict=True)
        return torch.cat([self.twin.own_rates(*part) for part in parts]).numpy()

    @torch.no_grad()
    def all_rates(self, images: np.ndarray) -> np.ndarray:
        """See `Probe.all_rates`: images [n, y, x]."""
        parts = torch.as_tensor(np.asarray(images, np.float32)).split(self.block)
        return torch.cat([self.twin.rates(part) for part in parts]).numpy()


class TruthProbe:
    """The neurons of a simulated population, noise-free.

    Args:
        responses: a simulated ImageResponses box.
    """

    def __init__(self, responses: xr.Dataset):
        self.population = Population.from_dataset(responses)
        self.image_shape = responses.sizes["y"], responses.sizes["x"]
        self.neurons = responses.sizes["neuron"]

    def own_rates(self, images: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """See `Probe.own_rates`: images [n, y, x], neurons [n]."""
        return np.asarray(self.population.own_rates(np.asarray(images, np.float32), np.asarray(neurons)))

    def all_rates(self, images: np.ndarray) -> np.ndarray:
        """See `Probe.all_rates`: images [n, y, x]."""
        return np.asarray(self.population.rates(np.asarray(images, np.float32)))

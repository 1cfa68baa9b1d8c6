"""Most exciting images (MEIs): of each neuron, the image that a differentiable model says drives it most.

Eq. 3 of the digital-twin paper: gradient ascent from noise on rate - gamma alpha(image), at a fixed L2 norm, with a
penalty alpha on roughness. As in the code published with the rotation-equivariant networks (Ecker et al. 2019), the
gradient is multiplied in Fourier space by frequency^-1/2, which moves low frequencies first and keeps noise that the
model does not see out of the image. An MEI is a local maximum; of several starts the best is kept.

Images of different neurons share a batch: each belongs to its own neuron, so no neuron affects another's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.optimal_stimuli.mei_parameters import MostExcitingImageParameters

#: (images [n, y, x], neurons [n]) -> rate of neuron neurons[k] to images[k], [n], differentiable in the images
OwnRates = Callable[[Tensor, Tensor], Tensor]
LAPLACIAN = ((0.25, 0.5, 0.25), (0.5, -3.0, 0.5), (0.25, 0.5, 0.25))
MOMENTUM, SECOND_MOMENT, TINY = 0.9, 0.999, 1e-8  # of Adam, its defaults


@dataclass(frozen=True)
class MostExcitingImages:
    """What was found for n neurons.

    Attributes:
        images: [n, y, x] float32, each of the parameters' L2 norm.
        rates: [n] float64, rate of each neuron to its image, in the model's unit.
        steps: [n] int, steps that were taken with the start that was kept.
    """

    images: np.ndarray
    rates: np.ndarray
    steps: np.ndarray


def most_exciting_images(
    own_rates: OwnRates,
    neurons: np.ndarray,
    image_shape: tuple[int, int],
    parameters: MostExcitingImageParameters | None = None,
    *,
    seed: int = 0,
    rate_unit: np.ndarray | None = None,
    device: str | torch.device = "cpu",
) -> MostExcitingImages:
    """Return an MEI of each of `neurons`.

    Args:
        own_rates: rate of each image's own neuron.
        neurons: [n] whole numbers that `own_rates` knows.
        image_shape: (y, x), px.
        parameters: see there; default the published ones.
        seed: of the noise; a neuron's noise depends on no other neuron.
        rate_unit: [n] positive; rates are divided by it before the penalty is subtracted, so that one smoothness
            serves neurons of any gain. Default 1.
        device: where `own_rates` takes its images.

    Raises:
        UserError: a neuron's rate is not finite.
    """
    parameters = parameters or MostExcitingImageParameters()
    neurons = np.asarray(neurons, np.int64)
    unit = np.ones(len(neurons)) if rate_unit is None else np.asarray(rate_unit, float)
    found = MostExcitingImages(
        np.zeros((len(neurons), *image_shape), np.float32), np.zeros(len(neurons)), np.zeros(len(neurons), np.int64)
    )
    size = max(1, parameters.batch_images // parameters.starts)
    for first in progress(range(0, len(neurons), size), "most exciting images", unit="batch"):
        part = slice(first, first + size)
        starts = np.concatenate([_noise(seed, int(neuron), image_shape, parameters) for neuron in neurons[part]])
        ascent = _Ascent(own_rates, np.repeat(neurons[part], parameters.starts), starts, parameters, device)
        ascent.run(np.repeat(unit[part], parameters.starts))
        kept = ascent.best_of_starts()
        found.images[part] = ascent.best_image[kept].cpu().numpy()
        found.rates[part] = ascent.best_rate[kept].cpu().numpy()
        found.steps[part] = ascent.taken[kept].cpu().numpy()
    return found


def _noise(seed: int, neuron: int, image_shape: tuple[int, int], parameters: MostExcitingImageParameters) -> np.ndarray:
    """Return the starts [starts, y, x] of a neuron."""
    shape = (parameters.starts, *image_shape)
    white = generator(seed, "most exciting image", neuron).standard_normal(shape)
    if not parameters.start_power:
        return white
    return np.fft.irfft2(np.fft.rfft2(white) * frequency_weights(image_shape, parameters.start_power), s=image_shape)


def to_norm(images: Tensor, norm: float) -> Tensor:
    """Return images [n, y, x] scaled to an L2 norm; an image of zeros stays so."""
    return norm * images / images.flatten(1).norm(dim=1).clamp_min(TINY)[:, None, None]


def roughness(images: Tensor) -> Tensor:
    """Return the sum [n] of the squared Laplacian of images [n, y, x], with zeros around them."""
    kernel = torch.tensor(LAPLACIAN, dtype=images.dtype, device=images.device)[None, None]
    return F.conv2d(images[:, None], kernel, padding=1).square().sum(dim=(1, 2, 3))


def frequency_weights(image_shape: tuple[int, int], power: float) -> np.ndarray:
    """Return frequency^-power at the frequencies of `rfft2`, [y, x // 2 + 1], with mean 1 over all frequencies.

    The constant has the weight of the lowest frequency.
    """
    height, width = image_shape
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    frequency[0, 0] = 1 / max(height, width)
    weights = frequency**-power
    return (weights / weights.mean())[:, : width // 2 + 1]


class _Ascent:
    """Images [n, y, x] that climb; those that have stopped gaining are left out of the batch."""

    def __init__(self, own_rates, neurons, starts, parameters, device):
        self.own_rates, self.parameters = own_rates, parameters
        self.neurons = torch.as_tensor(neurons, device=device)
        self.raw = torch.as_tensor(starts, dtype=torch.float32, device=device)
        weights = frequency_weights(starts.shape[1:], parameters.frequency_power)
        self.weights = torch.as_tensor(weights, dtype=torch.float32, device=device)
        self.first, self.second = torch.zeros_like(self.raw), torch.zeros_like(self.raw)
        count = len(neurons)
        self.best_image = to_norm(self.raw, parameters.norm)
        self.best_rate, self.mean = torch.zeros(count, device=device), torch.zeros(count, device=device)
        self.best, self.best_mean = (torch.full((count,), -torch.inf, device=device) for _ in range(2))
        self.since, self.taken = (torch.zeros(count, dtype=torch.long, device=device) for _ in range(2))

    def run(self, unit: np.ndarray) -> None:
        parameters = self.parameters
        units = torch.as_tensor(unit, dtype=torch.float32, device=self.raw.device)
        active = torch.arange(len(self.raw), device=self.raw.device)
        for step in range(parameters.steps + 1):
            # The last pass only looks at the images that the last step has made.
            last = step == parameters.steps
            gradient = self._look(active, units[active], step, last)
            if last:
                return
            active, kept = self._still_climbing(active, step)
            if not len(active):
                return
            self._move(active, gradient[kept], step)

    def _look(self, active: Tensor, unit: Tensor, step: int, last: bool) -> Tensor | None:
        """Evaluate active images; note the best of each; return the gradient in Fourier-weighted form."""
        parameters = self.parameters
        with torch.set_grad_enabled(not last):
            raw = self.raw[active].requires_grad_(not last)
            images = to_norm(raw, parameters.norm)
            rates = self.own_rates(images, self.neurons[active]).float()
            objective = rates / unit - parameters.smoothness * roughness(images)
        if not torch.isfinite(objective).all():
            neuron = int(self.neurons[active[~torch.isfinite(objective)][0]])
            raise UserError(
                f"most exciting images: expected finite rates, found others for neuron {neuron} at step {step}. "
                "Check that the model was fitted without divergence."
            )
        gradient = None if last else torch.autograd.grad(objective.sum(), raw)[0]
        with torch.no_grad():
            better = objective > self.best[active]
            at = active[better]
            self.best[at], self.best_rate[at] = objective[better].detach(), rates[better].detach()
            self.best_image[at], self.taken[at] = images[better].detach(), step
            memory = parameters.memory if step else 0.0
            mean = self.mean[active] = memory * self.mean[active] + (1 - memory) * objective.detach()
            known = self.best_mean[active]
            gained = (step == 0) | (mean > known + parameters.tolerance * known.abs())
            self.best_mean[active] = torch.where(gained, mean, known)
            self.since[active] = torch.where(gained, 0, self.since[active] + 1)
            if gradient is not None:
                spectrum = torch.fft.rfft2(gradient) * self.weights
                gradient = torch.fft.irfft2(spectrum, s=gradient.shape[1:])
        return gradient

    def _still_climbing(self, active: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return the images that go on, and which of `active` they are."""
        kept = self.since[active] < self.parameters.patience
        if step and step == self.parameters.screening_steps:
            chosen = torch.zeros(len(self.raw), dtype=torch.bool, device=active.device)
            chosen[self.best_of_starts()] = True
            kept &= chosen[active]
        return active[kept], kept

    def _move(self, active: Tensor, gradient: Tensor, step: int) -> None:
        """One step of Adam, upwards; all images have taken equally many."""
        first = self.first[active] = MOMENTUM * self.first[active] + (1 - MOMENTUM) * gradient
        second = SECOND_MOMENT * self.second[active] + (1 - SECOND_MOMENT) * gradient**2
        self.second[active] = second
        first = first / (1 - MOMENTUM ** (step + 1))
        second = second / (1 - SECOND_MOMENT ** (step + 1))
        self.raw[active] += self.parameters.learning_rate * first / (second.sqrt() + TINY)

    def best_of_starts(self) -> Tensor:
        """Return the index of each neuron's best start, [neurons of this batch]."""
        starts = self.parameters.starts
        rows = torch.arange(len(self.raw) // starts, device=self.raw.device)
        return rows * starts + self.best.view(-1, starts).argmax(dim=1)

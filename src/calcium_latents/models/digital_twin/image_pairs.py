"""From responses to images to what a model of them trains on: images, mean responses, and parts."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.parameters import ImageOptions
from calcium_latents.recordings.fields import TRAINING, fail
from calcium_latents.recordings.image_responses import SCHEMA

SMALLEST_SCALE = 0.01


@dataclass(frozen=True)
class ImagePairs:
    """Images and responses.

    Attributes:
        images: [image, y, x].
        response: [image, neuron], mean over presentations in units of `scale`, NaN where none was recorded.
        part: [image], 0 training, 1 validation, 2 test.
        scale: [neuron], what a response of 1 means in the recorded units.
    """

    images: Tensor
    response: Tensor
    part: Tensor
    scale: Tensor

    def rows(self, part: int) -> Tensor:
        """Indices [n] of the images of a part."""
        return torch.nonzero(self.part == part).flatten()


def make_pairs(responses: xr.Dataset, options: ImageOptions, path: str) -> ImagePairs:
    """Return what a model trains on.

    Raises:
        UserError: `responses` is not an ImageResponses box, or a neuron has no training response.
    """
    found = responses.attrs.get("schema")
    if found != SCHEMA:
        fail(path, "attribute schema", f"'{SCHEMA}'", f"{found!r}", "Train this model on responses to images.")
    part = responses["part"].values
    mean = image_means(responses).astype(np.float32)
    training = mean[part == TRAINING]
    known = np.isfinite(training).sum(0)
    if not len(training) or known.min() < 2:
        neuron = int(responses["neuron"].values[known.argmin()]) if len(training) else 0
        raise UserError(
            f"{path}: response: expected at least 2 training images a neuron, found"
            f" {int(known.min()) if len(training) else 0} for neuron {neuron}. Leave this neuron out."
        )
    scale = np.ones(mean.shape[1], np.float32)
    if options.scale_responses:
        scale = np.nanstd(training, axis=0)
        scale = np.where(scale <= SMALLEST_SCALE * scale.mean(), 1.0, scale).astype(np.float32)
    return ImagePairs(
        torch.from_numpy(np.ascontiguousarray(responses["images"].values, np.float32)),
        torch.from_numpy(np.maximum(mean, 0) / scale),
        torch.from_numpy(part.astype(np.int64)),
        torch.from_numpy(scale),
    )


def image_means(responses: xr.Dataset) -> np.ndarray:
    """Mean response [image, neuron] over the presentations that were recorded; NaN where there is none."""
    response, shown = responses["response"].values, responses["image_of_trial"].values
    total = np.zeros((responses.sizes["image"], response.shape[1]))
    count = np.zeros_like(total)
    np.add.at(total, shown, np.nan_to_num(response))
    np.add.at(count, shown, np.isfinite(response))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

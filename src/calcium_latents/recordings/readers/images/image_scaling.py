"""Images averaged down to fewer pixels, and responses on one scale for all neurons."""

from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail

#: neurons whose responses spread less than this share of the mean spread are left as they are
SMALLEST_SPREAD = 0.01


def area_averaged(images: np.ndarray, shape: Any, source: str) -> np.ndarray:
    """Return images [image, y, x] averaged down to [image, height, width]: each new pixel is the mean over its area.

    Pixels that lie across a border of the new ones count by the parts of their area.

    Raises UserError where `shape` is not two whole numbers from 1 up to the images' own.
    """
    own = list(images.shape[1:])
    good = isinstance(shape, list | tuple) and len(shape) == 2
    good = good and all(isinstance(size, int) and not isinstance(size, bool) for size in shape)
    if not good or any(not 1 <= size <= limit for size, limit in zip(shape, own, strict=True)):
        expected = f"[height, width] in px, at most {own} as in the file"
        fail(source, "image_shape", expected, f"{shape!r:.100}", "Correct it in the entry.")
    rows, columns = (_parts_of_pixels(old, new) for old, new in zip(own, shape, strict=True))
    return rows @ np.asarray(images, np.float64) @ columns.T


def _parts_of_pixels(old: int, new: int) -> np.ndarray:
    """Return weights [new, old] of the mean over new pixels that are old / new wide; rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    pixel = np.arange(old)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.maximum(overlap, 0) * (new / old)


def scaled_responses(responses: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Return responses [trial, neuron] divided by each neuron's standard deviation over training trials.

    Neurons whose deviation is below 1 % of the mean over neurons are divided by 1 (Ecker et al. 2019, code).

    Args:
        responses: NaN = not recorded.
        training: [trial], which trials count.
    """
    seen = responses[training]
    known = ~np.isnan(seen)
    counts = np.maximum(known.sum(0), 1)
    means = np.where(known, seen, 0).sum(0) / counts
    spread = np.sqrt(np.square(np.where(known, seen - means, 0)).sum(0) / counts)
    return responses / np.where(spread > SMALLEST_SPREAD * spread.mean(), spread, 1.0)

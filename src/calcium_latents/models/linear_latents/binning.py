"""Events of single frames as bins of scaled activity with weights, smoothed over the samples that are known."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

SMALLEST_KERNEL = 1e-6  # part of a kernel below which nothing is known


@dataclass(frozen=True)
class Activity:
    """Binned activity, scaled per neuron to mean 0 and variance 1 over what is known.

    Attributes:
        values: `[bin, neuron]`, float32; 0, the mean, where nothing is known.
        weight: `[bin, neuron]`, float32, share of the bin that is known.
        mean, scale: `[neuron]`, of the activity before scaling; scale 0 for neurons that never change.
    """

    values: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def relative(self, scaled: np.ndarray) -> np.ndarray:
        """Return scaled activity [bin, neuron] as multiples of the neuron's mean; 1 for neurons without events."""
        spread = np.divide(self.scale, self.mean, out=np.zeros_like(self.mean), where=self.mean > 0)
        return 1 + scaled * spread.astype(scaled.dtype)


def bin_events(events: np.ndarray, frames: int, power: float) -> Activity:
    """Return the mean of `events ** power` in bins of `frames` frames; power 0 counts events.

    Args:
        events: [frame, neuron], at least 0, NaN = unknown. A last bin that is cut short has a smaller weight.
        frames: number of frames in a bin.
        power: 1 keeps event sizes, 1/2 makes their variance more even, 0 leaves whether there is an event.
    """
    count, neurons = events.shape
    bins = -(-count // frames)
    total, known = np.zeros((2, bins, neurons), np.float32)
    for offset in range(frames):  # frame by frame: no copy of the whole in another shape
        piece = events[offset::frames]
        seen = np.isfinite(piece)
        raised = np.where(seen & (piece > 0), piece, 0.0).astype(np.float32)
        total[: len(piece)] += raised**power if power else (raised > 0)
        known[: len(piece)] += seen
    values = np.divide(total, known, out=np.zeros_like(total), where=known > 0)
    return _scaled(values, known / np.float32(frames))


def _scaled(values: np.ndarray, weight: np.ndarray) -> Activity:
    known = np.maximum(weight.sum(axis=0, dtype=np.float64), 1e-12)
    mean = (values * weight).sum(axis=0, dtype=np.float64) / known
    centred = np.where(weight > 0, values - mean.astype(np.float32), np.float32(0))
    scale = np.sqrt((weight * centred**2).sum(axis=0, dtype=np.float64) / known)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    return Activity(centred * inverse.astype(np.float32), weight, mean, scale)


def smooth_activity(activity: Activity, sd_bins: float) -> Activity:
    """Return the activity as its mean under a Gaussian of `sd_bins` over the known samples; 0: as it is.

    The weight becomes the share of the kernel that is known, so that long gaps and both ends count for less.
    """
    if not sd_bins:
        return activity
    kernel = {"sigma": sd_bins, "axis": 0, "mode": "constant"}
    known = gaussian_filter1d(activity.weight, **kernel)
    total = gaussian_filter1d(activity.values * activity.weight, **kernel)
    mean = np.divide(total, known, out=np.zeros_like(total), where=known > SMALLEST_KERNEL)
    smooth = _scaled(mean, np.where(known > SMALLEST_KERNEL, np.minimum(known, 1), np.float32(0)))
    # of the activity before: smoothing leaves its mean, and takes a part of its scale
    return Activity(
        smooth.values, smooth.weight, activity.mean + activity.scale * smooth.mean, activity.scale * smooth.scale
    )

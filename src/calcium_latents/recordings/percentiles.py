"""A percentile by one partition, which NumPy does with the processor's vectors: `numpy.percentile` asks it for four."""

import numpy as np


def percentile(values: np.ndarray, percent: float) -> np.ndarray:
    """Return `numpy.percentile(values, percent, axis=-1)` of `values` [..., sample], in double precision the same bits.

    Args:
        values: not empty; NaN only where all samples of a row are.
        percent: 0 to 100.
    """
    place = (values.shape[-1] - 1) * (percent / 100)
    below = int(place)
    share = place - below
    ordered = np.partition(values, below, axis=-1)
    low = ordered[..., below]
    high = ordered[..., below + 1 :].min(axis=-1) if share else low
    # as NumPy interpolates, from the nearer one
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share

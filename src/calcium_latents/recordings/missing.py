"""Missing samples (NaN): bridged linearly, or left out of a Gaussian filter."""

import numpy as np
from scipy.ndimage import gaussian_filter1d


def bridge(values: np.ndarray) -> np.ndarray:
    """Return `values` [time, ...] with missing samples filled: linearly between neighbours, the nearest at the ends.

    Columns without any sample stay as they are. Without missing samples, `values` itself is returned.
    """
    missing = ~np.isfinite(values)
    if not missing.any():
        return values
    filled = values.reshape(len(values), -1).copy()
    missing = missing.reshape(filled.shape)
    at = np.arange(len(values))
    for column in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        gap = missing[:, column]
        filled[gap, column] = np.interp(at[gap], at[~gap], filled[~gap, column])
    return filled.reshape(values.shape)


def gaussian_mean(
    values: np.ndarray, sd: float, axis: int = -1, radius: int | None = None, mode: str = "constant"
) -> np.ndarray:
    """Return the mean of the known samples of `values` (any shape) under a Gaussian along `axis`.

    Weights sum to one over the samples that are there, so that gaps and ends neither spread nor fade.

    Args:
        values: NaN where missing.
        sd: standard deviation in samples.
        axis: that of time.
        radius: samples that the Gaussian reaches to either side; default: four standard deviations, rounded.
        mode: what comes after the ends, see `scipy.ndimage.gaussian_filter1d`; default: nothing.

    Returns:
        The same shape; NaN where no sample is within reach.
    """
    known = np.isfinite(values)
    options = {"sigma": sd, "axis": axis, "radius": radius, "mode": mode}
    weight = gaussian_filter1d(known.astype(float), **options)
    total = gaussian_filter1d(np.where(known, values, 0.0), **options)
    return np.divide(total, weight, out=np.full(np.shape(total), np.nan), where=weight > 1e-12)

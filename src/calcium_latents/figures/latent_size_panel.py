"""The axis of latent sizes."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator


def size_axis(axis: Axes, sizes: Iterable[float]) -> None:
    """Make the horizontal axis one of latent sizes: logarithmic, with powers of two as ticks."""
    low, high = min(sizes), max(sizes)
    ticks = 2 ** np.arange(np.floor(np.log2(low)), np.ceil(np.log2(high)) + 1)
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    axis.set_xscale("log", base=2)
    axis.set_xlim(low / 1.15, high * 1.15)
    axis.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axis.xaxis.set_minor_locator(NullLocator())

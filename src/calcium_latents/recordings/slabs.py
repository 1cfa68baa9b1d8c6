"""Large arrays a slab at a time: checks and sums need no second array of the same size."""

from collections.abc import Iterator

import numpy as np

#: Values of a slab: 16 MiB of float32.
SLAB_VALUES = 2**22


def slabs(values: np.ndarray) -> Iterator[tuple[slice, ...]]:
    """Yield indices that part `values` (any shape) along its longest axis, about `SLAB_VALUES` each."""
    if values.size <= SLAB_VALUES:
        yield (slice(None),) * values.ndim
        return
    axis = int(np.argmax(values.shape))
    step = max(1, SLAB_VALUES * values.shape[axis] // values.size)
    for start in range(0, values.shape[axis], step):
        yield (slice(None),) * axis + (slice(start, start + step),)

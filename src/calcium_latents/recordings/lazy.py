"""Arrays of a recording that are read, or made, a block of neurons at a time: the whole need not fit in memory."""

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

#: Most neurons of a block, and of a chunk on disk.
BLOCK_NEURONS = 64

#: Most values of a block: 128 MiB of float32.
BLOCK_VALUES = 2**25


def block_neurons(shape: tuple[int, ...]) -> int:
    """Return how many neurons a block of an array [trial, time, neuron] has: a power of two, or all.

    Blocks of two steps of the workflow then lie within each other, however many more values one of them has.
    """
    samples, neurons = max(1, int(np.prod(shape[:-1]))), shape[-1]
    count = BLOCK_NEURONS
    while count > 1 and count * samples > BLOCK_VALUES:
        count //= 2
    return max(1, min(count, neurons))


def neuron_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield the neurons of every block of an array [trial, time, neuron], in order."""
    step, neurons = block_neurons(shape), shape[-1]
    for first in range(0, neurons, step):
        yield slice(first, min(first + step, neurons))


class LazyArray(BackendArray):
    """An array [..., neuron] of which neurons are read, or made, when they are asked for, and not kept.

    As a variable of a Dataset it is `LazyArray.indexed()`.

    Args:
        shape: of the array.
        dtype: of its values.
        block: (first neuron, the one after the last) -> their values [..., neuron].
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.typing.DTypeLike, block: Callable[[int, int], np.ndarray]):
        self.shape, self.dtype, self.block = tuple(shape), np.dtype(dtype), block

    def indexed(self) -> indexing.LazilyIndexedArray:
        """Return the array as xarray takes it."""
        return indexing.LazilyIndexedArray(self)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._values)

    def _values(self, key: tuple) -> np.ndarray:
        *others, last = key
        chosen = range(self.shape[-1])[last]
        if isinstance(chosen, int):
            return self.block(chosen, chosen + 1)[..., 0][tuple(others)]
        if not chosen:
            return np.empty((*self.shape[:-1], 0), self.dtype)[tuple(others)]
        values = self.block(chosen[0], chosen[-1] + 1)
        return values[..., :: chosen.step][tuple(others)]


def is_lazy(array: xr.DataArray | xr.Variable) -> bool:
    """Return whether the values of a variable are not in memory."""
    variable = array.variable if isinstance(array, xr.DataArray) else array
    return not variable._in_memory


def lazy_names(dataset: xr.Dataset) -> list[str]:
    """Return the variables of `dataset` whose values are not in memory."""
    return [str(name) for name, array in dataset.data_vars.items() if is_lazy(array)]


def as_lazy_as(source: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
    """Return `made` from `source`: as it is where variables of `source` are on disk, else in memory."""
    return made if lazy_names(source) else made.load()

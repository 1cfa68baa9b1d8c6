"""Memory that a training step's loops fill anew every time, kept from step to step.

Fresh memory has to be zeroed by the system, page by page, which costs as much as the loops once buffers are so large
that the allocator gives them back after every step.
"""

from collections import defaultdict

from torch import Tensor

_free: dict[tuple, list[Tensor]] = defaultdict(list)


def take(like: Tensor, *shape: int) -> Tensor:
    """Return memory `[*shape]` of the kind of `like` `[...]`, with anything in it."""
    kept = _free[(like.dtype, shape)]
    if kept:
        return kept.pop()
    _free.clear()  # sizes have changed: what was kept would be in the way
    return like.new_empty(shape)


def give_back(*buffers: Tensor) -> None:
    """Keep buffers of any shape, of which nobody holds a view any more, for the next step."""
    for buffer in buffers:
        _free[(buffer.dtype, tuple(buffer.shape))].append(buffer)

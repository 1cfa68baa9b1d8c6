"""What a trace says about its neuron whatever the times of its events: how many there are, and how large they are."""

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.models.traces.parameters import FEWEST_BINS

#: In the order in which identity latents take them.
STATISTICS = ("log(1 + events)", "log mean size", "log lower fifth of sizes", "log upper fifth of sizes")
REACH = 2  # bins on either side among which an event is the maximum
LOWER, UPPER = 0.2, 0.8


def event_statistics(x: np.ndarray, decay: float, threshold: float) -> np.ndarray:
    """Return `STATISTICS` [n, 4] of traces `x` [n, bins] whose baseline is zero.

    Fluorescence decays by the factor `decay` a bin between events. An event is a maximum, above `threshold` and among
    its two neighbours on either side, of what two bins together add to that decay (an onset may lie anywhere in a bin,
    and noise must not make two events of one that rises over several): its size. A trace without events counts as one
    whose sizes are the threshold. Nothing changes when all events come later, as long as none leaves the trace or joins
    another.

    Raises:
        UserError: fewer than 16 bins.
    """
    if x.shape[-1] < FEWEST_BINS:
        raise UserError(
            f"traces: expected at least {FEWEST_BINS} bins for the statistics of a trace, found {x.shape[-1]}. Record"
            " for longer, or set model.bins.width_s lower."
        )
    added = x[:, 1:] - np.float32(decay) * x[:, :-1]
    pairs = added[:, 1:] + added[:, :-1]
    padded = np.pad(pairs, ((0, 0), (REACH, REACH)), constant_values=-np.inf)
    width = pairs.shape[1]
    events = pairs > threshold
    for step in range(1, REACH + 1):
        events &= (pairs > padded[:, REACH - step :][:, :width]) & (pairs >= padded[:, REACH + step :][:, :width])
    counts = events.sum(1)
    # sorted, with the events of each trace first
    sizes = -np.sort(np.where(events, -pairs, np.float32(0.0)), axis=1)
    statistics = np.empty((len(x), len(STATISTICS)), np.float32)
    statistics[:, 0] = np.log1p(counts)
    some = np.maximum(counts, 1)
    rows = np.arange(len(x))
    values = sizes.sum(1) / some, _quantile(sizes, rows, some, 1 - LOWER), _quantile(sizes, rows, some, 1 - UPPER)
    for column, value in enumerate(values, 1):
        statistics[:, column] = np.log(np.where(counts > 0, value, threshold))
    return statistics


def _quantile(sizes: np.ndarray, rows: np.ndarray, counts: np.ndarray, part: float) -> np.ndarray:
    """Return the value at `part` of the way from the largest to the smallest of the first `counts` of each row."""
    place = part * (counts - 1)
    low = place.astype(int)
    high = np.minimum(low + 1, counts - 1)
    weight = place - low
    return sizes[rows, low] * (1 - weight) + sizes[rows, high] * weight

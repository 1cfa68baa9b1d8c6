"""OASIS compiled: samples in pools between two events, merged until no event is too small.

Friedrich, Zhou and Paninski 2017, doi:10.1371/journal.pcbi.1005423. In a pool of l samples from t on, calcium is m,
g m, g^2 m, ..., and the least squares m is v / w with v = sum_k g^k y(t + k), w = sum_k g^2k. Pools that merge need no
more of their samples than v, w and g^l, so that a change of penalty or baseline costs a look at the pools, not at the
trace.
"""

import math
from typing import NamedTuple

import numpy as np

from calcium_latents.compiling import njit

#: Changes of the baseline, relative distance to the variance of the noise that ends them, and the least calcium that is
#: any: CaImAn's and oasis-deconv's.
MOST_CHANGES, CLOSE, NONE = 5, 1e-4, 1e-9


class Pools(NamedTuple):
    """Pools in the order of time, each an array [pool]: v, w and g^l of the module's text, and the first sample."""

    product: np.ndarray
    weight: np.ndarray
    power: np.ndarray
    start: np.ndarray


@njit(nogil=True, error_model="numpy")
def _samples(trace: np.ndarray, decay: float, baseline: float) -> Pools:
    """Return a pool for each sample of a trace [time]."""
    count = trace.size
    product, start = np.empty(count), np.arange(count)
    for t in range(count):
        product[t] = trace[t] - baseline
    return Pools(product, np.ones(count), np.full(count, decay), start)


@njit(nogil=True, error_model="numpy")
def _merged(pools: Pools, s_min: float) -> Pools:
    """Merge pools, in place, until each begins at least `s_min` above where the one before has decayed to."""
    product, weight, power, start = pools
    least = np.empty(product.size)  # that a pool after this one begins with
    v, w, g, first = product[0], weight[0], power[0], start[0]
    allowed = v / w * g + s_min
    kept = 0  # pools before the one at hand, which is in variables of its own
    for number in range(1, product.size):
        if allowed * weight[number] > product[number]:
            v += product[number] * g
            w += weight[number] * g * g
            g *= power[number]
            while kept and least[kept - 1] * w > v:
                kept -= 1
                v = product[kept] + v * power[kept]
                w = weight[kept] + w * power[kept] * power[kept]
                g *= power[kept]
                first = start[kept]
        else:
            product[kept], weight[kept], power[kept], start[kept], least[kept] = v, w, g, first, allowed
            kept += 1
            v, w, g, first = product[number], weight[number], power[number], start[number]
        allowed = v / w * g + s_min
    product[kept], weight[kept], power[kept], start[kept] = v, w, g, first
    kept += 1
    return Pools(product[:kept], weight[:kept], power[:kept], start[:kept])


@njit(nogil=True, error_model="numpy")
def _calcium_sum(pools: Pools, decay: float) -> float:
    total = 0.0
    for number in range(pools.product.size):
        total += max(pools.product[number], 0.0) / pools.weight[number] * (1 - pools.power[number])
    return total / (1 - decay)


@njit(nogil=True, error_model="numpy")
def penalised(
    trace: np.ndarray, decay: float, noise: float, baseline: float, free: bool, nonnegative: bool
) -> tuple[Pools, float]:
    """Return the pools with the least sum of events whose residual has the variance of the noise, and the baseline.

    The penalty, and where it is `free` the baseline, change together, so that the residual's mean stays zero.

    Args:
        trace: [time].
        decay: g, between 0 and 1.
        noise: standard deviation.
        baseline: to start with.
        free: whether the baseline may change; if so there are at most `MOST_CHANGES`.
        nonnegative: whether a free baseline stays at zero or above.
    """
    samples = trace.size
    pools = _samples(trace, decay, baseline)
    total, square = pools.product.sum(), 0.0
    for value in pools.product:
        square += value * value
    allowed = noise * noise * samples
    # all relative to the first baseline: v = sum_k g^k y - (1 - g^l) (moved / (1 - g) + penalty), for the last pool
    # less g^l penalty, too, because the sum of events, not of calcium, is what is penalised
    moved, penalty, changes = 0.0, 0.0, 0
    lowest = -baseline if nonnegative else -math.inf
    while True:
        pools = _merged(pools, 0.0)
        product, weight, power, _ = pools
        last = product.size - 1
        if free:
            change = max((total - _calcium_sum(pools, decay)) / samples, lowest) - moved
            moved += change
            penalty -= change / (1 - decay)
            product[last] += change / (1 - decay) * power[last]
        calcium = _calcium_sum(pools, decay)
        # the residual, and its product with the direction in which a higher penalty moves it
        residual = square - moved * (2 * total - samples * moved)
        along, length, sums, mean = 0.0, 0.0, 0.0, 0.0
        for number in range(last + 1):
            v, w, fallen = product[number], weight[number], 1 - power[number]
            value, direction = max(v, 0.0) / w, fallen / w
            fit = v + penalty * fallen  # sum_k g^k (y - baseline)
            if number == last:
                fit += penalty * power[number]
                direction = 1 / w
            residual += value * (value * w - 2 * fit)
            along += direction * (fit - value * w)
            length += direction * direction * w
            sums += direction * fallen / (1 - decay)
            mean += fallen * fallen / w
        if calcium <= NONE or changes == MOST_CHANGES:
            break
        if free and abs(residual - allowed) <= allowed * CLOSE:
            break
        if not free and not residual < allowed * (1 - CLOSE):
            break
        if free:
            mean /= samples * (1 - decay)
            length += mean * (samples * mean - 2 * sums)
            along -= mean * (total - samples * moved - calcium)
        root = along * along - length * (residual - allowed)
        step = (math.sqrt(root) - along if root > 0 else -along) / length
        if free:
            step = max(step, (lowest - moved) / (1 - decay))
            moved += step * (1 - decay)
        else:
            penalty += step
            product[last] -= step * power[last]
        for number in range(last + 1):
            product[number] -= step * (1 - power[number])
        changes += free
    return pools, baseline + moved


@njit(nogil=True, error_model="numpy")
def fewest(trace: np.ndarray, decay: float, noise: float, baseline: float, starts: np.ndarray) -> Pools:
    """Return pools of a trace [time] that begin at the first of `starts` [event], until noise explains the rest."""
    count, samples = starts.size + 1, trace.size
    product, weight, power = np.zeros(count), np.ones(count), np.ones(count)
    start = np.zeros(count, np.int64)
    explained, known = np.zeros(count), 1
    residual = -noise * noise * samples
    for sample in trace:
        residual += (sample - baseline) ** 2
    for first in starts:
        at = known
        while start[at - 1] > first:  # room for one more
            product[at], weight[at], power[at] = product[at - 1], weight[at - 1], power[at - 1]
            start[at], explained[at] = start[at - 1], explained[at - 1]
            at -= 1
        residual += explained[at - 1]
        start[at], known = first, known + 1
        for number in (at - 1, at):
            stop = start[number + 1] if number + 1 < known else samples
            v, w, g = 0.0, 0.0, 1.0
            for t in range(stop - 1, start[number] - 1, -1):
                v, w, g = trace[t] - baseline + decay * v, 1 + decay * decay * w, g * decay
            product[number], weight[number], power[number] = v, w, g
            explained[number] = max(v, 0.0) ** 2 / w
            residual -= explained[number]
        if residual < 0:
            break
    return Pools(product[:known], weight[:known], power[:known], start[:known])


@njit(nogil=True, error_model="numpy")
def events_of(pools: Pools, samples: int, s_min: float) -> np.ndarray:
    """Return the events [time] between pools, none in the first sample; calcium below `s_min` is none."""
    events = np.zeros(samples)
    before = 0.0
    for number in range(pools.start.size):
        value = pools.product[number] / pools.weight[number]
        if value < (s_min if number else 0.0):
            value = 0.0
        if number:
            events[pools.start[number]] = value - before
        before = value * pools.power[number]
    return events


@njit(nogil=True, error_model="numpy")
def events_and_baseline(
    trace: np.ndarray,
    decay: float,
    noise: float,
    baseline: float,
    free: bool,
    nonnegative: bool,
    s_min: float,
) -> tuple[np.ndarray, float]:
    """Return the events [time] of a trace, and its baseline.

    Args:
        trace: [time].
        decay: g, between 0 and 1.
        noise: standard deviation.
        baseline: of the trace, or where to start from.
        free: whether the baseline is fitted, with a penalty of the sum of events.
        nonnegative: whether a fitted baseline stays at zero or above.
        s_min: least event; 0: as many and as large as the noise asks for, with a penalty of their sum.
    """
    if s_min > 0 and not free:
        return events_of(_merged(_samples(trace, decay, baseline), s_min), trace.size, s_min), baseline
    pools, baseline = penalised(trace, decay, noise, baseline, free, nonnegative)
    if s_min > 0:
        pools = _merged(_samples(trace, decay, baseline), s_min)
    return events_of(pools, trace.size, s_min), baseline

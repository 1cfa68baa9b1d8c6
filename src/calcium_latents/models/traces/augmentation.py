"""New traces from old ones: pieces of traces, shifted a little, joined as a decaying indicator would join them."""

import numpy as np

from calcium_latents.compiling import njit
from calcium_latents.seeds import generator


def join_pieces(
    traces: np.ndarray, count: int, joints: int, probability: float, shift_sd_bins: float, decay: float, seed: int
) -> np.ndarray:
    """Return `count` traces [count, bins] made of pieces of `traces` [n, bins].

    Each starts as a trace drawn at random and shifted by N(0, shift_sd_bins) bins (mirrored at the ends). Then,
    `joints` times and each with `probability`, all that follows a random time is taken from another such trace; the
    difference at the joint decays by the factor `decay` a bin, as fluorescence does after its last event. So means and
    amplitudes stay those of recordings, and times of events are drawn anew. A joint halves what a trace says about its
    own neuron; pieces of one trace keep it: the other is the same neuron's (shifted anew) in half of the cases.
    """
    random = generator(seed, "joined pieces")
    return _join(np.ascontiguousarray(traces, np.float32), count, joints, probability, shift_sd_bins, decay, random)


@njit
def _join(traces, count, joints, probability, shift_sd, decay, random):
    n, bins = traces.shape
    out = np.empty((count, bins), np.float32)
    for row in range(count):
        own = random.integers(0, n)
        _copy(out[row], traces[own], 0, _shift(shift_sd, random), 0.0, decay)
        for _ in range(joints):
            if random.random() < probability:
                cut = random.integers(1, bins)
                other = own if random.random() < 0.5 else random.integers(0, n)
                shift = _shift(shift_sd, random)
                step = out[row, cut - 1] - traces[other, _mirrored(cut - 1 - shift, bins)]
                _copy(out[row], traces[other], cut, shift, step * decay, decay)
    return out


@njit
def _copy(target, source, start, shift, offset, decay):
    """Write the shifted source from bin `start` on, with an offset that decays."""
    bins = len(source)
    for t in range(start, bins):
        target[t] = source[_mirrored(t - shift, bins)] + offset
        offset *= decay


@njit
def _shift(sd, random):
    return int(np.round(sd * random.standard_normal()))


@njit
def _mirrored(index, bins):
    period = 2 * bins - 2
    index = index % period
    return index if index < bins else period - index

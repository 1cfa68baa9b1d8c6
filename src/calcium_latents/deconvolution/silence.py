"""Whether a trace holds any transient at all: its steps upwards beside what noise of its size makes.

Every trace of noise has "events" where the threshold is a multiple of its own noise, so their number says nothing.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import bdtrc, ndtr

from calcium_latents.compiling import njit

#: Length of the template of a transient, and of the baseline before it, in decay times.
TEMPLATE_DECAYS = 2.0

#: Steps downwards this much larger than those of white noise are still noise with slow parts; larger ones are calcium.
COLOURED = 1.5

#: Numbers of largest steps of which the share upwards is tested.
LARGEST = tuple(2**power for power in range(3, 15))


def noise_probability(pieces: Sequence[np.ndarray], noise: float, decay: float) -> float:
    """Return the probability that noise alone gives `pieces` [time] of a trace such clear transients.

    A step is the trace's correlation with a transient: an exponential less the mean before it. Three tests
    (Bonferroni), since a neuron may fire once or all the time; each errs towards "not noise" where noise is not white:

    - the largest step beside that of white noise, or of noise with slow parts as the steps downwards have them;
    - among the m largest steps, up or down, the number of those upwards: half of them where noise is symmetric;
    - the correlation of neighbouring samples after the trace's slow parts are taken off.

    Args:
        pieces: finite, each [time].
        noise: its standard deviation.
        decay: of calcium, the factor a sample, between 0 and 1.

    Returns:
        At most 1; 1 where no piece is long enough to tell.
    """
    length = max(2, math.ceil(-TEMPLATE_DECAYS / math.log(min(max(decay, 0.1), 0.999))))
    length = min(length, max(map(len, pieces)) // 4)
    if length < 2:
        return 1.0
    steps = [_steps(piece - piece.mean(), decay, length) for piece in pieces if len(piece) >= 2 * length]
    every = np.concatenate(steps)
    after = decay ** np.arange(length)
    white = noise * math.sqrt((after**2).sum() + after.sum() ** 2 / length)
    downwards = np.minimum(every, 0.0)
    own = math.sqrt(downwards @ downwards / max(1, np.count_nonzero(downwards)))
    sd = min(max(white, own), COLOURED * white)
    largest = every.size * ndtr(-every.max() / sd)
    peaks = np.concatenate([_peaks(part, length) for part in steps])
    peaks = peaks[np.argsort(-np.abs(peaks), kind="stable")]
    tested = [count for count in LARGEST if count <= peaks.size]
    upwards = np.cumsum(peaks > 0)
    signs = [len(tested) * bdtrc(upwards[count - 1] - 1, count, 0.5) for count in tested]
    return float(min([1.0, *(3 * test for test in (largest, _correlation(pieces, length), *signs))]))


@njit(nogil=True)
def _steps(piece: np.ndarray, decay: float, length: int) -> np.ndarray:
    """Return sum_k decay^k (y[t + k] - mean of the `length` samples before t), k < `length`, at every such t."""
    count = piece.size - 2 * length + 1
    after, last = 0.0, decay**length
    steps = np.empty(count)
    for t in range(piece.size - 1, length - 1, -1):
        after = piece[t] + decay * after
        if t < length + count - 1:
            after -= last * piece[t + length]
        if t < length + count:
            steps[t - length] = after
    before = 0.0
    for t in range(length):
        before += piece[t]
    for number in range(count):
        steps[number] -= (1 - last) / (1 - decay) * before / length
        before += piece[number + length] - piece[number]
    return steps


def _correlation(pieces: Sequence[np.ndarray], length: int) -> float:
    """Return the probability of the correlation of neighbouring samples, less what is slower than transients."""
    width = 2 * length + 1
    fast = [piece - uniform_filter1d(piece, width, mode="reflect") for piece in pieces]
    count = sum(map(len, fast))
    together = sum(float(part[1:] @ part[:-1]) for part in fast) / sum(float(part @ part) for part in fast)
    return float(ndtr(-(together + 1 / width) * math.sqrt(count)))


def _peaks(steps: np.ndarray, length: int) -> np.ndarray:
    """Return the largest step, up or down, of every `length` neighbours: about independent of the next."""
    whole = steps[: steps.size // length * length].reshape(-1, length)
    return np.take_along_axis(whole, np.abs(whole).argmax(axis=1)[:, None], axis=1)[:, 0]

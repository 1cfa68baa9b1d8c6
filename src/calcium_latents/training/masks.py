"""Dropout masks from a counter: sixteen random bits an entry, an order of magnitude cheaper than drawing floats."""

import numpy as np

from calcium_latents.compiling import njit

LANES = 4  # entries that share one hashed counter
BLOCKS = 256  # counters hashed in one go, so that both loops vectorise
ODD, FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@njit(nogil=True)
def fill_mask(mask: np.ndarray, key: np.uint64, kept: float) -> None:
    """Fill `mask` `[n]` with 1 / k where kept and 0 elsewhere.

    The probability of keeping is `kept` rounded to a 65,536th, k, so that the mean is exactly one. Entry i uses 16 bits
    of the (i // 4)-th output of SplitMix64 (Steele et al. 2014) started at `key`.
    """
    threshold = np.uint32(max(1, min(65536, round(kept * 65536))))
    scale = mask.dtype.type(65536.0 / float(threshold))
    nothing = mask.dtype.type(0)
    hashed = np.empty(BLOCKS, np.uint64)
    parts = hashed.view(np.uint16)
    for start in range(0, len(mask), LANES * BLOCKS):
        first = np.uint64(start // LANES + 1)
        for block in range(BLOCKS):
            bits = key + ODD * (first + np.uint64(block))
            bits = (bits ^ (bits >> np.uint64(30))) * FIRST
            bits = (bits ^ (bits >> np.uint64(27))) * SECOND
            hashed[block] = bits ^ (bits >> np.uint64(31))
        rest = mask[start : start + LANES * BLOCKS]
        for i in range(len(rest)):
            rest[i] = scale if np.uint32(parts[i]) < threshold else nothing

"""Elementary functions for compiled loops: arithmetic that vectorises in single precision, exact in double.

The C library's functions are called one number at a time; these run 8 or 16 abreast, within a few units of the last
place of a float.
"""

import math
from functools import partial

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from calcium_latents.compiling import njit

#: reassociation, and no care for signed zeros; what is not a number stays so, or a diverged model would go unseen
FAST = {"contract", "reassoc", "nsz", "arcp"}
#: a loop that may raise for a division by zero does not vectorise
compiled = partial(njit, nogil=True, fastmath=FAST, error_model="numpy")
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.693359375, -2.1219444005469057e-4  # the first has few bits: its multiples are exact


def exponential(x):
    """exp(x)."""
    return math.exp(x)


def log_one_plus_exp(x):
    """Softplus, log(1 + exp(x))."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x))


def tanh(x):
    """Hyperbolic tangent."""
    return math.tanh(x)


@overload(exponential)
def _exponential(x):
    if x is not types.float32:
        return lambda x: math.exp(x)
    f = np.float32
    log2_e, high, low = f(LOG2_E), f(LN2_HIGH), f(LN2_LOW)
    c2, c3, c4, c5, c6, c7 = (f(1 / math.factorial(n)) for n in range(2, 8))
    half, one, most = f(0.5), f(1.0), f(87.0)

    def single(x):
        x = most if x > most else x
        x = -most if x < -most else x
        power = np.floor(x * log2_e + half)
        rest = x - power * high - power * low
        tail = c2 + rest * (c3 + rest * (c4 + rest * (c5 + rest * (c6 + rest * c7))))
        bits = (np.int32(power) + np.int32(127)) << np.int32(23)
        return (one + rest * (one + rest * tail)) * np.int32(bits).view(np.float32)

    return single


@overload(sigmoid)
def _sigmoid(x):
    if x is not types.float32:
        return lambda x: 1 / (1 + math.exp(-x))
    one = np.float32(1)
    return lambda x: one / (one + exponential(-x))


@overload(tanh)
def _tanh(x):
    if x is not types.float32:
        return lambda x: math.tanh(x)
    one, two = np.float32(1), np.float32(2)
    return lambda x: two / (one + exponential(-(x + x))) - one


@overload(log_one_plus_exp)
def _log_one_plus_exp(x):
    if x is not types.float32:
        return lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x)))
    f = np.float32
    zero, two = f(0), f(2)
    c3, c5, c7, c9, c11, c13 = (f(1 / n) for n in range(3, 14, 2))
    one = f(1)

    def single(x):
        u = exponential(-abs(x))
        z = u / (two + u)  # log(1 + u) = 2 artanh(u / (2 + u)), and z <= 1/3
        s = z * z
        series = one + s * (c3 + s * (c5 + s * (c7 + s * (c9 + s * (c11 + s * c13)))))
        return (x if x > zero else zero) + two * z * series

    return single


@register_jitable
def log_gamma_and_digamma(x):
    """log Gamma(x) and its derivative for x > 0, by Stirling's series above 8 and the recurrence below."""
    product, fractions = 1.0, 0.0
    while x < 8.0:
        product *= x
        fractions += 1.0 / x
        x += 1.0
    log, inverse = math.log(x), 1.0 / x
    square = inverse * inverse
    series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square * (1 / 1188))))
    value = (x - 0.5) * log - x + 0.9189385332046727 + inverse * series - math.log(product)
    tail = 1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square * (1 / 132))))
    return value, log - 0.5 * inverse - square * tail - fractions

"""What every method of deconvolution needs to know of a trace: its noise, its decay, and what a result holds.

As CaImAn's `constrained_foopsi(p=1)` estimates them; no method's package is needed for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

#: Shortest trace (samples) with a spectrum and an autocovariance to speak of (segments of the spectrum are of 256).
MINIMUM_SAMPLES = 32

#: Samples of a segment whose spectrum is taken; scipy's and so CaImAn's default.
SEGMENT = 256

#: CaImAn's seed for the decay of traces whose autocovariance gives none between 0 and 1.
CAIMAN_SEED = 45


@dataclass(frozen=True)
class DeconvolvedTrace:
    """Events [time] (the unit of the trace), and what was estimated on the way."""

    events: np.ndarray
    baseline: float
    decay: float
    noise: float
    minimum: float


def noise_level(trace: np.ndarray, method: str = "logmexp") -> float:
    """Estimate the noise sd of `trace` [time] from its spectrum between half the Nyquist frequency and
    Nyquist (neither included).

    `method` averages the spectrum: 'mean', 'median', or 'logmexp' for the exponential of the mean logarithm.
    """
    average = {
        "mean": np.mean,
        "median": np.median,
        "logmexp": lambda power: np.exp(np.mean(np.log(power))),
    }[method]
    length = min(SEGMENT, len(trace))
    window = 0.5 - 0.5 * np.cos(2 * np.pi / length * np.arange(length))
    window /= math.sqrt((window**2).sum())
    # Welch's segments, half over each other; their means, which he takes off, do not reach these frequencies
    centred = np.subtract(trace, np.mean(trace, dtype=float), dtype=np.float32)
    segments = sliding_window_view(centred, length)[:: length - length // 2] * window.astype(np.float32)
    spectrum = rfft(segments)[:, length // 4 + 1 : (length + 1) // 2]
    power = np.mean(spectrum.real**2 + spectrum.imag**2, axis=0, dtype=float)
    with np.errstate(divide="ignore"):  # a spectrum without power has no noise
        return float(np.sqrt(average(power)))


def autoregressive_decay(trace: np.ndarray | Sequence[np.ndarray], noise: float, lags: int = 5) -> float:
    """Estimate g of c(t) = g c(t-1) + s(t) from the autocovariance of `trace` [time], or of its pieces, each
    [time], at lags up to `lags` + 1.

    Least squares of autocovariance k+1 on autocovariance k, the one at lag 0 without the noise variance.
    Noisy or inactive traces give values outside (0, 1); the caller decides about them.
    """
    pieces = [trace] if isinstance(trace, np.ndarray) else trace
    mean, size = np.concatenate(pieces).mean(), sum(map(len, pieces))
    centred = [piece - mean for piece in pieces]
    products = [[part[lag:] @ part[: max(0, part.size - lag)] for lag in range(lags + 2)] for part in centred]
    covariance = np.sum(products, axis=0) / size
    predictor = covariance[:-1].copy()
    predictor[0] -= noise**2
    return float(predictor @ covariance[1:] / (predictor @ predictor))


def caiman_decay(decay: float) -> float:
    """Return what CaImAn uses in place of a decay outside [0, 1]: about 0.95 above, about 0.15 below."""
    if 0.0 <= decay <= 1.0:
        return decay
    jitter = np.random.RandomState(CAIMAN_SEED).normal(0.0, 0.01)  # noqa: NPY002 - CaImAn's own stream
    return (0.95 if decay > 1.0 else 0.15) + jitter

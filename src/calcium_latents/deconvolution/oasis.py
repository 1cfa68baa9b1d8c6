"""Deconvolution by OASIS, step by step as CaImAn's `constrained_foopsi(p=1, method_deconvolution='oasis')`
does it.

Friedrich, Zhou and Paninski 2017; the solvers are those of oasis-deconv, the recipe around them is CaImAn's:
noise from the spectrum, decay from the autocovariance, baseline from a pass with an L1 penalty, and, where a
minimum event size is asked for, a second pass with that hard threshold on the trace without its baseline.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from oasis.functions import GetSn
from oasis.oasis_methods import constrained_oasisAR1_f32, oasisAR1_f32

#: Shortest trace (samples) with a spectrum and an autocovariance to speak of (Welch segments are of 256).
MINIMUM_SAMPLES = 32

#: CaImAn's seed for the decay of traces whose autocovariance gives none between 0 and 1.
CAIMAN_SEED = 45


@dataclass(frozen=True)
class DeconvolvedTrace:
    """Events [time] (the unit of the trace), the denoised calcium [time], and what was estimated on the
    way."""

    events: np.ndarray
    calcium: np.ndarray
    baseline: float
    decay: float
    noise: float
    minimum: float


def noise_level(trace: np.ndarray, method: str = "logmexp") -> float:
    """Estimate the noise sd of `trace` [time] from its spectrum between half the Nyquist frequency and
    Nyquist."""
    with warnings.catch_warnings():
        # Welch's method says that it shortens its segments for short traces; that is as intended.
        warnings.filterwarnings("ignore", message="nperseg.* is greater than")
        return float(GetSn(trace, [0.25, 0.5], method))


def autoregressive_decay(trace: np.ndarray, noise: float, lags: int = 5) -> float:
    """Estimate g of c(t) = g c(t-1) + s(t) from the autocovariance of `trace` [time] at lags up to `lags` +
    1.

    Least squares of autocovariance k+1 on autocovariance k, the one at lag 0 without the noise variance.
    Noisy or inactive traces give values outside (0, 1); the caller decides about them.
    """
    centred = trace - trace.mean()
    covariance = np.array([centred[lag:] @ centred[: centred.size - lag] for lag in range(lags + 2)]) / centred.size
    predictor = covariance[:-1].copy()
    predictor[0] -= noise**2
    return float(predictor @ covariance[1:] / (predictor @ predictor))


def caiman_decay(decay: float) -> float:
    """Return what CaImAn uses in place of a decay outside [0, 1]: about 0.95 above, about 0.15 below."""
    if 0.0 <= decay <= 1.0:
        return decay
    jitter = np.random.RandomState(CAIMAN_SEED).normal(0.0, 0.01)  # noqa: NPY002 - CaImAn's own stream
    return (0.95 if decay > 1.0 else 0.15) + jitter


def deconvolve_trace(
    trace: np.ndarray,
    s_min: float | None = 0.1,
    *,
    decay: float | None = None,
    noise: float | None = None,
    baseline: float | None = None,
    noise_method: str = "logmexp",
    lags: int = 5,
    baseline_nonnegative: bool = True,
) -> DeconvolvedTrace:
    """Deconvolve one finite trace [time].

    Parameters
    ----------
    s_min
        Smallest event: above 0 as it is; below 0 in units of the noise, `-s_min * noise * sqrt(1 - decay)`; 0
        chooses it from the noise; None gives the L1 solution without a threshold.
    decay, noise, baseline
        Used as given, otherwise estimated as CaImAn does.
    """
    trace = np.asarray(trace, dtype=float)
    noise = noise_level(trace, noise_method) if noise is None else noise
    decay = caiman_decay(autoregressive_decay(trace, noise, lags)) if decay is None else decay
    single = (trace if baseline is None else trace - baseline).astype(np.float32)
    calcium, events, fitted, _, _ = constrained_oasisAR1_f32(
        single,
        decay,
        noise,
        optimize_b=baseline is None,
        b_nonneg=baseline_nonnegative,
        optimize_g=0,
        penalty=0 if s_min == 0 else 1,
    )
    minimum = 0.0
    if s_min:
        minimum = s_min if s_min > 0 else -s_min * noise * np.sqrt(1 - decay)
        calcium, events = oasisAR1_f32(single - np.float32(fitted), decay, s_min=minimum)
    # CaImAn takes the transient of calcium that began before the recording out of the denoised trace.
    calcium = calcium - calcium[0] * decay ** np.arange(calcium.size)
    total = float(fitted) if baseline is None else float(baseline)
    return DeconvolvedTrace(np.asarray(events), np.asarray(calcium), total, float(decay), float(noise), float(minimum))

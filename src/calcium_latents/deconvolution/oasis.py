"""Deconvolution by OASIS, step by step as CaImAn's `constrained_foopsi(p=1, method_deconvolution='oasis')`
does it.

Friedrich, Zhou and Paninski 2017; the recipe around the solvers of `pools` is CaImAn's: noise from the spectrum, decay
from the autocovariance, baseline from a pass with an L1 penalty, and, where a minimum event size is asked for, a second
pass with that hard threshold on the trace without its baseline.
"""

import math

import numpy as np

from calcium_latents.deconvolution import pools
from calcium_latents.deconvolution.traces import DeconvolvedTrace, autoregressive_decay, caiman_decay, noise_level

#: Percentile of the trace that the baseline starts from.
FIRST_BASELINE = 15


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
    trace = np.ascontiguousarray(trace, np.float32)
    noise = noise_level(trace, noise_method) if noise is None else float(noise)
    decay = caiman_decay(autoregressive_decay(trace, noise, lags)) if decay is None else float(decay)
    free = baseline is None
    fitted = _first_baseline(trace, baseline_nonnegative) if free else float(baseline)
    found = None
    if free or not s_min:
        found, fitted = pools.penalised(trace, decay, noise, fitted, free, baseline_nonnegative)
    minimum = 0.0
    if s_min:
        minimum = float(s_min) if s_min > 0 else -s_min * noise * math.sqrt(1 - decay)
        found = pools.thresholded(trace, decay, fitted, minimum)
    elif s_min is not None:
        found = pools.fewest(trace, decay, noise, fitted, found)
    return DeconvolvedTrace(pools.events_of(found, trace.size, minimum), fitted, decay, noise, minimum)


def _first_baseline(trace: np.ndarray, nonnegative: bool) -> float:
    """Return the percentile of a trace [time] as `numpy.percentile` interpolates it, by the faster `numpy.partition`."""
    place = FIRST_BASELINE / 100 * (trace.size - 1)
    below = int(place)
    ordered = np.partition(trace, below)
    low, high = float(ordered[below]), float(ordered[below + 1 :].min())
    found = low + (place - below) * (high - low)
    return max(found, 0.0) if nonnegative else found

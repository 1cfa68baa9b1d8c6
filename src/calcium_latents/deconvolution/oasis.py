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
from calcium_latents.recordings.percentiles import percentile

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
    minimum = s_min or 0.0
    if minimum < 0:
        minimum *= -noise * math.sqrt(1 - decay)
    free = baseline is None
    start = float(percentile(trace, FIRST_BASELINE) if free else baseline)
    if free and baseline_nonnegative:
        start = max(start, 0.0)
    arguments = trace, decay, noise, start, free, baseline_nonnegative
    events, fitted = _fewest(*arguments) if s_min == 0 else pools.events_and_baseline(*arguments, float(minimum))
    return DeconvolvedTrace(events, fitted, decay, noise, float(minimum))


def _fewest(
    trace: np.ndarray, decay: float, noise: float, baseline: float, free: bool, nonnegative: bool
) -> tuple[np.ndarray, float]:
    """Return events [time] and baseline with a penalty of the number of events: the largest of those of the L1 pass."""
    found, baseline = pools.penalised(trace, decay, noise, baseline, free, nonnegative)
    value = found.product / found.weight
    largest = np.argsort(value[1:] - value[:-1] * found.power[:-1])[::-1]
    few = pools.fewest(trace, decay, noise, baseline, found.start[1:][largest])
    return pools.events_of(few, trace.size, 0.0), baseline

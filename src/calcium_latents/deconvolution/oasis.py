"""Deconvolution by OASIS, step by step as CaImAn's `constrained_foopsi(p=1, method_deconvolution='oasis')`
does it.

Friedrich, Zhou and Paninski 2017; the solvers are those of oasis-deconv, the recipe around them is CaImAn's:
noise from the spectrum, decay from the autocovariance, baseline from a pass with an L1 penalty, and, where a
minimum event size is asked for, a second pass with that hard threshold on the trace without its baseline.
"""

import numpy as np
from oasis.oasis_methods import constrained_oasisAR1_f32, oasisAR1_f32

from calcium_latents.deconvolution.traces import DeconvolvedTrace, autoregressive_decay, caiman_decay, noise_level


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

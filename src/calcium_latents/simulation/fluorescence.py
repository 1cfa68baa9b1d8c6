"""From spikes to noisy fluorescence of a calcium indicator (Zhu et al. 2022, Methods, equation 4)."""

import numpy as np
from scipy.signal import lfilter


def autoregressive_kernel(rise_time_s: float, decay_time_s: float, bin_width_s: float) -> tuple[float, float, float]:
    """Return gamma_1, gamma_2 of equation 4 and the gain that gives a single spike a peak of one.

    The response to a unit impulse is (d^(n+1) - r^(n+1)) / (d - r) with d = exp(-bin/decay) and r =
    exp(-bin/rise): two exponentials with the indicator's time constants at any bin width.
    """
    decay, rise = np.exp(-bin_width_s / decay_time_s), np.exp(-bin_width_s / rise_time_s)
    # The peak of the sampled response lies at the sample below or above the peak of the continuous one.
    continuous = np.log(np.log(rise) / np.log(decay)) / (np.log(decay) - np.log(rise)) - 1.0
    around = np.maximum(0.0, np.floor(continuous) + np.arange(0, 2))
    peak = np.max((decay ** (around + 1) - rise ** (around + 1)) / (decay - rise))
    return float(decay + rise), float(-decay * rise), float(1.0 / peak)


def calcium(spike_sizes: np.ndarray, rise_time_s: float, decay_time_s: float, bin_width_s: float) -> np.ndarray:
    """Filter spike sizes [..., time] with equation 4; a single spike of size one peaks at one."""
    gamma_1, gamma_2, gain = autoregressive_kernel(rise_time_s, decay_time_s, bin_width_s)
    return lfilter([gain], [1.0, -gamma_1, -gamma_2], spike_sizes, axis=-1)


def calcium_at_samples(
    times: np.ndarray,
    sizes: np.ndarray,
    rise_time_s: float,
    decay_time_s: float,
    first_s: float,
    period_s: float,
    samples: int,
) -> np.ndarray:
    """Return the calcium [sample] that spikes at `times` [spike] (s) of `sizes` [spike] leave at regular samples.

    The sum over spikes of size * (exp(-t / decay) - exp(-t / rise)) / peak, t the time since the spike; exact, whatever
    the period. The first sample is taken at `first_s`; spikes after the last one are not seen.
    """
    following = np.maximum(np.ceil((times - first_s) / period_s).astype(int), 0)
    seen = following < samples
    wait = (first_s + following * period_s - times)[seen]
    parts = []
    for time_constant in (decay_time_s, rise_time_s):
        arriving = np.bincount(following[seen], sizes[seen] * np.exp(-wait / time_constant), samples)
        parts.append(lfilter([1.0], [1.0, -np.exp(-period_s / time_constant)], arriving))
    ratio = rise_time_s / decay_time_s
    peak = ratio ** (ratio / (1 - ratio)) - ratio ** (1 / (1 - ratio))
    return (parts[0] - parts[1]) / peak


def spike_sizes(spikes: np.ndarray, noise_sd: float, random: np.random.Generator) -> np.ndarray:
    """Give each spike a size of N(1, noise_sd); the sizes of the spikes of one bin add up. Shape as
    `spikes`."""
    sizes = spikes.astype(float)
    filled = np.flatnonzero(spikes)
    sizes.flat[filled] += noise_sd * np.sqrt(sizes.flat[filled]) * random.standard_normal(filled.size)
    return sizes


def hill_curve(calcium_trace: np.ndarray, coefficient: float, half_saturation: float, resting: float) -> np.ndarray:
    """Pass calcium of any shape (in units of the peak after one spike, above rest) through a Hill curve.

    F(c) proportional to H(resting + c) - H(resting), H(x) = x^n / (x^n + K^n), scaled so that F(1) = 1: one
    spike keeps a peak of one. Arguments in the same unit as the calcium; calcium below -resting counts as
    none.

    The paper passes calcium through "a nonlinear transformation estimated from the literature for GCaMP6f",
    piecewise linear, shown as a drawing without numbers. This curve with literature constants is an option,
    not the default, because it misses the paper's calibration. Mean correlation of events with true spikes
    (30 ms that end at the sample, 7 Hz, full size, seeds 11, 12, 13; the paper: 0.32):

    ====================================== =====================
    linear, noise sd d * sqrt(F)           0.342, 0.322, 0.317
    linear, noise variance d * F           0.236, 0.223, 0.217
    this curve, noise sd d * sqrt(F)       0.403, 0.389, 0.391
    this curve, noise variance d * F       0.269, 0.258, 0.259
    ====================================== =====================

    Rescaling to [0, 1] is what moves it: saturation of the largest transients leaves more of the range to
    single spikes. Noise was not tuned to any of these numbers.
    """

    def occupied(level: np.ndarray | float) -> np.ndarray:
        power = np.power(level, coefficient)
        return power / (power + half_saturation**coefficient)

    rest = occupied(resting)
    return (occupied(np.maximum(resting + calcium_trace, 0.0)) - rest) / (occupied(resting + 1.0) - rest)


def min_max(trace: np.ndarray) -> np.ndarray:
    """Rescale each trace [..., time] "to the range in [0, 1] using min-max normalization"; a flat one becomes
    zero."""
    low = trace.min(axis=-1, keepdims=True)
    span = trace.max(axis=-1, keepdims=True) - low
    return (trace - low) / np.where(span > 0, span, 1.0)


def noise_level(mean: float, sd: float, minimum: float, random: np.random.Generator) -> float:
    """Draw one noise level from N(mean, sd) "with the tail below [minimum] removed"."""
    while True:
        if (level := random.normal(mean, sd)) >= minimum:
            return float(level)


def add_noise(
    signal: np.ndarray, level: float, multiplier: float, signal_dependent: str, random: np.random.Generator
) -> np.ndarray:
    """Add Gaussian noise of sd `level * multiplier` and noise that grows with the signal (shape [time], range
    [0, 1]).

    The signal-dependent part is Gaussian with sd level * sqrt(signal) for 'sd', or variance level * signal
    for 'variance'; `multiplier` acts on the constant part only ("the Gaussian noise ... was increased by 2x
    or 4x").
    """
    grown = level * np.sqrt(signal) if signal_dependent == "sd" else np.sqrt(level * signal)
    constant = level * multiplier * random.standard_normal(signal.shape)
    return signal + constant + grown * random.standard_normal(signal.shape)

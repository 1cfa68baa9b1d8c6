"""From raw fluorescence to dF/F, a step each (RADICaL, Methods, "Two-photon imaging")."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from calcium_latents.errors import UserError
from calcium_latents.recordings.missing import bridge

NEUROPIL_COEFFICIENT = 0.7
BASELINE_PERCENTILE = 10.0
BASELINE_SD_S = 20.0
#: Samples that are worked on at once.
BLOCK_VALUES = 4_000_000


def subtract_neuropil(
    fluorescence: np.ndarray, neuropil: np.ndarray, coefficient: float = NEUROPIL_COEFFICIENT
) -> np.ndarray:
    """Return the fluorescence [frame, neuron] less `coefficient` times the variation of the neuropil.

    The neuropil's mean is not subtracted: it goes with the baseline in any case, and dim neurons
    would be left with a baseline of zero or below, by which dF/F cannot be divided.

    Raises:
        UserError: the two differ in shape.
    """
    if np.shape(fluorescence) != np.shape(neuropil):
        raise UserError(
            f"neuropil: expected the shape of the fluorescence {np.shape(fluorescence)}, found "
            f"{np.shape(neuropil)}. Both must list the same frames and neurons."
        )
    return fluorescence - coefficient * (neuropil - np.nanmean(neuropil, axis=0))


def running_baseline(
    fluorescence: np.ndarray,
    sampling_rate_hz: float,
    percentile: float = BASELINE_PERCENTILE,
    sd_s: float = BASELINE_SD_S,
) -> np.ndarray:
    """Return the slow baseline [frame, neuron]: a running percentile, smoothed by a Gaussian of `sd_s`.

    The percentile is that of the two standard deviations (our choice, the paper states none) on either side,
    taken ten times a standard deviation and interpolated. Missing samples are bridged linearly.
    """
    frames = np.arange(fluorescence.shape[0])
    bridged = bridge(np.asarray(fluorescence, float))
    step = max(1, round(sd_s * sampling_rate_hz / 10))
    reach = round(2 * sd_s * sampling_rate_hz)
    centres = np.arange(0, frames.size, step)
    low = np.stack([np.percentile(bridged[max(0, c - reach) : c + reach + 1], percentile, axis=0) for c in centres])
    smooth = gaussian_filter1d(low, sd_s * sampling_rate_hz / step, axis=0, mode="nearest")
    return np.stack([np.interp(frames, centres, column) for column in smooth.T], axis=1)


def delta_f_over_f(
    fluorescence: np.ndarray,
    sampling_rate_hz: float,
    source: str = "fluorescence",
    neuropil: np.ndarray | None = None,
    coefficient: float = NEUROPIL_COEFFICIENT,
    neurons: np.ndarray | None = None,
) -> np.ndarray:
    """Return (F - baseline) / baseline [frame, neuron] in float32 with the running baseline, F free of neuropil.

    Neurons are taken a few at a time, so that hours of thousands of neurons need little beside what is returned.

    Args:
        fluorescence: [frame, neuron]; NaN = not sampled.
        sampling_rate_hz: frames per second.
        source: names the file in messages.
        neuropil: [frame, neuron], of which `coefficient` times is subtracted (see `subtract_neuropil`), or None.
        coefficient: of the neuropil.
        neurons: [neuron], their numbers in messages.

    Raises:
        UserError: a baseline is not positive, as in traces that are dF/F already.
    """
    frames, count = fluorescence.shape
    # Neurons in rows: a recording is read and written one neuron after the other.
    dff, lowest = np.empty((count, frames), np.float32).T, np.empty(count)
    step = max(1, BLOCK_VALUES // max(1, frames))
    for block in (slice(start, start + step) for start in range(0, count, step)):
        values = np.asarray(fluorescence[:, block], float)
        if neuropil is not None and coefficient:
            values = subtract_neuropil(values, np.asarray(neuropil[:, block], float), coefficient)
        baseline = running_baseline(values, sampling_rate_hz)
        lowest[block] = baseline.min(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            dff[:, block] = (values - baseline) / baseline
    negative = np.flatnonzero(lowest <= 0)
    if negative.size:
        first = negative[0] if neurons is None else neurons[negative[0]]
        raise UserError(
            f"{source}: fluorescence: expected raw fluorescence with a positive baseline, found "
            f"{negative.size} traces whose baseline reaches {lowest.min():.3g} (the first: neuron "
            f"{first}). Set `is_dff: true` if these are dF/F already, or leave them out with `neurons`."
        )
    return dff

"""From raw fluorescence to dF/F, a step each (RADICaL, Methods, "Two-photon imaging")."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from calcium_latents.errors import UserError
from calcium_latents.recordings.missing import bridge

NEUROPIL_COEFFICIENT = 0.7
BASELINE_PERCENTILE = 10.0
BASELINE_SD_S = 20.0

#: Samples that are held in double precision: 8 MiB.
BLOCK_SAMPLES = 2**20


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
) -> np.ndarray:
    """Return (F - baseline) / baseline [frame, neuron], float32, with the running baseline.

    F is the fluorescence, less `coefficient` times the variation of the `neuropil` [frame, neuron] where this is given.
    A few neurons at a time are held in double precision.

    Raises:
        UserError: a baseline is not positive, as in traces that are dF/F already.
    """
    frames, neurons = fluorescence.shape
    result, lowest = np.empty((frames, neurons), np.float32), np.empty(neurons)
    step = max(1, BLOCK_SAMPLES // max(1, frames))
    for first in range(0, neurons, step):
        block = np.s_[:, first : first + step]
        values = np.asarray(fluorescence[block], float)
        if neuropil is not None:
            values = subtract_neuropil(values, np.asarray(neuropil[block], float), coefficient)
        baseline = running_baseline(values, sampling_rate_hz)
        lowest[block[1]] = baseline.min(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):  # refused below
            result[block] = (values - baseline) / baseline
    negative = np.flatnonzero(lowest <= 0)
    if negative.size:
        raise UserError(
            f"{source}: fluorescence: expected raw fluorescence with a positive baseline, found "
            f"{negative.size} traces whose baseline reaches {lowest.min():.3g} (the first: column "
            f"{negative[0]}). Set `is_dff: true` if these are dF/F already, or leave them out with `neurons`."
        )
    return result

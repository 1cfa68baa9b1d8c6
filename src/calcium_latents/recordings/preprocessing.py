"""From raw fluorescence to dF/F, a step each (RADICaL, Methods, "Two-photon imaging")."""

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.recordings.fields import fail, named_neurons
from calcium_latents.recordings.missing import bridge
from calcium_latents.recordings.on_disk import Columns, empty
from calcium_latents.recordings.percentiles import percentile

NEUROPIL_COEFFICIENT = 0.7
BASELINE_PERCENTILE = 10.0
BASELINE_SD_S = 20.0
#: How far dF/F is above its baseline, at most.
LARGEST_SPREAD = 3.0
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
    percent: float = BASELINE_PERCENTILE,
    sd_s: float = BASELINE_SD_S,
) -> np.ndarray:
    """Return the slow baseline [frame, neuron]: a running percentile, smoothed by a Gaussian of `sd_s`.

    The percentile is that of the two standard deviations (our choice, the paper states none) on either side,
    taken ten times a standard deviation and interpolated. Missing samples are bridged linearly.
    """
    frames = np.arange(fluorescence.shape[0])
    traces = np.ascontiguousarray(bridge(np.asarray(fluorescence, float)).T)
    step = max(1, round(sd_s * sampling_rate_hz / 10))
    reach = round(2 * sd_s * sampling_rate_hz)
    centres = np.arange(0, frames.size, step)
    low = np.stack([percentile(traces[:, max(0, c - reach) : c + reach + 1], percent) for c in centres])
    smooth = gaussian_filter1d(low, sd_s * sampling_rate_hz / step, axis=0, mode="nearest")
    return np.stack([np.interp(frames, centres, column) for column in smooth.T], axis=1)


def delta_f_over_f(
    fluorescence: np.ndarray | Columns,
    sampling_rate_hz: float,
    source: str = "fluorescence",
    neuropil: np.ndarray | Columns | None = None,
    coefficient: float = NEUROPIL_COEFFICIENT,
    neurons: np.ndarray | None = None,
    leave_out: bool = False,
) -> np.ndarray | Columns:
    """Return (F - baseline) / baseline [frame, neuron] in float32 with the running baseline, F free of neuropil.

    Neurons are taken a few at a time, and what is returned is on disk where it is large.

    Args:
        fluorescence: [frame, neuron]; NaN = not sampled.
        sampling_rate_hz: frames per second.
        source: names the file in messages.
        neuropil: [frame, neuron], of which `coefficient` times is subtracted (see `subtract_neuropil`), or None.
        coefficient: of the neuropil.
        neurons: [neuron], their numbers in messages.
        leave_out: give NaN for neurons whose baseline is not positive, where they are fewer than half.

    Raises:
        UserError: a baseline is not positive, as in traces that are dF/F already, or without their background.
    """
    frames, count = fluorescence.shape
    dff = empty(frames, count, np.float32)
    lowest, middle, spread = np.empty((3, count))
    step = max(1, BLOCK_SAMPLES // max(1, frames))
    blocks = [slice(start, start + step) for start in range(0, count, step)]
    for block in progress(blocks, f"dF/F of {Path(source).name}", unit="block"):
        values = np.asarray(fluorescence[:, block], float)
        if neuropil is not None and coefficient:
            values = subtract_neuropil(values, np.asarray(neuropil[:, block], float), coefficient)
        baseline = running_baseline(values, sampling_rate_hz)
        lowest[block] = baseline.min(axis=0)
        dark = lowest[block] <= 0
        if dark.any():
            spread[block][dark] = np.nanmedian(values[:, dark] - baseline[:, dark], axis=0)
        middle[block] = np.median(baseline, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            dff[:, block] = (values - baseline) / baseline
    dark = lowest <= 0
    if leave_out and dark.mean() < 0.5:
        dff[:, dark] = np.nan
    elif dark.any():
        numbers = np.arange(count) if neurons is None else np.asarray(neurons)
        fail(
            source,
            "fluorescence",
            "raw fluorescence with a positive baseline",
            f"one that reaches {lowest.min():.3g} in {named_neurons(numbers[dark])}, of {count} in all",
            _advice_on_dark(dark, float(np.median(middle)), float(np.median(spread[dark]))),
        )
    return dff


def _advice_on_dark(dark: np.ndarray, middle: float, spread: float) -> str:
    """Return what to do about baselines that are not positive in neurons where `dark` [neuron].

    `middle` is the median baseline of all neurons, `spread` how far traces of dark ones are above theirs.
    """
    if dark.mean() < 0.5:
        return (
            f"Most neurons are brighter (median baseline {middle:.3g}): these are darker than the background that was"
            " taken off. Leave them out (`neurons: usable`), or export traces without background subtraction."
        )
    if abs(middle) < 3 * spread < 3 * LARGEST_SPREAD:
        return "Most baselines are about 0, as of dF/F: set `is_dff: true` if these are dF/F already."
    return (
        f"Values are too large for dF/F (traces are {spread:.3g} above their baseline), and no baseline is left to"
        " divide by: export traces without background subtraction."
    )

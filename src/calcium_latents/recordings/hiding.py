"""Hide samples of a recording, so that what a model says about them can be scored."""

from functools import lru_cache, partial

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.lazy import LazyArray, as_lazy_as
from calcium_latents.seeds import generator

#: Length of the runs that samples are hidden in. Deconvolution spreads a burst over neighbouring samples and repeats a
#: wrong decay's error for a while, so a neuron's next sample tells of its last whatever the neuron does: hidden one by
#: one, samples are best predicted by those around them, and methods are ranked by that.
RUN_S = 0.5


def hidden_runs(shape: tuple[int, ...], fraction: float, run: int, rng: np.random.Generator) -> np.ndarray:
    """Return which samples (bool, of any `shape` whose last axis is time) are hidden: a `fraction`, in runs of `run`.

    Runs follow each other from a random place on; each is hidden by itself.
    """
    *lead, count = shape
    drawn = np.repeat(rng.random((*lead, count // run + 2)) < fraction, run, axis=-1)
    first = int(rng.integers(run))
    return drawn[..., first : first + count]


def run_length(recording: xr.Dataset, run_s: float) -> int:
    """Return the bins of a run of `run_s`, 1 or more."""
    return max(1, round(run_s / float(recording.attrs["bin_width_s"])))


def hide_samples(recording: xr.Dataset, fraction: float, seed: int, run_s: float = RUN_S) -> xr.Dataset:
    """Return the recording with a random `fraction` of each neuron's samples missing, in runs of `run_s`.

    They are NaN in events and fluorescence. The seed and the neuron's position decide which.
    Hiding comes before windows are cut, so that a sample is hidden from all windows that share it.
    Of a recording on disk, samples are hidden when they are asked for.

    Raises:
        UserError: a fraction outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise UserError(f"held_out_fraction: expected at least 0 and below 1, found {fraction!r}.")
    trials, bins = recording.sizes["trial"], recording.sizes["time"]
    run = run_length(recording, run_s)

    @lru_cache(maxsize=1)  # of events and fluorescence alike
    def hidden(first: int, stop: int) -> np.ndarray:
        streams = (generator(seed, "hide samples", neuron) for neuron in range(first, stop))
        return np.stack([hidden_runs((trials, bins), fraction, run, rng) for rng in streams], axis=-1)

    def block(array: xr.DataArray, first: int, stop: int) -> np.ndarray:
        values = array[..., first:stop].values.copy()
        values[hidden(first, stop)] = np.nan
        return values

    shown = recording.copy()
    for name in ("events", "fluorescence"):
        if name in recording:
            array = recording[name]
            lazy = LazyArray(array.shape, array.dtype, partial(block, array))
            shown[name] = (array.dims, lazy.indexed(), array.attrs)
    shown = as_lazy_as(recording, shown)
    return shown.assign_attrs(held_out_fraction=float(fraction), held_out_run_s=float(run_s))


def hidden_samples(whole: xr.Dataset, shown: xr.Dataset) -> np.ndarray:
    """Return which samples [trial, time, neuron] of `whole` are missing in `shown`."""
    return np.isfinite(whole["events"].values) & ~np.isfinite(shown["events"].values)

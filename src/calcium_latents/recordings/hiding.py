"""Hide samples of a recording, so that what a model says about them can be scored."""

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator

#: Samples of which it is decided at a time: 4 MiB.
BLOCK_SAMPLES = 2**22


def hide_samples(recording: xr.Dataset, fraction: float, seed: int, copy: bool = True) -> xr.Dataset:
    """Return the recording with a random `fraction` of each neuron's samples missing.

    They are NaN in events and fluorescence. The seed and the neuron's position decide which.
    Hiding comes before windows are cut, so that a sample is hidden from all windows that share it.
    Without `copy`, they are missing in `recording`, too: it is held once.

    Raises:
        UserError: a fraction outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise UserError(f"held_out_fraction: expected at least 0 and below 1, found {fraction!r}.")
    names = [name for name in ("events", "fluorescence") if name in recording]
    shown = {name: recording[name].copy(deep=copy) for name in names}
    trials, bins, neurons = (recording.sizes[dim] for dim in ("trial", "time", "neuron"))
    step = max(1, BLOCK_SAMPLES // (trials * bins))
    for first in range(0, neurons, step):
        block = range(first, min(first + step, neurons))
        random = (generator(seed, "hide samples", neuron).random((trials, bins)) for neuron in block)
        hidden = np.stack([values < fraction for values in random], axis=-1)
        for array in shown.values():
            array.transpose("trial", "time", "neuron").values[:, :, first : first + step][hidden] = np.nan
    return recording.assign(shown).assign_attrs(held_out_fraction=float(fraction))


def hidden_samples(whole: xr.Dataset, shown: xr.Dataset) -> np.ndarray:
    """Return which samples [trial, time, neuron] of `whole` are missing in `shown`."""
    return np.isfinite(whole["events"].values) & ~np.isfinite(shown["events"].values)

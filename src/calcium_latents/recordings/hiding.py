"""Hide samples of a recording, so that what a model says about them can be scored."""

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator


def hide_samples(recording: xr.Dataset, fraction: float, seed: int) -> xr.Dataset:
    """Return the recording with a random `fraction` of each neuron's samples missing.

    They are NaN in events and fluorescence. The seed and the neuron's position decide which.
    Hiding comes before windows are cut, so that a sample is hidden from all windows that share it.

    Raises:
        UserError: a fraction outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise UserError(f"held_out_fraction: expected at least 0 and below 1, found {fraction!r}.")
    hidden = np.zeros(tuple(recording.sizes[dim] for dim in ("trial", "time", "neuron")), bool)
    for neuron in range(recording.sizes["neuron"]):
        hidden[..., neuron] = generator(seed, "hide samples", neuron).random(hidden.shape[:2]) < fraction
    mask = xr.DataArray(hidden, dims=("trial", "time", "neuron"))
    shown = {name: recording[name].where(~mask) for name in ("events", "fluorescence") if name in recording}
    for name, values in shown.items():
        values.attrs = recording[name].attrs
    return recording.assign(shown).assign_attrs(held_out_fraction=float(fraction))


def hidden_samples(whole: xr.Dataset, shown: xr.Dataset) -> np.ndarray:
    """Return which samples [trial, time, neuron] of `whole` are missing in `shown`."""
    return np.isfinite(whole["events"].values) & ~np.isfinite(shown["events"].values)

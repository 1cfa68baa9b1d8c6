"""The true expected activity of neurons that read a latent state, from what a simulated recording says of them."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError

# Neurons that are put into the session at once: columns of a cache line's width and more, not one by one.
BLOCK = 64


def expected_activity(recording: xr.Dataset, neurons: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Return the true expected activity of a simulated recording, [trial, time, neuron], float32.

    `neurons` are positions along the neuron axis (default: all); the file does not hold this array, as large as the
    events, because it follows from the latents and the neurons' tuning.

    Raises
    ------
    UserError
        The recording does not hold its neurons' tuning: it is none of these simulations.
    """
    if missing := {"latents", "preferred_direction", "threshold", "gain", "baseline"} - set(recording.data_vars):
        raise UserError(
            f"{recording.attrs['source']}: {', '.join(sorted(missing))}: expected the truth of a simulated population, "
            "found no such variable. Only recordings of the simulator latent_population have an expected activity."
        )
    latents = recording["latents"].values
    flat = latents.reshape(-1, latents.shape[-1])
    chosen = np.arange(recording.sizes["neuron"]) if neurons is None else np.asarray(neurons)
    nonlinearity, exponent = str(recording.attrs["nonlinearity"]), float(recording.attrs["exponent"])
    tuning = [recording[name].values for name in ("preferred_direction", "threshold", "gain", "baseline")]
    expected = np.empty((len(flat), len(chosen)), np.float32)
    for start in range(0, len(chosen), BLOCK):
        block = chosen[start : start + BLOCK]
        means = [
            mean_activity(flat, *(values[i] for values in tuning), nonlinearity=nonlinearity, exponent=exponent)
            for i in block
        ]
        expected[:, start : start + BLOCK] = np.stack(means, axis=1)
    return expected.reshape(*latents.shape[:2], -1)


def mean_activity(
    latents: np.ndarray,
    direction: np.ndarray,
    threshold: np.float32,
    gain: np.float32,
    baseline: np.float32,
    nonlinearity: str,
    exponent: float,
) -> np.ndarray:
    """Return baseline + gain sigma(direction . z + threshold) [sample] of one neuron for `latents` [sample, latent].

    One neuron at a time: sums of a product of many columns may depend, in the last bit, on how many there are.
    """
    return baseline + gain * activation(latents @ direction + threshold, nonlinearity, exponent)


def activation(projection: np.ndarray, nonlinearity: str, exponent: float) -> np.ndarray:
    """Return sigma(x): [x]_+^p for 'power' (p = 0: 1 above zero), x for 'linear'."""
    if nonlinearity == "linear":
        return projection
    positive = np.maximum(projection, 0)
    if exponent == 1:
        return positive
    if exponent == 0:
        return (projection > 0).astype(projection.dtype)
    return positive**exponent

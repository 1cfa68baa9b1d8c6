"""Which bins a scanning laser samples: each neuron once a frame, at a phase set by its place, shifted trial
by trial."""

import numpy as np


def positions(neurons: int, random: np.random.Generator) -> np.ndarray:
    """Return places [neuron, 2] (x, y) as fractions of the field of view, top y = 0, spread evenly over y."""
    y = (random.permutation(neurons) + random.uniform(size=neurons)) / neurons
    return np.stack([random.uniform(size=neurons), y], axis=1)


def sample_bins(y: np.ndarray, trials: int, spacing: int, phases: int = 3) -> np.ndarray:
    """Return the first sampled bin [trial, neuron]; further samples follow every `spacing` bins.

    A neuron in band k of the `phases` bands from top to bottom has phase k * spacing / phases, rounded to a
    bin. Every trial starts one bin later in the scan than the one before, as in the paper's example ("in
    trial 1, neuron 1 was sampled at time points 1, 4, 7, ... in trial 2, neuron 1 was sampled at time points
    2, 5, 8, ...").
    """
    band = np.minimum((np.asarray(y) * phases).astype(int), phases - 1)
    phase = np.round(band * spacing / phases).astype(int)
    return (phase[None, :] + np.arange(trials)[:, None]) % spacing


def sampled(first: np.ndarray, bins: int, spacing: int) -> np.ndarray:
    """Return the mask of sampled bins [trial, time, neuron] from the first sampled bins [trial, neuron]."""
    return (np.arange(bins)[None, :, None] - first[:, None, :]) % spacing == 0

"""How a whole culture fires: rates of its excitatory and inhibitory neurons, and its network bursts."""

import numpy as np

BIN_MS = 50
#: Part of the neurons that fire in a bin of a burst. Between bursts it is about 0.2 %, in the weakest waves 5 to 10 %.
BURST_FRACTION = 0.05
#: Bins of a burst may be this far apart: four bins of 50 ms.
BURST_GAP = 4


def culture_statistics(
    step: np.ndarray, neuron: np.ndarray, inhibitory: np.ndarray, duration_ms: int
) -> dict[str, float]:
    """Return statistics of N neurons over `duration_ms`, from the step (ms) and neuron of every spike.

    A network burst is a run of bins of 50 ms in each of which at least 5 % of the neurons fire; runs with fewer than
    four bins between them are one burst. Bursts at the ends of the recording count; a rest of less than a bin at the
    end is not looked at for bursts.

    Parameters
    ----------
    step, neuron
        [spike], 0 <= step < duration_ms, 0 <= neuron < N.
    inhibitory
        [N], true for inhibitory neurons.

    Returns
    -------
    excitatory_rate_hz, inhibitory_rate_hz
        Mean over the neurons of either kind; NaN where there are none.
    active_fraction
        Part of the neurons that fired at least once.
    bursts_per_minute, burst_participation, burst_duration_s
        Number of bursts, mean part of the neurons that fire in a burst, and mean time from the start of its first to
        the end of its last bin; the last two NaN where there is no burst.
    """
    neurons = len(inhibitory)
    counts = np.bincount(neuron, minlength=neurons)
    seconds = duration_ms / 1000
    bursts = network_bursts(step, neuron, neurons, duration_ms)
    taking_part = [
        len(np.unique(neuron[(step >= BIN_MS * first) & (step < BIN_MS * last)])) / neurons for first, last in bursts
    ]
    return {
        "excitatory_rate_hz": _mean(counts[~inhibitory]) / seconds,
        "inhibitory_rate_hz": _mean(counts[inhibitory]) / seconds,
        "active_fraction": float(np.mean(counts > 0)),
        "bursts_per_minute": len(bursts) * 60 / seconds,
        "burst_participation": _mean(taking_part),
        "burst_duration_s": _mean(np.diff(bursts, axis=1)) * BIN_MS / 1000,
    }


def network_bursts(step: np.ndarray, neuron: np.ndarray, neurons: int, duration_ms: int) -> np.ndarray:
    """Return the first bin of each burst and the one after its last [burst, 2]; see `culture_statistics`."""
    bins = duration_ms // BIN_MS
    firing = np.unique(step // BIN_MS * neurons + neuron) // neurons  # the bin of every neuron that fires in it
    in_burst = np.flatnonzero(np.bincount(firing, minlength=bins)[:bins] >= BURST_FRACTION * neurons)
    first = in_burst[np.diff(in_burst, prepend=-BURST_GAP - 1) > BURST_GAP]
    last = in_burst[np.diff(in_burst, append=bins + BURST_GAP + 1) > BURST_GAP]
    return np.stack([first, last + 1], axis=1)


def _mean(values: np.ndarray | list[float]) -> float:
    """Return the mean, NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")

"""From spikes to GCaMP6s fluorescence (Abante et al. 2025, Eq. 2; Deneux et al. 2016).

The polynomial p(k) = k + p2 (k^2 - k) + p3 (k^3 - k) of an exponential k = exp(-t / tau) is a sum of three exponentials
with time constants tau, tau / 2 and tau / 3, so that spikes that add linearly (the authors' code) are three one-pole
filters. The paper's Eq. 2 reads as the polynomial of the summed calcium instead; both are here.
"""

import numpy as np

from calcium_latents.compiling import njit
from calcium_latents.errors import UserError

BASELINE = 42.0  # F0
AMPLITUDE = 0.113  # A
DECAY_TIME_S = 1.82  # tau
P2, P3 = 0.81, -0.056
#: Calcium (9.8 spikes at once) at which the polynomial has its maximum, p' = 0; from 14.8 on it would be below 0.
SATURATION = (-P2 - np.sqrt(P2**2 - 3 * P3 * (1 - P2 - P3))) / (3 * P3)
NONLINEARITIES = ("per_spike", "summed")


def polynomial(calcium: np.ndarray) -> np.ndarray:
    """Return k + p2 (k^2 - k) + p3 (k^3 - k) of `calcium` k of any shape (Eq. 2): 0 at 0, 1 at 1."""
    return calcium * ((1 - P2 - P3) + calcium * (P2 + calcium * P3))


def fluorescence(spikes: np.ndarray, step_s: float, nonlinearity: str = "per_spike") -> np.ndarray:
    """Return noiseless fluorescence [..., time] (float32) of `spikes` [..., time], counts in steps of `step_s` (s).

    A spike in step s is seen from step s + 1 on. Before the first step there was none.

    Parameters
    ----------
    nonlinearity
        "per_spike": F0 + F0 A sum over spikes of p(k); "summed": F0 + F0 A p(sum over spikes of k), where calcium is
        clipped at the polynomial's maximum, as more of it would dim the cell.

    Raises
    ------
    UserError
        There is no such nonlinearity.
    """
    if nonlinearity not in NONLINEARITIES:
        raise UserError(f"nonlinearity: expected one of {', '.join(NONLINEARITIES)}, found {nonlinearity!r}.")
    counts = np.ascontiguousarray(spikes, np.float64).reshape(-1, np.shape(spikes)[-1])
    rate = step_s / DECAY_TIME_S
    if nonlinearity == "summed":
        response = polynomial(np.minimum(_decaying(counts, rate), SATURATION))
    else:
        weights = {1: 1 - P2 - P3, 2: P2, 3: P3}
        response = np.sum([weight * _decaying(counts, power * rate) for power, weight in weights.items()], axis=0)
    return (BASELINE + BASELINE * AMPLITUDE * response).astype(np.float32).reshape(np.shape(spikes))


@njit
def _decaying(counts, rate):
    """Return the sum over all earlier spikes of exp(-rate * steps since) for each row of `counts` [row, time]."""
    total = np.empty(counts.shape)
    factor = np.exp(-rate)
    for row in range(len(counts)):
        calcium = 0.0
        for step in range(counts.shape[1]):
            total[row, step] = calcium
            calcium = factor * (calcium + counts[row, step])
    return total

"""Numbers that sum up tuning curves (eqs 11 to 14 of the digital-twin paper).

All indices are of shape [...] for curves [..., values], do not change when a neuron's rates are multiplied by a
positive number, and are NaN where the neuron does not respond (or was not shown) at all.
"""

import numpy as np


def modulation(curve: np.ndarray, angles_rad: np.ndarray, harmonic: int) -> np.ndarray:
    """Return Fk/F0 = |sum_j r_j exp(i k s_j)| / sum_j r_j (eq. 11) of curves [..., j].

    k = 2 over orientations of a half turn: 0 for a flat curve, 1 for a response to a single orientation.
    k = 1 over phases of a whole turn: high for simple cells, 0 for phase-invariant (complex) ones.
    A pure cosine 1 + cos(k s) gives 0.5, not 1. Angles must be evenly spaced over the whole period.
    """
    component, total = _harmonic(curve, angles_rad, harmonic)
    return _ratio(np.abs(component), total)


def preferred_orientation(curve: np.ndarray, orientations_rad: np.ndarray) -> np.ndarray:
    """Return the orientation [...], 0 to pi, at the peak of the second harmonic of curves [..., orientation].

    A curve without a second harmonic has none: NaN.
    """
    component, total = _harmonic(curve, orientations_rad, 2)
    peak = np.mod(np.angle(component) / 2, np.pi)
    # rounding leaves a harmonic of some 1e-16 in a flat curve
    clear = np.abs(component) > 1e-9 * np.abs(total)
    # of a number just below 0, the remainder is pi itself
    return np.where(clear & (total > 0), np.where(peak >= np.pi, 0.0, peak), np.nan)


def orientation_difference(first_rad: np.ndarray, second_rad: np.ndarray) -> np.ndarray:
    """Return the angle [...] between orientations [...] (rad), 0 to pi / 2."""
    difference = np.mod(np.asarray(first_rad, float) - second_rad, np.pi)
    return np.minimum(difference, np.pi - difference)


def _harmonic(curve: np.ndarray, angles_rad: np.ndarray, harmonic: int) -> tuple[np.ndarray, np.ndarray]:
    curve = np.asarray(curve, float)
    return (curve * np.exp(1j * harmonic * np.asarray(angles_rad))).sum(axis=-1), curve.sum(axis=-1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the ratio; NaN where the denominator is not above 0."""
    good = denominator > 0
    return np.where(good, numerator / np.where(good, denominator, 1.0), np.nan)


def _decline(curve: np.ndarray) -> np.ndarray:
    """Return how far curves [..., values] lie below their maximum at their end, as a part of the maximum."""
    curve = np.asarray(curve, float)
    peak = curve.max(axis=-1)
    return _ratio(peak - curve[..., -1], peak)


def suppression_index(size_contrast: np.ndarray) -> np.ndarray:
    """Return (max_s g_Cs - g_CS) / max_s g_Cs (eq. 12) of responses [..., size, contrast].

    C and S are the largest contrast and size: the part of the response to the best size that a wide Gabor takes away.
    """
    return _decline(np.asarray(size_contrast)[..., :, -1])


def contrast_index(size_contrast: np.ndarray) -> np.ndarray:
    """Return (max_c g_cS - g_CS) / max_c g_cS (eq. 13) of responses [..., size, contrast]."""
    return _decline(np.asarray(size_contrast)[..., -1, :])


def plaid_index(plaid: np.ndarray) -> np.ndarray:
    """Return (g_O - g_PO) / g_O, g_O = max_o g_Po, of responses [..., preferred contrast, orthogonal contrast].

    P and O are the largest contrasts: the part of the response to the preferred Gabor (with the best orthogonal one)
    that the strongest orthogonal Gabor takes away. Eq. 14 prints g_O = max_p g_pC, the maximum over the preferred
    Gabor's contrast, which would say nothing of the orthogonal one. The caption of Fig. 2F ("using a tuning curve
    corresponding to the highest preferred contrast analogously to the suppression index") means this one.
    """
    return _decline(np.asarray(plaid)[..., -1, :])

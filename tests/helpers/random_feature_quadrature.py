"""Eigenvalues of random-feature kernels with a threshold, by quadrature: what closed forms are checked against."""

import numpy as np
from scipy.special import gammaln

from calcium_latents.theory.random_features import _gauss_legendre, legendre


def shifted_eigenvalues(
    largest: int, dimension: int, exponent: float, threshold: float, nodes: int = 200
) -> np.ndarray:
    """Return mu_l, l = 0..largest, for any threshold c, by quadrature: E over |xi| of the squared mean of sigma P_l.

    With c != 0 both parities are there; the exponent of the power law is that of c = 0. Accurate to 1e-11 of the
    largest eigenvalue for integer p and 1e-6 otherwise (`nodes` must exceed `largest`).
    """
    assert nodes > largest
    # With |xi| = r and t = cos(angle), sigma = [r t + c]_+^p. Below r = |c| no angle is at the threshold.
    edge = abs(threshold)
    panels = [(edge, 1, np.sqrt(edge + 12.0))] + ([(edge, -1, np.sqrt(edge))] if edge else [])
    total = np.zeros(largest + 1)
    for start, sign, end in panels:
        steps, weights = _gauss_legendre(0.0, end, nodes)
        radii = start + sign * steps**2  # the square removes the root at r = |c|
        log_density = (dimension - 1) * np.log(radii) - radii**2 / 2 - (dimension / 2 - 1) * np.log(2.0)
        density = np.exp(log_density - gammaln(dimension / 2)) * weights * 2 * steps
        for radius, weight in zip(radii, density, strict=True):
            ends = np.arccos(np.clip(-threshold / radius, -1.0, 1.0))
            if weight == 0 or ends == 0:
                continue
            angles, part = _gauss_legendre(0.0, float(ends), nodes)
            cosine = np.cos(angles)
            response = np.maximum(radius * cosine + threshold, 0.0) ** exponent
            mean = legendre(largest, dimension, cosine) @ (part * response * np.sin(angles) ** (dimension - 2))
            total += weight * mean**2
    # The uniform distribution's density of the angle is sin^(d-2) divided by this.
    area = np.sqrt(np.pi) * np.exp(gammaln((dimension - 1) / 2) - gammaln(dimension / 2))
    return total / area**2

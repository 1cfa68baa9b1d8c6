"""Exact spectra of random-feature kernels on the sphere (appendix D: the operator of Eq. 10, the kernel of Eq. 11).

A neuron with preferred direction xi ~ N(0, I_d) responds to latents z on the unit sphere S^(d-1) with
sigma(xi . z) = [xi . z + c]_+^p (p = 0: the Heaviside step). The kernel K(z, z') = E_xi[sigma(xi . z) sigma(xi . z')]
has the spherical harmonics as eigenfunctions under the uniform distribution of z, so that an eigenvalue belongs to a
degree l and has the multiplicity of that degree. The appendix prints xi ~ N(0, 1), and z_s twice in the entry of the
Gram matrix, for N(0, I_d) and the pair z_s, z_t.
"""

from functools import lru_cache
from math import comb

import numpy as np
from scipy.special import gamma, gammaln, gammasgn

from calcium_latents.errors import UserError


def harmonic_coefficients(degrees: np.ndarray, dimension: int, exponent: float) -> np.ndarray:
    """Return a_l, the mean over the sphere of [t]_+^p P_l(t), t = u . z, for integer `degrees` l (any shape).

    P_l is the Legendre polynomial of S^(d-1) with P_l(1) = 1 (for d = 2, cos(l arccos t)). In closed form, for any
    real p >= 0,

        a_l = Gamma(d/2) Gamma(p+1) / (2^(p+1) Gamma((p-l)/2 + 1) Gamma((l+p+d)/2)),

    which is 0 where (p-l)/2 + 1 is a pole of Gamma: integer p, l > p, and l - p even.

    Raises:
        UserError: dimension below 2, or a negative exponent.
    """
    _check(dimension, exponent)
    degrees = np.asarray(degrees)
    below = (exponent - degrees) / 2 + 1
    pole = (below <= 0) & (below == np.round(below))
    safe = np.where(pole, 1.0, below)
    size = gammaln(dimension / 2) + gammaln(exponent + 1) - (exponent + 1) * np.log(2.0)
    size = size - gammaln(safe) - gammaln((degrees + exponent + dimension) / 2)
    return np.where(pole, 0.0, gammasgn(safe) * np.exp(size))


def kernel_eigenvalues(degrees: np.ndarray, dimension: int, exponent: float) -> np.ndarray:
    """Return the eigenvalue mu_l of each degree [l] for c = 0: E|xi|^(2p) a_l^2 = 2^p Gamma(d/2+p)/Gamma(d/2) a_l^2.

    d = 2, p = 0 is the ring network: 1/4 for the mean and 1/(pi l)^2 for odd l, each of the latter twice.
    Raises UserError as `harmonic_coefficients`.
    """
    moment = np.exp(exponent * np.log(2.0) + gammaln(dimension / 2 + exponent) - gammaln(dimension / 2))
    return moment * harmonic_coefficients(degrees, dimension, exponent) ** 2


def multiplicity(degree: int, dimension: int) -> int:
    """Return the number of independent spherical harmonics of `degree` on S^(dimension-1)."""
    if degree == 0:
        return 1
    if dimension == 2:
        return 2
    lower = comb(degree + dimension - 3, dimension - 1) if degree >= 2 else 0
    return comb(degree + dimension - 1, dimension - 1) - lower


def degree_table(count: int, dimension: int, exponent: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return degree, eigenvalue and multiplicity, by descending eigenvalue, until `count` eigenvalues are covered.

    Degrees whose eigenvalue is 0 are left out. Raises UserError as `harmonic_coefficients`, or for count < 1.
    """
    if count < 1:
        raise UserError(f"spectrum, count: expected at least 1, found {count}.")
    last = 8
    while True:
        degrees = np.arange(last + 3)
        values = kernel_eigenvalues(degrees, dimension, exponent)
        sizes = np.array([multiplicity(int(degree), dimension) for degree in degrees])
        order = np.argsort(-values[: last + 1], kind="stable")
        order = order[values[order] > 0]
        covered = np.cumsum(sizes[order])
        if covered[-1] >= count:
            end = int(np.searchsorted(covered, count)) + 1
            # Values fall with l within each parity: what comes later is at most as large as the next two.
            if values[last + 1 :].max() <= values[order[end - 1]]:
                return degrees[order[:end]], values[order[:end]], sizes[order[:end]]
        last *= 2


def spectrum(count: int, dimension: int, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the `count` largest eigenvalues of the operator, descending, and the degree of each.

    These are the limits of the eigenvalues of A A^T / (N T) for activity A [N, T] without centring.
    Raises UserError as `degree_table`.
    """
    degrees, values, sizes = degree_table(count, dimension, exponent)
    return np.repeat(values, sizes)[:count], np.repeat(degrees, sizes)[:count]


def power_law_exponent(dimension: int, exponent: float) -> float:
    """Return alpha = 1 + (2p+1)/(d-1) of lambda_n ~ n^-alpha: mu_l ~ l^-(2p+d) and rank n ~ l^(d-1)."""
    _check(dimension, exponent)
    return 1 + (2 * exponent + 1) / (dimension - 1)


def degree_slope(first: int, last: int, dimension: int, exponent: float) -> float:
    """Return -d log(eigenvalue) / d log(rank) between the degrees next to `first` and `last`: alpha as they grow.

    A degree's rank is the middle of its plateau. A regression over ranks, in contrast, follows the plateaus and the
    first degrees, and overshoots alpha (by 1 for d = 5, p = 2, n = 11..500) even on this exact spectrum.
    Raises UserError as `harmonic_coefficients`, or when 0 <= first < last does not hold.
    """
    if not 0 <= first < last:
        raise UserError(f"degree slope: expected 0 <= first < last, found {first} and {last}.")
    _check(dimension, exponent)
    # Of non-integer p, degrees beyond `last` of the one parity may rank before it in the other.
    degrees = np.arange(4 * last + 2)
    values = kernel_eigenvalues(degrees, dimension, exponent)
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > 0]
    sizes = np.array([float(multiplicity(int(degree), dimension)) for degree in order])
    ranks = np.cumsum(sizes) - (sizes - 1) / 2
    low = np.flatnonzero(order >= first)[0]
    high = np.flatnonzero(order <= last)[-1]
    drop = np.log(values[order[low]] / values[order[high]])
    return float(drop / np.log(ranks[high] / ranks[low]))


def regression_slope(eigenvalues: np.ndarray, first: int, last: int) -> float:
    """Return minus the least-squares slope of log eigenvalue [rank] on log rank over first..last (1-based, inclusive).

    Compare it with the same number of the exact spectrum over the same ranks, never with alpha.
    Raises UserError when the ranks are not there or an eigenvalue among them is not positive.
    """
    values = np.asarray(eigenvalues, dtype=float)[first - 1 : last]
    if not 1 <= first < last or values.size != last - first + 1 or not (values > 0).all():
        raise UserError(
            f"slope of a spectrum: expected positive eigenvalues at ranks {first} to {last}, found "
            f"{int((values > 0).sum())} of them; choose a range that the spectrum has."
        )
    return float(-np.polyfit(np.log(np.arange(first, last + 1)), np.log(values), 1)[0])


def trace(exponent: float, threshold: float = 0.0) -> float:
    """Return the sum of all eigenvalues, E[[Y + c]_+^(2p)] for standard normal Y: 1/2, 1/2, 3/2 for p = 0, 1, 2, c = 0.

    The dimension does not matter. For c != 0 by quadrature.
    """
    if threshold == 0:
        return float(2.0 ** (exponent - 1) * gamma(exponent + 0.5) / np.sqrt(np.pi))
    # y = s^2 - c keeps the integrand smooth at the threshold for half-integer powers too.
    nodes, weights = _gauss_legendre(0.0, np.sqrt(max(threshold, 0.0) + 12.0), 400)
    density = np.exp(-0.5 * (nodes**2 - threshold) ** 2) / np.sqrt(2 * np.pi)
    return float((weights * 2 * nodes * nodes ** (4 * exponent) * density).sum())


def arc_cosine_kernel(cosine: np.ndarray, exponent: int) -> np.ndarray:
    """Return K(z, z') of unit vectors with the given cosine (any shape): the arc-cosine kernels, p = 0, 1, 2 and c = 0.

    Raises:
        UserError: another exponent.
    """
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    forms = {
        0: lambda: np.pi - angle,
        1: lambda: np.sin(angle) + (np.pi - angle) * np.cos(angle),
        2: lambda: 3 * np.sin(angle) * np.cos(angle) + (np.pi - angle) * (1 + 2 * np.cos(angle) ** 2),
    }
    if exponent not in forms:
        raise UserError(f"arc-cosine kernel, exponent: expected 0, 1 or 2, found {exponent}.")
    return forms[exponent]() / (2 * np.pi)


def legendre(largest: int, dimension: int, cosine: np.ndarray) -> np.ndarray:
    """Return P_l [largest + 1, ...] of S^(dimension-1), l = 0..largest, with P_l(1) = 1, at `cosine` [...]."""
    cosine = np.asarray(cosine, dtype=float)
    values = np.ones((largest + 1, *cosine.shape))
    if largest >= 1:
        values[1] = cosine
    for degree in range(1, largest):
        ahead = (2 * degree + dimension - 2) * cosine * values[degree] - degree * values[degree - 1]
        values[degree + 1] = ahead / (degree + dimension - 2)
    return values


def _gauss_legendre(start: float, end: float, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    places, weights = _unit_nodes(nodes)
    return start + (places + 1) * (end - start) / 2, weights * (end - start) / 2


@lru_cache(maxsize=8)
def _unit_nodes(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(nodes)


def _check(dimension: int, exponent: float) -> None:
    if dimension < 2 or dimension != int(dimension):
        raise UserError(f"sphere, dimension: expected an integer >= 2, found {dimension}.")
    if not exponent >= 0:
        raise UserError(f"activation, exponent: expected >= 0, found {exponent}.")

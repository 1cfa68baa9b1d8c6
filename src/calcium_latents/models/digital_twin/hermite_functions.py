"""Polar Hermite functions of the plane: a steerable basis, evaluated at any coordinates.

With r and theta polar coordinates in units of the scale, rank = m + 2 n, and L generalised Laguerre polynomials,

    psi = exp(-r^2 / 4) r^m L_n^(m)(r^2 / 2) {cos(m theta), sin(m theta)}        (one function where m = 0),

each divided by its L2 norm over the plane. They are orthonormal there, and a rotation of an image about the origin
mixes only the two functions of the same rank and angular order m: by the 2 x 2 rotation matrix of angle m times the
image's angle.

One order of coefficients everywhere: rank by rank; in each rank m ascending (m has the parity of the rank); for m > 0
the cosine, then the sine. theta = atan2(y, x), so a positive angle turns the x axis towards the y axis, as the
orientation of a Gabor does; on a screen, where y points down, this is clockwise.
"""

from math import lgamma, pi

import numpy as np

from calcium_latents.errors import UserError


def coefficient_count(max_rank: int) -> int:
    """Return the number of functions of ranks 0 to max_rank - 1: max_rank (max_rank + 1) / 2.

    Raises:
        UserError: max_rank below 1.
    """
    if max_rank < 1:
        raise UserError(f"Hermite functions: max_rank: expected at least 1, found {max_rank}. Ask for more ranks.")
    return max_rank * (max_rank + 1) // 2


def angular_orders(max_rank: int) -> np.ndarray:
    """Return the angular order m [coefficients] of every function, equal for a cosine and its sine."""
    coefficient_count(max_rank)
    orders = [m for rank in range(max_rank) for m in range(rank % 2, rank + 1, 2) for _ in range(1 if m == 0 else 2)]
    return np.array(orders)


def are_sines(max_rank: int) -> np.ndarray:
    """Return whether [coefficients] a function is the sine of its pair; False for cosines and where m = 0."""
    orders = angular_orders(max_rank)
    sines = np.zeros(orders.size, bool)
    # Within a rank every m > 0 comes twice in a row, and ranks that meet differ in the parity of m.
    sines[1:] = (orders[1:] == orders[:-1]) & (orders[1:] > 0)
    return sines


def hermite_functions(y: np.ndarray, x: np.ndarray, max_rank: int, scale: float = 1.0) -> np.ndarray:
    """Return the functions of ranks 0 to max_rank - 1 at coordinates (y, x) about their centre.

    Args:
        y, x: coordinates of equal (or broadcastable) shape, in any unit.
        max_rank: number of ranks.
        scale: unit of r, in the coordinates' unit: rank 0 is a Gaussian of standard deviation scale * sqrt(2), and
            functions of rank k reach to about 2 scale sqrt(k + 1).

    Returns:
        [coefficients, ...] float64 of unit L2 norm over the plane (integral of psi^2 dy dx = 1).

    Raises:
        UserError: max_rank below 1 or a scale that is not positive.
    """
    count = coefficient_count(max_rank)
    if not scale > 0:
        raise UserError(f"Hermite functions: scale: expected a positive number, found {scale}. Correct it.")
    y, x = np.broadcast_arrays(np.asarray(y, float) / scale, np.asarray(x, float) / scale)
    squared = (y**2 + x**2) / 2  # r^2 / 2
    gaussian = np.exp(-squared / 2) / scale
    values = np.empty((count, *y.shape))
    turning = np.ones(y.shape, complex)  # (r exp(i theta))^m
    for m in range(max_rank):
        before, laguerre = np.zeros_like(squared), np.ones_like(squared)
        for n in range((max_rank - 1 - m) // 2 + 1):
            # integral of psi^2 = 2^m (n + m)! / n! times the integral of cos^2 over a turn
            log_norm = m * np.log(2) + lgamma(n + m + 1) - lgamma(n + 1) + np.log(2 * pi if m == 0 else pi)
            radial = gaussian * laguerre * np.exp(-log_norm / 2)
            first = _first(m + 2 * n, m)
            values[first] = radial * turning.real
            if m:
                values[first + 1] = radial * turning.imag
            before, laguerre = laguerre, ((2 * n + 1 + m - squared) * laguerre - (n + m) * before) / (n + 1)
        turning = turning * (x + 1j * y)
    return values


def _first(rank: int, m: int) -> int:
    """Return the index of the function (the cosine, if m > 0) of this rank and angular order."""
    before = rank * (rank + 1) // 2
    return before + (m if rank % 2 == 0 and m == 0 else m - 1)


def rotation_matrix(max_rank: int, angle: float | np.ndarray) -> np.ndarray:
    """Return the matrix that turns coefficients as their image is turned by `angle` (rad, from x towards y).

    If f = sum_c beta_c psi_c, then sum_c (R beta)_c psi_c is f turned: f at coordinates turned by -angle.

    Args:
        max_rank: number of ranks.
        angle: a number, or an array [...] of angles.

    Returns:
        [..., coefficients, coefficients] orthogonal, blocks of 1 x 1 and 2 x 2.
    """
    orders, sines = angular_orders(max_rank), are_sines(max_rank)
    turn = np.asarray(angle, float)[..., None] * orders
    index = np.arange(orders.size)
    matrix = np.zeros((*turn.shape, orders.size))
    matrix[..., index, index] = np.cos(turn)
    sine = index[sines]
    matrix[..., sine, sine - 1] = np.sin(turn[..., sine])
    matrix[..., sine - 1, sine] = -np.sin(turn[..., sine])
    return matrix

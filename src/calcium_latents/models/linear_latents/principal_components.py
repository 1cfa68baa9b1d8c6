"""Principal components of activity with missing samples: the weighted approximation of low rank.

Minimises sum of w (y - f V')^2 by expectation-maximisation (Srebro & Jaakkola 2003, Weighted low-rank approximations,
eq. 5): what is missing is filled in from the approximation, V takes a step of subspace iteration on the filled data.
Where nothing is missing, these are the leading singular vectors.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import svds

from calcium_latents.errors import UserError

ITERATIONS = 30
TOLERANCE = 1e-4  # relative change of the approximation


@dataclass(frozen=True)
class Factors:
    """Activity of low rank: factors @ loadings.

    Attributes:
        factors: `[time, factor]`.
        loadings: `[factor, neuron]`.
    """

    factors: np.ndarray
    loadings: np.ndarray

    def activity(self) -> np.ndarray:
        """Return the activity `[time, neuron]` that the factors say."""
        return self.factors @ self.loadings


def leading_directions(values: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return singular values [factor], descending, and right singular vectors [neuron, factor].

    Of values [time, neuron]. Raises UserError where the rank is not from 1 to their smaller side less 1.
    """
    if not 1 <= rank < min(values.shape):
        raise UserError(f"number of factors: expected 1 to {min(values.shape) - 1} for {values.shape}, found {rank}.")
    # a start that is fixed: equal data, equal components
    start = np.random.default_rng(0).standard_normal(min(values.shape)).astype(values.dtype)
    _, singular, right = svds(values, k=rank, v0=start)
    order = np.argsort(-singular)
    return singular[order], right[order].T


def principal_components(
    values: np.ndarray, weight: np.ndarray, rank: int, start: np.ndarray | None = None, iterations: int = ITERATIONS
) -> Factors:
    """Return the principal components of centred values [time, neuron] under `weight` [time, neuron].

    Args:
        values: 0 where missing.
        weight: 0 (missing) to 1.
        rank: number of components.
        start: [neuron, factor], directions to begin with; default: those of the values with missing ones at 0.
        iterations: at most so many.
    """
    directions = leading_directions(values * weight, rank)[1] if start is None else start[:, :rank]
    known, missing = values * weight, 1 - weight
    filled, before = known, np.inf
    for _ in range(iterations):
        factors = filled @ directions
        filled = known + missing * (factors @ directions.T)
        size = float(np.linalg.norm(factors))
        if abs(size - before) <= TOLERANCE * size:
            break
        before = size
        directions = np.linalg.qr(filled.T @ factors)[0]
    # rotated to uncorrelated factors of descending size, signs fixed
    left, singular, right = np.linalg.svd(filled @ directions, full_matrices=False)
    loadings = right @ directions.T
    sign = np.where(loadings.sum(axis=1) < 0, -1, 1).astype(values.dtype)
    return Factors(left * singular * sign, loadings * sign[:, None])

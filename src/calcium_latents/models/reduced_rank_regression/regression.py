"""Reduced-rank regression with a ridge penalty, exact, for all ranks and penalties at once (appendix G.2).

Minimises |Y - X B|^2 + penalty |B|^2 over B of a given rank, X and Y centred on their training means. The minimum is
B = B_ridge V V', V the leading eigenvectors of Y'X (X'X + penalty I)^-1 X'Y. (Those of the fitted values' covariance,
which is often taken, minimise the error without the penalty among projections, not this objective.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcium_latents.errors import UserError


@dataclass(frozen=True)
class LinearLatents:
    """A linear model of one rank: latents = (x - x_mean) @ encoder, prediction = y_mean + latents @ decoder.

    Attributes:
        encoder: `[A, d]`.
        decoder: `[d, B]`.
        x_mean, y_mean: `[A]`, `[B]`.
    """

    encoder: np.ndarray
    decoder: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray

    def latents(self, x: np.ndarray) -> np.ndarray:
        """Latents `[T, d]` of sources `[T, A]`."""
        return (x - self.x_mean) @ self.encoder

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predicted targets `[T, B]` of sources `[T, A]`."""
        return self.latents(x) @ self.decoder + self.y_mean


class ReducedRankRegression:
    """All ranks and penalties of one training set from one eigendecomposition of X'X and one for each penalty.

    Args:
        x: sources `[T, A]`.
        y: targets `[T, B]`.

    Raises UserError when there are fewer than two samples, or values that are not finite.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if len(x) != len(y) or len(x) < 2:
            raise UserError(f"reduced-rank regression: expected two or more pairs, found {len(x)} and {len(y)} rows.")
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise UserError("reduced-rank regression: expected finite activity, found NaN or infinity.")
        self.x_mean, self.y_mean = x.mean(0), y.mean(0)
        x, y = x - self.x_mean, y - self.y_mean
        values, self.vectors = np.linalg.eigh(x.T @ x)
        self.values = np.maximum(values, 0.0)
        self.cross = self.vectors.T @ (x.T @ y)  # X'Y in the eigenbasis, [A, B]

    def fit(self, penalty: float, ranks: Sequence[int]) -> dict[int, LinearLatents]:
        """Return the exact minimum for every rank (above min(A, B) it is that of full rank, padded with zeros).

        Raises UserError for a penalty that is not positive or a rank below 1.
        """
        if not penalty > 0 or min(ranks) < 1:
            raise UserError(
                f"reduced-rank regression: expected a penalty above 0 and ranks of 1 or more, found {penalty} and"
                f" {list(ranks)}."
            )
        roots = np.sqrt(self.values + penalty)[:, None]
        _, singular, directions = np.linalg.svd(self.cross / roots, full_matrices=False)
        # signs are free: fix them, so that equal data give equal latents on any machine
        largest = np.argmax(np.abs(directions), axis=1)
        directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
        weights = self.vectors @ (self.cross / roots**2)
        models = {}
        for rank in ranks:
            decoder = np.zeros((rank, self.cross.shape[1]))
            kept = min(rank, len(singular))
            decoder[:kept] = directions[:kept]
            models[rank] = LinearLatents(weights @ decoder.T, decoder, self.x_mean, self.y_mean)
        return models


def select_penalties(
    regression: ReducedRankRegression,
    ranks: Sequence[int],
    penalties: Sequence[float],
    x: np.ndarray,
    y: np.ndarray,
) -> dict[int, tuple[float, LinearLatents]]:
    """Return, for every rank, the penalty with the smallest error on validation pairs x `[T, A]`, y `[T, B]`, and its
    model."""
    best: dict[int, tuple[float, float, LinearLatents]] = {}
    for penalty in penalties:
        for rank, model in regression.fit(penalty, ranks).items():
            error = float(((model.predict(x) - y) ** 2).sum())
            if rank not in best or error < best[rank][0]:
                best[rank] = error, penalty, model
    return {rank: (penalty, model) for rank, (_, penalty, model) in best.items()}

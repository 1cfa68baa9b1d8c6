"""Ridge regression from sums over samples: many training sets and many penalties for one pass over the data.

Sums of disjoint sets of samples add up, so that every fold of a nested cross-validation is a sum of a few
small matrices, and one eigendecomposition solves a training set for all penalties. The penalty is that of
scikit-learn's `Ridge(alpha)`: |y - x w - b|^2 + alpha |w|^2, with the intercept b left free.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Sums over samples: count, features x [N], targets y [L], x x' [N, N], x y' [N, L], y y [L]."""

    count: int
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> "Moments":
        """Sum over all axes but the last: x [..., N], y [..., L]."""
        x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
        return cls(len(x), x.sum(0), y.sum(0), x.T @ x, x.T @ y, (y * y).sum(0))

    @classmethod
    def total(cls, parts: Iterable["Moments"]) -> "Moments":
        """Add up disjoint sets of samples."""
        parts = list(parts)
        fields = ("count", "x", "y", "xx", "xy", "yy")
        sums: list[Any] = [sum(getattr(part, name) for part in parts) for name in fields]
        return cls(*sums)


class Ridge:
    """Ridge regression with a free intercept for any number of penalties.

    Args:
        training: moments of the training samples.
    """

    def __init__(self, training: Moments):
        self.x_mean, self.y_mean = training.x / training.count, training.y / training.count
        gram = training.xx - training.count * np.outer(self.x_mean, self.x_mean)
        values, self.vectors = np.linalg.eigh(gram)
        self.values = np.maximum(values, 0.0)
        self.projected = self.vectors.T @ (training.xy - training.count * np.outer(self.x_mean, self.y_mean))

    def solve(self, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return weights [N, L] and intercepts [L] for one penalty per target."""
        weights = self.vectors @ (self.projected / (self.values[:, None] + penalties))
        return weights, self.y_mean - self.x_mean @ weights

    def squared_error(self, penalties: np.ndarray, test: Moments) -> np.ndarray:
        """Return the summed squared error on `test` for every penalty and target: [penalty, L]."""
        x, y, n = self.x_mean, self.y_mean, test.count
        xx = test.xx - np.outer(test.x, x) - np.outer(x, test.x) + n * np.outer(x, x)
        xy = test.xy - np.outer(test.x, y) - np.outer(x, test.y) + n * np.outer(x, y)
        yy = test.yy - 2 * test.y * y + n * y * y
        rotated, cross = self.vectors.T @ xx @ self.vectors, self.vectors.T @ xy
        weights = self.projected[None] / (self.values[None, :, None] + penalties[:, None, None])  # [penalty, N, L]
        flat = weights.transpose(0, 2, 1)
        quadratic = ((flat @ rotated) * flat).sum(-1)
        return quadratic - 2 * (weights * cross).sum(1) + yy

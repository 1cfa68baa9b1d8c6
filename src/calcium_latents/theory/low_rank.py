"""Random low-rank networks with tractable latent dynamics (appendix C, Proposition 1).

N neurons with standard normal patterns xi [N, d] and weights W = xi M xi^T / N (the appendix leaves the 1/N implicit)
have, as N grows, the latents k = pinv(xi) x with

    k' = -k + g(|k|) M k / |k|,   g(r) = E[Y Phi(r Y)],  Y standard normal (Eq. 20).

Proposition 1 solves g for three activation functions, the classes below.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import erf, ndtr

from calcium_latents.errors import UserError

#: This M with a step without bias is the ring network's flow (Eq. 5).
RING_MIXING = np.sqrt(2 * np.pi) * np.array([[1.0, -1.0], [1.0, 1.0]])


class Activation(Protocol):
    """An activation function Phi whose gain g is known."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return Phi(x), elementwise."""

    def gain(self, radius: np.ndarray) -> np.ndarray:
        """Return g(r) = E[Y Phi(r Y)] for radii r >= 0, elementwise."""


@dataclass(frozen=True)
class Step:
    """Phi(x) = 1 where x + bias > 0, else 0; Proposition 1 (i): g(r) = exp(-bias^2 / (2 r^2)) / sqrt(2 pi)."""

    bias: float = 0.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return Phi(x), elementwise."""
        return (np.asarray(x) + self.bias > 0).astype(float)

    def gain(self, radius: np.ndarray) -> np.ndarray:
        """Return g(r) of r of any shape; its limit at r = 0 is 0 with a bias and 1/sqrt(2 pi) without."""
        return np.exp(-0.5 * _ratio(self.bias, radius) ** 2) / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Relu:
    """Phi(x) = max(0, x + bias); Proposition 1 (ii): g(r) = (r/2)(1 + erf(bias / (sqrt 2 r))).

    Without bias the flow is linear, k' = -k + M k / 2; after the proposition, the text of the appendix that we have
    (extracted from its PDF) reads -k + M k.
    """

    bias: float = 0.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return Phi(x), elementwise."""
        return np.maximum(0.0, np.asarray(x, dtype=float) + self.bias)

    def gain(self, radius: np.ndarray) -> np.ndarray:
        """Return g(r) of r of any shape."""
        return 0.5 * np.asarray(radius, dtype=float) * (1 + erf(_ratio(self.bias, radius) / np.sqrt(2)))


@dataclass(frozen=True)
class GaussianCdf:
    """Phi the distribution function of N(mean, sd^2); Proposition 1 (iii).

    g(r) = r exp(-mean^2 / (2 (sd^2 + r^2))) / sqrt(2 pi (sd^2 + r^2)); an sd of 0 gives a step of bias -mean.

    Raises:
        UserError: sd is negative.
    """

    mean: float = 0.0
    sd: float = 1.0

    def __post_init__(self):
        if self.sd < 0:
            raise UserError(f"activation, sd: expected >= 0, found {self.sd}.")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return Phi(x), elementwise."""
        if self.sd == 0:
            return Step(-self.mean)(x)
        return ndtr((np.asarray(x, dtype=float) - self.mean) / self.sd)

    def gain(self, radius: np.ndarray) -> np.ndarray:
        """Return g(r) of r of any shape."""
        if self.sd == 0:
            return Step(-self.mean).gain(radius)
        radius = np.asarray(radius, dtype=float)
        width = np.sqrt(self.sd**2 + radius**2)
        return radius / width * np.exp(-0.5 * (self.mean / width) ** 2) / np.sqrt(2 * np.pi)


def flow(latents: np.ndarray, mixing: np.ndarray, activation: Activation) -> np.ndarray:
    """Return dk/dt [..., d] of the infinite network at `latents` [..., d], for any `mixing` M [d, d] (Eq. 20).

    At the origin, where k/|k| has no direction, the drive is 0: the mean of its values around.
    """
    latents = np.asarray(latents, dtype=float)
    radius = np.linalg.norm(latents, axis=-1, keepdims=True)
    direction = np.divide(latents, radius, out=np.zeros_like(latents), where=radius > 0)
    return -latents + activation.gain(radius) * (direction @ np.asarray(mixing, dtype=float).T)


def _ratio(bias: float, radius: np.ndarray) -> np.ndarray:
    """Return bias / radius with its limits at radius 0 (0 for no bias)."""
    radius = np.asarray(radius, dtype=float)
    if bias == 0:
        return np.zeros_like(radius)
    with np.errstate(divide="ignore"):
        return bias / radius

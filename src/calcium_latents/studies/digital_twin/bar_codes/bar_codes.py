"""Bar codes: feature weights [neuron, rotation, feature] of a rotation-equivariant model, and soft shifts of them.

Rotating a neuron's receptive field by 2 pi / R moves its bar code by one place along the axis of R rotations. A shift
by any angle t is a weighted sum of the R whole shifts. In the authors' alignment the weights are of a von Mises form:
    shifted(t) = sum_j p_j(t) roll_j(code),   p_j(t) = exp(T cos(2 pi j / R - t)) / sum_i exp(T cos(2 pi i / R - t)).
A small temperature T also smooths the code over rotations; an infinite T leaves whole shifts alone. Such a shift
smooths more half-way between two rotations than at one of them, the more so the higher T is, and whole shifts leave
angles of up to pi / R undone. The kernel `FOURIER` turns every frequency k over rotations by its own angle k t instead
and smooths all angles alike, by factors I_k(T) / I_0(T) of a continuous von Mises density (I: modified Bessel
functions):
    p_j(t) = 1/R sum_k I_k(T) / I_0(T) cos(k (2 pi j / R - t)),   k from -R/2 (once) to R/2.
The two agree at small T. Only at k = R/2 a shift by anything but a whole place must also lose amplitude.

Weights of redundant features can differ between neurons that do the same. `in_drive_metric` multiplies codes by the
square root of the features' covariance: squared distances are then variances of differences of the neurons' drives.
Where turning an image turns the features, this commutes with cyclic shifts: all of the above holds for both codes.
"""

from functools import cached_property

import numpy as np
from scipy.special import ive

from calcium_latents.errors import UserError

VON_MISES, FOURIER = "von Mises", "Fourier"
ROUNDING = 1e-4  # of a covariance in single precision, relative to its largest entry


def check_codes(codes: np.ndarray) -> np.ndarray:
    """Return bar codes [neuron, rotation, feature] as finite float64.

    Raises:
        UserError: other dims, no neuron, rotation or feature, or values that are not finite.
    """
    codes = np.asarray(codes, float)
    if codes.ndim != 3 or 0 in codes.shape:
        raise UserError(f"bar codes: expected values for [neuron, rotation, feature], found shape {codes.shape}.")
    if not np.isfinite(codes).all():
        raise UserError(f"bar codes: expected finite weights, found {int((~np.isfinite(codes)).sum())} others.")
    return codes


def unit_norm(codes: np.ndarray) -> np.ndarray:
    """Return arrays [neuron, ...] divided by each neuron's Euclidean norm; a neuron of zeros stays as it is."""
    codes = np.asarray(codes, float)
    # first by the largest value: squares of very small or large weights would under- or overflow
    largest = np.abs(codes).reshape(len(codes), -1).max(axis=1, initial=0)
    scaled = codes / _by_neuron(np.where(largest > 0, largest, 1), codes)
    length = np.linalg.norm(scaled.reshape(len(codes), -1), axis=1)
    return scaled / _by_neuron(np.where(length > 0, length, 1), codes)


def in_drive_metric(codes: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return C^(1/2) code of bar codes [neuron, rotation, feature], C^(1/2) the symmetric square root.

    For the difference d of two codes, |C^(1/2) d|^2 = d C d is the variance, over the images that C was taken of, of
    the difference of the drives sum_c code_c feature_c of two neurons at one place.

    Args:
        codes: weights of features.
        covariance: C [rotation, feature, rotation, feature] of the features over images, positive semi-definite and
            circulant in its rotations: C[r + k, f, s + k, g] = C[r, f, s, g].

    Raises:
        UserError: another shape, values that are not finite, or no such covariance.
    """
    codes, covariance = check_codes(codes), np.asarray(covariance, float)
    size = codes[0].size
    if covariance.shape != 2 * codes.shape[1:]:
        raise UserError(f"feature_covariance: expected shape {2 * codes.shape[1:]}, found {covariance.shape}.")
    if not np.isfinite(covariance).all():
        raise UserError("feature_covariance: expected finite values, found others. Fit the model again.")
    limit = ROUNDING * np.abs(covariance).max()
    off = np.abs(covariance - np.roll(covariance, (1, 1), (0, 2))).max()
    flat = covariance.reshape(size, size)
    off = max(off, np.abs(flat - flat.T).max())
    values, vectors = np.linalg.eigh((flat + flat.T) / 2)
    if off > limit or values.min() < -size * limit:
        raise UserError(
            "feature_covariance: expected a symmetric positive semi-definite matrix that turning images does not "
            f"change, found entries off by {off:.3g} and a least eigenvalue of {values.min():.3g}. Fit the model again."
        )
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return (codes.reshape(len(codes), size) @ root).reshape(codes.shape)


def _by_neuron(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (codes.ndim - 1))


def shift_weights(
    shift_rad: np.ndarray | float, rotations: int, temperature: float, kernel: str = VON_MISES
) -> np.ndarray:
    """Return weights [..., rotation] of the whole shifts that make up shifts by `shift_rad` [...]; they sum to 1."""
    distance = 2 * np.pi * np.arange(rotations) / rotations - np.asarray(shift_rad, float)[..., None]
    if kernel == FOURIER:
        frequency = np.arange(rotations // 2 + 1)
        factor = ive(frequency, temperature) / ive(0, temperature) if np.isfinite(temperature) else np.ones(1)
        factor = factor * np.where((frequency == 0) | (2 * frequency == rotations), 1, 2) / rotations
        return (factor * np.cos(distance[..., None] * frequency)).sum(axis=-1)
    if np.isinf(temperature):
        nearest = np.argmax(np.round(np.cos(distance), 9), axis=-1)  # rounded: the first of two equally near ones
        return np.eye(rotations)[nearest]
    exponent = temperature * np.cos(distance)
    weights = np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def soft_shift(codes: np.ndarray, shift_rad: np.ndarray, temperature: float, kernel: str = VON_MISES) -> np.ndarray:
    """Return bar codes [neuron, rotation, feature], each shifted by its `shift_rad` [neuron]."""
    return combine(codes, shift_weights(shift_rad, np.shape(codes)[1], temperature, kernel))


def combine(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return sum_j weights[neuron, j] roll_j(codes) of bar codes [neuron, rotation, feature]."""
    places = np.arange(codes.shape[1])
    return np.einsum("nrs,nsf->nrf", weights[:, (places[:, None] - places) % len(places)], codes, optimize=True)


def pair_distance(codes: np.ndarray) -> float:
    """Return the mean over all N^2 pairs of neurons of the squared distance of their codes [neuron, ...].

    It equals twice the mean squared distance to the mean code, which takes O(N).
    """
    flat = np.asarray(codes, float).reshape(len(codes), -1)
    return float(2 * np.square(flat - flat.mean(axis=0)).sum(axis=1).mean())


def coherence(codes: np.ndarray) -> float:
    """Return |mean code|^2 / mean |code|^2 of codes [neuron, ...]: 1 if all are equal, 0 if none is left or all cancel.

    A smoothing that shrinks all codes alike leaves it as it is.
    """
    flat = np.asarray(codes, float).reshape(len(codes), -1)
    power = np.square(flat).sum(axis=1).mean()
    return float(np.square(flat.mean(axis=0)).sum() / power) if power > 0 else 0.0


def alignment_loss(
    codes: np.ndarray, shift_rad: np.ndarray, temperature: float, penalty: float = 1.5, kernel: str = VON_MISES
) -> float:
    """Return the authors' loss: mean pair distance of shifted codes + penalty x mean squared change by a shift of 0.

    Codes are [neuron, rotation, feature], shift_rad [neuron]. The second term is what
    smoothing costs; without it T would go to 0, where all shifts give each neuron's mean over rotations.
    """
    unshifted = soft_shift(codes, np.zeros(len(codes)), temperature, kernel)
    smoothing = np.square(unshifted - codes).sum(axis=(1, 2)).mean()
    return pair_distance(soft_shift(codes, shift_rad, temperature, kernel)) + penalty * float(smoothing)


def rotation_spectrum(codes: np.ndarray) -> np.ndarray:
    """Return |Fourier transform over rotations| [neuron, frequency, feature]: no whole shift changes it.

    Entries are scaled so that a code and its spectrum have the same norm. Phases are lost, also those between
    features.
    """
    rotations = np.shape(codes)[1]
    spectrum = np.abs(np.fft.rfft(codes, axis=1)) / np.sqrt(rotations)
    both = np.full(spectrum.shape[1], np.sqrt(2.0))  # frequencies k and -k
    both[0] = 1
    if rotations % 2 == 0:
        both[-1] = 1
    return spectrum * both[:, None]


def rotation_energy(codes: np.ndarray) -> np.ndarray:
    """Return squared weights summed over rotations [neuron, feature]: no whole shift changes them."""
    return np.square(codes).sum(axis=1)


class RolledCodes:
    """Bar codes with fast products of all their whole shifts, at the cost of one matrix product."""

    def __init__(self, codes: np.ndarray):
        """Take codes [neuron, rotation, feature]."""
        self.codes = check_codes(codes)
        self.neurons, self.rotations, self.features = self.codes.shape
        self._flat = self.codes.reshape(self.neurons, -1)
        places = np.arange(self.rotations)
        self._back = (places[None] + places[:, None]) % self.rotations  # rolled back by j: place r is taken from r + j

    @cached_property
    def autocorrelation(self) -> np.ndarray:
        """Products [neuron, d] of a code with itself shifted by d places."""
        power = np.square(np.abs(np.fft.rfft(self.codes, axis=1))).sum(axis=2)
        return np.fft.irfft(power, n=self.rotations, axis=1)

    def overlap(self, template: np.ndarray) -> np.ndarray:
        """Return products [neuron, j] of every code shifted by j places with `template` [rotation, feature]."""
        return self._flat @ template[self._back].reshape(self.rotations, -1).T

    def total(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_n sum_j weights[n, j] roll_j(code_n), [rotation, feature]."""
        sums = (weights.T @ self._flat).reshape(self.rotations, self.rotations, self.features)
        return np.sum([np.roll(part, j, axis=0) for j, part in enumerate(sums)], axis=0)

    def times_autocorrelation(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_k weights[n, k] <roll_j code_n, roll_k code_n>, [neuron, j]."""
        product = np.fft.rfft(self.autocorrelation, axis=1) * np.fft.rfft(weights, axis=1)
        return np.fft.irfft(product, n=self.rotations, axis=1)

    def squared_norm(self, weights: np.ndarray) -> np.ndarray:
        """Return |sum_j weights[a, j] roll_j(code_n)|^2 [neuron, a] for weights [a, rotation]."""
        power = np.square(np.abs(np.fft.rfft(weights, axis=1)))
        return self.autocorrelation @ np.fft.irfft(power, n=self.rotations, axis=1).T

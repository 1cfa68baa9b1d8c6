"""Shifts of bar codes that undo differences of preferred orientation: as published, and by coordinate ascent.

`published` follows the authors' script: Adam on the mean pair distance of softly shifted codes, with a learned
temperature. `coordinate_ascent` keeps the temperature and makes the mean of shifted codes, each of unit norm, as long
as it can be: all neurons take the angle whose shifted code points most along the mean, then the mean is made anew.
Neither step can shorten the mean, so it stops; of many starts the longest mean wins. No step sees a label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.bar_codes.bar_code_parameters import PublishedOptions
from calcium_latents.studies.digital_twin.bar_codes.bar_codes import (
    VON_MISES,
    RolledCodes,
    combine,
    shift_weights,
    unit_norm,
)

STEPS_AT_MOST = 200  # of an ascent; it has stopped long before
LEAST_NORM = 1e-7  # of a smoothed code, as a part of its norm: less is rounding


@dataclass(frozen=True)
class Alignment:
    """Shifts of all neurons.

    Attributes:
        shift_rad: [neuron], in [0, 2 pi).
        temperature: of the soft shift; infinite for whole shifts.
        aligned: [neuron, rotation, feature], shifted codes.
        losses: of every start: published loss, or 1 - |mean|^2 of unit codes of a coordinate ascent; the least won.
        steps: of all starts together.
    """

    shift_rad: np.ndarray
    temperature: float
    aligned: np.ndarray
    losses: tuple[float, ...] = ()
    steps: int = 0


def loss_gradient(
    rolled: RolledCodes, shift_rad: np.ndarray, temperature: float, penalty: float
) -> tuple[float, np.ndarray, float]:
    """Return the authors' loss, its derivatives by shifts [neuron] and by the temperature, in closed form and O(N)."""
    n, r = rolled.neurons, rolled.rotations
    places = 2 * np.pi * np.arange(r) / r
    distance = places - shift_rad[:, None]
    p = shift_weights(shift_rad, r, temperature)
    with_self = rolled.times_autocorrelation(p)
    mean = rolled.total(p) / n
    loss = 2 * ((p * with_self).sum() / n - np.square(mean).sum())
    by_exponent = _through_softmax(p, 4 / n * (with_self - rolled.overlap(mean)))
    by_shift = (by_exponent * np.sin(distance)).sum(axis=1) * temperature
    by_temperature = (by_exponent * np.cos(distance)).sum()

    own = rolled.autocorrelation.mean(axis=0)
    q = shift_weights(0.0, r, temperature)
    convolved = np.fft.irfft(np.fft.rfft(own) * np.fft.rfft(q), n=r)
    loss += penalty * (q @ convolved - 2 * q @ own + own[0])
    by_temperature += penalty * _through_softmax(q, 2 * (convolved - own)) @ np.cos(places)
    return float(loss), by_shift, float(by_temperature)


def _through_softmax(p: np.ndarray, by_weight: np.ndarray) -> np.ndarray:
    return p * (by_weight - (p * by_weight).sum(axis=-1, keepdims=True))


def published(codes: np.ndarray, seed: int, options: PublishedOptions | None = None) -> Alignment:
    """Align bar codes [neuron, rotation, feature] as the authors' script does; the best of several starts."""
    options = options or PublishedOptions()
    rolled = RolledCodes(codes)
    runs = [_descend(rolled, seed, start, options) for start in progress(range(options.starts), "alignment")]
    loss, shift, temperature, _ = min(runs, key=lambda run: run[0])
    aligned = combine(rolled.codes, shift_weights(shift, rolled.rotations, temperature))
    return Alignment(shift, temperature, aligned, tuple(run[0] for run in runs), sum(run[3] for run in runs))


def _descend(rolled: RolledCodes, seed: int, start: int, options: PublishedOptions):
    """Return loss, shifts, temperature and steps of one start: Adam on logits of t / 2 pi and of T / its highest."""
    rng = generator(seed, "bar_code_alignment", "published", start)
    logits = np.append(rng.normal(0, 0.01, rolled.neurons), 0.0)  # shifts near pi, temperature at half its highest
    scale = np.append(np.full(rolled.neurons, 2 * np.pi), options.highest_temperature)
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    best, best_value, step = np.inf, None, 0
    for stage in range(options.stages):
        rate, waited = options.learning_rate / 10 ** (stage / 2), 0
        while waited < options.patience and step < options.most_steps:
            part = 1 / (1 + np.exp(-logits))
            value = scale * part
            loss, by_shift, by_temperature = loss_gradient(rolled, value[:-1], value[-1], options.penalty)
            if step % options.check_every == 0:
                waited = 0 if loss < best * (1 - options.least_gain) else waited + 1
                if loss < best:
                    best, best_value = loss, value
            gradient = np.append(by_shift, by_temperature) * value * (1 - part)
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            logits = logits - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return best, best_value[:-1] % (2 * np.pi), float(best_value[-1]), step


def coordinate_ascent(
    codes: np.ndarray, temperature: float, seed: int, starts: int = 20, angles: int = 32, kernel: str = VON_MISES
) -> Alignment:
    """Align bar codes [neuron, rotation, feature] at a fixed temperature to their mean; the best of many starts.

    Args:
        codes: every neuron counts the same whatever its norm, but a neuron of zeros does not count.
        temperature: of the soft shift; infinite: no smoothing, and whole shifts alone unless the kernel is `FOURIER`.
        seed: of the starts.
        starts: templates to begin with: the codes of so many neurons, drawn without replacement.
        angles: candidates for every shift.
        kernel: of the shift.
    """
    rolled = RolledCodes(codes)
    grid = Grid(rolled, temperature, angles, kernel)
    rng = generator(seed, "bar_code_alignment", "coordinate ascent")
    order = rng.permutation(rolled.neurons)[:starts]
    best, losses, steps = np.zeros(rolled.neurons, int), [], 0
    for neuron in progress(order, "alignment"):
        template = unit_norm(grid.shifted(np.zeros(1, int), [neuron]))[0]
        places, length, used = _ascend(grid, template)
        losses.append(1 - length)
        steps += used
        if len(losses) == 1 or losses[-1] < min(losses[:-1]):
            best = places
    return Alignment(grid.angles[best], temperature, grid.shifted(best), tuple(losses), steps)


def _ascend(grid: "Grid", template: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Return the place of every neuron on the grid of angles, |mean|^2, and steps."""
    places, steps = grid.nearest(template), 0
    while steps < STEPS_AT_MOST:
        steps += 1
        found = grid.nearest(grid.mean(places))
        if np.array_equal(found, places):
            break
        places = found
    return places, float(np.square(grid.mean(places)).sum()), steps


class Grid:
    """Bar codes shifted by a grid of angles, without holding them all."""

    def __init__(self, rolled: RolledCodes, temperature: float, angles: int, kernel: str = VON_MISES):
        """Take codes, temperature and kernel of the shift, and the number of angles."""
        if not temperature > 0:
            raise UserError(f"alignment: temperature: expected a number above 0, found {temperature}.")
        if angles < rolled.rotations:
            raise UserError(f"alignment: angles: expected at least {rolled.rotations} (rotations), found {angles}.")
        if np.isinf(temperature) and kernel == VON_MISES:
            angles = rolled.rotations
        self.rolled = rolled
        self.angles = 2 * np.pi * np.arange(angles) / angles
        self.weights = shift_weights(self.angles, rolled.rotations, temperature, kernel)
        length = np.sqrt(np.maximum(rolled.squared_norm(self.weights), 0))
        # a code without a component that survives the smoothing has no direction
        alive = length > LEAST_NORM * np.sqrt(rolled.autocorrelation[:, :1])
        self.factor = np.where(alive, 1 / np.where(alive, length, 1), 0)

    def nearest(self, template: np.ndarray) -> np.ndarray:
        """Return [neuron] the place of the angle whose shifted code, of unit norm, has the largest product."""
        return ((self.rolled.overlap(template) @ self.weights.T) * self.factor).argmax(axis=1)

    def mean(self, places: np.ndarray) -> np.ndarray:
        """Return the mean of shifted codes of unit norm [rotation, feature]."""
        factor = np.take_along_axis(self.factor, places[:, None], axis=1)
        return self.rolled.total(self.weights[places] * factor) / self.rolled.neurons

    def shifted(self, places: np.ndarray, neurons: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """Return shifted codes [neuron, rotation, feature] of all neurons, or of some."""
        return combine(self.rolled.codes[neurons], self.weights[places])

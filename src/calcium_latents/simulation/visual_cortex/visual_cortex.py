"""A population of neurons of the visual cortex whose properties are known, and its rates to any image.

The rate of a neuron to an image is

    gain num / (semisaturation + self_weight num + orthogonal_weight X + surround_weight S),

where num is the squared response of a Gabor filter if positive (simple cells), the energy of a quadrature pair
(complex cells), or the squared positive response of a centre-surround filter (ON, OFF); X is the energy of the pair
at the orthogonal orientation; and S is the mean energy of four orientations, 45 degrees apart and the same for all
neurons, weighted by 1 + t cos 2(own - orientation), t the `surround_tuning`, in a pool around the receptive field.
Filters have no response to uniform light, and respond with 1 to themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from scipy import fft

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import fail
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import (
    GABOR_TYPES,
    POOL_REACH,
    VisualCortexParameters,
)

CHUNK_VALUES = 2_000_000  # pixels of padded images whose spectra are held at a time
ORIENTATIONS = 4  # of the surround's filters
PER_NEURON = (
    *("neuron_type", "kind", "is_complex", "surround_weight", "orthogonal_weight", "orientation_rad", "phase_rad"),
    *("frequency_cpp", "envelope_px", "surround_px", "hole_px", "gain", "position_px"),
)
SHARED = ("semisaturation", "self_weight", "surround_tuning", "pool_frequency_cpp", "pool_envelope_px")


@dataclass(frozen=True)
class Population:
    """Neurons with known receptive fields.

    Attributes
    ----------
    shape
        (height, width) of the images, px.
    neuron_type, kind
        [neuron], names of `NEURON_TYPES`, and "gabor", "on" or "off".
    is_complex
        [neuron], 1: phase-invariant.
    surround_weight, orthogonal_weight
        [neuron], 0 where a type has no such property.
    orientation_rad, phase_rad, frequency_cpp, envelope_px
        [neuron], of the Gabor filter; `envelope_px` is a standard deviation, of the centre for ON and OFF neurons,
        whose first three are 0 (phase pi: OFF).
    surround_px, hole_px
        [neuron], standard deviations of the surround's pool and of the hole in it; for ON and OFF neurons
        `surround_px` is the standard deviation of the antagonistic Gaussian and the hole is 0.
    gain
        [neuron], spikes.
    position_px
        [neuron, axis (y, x)], centre of the receptive field.
    semisaturation, self_weight
        Constants of the normalisation.
    surround_tuning
        How much the surround prefers the neuron's own orientation: 0 not at all, 1 as much as it can.
    pool_frequency_cpp, pool_envelope_px
        Of the filters that the surround pools.
    """

    shape: tuple[int, int]
    neuron_type: np.ndarray
    kind: np.ndarray
    is_complex: np.ndarray
    surround_weight: np.ndarray
    orthogonal_weight: np.ndarray
    orientation_rad: np.ndarray
    phase_rad: np.ndarray
    frequency_cpp: np.ndarray
    envelope_px: np.ndarray
    surround_px: np.ndarray
    hole_px: np.ndarray
    gain: np.ndarray
    position_px: np.ndarray
    semisaturation: float = 0.25
    self_weight: float = 0.5
    surround_tuning: float = 1.0
    pool_frequency_cpp: float = 0.19
    pool_envelope_px: float = 2.0

    @classmethod
    def draw(cls, parameters: VisualCortexParameters, shape: tuple[int, int], random: np.random.Generator):
        """Return a population with gains of 1, drawn from `random`; see `with_gains`."""
        count = parameters.neurons
        names = np.array(draw_types(parameters.shares, count, random), dtype=object)
        bits = np.array([GABOR_TYPES.get(name, (False, False, False)) for name in names], bool)
        kind = np.array([name.lower() if name in ("ON", "OFF") else "gabor" for name in names], dtype=object)
        is_gabor = kind == "gabor"
        radius = parameters.place_radius_px * np.sqrt(random.random(count))
        angle = 2 * np.pi * random.random(count)
        centre = (np.array(shape) - 1) / 2

        def around(mean: float, variation: float) -> np.ndarray:
            # Clipped, so that no draw is far off or negative.
            return mean * np.clip(1 + variation * random.normal(size=count), 1 - 3 * variation, 1 + 3 * variation)

        orientation, phase = random.random((2, count))
        orientation, phase = 2 * np.pi * orientation, parameters.phase_spread_rad * (2 * phase - 1) % (2 * np.pi)
        frequency, envelope = (around(value, parameters.jitter) for value in (parameters.frequency_cpp, 1.0))
        inner = np.where(is_gabor, parameters.envelope_px, parameters.centre_px) * envelope
        orthogonal, surround = (
            around(value, parameters.weight_jitter)
            for value in (parameters.orthogonal_weight, parameters.surround_weight)
        )
        return cls(
            shape=tuple(shape),
            neuron_type=names,
            kind=kind,
            is_complex=bits[:, 0].astype(np.int8),
            surround_weight=np.where(bits[:, 1], surround, 0.0),
            orthogonal_weight=np.where(bits[:, 2], orthogonal, 0.0),
            orientation_rad=np.where(is_gabor, orientation, 0.0),
            phase_rad=np.where(is_gabor, phase, np.where(kind == "off", np.pi, 0.0)),
            frequency_cpp=np.where(is_gabor, frequency, 0.0),
            envelope_px=inner,
            surround_px=np.where(is_gabor, parameters.surround_px, parameters.antagonist_ratio * inner),
            hole_px=np.where(is_gabor, parameters.hole_px, 0.0),
            gain=np.ones(count),
            position_px=centre + radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1),
            semisaturation=parameters.semisaturation,
            self_weight=parameters.self_weight,
            surround_tuning=parameters.surround_tuning,
            pool_frequency_cpp=parameters.frequency_cpp,
            pool_envelope_px=parameters.envelope_px,
        )

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset, path: str = "responses"):
        """Return the population that gave the responses of a simulated ImageResponses box.

        Raises
        ------
        UserError
            The truth is not known; `path` names the file in the message.
        """
        missing = [name for name in PER_NEURON if name not in dataset] + [n for n in SHARED if n not in dataset.attrs]
        if missing:
            fail(path, missing[0], "the truth of a simulated data set", "none", "Give a simulated data set.")
        values: dict[str, Any] = {name: dataset[name].values for name in PER_NEURON}
        values |= {name: float(dataset.attrs[name]) for name in SHARED}
        shape = (dataset.sizes["y"], dataset.sizes["x"])
        return cls(shape=shape, **values)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.gain)

    def truth(self) -> dict[str, np.ndarray]:
        """Return the truth variables of an ImageResponses box, but for the rates."""
        return {name: getattr(self, name) for name in PER_NEURON}

    def attributes(self) -> dict[str, float]:
        """Return what `from_dataset` needs besides `truth`."""
        return {name: getattr(self, name) for name in SHARED}

    def subset(self, neurons: np.ndarray) -> "Population":
        """Return the population of these neurons (indices)."""
        return replace(self, **{name: getattr(self, name)[neurons] for name in PER_NEURON})

    def with_gains(self, images: np.ndarray, mean_spikes: float, highest_spikes: float) -> "Population":
        """Return the population with gains such that the mean rate to `images` [n, y, x] is `mean_spikes`.

        Where the 99.9th percentile of a neuron's rates would then be beyond `highest_spikes`, it is set to that.
        """
        drive = replace(self, gain=np.ones(self.neurons)).rates(images).astype(float)
        mean, high = drive.mean(axis=0), np.quantile(drive, 0.999, axis=0)
        if (silent := np.flatnonzero(mean <= 0)).size:
            raise UserError(
                f"visual cortex: expected images that drive every neuron, found none for neuron {silent[0]} "
                f"({self.neuron_type[silent[0]]}). Show more images."
            )
        return replace(self, gain=np.minimum(mean_spikes / mean, highest_spikes / np.maximum(high, 1e-12)))

    @cached_property
    def filters(self) -> np.ndarray:
        """[kind, neuron, y, x], float32: even, odd, orthogonal even, orthogonal odd; zero where a neuron has none."""
        filters = np.zeros((4, self.neurons, *self.shape))
        down = np.arange(self.shape[0]) - self.position_px[:, :1]
        right = np.arange(self.shape[1]) - self.position_px[:, 1:]
        distance = down[:, :, None] ** 2 + right[:, None, :] ** 2
        gabors = np.flatnonzero(self.kind == "gabor")
        envelope = np.exp(-distance / (2 * self.envelope_px[:, None, None] ** 2))
        for first, turn in ((0, 0.0), (2, np.pi / 2)):
            angle = (self.orientation_rad + turn)[gabors, None, None]
            along = down[gabors, :, None] * np.sin(angle) + right[gabors, None, :] * np.cos(angle)
            carrier = 2 * np.pi * self.frequency_cpp[gabors, None, None] * along + self.phase_rad[gabors, None, None]
            for index, wave in enumerate((np.cos(carrier), -np.sin(carrier))):
                filters[first + index, gabors] = _balanced(envelope[gabors] * wave, envelope[gabors])
        for index in np.flatnonzero(self.kind != "gabor"):
            antagonist = np.exp(-distance[index] / (2 * self.surround_px[index] ** 2))
            sign = -1 if self.kind[index] == "off" else 1
            filters[0, index] = _balanced((sign * envelope[index])[None], antagonist[None])[0]
        filters[1, self.is_complex == 0] = 0
        filters[2:, self.orthogonal_weight == 0] = 0
        return filters.astype(np.float32)

    @cached_property
    def pools(self) -> np.ndarray:
        """[neuron, y, x], float32: weights of places in the surround, which add up to 1; zero without a surround."""
        pools = np.zeros((self.neurons, *self.shape))
        for index in np.flatnonzero(self.surround_weight > 0):
            y, x = self.position_px[index]
            distance = (np.arange(self.shape[0]) - y)[:, None] ** 2 + (np.arange(self.shape[1]) - x) ** 2
            spread, hole = 2 * self.surround_px[index] ** 2, 2 * self.hole_px[index] ** 2
            pool = np.exp(-distance / spread) * (1 - np.exp(-distance / hole))
            pools[index] = np.where(distance <= (POOL_REACH * self.surround_px[index]) ** 2, pool, 0)
            pools[index] /= pools[index].sum()
        return pools.astype(np.float32)

    @cached_property
    def surround_shares(self) -> np.ndarray:
        """[neuron, orientation]: weights of the surround's orientations, which add up to 1."""
        angle = self.orientation_rad[:, None] - np.pi * np.arange(ORIENTATIONS) / ORIENTATIONS
        return (1 + self.surround_tuning * np.cos(2 * angle)) / ORIENTATIONS

    def rates(self, images: np.ndarray) -> np.ndarray:
        """Return the expected responses [n, neuron], float32, spikes, of all neurons to images [n, y, x]."""
        images = self._checked(images)
        flat = images.reshape(len(images), self.shape[0] * self.shape[1])
        numerator, orthogonal = self._drive(flat, self.filters)
        divisor = self.semisaturation + self.self_weight * numerator
        divisor += self.orthogonal_weight.astype(np.float32) * orthogonal
        suppressed = np.flatnonzero(self.surround_weight > 0)
        if suppressed.size:
            pools = self.pools[suppressed].reshape(suppressed.size, -1).T
            for rows, energy in self._energies(images):
                surround = energy.reshape(*energy.shape[:2], -1) @ pools  # [orientation, row, neuron]
                weight = self.surround_weight[suppressed, None] * self.surround_shares[suppressed]
                divisor[rows, suppressed] += np.einsum("orn,no->rn", surround, weight.astype(np.float32))
        return self.gain.astype(np.float32) * numerator / divisor

    def own_rates(self, images: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """Return [n], float32: the rate of neuron `neurons[k]` (index) to image k of [n, y, x]."""
        images, neurons = self._checked(images), np.asarray(neurons)
        flat = images.reshape(len(images), self.shape[0] * self.shape[1])
        if neurons.shape != (len(images),):
            found = f"{len(images)} images and neurons of shape {neurons.shape}"
            raise UserError(f"visual cortex: expected one neuron an image, found {found}. Repeat neurons or images.")
        numerator, orthogonal, surround = np.zeros((3, len(images)), np.float32)
        order = np.argsort(neurons, kind="stable")
        bounds = np.flatnonzero(np.diff(neurons[order], prepend=-1))
        for rows in np.split(order, bounds)[1:]:
            neuron = neurons[rows[0]]
            own = self._drive(flat[rows], self.filters[:, neuron : neuron + 1], slice(neuron, neuron + 1))
            numerator[rows], orthogonal[rows] = own[0][:, 0], own[1][:, 0]
        suppressed = np.flatnonzero(self.surround_weight[neurons] > 0)
        for rows, energy in self._energies(images[suppressed]):
            own = neurons[suppressed[rows]]
            pooled = np.einsum("onyx,nyx->no", energy, self.pools[own])
            surround[suppressed[rows]] = (pooled * self.surround_shares[own]).sum(1)
        divisor = self.semisaturation + self.self_weight * numerator
        divisor += self.orthogonal_weight[neurons] * orthogonal + self.surround_weight[neurons] * surround
        return (self.gain[neurons] * numerator / divisor).astype(np.float32)

    def _checked(self, images: Any) -> np.ndarray:
        images = np.asarray(images, np.float32)
        if images.ndim != 3 or images.shape[1:] != tuple(self.shape):
            expected = f"images [n, {self.shape[0]}, {self.shape[1]}]"
            raise UserError(f"visual cortex: expected {expected}, found shape {images.shape}. Give images of its size.")
        return images

    def _drive(self, flat: np.ndarray, filters: np.ndarray, of: Any = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Return (numerator, orthogonal energy) [n, neuron] to flat images [n, pixel]."""
        count = filters.shape[1]
        even = flat @ filters[0].reshape(count, -1).T
        is_complex = self.is_complex[of] == 1
        even[:, ~is_complex] = np.maximum(even[:, ~is_complex], 0)
        numerator, orthogonal = even**2, np.zeros_like(even)
        for neurons, index, target in (
            (np.flatnonzero(is_complex), 1, numerator),
            (np.flatnonzero(self.orthogonal_weight[of] > 0), 2, orthogonal),
            (np.flatnonzero(self.orthogonal_weight[of] > 0), 3, orthogonal),
        ):
            if neurons.size:
                target[:, neurons] += (flat @ filters[index, neurons].reshape(neurons.size, -1).T) ** 2
        return numerator, orthogonal

    @cached_property
    def _bank(self) -> tuple[tuple[int, int], int, np.ndarray]:
        """(padded shape, half width of a filter, spectra [orientation, y, x] of the surround's analytic filters)."""
        reach = int(np.ceil(3 * self.pool_envelope_px))
        place = np.arange(-reach, reach + 1)
        envelope = np.exp(-(place[:, None] ** 2 + place**2) / (2 * self.pool_envelope_px**2))
        padded = tuple(fft.next_fast_len(size + 2 * reach) for size in self.shape)
        spectra = []
        for index in range(ORIENTATIONS):
            angle = np.pi * index / ORIENTATIONS
            along = place[:, None] * np.sin(angle) + place * np.cos(angle)
            carrier = 2 * np.pi * self.pool_frequency_cpp * along
            even, odd = (
                _balanced((envelope * wave)[None], envelope[None])[0] for wave in (np.cos(carrier), np.sin(carrier))
            )
            # The filter is an even and an odd one at once; reversed, as a response is a correlation.
            spectra.append(fft.fft2((even + 1j * odd)[::-1, ::-1], padded))
        return padded, reach, np.stack(spectra).astype(np.complex64)

    def _energies(self, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (rows, energy [orientation, row, y, x]), in chunks; images continue with grey."""
        padded, reach, spectra = self._bank
        (height, width), size = self.shape, max(1, CHUNK_VALUES // (padded[0] * padded[1]))
        for start in range(0, len(images), size):
            rows = slice(start, min(start + size, len(images)))
            spectrum = fft.fft2(images[rows], padded)
            energy = np.empty((ORIENTATIONS, rows.stop - rows.start, height, width), np.float32)
            for number, own in enumerate(spectra):
                # A filter of 2 reach + 1 px that is put at the corner answers `reach` px late.
                response = fft.ifft2(spectrum * own)[:, reach : reach + height, reach : reach + width]
                energy[number] = response.real**2 + response.imag**2
            yield rows, energy


def _balanced(patterns: np.ndarray, envelopes: np.ndarray) -> np.ndarray:
    """Take so much of the envelope from patterns [n, y, x] that they add up to 0; respond with 1 to themselves."""
    totals = patterns.sum(axis=(1, 2)) / envelopes.sum(axis=(1, 2))
    balanced = patterns - totals[:, None, None] * envelopes
    return balanced / (balanced**2).sum(axis=(1, 2), keepdims=True)


def draw_types(shares: Any, count: int, random: np.random.Generator) -> list[str]:
    """Return `count` type names in random order, in numbers as near to `shares` as whole numbers can be."""
    names = [name for name, share in shares.items() if share > 0]
    exact = np.array([shares[name] for name in names]) * count / sum(shares[name] for name in names)
    counts = np.floor(exact).astype(int)
    # The largest remainders get one more; ties go to the first.
    for index in np.argsort(counts - exact, kind="stable")[: count - counts.sum()]:
        counts[index] += 1
    return [names[index] for index in random.permutation(np.repeat(np.arange(len(names)), counts))]

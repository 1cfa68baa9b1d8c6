"""A few energy-model neurons with known optima, asked as the twin and the true neurons are."""

import numpy as np

from calcium_latents.simulation.visual_cortex.gabors import gabor


class FakeProbe:
    """Simple (half-squared) and complex (quadrature energy) neurons with divisive saturation and, by weight,
    inhibition by the orthogonal orientation and by a wide surround.

    Args:
        image_shape: (y, x), px.
        position_px: [n, 2].
        orientation_rad, phase_rad, frequency_cpp, size_px: [n], of the filters.
        is_complex: [n].
        orthogonal_weight, surround_weight: [n], of the inhibition.
    """

    def __init__(
        self,
        image_shape,
        position_px,
        orientation_rad,
        phase_rad,
        frequency_cpp,
        size_px,
        is_complex,
        orthogonal_weight=0.0,
        surround_weight=0.0,
    ):
        self.image_shape = tuple(image_shape)
        self.neurons = len(position_px)
        self.is_complex = np.broadcast_to(is_complex, self.neurons).astype(bool)
        self.orthogonal_weight = np.broadcast_to(orthogonal_weight, self.neurons)
        self.surround_weight = np.broadcast_to(surround_weight, self.neurons)
        self.shown = 0
        y, x = np.asarray(position_px, float).T

        def pair(turn, size):
            first = gabor(image_shape, y, x, size, frequency_cpp, 2.0, orientation_rad + turn, phase_rad)
            second = gabor(image_shape, y, x, size, frequency_cpp, 2.0, orientation_rad + turn, phase_rad + np.pi / 2)
            filters = np.stack([first, second]).reshape(2, self.neurons, -1).astype(np.float64)
            filters -= filters.mean(axis=2, keepdims=True)
            return filters / (filters**2).sum(axis=2, keepdims=True)

        size_px = np.broadcast_to(size_px, self.neurons).astype(float)
        self.filters, self.orthogonal = pair(0.0, size_px), pair(np.pi / 2, size_px)
        rows, columns = np.indices(image_shape)
        r2 = (rows - y[:, None, None]) ** 2 + (columns - x[:, None, None]) ** 2
        ring = np.exp(-r2 / (2 * (size_px[:, None, None]) ** 2)) - np.exp(-r2 / (size_px[:, None, None] ** 2 / 4))
        ring = np.clip(ring, 0, None).reshape(self.neurons, -1)
        self.ring = ring / ring.sum(axis=1, keepdims=True)

    def all_rates(self, images):
        """Rates [n, neuron] to images [n, y, x]."""
        self.shown += len(images)
        return self._rates(images, np.arange(self.neurons)).astype(np.float32)

    def own_rates(self, images, neurons):
        """Rate [n] of neuron neurons[k] to image k."""
        self.shown += len(images)
        neurons = np.asarray(neurons)
        flat = np.asarray(images, np.float64).reshape(len(images), -1)
        even, odd = (np.einsum("np,np->n", flat, bank[neurons]) for bank in self.filters)
        side = sum(np.einsum("np,np->n", flat, bank[neurons]) ** 2 for bank in self.orthogonal)
        around = np.einsum("np,np->n", flat**2, self.ring[neurons])
        return self._combine(even, odd, side, around, neurons).astype(np.float32)

    def _rates(self, images, neurons):
        flat = np.asarray(images, np.float64).reshape(len(images), -1)
        even, odd = flat @ self.filters[0].T, flat @ self.filters[1].T
        side = (flat @ self.orthogonal[0].T) ** 2 + (flat @ self.orthogonal[1].T) ** 2
        return self._combine(even, odd, side, flat**2 @ self.ring.T, neurons)

    def _combine(self, even, odd, side, around, neurons):
        drive = np.where(self.is_complex[neurons], even**2 + odd**2, np.clip(even, 0, None) ** 2)
        brake = self.orthogonal_weight[neurons] * side + self.surround_weight[neurons] * around
        return 2 * drive / (0.25 + 0.5 * drive + brake)


def make_probe(neurons=8, image_shape=(20, 22), seed=0, **weights):
    """Half of the neurons complex, places within 2 px of the centre, frequencies about 0.19 cycles/px."""
    rng = np.random.default_rng(seed)
    centre = (np.array(image_shape) - 1) / 2
    truth = {
        "position_px": centre + rng.uniform(-2, 2, (neurons, 2)),
        "orientation_rad": rng.uniform(0, 2 * np.pi, neurons),
        "phase_rad": rng.choice([0.0, np.pi / 2], neurons),
        "frequency_cpp": 0.19 * rng.uniform(0.9, 1.1, neurons),
        "size_px": 8 * rng.uniform(0.9, 1.1, neurons),
        "is_complex": np.arange(neurons) % 2,
    }
    return FakeProbe(image_shape, **truth, **weights), truth

"""How far a Gabor or a difference of Gaussians goes towards a neuron's most exciting image (MEI), at equal energy.

Eqs 15 to 17 of the digital-twin paper: a neuron's best Gabor, best difference of Gaussians (DoG) and MEI are scaled
to the same L2 norm at several levels, and an index is the mean over levels of the ratio of two responses. The paper
prints neither the number of levels nor their places; here they lie in geometric steps around the norm of the MEIs.

Two nulls answer what any image of that energy would reach: noise with the amplitude spectrum of the neuron's own MEI
and random phases (equally smooth, at no place), and the MEI of another neuron, drawn at random, moved to this
neuron's place but not turned.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.optimal_stimuli.mei_parameters import StimulusComparisonParameters

#: (images [n, y, x], neurons [n]) -> rate of neuron neurons[k] to images[k], [n]
OwnRates = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: index -> (stimulus above, stimulus below)
INDICES = {
    "gabor_vs_mei": ("gabor", "mei"),
    "dog_vs_mei": ("dog", "mei"),
    "gabor_vs_dog": ("gabor", "dog"),
    "null_noise_vs_mei": ("noise", "mei"),
    "null_other_vs_mei": ("other", "mei"),
}


def compare_stimuli(
    own_rates: OwnRates,
    neurons: np.ndarray,
    stimuli: dict[str, np.ndarray],
    norm: float,
    parameters: StimulusComparisonParameters | None = None,
) -> pd.DataFrame:
    """Return one row a neuron: `neuron` and those of `INDICES` whose stimuli are given.

    Args:
        own_rates: rate of each image's own neuron.
        neurons: [n].
        stimuli: name ("gabor", "dog", "mei", "noise", "other") -> images [n, y, x]; an image of NaN or of zeros is
            one that this neuron does not have, and its indices are NaN.
        norm: of the MEIs, the middle level.
        parameters: see there.
    """
    parameters = parameters or StimulusComparisonParameters()
    neurons = np.asarray(neurons)
    rates = {
        name: np.stack([rates_at_norm(own_rates, neurons, images, level) for level in parameters.norms(norm)])
        for name, images in stimuli.items()
    }  # each [level, n]
    largest = np.nanmax(np.stack([np.nan_to_num(values, nan=0.0) for values in rates.values()]), axis=0)
    table = {"neuron": neurons}
    for name, (above, below) in INDICES.items():
        if above in rates and below in rates:
            known = (rates[below] > parameters.floor * largest) & (rates[below] > 0)
            ratios = np.where(known, rates[above] / np.where(known, rates[below], 1), np.nan)
            table[name] = ratios.mean(axis=0)  # one level that is undefined leaves the index undefined
    return pd.DataFrame(table)


def rates_at_norm(own_rates: OwnRates, neurons: np.ndarray, images: np.ndarray, norm: float) -> np.ndarray:
    """Return rates [n] of neurons [n] to images [n, y, x] scaled to L2 norm `norm`; NaN for images of NaN or zeros."""
    norms = np.sqrt(np.square(images, dtype=float).sum(axis=(1, 2)))
    there = norms > 0  # False for NaN
    rates = np.full(len(images), np.nan)
    if there.any():
        scaled = images[there] * (norm / norms[there])[:, None, None]
        rates[there] = own_rates(scaled.astype(np.float32), neurons[there])
    return rates


def noise_of_equal_spectrum(images: np.ndarray, neurons: np.ndarray, seed: int) -> np.ndarray:
    """Return images [n, y, x] with the amplitude spectrum of `images` and random phases; NaN stays NaN.

    The L2 norm is that of `images`. A neuron's phases depend on no other neuron.
    """
    shape = images.shape[1:]
    white = [generator(seed, "noise image", int(neuron)).standard_normal(shape) for neuron in neurons]
    phases = np.fft.rfft2(np.array(white).reshape(-1, *shape))
    spectrum = np.abs(np.fft.rfft2(images)) * phases / np.maximum(np.abs(phases), 1e-12)
    return np.fft.irfft2(spectrum, s=shape).astype(np.float32)


def images_of_others(images: np.ndarray, centre_px: np.ndarray, neurons: np.ndarray, seed: int) -> np.ndarray:
    """Return for every neuron the image of another one, drawn at random, moved from its place to this neuron's.

    Moves are by whole px; what leaves the image is cut off, what enters is zero.

    Args:
        images: [n, y, x], NaN for neurons without one; these get NaN and lend none.
        centre_px: [n, 2] (y, x).
        neurons: [n], for the address of the random numbers.
        seed: of the draw.
    """
    found = np.full(images.shape, np.nan, np.float32)
    have = np.flatnonzero(np.isfinite(images).all(axis=(1, 2)) & np.isfinite(centre_px).all(axis=1))
    for at in have:
        others = have[have != at]
        if others.size:
            other = generator(seed, "another neuron", int(neurons[at])).choice(others)
            by = np.rint(centre_px[at] - centre_px[other]).astype(int)
            found[at] = move(images[other], int(by[0]), int(by[1]))
    return found


def move(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return image [y, x] moved by whole px; zeros enter."""
    height, width = image.shape
    moved = np.zeros_like(image)
    if abs(down) < height and abs(right) < width:
        source = image[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
        moved[max(0, down) : height - max(0, -down), max(0, right) : width - max(0, -right)] = source
    return moved

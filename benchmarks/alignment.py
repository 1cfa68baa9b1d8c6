"""Alignment of bar codes: the published gradient descent against coordinate ascent, in seconds and in loss.

    python benchmarks/alignment.py [--neurons 300 1000] [--features 16] [--noise 0.3] [--paper]

Codes are copies of a few types' codes, turned by any angle, with noise. Both minimise the published loss at the
temperature that the descent has learned: the ascent through the length of the mean code, so that the loss printed here
is not quite what it minimises. `--paper` adds 13,047 neurons (one start of the descent).
"""

import argparse
import time

import numpy as np

from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.bar_codes.bar_code_alignment import (
    Alignment,
    PublishedOptions,
    coordinate_ascent,
    published,
)
from calcium_latents.studies.digital_twin.bar_codes.bar_codes import FOURIER, VON_MISES, alignment_loss, unit_norm

ROTATIONS, TYPES, HARMONICS = 8, 10, 4
PAPER = 13_047


def made_codes(neurons: int, features: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bar codes [neuron, rotation, feature] of unit norm, the angles [neuron] that they are turned by, and types."""
    rng = generator(0, "benchmarks", "alignment")
    angle, kind = rng.uniform(0, 2 * np.pi, neurons), np.arange(neurons) % TYPES
    phase, size = rng.uniform(0, 2 * np.pi, (HARMONICS, features)), rng.normal(size=(TYPES, HARMONICS, features))
    place = 2 * np.pi * np.arange(ROTATIONS)[:, None] / ROTATIONS - angle[:, None, None]
    codes = unit_norm(sum(size[kind, None, k] * np.cos(k * place + phase[k]) for k in range(HARMONICS)))
    return unit_norm(codes + noise * rng.normal(size=codes.shape) / np.sqrt(codes[0].size)), angle, kind


def timed(function) -> tuple[float, object]:
    """Return seconds and the result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def error_deg(shift_rad: np.ndarray, angle: np.ndarray, kind: np.ndarray) -> float:
    """Median distance of shift + angle, degrees, to its mean direction within the type: 0 where turns are undone."""
    z = np.exp(1j * (shift_rad + angle))
    centre = np.array([z[kind == k].mean() for k in range(TYPES)])
    return float(np.median(np.abs(np.angle(z * np.conj(centre[kind]), deg=True))))


def compare(neurons: int, features: int, noise: float, starts: int) -> None:
    """Print both at one number of neurons."""
    codes, *truth = made_codes(neurons, features, noise)
    slow, descent = timed(lambda: published(codes, 0, PublishedOptions(starts=starts)))
    temperature = descent.temperature
    print(f"{neurons} neurons, {codes[0].size} weights each; error: in degrees, median, within types")
    report(
        "gradient (published)",
        temperature,
        slow,
        slow,
        descent,
        min(descent.losses),
        error_deg(descent.shift_rad, *truth),
    )
    for kernel, at in ((VON_MISES, temperature), (VON_MISES, 6.0), (VON_MISES, np.inf), (FOURIER, 6.0)):
        fast, found = timed(lambda kernel=kernel, at=at: coordinate_ascent(codes, at, 0, kernel=kernel))
        loss = alignment_loss(codes, found.shift_rad, at, kernel=kernel)
        report(f"coordinate ascent, {kernel}", at, fast, slow, found, loss, error_deg(found.shift_rad, *truth))


def report(
    what: str, temperature: float, seconds: float, slow: float, found: Alignment, loss: float, error: float
) -> None:
    """Print one line."""
    print(
        f"    {what:28s} T {temperature:5.2f}: {seconds:6.2f} s ({slow / seconds:4.1f} times as fast), "
        f"{len(found.losses):2d} starts, {found.steps:5d} steps, loss {loss:.4f}, error {error:5.1f}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--noise", type=float, default=0.3, help="its norm, as a part of the code's")
    parser.add_argument("--paper", action="store_true", help=f"{PAPER} neurons too")
    options = parser.parse_args()
    for neurons in options.neurons:
        compare(neurons, options.features, options.noise, 3)
    if options.paper:
        compare(PAPER, options.features, options.noise, 1)


if __name__ == "__main__":
    main()

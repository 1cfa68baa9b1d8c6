"""Two-stage search for optimal Gabors beside the whole grid: images shown, seconds, and the rate that is found.

    python benchmarks/gabor_search.py [--neurons 12] [--side 7] [--seed 0]

Simulated neurons (all types) and an untrained digital twin are asked over `--side` x `--side` places at the centre of
26 x 26 px images. The coarse scan serves all neurons at once, so that its share shrinks as neurons are added; the rate
ratio says what the search misses: 1 is the grid's optimum. An untrained twin has rates that hardly peak, which is easy
for the rates and hard for the places; it is here for its cost an image.
"""

import argparse
import time

import numpy as np
import torch

from calcium_latents.models.digital_twin.parameters import CoreSizes
from calcium_latents.models.digital_twin.twin import DigitalTwin
from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import (
    Counter,
    SearchSettings,
    brute_force,
    search,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import GaborGrid
from calcium_latents.studies.digital_twin.probe import ModelProbe, TruthProbe

SHAPE = (26, 26)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("neurons", 12), ("side", 7), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    first = (SHAPE[0] - options.side) // 2
    span = (first, first + options.side - 1)
    grid = GaborGrid(
        rows_px=span,
        columns_px=span,
        image_shape=SHAPE,
        sizes_px=(6.0, 8.0, 10.0),
        cycles_per_size=(1.1, 1.5, 1.9),
        contrasts=(1.0, 2.0),
        orientations=8,
        phases=4,
    )
    population = {"neurons": options.neurons, "place_radius_px": (options.side - 1) / 2}
    numbers = {"training_images": 200, "validation_images": 2, "test_images": 2, "repeats": 2, "animals": 1}
    responses = simulate_visual_cortex({**numbers, "shape": SHAPE, "neurons": population}, options.seed)
    places = responses["position_px"].values
    compare("simulated neurons", TruthProbe(responses), grid, places)
    sizes = CoreSizes(features=(4, 4, 4), kernels=(9, 5, 5), rotations=8)
    twin = DigitalTwin(sizes, SHAPE, options.neurons, torch.Generator().manual_seed(options.seed))
    probe = ModelProbe(twin)
    compare("untrained twin", probe, grid, twin.mask_centres().numpy())


def compare(name: str, probe, grid: GaborGrid, starts_px: np.ndarray) -> None:
    """Print images, seconds and rates of both searches."""
    neurons = np.arange(probe.neurons)
    shown, seconds, rates = [], [], []
    for method in ("search", "brute force"):
        counter = Counter(probe)
        start = time.perf_counter()
        if method == "search":
            found = search(counter, grid, starts_px, neurons, SearchSettings())
        else:
            found = brute_force(counter, grid, neurons)
        seconds.append(time.perf_counter() - start)
        shown.append(counter.images)
        rates.append(found.rates)
    ratio = rates[0] / np.maximum(rates[1], 1e-12)
    print(f"{name}, {len(neurons)} neurons, grid of {grid.size} images:")
    for method, images, time_s in zip(("two-stage search", "whole grid"), shown, seconds, strict=True):
        print(f"    {method}: {images} images, {time_s:.1f} s")
    print(f"    {shown[1] / shown[0]:.1f} times as many images, {seconds[1] / seconds[0]:.1f} times as long")
    print(
        f"    rate found over the grid's best: median {np.median(ratio):.3f}, lowest {ratio.min():.3f}; "
        f"{np.mean(ratio > 1 - 1e-4):.0%} of neurons exactly"
    )


if __name__ == "__main__":
    main()

"""Time and memory of the cross-encoder: a population as one program against its members one after the other.

    python benchmarks/cross_encoder.py             # 500 sources, 1,000 targets, batch 2,048 (the published size)
    python benchmarks/cross_encoder.py --quick     # 100 sources, 150 targets, batch 128 (the quick scale)

Both are timed in turns in one run; prints seconds a step, the ratio, and the peak memory of the process.
"""

import argparse
import resource
import time
from dataclasses import replace

import torch

from calcium_latents.models.cross_encoder.activity_noise import add_noise
from calcium_latents.models.cross_encoder.network import CrossEncoder, CrossEncoderSizes
from calcium_latents.models.cross_encoder.parameters import NoiseVariances
from calcium_latents.training.optimizer import PopulationAdam
from calcium_latents.training.streams import Streams


class Trainer:
    """Optimiser steps of one population on random activity.

    Args:
        sizes: of the population.
        batch: pairs a step.
    """

    def __init__(self, sizes: CrossEncoderSizes, batch: int):
        self.model = CrossEncoder(sizes, Streams(range(sizes.population)))
        self.optimizer = PopulationAdam(self.model.parameters(), torch.full((sizes.population,), 1e-3))
        self.random = torch.Generator().manual_seed(1)
        self.inputs = torch.rand(batch, sizes.inputs, generator=self.random)
        self.outputs = torch.rand(batch, sizes.targets, generator=self.random)
        self.noise = NoiseVariances(copies=0)

    def step(self) -> None:
        """Draw noise, predict, go back, update."""
        inputs = add_noise(self.inputs, self.noise, self.random)
        self.optimizer.zero_grad()
        prediction = self.model(inputs)
        prediction.backward((prediction.detach() - self.outputs).mul_(2 / len(inputs)))
        self.optimizer.step()


def timed(trainers: list[Trainer], steps: int) -> float:
    """Return seconds a step of all `trainers`."""
    start = time.perf_counter()
    for _ in range(steps):
        for trainer in trainers:
            trainer.step()
    return (time.perf_counter() - start) / steps


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--restarts", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    latent_sizes = tuple(size for size in (1, 2, 3, 4, 5, 8, 16) for _ in range(options.restarts))
    if options.quick:
        sizes, batch, steps = CrossEncoderSizes(100, 150, latent_sizes, (64,), True, 16), 128, 20
    else:
        sizes, batch, steps = CrossEncoderSizes(500, 1000, latent_sizes, (256, 256), True, 16), 2048, 1
    population = [Trainer(sizes, batch)]
    alone = [Trainer(replace(sizes, latent_sizes=(size,)), batch) for size in latent_sizes]
    timed(population, 1), timed(alone, 1)
    rounds = [(timed(population, steps), timed(alone, steps)) for _ in range(options.rounds)]
    together, apart = (sorted(values)[options.rounds // 2] for values in zip(*rounds, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    count = len(latent_sizes)
    print(f"{count} models, {sizes.inputs} sources, {sizes.targets} targets, batch {batch}, threads {options.threads}")
    print(f"population {together:.4f} s/step, {together / count:.4f} s a model; one by one {apart:.4f} s/step")
    print(f"ratio {apart / together:.2f} (median of {options.rounds} turns); peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()

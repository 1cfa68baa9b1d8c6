"""Time of training AVAE+: a step, 300 bins, of 1, 2, 5 and 10 models together.

    python benchmarks/avae_plus_step.py [--rounds 5] [--threads 1]

Prints wall and CPU seconds (medians; the latter hardly depend on what else runs). The allocator settings of the rule
that trains (workflow/rules/training.smk) make it faster; set them in the environment to compare.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from calcium_latents.models.avae_plus.parameters import STEPS_PER_ROUND, AvaePlusOptions
from calcium_latents.models.avae_plus.training import AvaePlusFit
from calcium_latents.models.traces.bins import fit_bins
from calcium_latents.models.traces.parameters import BinOptions
from calcium_latents.seeds import generator

TRAINING, HIDDEN, LATENTS = 600, 128, 8
TOGETHER = (1, 2, 5, 10)


def traces(count: int, samples: int, rate_hz: float) -> np.ndarray:
    """Return decaying events at random times [count, samples], between about -0.5 and 0.5."""
    random = generator(1, "benchmark", "traces")
    values = np.empty((count, samples), np.float32)
    decay = np.exp(-1 / rate_hz)
    level = np.zeros(count)
    for t in range(samples):
        level = decay * level + (random.random(count) < 0.5 / rate_hz)
        values[:, t] = 0.2 * level - 0.5
    return values + 0.02 * random.standard_normal(values.shape, np.float32)


def compare(rounds: int, threads: int) -> None:
    """Print seconds a step of AVAE+ for several numbers of models together, in turns."""
    torch.set_num_threads(threads)
    values = traces(TRAINING, 300, 10)
    bins = fit_bins(values, 10, BinOptions(width_s=0.1, most=600, decay_time_s=1.0), LATENTS // 4)
    scaled, options = bins.to_bins(values), AvaePlusOptions(steps=10**6, pool=4096)
    fits = {}
    for count in TOGETHER:
        arguments = HIDDEN, LATENTS, LATENTS // 4, [1.0] * count, range(count)
        fits[count] = AvaePlusFit([bins] * count, [scaled] * count, *arguments, options)
        fits[count].start(torch.device("cpu"))
    seconds = {count: [] for count in TOGETHER}
    for number in range(rounds + 1):
        for count, fit in fits.items():
            wall, cpu = time.perf_counter(), time.process_time()
            fit.round()
            if number > 0:
                ends = time.perf_counter() - wall, time.process_time() - cpu
                seconds[count].append([end / STEPS_PER_ROUND * 1e3 for end in ends])
    print(f"AVAE+ step, {bins.bins} bins, hidden {HIDDEN}, batch {options.batch_size}, threads {threads}")
    for count, values in seconds.items():
        wall, cpu = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{count:3d} together: wall {wall:.2f} ms, CPU {cpu:.2f} ms a step; CPU {cpu / count:.2f} ms a model")


def main() -> None:
    """Read the options and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    compare(options.rounds, options.threads)


if __name__ == "__main__":
    main()

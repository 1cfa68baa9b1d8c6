"""Seconds of a RADICaL training step at the paper's sizes: 384 trials x 278 neurons x 90 bins, 1/3 sampled.

    python benchmarks/train_step.py [--threads 1] [--batch 384 32] [--sampling bands|every-neuron]
        [--loops compiled|handwritten]

Prints wall and CPU seconds (median) and peak memory. The allocator
settings of the training rule (workflow/rules/training.smk) make it faster; set them in the environment to compare.
"""

import argparse
import resource
import statistics
import time

import numpy as np
import torch

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.objective import Hyperparameters, step_objective
from calcium_latents.models.lfads.observation import ZeroInflatedGammaObservation
from calcium_latents.models.lfads.parameters import LFADSSizes, ObjectiveOptions
from calcium_latents.training.optimizer import PopulationAdam
from calcium_latents.training.streams import Streams

PENALTIES = ("generator", "controller", "initial_condition_encoder", "controller_input_encoder")


def synthetic_events(trials: int, bins: int, neurons: int, sampling: str) -> torch.Tensor:
    """Random events with the sparsity of deconvolved fluorescence: 4.5 % of the sampled entries."""
    rng = np.random.default_rng(0)
    events = np.where(
        rng.random((trials, bins, neurons)) < 0.045, rng.gamma(1.0, 0.15, (trials, bins, neurons)) + 0.1, 0
    )
    if sampling == "bands":  # three bands of the field of view, staggered by trial
        phase = (np.arange(neurons) * 3 // neurons + np.arange(trials)[:, None]) % 3
    else:  # every neuron at a phase of its own, on a clock that drifts against the bins
        phase = np.floor(rng.random((trials, neurons)) * 3)
    sampled = (np.arange(bins)[None, :, None] - phase[:, None]) % 3 == 0
    if sampling == "every-neuron":
        sampled &= rng.random(sampled.shape) < 0.9
    return torch.from_numpy(np.where(sampled, events, np.nan).astype(np.float32))


def main() -> None:
    """Time training steps and print a line a batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, nargs="+", default=[384, 32])
    parser.add_argument("--neurons", type=int, default=278)
    parser.add_argument("--bins", type=int, default=90)
    parser.add_argument("--population", type=int, default=1)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--sampling", choices=["bands", "every-neuron"], default="bands")
    parser.add_argument("--loops", choices=["compiled", "handwritten"], default="compiled")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    streams = Streams(range(options.population))
    store = TrialStore(synthetic_events(384, options.bins, options.neurons, options.sampling))
    observation = ZeroInflatedGammaObservation(options.neurons, options.population, 0.0999)
    model = LFADS(LFADSSizes(neurons=options.neurons), observation, streams, options.loops)
    values = {f"{name}_l2": 1e-3 for name in PENALTIES} | {
        "initial_condition_kl": 1e-5,
        "inferred_inputs_kl": 1e-5,
    }
    values |= {"learning_rate": 1e-3, "dropout_rate": 0.3, "coordinated_dropout_rate": 0.5, "sigmoid_scale_prior": 20.0}
    hyperparameters = Hyperparameters.uniform(values, options.population)
    optimizer = PopulationAdam(model.parameters(), hyperparameters.learning_rate, clip=300.0)
    for size in options.batch:
        wall, cpu = [], []
        for _ in range(options.steps):
            start = time.perf_counter(), time.process_time()
            terms = step_objective(
                model, store.batch(torch.randperm(384)[:size]), hyperparameters, 1.0, ObjectiveOptions(), streams
            )
            optimizer.zero_grad()
            terms["total"].sum().backward()
            optimizer.step()
            wall.append(time.perf_counter() - start[0])
            cpu.append(time.process_time() - start[1])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"batch {size}, population {options.population}, {options.threads} thread(s), {options.sampling}: "
            f"{statistics.median(wall):.3f} s wall, {statistics.median(cpu):.3f} s CPU a step, {peak:.2f} GiB peak"
        )


if __name__ == "__main__":
    main()

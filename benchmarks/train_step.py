"""CPU seconds of a RADICaL training step and its parts, of this code and, interleaved, of another checkout's.

    python benchmarks/train_step.py [--against CHECKOUT] [--networks half paper] [--batch 32 384] [--bins 90]
        [--threads 1] [--population 1] [--sampling bands|every-neuron] [--loops compiled|handwritten] [--rounds 5]

A line a size: milliseconds (median over rounds) of making a batch, of the objective, of its gradient and of the
optimiser, the peak memory and, against another checkout (`git worktree add ../old COMMIT`), the ratio of each. Each
code runs in a process of its own; the two take turns. The allocator settings of the training rule
(workflow/rules/training.smk) can be set in the environment to compare, and so can OpenBLAS's kernels
(`OPENBLAS_CORETYPE`; on processors with 512-bit vectors, those of `Haswell` take three times as long).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
NETWORKS = {
    "half": {"encoder": 32, "controller": 32, "generator": 64, "initial_condition": 32, "factors": 32},
    "paper": {},
}
TRIALS = 384
PENALTIES = ("generator", "controller", "initial_condition_encoder", "controller_input_encoder")
PARTS = ("batch", "objective", "backward", "optimiser")


def synthetic_events(trials: int, bins: int, neurons: int, sampling: str) -> Any:
    """Random events with the sparsity of deconvolved fluorescence: 4.5 % of the sampled entries."""
    import numpy as np
    import torch

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


def work(options: argparse.Namespace) -> None:
    """Take the number of steps that each line of standard input says, and print seconds by part and peak memory."""
    import torch

    from calcium_latents.models.lfads.batches import TrialStore
    from calcium_latents.models.lfads.model import LFADS
    from calcium_latents.models.lfads.objective import Hyperparameters, step_objective
    from calcium_latents.models.lfads.observation import ZeroInflatedGammaObservation
    from calcium_latents.models.lfads.parameters import LFADSSizes, ObjectiveOptions
    from calcium_latents.training.optimizer import PopulationAdam
    from calcium_latents.training.streams import Streams

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    streams = Streams(range(options.population))
    store = TrialStore(synthetic_events(TRIALS, options.bins[0], options.neurons, options.sampling))
    observation = ZeroInflatedGammaObservation(options.neurons, options.population, 0.0999)
    sizes = LFADSSizes(neurons=options.neurons, **NETWORKS[options.networks[0]])
    model = LFADS(sizes, observation, streams, options.loops)
    values = {f"{name}_l2": 1e-3 for name in PENALTIES} | {
        "initial_condition_kl": 1e-5,
        "inferred_inputs_kl": 1e-5,
    }
    values |= {"learning_rate": 1e-3, "dropout_rate": 0.3, "coordinated_dropout_rate": 0.5, "sigmoid_scale_prior": 20.0}
    hyperparameters = Hyperparameters.uniform(values, options.population)
    optimizer = PopulationAdam(model.parameters(), hyperparameters.learning_rate, clip=300.0)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            times = [time.process_time()]
            batch = store.batch(torch.randperm(TRIALS)[: options.batch[0]])
            times.append(time.process_time())
            terms = step_objective(model, batch, hyperparameters, 1.0, ObjectiveOptions(), streams)
            times.append(time.process_time())
            optimizer.zero_grad()
            terms["total"].sum().backward()
            times.append(time.process_time())
            optimizer.step()
            times.append(time.process_time())
            seconds.append([after - before for before, after in zip(times[:-1], times[1:], strict=True)])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": seconds, "peak": peak}), flush=True)


class Code:
    """A checkout's code, in a process of its own."""

    def __init__(self, checkout: Path, words: list[str]):
        environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
        command = [sys.executable, __file__, "--work", *words]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.rounds: list[list[float]] = []
        self.peak = 0.0
        self.run(2)  # loops are compiled, buffers made
        self.rounds.clear()

    def run(self, steps: int) -> None:
        """Take some steps, and keep the median of each part."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(steps, file=self.process.stdin, flush=True)
        found = json.loads(self.process.stdout.readline())
        self.rounds.append([statistics.median(part) for part in zip(*found["seconds"], strict=True)])
        self.peak = found["peak"]

    def end(self) -> list[float]:
        """Seconds of every part, and of all together: medians over rounds."""
        self.process.communicate()
        parts = [statistics.median(part) for part in zip(*self.rounds, strict=True)]
        return [*parts, statistics.median(sum(one) for one in self.rounds)]


def compare(options: argparse.Namespace, words: list[str]) -> None:
    """Time one size and print its line."""
    codes = [Code(HERE, words), *([Code(options.against.resolve(), words)] if options.against else [])]
    for _ in range(options.rounds):
        for code in codes:
            code.run(options.steps)
    seconds = [code.end() for code in codes]
    print(" ".join(words[:6]))
    for place, name in enumerate((*PARTS, "step")):
        values = [1e3 * one[place] for one in seconds]
        ratio = f", {values[0] / values[1]:.2f} of {values[1]:.2f} ms" if options.against else ""
        print(f"    {name:10s} {values[0]:8.2f} ms{ratio}")
    print(f"    {'peak':10s} {' against '.join(f'{code.peak:.2f}' for code in codes)} GiB", flush=True)


def main() -> None:
    """Time every combination of sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=["half"])
    parser.add_argument("--batch", type=int, nargs="+", default=[32])
    parser.add_argument("--bins", type=int, nargs="+", default=[90])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--neurons", type=int, default=278)
    parser.add_argument("--population", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of a round")
    parser.add_argument("--sampling", choices=["bands", "every-neuron"], default="bands")
    parser.add_argument("--loops", choices=["compiled", "handwritten"], default="compiled")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options)
        return
    kept = [f"--{name}={getattr(options, name)}" for name in ("threads", "neurons", "population", "sampling", "loops")]
    for networks in options.networks:
        for batch in options.batch:
            for bins in options.bins:
                compare(options, ["--networks", networks, "--batch", str(batch), "--bins", str(bins), *kept])


if __name__ == "__main__":
    main()

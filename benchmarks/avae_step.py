"""Time and memory of training the autoencoders of traces.

    python benchmarks/avae_step.py                   # an epoch of 600 traces x 6,000 samples, (D1, D2) = (128, 8)
    python benchmarks/avae_step.py --plus            # a step of AVAE+, 300 bins, of 1, 2, 5 and 10 models together

The first compares ours with the published architecture as it is: `torch.nn.LSTM` on sequences of length one, whose
decoder has hidden size T and so 4 T^2 recurrent weights that never get a gradient but zero. Both run in turns, each in
a process of its own (4 GB for the published one at T = 6,000, about 24 GB at 15,000); an epoch ends with the loss of
150 held-out traces, as in training. Prints wall and CPU seconds (medians; the latter hardly depend on what else runs),
their ratio, and each process's peak memory. The allocator settings of the training rule (workflow/rules/training.smk)
make ours faster; set them in the environment to compare.
"""

import argparse
import multiprocessing
import resource
import statistics
import time

import numpy as np
import torch
from torch import nn

from calcium_latents.models.avae.parameters import AvaeOptions
from calcium_latents.models.avae.training import AvaeFit
from calcium_latents.models.avae_plus.parameters import STEPS_PER_ROUND, AvaePlusOptions
from calcium_latents.models.avae_plus.training import AvaePlusFit
from calcium_latents.models.traces.bins import fit_bins
from calcium_latents.models.traces.parameters import BinOptions
from calcium_latents.seeds import generator

TRAINING, STOPPING, HIDDEN, LATENTS, BETA = 600, 150, 128, 8, 0.5
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


class Published(nn.Module):
    """The published model as its facts say: a trace is one time step of two LSTMs."""

    def __init__(self, samples: int):
        super().__init__()
        self.encoder = nn.LSTM(samples, HIDDEN, batch_first=True)
        self.mean, self.log_variance = nn.Linear(HIDDEN, LATENTS), nn.Linear(HIDDEN, LATENTS)
        self.expand = nn.Linear(LATENTS, HIDDEN)
        self.decoder = nn.LSTM(HIDDEN, samples, batch_first=True)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        """Squared error plus weighted divergence, summed over traces `[n, T]`."""
        hidden = self.encoder(x.unsqueeze(1))[0].squeeze(1)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        reconstruction = self.decoder(self.expand(z).unsqueeze(1))[0].squeeze(1)
        divergence = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum()
        return (reconstruction - x).square().sum() + BETA * divergence


class PublishedTraining:
    """Epochs of the published model with PyTorch's own parts; `round` as `AvaeFit`'s."""

    def __init__(self, values: np.ndarray, options: AvaeOptions):
        self.values, self.options, self.model = torch.as_tensor(values), options, Published(values.shape[1])
        self.optimizer = torch.optim.Adam(self.model.parameters(), options.learning_rate, eps=options.adam_epsilon)
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, options.learning_rate_decay)

    def round(self) -> None:
        """One epoch, then the loss of the held-out traces."""
        for batch in torch.randperm(TRAINING).split(self.options.batch_size):
            self.optimizer.zero_grad()
            (self.model.loss(self.values[batch]) / self.options.batch_size).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options.gradient_clip)
            self.optimizer.step()
        self.schedule.step()
        with torch.no_grad():
            self.model.loss(self.values[TRAINING:])


def our_training(values: np.ndarray, options: AvaeOptions) -> AvaeFit:
    """Return a fit of one of our models to the same traces."""
    training, stopping = np.arange(TRAINING)[None], np.arange(TRAINING, TRAINING + STOPPING)[None]
    fit = AvaeFit(values, training, stopping, HIDDEN, LATENTS, [BETA], [1], options)
    fit.start(torch.device("cpu"))
    return fit


def worker(connection, name: str, samples: int, threads: int) -> None:
    """Train an epoch at each request, answer with wall and CPU seconds; in the end, with the peak memory in GB."""
    torch.set_num_threads(threads)
    make = {"ours": our_training, "published": PublishedTraining}[name]
    trained = make(traces(TRAINING + STOPPING, samples, samples / 30), AvaeOptions())
    while connection.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        trained.round()
        connection.send((time.perf_counter() - wall, time.process_time() - cpu))
    connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)


def compare(samples: int, rounds: int, threads: int) -> None:
    """Print seconds an epoch of ours and of the published model, in turns."""
    context = multiprocessing.get_context("spawn")
    ends, processes, seconds = {}, [], {"ours": [], "published": []}
    for name in seconds:
        ends[name], other = context.Pipe()
        processes.append(context.Process(target=worker, args=(other, name, samples, threads)))
        processes[-1].start()
    for number in range(rounds + 1):
        for name, end in ends.items():
            end.send(True)
            measured = end.recv()
            if number > 0:  # the first epoch makes the optimiser's state
                seconds[name].append(measured)
    print(f"epoch of {TRAINING} traces x {samples} samples, ({HIDDEN}, {LATENTS}), threads {threads}, {rounds} turns")
    medians = {}
    for name, end in ends.items():
        end.send(False)
        wall, cpu = medians[name] = [statistics.median(column) for column in zip(*seconds[name], strict=True)]
        least = min(cpu for _, cpu in seconds[name])
        print(f"{name:10s} wall {wall:.3f} s, CPU {cpu:.3f} s (least {least:.3f} s), peak memory {end.recv():.2f} GB")
    ratios = [theirs / ours for theirs, ours in zip(medians["published"], medians["ours"], strict=True)]
    print(f"published / ours: wall {ratios[0]:.1f}, CPU {ratios[1]:.1f}")
    for process in processes:
        process.join()


def plus(rounds: int, threads: int) -> None:
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
    """Run one of the two comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--plus", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.plus:
        plus(options.rounds, options.threads)
    else:
        compare(options.samples, options.rounds, options.threads)


if __name__ == "__main__":
    main()

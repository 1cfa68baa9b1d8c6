"""Training of the published autoencoder: mini-batches, decaying learning rate, early stopping (facts of its code)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from calcium_latents.models.avae.network import Avae, divergence
from calcium_latents.models.avae.parameters import AvaeOptions
from calcium_latents.models.traces.member_queue import Fit
from calcium_latents.training.optimizer import PopulationAdam
from calcium_latents.training.streams import Streams


class AvaeFit(Fit):
    """Trains M models of equal sizes on their own neurons, each until it stops.

    Args:
        values: normalised traces [N, T].
        training, stopping: neurons to train on and to stop by, [M, n] and [M, m].
        hidden, latents: sizes.
        betas: weight of the divergence of each model [M].
        seeds: one a model.
        options: see `AvaeOptions`.
    """

    values: Tensor
    training: Tensor
    stopping: Tensor
    best: Tensor
    worse: Tensor
    stopped: Tensor

    def __init__(
        self,
        values: np.ndarray,
        training: np.ndarray,
        stopping: np.ndarray,
        hidden: int,
        latents: int,
        betas: Sequence[float],
        seeds: Sequence[int],
        options: AvaeOptions,
    ):
        self.options, self.epoch = options, 0
        streams = Streams(seeds)
        super().__init__(
            Avae(values.shape[1], hidden, latents, streams),
            streams,
            betas,
            values=torch.as_tensor(values),
            training=torch.as_tensor(training),
            stopping=torch.as_tensor(stopping),
            best=torch.full((len(seeds),), torch.inf),
            worse=torch.zeros(len(seeds), dtype=torch.long),
            stopped=torch.zeros(len(seeds), dtype=torch.bool),
        )

    def start(self, device: torch.device) -> None:
        """Move to `device`."""
        super().start(device)
        self.learning_rate = torch.full((len(self.betas),), self.options.learning_rate, device=device)
        betas, clip = tuple(self.options.adam_betas), self.options.gradient_clip
        self.optimizer = PopulationAdam(
            self.model.parameters(), self.learning_rate, betas, self.options.adam_epsilon, clip
        )

    def round(self) -> bool:
        """One epoch of every model that has not stopped."""
        options, members = self.options, len(self.betas)
        rate = options.learning_rate * options.learning_rate_decay**self.epoch
        self.optimizer.set_learning_rate(torch.where(self.stopped, 0.0, rate))
        order = self.streams.uniform(members, self.training.shape[1]).argsort(1)
        neurons = self.training.gather(1, order)
        batches = neurons.split(options.batch_size, 1)
        total = torch.zeros(members, device=self.values.device)
        for batch in batches:
            loss = self._loss(batch) / options.batch_size
            self.optimizer.zero_grad()
            loss.sum().backward()
            self.optimizer.step()
            total += loss.detach() * options.batch_size
        with torch.no_grad():
            held_out = self._loss(self.stopping) / self.stopping.shape[1] / len(batches)
        running = ~self.stopped
        gained = held_out < self.best - options.smallest_gain
        self.best = torch.where(gained & running, held_out, self.best)
        self.worse = torch.where(gained, 0, self.worse + 1)
        self.epoch += 1
        for member in running.nonzero().flatten().tolist():
            row = {"member": member, "epoch": self.epoch, "training_loss": float(total[member]) / neurons.shape[1]}
            self._rows.append(row | {"stopping_loss": float(held_out[member])})
        # a model that is not finite any more never gains, and stops
        self.stopped = self.stopped | (self.worse >= options.patience)
        return bool(self.stopped.all())

    def _loss(self, neurons: Tensor) -> Tensor:
        """Squared error plus weighted divergence, summed over traces `[M, b]`: `[M]`."""
        x = self.values[neurons]
        noise = self.streams.normal(*neurons.shape, self.model.latents)
        reconstruction, mean, log_variance = self.model(x, noise)
        error = (reconstruction - x).square().sum((1, 2))
        return error + self.betas * divergence(mean, log_variance).sum(1)

"""The published autoencoder of traces: `nn.LSTM` on sequences of length one.

Its decoder has hidden size T and so 4 T^2 recurrent weights that never get a gradient but zero.
"""

import numpy as np
import torch
from torch import nn

from calcium_latents.models.avae.parameters import AvaeOptions


class Published(nn.Module):
    """The published model as its facts say: a trace is one time step of two LSTMs."""

    def __init__(self, samples: int, hidden: int, latents: int, beta: float):
        super().__init__()
        self.beta = beta
        self.encoder = nn.LSTM(samples, hidden, batch_first=True)
        self.mean, self.log_variance = nn.Linear(hidden, latents), nn.Linear(hidden, latents)
        self.expand = nn.Linear(latents, hidden)
        self.decoder = nn.LSTM(hidden, samples, batch_first=True)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        """Squared error plus weighted divergence, summed over traces `[n, T]`."""
        hidden = self.encoder(x.unsqueeze(1))[0].squeeze(1)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        reconstruction = self.decoder(self.expand(z).unsqueeze(1))[0].squeeze(1)
        divergence = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum()
        return (reconstruction - x).square().sum() + self.beta * divergence


class PublishedTraining:
    """Epochs of the published model with PyTorch's own parts; `round` as `AvaeFit`'s."""

    def __init__(self, values: np.ndarray, training: int, options: AvaeOptions, **sizes):
        self.values, self.training, self.options = torch.as_tensor(values), training, options
        self.model = Published(values.shape[1], **sizes)
        self.optimizer = torch.optim.Adam(self.model.parameters(), options.learning_rate, eps=options.adam_epsilon)
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, options.learning_rate_decay)

    def round(self) -> None:
        """One epoch, then the loss of the held-out traces."""
        for batch in torch.randperm(self.training).split(self.options.batch_size):
            self.optimizer.zero_grad()
            (self.model.loss(self.values[batch]) / self.options.batch_size).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options.gradient_clip)
            self.optimizer.step()
        self.schedule.step()
        with torch.no_grad():
            self.model.loss(self.values[self.training :])

"""The published variational autoencoder of single-neuron traces (Abante et al. 2025, Methods 2.3 and Fig. 2).

The authors call it autoregressive, and its layers are LSTMs. But their code hands a whole trace of T samples to the
LSTM as one time step with T features, from a state of zero. Then nothing recurs: an LSTM on a sequence of length one is

    h = sigmoid(o) * tanh(sigmoid(i) * tanh(g)),   (i, g, o) = W x + b_input + b_hidden

a gated dense layer. The gradient of the recurrent weights and of the forget gate is exactly zero, so leaving them out
changes nothing but the time: 97 to 99.7 % of the published parameters are such (a test compares with `torch.nn.LSTM`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calcium_latents.training.streams import Streams


@dataclass(frozen=True)
class AvaeSizes:
    """Sizes of a population of models that differ in nothing but their weights.

    Attributes:
        members: number of models, M.
        samples: of a trace, T.
        hidden: D1 in the paper.
        latents: D2 in the paper.
    """

    members: int
    samples: int
    hidden: int
    latents: int


class GatedDense(nn.Module):
    """A population of LSTM layers on sequences of length one: `[M, n, inputs]` to `[M, n, outputs]`.

    Args:
        inputs, outputs: widths.
        streams: random streams of the first weights, one a member; uniform within 1 / sqrt(outputs), as LSTMs start.

    Parameters: `weight` `[M, inputs, 3 outputs]` of the input gate, the candidate and the output gate; the two biases
    `[M, 1, 3 outputs]`, which always have the same gradient and are kept apart because Adam moves each.
    """

    def __init__(self, inputs: int, outputs: int, streams: Streams):
        super().__init__()
        self.weight = nn.Parameter(_uniform(streams, inputs, 3 * outputs, outputs))
        self.bias_input = nn.Parameter(_uniform(streams, 1, 3 * outputs, outputs))
        self.bias_hidden = nn.Parameter(_uniform(streams, 1, 3 * outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return h; its values lie within tanh(1) = 0.76 of zero."""
        gates = torch.baddbmm(self.bias_input + self.bias_hidden, x, self.weight)
        entry, candidate, exit_ = gates.chunk(3, -1)
        return exit_.sigmoid() * (entry.sigmoid() * candidate.tanh()).tanh()


class Avae(nn.Module):
    """A population of published models.

    Args:
        sizes: see `AvaeSizes`.
        streams: random streams of the first weights, one a member.
    """

    def __init__(self, sizes: AvaeSizes, streams: Streams):
        super().__init__()
        self.sizes = sizes
        self.encoder = GatedDense(sizes.samples, sizes.hidden, streams)
        self.mean = _Linear(sizes.hidden, sizes.latents, streams)
        self.log_variance = _Linear(sizes.hidden, sizes.latents, streams)
        self.expand = _Linear(sizes.latents, sizes.hidden, streams)
        self.decoder = GatedDense(sizes.hidden, sizes.samples, streams)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance `[M, n, latents]` of the posterior of traces `[M, n, T]`."""
        hidden = self.encoder(x)
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, z: Tensor) -> Tensor:
        """Return reconstructions `[M, n, T]`."""
        return self.decoder(self.expand(z))

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return reconstruction `[M, n, T]`, mean, log variance, with z = mean + noise exp(log variance / 2)."""
        mean, log_variance = self.encode(x)
        return self.decode(mean + noise * (0.5 * log_variance).exp()), mean, log_variance


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence from the standard normal, summed over latents (Eq. 12): `[..., latents]` to `[...]`."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(-1)


class _Linear(nn.Module):
    """`torch.nn.Linear` for a population, with its first weights."""

    def __init__(self, inputs: int, outputs: int, streams: Streams):
        super().__init__()
        self.weight = nn.Parameter(_uniform(streams, inputs, outputs, inputs))
        self.bias = nn.Parameter(_uniform(streams, 1, outputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


def _uniform(streams: Streams, rows: int, columns: int, width: int) -> Tensor:
    return (2 * streams.uniform(len(streams), rows, columns) - 1) * width**-0.5

"""AVAE+: our variational autoencoder of single-neuron traces.

What differs from the published one, and why:

- Inputs are centred, outputs unbounded, and both halves start as principal components with a perceptron beside them
  that starts at zero: training starts where the linear method ends.
- It is trained on traces cut and joined anew at random (`models.traces.augmentation`): burst times, which all neurons
  of a culture share, cannot be learnt by heart.
- The posterior is refined: starting from the encoder's mean, a few Levenberg-Marquardt steps find the latents that
  explain the trace best (`models.traces.latent_inference`), because an encoder generalises worse than its decoder; the
  curvature there gives their uncertainty.
- A quarter of the latents, the identity latents, have a prior about a code of how many events a trace has and how large
  they are (`models.traces.statistics`); the others have the standard normal one, and are left to say when.
- The evidence lower bound has the residual's own variance: its divergence counts in nats, and beta = 1 means that.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from calcium_latents.training.streams import Streams

FIRST_LOG_SD = -3.0  # of the posterior's standard deviation


@dataclass(frozen=True)
class AvaePlusSizes:
    """Sizes of a population of models that differ in nothing but their weights.

    Attributes:
        members: number of models, M.
        bins: of a trace as the model sees it, B.
        hidden: units of each of the two hidden layers, in the encoder and in the decoder.
        latents: of which the first `identity` are the identity latents.
        identity: number of identity latents.
    """

    members: int
    bins: int
    hidden: int
    latents: int
    identity: int

    @property
    def timing(self) -> int:
        """Number of latents that say when."""
        return self.latents - self.identity


class AvaePlus(nn.Module):
    """A population of encoders and decoders.

    Args:
        sizes: see `AvaePlusSizes`.
        streams: random streams of the first weights, one a member.
        mean: mean trace `[M, bins]`.
        components: principal directions `[M, timing, bins]`, orthonormal.
        scales: standard deviation of the scores `[M, timing]`: latents start with variance one.
    """

    def __init__(self, sizes: AvaePlusSizes, streams: Streams, mean: Tensor, components: Tensor, scales: Tensor):
        super().__init__()
        self.sizes = sizes
        self.mean = nn.Parameter(mean.unsqueeze(1).clone())
        self.linear_encoder = nn.Parameter((components / scales.unsqueeze(-1)).mT.contiguous())
        self.linear_decoder = nn.Parameter((components * scales.unsqueeze(-1)).contiguous())
        self.encoder = _Perceptron(sizes.bins, sizes.hidden, sizes.latents, streams)
        self.decoder = _Perceptron(sizes.latents, sizes.hidden, sizes.bins, streams)
        self.log_sd = nn.Parameter(torch.full((sizes.members, 1, sizes.latents), FIRST_LOG_SD))

    def encode(self, x: Tensor, code: Tensor) -> Tensor:
        """Return the posterior's mean `[M, n, latents]` of traces `[M, n, bins]` with codes `[M, n, identity]`."""
        centred = x - self.mean
        return torch.cat([code, centred @ self.linear_encoder], -1) + self.encoder(centred)

    def decode(self, z: Tensor) -> Tensor:
        """Return reconstructions `[M, n, bins]` of latents `[M, n, latents]`."""
        return self.mean + z[..., self.sizes.identity :] @ self.linear_decoder + self.decoder(z)

    def divergence(self, mean: Tensor, code: Tensor, identity_sd: float) -> Tensor:
        """KL divergence `[M, n]` of the posterior, N(mean, exp(log_sd)^2), from the prior.

        The prior of the identity latents is N(code, identity_sd^2), that of the others the standard normal.
        """
        identity = self.sizes.identity
        squares = torch.cat([mean[..., :identity] - code, mean[..., identity:]], -1).square()
        log_prior = torch.zeros_like(self.log_sd)
        log_prior[..., :identity] = math.log(identity_sd)
        log_ratio = self.log_sd - log_prior
        return 0.5 * ((2 * log_ratio).exp() + squares * (-2 * log_prior).exp() - 1 - 2 * log_ratio).sum(-1)


class _Perceptron(nn.Module):
    """Two hidden layers of one width; the output starts at zero."""

    def __init__(self, inputs: int, hidden: int, outputs: int, streams: Streams):
        super().__init__()
        widths = (inputs, hidden, hidden)
        self.weights = nn.ParameterList(
            streams.normal(len(streams), m, n) * (2 / m) ** 0.5 for m, n in zip(widths, widths[1:], strict=False)
        )
        self.weights.append(torch.zeros(len(streams), hidden, outputs))
        self.biases = nn.ParameterList(torch.zeros(len(streams), 1, n) for n in (hidden, hidden, outputs))

    def forward(self, x: Tensor) -> Tensor:
        for weight, bias in zip(self.weights[:2], self.biases[:2], strict=True):
            x = gelu(torch.baddbmm(bias, x, weight))
        return torch.baddbmm(self.biases[2], x, self.weights[2])

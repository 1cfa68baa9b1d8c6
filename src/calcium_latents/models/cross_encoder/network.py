"""Neural cross-encoder: target neurons from source neurons through a few latents (appendix G.2).

    z = E(sources),   targets = r0 + [u . z + c]_+^p

E is a multilayer perceptron (or linear), u, c and r0 belong to each target neuron, p is one number a model. A
population of models, of several latent sizes and starts, is one program: parameters lead with the population axis P,
and latents beyond a member's size stay zero. z is determined up to an invertible affine map.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from calcium_latents.errors import UserError
from calcium_latents.models.reduced_rank_regression.regression import LinearLatents
from calcium_latents.training.streams import Streams
from calcium_latents.training.torch_files import read_torch

SMALLEST = 1e-4  # added to the rectified drive, so that the power's derivatives are finite


@dataclass(frozen=True)
class CrossEncoderSizes:
    """Sizes of a population of cross-encoders.

    Attributes:
        inputs: source neurons times frames of the window.
        targets: target neurons.
        latent_sizes: latents of each member, P numbers.
        hidden: units of the encoder's hidden layers; none: a linear encoder.
        gain: whether target neurons have a factor on the rectified power (1 in the paper).
        projection: width of a fixed linear layer before the hidden ones, from which latents also come directly; 0:
            none (published). At least the largest latent size.
    """

    inputs: int
    targets: int
    latent_sizes: tuple[int, ...]
    hidden: tuple[int, ...] = ()
    gain: bool = False
    projection: int = 0

    def __post_init__(self):
        if self.projection and (self.projection < self.latents or not self.hidden):
            raise UserError(
                f"model.projection: expected 0, or at least {self.latents} (the largest latent size) with hidden layers"
                f" after it, found {self.projection} and hidden layers {list(self.hidden)}."
            )

    @property
    def population(self) -> int:
        """Number of members, P."""
        return len(self.latent_sizes)

    @property
    def latents(self) -> int:
        """Latents of the largest member."""
        return max(self.latent_sizes)


class RectifiedPower(torch.autograd.Function):
    """gain [drive]_+^exponent + baseline with closed-form derivatives, in few passes over memory.

    drive `[P, T, B]`, exponent `[P, 1, 1]`, gain and baseline `[P, 1, B]`.
    """

    @staticmethod
    def forward(ctx, drive: Tensor, exponent: Tensor, gain: Tensor, baseline: Tensor) -> Tensor:
        base = drive.clamp_min(0)
        positive = base.sign()  # numbers, for the same reason as the mask
        base.add_(SMALLEST)
        logarithm = base.log()
        value = logarithm.mul(exponent).exp_().mul_(positive)
        ctx.save_for_backward(base, logarithm, value, exponent, gain)
        return torch.addcmul(baseline, gain, value)

    @staticmethod
    # pyrefly: ignore[bad-override]  # torch declares *grad_outputs
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, ...]:
        base, logarithm, value, exponent, gain = ctx.saved_tensors
        weighted = gradient * value
        by_gain = weighted.sum(1, keepdim=True)
        weighted.mul_(gain)
        by_exponent = torch.linalg.vecdot(weighted.flatten(1), logarithm.flatten(1)).view(exponent.shape)
        by_drive = weighted.mul_(exponent).div_(base)
        return by_drive, by_exponent, by_gain, gradient.sum(1, keepdim=True)


class CrossEncoder(nn.Module):
    """A population of cross-encoders.

    Args:
        sizes: see `CrossEncoderSizes`.
        streams: random streams of the first weights, one a member.

    Parameters: `weights` `[P, inputs, hidden]`, ... and `biases` `[P, 1, hidden]` of the hidden layers; `output`
    `[P, hidden, D]` to the latents; where there is a projection, `skip` `[P, R, D]` past the hidden layers; `readout` u
    `[P, D, B]`; `threshold` c, `baseline` r0 (and `gain`) `[P, 1, B]`; `raw_exponent` `[P, 1, 1]`,
    p = softplus(raw_exponent). The projection is all members' and not trained: buffers `projection` `[inputs, R]` and
    `projection_bias` `[R]`.
    """

    projection: Tensor
    projection_bias: Tensor

    def __init__(self, sizes: CrossEncoderSizes, streams: Streams):
        super().__init__()
        self.sizes = sizes
        p, latents, targets = sizes.population, sizes.latents, sizes.targets
        widths = [sizes.projection or sizes.inputs, *sizes.hidden]
        # Kaiming (He 2015): the variance of a layer's weights is 2 / inputs before a rectifier, 1 / inputs else
        layers = zip(widths, sizes.hidden, strict=False)
        self.weights = nn.ParameterList(_normal(streams, (p, m, n), (2 / m) ** 0.5) for m, n in layers)
        self.biases = nn.ParameterList(torch.zeros(p, 1, n) for n in sizes.hidden)
        self.output = nn.Parameter(_normal(streams, (p, widths[-1], latents), widths[-1] ** -0.5))
        self.output_bias = nn.Parameter(torch.zeros(p, 1, latents))
        if sizes.projection:
            self.register_buffer("projection", streams.normal(p, sizes.inputs, widths[0])[0] * sizes.inputs**-0.5)
            self.register_buffer("projection_bias", torch.zeros(widths[0]))
            self.skip = nn.Parameter(torch.zeros(p, widths[0], latents))
        fan_in = torch.tensor(sizes.latent_sizes, dtype=torch.float32).view(-1, 1, 1)
        self.readout = nn.Parameter(_normal(streams, (p, latents, targets), 1.0) * (2 / fan_in) ** 0.5)
        self.threshold = nn.Parameter(torch.zeros(p, 1, targets))
        self.baseline = nn.Parameter(torch.zeros(p, 1, targets))
        self.raw_exponent = nn.Parameter(torch.full((p, 1, 1), inverse_softplus(1.0)))
        if sizes.gain:
            self.gain = nn.Parameter(torch.ones(p, 1, targets))
        # as numbers: truth values are slow to multiply with
        self.register_buffer("mask", (torch.arange(latents) < fan_in).float())

    @property
    def exponent(self) -> Tensor:
        """p of every member, `[P, 1, 1]`."""
        return nn.functional.softplus(self.raw_exponent)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of the encoder and of the readout."""
        readout = [self.readout, self.threshold, self.baseline, self.raw_exponent]
        if self.sizes.gain:
            readout.append(self.gain)
        known = {id(parameter) for parameter in readout}
        return {"encoder": [q for q in self.parameters() if id(q) not in known], "readout": readout}

    def encode(self, sources: Tensor) -> Tensor:
        """Return latents `[P, T, D]` of sources `[T, inputs]`."""
        projected = sources
        if self.sizes.projection:
            projected = torch.addmm(self.projection_bias, sources, self.projection)
        projected = hidden = projected.expand(self.sizes.population, -1, -1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            hidden = torch.relu(torch.baddbmm(bias, hidden, weight))
        latents = torch.baddbmm(self.output_bias, hidden, self.output)
        if self.sizes.projection:
            latents = torch.baddbmm(latents, projected, self.skip)
        return latents * self.mask

    def drive(self, latents: Tensor) -> Tensor:
        """Return u . z + c, `[P, T, B]`, of latents `[P, T, D]`."""
        return torch.baddbmm(self.threshold, latents, self.readout)

    def decode(self, latents: Tensor) -> Tensor:
        """Return expected activity `[P, T, B]` of latents `[P, T, D]`."""
        gain = self.gain if self.sizes.gain else torch.ones_like(self.baseline)
        return RectifiedPower.apply(self.drive(latents), self.exponent, gain, self.baseline)

    def forward(self, sources: Tensor) -> Tensor:
        """Return expected activity `[P, T, B]` of sources `[T, inputs]`."""
        return self.decode(self.encode(sources))

    @torch.no_grad()
    def dead_fraction(self, sources: Tensor) -> Tensor:
        """Return the share of target neurons whose drive is never positive on `sources` `[T, inputs]`, `[P]`."""
        dead = [(self.drive(self.encode(block)) <= 0).all(1) for block in sources.split(2048)]  # bounds memory
        return torch.stack(dead).all(0).float().mean(1)

    @torch.no_grad()
    def member(self, index: int) -> "CrossEncoder":
        """Return one member as a population of its own, without the latents that it lacks."""
        size = self.sizes.latent_sizes[index]
        sizes = replace(self.sizes, latent_sizes=(size,))
        alone = CrossEncoder(sizes, Streams([0]))
        if sizes.projection:
            alone.projection, alone.projection_bias = self.projection, self.projection_bias
        for name, parameter in alone.named_parameters():
            value = dict(self.named_parameters())[name][index : index + 1]
            if name in ("output", "output_bias", "skip"):
                value = value[..., :size]
            if name == "readout":
                value = value[:, :size]
            parameter.copy_(value)
        return alone


@torch.no_grad()
def start_from_linear(model: CrossEncoder, linear: LinearLatents, inputs: np.ndarray, lift: Tensor) -> None:
    """Start every member as a linear model cut to its latent size, latents scaled to unit variance.

    The projection (or, without hidden layers, the encoder) makes those latents; hidden layers begin without effect.
    Drives are lifted above zero by `lift` of their standard deviations, so that the rectifier begins nearly linear and
    no neuron dead: with a lift of 0 half of every neuron's responses would be cut.

    Args:
        model: to be changed; its baseline must hold the targets' means.
        linear: reduced-rank regression of rank `projection`, or of the largest latent size.
        inputs: `[T, inputs]`, on which the latents have unit variance.
        lift: `[P]`.

    Raises UserError when the encoder has hidden layers and no projection before them.
    """
    sizes = model.sizes
    if sizes.hidden and not sizes.projection:
        raise UserError("model.initialisation: linear needs model.projection, or no hidden layers; found neither.")
    sd = linear.latents(inputs).std(0)
    scale = np.where(sd > 0, sd, 1.0)  # ranks beyond the data's have no variance
    encoder = torch.as_tensor(linear.encoder / scale).to(model.output)
    decoder = torch.as_tensor(linear.decoder * scale[:, None]).to(model.output)
    bias = -torch.as_tensor(linear.x_mean).to(encoder) @ encoder
    if sizes.projection:
        model.projection[:], model.projection_bias[:] = encoder, bias
        model.skip[:] = torch.eye(*model.skip.shape[1:])
        model.output.zero_()
    else:
        model.output[:], model.output_bias[:] = encoder, bias
    model.readout[:] = decoder[: sizes.latents]
    model.readout.mul_(model.mask.transpose(1, 2))
    drive = lift.to(encoder).view(-1, 1, 1) * model.readout.norm(dim=1, keepdim=True)
    model.threshold.copy_(drive)
    model.baseline.sub_(drive)


class ChosenEncoder:
    """The encoder of one fitted cross-encoder, in float64.

    Attributes:
        sources: `[A]` ids of the source neurons.
        offsets: frames of the window that a latent is computed from, (0,) for one frame.
        latent_size: number of latents, d.
    """

    def __init__(self, checkpoint: Mapping[str, Any]):
        self.sources = np.asarray(checkpoint["sources"])
        self.offsets = tuple(checkpoint["offsets"])
        self.latent_size = int(checkpoint["latent_size"])
        self.floor = torch.as_tensor(checkpoint["source_floor"], dtype=torch.float64)
        self.scale = torch.as_tensor(checkpoint["source_scale"], dtype=torch.float64)
        sizes = CrossEncoderSizes(
            len(self.sources) * len(self.offsets),
            len(checkpoint["targets"]),
            (self.latent_size,),
            tuple(checkpoint["hidden"]),
            checkpoint["gain"],
            checkpoint["projection"],
        )
        self.model = CrossEncoder(sizes, Streams([0])).double()
        self.model.load_state_dict(checkpoint["state"])
        self.model.requires_grad_(False)

    def encode(self, sources: Tensor) -> Tensor:
        """Return latents `[T, d]` of activity `[T, len(offsets) * A]`: frames in the order of `offsets`, A each."""
        frames = len(self.offsets)
        return self.model.encode((sources.double() - self.floor.repeat(frames)) / self.scale.repeat(frames))[0]


def chosen_encoder(checkpoint: str | Path | Mapping[str, Any]) -> ChosenEncoder:
    """Return the encoder of the reported fit in a cross-encoder's checkpoint (a file or its content).

    Raises UserError when it is the checkpoint of something else.
    """
    origin = "checkpoint" if isinstance(checkpoint, Mapping) else checkpoint
    if not isinstance(checkpoint, Mapping):
        checkpoint = read_torch(checkpoint)
    if "hidden" not in checkpoint:
        found = sorted(map(str, checkpoint))
        raise UserError(f"{origin}: expected the checkpoint of a cross-encoder, found one with the fields {found}.")
    return ChosenEncoder(checkpoint)


def inverse_softplus(value: float) -> float:
    """Return x with softplus(x) = value."""
    return float(np.log(np.expm1(value)))


def _normal(streams: Streams, shape: tuple[int, ...], sd: float) -> nn.Parameter:
    return nn.Parameter(streams.normal(*shape) * sd)

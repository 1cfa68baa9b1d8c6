"""Contributions of neurons to the latents of an encoder that is not linear: integrated gradients.

Along the straight path from a baseline b to the activity x(t) (Sundararajan, Taly & Yan 2017, ICML),

    C_ik(t) = (x_i - b_i) INT_0^1 dz_k/dx_i (b + s (x - b)) ds,    sum_i C_ik(t) = z_k(x(t)) - z_k(b)   (completeness).

For a linear encoder this is u_ik (x_i - b_i). Otherwise the direction of a neuron's contribution changes with time, and
the result depends on the baseline (the mean activity unless given) and on the path.

The integral is taken by Gauss-Legendre nodes on pieces of the path. A piece whose part of the completeness fails is cut
in two, where the tangents at its ends meet: for a rectifier, with its kinks, that is at the kink. Completeness is
necessary and not sufficient, because errors of neurons cancel in the sum: for 3000 inputs and two layers of 256
rectifiers, a tolerance of 1e-2, 1e-3, 1e-4 leaves single contributions wrong by at most 0.1, 0.02, 0.004 of their root
mean square (0.05, 0.3, 0.4 s a sample on one core), and 1e-9 by rounding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions.contributions import time_blocks

Encoder = Callable[[Tensor], Tensor]
NODES = 4
TOLERANCE = 1e-4
SHORTEST = 1e-9  # pieces of the path that are not cut any more
BATCH_VALUES = 2_000_000  # numbers handed to the encoder at once: 16 MB, some times that with its activations
MARGIN = 0.02  # a cut nearer to an end than this is put in the middle: the tangents did not tell


@dataclass(frozen=True)
class IntegratedGradients:
    """Contributions along a path.

    Attributes:
        contributions: C, [sample, feature, latent].
        error: |sum_i C_ik - (z_k(x) - z_k(b))|, [sample, latent].
        pieces: of the path that were evaluated, a number.
    """

    contributions: np.ndarray
    error: np.ndarray
    pieces: int


def integrated_gradients(
    encode: Encoder,
    inputs: np.ndarray,
    baseline: np.ndarray,
    *,
    nodes: int = NODES,
    tolerance: float = TOLERANCE,
    scale: np.ndarray | None = None,
    strict: bool = True,
) -> IntegratedGradients:
    """Return the integrated gradients of all samples at once; `contribution_blocks` goes through many.

    Args:
        encode: Tensor [sample, feature] -> Tensor [sample, latent], differentiable, each sample by itself, in float64.
        inputs: x, [sample, feature].
        baseline: b, [feature], or [sample, feature] (from the beginning to the end of transitions).
        nodes: Gauss-Legendre nodes a piece.
        tolerance: largest error of the completeness, in units of `scale`.
        scale: [latent], by default the root mean square of z(x) - z(b) over the samples.
        strict: raise where the tolerance is not reached; otherwise `error` tells.

    Raises:
        UserError: shapes or values that do not fit, or the tolerance is not reached.
    """
    x = torch.as_tensor(np.asarray(inputs, dtype=np.float64))
    b = torch.as_tensor(np.asarray(baseline, dtype=np.float64))
    if x.ndim != 2 or 0 in x.shape or b.shape not in (x.shape, x.shape[1:]) or nodes < 1 or not tolerance > 0:
        raise UserError(
            f"integrated gradients: expected inputs [sample, feature], a baseline [feature] or alike, nodes >= 1 and "
            f"tolerance > 0, found shapes {tuple(x.shape)} and {tuple(b.shape)}, {nodes} and {tolerance}."
        )
    if not (torch.isfinite(x).all() and torch.isfinite(b).all()):
        raise UserError("integrated gradients: expected finite inputs and baseline, found others (NaN: not sampled?).")
    b = b.expand(x.shape)
    with torch.no_grad():
        change = encode(x) - encode(b)
    if scale is None:
        scale = change.square().mean(0).sqrt().numpy()
    allowed = torch.as_tensor(tolerance * np.where(np.asarray(scale) > 0, scale, 1.0))
    total = torch.zeros(*x.shape, change.shape[1], dtype=torch.float64)
    waiting, pieces, fine = torch.arange(len(x)), 0, 4.0
    for _ in range(3):
        # the errors of a path's pieces add up: each may have a part; where that was too much, a smaller one
        total[waiting] = 0.0
        pieces += _integrate(encode, x, b, waiting, nodes, allowed / fine, total)
        error = (total.sum(1) - change).abs()
        waiting = torch.nonzero((error > allowed).any(1))[:, 0]
        fine *= 16
        if not len(waiting):
            break
    if strict and len(waiting):
        worst = float((error / allowed).max()) * tolerance
        raise UserError(
            f"integrated gradients: {len(waiting)} of {len(x)} samples miss the tolerance {tolerance:g}; the largest "
            f"error of the completeness is {worst:.2g} of the latent's size. Raise the tolerance or the nodes."
        )
    return IntegratedGradients(total.numpy(), error.numpy(), pieces)


def contribution_blocks(
    encode: Encoder,
    activity: np.ndarray,
    baseline: np.ndarray | None = None,
    *,
    frames: int = 1,
    nodes: int = NODES,
    tolerance: float = TOLERANCE,
    block: int | None = None,
    strict: bool = True,
) -> Iterator[IntegratedGradients]:
    """Yield the integrated gradients of blocks of time, [frames of the block, neuron, latent].

    Args:
        encode: see `integrated_gradients`.
        activity: [time, frames * neuron], what the encoder takes at each time: all neurons in the first frame of its
            window, then all in the second, ... (`windows` makes it).
        baseline: [frames * neuron]; the mean over time by default.
        frames: of the encoder's window; a neuron's contribution is the sum over them.
        nodes, tolerance, strict: see `integrated_gradients`; the tolerance's scale is that of the whole recording.
        block: times in a block; by default as many as make 32 MB of contributions.

    Raises:
        UserError: see `integrated_gradients`.
    """
    count, features = activity.shape
    if frames < 1 or features % frames:
        raise UserError(f"frames: expected a divisor of the {features} features, found {frames}.")
    baseline = np.asarray(activity, dtype=np.float64).mean(axis=0) if baseline is None else np.asarray(baseline)
    start = torch.as_tensor(baseline.reshape(1, -1), dtype=torch.float64)
    square, latents = 0.0, 1
    with torch.no_grad():
        for ends in time_blocks(count, features):
            change = encode(torch.as_tensor(np.asarray(activity[slice(*ends)], dtype=np.float64))) - encode(start)
            square, latents = square + change.square().sum(0), change.shape[1]
    scale = np.sqrt(np.asarray(square) / count)
    for ends in time_blocks(count, features * latents, block):
        found = integrated_gradients(
            encode, activity[slice(*ends)], baseline, nodes=nodes, tolerance=tolerance, scale=scale, strict=strict
        )
        by_neuron = found.contributions.reshape(-1, frames, features // frames, latents).sum(axis=1)
        yield IntegratedGradients(by_neuron, found.error, found.pieces)


def windows(activity: np.ndarray, offsets: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return [time, frames * neuron], the frames at t + offset side by side, and the times t that have them all.

    Args:
        activity: [time, neuron] of one trial.
        offsets: frames relative to t, such as (0,) or (-3, ..., 2).

    Raises:
        UserError: the trial is shorter than the window.
    """
    times = np.arange(max(0, -min(offsets)), len(activity) - max(0, max(offsets)))
    if not len(times):
        raise UserError(f"activity: expected more than {max(offsets) - min(offsets)} frames, found {len(activity)}.")
    return np.concatenate([activity[times + offset] for offset in offsets], axis=1), times


def _integrate(encode: Encoder, x: Tensor, b: Tensor, rows: Tensor, nodes: int, allowed: Tensor, total: Tensor) -> int:
    """Add the contributions of `rows` to `total`, cutting paths until each piece is within `allowed`, [latent].

    Returns the number of pieces that were evaluated.
    """
    places, weights = np.polynomial.legendre.leggauss(nodes)
    places, weights = torch.as_tensor((places + 1) / 2), torch.as_tensor(weights / 2)
    pieces = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(len(rows), 1)  # beginning and end on the path
    batch = max(1, BATCH_VALUES // (x.shape[1] * nodes))
    evaluated = 0
    while len(rows):
        evaluated += len(rows)
        failed: list[tuple[Tensor, Tensor]] = []
        for row, piece in zip(rows.split(batch), pieces.split(batch), strict=True):
            path, length = (x - b)[row], piece[:, 1] - piece[:, 0]
            gradient = _mean_gradient(encode, b[row], path, piece[:, :1] + length[:, None] * places, weights)
            part = gradient * (length[:, None] * path)[..., None]
            with torch.no_grad():
                ends = encode((b[row][:, None] + piece[..., None] * path[:, None]).flatten(0, 1))
            ends = ends.reshape(len(row), 2, -1)
            error = (part.sum(1) - (ends[:, 1] - ends[:, 0])).abs()
            bad = (error > allowed).any(1) & (length > SHORTEST)
            total.index_add_(0, row[~bad], part[~bad])
            if bad.any():
                row, piece, worst = row[bad], piece[bad], (error / allowed)[bad].argmax(1)
                cut = _cut(encode, b[row], path[bad], piece, ends[bad], worst)
                failed += [(row, torch.stack([piece[:, 0], cut], 1)), (row, torch.stack([cut, piece[:, 1]], 1))]
        rows = torch.cat([row for row, _ in failed]) if failed else rows[:0]
        pieces = torch.cat([piece for _, piece in failed]) if failed else pieces[:0]
    return evaluated


def _mean_gradient(encode: Encoder, b: Tensor, path: Tensor, along: Tensor, weights: Tensor) -> Tensor:
    """Return sum_q weights_q dz/dx at b + along_q path, [row, feature, latent]; along [row, node]."""
    # one shift for all nodes of a row: its gradient is the sum over the nodes
    shift = torch.zeros_like(path, requires_grad=True)
    with torch.enable_grad():
        points = (b + shift)[:, None] + along[..., None] * path[:, None]
        values = encode(points.flatten(0, 1)).reshape(*along.shape, -1)
        sums = torch.einsum("rqk,q->k", values, weights)
        gradients = [torch.autograd.grad(s, shift, retain_graph=k + 1 < len(sums))[0] for k, s in enumerate(sums)]
    return torch.stack(gradients, -1)


def _cut(encode: Encoder, b: Tensor, path: Tensor, piece: Tensor, ends: Tensor, worst: Tensor) -> Tensor:
    """Return where to cut each piece: where the tangents at its ends meet, for the latent `worst`, [row].

    A piece with a single kink is then straight on both sides. In the middle where the tangents tell nothing.
    """
    along = piece.clone().requires_grad_(True)
    chosen = worst[:, None, None].expand(-1, 2, 1)
    with torch.enable_grad():
        values = encode((b[:, None] + along[..., None] * path[:, None]).flatten(0, 1)).reshape(ends.shape)
        slopes = torch.autograd.grad(values.gather(2, chosen).sum(), along)[0]
    height = ends.gather(2, chosen)[..., 0]
    length = piece[:, 1] - piece[:, 0]
    rise = slopes * length[:, None]
    where = (height[:, 1] - height[:, 0] - rise[:, 1]) / (rise[:, 0] - rise[:, 1])
    useful = torch.isfinite(where) & (where > MARGIN) & (where < 1 - MARGIN)
    return piece[:, 0] + length * torch.where(useful, where, torch.full_like(where, 0.5))

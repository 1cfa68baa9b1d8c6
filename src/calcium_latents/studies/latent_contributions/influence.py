"""Lagged influence between neurons in latent space, and its sums, without the matrix neurons x neurons.

With c_i(t) = x_i(t) u_i, neuron i's contributions to all latents (`contributions`), and a lag tau,

    A_ij(t) = sim(c_i(t - tau), c_j(t)),

i earlier (rows, "out"), j later (columns, "in"). Net influence of a neuron is its row sum less its column sum; net
influences sum to zero. What A is, by similarity:

    dot          A(t) = diag(x(t - tau)) U U^T diag(x(t)): rank K. Row sum c_i(t - tau) . z(t), column sum
                 z(t - tau) . c_j(t), total z(t - tau) . z(t): O(N K) a frame, for any number of neurons N.
    cosine       A_ij(t) = sign x_i(t - tau) sign x_j(t) cos(u_i, u_j).
    correlation  over a window of W frames, of the K-dimensional trajectories of i and (lagged) j, each centred over the
                 window: cos(u_i, u_j) times the lagged correlation of x_i and x_j in the window.

Read with care. c_i(t) moves on a fixed line, along u_i: it is one number x_i(t) times a constant. Cosine (and Pearson's
correlation over latents) therefore carry time by the sign alone, and a windowed correlation is the plain lagged
correlation of two neurons with a constant factor. And it is association: a common input that reaches i earlier makes
A_ij as large as a connection would, and whether a neuron leads by its net influence depends on the lag.

`activity` is `[time, neuron]`, one trial without gaps, centred: anything that `activity[start:stop]` cuts. A neuron
without any contribution (x_i = 0 or u_i = 0) is similar to none: 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions.contributions import finite_block, time_blocks

SIMILARITIES = ("dot", "cosine", "correlation")


@dataclass(frozen=True)
class Degrees:
    """Sums of the influence matrices of a block of frames t (the later ones).

    Attributes:
        out: row sums, sum_j A_ij(t), [frame, neuron].
        into: column sums, sum_i A_ij(t), [frame, neuron].
        total: sum_ij A_ij(t), [frame].
    """

    out: np.ndarray
    into: np.ndarray
    total: np.ndarray

    @property
    def net(self) -> np.ndarray:
        """Row sums less column sums, [frame, neuron]; sums to zero over neurons."""
        return self.out - self.into


def influence_matrix(earlier: np.ndarray, later: np.ndarray, axes: np.ndarray, similarity: str = "dot") -> np.ndarray:
    """Return A for one moment, [neuron, neuron]: for few neurons, heat maps and tests.

    Args:
        earlier, later: x(t - tau) and x(t), [neuron]; for the correlation the windows, [frame, neuron], of one length.
        axes: u, [neuron, latent].
        similarity: "dot", "cosine" or "correlation".

    Raises:
        UserError: shapes, values or the similarity are not those.
    """
    x, y = (np.atleast_2d(np.asarray(values, np.float64)) for values in (earlier, later))
    axes = _checked_axes(x, axes, 0)
    if x.shape != y.shape or (similarity != "correlation" and len(x) != 1):
        raise UserError(f"influence: expected two moments of one shape, found {x.shape} and {y.shape}.")
    if similarity not in SIMILARITIES:
        raise UserError(f"similarity: expected one of {list(SIMILARITIES)}, found {similarity!r}.")
    x, y = finite_block(x, 0, len(x)), finite_block(y, 0, len(y))
    if similarity == "dot":
        return (axes @ axes.T) * (x.T @ y)
    length = np.linalg.norm(axes, axis=1, keepdims=True)
    directions = axes / np.where(length > 0, length, 1.0)
    x, y = (np.sign(x), np.sign(y)) if similarity == "cosine" else (_standardised(x), _standardised(y))
    return (directions @ directions.T) * (x.T @ y)


def influence_degrees(activity: np.ndarray, axes: np.ndarray, lag: int, block: int | None = None) -> Iterator[Degrees]:
    """Yield row sums, column sums and totals of the influence matrices ("dot") of all frames, a block after another.

    Args:
        activity: x, [time, neuron].
        axes: u, [neuron, latent].
        lag: tau in frames, from 0 to the number of frames less 1; the first frame t is `lag`.
        block: frames in a block; by default as many as make 32 MB of activity.

    Raises:
        UserError: shapes, values or lag are not those.
    """
    axes = _checked_axes(activity, axes, lag)
    for start, stop in time_blocks(activity.shape[0] - lag, len(axes), block):
        x, y = finite_block(activity, start, stop), finite_block(activity, lag + start, lag + stop)
        earlier, later = x @ axes, y @ axes
        yield Degrees(x * (later @ axes.T), y * (earlier @ axes.T), (earlier * later).sum(axis=1))


def mean_degrees(activity: np.ndarray, axes: np.ndarray, lag: int, block: int | None = None) -> Degrees:
    """Return the degrees of `influence_degrees` averaged over time: out, into [1, neuron], total [1]."""
    out = into = total = 0.0
    for part in influence_degrees(activity, axes, lag, block):
        out, into, total = out + part.out.sum(axis=0), into + part.into.sum(axis=0), total + part.total.sum()
    frames = activity.shape[0] - lag
    return Degrees(out[None] / frames, into[None] / frames, np.array([total / frames]))


def _standardised(values: np.ndarray) -> np.ndarray:
    """Return values [frame, neuron], each neuron's centred and of length one; zero for a constant neuron."""
    centred = values - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    # what is left of a constant after centring is rounding
    constant = length <= 1e-12 * np.linalg.norm(values, axis=0)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))


def _checked_axes(activity: np.ndarray, axes: np.ndarray, lag: int) -> np.ndarray:
    """Return axes in float64; raise a UserError when they, the activity's shape or the lag are wrong."""
    axes, shape = np.asarray(axes, dtype=np.float64), tuple(activity.shape)
    if len(shape) != 2 or axes.ndim != 2 or shape[1] != len(axes) or 0 in shape + axes.shape:
        raise UserError(f"influence: expected [time, neuron] and axes [neuron, latent], found {shape}, {axes.shape}.")
    if not np.isfinite(axes).all():
        raise UserError("influence: expected finite axes, found others.")
    if not 0 <= lag < shape[0]:
        raise UserError(f"lag: expected 0 to {shape[0] - 1} frames (the activity has {shape[0]}), found {lag}.")
    return axes

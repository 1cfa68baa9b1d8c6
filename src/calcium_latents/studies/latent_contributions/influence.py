"""Lagged influence between neurons in latent space, and its sums, without the matrix neurons x neurons.

With c_i(t) = x_i(t) u_i, neuron i's contributions to all latents (`contributions`), and a lag tau,

    A_ij(t) = sim(c_i(t - tau), c_j(t)),

i earlier (rows, "out"), j later (columns, "in"). Net influence of a neuron is its row sum less its column sum; net
influences sum to zero. What A is, by similarity:

    dot          A(t) = diag(x(t - tau)) U U^T diag(x(t)): rank K. Row sum c_i(t - tau) . z(t), column sum
                 z(t - tau) . c_j(t), total z(t - tau) . z(t).
    cosine       A_ij(t) = sign x_i(t - tau) sign x_j(t) cos(u_i, u_j).
    correlation  over a window of W frames, of the K-dimensional trajectories of i and (lagged) j, each centred over the
                 window: cos(u_i, u_j) times the lagged correlation of x_i and x_j in the window.

All are sums over i of a vector for j: O(N K) a frame, for any number of neurons N.

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
    """Sums of the influence matrix of a block of frames.

    Attributes:
        start, stop: the frames t (the later ones; of windows, the first frame of each) as indices of the activity.
        out: row sums, sum_j A_ij(t), [frame, neuron].
        into: column sums, sum_i A_ij(t), [frame, neuron].
        total: sum_ij A_ij(t), [frame].
    """

    start: int
    stop: int
    out: np.ndarray
    into: np.ndarray
    total: np.ndarray

    @property
    def net(self) -> np.ndarray:
        """Row sums less column sums, [frame, neuron]; sums to zero over neurons."""
        return self.out - self.into


def influence_matrix(
    earlier: np.ndarray, later: np.ndarray, axes: np.ndarray, similarity: str = "dot", rows=None, columns=None
) -> np.ndarray:
    """Return A for one moment, [rows, columns]: for few neurons, heat maps and tests.

    Args:
        earlier, later: x(t - tau) and x(t), [neuron]; for the correlation the windows, [frame, neuron], of one length.
        axes: u, [neuron, latent].
        similarity: "dot", "cosine" or "correlation".
        rows, columns: indices of the neurons i and j that are wanted; all by default.

    Raises:
        UserError: shapes, values or the similarity are not those.
    """
    earlier, later = np.atleast_2d(np.asarray(earlier, np.float64)), np.atleast_2d(np.asarray(later, np.float64))
    axes = checked_axes(earlier, axes, 0)
    if earlier.shape != later.shape or (similarity != "correlation" and len(earlier) != 1):
        raise UserError(f"influence: expected two moments of one shape, found {earlier.shape} and {later.shape}.")
    one, two = sides(finite_block(earlier, 0, len(earlier)), finite_block(later, 0, len(later)), axes, similarity)
    rows, columns = (slice(None) if chosen is None else np.asarray(chosen) for chosen in (rows, columns))
    return (one.axes[rows] @ two.axes[columns].T) * (one.values[:, rows].T @ two.values[:, columns])


def influence_degrees(
    activity: np.ndarray,
    axes: np.ndarray,
    lag: int,
    similarity: str = "dot",
    *,
    window: int = 1,
    block: int | None = None,
) -> Iterator[Degrees]:
    """Yield row sums, column sums and totals of the influence matrices of all moments, a block after another.

    Args:
        activity: x, [time, neuron].
        axes: u, [neuron, latent].
        lag: tau in frames, from 0 to the number of frames less 1.
        similarity: "dot", "cosine" or "correlation".
        window: frames of a window of the correlation, which follow each other; 1 else.
        block: moments in a block; by default as many as make 32 MB of activity.

    Raises:
        UserError: shapes, values, lag, window or similarity are not those.
    """
    axes = checked_axes(activity, axes, lag)
    moments = _moments(activity.shape[0] - lag, similarity, window)
    for first, last in time_blocks(moments, len(axes) * window, block):
        start, stop = lag + first * window, lag + last * window
        one, two = sides(
            finite_block(activity, start - lag, stop - lag),
            finite_block(activity, start, stop),
            axes,
            similarity,
            window,
        )
        # [moment, window frame, neuron] times [neuron, latent]: what all rows, or all columns, add up to
        shape = (last - first, window, len(axes))
        x, y = one.values.reshape(shape), two.values.reshape(shape)
        row_sum, column_sum = x @ one.axes, y @ two.axes
        yield Degrees(
            start=start,
            stop=stop,
            out=(x * (column_sum @ one.axes.T)).sum(axis=1),
            into=(y * (row_sum @ two.axes.T)).sum(axis=1),
            total=(row_sum * column_sum).sum(axis=(1, 2)),
        )


def mean_degrees(activity: np.ndarray, axes: np.ndarray, lag: int, similarity: str = "dot", **options) -> Degrees:
    """Return the degrees of `influence_degrees` averaged over time: out, into [1, neuron], total [1]."""
    out = into = total = 0.0
    start, stop, moments = lag, lag, 0
    for part in influence_degrees(activity, axes, lag, similarity, **options):
        out, into, total = out + part.out.sum(axis=0), into + part.into.sum(axis=0), total + part.total.sum()
        stop, moments = part.stop, moments + len(part.total)
    return Degrees(start, stop, out[None] / moments, into[None] / moments, np.array([total / moments]))


@dataclass(frozen=True)
class Side:
    """One side of the product that makes A: A = (axes axes'^T) * (values^T values'), elementwise."""

    values: np.ndarray
    axes: np.ndarray


def sides(
    earlier: np.ndarray, later: np.ndarray, axes: np.ndarray, similarity: str, window: int | None = None
) -> tuple[Side, Side]:
    """Return both sides of the influence matrix, of x(t - tau) and x(t), [frame, neuron].

    For the correlation, values are centred and normalised in each window of `window` frames (all by default).
    """
    if similarity == "dot":
        return Side(earlier, axes), Side(later, axes)
    length = np.linalg.norm(axes, axis=1, keepdims=True)
    directions = axes / np.where(length > 0, length, 1.0)
    if similarity == "cosine":
        return Side(np.sign(earlier), directions), Side(np.sign(later), directions)
    if similarity != "correlation":
        raise UserError(f"similarity: expected one of {list(SIMILARITIES)}, found {similarity!r}.")
    return tuple(Side(_standardised(values, window or len(values)), directions) for values in (earlier, later))


def _standardised(values: np.ndarray, window: int) -> np.ndarray:
    parts = values.reshape(-1, window, values.shape[1])
    centred = parts - parts.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    # what is left of a constant after centring is rounding
    constant = length <= 1e-12 * np.linalg.norm(parts, axis=1, keepdims=True)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length)).reshape(values.shape)


def checked_axes(activity: np.ndarray, axes: np.ndarray, lag: int) -> np.ndarray:
    """Return axes in float64; raise a UserError when they, the activity's shape or the lag are wrong."""
    axes, shape = np.asarray(axes, dtype=np.float64), tuple(activity.shape)
    if len(shape) != 2 or axes.ndim != 2 or shape[1] != len(axes) or 0 in shape + axes.shape:
        raise UserError(f"influence: expected [time, neuron] and axes [neuron, latent], found {shape}, {axes.shape}.")
    if not np.isfinite(axes).all():
        raise UserError("influence: expected finite axes, found others.")
    if not 0 <= lag < shape[0]:
        raise UserError(f"lag: expected 0 to {shape[0] - 1} frames (the activity has {shape[0]}), found {lag}.")
    return axes


def _moments(frames: int, similarity: str, window: int) -> int:
    if similarity not in SIMILARITIES:
        raise UserError(f"similarity: expected one of {list(SIMILARITIES)}, found {similarity!r}.")
    smallest, largest = (2, frames) if similarity == "correlation" else (1, 1)
    if not smallest <= window <= largest:
        raise UserError(f"window: expected {smallest} to {largest} frames for {similarity}, found {window}.")
    return frames // window

"""The strongest influences among tens of thousands of neurons, exactly, without the matrix neurons x neurons.

With both sides of the influence matrix at hand (`influence.sides`), A_ij = (u_i . u_j) sum_s x_i(s - tau) x_j(s) over
the frames s of a window, so that

    |A_ij| <= a_i b_j,      a_i = |u_i| |x_i(. - tau)|,  b_j = |u_j| |x_j|     (Cauchy-Schwarz, twice).

Neurons sorted by a and by b make the large entries gather in one corner. As soon as a few of them are known, nothing
whose bound lies below the k-th best needs a look. Results are exact; only the time depends on the data: activity with
heavy tails is quick, and where all neurons are alike nearly the whole matrix must be computed.

Ties are broken by the index of the neuron i, then j. Values that differ by rounding alone may come in either order.
"""

from dataclasses import dataclass

import numpy as np

from calcium_latents.compiling import njit
from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions.contributions import finite_block, time_blocks
from calcium_latents.studies.latent_contributions.influence import Degrees, Side, checked_axes, influence_degrees, sides

TILE = 512  # rows and columns of the matrix that are computed together
LONG_TILE = 4096  # the same where a tile takes a pass over the activity
LONG_VALUES = 40_000_000  # frames times neurons of a window that is not kept in memory (320 MB)
KINDS = ("out", "into", "net")


@dataclass(frozen=True)
class Pairs:
    """The strongest pairs, strongest first.

    Attributes:
        rows: i, the earlier neuron, [pair].
        columns: j, the later neuron, [pair].
        values: A_ij, [pair].
        computed: share of the matrix's entries that were computed.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    computed: float


def top_pairs(
    activity: np.ndarray,
    axes: np.ndarray,
    lag: int,
    count: int,
    similarity: str = "dot",
    *,
    frames: tuple[int, int] | None = None,
    magnitude: bool = False,
    include_self: bool = False,
) -> Pairs:
    """Return the `count` pairs with the largest influence in one frame or summed over a window of frames.

    Args:
        activity: x, [time, neuron]; only the window and the frames `lag` before it are read.
        axes: u, [neuron, latent].
        lag: tau, frames.
        count: number of pairs, at most those there are.
        similarity: "dot" (summed over the window), "cosine" (one frame) or "correlation" (over the window).
        frames: (start, stop) of the later frames t; by default all from `lag` on.
        magnitude: rank |A_ij| instead of A_ij.
        include_self: let i = j count.

    Raises:
        UserError: shapes, values or settings are not those.
    """
    window = _window(activity, axes, lag, similarity, frames)
    a, b, tile_size = window.row_bounds, window.column_bounds, window.tile
    row_order, column_order = np.argsort(-a, kind="stable"), np.argsort(-b, kind="stable")
    neurons = len(a)
    count = min(_checked_count(count), neurons * neurons - (0 if include_self else neurons))
    best = _Best(count)
    computed = 0
    for top in range(0, neurons if count else 0, tile_size):
        rows = row_order[top : top + tile_size]
        if a[rows[0]] * b[column_order[0]] < best.threshold:
            break
        for left in range(0, neurons, tile_size):
            columns = column_order[left : left + tile_size]
            if a[rows[0]] * b[columns[0]] < best.threshold:
                break
            tile = window.influence(rows, columns)
            computed += tile.size
            best.offer(tile, rows, columns, magnitude, include_self)
    order = np.lexsort((best.columns, best.rows, -best.keys))
    rows, columns, values = best.rows[order], best.columns[order], best.values[order]
    return Pairs(rows, columns, values, computed / neurons**2)


def top_partners(
    activity: np.ndarray,
    axes: np.ndarray,
    lag: int,
    count: int,
    neurons: np.ndarray | None = None,
    similarity: str = "dot",
    *,
    frames: tuple[int, int] | None = None,
    include_self: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each neuron i the `count` neurons j on which it has the largest influence.

    In a single frame this is a search for the largest inner product in K dimensions: partners j are visited by
    decreasing |c_j| until the bound falls below the k-th best.

    Args:
        activity, axes, lag, similarity, frames, include_self: see `top_pairs`.
        count: of partners, at most all.
        neurons: indices of the neurons i that are wanted; all by default.

    Returns:
        Partners j [i, count] and their A_ij, strongest first.

    Raises:
        UserError: shapes, values or settings are not those.
    """
    window = _window(activity, axes, lag, similarity, frames)
    total = len(window.row_bounds)
    count = min(_checked_count(count), total if include_self else total - 1)
    chosen = np.arange(total) if neurons is None else np.asarray(neurons)
    if isinstance(window, _Short) and len(window.earlier.values) == 1 and count:
        order = np.argsort(-window.column_bounds, kind="stable")
        queries = np.ascontiguousarray(window.earlier.axes[chosen] * window.earlier.values[0, chosen, None])
        keys = np.ascontiguousarray((window.later.axes * window.later.values[0][:, None])[order])
        own = np.full(len(chosen), -1) if include_self else chosen
        return _partners(queries, keys, window.column_bounds[order], order, own, count)
    partners, values = np.empty((len(chosen), count), np.int64), np.empty((len(chosen), count))
    for start in range(0, len(chosen), TILE):
        rows = chosen[start : start + TILE]
        tile = window.influence(rows, np.arange(total))
        if not include_self:
            tile[np.arange(len(rows)), rows] = -np.inf
        found = np.argsort(-tile, axis=1, kind="stable")[:, :count]
        partners[start : start + TILE] = found
        values[start : start + TILE] = np.take_along_axis(tile, found, axis=1)
    return partners, values


def top_neurons(
    activity: np.ndarray,
    axes: np.ndarray,
    lag: int,
    count: int,
    kind: str = "net",
    similarity: str = "dot",
    *,
    window: int = 1,
    block: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for every moment, the `count` neurons with the largest row sum, column sum or net influence.

    Args:
        activity, axes, lag, similarity, window, block: see `influence.influence_degrees`.
        count: number of neurons, at most all.
        kind: "out", "into" or "net".

    Returns:
        Neurons [moment, count] (int32) and their values, largest first; equal ones by index.

    Raises:
        UserError: shapes, values or settings are not those.
    """
    if kind not in KINDS:
        raise UserError(f"kind: expected one of {list(KINDS)}, found {kind!r}.")
    count = min(_checked_count(count), np.shape(axes)[0])
    degrees = influence_degrees(activity, axes, lag, similarity, window=window, block=block)
    parts = [top_of_degrees(part, kind, count) for part in degrees]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def top_of_degrees(degrees: Degrees, kind: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `count` neurons [frame, count] (int32) with the largest degrees of a block, and the degrees."""
    return _largest(np.ascontiguousarray(getattr(degrees, kind)), count)


class _Best:
    """The best entries so far; `threshold` is what an entry must reach to be among them."""

    def __init__(self, count: int):
        self.count = count
        self.keys, self.values = np.empty(0), np.empty(0)
        self.rows, self.columns = np.empty(0, np.int64), np.empty(0, np.int64)
        self.threshold = -np.inf

    def offer(self, tile: np.ndarray, rows: np.ndarray, columns: np.ndarray, magnitude: bool, own: bool) -> None:
        """Take what is good enough of a tile of the matrix."""
        keys = np.abs(tile) if magnitude else tile
        good = keys >= self.threshold
        if not own:
            good &= rows[:, None] != columns[None, :]
        if np.count_nonzero(good) > self.count:
            # ties with the worst of these may win by their index, and stay
            worst = np.partition(keys[good], -self.count)[-self.count]
            good &= keys >= worst
        i, j = np.nonzero(good)
        self.keys = np.concatenate([self.keys, keys[i, j]])
        self.values = np.concatenate([self.values, tile[i, j]])
        self.rows, self.columns = np.concatenate([self.rows, rows[i]]), np.concatenate([self.columns, columns[j]])
        if len(self.keys) > self.count:
            kept = np.lexsort((self.columns, self.rows, -self.keys))[: self.count]
            self.keys, self.values = self.keys[kept], self.values[kept]
            self.rows, self.columns = self.rows[kept], self.columns[kept]
        if len(self.keys) == self.count:
            worst = float(self.keys.min(initial=np.inf))  # less what rounding may take
            self.threshold = worst - 1e-12 * abs(worst)


@njit
def _partners(queries, keys, bound, order, own, count):
    """Return the `count` best keys of each query; keys in the order of decreasing length `bound`."""
    partners = np.full((len(queries), count), -1, np.int64)
    values = np.full((len(queries), count), -np.inf)
    for q in range(len(queries)):
        query = queries[q]
        length = np.sqrt((query * query).sum()) * (1 + 1e-12)
        for k in range(len(keys)):
            if length * bound[k] < values[q, -1]:
                break
            if order[k] == own[q]:
                continue
            value = 0.0
            for d in range(len(query)):
                value += query[d] * keys[k, d]
            _insert(partners[q], values[q], order[k], value)
    return partners, values


@njit
def _largest(degrees, count):
    """Return the `count` largest of each row of `degrees` with their indices, largest first, equal ones by index."""
    found = np.full((len(degrees), count), -1, np.int32)
    values = np.full((len(degrees), count), -np.inf)
    for row in range(len(degrees)):
        for neuron in range(degrees.shape[1]):
            if degrees[row, neuron] > values[row, -1]:
                _insert(found[row], values[row], neuron, degrees[row, neuron])
    return found, values


@njit
def _insert(indices, values, index, value):
    """Put (index, value) into the sorted list, which keeps its length; equal values by index."""
    last = len(values) - 1
    if last < 0 or value < values[last] or (value == values[last] and 0 <= indices[last] < index):
        return
    place = last
    while place > 0 and (values[place - 1] < value or (values[place - 1] == value and indices[place - 1] > index)):
        values[place], indices[place] = values[place - 1], indices[place - 1]
        place -= 1
    values[place], indices[place] = value, index


class _Short:
    """A window that fits into memory."""

    tile = TILE

    def __init__(self, earlier: Side, later: Side):
        self.earlier, self.later = earlier, later
        self.row_bounds, self.column_bounds = (
            _room(np.linalg.norm(side.axes, axis=1) * np.linalg.norm(side.values, axis=0)) for side in (earlier, later)
        )

    def influence(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return A, [rows, columns]."""
        one, two = self.earlier, self.later
        return (one.axes[rows] @ two.axes[columns].T) * (one.values[:, rows].T @ two.values[:, columns])


class _Long:
    """A window that does not: every tile of A takes one more pass over its frames, so tiles are large."""

    tile = LONG_TILE

    def __init__(self, activity, axes: np.ndarray, lag: int, start: int, stop: int, correlation: bool):
        self.activity, self.axes, self.lag, self.ends = activity, axes, lag, (start, stop)
        self.shift, self.scale = np.zeros((2, 1, len(axes))), np.ones((2, 1, len(axes)))
        if correlation:
            self.shift = sum(part.sum(axis=1, keepdims=True) for part in self._parts()) / (stop - start)
        squares = sum((part**2).sum(axis=1, keepdims=True) for part in self._parts())
        if correlation:
            size = np.sqrt(squares)
            constant = size <= 1e-12 * np.sqrt(squares + (stop - start) * self.shift**2)
            self.scale = np.where(constant, 0.0, 1 / np.where(constant, 1.0, size))
            length = np.linalg.norm(axes, axis=1, keepdims=True)
            self.axes = axes / np.where(length > 0, length, 1.0)
        norms = np.sqrt(squares[:, 0]) * self.scale[:, 0]
        self.row_bounds, self.column_bounds = _room(np.linalg.norm(self.axes, axis=1) * norms)

    def _parts(self):
        """Yield blocks of the frames, earlier and later, [2, frame, neuron]."""
        start, stop = self.ends
        for first, last in time_blocks(stop - start, 2 * len(self.axes)):
            both = [finite_block(self.activity, start + first - lag, start + last - lag) for lag in (self.lag, 0)]
            yield (np.stack(both) - self.shift) * self.scale

    def influence(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return A, [rows, columns]."""
        product = sum(earlier[:, rows].T @ later[:, columns] for earlier, later in self._parts())
        return (self.axes[rows] @ self.axes[columns].T) * product


def _window(activity, axes: np.ndarray, lag: int, similarity: str, frames: tuple[int, int] | None) -> "_Short | _Long":
    axes = checked_axes(activity, axes, lag)
    start, stop = (lag, activity.shape[0]) if frames is None else frames
    if not lag <= start < stop <= activity.shape[0]:
        raise UserError(f"frames: expected a window within {lag} to {activity.shape[0]}, found {start} to {stop}.")
    if (similarity == "cosine" and stop - start != 1) or (similarity == "correlation" and stop - start < 2):
        raise UserError(f"frames: expected one for cosine, two or more for correlation, found {stop - start}.")
    if (stop - start) * len(axes) > LONG_VALUES and similarity in ("dot", "correlation"):
        return _Long(activity, axes, lag, start, stop, similarity == "correlation")
    earlier, later = finite_block(activity, start - lag, stop - lag), finite_block(activity, start, stop)
    return _Short(*sides(earlier, later, axes, similarity))


def _room(bounds: np.ndarray) -> np.ndarray:
    """Bounds are rounded, too: give them a little room."""
    return bounds * (1 + 1e-12)


def _checked_count(count: int) -> int:
    if count < 1:
        raise UserError(f"count: expected at least one, found {count}.")
    return count

"""Which neurons make up a latent state, and when: the sum behind a projection, kept apart by neuron.

A latent is a sum over neurons, z_k(t) = sum_i u_ik x_i(t), and its terms are the time-resolved contributions

    C_ik(t) = u_ik x_i(t),                 sum_i C_ik(t) = z_k(t)   (exactly).

x is centred by `mean` when that is given: then C tells what moves the latent away from its mean, and the mean's own
share u_ik mean_i stands apart (`mean_share`), constant in time. Terms of opposite sign cancel; how much is
1 - |z_k| / sum_i |C_ik|, from 0 (all push one way) to 1. For principal components, mean_t C_ik z_k = u_ik^2 lambda_k:
on average over time a neuron's contribution says no more than its weight does; only its time course is new.

At a transition with change dx of the activity and dz of the latents, the share of neuron i is
<u_i dx_i, dz> / |dz|^2; shares sum to one and may be negative. They depend on the units of the latents: where these are
known only up to an invertible map, as in models, whiten them first (`latent_axes.whitened`).

The array of all contributions, neurons x latents x frames, is not made unless `contributions` is asked for it:
functions go through blocks of time and keep sums. `activity` is `[time, neuron]`: an array, a memory map or an HDF5
variable, anything that `activity[start:stop]` cuts; values must be finite.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from calcium_latents.errors import UserError

BLOCK_VALUES = 4_000_000  # numbers in a block of activity: 32 MB


@dataclass(frozen=True)
class ContributionSummary:
    """Sums over blocks of contributions.

    Attributes:
        latents: z_k(t), sum of the contributions, [time, latent].
        absolute: sum_i |C_ik(t)|, [time, latent].
        mean: mean_t C_ik, [neuron, latent].
        mean_absolute: mean_t |C_ik|, [neuron, latent].
        mean_product: mean_t C_ik z_k, [neuron, latent]; u_ik^2 lambda_k for principal components.
        mean_share: u_ik mean_i, what the subtracted mean adds to the latent at all times, [neuron, latent]; zero
            when nothing was subtracted or where the contributions are not linear.
    """

    latents: np.ndarray
    absolute: np.ndarray
    mean: np.ndarray
    mean_absolute: np.ndarray
    mean_product: np.ndarray
    mean_share: np.ndarray

    @property
    def cancellation(self) -> np.ndarray:
        """1 - |z_k| / sum_i |C_ik|, [time, latent]; NaN where no neuron contributes."""
        return cancellation_index(self.latents, self.absolute)

    @property
    def variance_share(self) -> np.ndarray:
        """cov_t(C_ik, z_k) / var_t(z_k), [neuron, latent]: sums to one over neurons; NaN for a constant latent."""
        covariance = self.mean_product - self.mean * self.latents.mean(axis=0)
        variance = self.latents.var(axis=0)
        return covariance / np.where(variance > 0, variance, np.nan)


def contributions(activity: np.ndarray, axes: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
    """Return C_ik(t) = u_ik (x_i(t) - mean_i), [time, neuron, latent]: as large as it looks.

    Args:
        activity: x, [time, neuron].
        axes: u, [neuron, latent].
        mean: [neuron], subtracted; nothing by default.

    Raises:
        UserError: shapes that do not fit, or values that are not finite.
    """
    axes, mean = _checked(activity, axes, mean)
    return (finite_block(activity, 0, activity.shape[0]) - mean)[:, :, None] * axes[None]


def summarise(
    activity: np.ndarray, axes: np.ndarray, mean: np.ndarray | None = None, block: int | None = None
) -> ContributionSummary:
    """Summarise the contributions of all neurons with matrix products only, a block of time after another.

    Args:
        activity: x, [time, neuron].
        axes: u, [neuron, latent].
        mean: [neuron], subtracted; nothing by default.
        block: frames in a block; by default as many as make 32 MB.

    Raises:
        UserError: shapes that do not fit, or values that are not finite.
    """
    axes, mean = _checked(activity, axes, mean)
    frames = activity.shape[0]
    latents, absolute = np.empty((2, frames, axes.shape[1]))
    total, size = np.zeros((2, len(axes)))
    product = np.zeros(axes.shape)
    for start, stop in time_blocks(frames, len(axes), block):
        x = finite_block(activity, start, stop) - mean
        z = x @ axes
        latents[start:stop], absolute[start:stop] = z, np.abs(x) @ np.abs(axes)
        total += x.sum(axis=0)
        size += np.abs(x).sum(axis=0)
        product += x.T @ z
    return ContributionSummary(
        latents=latents,
        absolute=absolute,
        mean=axes * total[:, None] / frames,
        mean_absolute=np.abs(axes) * size[:, None] / frames,
        mean_product=axes * product / frames,
        mean_share=axes * mean[:, None],
    )


def summarise_blocks(blocks: Iterable[np.ndarray]) -> ContributionSummary:
    """Summarise contributions of any kind that come as blocks [frames, neuron, latent] in the order of time.

    Raises:
        UserError: there is no block, or a value is not finite.
    """
    latents, absolute, mean, size, product = [], [], 0.0, 0.0, 0.0
    for values in blocks:
        if not np.isfinite(values).all():
            raise UserError("contributions: expected finite values, found others. Was the model fitted well?")
        z, magnitude = values.sum(axis=1), np.abs(values)
        latents.append(z)
        absolute.append(magnitude.sum(axis=1))
        mean = mean + values.sum(axis=0)
        size = size + magnitude.sum(axis=0)
        product = product + np.einsum("tik,tk->ik", values, z)
    if not latents:
        raise UserError("contributions: expected at least one frame, found none.")
    frames = sum(map(len, latents))
    return ContributionSummary(
        latents=np.concatenate(latents),
        absolute=np.concatenate(absolute),
        mean=mean / frames,
        mean_absolute=size / frames,
        mean_product=product / frames,
        mean_share=np.zeros_like(mean),
    )


def cancellation_index(latents: np.ndarray, absolute: np.ndarray) -> np.ndarray:
    """Return 1 - |z| / sum_i |C_i| (0 to 1) from z and sum_i |C_i|, [time, latent]; NaN where no neuron contributes."""
    ratio = np.abs(latents) / np.where(absolute > 0, absolute, np.nan)
    return 1 - np.minimum(ratio, 1.0)  # rounding may push |z| a little above the sum


def relative_contributions(
    values: np.ndarray, latents: np.ndarray, threshold: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Return C_ik(t) / z_k(t), NaN where z is near zero, and how much of the time that is.

    The ratio has no bound: near a zero of the latent, a sum of terms that cancel, every neuron seems to contribute
    many times the whole.

    Args:
        values: contributions of some or all neurons, [time, neuron, latent].
        latents: the whole sum z over all neurons, [time, latent].
        threshold: in standard deviations of the latent about zero (root mean square); |z| must exceed it.

    Returns:
        Ratios [time, neuron, latent] and the masked fraction of the frames [latent].

    Raises:
        UserError: shapes that do not fit, or a negative threshold.
    """
    if values.ndim != 3 or latents.shape != (values.shape[0], values.shape[2]) or not threshold >= 0:
        found = f"shapes {values.shape} and {latents.shape}, threshold {threshold}"
        raise UserError(
            f"relative contributions: expected [time, neuron, latent], [time, latent] and >= 0, found {found}."
        )
    small = np.abs(latents) <= threshold * np.sqrt((latents**2).mean(axis=0))
    ratio = values / np.where(small, np.nan, latents)[:, None, :]
    return ratio, small.mean(axis=0)


def transition_shares(before: np.ndarray, after: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return each neuron's share of each transition, <u_i dx_i, dz> / |dz|^2, [transition, neuron].

    Every row sums to one; it is NaN where the latents did not change (dz = 0).

    Args:
        before, after: activity at (or averaged around) the beginning and the end, [transition, neuron].
        axes: u, [neuron, latent].

    Raises:
        UserError: shapes that do not fit, or values that are not finite.
    """
    change = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    axes, _ = _checked(change, axes, None)
    _finite(change, "activity at transitions")
    dz = change @ axes
    return change * (dz @ axes.T) / _squared(dz)


def shares_of_change(change: np.ndarray, dz: np.ndarray | None = None) -> np.ndarray:
    """Return <dC_i, dz> / |dz|^2, [transition, neuron], from changes dC [transition, neuron, latent].

    For contributions that are not linear, such as integrated gradients from the beginning to the end of a transition.

    Args:
        change: dC, of the whole transition or of a part of it.
        dz: change of the latents in the whole transition, [transition, latent]; sum_i dC_i by default.
    """
    dz = change.sum(axis=1) if dz is None else dz
    return np.einsum("nik,nk->ni", change, dz) / _squared(dz)


def partial_shares(before: np.ndarray, part: np.ndarray, after: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return <u_i (part_i - before_i), dz> / |dz|^2 with dz of the whole transition, [transition, neuron].

    What of the transition neuron i has done when the activity is `part` (its early share, for a time soon after the
    beginning). A row sums to the part of the way that the latents have come by then. `before`, `part`, `after`:
    activity, [transition, neuron]; `axes`: u, [neuron, latent].
    """
    whole = (np.asarray(after, dtype=np.float64) - before) @ axes
    return (np.asarray(part, dtype=np.float64) - before) * (whole @ axes.T) / _squared(whole)


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the indices [count] of the largest of `values` [neuron], largest first; equal ones by index, NaN last."""
    order = np.argsort(-np.where(np.isnan(values), -np.inf, values), kind="stable")
    return order[: min(count, len(values))]


def time_blocks(frames: int, columns: int, block: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of blocks of time: `block` frames, or as many as make `BLOCK_VALUES` numbers.

    Raises UserError for a block of less than one frame.
    """
    size = max(1, BLOCK_VALUES // max(columns, 1)) if block is None else int(block)
    if size < 1:
        raise UserError(f"block: expected at least one frame, found {block}.")
    for start in range(0, frames, size):
        yield start, min(start + size, frames)


def finite_block(activity: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return frames start to stop of activity [time, neuron] in float64; UserError says where a value is not finite."""
    values = np.asarray(activity[start:stop], dtype=np.float64)
    _finite(values, "activity", start)
    return values


def _finite(values: np.ndarray, name: str, start: int = 0) -> None:
    # a sum is finite only where all terms are, and costs no array of flags
    if not np.isfinite(values.sum()):
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            frame, neuron = (int(i) for i in wrong[0][:2])
            raise UserError(
                f"{name}: expected finite values, found {values[frame, neuron]} at frame {start + frame}, neuron "
                f"{neuron}. Fill or leave out frames that were not sampled (latent_axes.complete)."
            )


def _squared(change: np.ndarray) -> np.ndarray:
    length = (change**2).sum(axis=1, keepdims=True)
    return np.where(length > 0, length, np.nan)


def _checked(activity: np.ndarray, axes: np.ndarray, mean: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return axes and mean in float64, after a look at shapes and values."""
    axes = np.asarray(axes, dtype=np.float64)
    shape = tuple(activity.shape)
    if axes.ndim != 2 or len(shape) != 2 or shape[1] != len(axes) or 0 in shape or 0 in axes.shape:
        raise UserError(
            f"contributions: expected activity [time, neuron] and axes [neuron, latent], none empty, "
            f"found shapes {shape} and {axes.shape}."
        )
    mean = np.zeros(len(axes)) if mean is None else np.asarray(mean, dtype=np.float64)
    if mean.shape != (len(axes),) or not np.isfinite(mean).all() or not np.isfinite(axes).all():
        raise UserError(f"contributions: expected a finite mean [{len(axes)}] and finite axes, found {mean.shape}.")
    return axes, mean

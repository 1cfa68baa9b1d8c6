"""Axes u_ik along which neurons make up latents, for `contributions` and `influence`.

Principal components have axes by construction. A model without a linear encoder has none: `regression_axes` fits the
linear map from the activity to its latents that is best in the sense of ridge regression. Contributions along such axes
sum to the regression's prediction and not to the latents; what they leave out is reported as `residual`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.metrics.ridge import Moments, Ridge
from calcium_latents.seeds import generator
from calcium_latents.studies.latent_contributions.contributions import finite_block, time_blocks

EXACT_SIZE = 4000  # up to this many neurons or frames the eigenvectors are exact
OVERSAMPLING, ITERATIONS = 10, 7
PENALTIES = tuple(np.logspace(-6, 2, 17).tolist())
FOLDS = 5


@dataclass(frozen=True)
class Axes:
    """Axes of latents.

    Attributes:
        axes: u, [neuron, latent].
        mean: of the activity, [neuron]; subtract it before projecting.
        offset: of the latents, [latent]: model latents = (x - mean) u + offset + what the axes leave out.
        variance: of the projections (x - mean) u, divided by the number of frames, [latent].
        total_variance: of what the axes explain: the activity (principal axes), the latents (regression), summed.
        residual: [latent], share of a model latent's variance that the axes do not explain, in sample; 0 for
            principal axes.
        held_out_residual: the same in contiguous pieces of time that were left out of the fit; NaN for principal axes.
        penalty: relative ridge penalty of each latent; 0 for principal axes.
        accuracy: largest |covariance u - lambda u| / lambda_1: rounding for exact axes, the error of approximate ones.
    """

    axes: np.ndarray
    mean: np.ndarray
    offset: np.ndarray
    variance: np.ndarray
    total_variance: float
    residual: np.ndarray
    held_out_residual: np.ndarray
    penalty: np.ndarray
    accuracy: float = 0.0


def complete(activity: np.ndarray, missing: str = "error") -> tuple[np.ndarray, float]:
    """Return activity without NaN, of the same shape in float64, and the fraction of samples that were not taken.

    Args:
        activity: [..., neuron], NaN = not sampled.
        missing: "error": raise; "mean": a sample that was not taken is the neuron's mean, which contributes nothing to
            a centred latent (it shrinks variances).

    Raises:
        UserError: samples are missing and `missing` is "error", a neuron has none, or infinite values.
    """
    values = np.asarray(activity, dtype=np.float64)
    absent = np.isnan(values)
    fraction = float(absent.mean())
    if missing not in ("error", "mean") or np.isinf(values).any():
        raise UserError(f"activity: expected finite values or NaN, and missing = error or mean, not {missing!r}.")
    if not fraction:
        return values, 0.0
    if missing == "error":
        raise UserError(
            f"activity: expected every sample, found {fraction:.1%} not taken (NaN). Use a model's event rate, merge "
            "bins to imaging frames, or choose missing = mean."
        )
    sampled = ~absent.reshape(-1, absent.shape[-1]).all(axis=0)
    if not sampled.all():
        raise UserError(f"activity: neuron {int(sampled.argmin())} has no sample; leave it out.")
    return np.where(absent, np.nanmean(values.reshape(-1, values.shape[-1]), axis=0), values), fraction


def principal_axes(
    activity: np.ndarray,
    components: int,
    *,
    method: str = "auto",
    block: int | None = None,
    seed: int = 0,
) -> Axes:
    """Return the leading principal axes of the activity: orthonormal, signs such that the largest weight is positive.

    Args:
        activity: [time, neuron], finite; anything that `activity[start:stop]` cuts.
        components: number of latents, at most min(neurons, frames).
        method: "exact": eigenvectors of the covariance, or of the frames' Gram matrix if there are fewer frames;
            "randomised": subspace iteration (Halko, Martinsson & Tropp 2011, SIAM Review 53:217) with 7 passes over
            blocks of time; "auto": exact up to 4000 neurons or frames.
        block: frames in a block.
        seed: of the randomised start.

    Raises:
        UserError: shapes, values or settings are not those.
    """
    if len(activity.shape) != 2 or 0 in activity.shape:
        raise UserError(f"activity: expected [time, neuron], not empty, found shape {tuple(activity.shape)}.")
    frames, neurons = activity.shape
    if not 1 <= components <= min(frames, neurons):
        raise UserError(f"components: expected 1 to {min(frames, neurons)} (neurons, frames), found {components}.")
    if method not in ("auto", "exact", "randomised"):
        raise UserError(f"method: expected auto, exact or randomised, found {method!r}.")
    if method == "auto":
        method = "exact" if min(frames, neurons) <= EXACT_SIZE else "randomised"
    blocks = list(time_blocks(frames, neurons, block))
    mean = sum(finite_block(activity, *ends).sum(axis=0) for ends in blocks) / frames

    def covariance_times(vectors: np.ndarray) -> np.ndarray:
        product = np.zeros_like(vectors)
        for ends in blocks:
            x = finite_block(activity, *ends) - mean
            product += x.T @ (x @ vectors)
        return product / frames

    if method == "exact":
        basis = _exact(activity, mean, blocks, components)
    else:
        size = min(components + OVERSAMPLING, frames, neurons)
        basis = generator(seed, "principal_axes").normal(size=(neurons, size))
        for _ in range(ITERATIONS):
            basis = np.linalg.qr(covariance_times(basis))[0]
    # Rayleigh-Ritz within the basis: it orders the axes and gives their variances
    image = covariance_times(basis)
    values, rotation = np.linalg.eigh(basis.T @ image)
    leading = np.argsort(-values, kind="stable")[:components]
    axes, values = basis @ rotation[:, leading], np.maximum(values[leading], 0.0)
    error = np.linalg.norm(image @ rotation[:, leading] - axes * values, axis=0).max()
    total = sum(float(((finite_block(activity, *ends) - mean) ** 2).sum()) for ends in blocks) / frames
    return Axes(
        axes=axes * _signs(axes),
        mean=mean,
        offset=np.zeros(components),
        variance=values,
        total_variance=total,
        residual=np.zeros(components),
        held_out_residual=np.full(components, np.nan),
        penalty=np.zeros(components),
        accuracy=float(error / values[0]) if values[0] > 0 else 0.0,
    )


def regression_axes(
    activity: np.ndarray,
    latents: np.ndarray,
    penalty: float | Sequence[float] = PENALTIES,
    folds: int = FOLDS,
    slack: float = 0.01,
) -> Axes:
    """Return the axes of the ridge regression of a model's latents on the activity.

    Contributions along them sum to the regression's prediction (x - mean) u, not to the latents. `residual` is the
    share of each latent's variance that is lost by this, and `held_out_residual` the same out of sample: the larger
    they are, the less the contributions say about the model. Where neurons vary together, as a model's rates do, many
    axes predict nearly alike and only the penalty decides between them: weak ones give large weights that cancel.

    Args:
        activity: [time, neuron], finite.
        latents: of the model, [time, latent], finite.
        penalty: relative to the mean of the min(neurons, frames) leading eigenvalues of the activity's Gram matrix,
            so that units do not matter; of several, each latent takes the strongest that is good enough.
        folds: number of contiguous pieces of time that are held out in turn to tell what is good enough.
        slack: share of a latent's variance by which the held-out error may exceed that of the best penalty.

    Raises:
        UserError: shapes, values or settings are not those.
    """
    x = finite_block(activity, 0, len(activity))
    z = np.asarray(latents, dtype=np.float64)
    if z.ndim != 2 or len(z) != len(x) or not np.isfinite(z).all() or len(x) < 2 * folds:
        raise UserError(
            f"regression axes: expected finite latents [time, latent] at the {len(x)} frames of the activity, at least "
            f"{2 * folds}, found shape {z.shape}, {int((~np.isfinite(z)).sum())} of the values not finite."
        )
    penalties = np.sort(np.atleast_1d(np.asarray(penalty, dtype=np.float64)))
    if not len(penalties) or not (penalties > 0).all() or not slack >= 0:
        raise UserError(f"penalty, slack: expected positive numbers, found {penalty!r} and {slack!r}.")
    # about the mean: sums of squares of what is far from zero lose digits
    mean, offset = x.mean(axis=0), z.mean(axis=0)
    basis = _row_space(x - mean)
    features = (x - mean) @ basis
    pieces = [Moments.of(features[i], z[i] - offset) for i in np.array_split(np.arange(len(x)), folds)]
    total = sum(piece.yy for piece in pieces)
    scale = _scale(Moments.total(pieces))
    error = np.zeros((len(penalties), z.shape[1]))
    for held_out in range(folds):
        training = Moments.total(pieces[:held_out] + pieces[held_out + 1 :])
        error += Ridge(training).squared_error(penalties * _scale(training), pieces[held_out])
    good = error <= error.min(axis=0) + slack * total
    best = len(penalties) - 1 - good[::-1].argmax(axis=0)
    axes = basis @ Ridge(Moments.total(pieces)).solve(penalties[best] * scale)[0]
    prediction = (x - mean) @ axes
    total = np.where(total > 0, total, np.nan)
    return Axes(
        axes=axes,
        mean=mean,
        offset=offset,
        variance=prediction.var(axis=0),
        total_variance=float(z.var(axis=0).sum()),
        residual=((z - offset - prediction) ** 2).sum(axis=0) / total,
        held_out_residual=error[best, np.arange(len(total))] / total,
        penalty=penalties[best],
    )


def whitened(latents: np.ndarray, relative_floor: float = 1e-6) -> np.ndarray:
    """Return W [latent, latent] such that latents W have unit covariance, and (axes W) are their axes.

    The symmetric choice, nearest to the latents as they are. Latents of models are known up to an invertible map
    only; distances and shares of transitions mean something after this. Directions with less than `relative_floor` of
    the largest variance are left out (their weight is 0): they would be noise blown up.

    Raises:
        UserError: latents [time, latent] do not vary.
    """
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(latents, rowvar=False, bias=True)))
    if not values[-1] > 0:
        raise UserError("latents: expected latents that vary over time, found constant ones.")
    kept = values > relative_floor * values[-1]
    return (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T


def _exact(activity, mean: np.ndarray, blocks: list[tuple[int, int]], components: int) -> np.ndarray:
    frames, neurons = activity.shape
    if neurons <= frames:
        covariance = np.zeros((neurons, neurons))
        for ends in blocks:
            x = finite_block(activity, *ends) - mean
            covariance += x.T @ x
        return np.linalg.eigh(covariance)[1][:, -components:]
    x = finite_block(activity, 0, frames) - mean
    vectors = np.linalg.eigh(x @ x.T)[1][:, -components:]
    # axes without variance have no image; qr completes them to an orthonormal basis
    return np.linalg.qr(x.T @ vectors)[0]


def _row_space(x: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis [neuron, dimension] of what frames fewer than neurons span, or the identity.

    Ridge weights lie in this space, so that a regression on the coordinates in it is the same and cheaper.
    """
    frames, neurons = x.shape
    if neurons <= frames:
        return np.eye(neurons)
    return np.linalg.qr(x.T)[0]


def _signs(axes: np.ndarray) -> np.ndarray:
    largest = np.abs(axes).argmax(axis=0)
    return np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)


def _scale(moments: Moments) -> float:
    """Sum of squares of the centred features over the rank they can have; one for activity that is constant."""
    trace = float(np.trace(moments.xx) - (moments.x**2).sum() / moments.count)
    return trace / len(moments.x) if trace > 0 else 1.0

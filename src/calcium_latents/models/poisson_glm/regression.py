"""Poisson regression of responses on the pixels of images, with log link and L2 penalty, for all neurons at once.

For every neuron: rate = exp(b + w . x), and w, b minimise

    mean over images of (rate - response log rate) + penalty / 2 |w|^2,

the mean negative log-likelihood (without its term in the response alone, which no parameter changes) and a penalty that
leaves out the intercept. Ustyuzhaninov et al., Methods, "GLM model"; they do not say how their penalty is scaled, so
this is our choice. Responses need not be whole numbers; those that are NaN count nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.models.poisson_glm.descent import LARGEST_LOG_RATE, SMALLEST_RATE, Observations, minimise
from calcium_latents.progress import progress
from calcium_latents.seeds import generator

#: neurons that are fitted side by side: enough for fast products, few enough for memory
BLOCK = 512
#: directions of less variance than this, relative to the largest, are rounding errors
NO_VARIANCE = 1e-12


@dataclass(frozen=True)
class PoissonGlm:
    """Poisson regressions of several neurons.

    Attributes:
        filters: [neuron, pixel], per unit of the images.
        intercepts: [neuron], log rate where the image is 0.
        penalties: [neuron].
        gradient_norms: [neuron], norm of the objective's gradient at the end, relative to max(1, mean response).
    """

    filters: np.ndarray
    intercepts: np.ndarray
    penalties: np.ndarray
    gradient_norms: np.ndarray

    def rates(self, images: np.ndarray) -> np.ndarray:
        """Return rates [image, neuron] for images [image, pixel]; log rates are cut off at `LARGEST_LOG_RATE`."""
        log_rates = np.asarray(images, np.float64) @ self.filters.T + self.intercepts
        return np.exp(np.minimum(log_rates, LARGEST_LOG_RATE))


@dataclass(frozen=True)
class CrossValidation:
    """Losses on held-out images.

    Attributes:
        penalties: [penalty], rising.
        losses: [penalty, neuron], mean of rate - response log rate over held-out responses.
        chosen: [neuron], index of the penalty with the smallest loss.
        start: [neuron, axis], mean over folds of the weights with it, for `PoissonRegression.fit` to start from.
    """

    penalties: np.ndarray
    losses: np.ndarray
    chosen: np.ndarray
    start: np.ndarray


class PoissonRegression:
    """Poisson regressions on one set of training images.

    The images are turned into their principal axes, all of them, which changes neither the objective nor its minimum
    and lets the curvature be approximated by a diagonal.

    Args:
        images: [image, pixel].
        responses: [image, neuron], 0 or above; NaN = not recorded.
        tolerance: fits end where the norm of the objective's gradient is below `tolerance` max(1, mean response); w is
            then nearer to the minimum than that divided by the penalty.
        iterations: largest number of descent steps.
        single_precision: compute in float32; too coarse for tolerances below about 1e-5.

    Raises UserError for images that are not finite, responses below 0 or infinite, or a neuron without any response.
    """

    def __init__(
        self,
        images: np.ndarray,
        responses: np.ndarray,
        *,
        tolerance: float = 1e-4,
        iterations: int = 500,
        single_precision: bool = True,
    ):
        images, responses = np.asarray(images, np.float64), np.asarray(responses, np.float64)
        _check(images, responses)
        self.tolerance, self.iterations = tolerance, iterations
        self.number = np.float32 if single_precision else np.float64
        self.mean = images.mean(0)
        centred = images - self.mean
        variances, axes = np.linalg.eigh(centred.T @ centred / len(images))
        kept = variances > NO_VARIANCE * max(variances[-1], 1e-30)
        self.axes = axes[:, kept][:, ::-1]
        # the intercept comes first, as the weight of a constant; its variance stands for its curvature
        self.variances = np.concatenate([[1.0], variances[kept][::-1]])
        self.inputs = np.column_stack([np.ones(len(images)), centred @ self.axes]).astype(self.number)
        self.responses = np.ascontiguousarray(responses.T)

    def fit(self, penalties: np.ndarray, start: np.ndarray | None = None) -> PoissonGlm:
        """Fit every neuron with its own penalty [neuron], above 0, on all images.

        Args:
            penalties: [neuron].
            start: weights [neuron, axis] to start from, as `cross_validate` returns them.
        """
        penalties = np.broadcast_to(np.asarray(penalties, float), len(self.responses))
        weights, norms = np.zeros((len(penalties), len(self.variances)), self.number), np.zeros(len(penalties))
        for block in self._blocks():
            observations = self._observations(np.arange(len(self.inputs)), block)
            given = None if start is None else start[block]
            weights[block], norms[block] = self._minimise(observations, penalties[block], given)
        filters = weights[:, 1:].astype(np.float64) @ self.axes.T
        intercepts = weights[:, 0] - filters @ self.mean
        return PoissonGlm(filters, intercepts, penalties.copy(), norms)

    def cross_validate(self, penalties: Sequence[float] | np.ndarray, folds: int, seed: int) -> CrossValidation:
        """Choose each neuron's penalty by its loss on images that the fit has not seen.

        Args:
            penalties: to choose from.
            folds: parts that the images are dealt into at random; each is held out once.
            seed: of the folds.

        Raises UserError for penalties of 0 or below, or fewer than 2 folds or fewer images than folds.
        """
        penalties = np.sort(np.asarray(penalties, float))
        count = len(self.inputs)
        if not penalties.size or not penalties[0] > 0 or not 2 <= folds <= count:
            raise UserError(
                f"poisson_glm: expected penalties above 0, and from 2 folds to one an image ({count}); found"
                f" {penalties.tolist()} and {folds} folds. Correct the model's configuration."
            )
        order = generator(seed, "poisson_glm", "folds").permutation(count)
        parts = np.array_split(order, folds)
        losses, start = zip(
            *(
                self._held_out(penalties, parts, block)
                for block in progress(self._blocks(), "Poisson regression", unit="block")
            ),
            strict=True,
        )
        losses = np.concatenate(losses, axis=1)
        return CrossValidation(penalties, losses, losses.argmin(0), np.concatenate(start))

    def fit_cross_validated(
        self, penalties: Sequence[float] | np.ndarray, folds: int, seed: int
    ) -> tuple[PoissonGlm, CrossValidation]:
        """Return the fit on all images with each neuron's penalty as chosen by `cross_validate`, and the losses."""
        validation = self.cross_validate(penalties, folds, seed)
        return self.fit(validation.penalties[validation.chosen], validation.start), validation

    def _held_out(self, penalties: np.ndarray, parts: list, block: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return losses [penalty, neuron] of a block, and the weights [neuron, axis] with the best penalty."""
        count = len(self.responses[block])
        losses, counts = np.zeros((len(penalties), count)), np.zeros(count)
        sums = np.zeros((len(penalties), count, len(self.variances)), self.number)
        for number, part in enumerate(parts):
            seen = self._observations(np.sort(np.concatenate(parts[:number] + parts[number + 1 :])), block)
            unseen = self._observations(np.sort(part), block)
            weights = None
            for index in reversed(range(len(penalties))):  # from the simplest model on, each from the one before
                weights, _ = self._minimise(seen, np.full(count, penalties[index]), weights)
                losses[index] += unseen.summed_losses(weights)
                sums[index] += weights
            counts += unseen.counts
        losses /= counts
        return losses, sums[losses.argmin(0), np.arange(count)] / len(parts)

    def _blocks(self) -> list[slice]:
        return [slice(first, first + BLOCK) for first in range(0, len(self.responses), BLOCK)]

    def _observations(self, rows: np.ndarray, block: slice) -> Observations:
        return Observations(self.inputs[rows], self.responses[block, rows].astype(self.number))

    def _minimise(
        self, observations: Observations, penalties: np.ndarray, start: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights [neuron, axis] and relative gradient norms [neuron]."""
        if start is None:
            start = np.zeros((len(penalties), len(self.variances)), self.number)
            start[:, 0] = np.log(np.maximum(observations.means, SMALLEST_RATE))
        weights, norms = start.astype(self.number), np.zeros(len(penalties))
        # a neuron that never responded has no minimum: its rate goes to 0
        silent = observations.means <= 0
        weights[silent], weights[silent, 0] = 0, np.log(SMALLEST_RATE)
        rows = np.flatnonzero(~silent)
        scale = np.maximum(1, observations.means[rows])
        weights[rows], norms[rows] = minimise(
            observations.of(rows),
            penalties[rows],
            weights[rows],
            self.variances,
            self.tolerance * scale,
            self.iterations,
        )
        norms[rows] /= scale
        return weights, norms


def _check(images: np.ndarray, responses: np.ndarray) -> None:
    """Raise UserError where a Poisson regression cannot be fitted."""
    advice = "Fit it to responses as ImageResponses holds them, negative ones set to 0."
    if images.ndim != 2 or responses.ndim != 2 or len(images) != len(responses) or len(images) < 2:
        found = f"shapes {images.shape} and {responses.shape}"
        raise UserError(f"poisson_glm: expected two or more images and as many responses, found {found}. {advice}")
    if not np.isfinite(images).all():
        raise UserError("poisson_glm: images: expected finite values, found NaN or infinity. Mend the images.")
    if np.isinf(responses).any() or (responses < 0).any():
        least = np.nanmin(responses)
        raise UserError(f"poisson_glm: responses: expected 0 or above, found values from {least:g}. {advice}")
    missing = np.flatnonzero(np.isnan(responses).all(0))
    if missing.size:
        raise UserError(
            f"poisson_glm: responses: expected some training images for each neuron, found none for {missing.size}"
            f" (the first: column {missing[0]}). Leave these neurons out."
        )

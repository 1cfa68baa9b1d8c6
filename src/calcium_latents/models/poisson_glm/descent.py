"""Minimises the penalised Poisson losses of many neurons side by side: L-BFGS with a curvature known beforehand.

Near rates that hardly vary the Hessian is diagonal in the principal axes of the images: mean rate times variance plus
penalty. That diagonal is where L-BFGS starts from, so that it takes about ten steps. All neurons take their steps
together, as products of matrices; each has its own step length, from the derivatives along its direction.
"""

import numpy as np

SMALLEST_RATE = 1e-6
#: exp of more than this is no rate any neuron has; it keeps squares of rates within float32
LARGEST_LOG_RATE = 30.0
MEMORY = 10
#: a step ends where the slope along it has fallen to this part
FLATTER = 0.3
LINE_SEARCHES = 40
#: a first try raises no log rate by more than this
LARGEST_RISE = 5.0


class Observations:
    """What neurons did at some images.

    Args:
        inputs: [image, axis], the first column 1.
        responses: [neuron, image]; NaN = not recorded.
    """

    def __init__(self, inputs: np.ndarray, responses: np.ndarray):
        self.inputs = inputs
        recorded = ~np.isnan(responses)
        self.recorded = None if recorded.all() else recorded.astype(inputs.dtype)
        self.responses = np.where(recorded, responses, 0).astype(inputs.dtype)
        self.counts = recorded.sum(1)
        self.shares = (1 / np.maximum(self.counts, 1)).astype(inputs.dtype)
        self.means = self.responses.sum(1, dtype=np.float64) / np.maximum(self.counts, 1)

    def of(self, rows: np.ndarray) -> "Observations":
        """Return those of some neurons, `rows` [n]."""
        part = object.__new__(Observations)
        part.inputs, part.recorded = self.inputs, None if self.recorded is None else self.recorded[rows]
        for name in ("responses", "counts", "shares", "means"):
            setattr(part, name, getattr(self, name)[rows])
        return part

    def rates(self, log_rates: np.ndarray) -> np.ndarray:
        """Return rates [neuron, image], 0 where nothing was recorded."""
        rates = np.exp(np.minimum(log_rates, LARGEST_LOG_RATE))
        return rates if self.recorded is None else rates * self.recorded

    def gradient(self, log_rates: np.ndarray) -> np.ndarray:
        """Return the gradient [neuron, axis] of the mean loss by the weights."""
        return (self.rates(log_rates) - self.responses) @ self.inputs * self.shares[:, None]

    def summed_losses(self, weights: np.ndarray) -> np.ndarray:
        """Return the sum over images of rate - response log rate, [neuron], for weights [neuron, axis]."""
        log_rates = np.minimum(weights @ self.inputs.T, LARGEST_LOG_RATE)
        return (self.rates(log_rates) - self.responses * log_rates).sum(1, dtype=np.float64)


def minimise(
    observations: Observations,
    penalties: np.ndarray,
    start: np.ndarray,
    variances: np.ndarray,
    tolerances: np.ndarray,
    iterations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise mean loss + penalty / 2 |weights without the first|^2 for every neuron.

    Args:
        observations: whose mean responses are above 0.
        penalties: [neuron], above 0.
        start: weights [neuron, axis] to start from.
        variances: [axis], of the inputs; that of the constant is 1.
        tolerances: [neuron], norms of the gradient below which a neuron is done.
        iterations: largest number of steps.

    Returns:
        weights [neuron, axis], and norms of their gradients [neuron]: above the tolerance where `iterations` did not
        suffice, or rounding allowed no further descent.
    """
    number = observations.inputs.dtype
    result, norms = start.copy(), np.zeros(len(start))
    penalised = np.concatenate([[0], np.ones(len(variances) - 1)])
    penalties = (penalties[:, None] * penalised).astype(number)
    curvature = (observations.means[:, None] * variances + penalties).astype(number)
    rows = np.arange(len(start))  # neurons that still descend
    weights = start
    log_rates = weights @ observations.inputs.T
    gradient = observations.gradient(log_rates) + penalties * weights
    memory: list[tuple[np.ndarray, ...]] = []
    for _ in range(iterations + 1):
        norms[rows] = np.sqrt(np.square(gradient, dtype=np.float64).sum(1))
        result[rows] = weights
        on = norms[rows] > tolerances[rows]
        direction = _direction(gradient, curvature, memory)
        slope = _dot(gradient, direction)
        uphill = slope >= 0  # by rounding
        direction[uphill] = -(gradient / curvature)[uphill]
        slope[uphill] = _dot(gradient, direction)[uphill]
        on &= slope < 0
        if not on.any():
            break
        if not on.all():
            rows, observations = rows[on], observations.of(on)
            weights, log_rates, gradient, direction, slope, penalties, curvature = (
                part[on] for part in (weights, log_rates, gradient, direction, slope, penalties, curvature)
            )
            memory = [tuple(part[on] for part in pair) for pair in memory]
        along = direction @ observations.inputs.T
        length = _step_length(
            observations,
            log_rates,
            along,
            slope,
            _dot(penalties * weights, direction),
            _dot(penalties * direction, direction),
        )[:, None]
        step = length * direction
        weights = weights + step
        log_rates = log_rates + length * along
        before, gradient = gradient, observations.gradient(log_rates) + penalties * weights
        change = gradient - before
        product = _dot(step, change)
        # a pair whose curvature is lost in rounding says nothing: weight 0
        weight = np.where(product > 0, 1 / np.maximum(product, np.finfo(number).tiny), 0).astype(number)
        memory = [*memory[-MEMORY + 1 :], (step, change, weight)]
    return result, norms


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ni->n", one, other)


def _direction(gradient: np.ndarray, curvature: np.ndarray, memory: list) -> np.ndarray:
    """Return the step of L-BFGS (Nocedal & Wright, algorithm 7.4) from a diagonal curvature, [neuron, axis]."""
    direction, products = -gradient, []
    for step, change, weight in reversed(memory):
        product = weight * _dot(step, direction)
        direction -= product[:, None] * change
        products.append(product)
    direction /= curvature
    for (step, change, weight), product in zip(memory, reversed(products), strict=True):
        direction += (product - weight * _dot(change, direction))[:, None] * step
    return direction


def _step_length(
    observations: Observations,
    log_rates: np.ndarray,
    along: np.ndarray,
    slope: np.ndarray,
    penalty_slope: np.ndarray,
    penalty_curvature: np.ndarray,
) -> np.ndarray:
    """Return a step [neuron] at which the slope along the direction is flat: Newton's method, or halved brackets.

    From the far side of an exponential Newton's steps are short, so one that does not halve the slope is followed by
    halving the bracket.

    Args:
        log_rates, along: [neuron, image], where the step starts and what it adds.
        slope: [neuron], below 0, where it starts.
        penalty_slope, penalty_curvature: [neuron], of the penalty along the direction.
    """
    length = np.minimum(1, LARGEST_RISE / np.maximum(along.max(1), 1))
    low, high = np.zeros_like(slope), np.full_like(slope, np.inf)
    before = np.full_like(slope, np.inf)
    rows = np.arange(len(slope))
    for _ in range(LINE_SEARCHES):
        if len(rows) == len(slope):
            part, at, by = observations, log_rates, along
        else:
            part, at, by = observations.of(rows), log_rates[rows], along[rows]
        now = length[rows]
        rates = part.rates(at + now[:, None] * by)
        found = _dot(rates - part.responses, by) * part.shares + penalty_slope[rows] + now * penalty_curvature[rows]
        steep = np.abs(found) > FLATTER * np.abs(slope[rows])
        if not steep.any():
            break
        rows, now, found, rates, by = rows[steep], now[steep], found[steep], rates[steep], by[steep]
        fast = np.abs(found) < before[rows] / 2
        before[rows] = np.abs(found)
        low[rows] = np.where(found < 0, now, low[rows])
        high[rows] = np.where(found < 0, high[rows], now)
        bend = np.einsum("ni,ni,ni->n", rates, by, by) * part.shares[steep] + penalty_curvature[rows]
        newton = now - found / np.maximum(bend, np.finfo(bend.dtype).tiny)
        middle = np.where(np.isinf(high[rows]), 2 * now, (low[rows] + high[rows]) / 2)
        inside = (newton > low[rows]) & (newton < high[rows]) & (newton < 10 * now)
        length[rows] = np.where(inside & fast, newton, middle)
    else:
        length[rows] = low[rows]  # descends, if it does not go all the way
    return length

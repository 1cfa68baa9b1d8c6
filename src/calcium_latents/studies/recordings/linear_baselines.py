"""Linear baselines of a recording: event rates from principal components, factor analysis, Gaussian-process factor
analysis, and neighbouring neurons, with all that is free chosen on samples that each fit did not see.

Events are binned to about `BIN_S`. What is predicted is the neuron's activity as a multiple of its mean; `share` of it,
and 1 for the rest, is the baseline's rate over the neuron's mean rate: one number for all neurons, without which rates
at or below 0 had no likelihood. For choosing, a tenth of the known samples is hidden, as samples of the test are. What
is tested is never seen here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from calcium_latents.metrics.held_out import PROBABILITY_FLOOR
from calcium_latents.models.linear_latents import gaussian_process_factors as gaussian_process
from calcium_latents.models.linear_latents.binning import Activity, bin_events, smooth_activity
from calcium_latents.models.linear_latents.factor_analysis import factor_analysis
from calcium_latents.models.linear_latents.neighbours import predict_from_neighbours
from calcium_latents.models.linear_latents.principal_components import Factors, principal_components
from calcium_latents.recordings.hiding import RUN_S, hidden_runs
from calcium_latents.seeds import generator

BIN_S = 0.05
POWERS = (0.0, 0.5, 1.0)
WIDTHS_S = (0.0, 0.1, 0.2, 0.5, 1.0)
FACTORS = (1, 2, 4, 8, 16, 32)
MOST_PROCESSES = 16  # a Kalman filter takes the cube of it
PENALTIES = (0.01, 0.1, 1.0, 10.0)  # of a ridge, relative to the number of bins
PARTS = 5
CHOICE_BINS = 6000
CHOICE_FRACTION = 0.1
CHOICE_SAMPLES = 300_000

Choice = dict[str, float]


@dataclass(frozen=True)
class Fit:
    """What a method says: activity relative to the neuron's mean `[bin, neuron]`, and factors `[bin, factor]`."""

    relative: np.ndarray
    factors: np.ndarray | None = None


class Population:
    """Events as the methods take them.

    Attributes:
        events: `[frame, neuron]`, NaN = unknown.
        frames: number of frames in a bin.
        bin_s: width of a bin.
        parts: `[neuron]`, the part of the population that a neuron belongs to.
    """

    def __init__(self, events: np.ndarray, imaging_rate_hz: float, parts: np.ndarray):
        self.events, self.parts = events, parts
        self.frames = max(1, round(BIN_S * imaging_rate_hz))
        self.bin_s = self.frames / imaging_rate_hz
        self.activity: Callable[[float], Activity] = cache(lambda power: bin_events(events, self.frames, power))

    def smoothed(self, choice: Choice) -> Activity:
        """Return activity of the power and width of `choice`."""
        return smooth_activity(self.activity(choice["power"]), choice["width_s"] / self.bin_s)


def _of_factors(activity: Activity, found: Factors) -> Fit:
    return Fit(activity.relative(found.activity()), found.factors)


def fit_components(population: Population, choice: Choice) -> Fit:
    """Return the rates of principal components of smoothed activity."""
    activity = population.smoothed(choice)
    return _of_factors(activity, principal_components(activity.values, activity.weight, int(choice["factors"])))


def fit_factor_analysis(population: Population, choice: Choice) -> Fit:
    """Return the rates of factor analysis of smoothed activity."""
    activity = population.smoothed(choice)
    return _of_factors(activity, factor_analysis(activity.values, activity.weight, int(choice["factors"])))


def fit_gaussian_processes(population: Population, choice: Choice) -> Fit:
    """Return the rates of Gaussian-process factor analysis of the bins; each factor finds its own timescale."""
    activity = population.activity(choice["power"])
    start = gaussian_process.initial(activity.values, activity.weight, int(choice["factors"]))
    learnt = gaussian_process.learn(activity.values, activity.weight, start)
    return _of_factors(activity, gaussian_process.infer(activity.values, activity.weight, learnt))


def fit_neighbours(population: Population, choice: Choice) -> Fit:
    """Return the rates of reduced-rank regression of neurons on the smoothed activity of other parts' neurons."""
    bins, sources = population.activity(choice["power"]), population.smoothed(choice)
    known = sources.values * sources.scale.astype(np.float32) + sources.mean.astype(np.float32)
    known = (known - bins.mean.astype(np.float32)) * np.divide(
        1, bins.scale, out=np.zeros_like(bins.scale), where=bins.scale > 0
    ).astype(np.float32)
    targets = np.where(bins.weight > 0, bins.values, known)  # where a bin is unknown, what is around it
    predicted = predict_from_neighbours(
        sources.values, targets, population.parts, choice["penalty"], int(choice["factors"])
    )
    return Fit(bins.relative(predicted))


#: method -> how it is fitted, what its choice begins with, and whether it takes over the choice of another
METHODS: dict[str, tuple[Callable[[Population, Choice], Fit], str | None, tuple[str, ...]]] = {
    "pca": (fit_components, None, ("width_s", "power", "factors")),
    "factor_analysis": (fit_factor_analysis, "pca", ("width_s", "factors")),
    "gpfa": (fit_gaussian_processes, "factor_analysis", ()),
    "neighbours": (fit_neighbours, "pca", ("width_s", "penalty", "factors")),
}


class Validation:
    """Known samples that are hidden from fits, to choose by.

    Args:
        events: [frame, neuron], NaN = unknown; the first `CHOICE_BINS` bins count.
        imaging_rate_hz: frames per second.
        parts: [neuron], see `Population`.
        seed: of the choice of samples.
        run_s: length of the runs that they are hidden in, s.
    """

    def __init__(self, events: np.ndarray, imaging_rate_hz: float, parts: np.ndarray, seed: int, run_s: float = RUN_S):
        part = events[: CHOICE_BINS * Population(events[:1], imaging_rate_hz, parts).frames]
        rng = generator(seed, "linear baselines", "validation")
        run = max(1, round(run_s * imaging_rate_hz))
        hidden = hidden_runs(part.T.shape, CHOICE_FRACTION, run, rng).T & np.isfinite(part)
        self.population = Population(np.where(hidden, np.float32(np.nan), part), imaging_rate_hz, parts)
        frame, self.neuron = np.nonzero(hidden)
        if len(frame) > CHOICE_SAMPLES:
            some = rng.choice(len(frame), CHOICE_SAMPLES, replace=False)
            frame, self.neuron = frame[some], self.neuron[some]
        self.bin, self.happened = frame // self.population.frames, part[frame, self.neuron] > 0
        known = np.isfinite(self.population.events)
        count = (self.population.events > 0).sum(axis=0)
        self.base = ((count + 0.5) / (known.sum(axis=0) + 1.0))[self.neuron]

    def score(self, fit: Fit) -> tuple[float, float]:
        """Return the likelihood (nats a sample) of event or none under a fit, and the share of it that is best."""
        relative = np.maximum(fit.relative[self.bin, self.neuron].astype(np.float64), 0)

        def loss(share: float) -> float:
            q = np.clip(self.base * (1 - share + share * relative), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
            return -float(np.where(self.happened, np.log(q), np.log1p(-q)).mean())

        best = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-3})
        return -float(best.fun), float(best.x)


def coordinate_search(
    options: Mapping[str, Sequence[float]], start: Choice, score: Callable[[Choice], float]
) -> Choice:
    """Return the best choice found by going through `options` one by one, each with the others at their best so far."""
    best, scores = dict(start), {}

    def known(choice: Choice) -> float:
        key = tuple(sorted(choice.items()))
        if key not in scores:
            scores[key] = score(choice)
        return scores[key]

    for name, values in options.items():
        best = max(({**best, name: value} for value in dict.fromkeys([best[name], *values])), key=known)
    return best


def choose(
    events: np.ndarray, imaging_rate_hz: float, parts: np.ndarray, seed: int, run_s: float = RUN_S
) -> dict[str, Choice]:
    """Return method -> its choice: power, width_s, factors, penalty where it has them; share; validation_nats.

    Args:
        events: [frame, neuron], NaN = unknown.
        imaging_rate_hz: frames per second.
        parts: [neuron], see `Population`.
        seed: of the samples to choose by.
        run_s: length of the runs that these are hidden in, s.
    """
    validation = Validation(events, imaging_rate_hz, parts, seed, run_s)
    bins = -(-len(validation.population.events) // validation.population.frames)
    limit = min(bins, events.shape[1])
    factors = [count for count in FACTORS if count < limit]
    options = {"power": POWERS, "width_s": WIDTHS_S, "factors": factors, "penalty": PENALTIES}
    found: dict[str, Choice] = {}
    for method, (fit, before, free) in METHODS.items():
        start: Choice = {"power": 0.0, "width_s": 0.2, "factors": min(8, factors[-1])}
        if before:
            start |= {name: found[before][name] for name in start}
        if "penalty" in free:
            start["penalty"] = PENALTIES[1]
        if method == "gpfa":
            start["factors"] = min(start["factors"], MOST_PROCESSES)
        shares: dict[tuple, float] = {}

        def score(choice: Choice, fit=fit, shares=shares) -> float:
            nats, shares[tuple(choice.items())] = validation.score(fit(validation.population, choice))
            return nats

        best = coordinate_search({name: options[name] for name in free}, start, score)
        nats, share = validation.score(fit(validation.population, best))
        found[method] = best | {"share": share, "validation_nats": nats}
    return found


def rates_of(fit: Fit, share: float) -> np.ndarray:
    """Return rates over the neuron's mean rate [bin, neuron], at least 0."""
    return 1 - np.float32(share) + np.float32(share) * np.maximum(fit.relative, 0)


def deal(neurons: int, seed: int) -> np.ndarray:
    """Return the part [neuron] of the population, of `PARTS`, that each neuron belongs to."""
    return generator(seed, "linear baselines", "parts").permutation(neurons) % min(PARTS, neurons)


def describe(method: str, choice: Mapping[str, Any]) -> str:
    """Return a method with what was chosen, in words."""
    count = int(choice["factors"])
    width = f"{1000 * choice['width_s']:.0f} ms" if choice["width_s"] else "no smoothing"
    components = f"{count} component{'s' * (count > 1)}"
    factors = f"{count} factor{'s' * (count > 1)}"
    return {
        "pca": f"PCA ({components}, {width})",
        "factor_analysis": f"factor analysis ({factors}, {width})",
        "gpfa": f"Gaussian-process factor analysis ({factors})",
        "neighbours": f"regression on other neurons (rank {count}, {width})",
    }[method]

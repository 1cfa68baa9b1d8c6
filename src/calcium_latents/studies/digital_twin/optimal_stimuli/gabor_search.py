"""Search for every neuron's best stimulus on a grid, at a small part of the cost of showing the whole grid.

1. A coarse scan: a thinned grid at places near the neurons, shown to all neurons at once. Every image serves every
   neuron, so that its cost grows with the area that receptive fields cover and not with the number of neurons.
2. Refinement: from the best images of the scan, each neuron moves on the *full* grid to better neighbours, in turn
   along groups of axes that trade off against each other, until no neighbour of any group is better.

Rates of images a neuron has been shown are remembered: nothing is evaluated twice. `brute_force` shows the whole grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from calcium_latents.progress import progress
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import Parameters, StimulusGrid
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import SearchSettings
from calcium_latents.studies.digital_twin.probe import Probe

IMAGES = 256  # rendered and shown at once


@dataclass
class Counter:
    """A probe that counts the images it shows, in all and to each neuron alone."""

    probe: Probe
    images: int = 0

    @property
    def image_shape(self) -> tuple[int, int]:
        """(y, x), px."""
        return tuple(self.probe.image_shape)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.probe.neurons)

    def own_rates(self, images: np.ndarray, neurons: np.ndarray) -> np.ndarray:
        """See `Probe.own_rates`: images [n, y, x], neurons [n]."""
        self.images += len(images)
        return np.asarray(self.probe.own_rates(images, np.asarray(neurons)))

    def all_rates(self, images: np.ndarray) -> np.ndarray:
        """See `Probe.all_rates`: images [n, y, x]."""
        self.images += len(images)
        return np.asarray(self.probe.all_rates(images))


STEPS = {
    "size": "size_step",
    "cycles": "frequency_step",
    "orientation": "orientation_step",
    "phase": "phase_step",
    "centre": "size_step",
    "ratio": "size_step",
    "weight": "frequency_step",
}


@dataclass
class Optima:
    """Best stimuli found.

    Attributes:
        rows: [n, axis] on the grid.
        parameters: [n] each, as the grid renders them.
        rates: [n].
        images: [n], shown for this neuron alone during refinement.
        scan_images: shown to all neurons in the coarse scan.
    """

    rows: np.ndarray
    parameters: Parameters
    rates: np.ndarray
    images: np.ndarray
    scan_images: int


def search(
    probe: Probe, grid: StimulusGrid, starts_px: np.ndarray, neurons: np.ndarray, settings: SearchSettings
) -> Optima:
    """Return the best stimuli of `neurons` [n], whose receptive fields lie about starts_px [n, 2] (y, x)."""
    neurons = np.asarray(neurons)
    rows, rates, shown = coarse_scan(probe, grid, starts_px, neurons, settings)
    return refine(probe, grid, rows, neurons, settings, shown)


def coarse_rows(grid: StimulusGrid, starts_px: np.ndarray, settings: SearchSettings) -> np.ndarray:
    """Return the rows [m, axis] of the thinned grid at places about starts_px [n, 2]."""
    axes, step = grid.axes, settings.place_step
    middle = np.round(grid.nearest_place(starts_px) / step).astype(int) * step
    reach = range(-(grid.REACH_PX // step) * step, grid.REACH_PX + 1, step)
    around = middle[:, None] + np.array(list(product(reach, reach)))
    places = np.unique(np.clip(around.reshape(-1, 2), 0, np.array(grid.shape[:2]) - 1), axis=0)
    values = [thinned(name, axis, settings) for name, axis in list(axes.items())[2:]]
    others = np.array(list(product(*values)))
    return np.hstack([np.repeat(places, len(others), axis=0), np.tile(others, (len(places), 1))])


def thinned(name: str, values: np.ndarray, settings: SearchSettings) -> np.ndarray:
    """Return which values (places in `values` [value]) of an axis the coarse scan shows."""
    if name == "contrast":
        kept = []
        for sign in (-1, 1):
            number = np.flatnonzero(np.sign(values) == sign)
            number = number[np.argsort(-np.abs(values[number]), kind="stable")]
            kept.extend(number[:: settings.contrast_step][: settings.coarse_contrasts])
        return np.sort(np.array(kept, int))
    step = min(getattr(settings, STEPS[name]), len(values))
    return np.arange(len(values) - 1, -1, -step)[::-1] if step > 1 else np.arange(len(values))


def coarse_scan(
    probe: Probe, grid: StimulusGrid, starts_px: np.ndarray, neurons: np.ndarray, settings: SearchSettings
) -> tuple[np.ndarray, np.ndarray, int]:
    """Show the thinned grid to all neurons.

    Returns:
        Rows [n, candidate, axis] and rates [n, candidate] of each neuron's best images, and the number of images.
    """
    rows = coarse_rows(grid, starts_px, settings)
    best = BestOfKinds(grid, rows, len(neurons))
    for start in progress(range(0, len(rows), IMAGES), "coarse scan", unit="batch"):
        images = grid.render(grid.parameters(rows[start : start + IMAGES]))
        best.take(start, np.asarray(probe.all_rates(images), float)[:, neurons])
    numbers, rates = best.first(settings.candidates)
    return rows[numbers], rates, len(rows)


class BestOfKinds:
    """The best image of every kind for every neuron.

    Kinds differ along the axes `KINDS` of the grid. The best images of all are mostly neighbours, which lead to one
    optimum; the best ones of several kinds are starts that can lead to several.
    """

    def __init__(self, grid: StimulusGrid, rows: np.ndarray, neurons: int):
        columns = [grid.column(name) for name in grid.KINDS]
        self.kind = np.unique(rows[:, columns], axis=0, return_inverse=True)[1].reshape(-1)
        self.rates = np.full((neurons, self.kind.max() + 1), -np.inf)
        self.number = np.zeros(self.rates.shape, int)

    def take(self, start: int, rates: np.ndarray) -> None:
        """Take rates [image, neuron] to the images whose rows begin at `start`."""
        kinds = self.kind[start : start + len(rates)]
        for kind in np.unique(kinds):
            numbers = np.flatnonzero(kinds == kind)
            at = rates[numbers].argmax(axis=0)
            found = rates[numbers[at], np.arange(rates.shape[1])]
            better = found > self.rates[:, kind]
            self.rates[better, kind] = found[better]
            self.number[better, kind] = (start + numbers[at])[better]

    def first(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers of images and rates [neuron, count], best first."""
        order = np.argsort(-self.rates, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(self.number, order, 1), np.take_along_axis(self.rates, order, 1)


def refine(
    probe: Probe,
    grid: StimulusGrid,
    starts: np.ndarray,
    neurons: np.ndarray,
    settings: SearchSettings,
    scan_images: int = 0,
) -> Optima:
    """Move each neuron on the full grid, from the best of its starts, until no neighbour is better.

    Args:
        starts: rows [n, candidate, axis].
        neurons: [n].
        scan_images: already shown, to be kept in the result.
    """
    count, candidates, axes = starts.shape
    walkers = _Walkers(probe, grid, np.repeat(neurons, candidates), starts.reshape(-1, axes))
    walkers.memory = [memory for memory in ({} for _ in range(count)) for _ in range(candidates)]
    walkers.show(walkers.rows[:, None])
    for _ in progress(range(settings.most_rounds), "refinement", unit="round"):
        before = walkers.rows.copy()
        for block in grid.BLOCKS:
            walkers.improve(block)
        walkers.active = (walkers.rows != before).any(axis=1)
        if not walkers.active.any():
            break
    rates = walkers.rates.reshape(count, candidates)
    winner = rates.argmax(axis=1)
    rows = walkers.rows.reshape(count, candidates, axes)[np.arange(count), winner]
    images = np.array([len(walkers.memory[number * candidates]) for number in range(count)])
    return Optima(rows, grid.parameters(rows), rates.max(axis=1), images, scan_images)


class _Walkers:
    """Walkers on the grid, several of them for one neuron, and the rates they have seen."""

    def __init__(self, probe: Probe, grid: StimulusGrid, neurons: np.ndarray, rows: np.ndarray):
        self.probe, self.grid, self.neurons, self.rows = probe, grid, neurons, rows.copy()
        self.rates = np.full(len(rows), -np.inf)
        self.active = np.ones(len(rows), bool)
        self.memory: list[dict[int, float]] = []

    def improve(self, block: tuple[str, ...]) -> None:
        """Move every active walker to the best of its neighbours along the axes of a block, where one is better."""
        self.show(self.grid.neighbours(self.rows, block))

    def show(self, proposed: np.ndarray) -> None:
        """Evaluate rows [walker, k, axis] of active walkers that are new to their neurons, and keep the best."""
        codes = np.ravel_multi_index(tuple(np.moveaxis(proposed, -1, 0)), self.grid.shape)
        new_walkers, new_rows, new_codes = [], [], []
        for walker in np.flatnonzero(self.active):
            memory = self.memory[walker]
            for code, row in zip(codes[walker].tolist(), proposed[walker], strict=True):
                if code not in memory:
                    memory[code] = -np.inf
                    new_walkers.append(walker)
                    new_rows.append(row)
                    new_codes.append(code)
        if new_rows:
            found = own_rates(self.probe, self.grid, np.array(new_rows), self.neurons[new_walkers])
            for walker, code, rate in zip(new_walkers, new_codes, found.tolist(), strict=True):
                self.memory[walker][code] = rate
        for walker in np.flatnonzero(self.active):
            seen = np.array([self.memory[walker][code] for code in codes[walker].tolist()])
            best = int(seen.argmax())
            if seen[best] > self.rates[walker]:
                self.rates[walker], self.rows[walker] = seen[best], proposed[walker, best]


def own_rates(probe: Probe, grid: StimulusGrid, rows: np.ndarray, neurons: np.ndarray) -> np.ndarray:
    """Return the rate [n] of neuron neurons[k] to the stimulus at rows[k]."""
    return rates_of(probe, grid, grid.parameters(rows), neurons)


def rates_of(probe: Probe, grid: StimulusGrid, parameters: Parameters, neurons: np.ndarray) -> np.ndarray:
    """Return the rate [n] of neuron neurons[k] to the stimulus of parameters[k], rendered a batch at a time."""
    rates = np.empty(len(neurons))
    for start in range(0, len(neurons), IMAGES):
        part = slice(start, start + IMAGES)
        images = grid.render({name: values[part] for name, values in parameters.items()})
        rates[part] = probe.own_rates(images, neurons[part])
    return rates


def brute_force(probe: Probe, grid: StimulusGrid, neurons: np.ndarray) -> Optima:
    """Show the whole grid; every image serves all `neurons` [n]."""
    neurons = np.asarray(neurons)
    best, rates = np.zeros(len(neurons), np.int64), np.full(len(neurons), -np.inf)
    for rows, first in progress(_whole(grid), "whole grid", total=-(-grid.size // IMAGES), unit="batch"):
        found = np.asarray(probe.all_rates(grid.render(grid.parameters(rows))), float)[:, neurons]
        at = found.argmax(axis=0)
        found = found[at, np.arange(len(neurons))]
        better = found > rates
        best, rates = np.where(better, first + at, best), np.where(better, found, rates)
    rows = np.stack(np.unravel_index(best, grid.shape), axis=1)
    return Optima(rows, grid.parameters(rows), rates, np.zeros(len(neurons), int), grid.size)


def _whole(grid: StimulusGrid) -> Iterator[tuple[np.ndarray, int]]:
    for first in range(0, grid.size, IMAGES):
        codes = np.arange(first, min(first + IMAGES, grid.size))
        yield np.stack(np.unravel_index(codes, grid.shape), axis=1), first

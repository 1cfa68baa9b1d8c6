"""Contributions of neurons to the latents of one recording: over time, at transitions, and beside plain baselines.

Two kinds of model are taken alike: `LinearModel` (principal or regression axes) and `EncoderModel` (integrated
gradients). Both see a `Population`: the frames of all trials in one array, with the contiguous pieces they come from.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.studies.latent_contributions import contributions as plain
from calcium_latents.studies.latent_contributions.integrated_gradients import (
    Encoder,
    contribution_blocks,
    integrated_gradients,
)
from calcium_latents.studies.latent_contributions.latent_axes import Axes
from calcium_latents.studies.latent_contributions.transitions import Transition


@dataclass(frozen=True)
class Population:
    """Activity of all trials.

    Attributes:
        activity: [frame, neuron], all pieces one after another.
        inputs: what a model is given at each frame, [frame, feature]; the activity itself, or windows of it.
        pieces: (trial, start, stop) of each contiguous piece of frames, as indices of trials and time.
        neuron: ids, [neuron].
        unit: what each neuron's activity was divided by, [neuron]; one by default.
    """

    activity: np.ndarray
    inputs: np.ndarray
    pieces: tuple[tuple[int, int, int], ...]
    neuron: np.ndarray
    unit: np.ndarray | float = 1.0

    @cached_property
    def first(self) -> np.ndarray:
        """Index of the first frame of each piece, [piece]."""
        return np.concatenate([[0], np.cumsum([stop - start for _, start, stop in self.pieces])[:-1]])

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Cut values [frame, ...] into those of each piece."""
        return np.split(values, self.first[1:])

    def grid(self, values: np.ndarray, trials: int, times: int) -> np.ndarray:
        """Put values [frame, column] back on [trial, time, column], float32, NaN where there is no frame."""
        result = np.full((trials, times, values.shape[1]), np.nan, np.float32)
        for (trial, start, stop), part in zip(self.pieces, self.split(values), strict=True):
            result[trial, start:stop] = part
        return result


def find_pieces(finite: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    """Return (trial, start, stop) of the contiguous pieces where `finite` [trial, time] holds.

    Raises UserError when there is none.
    """
    pieces = []
    for trial, good in enumerate(finite):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
        pieces += [(trial, int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    if not pieces:
        raise UserError("activity: expected frames in which all neurons and latents are known, found none.")
    return tuple(pieces)


class LinearModel:
    """Latents that are weighted sums of the activity, z = (x - mean) axes mapping.

    Args:
        population: its inputs are the activity.
        axes: see `latent_axes`.
        mapping: [latent, latent] of the latents, such as `whitened`; none by default.
    """

    def __init__(self, population: Population, axes: Axes, mapping: np.ndarray | None = None):
        self.population, self.mean = population, axes.mean
        self.axes = axes.axes if mapping is None else axes.axes @ mapping
        self.error = np.zeros(self.axes.shape[1])

    @cached_property
    def summary(self) -> plain.ContributionSummary:
        """Of all frames."""
        return plain.summarise(self.population.inputs, self.axes, self.mean)

    @property
    def latents(self) -> np.ndarray:
        """[frame, latent]."""
        return self.summary.latents

    @property
    def summarised(self) -> np.ndarray:
        """Indices of the frames that the summary is of, [summarised frame]."""
        return np.arange(len(self.population.inputs))

    def project(self, inputs: np.ndarray) -> np.ndarray:
        """Return latents [frame, latent] of inputs [frame, feature]."""
        return (inputs - self.mean) @ self.axes

    def at(self, frames: slice) -> np.ndarray:
        """Return contributions in some frames, [frame, neuron, latent]."""
        return plain.contributions(self.population.inputs[frames], self.axes, self.mean)

    def shares(self, before: np.ndarray, part: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return shares and early shares, [transition, neuron], from inputs [transition, feature]."""
        return plain.transition_shares(before, after, self.axes), plain.partial_shares(before, part, after, self.axes)


class EncoderModel:
    """Latents of a differentiable encoder; contributions are integrated gradients from the mean input.

    Args:
        population: its inputs are what the encoder takes.
        encode: see `integrated_gradients`.
        frames: of the encoder's window.
        mapping: [latent, latent] of the latents, such as `whitened`; none by default.
        most_frames: evaluated for the summary, evenly spread over all.
        tolerance: of the completeness, in units of each latent's size.
    """

    def __init__(
        self,
        population: Population,
        encode: Encoder,
        frames: int = 1,
        mapping: np.ndarray | None = None,
        most_frames: int = 1000,
        tolerance: float = 1e-3,
    ):
        import torch

        matrix = None if mapping is None else torch.as_tensor(mapping)
        self.population, self.frames, self.tolerance = population, frames, tolerance
        self.encode = encode if matrix is None else lambda inputs: encode(inputs) @ matrix
        self.baseline = population.inputs.mean(axis=0, dtype=np.float64)
        count = len(population.inputs)
        self.summarised = np.unique(np.linspace(0, count - 1, min(count, most_frames)).astype(int))
        self.latents = self.project(population.inputs)
        self.error = np.zeros(self.latents.shape[1])

    def project(self, inputs: np.ndarray) -> np.ndarray:
        """Return latents [frame, latent], less those of the mean input, of inputs [frame, feature]."""
        import torch

        parts = [self.baseline[None], *(inputs[slice(*ends)] for ends in plain.time_blocks(*inputs.shape))]
        with torch.no_grad():
            encoded = [self.encode(torch.as_tensor(np.asarray(part, dtype=np.float64))).numpy() for part in parts]
        return np.concatenate(encoded[1:]) - encoded[0]

    def _blocks(self, inputs: np.ndarray) -> Iterator[np.ndarray]:
        options = {"frames": self.frames, "tolerance": self.tolerance, "strict": False}
        for part in contribution_blocks(self.encode, inputs, self.baseline, **options):
            self.error = np.maximum(self.error, part.error.max(axis=0))
            yield part.contributions

    @cached_property
    def summary(self) -> plain.ContributionSummary:
        """Of the frames `summarised`."""
        return plain.summarise_blocks(self._blocks(self.population.inputs[self.summarised]))

    def at(self, frames: slice) -> np.ndarray:
        """Return contributions in some frames, [frame, neuron, latent]."""
        return np.concatenate(list(self._blocks(self.population.inputs[frames])))

    def shares(self, before: np.ndarray, part: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return shares and early shares, [transition, neuron], from inputs [transition, feature]: along the straight
        way from before to after."""
        whole, early = (
            self._by_neuron(integrated_gradients(self.encode, to, before, tolerance=self.tolerance, strict=False))
            for to in (after, part)
        )
        return plain.shares_of_change(whole), plain.shares_of_change(early, whole.sum(axis=1))

    def _by_neuron(self, found) -> np.ndarray:
        values = found.contributions
        count, features, latents = values.shape
        return values.reshape(count, self.frames, features // self.frames, latents).sum(axis=1)


@dataclass(frozen=True)
class Attribution:
    """Who makes the transitions, by the latents and without them; all [transition, neuron].

    Attributes:
        share: <u_i dx_i, dz> / |dz|^2 from before to after; rows sum to one.
        early_share: the same up to the middle between onset and end; rows sum to the part of the way done by then.
        movement_share: dx_i^2 / |dx|^2, the share of the raw activity's movement: a baseline without latents.
        early_movement: activity gained up to the middle in the direction of the neuron's whole change, in units of the
            activity: a baseline without latents.
    """

    share: np.ndarray
    early_share: np.ndarray
    movement_share: np.ndarray
    early_movement: np.ndarray


def attribute(model, transitions: Sequence[Transition]) -> Attribution:
    """Attribute the transitions (whose `trial` is the piece of the population) to neurons."""
    population = model.population

    def averages(values: np.ndarray, ends: Callable[[Transition], tuple[int, int]]) -> np.ndarray:
        rows = [population.first[t.trial] + np.arange(*ends(t)) for t in transitions]
        means = [np.asarray(values[row], dtype=np.float64).mean(axis=0) for row in rows]
        return np.array(means).reshape(len(rows), values.shape[1])

    def middle(t: Transition) -> tuple[int, int]:
        return t.onset + 1, max(t.onset + 1, (t.onset + t.end) // 2) + 1

    stages = (lambda t: t.before, middle, lambda t: t.after)
    before, part, after = (averages(population.activity, stage) for stage in stages)
    inputs = (before, part, after)
    if population.inputs is not population.activity:
        inputs = tuple(averages(population.inputs, stage) for stage in stages)
    change = after - before
    length = (change**2).sum(axis=1, keepdims=True)
    if not transitions:
        return Attribution(change, change, change, change)
    return Attribution(
        *model.shares(*inputs),
        movement_share=change**2 / np.where(length > 0, length, np.nan),
        early_movement=(part - before) * np.sign(change),
    )


def surrogate_latents(model, count: int, seed: int) -> Iterator[list[np.ndarray]]:
    """Yield each piece's latents [frame, latent] after each neuron was shifted by itself, around in it: `count` times.

    What single neurons do stays as it is; what they do together is gone.
    """
    population = model.population
    for index in range(count):
        random = generator(seed, "surrogate_latents", index)
        parts = []
        for values in population.split(population.inputs):
            neurons = population.activity.shape[1]
            shifts = np.tile(random.integers(0, len(values), neurons), values.shape[1] // neurons)
            rows = (np.arange(len(values))[:, None] - shifts) % len(values)
            parts.append(model.project(np.take_along_axis(values, rows, axis=0)))
        yield parts


def choose_shown(population: Population, transitions: Sequence[Transition], count: int) -> slice:
    """Return `count` frames of one piece that hold the most transitions, or of the middle of the longest piece."""
    lengths = [stop - start for _, start, stop in population.pieces]
    best = (0, int(np.argmax(lengths)), max(0, (max(lengths) - count) // 2))
    for item in transitions:
        start = max(0, min(item.peak - count // 4, lengths[item.trial] - count))
        inside = sum(t.trial == item.trial and start <= t.peak < start + count for t in transitions)
        if inside > best[0]:
            best = (inside, item.trial, start)
    first = int(population.first[best[1]]) + best[2]
    return slice(first, first + min(count, lengths[best[1]]))

"""Families of stimuli on a grid of parameters: Gabors (eqs 1 and 2) and differences of Gaussians (eqs 9 and 10).

A stimulus of a family is a row of whole numbers, one an axis of the grid. Everything that a search has to know stands
here: how many values an axis has, which axes go round, which axes trade off against each other (`blocks`), what the
neurons of a cluster share, and how rows become images.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar

import numpy as np

from calcium_latents.simulation.visual_cortex.gabors import difference_of_gaussians, gabor
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import (
    DifferenceGridParameters,
    GaborGridParameters,
    GridParameters,
)

Parameters = dict[str, np.ndarray]
#: What describes one Gabor, in the order of the arguments of `simulation.visual_cortex.gabors.gabor`.
GABOR = ("y_px", "x_px", "size_px", "frequency_cpp", "contrast", "orientation_rad", "phase_rad")


class StimulusGrid(GridParameters):
    """What all families share: whole-pixel places, and the arithmetic of rows of whole numbers."""

    #: how far from the start places a search begins, groups of axes that are varied together, axes along which starts
    #: of a search differ, axes that a cluster shares and their groups, axes whose ends are an edge, columns of tables
    REACH_PX: ClassVar[int] = 0
    BLOCKS: ClassVar[tuple[tuple[str, ...], ...]] = ()
    KINDS: ClassVar[tuple[str, ...]] = ()
    SHARED: ClassVar[tuple[str, ...]] = ()
    SHARED_BLOCKS: ClassVar[tuple[tuple[str, ...], ...]] = ()
    COLUMNS: ClassVar[tuple[str, ...]] = ()
    EDGES: ClassVar[tuple[str, ...]] = ()

    @property
    def axes(self) -> dict[str, np.ndarray]:
        """Name of every axis -> its values [value]; "y" and "x" come first."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of every axis."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def size(self) -> int:
        """Number of stimuli of the whole grid."""
        return int(np.prod(self.shape, dtype=np.int64))

    def place_axes(self) -> dict[str, np.ndarray]:
        """Values [value] of the axes y and x, px."""
        values: dict[str, np.ndarray] = {}
        for name, span, size in zip("yx", (self.rows_px, self.columns_px), self.image_shape, strict=True):
            first, last = (self.margin_px, size - 1 - self.margin_px) if span is None else span
            values[name] = np.arange(first, last + 1, dtype=float)
        return values

    def column(self, name: str) -> int:
        """Return the number of an axis."""
        return list(self.axes).index(name)

    def nearest_place(self, position_px: np.ndarray) -> np.ndarray:
        """Return rows [n, 2] of the places (y, x) that lie nearest to positions [n, 2], px."""
        position = np.asarray(position_px, float)
        axes = list(self.place_axes().values())
        return np.stack([np.abs(position[:, i, None] - values).argmin(axis=1) for i, values in enumerate(axes)], axis=1)

    def neighbours(self, rows: np.ndarray, block: Sequence[str]) -> np.ndarray:
        """Return rows [n, move, axis] one step away along one or all axes of a block; at an end they stay."""
        columns = [self.column(name) for name in block]
        steps = [step for step in product((-1, 0, 1), repeat=len(block)) if any(step)]
        moved = np.repeat(rows[:, None], len(steps), axis=1)
        moved[..., columns] += np.array(steps)
        return self.wrap(moved)

    def wrap(self, rows: np.ndarray) -> np.ndarray:
        """Return rows [..., axis] brought back to the grid."""
        return np.clip(rows, 0, np.array(self.shape) - 1)

    def values(self, rows: np.ndarray) -> Parameters:
        """Return the axes' values [n] at rows [n, axis]."""
        return {name: values[rows[:, i]] for i, (name, values) in enumerate(self.axes.items())}

    def parameters(self, rows: np.ndarray) -> Parameters:
        """Return what describes the stimuli at rows [n, axis], as `render` takes it."""
        raise NotImplementedError

    def render(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return images [n, y, x] of parameters [n]."""
        raise NotImplementedError

    def shared(self, own: Parameters, own_rows: np.ndarray, rows: np.ndarray) -> Parameters:
        """Return parameters [n] of a cluster's stimulus for neurons with own optima.

        Args:
            own, own_rows: parameters [n] and rows [n, axis] of the neurons' own optima.
            rows: [n, axis], of which the `SHARED` axes are read.
        """
        raise NotImplementedError

    def at_edge(self, rows: np.ndarray) -> np.ndarray:
        """Tell which rows [n, axis] lie at an end of an axis of `EDGES` that has more than one value."""
        edge = np.zeros(len(rows), bool)
        for name in self.EDGES:
            number, count = self.column(name), len(self.axes[name])
            if count > 1:
                edge |= (rows[:, number] == 0) | (rows[:, number] == count - 1)
        return edge


class GaborGrid(GaborGridParameters, StimulusGrid):
    """Gabors."""

    BLOCKS: ClassVar = (("y", "x"), ("size", "cycles"), ("orientation", "phase"), ("contrast",))
    KINDS: ClassVar = ("size", "cycles")
    SHARED: ClassVar = ("size", "cycles", "contrast", "phase")
    SHARED_BLOCKS: ClassVar = (("size", "cycles"), ("phase",), ("contrast",))
    # the largest contrast is no edge: it is the best one of every neuron whose rate grows with contrast
    EDGES: ClassVar = ("y", "x", "size", "cycles")
    COLUMNS: ClassVar = (
        *("y_px", "x_px", "size_px", "cycles_per_size", "frequency_cpp", "contrast", "orientation_rad", "phase_rad"),
    )

    @property
    def axes(self) -> dict[str, np.ndarray]:
        """Axes y, x, size, cycles, contrast, orientation (0 to pi), phase (0 to 2 pi)."""
        return self.place_axes() | {
            "size": np.asarray(self.sizes_px, float),
            "cycles": np.asarray(self.cycles_per_size, float),
            "contrast": np.asarray(self.contrasts, float),
            "orientation": np.arange(self.orientations) * np.pi / self.orientations,
            "phase": np.arange(self.phases) * 2 * np.pi / self.phases,
        }

    def neighbours(self, rows: np.ndarray, block: Sequence[str]) -> np.ndarray:
        """See `StimulusGrid`: rows [n, axis]; places are moved with their wave and, once more, under a wave that stays.

        Both are one step of a search: a neuron that likes a phase of the image at a place else waits for moves of
        place and phase that are good together only.
        """
        moved = super().neighbours(rows, block)
        if tuple(block) != ("y", "x"):
            return moved
        value = self.values(rows)
        down, right = ((moved[..., i] - rows[:, None, i]).T for i in (0, 1))
        along = down * np.sin(value["orientation"]) + right * np.cos(value["orientation"])
        steps = np.rint(along * value["cycles"] / value["size"] * self.phases).astype(int).T
        under = moved.copy()
        under[..., self.column("phase")] += steps
        return np.concatenate([moved, self.wrap(under)], axis=1)

    def wrap(self, rows: np.ndarray) -> np.ndarray:
        """Return rows [..., axis] brought back to the grid: orientation and phase go round.

        An orientation beyond pi is the one below with the phase's sign changed.
        """
        phase, orientation = self.column("phase"), self.column("orientation")
        turns, turned = np.divmod(rows[..., orientation], self.orientations)
        phases = np.where(turns % 2, -rows[..., phase], rows[..., phase]) % self.phases
        rows = super().wrap(rows)
        rows[..., orientation], rows[..., phase] = turned, phases
        return rows

    def parameters(self, rows: np.ndarray) -> Parameters:
        """Return `COLUMNS` [n] at rows [n, axis]."""
        value = self.values(rows)
        return {
            "y_px": value["y"],
            "x_px": value["x"],
            "size_px": value["size"],
            "cycles_per_size": value["cycles"],
            "frequency_cpp": value["cycles"] / value["size"],
            "contrast": value["contrast"],
            "orientation_rad": value["orientation"],
            "phase_rad": value["phase"],
        }

    def render(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return Gabors [n, y, x] of parameters [n]."""
        return render_gabors(tuple(self.image_shape), parameters)

    def shared(self, own: Parameters, own_rows: np.ndarray, rows: np.ndarray) -> Parameters:
        """Return a cluster's Gabor at the neurons' own places and directions, parameters [n].

        A Gabor of orientation phi and phase tau is the one of orientation phi + pi and phase -tau, so that an own
        optimum has two directions. The one whose phase is nearer to the shared phase is taken: orientations of these
        Gabors reach from 0 to 2 pi.
        """
        phase = self.column("phase")
        mine, asked = own_rows[:, phase], rows[:, phase]
        turned = _steps(-mine - asked, self.phases) < _steps(mine - asked, self.phases)
        new = self.parameters(rows)
        new |= {name: own[name] for name in ("y_px", "x_px")}
        new["orientation_rad"] = own["orientation_rad"] + np.pi * turned
        return new


def render_gabors(image_shape: tuple[int, int], parameters: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return Gabors [n, y, x] (float32, z-scored units) of parameters [n] named as in `GABOR`."""
    return gabor(image_shape, *(np.asarray(parameters[name], float) for name in GABOR))


def _steps(difference: np.ndarray, count: int) -> np.ndarray:
    """Return the distance in steps round a circle of `count` steps."""
    difference = np.mod(difference, count)
    return np.minimum(difference, count - difference)


class DifferenceGrid(DifferenceGridParameters, StimulusGrid):
    """Differences of Gaussians about one place."""

    # an oriented neuron is driven most from the middle of one of its flanks, bright or dark
    REACH_PX: ClassVar[int] = 4
    BLOCKS: ClassVar = (("y", "x"), ("centre", "ratio"), ("ratio", "weight"), ("contrast",))
    KINDS: ClassVar = ("centre", "contrast")
    SHARED: ClassVar = ("centre", "ratio", "weight", "contrast")
    SHARED_BLOCKS: ClassVar = (("centre", "ratio"), ("ratio", "weight"), ("contrast",))
    EDGES: ClassVar = ("y", "x", "centre")
    COLUMNS: ClassVar = ("y_px", "x_px", "centre_px", "surround_px", "surround_weight", "contrast")

    @property
    def axes(self) -> dict[str, np.ndarray]:
        """Axes y, x, centre, ratio, weight, contrast."""
        return self.place_axes() | {
            "centre": np.asarray(self.centres_px, float),
            "ratio": np.asarray(self.surround_ratios, float),
            "weight": np.asarray(self.surround_weights, float),
            "contrast": np.asarray(self.contrasts, float),
        }

    def parameters(self, rows: np.ndarray) -> Parameters:
        """Return `COLUMNS` [n] at rows [n, axis]."""
        value = self.values(rows)
        return {
            "y_px": value["y"],
            "x_px": value["x"],
            "centre_px": value["centre"],
            "surround_px": value["centre"] * value["ratio"],
            "surround_weight": value["weight"],
            "contrast": value["contrast"],
        }

    def render(self, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return differences of Gaussians [n, y, x] of parameters [n]."""
        names = ("y_px", "x_px", "centre_px", "surround_px", "surround_weight", "contrast")
        values = (np.asarray(parameters[name], float) for name in names)
        return difference_of_gaussians(tuple(self.image_shape), *values)

    def shared(self, own: Parameters, own_rows: np.ndarray, rows: np.ndarray) -> Parameters:
        """Return a cluster's difference of Gaussians at the neurons' own places, parameters [n]."""
        return self.parameters(rows) | {name: own[name] for name in ("y_px", "x_px")}

"""Classical experiments about a given Gabor, on the model or on the true neurons (Methods, "In silico experiments").

Orientation and phase are varied alone; size and contrast together, at a fixed frequency in cycles per pixel; plaids
are the sum of the Gabor and the one at a right angle, of the same phase, over the contrasts of both.

Orientations are relative to the Gabor's own and reach a quarter turn to both sides: a Gabor that is turned by half a
turn has another phase, so that a curve over fixed orientations would jump, for a simple cell, somewhere on its flank.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from calcium_latents.progress import progress
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import IMAGES, Probe
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import GaborGrid, render_gabors
from calcium_latents.studies.digital_twin.tuning import tuning_indices as indices
from calcium_latents.studies.digital_twin.tuning.tuning_parameters import ExperimentSettings

#: experiment -> its axes
EXPERIMENTS: dict[str, tuple[str, ...]] = {
    "orientation_curve": ("orientation",),
    "phase_curve": ("phase",),
    "size_contrast": ("size", "contrast"),
    "plaid": ("preferred_contrast", "orthogonal_contrast"),
}
INDEX_COLUMNS = (
    *("neuron", "cluster", "neuron_type", "source", "stimulus", "orientation_selectivity", "phase_selectivity"),
    *("suppression", "contrast_suppression", "cross_orientation_inhibition", "preferred_orientation_rad", "peak_rate"),
)
Responses = dict[str, np.ndarray]


def axis_values(settings: ExperimentSettings) -> dict[str, np.ndarray]:
    """Return the values [value] of every axis of the experiments."""
    step = np.pi / settings.orientations
    return {
        "orientation": (np.arange(settings.orientations) - settings.orientations // 2) * step,
        "phase": np.arange(settings.phases) * 2 * np.pi / settings.phases,
        "size": np.asarray(settings.sizes_px, float),
        "contrast": np.asarray(settings.contrasts, float),
        "preferred_contrast": np.asarray(settings.plaid_contrasts, float),
        "orthogonal_contrast": np.asarray(settings.plaid_contrasts, float),
    }


def shown(settings: ExperimentSettings, whole: bool) -> dict[str, np.ndarray]:
    """Return, for each experiment, which of its stimuli are shown: truth values [*axes]."""
    sizes = {name: len(values) for name, values in axis_values(settings).items()}
    masks = {name: np.ones([sizes[axis] for axis in axes], bool) for name, axes in EXPERIMENTS.items()}
    if not whole:
        masks["size_contrast"][:-1, :-1] = False
        masks["plaid"][:-1] = False
    return masks


def _whole_neurons(settings: ExperimentSettings, neurons: int, own: bool) -> int:
    if own and settings.own_rows_only:
        return 0
    return neurons if settings.whole_maps is None else min(settings.whole_maps, neurons)


def stimuli(
    image_shape: tuple[int, int], gabor: Mapping[str, float], settings: ExperimentSettings, experiment: str
) -> np.ndarray:
    """Return the images [*axes, y, x] of one experiment about a Gabor (parameters as `GaborGrid.COLUMNS`)."""
    axes = axis_values(settings)
    one, two = (axes[name] for name in (*EXPERIMENTS[experiment], EXPERIMENTS[experiment][-1])[:2])
    grid = [values.ravel() for values in np.meshgrid(one, two, indexing="ij")]
    if experiment == "orientation_curve":
        return _render(image_shape, gabor, orientation_rad=gabor["orientation_rad"] + one)
    if experiment == "phase_curve":
        return _render(image_shape, gabor, phase_rad=one)
    if experiment == "size_contrast":
        images = _render(image_shape, gabor, size_px=grid[0], contrast=grid[1])
    else:
        # a Gabor is proportional to its contrast: two images make all plaids
        turned = gabor["orientation_rad"] + np.array([0.0, np.pi / 2])
        preferred, orthogonal = _render(image_shape, gabor, contrast=1.0, orientation_rad=turned)
        images = grid[0].astype(np.float32)[:, None, None] * preferred
        images += grid[1].astype(np.float32)[:, None, None] * orthogonal
    return images.reshape(len(one), len(two), *image_shape)


def _render(image_shape: tuple[int, int], gabor: Mapping[str, float], **changed: object) -> np.ndarray:
    values = {name: np.asarray(value, float) for name, value in {**gabor, **changed}.items()}
    return render_gabors(tuple(image_shape), values)


def run_experiments(
    probe: Probe,
    gabors: pd.DataFrame,
    numbers: Sequence[int],
    settings: ExperimentSettings,
    whole: Sequence[int] | None = None,
    own: bool = False,
) -> Responses:
    """Show all experiments to neurons, each about its own row of `gabors`.

    Args:
        probe: the model or the true neurons.
        gabors: one row a neuron, with `GaborGrid.COLUMNS`.
        numbers: [row], by which the probe knows the neurons.
        settings: see there.
        whole: rows that see whole maps (at most `settings.whole_maps` of them); default the first ones.
        own: these are the neurons' own Gabors (see `own_rows_only`).

    Returns:
        Rates [row, *axes] of every experiment; NaN where nothing was shown.
    """
    count = len(gabors)
    sizes = {name: len(values) for name, values in axis_values(settings).items()}
    responses = {
        name: np.full((count, *(sizes[axis] for axis in axes)), np.nan, np.float32)
        for name, axes in EXPERIMENTS.items()
    }
    limit = _whole_neurons(settings, count, own)
    wanted = set(list(range(count) if whole is None else whole)[:limit])
    masks = {kind: shown(settings, kind) for kind in (False, True)}
    batch = _Batch(probe, responses)
    records = gabors[list(GaborGrid.COLUMNS)].to_dict("records")
    for row, gabor in enumerate(progress(records, "experiments", unit="neuron")):
        for name in EXPERIMENTS:
            mask = masks[row in wanted][name]
            batch.add(stimuli(probe.image_shape, gabor, settings, name)[mask], int(numbers[row]), (name, row, mask))
    batch.show()
    return responses


class _Batch:
    """Collects images of several neurons, so that a probe is asked for many at once."""

    def __init__(self, probe: Probe, responses: Responses):
        self.probe, self.responses = probe, responses
        self.waiting: list[tuple[np.ndarray, int, tuple]] = []
        self.images = 0

    def add(self, images: np.ndarray, neuron: int, place: tuple) -> None:
        self.waiting.append((images, neuron, place))
        self.images += len(images)
        if self.images >= IMAGES:
            self.show()

    def show(self) -> None:
        if not self.waiting:
            return
        counts = [len(images) for images, _, _ in self.waiting]
        neurons = np.repeat([neuron for _, neuron, _ in self.waiting], counts)
        rates = np.asarray(self.probe.own_rates(np.concatenate([images for images, _, _ in self.waiting]), neurons))
        for part, (_, _, (name, row, mask)) in zip(np.split(rates, np.cumsum(counts)[:-1]), self.waiting, strict=True):
            self.responses[name][row][mask] = part
        self.waiting, self.images = [], 0


def index_table(responses: Responses, gabors: pd.DataFrame, settings: ExperimentSettings) -> pd.DataFrame:
    """Return indices (`INDEX_COLUMNS` without those that name the row) of rates [row, *axes] about rows of `gabors`.

    The preferred orientation is absolute, 0 to pi; peak_rate is the largest rate of any experiment.
    """
    axes = axis_values(settings)
    offset = indices.preferred_orientation(responses["orientation_curve"], axes["orientation"])
    peaks = [np.nanmax(rates.reshape(len(gabors), -1), axis=1) for rates in responses.values()]
    return pd.DataFrame(
        {
            "orientation_selectivity": indices.modulation(responses["orientation_curve"], axes["orientation"], 2),
            "phase_selectivity": indices.modulation(responses["phase_curve"], axes["phase"], 1),
            "suppression": indices.suppression_index(responses["size_contrast"]),
            "contrast_suppression": indices.contrast_index(responses["size_contrast"]),
            "cross_orientation_inhibition": indices.plaid_index(responses["plaid"]),
            "preferred_orientation_rad": np.mod(offset + gabors["orientation_rad"].to_numpy(), np.pi),
            "peak_rate": np.max(peaks, axis=0),
        },
        index=gabors.index,
    )

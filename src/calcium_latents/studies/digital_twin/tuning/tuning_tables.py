"""Tuning curves of several sources and stimuli in one box, and the table of their indices."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import Probe
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import GaborGrid
from calcium_latents.studies.digital_twin.tuning.tuning_experiments import (
    EXPERIMENTS,
    INDEX_COLUMNS,
    ExperimentSettings,
    Responses,
    axis_values,
    index_table,
    run_experiments,
)

GABOR_COLUMNS = ("neuron", "source", "stimulus", *GaborGrid.COLUMNS)
Curves = dict[tuple[str, str], Responses]
AXES = {
    "orientation": ("orientation_rad", "rad", "orientation relative to the Gabor's own"),
    "phase": ("phase_rad", "rad", "phase"),
    "size": ("size_px", "px", "size of the Gabor (4 SD of its envelope)"),
    "contrast": ("contrast", "sd of the training images", "contrast of the Gabor"),
    "preferred_contrast": ("preferred_contrast", "sd of the training images", "contrast of the optimal Gabor"),
    "orthogonal_contrast": ("orthogonal_contrast", "sd of the training images", "contrast of the orthogonal Gabor"),
}
LONG_NAMES = {
    "orientation_curve": "rate against orientation",
    "phase_curve": "rate against phase",
    "size_contrast": "rate against size and contrast, at one frequency",
    "plaid": "rate against the contrasts of the two Gabors of a plaid",
}


def measure(probes: Mapping[str, Probe], chosen: Mapping[str, pd.DataFrame], settings: ExperimentSettings) -> Curves:
    """Return (source, stimulus) -> rates; all sources see the same stimuli.

    Args:
        probes: source -> probe.
        chosen: stimulus -> Gabors, one row for each of the probes' neurons, in their order.
        settings: see `ExperimentSettings`; whole maps are shown for examples, to the neurons that `striking` chooses by
            the answers of the first source.
    """
    found = {}
    for stimulus, gabors in chosen.items():
        count, own = len(gabors), stimulus == "own"
        numbers = np.arange(count)
        whole: list[int] | None = None
        for source, probe in probes.items():
            # null shows whole maps to all; else rows first, and whole maps to those whom the first source chooses
            rows = None if settings.whole_maps is None else []
            responses = run_experiments(probe, gabors, numbers, settings, rows, own)
            if settings.whole_maps and not (own and settings.own_rows_only):
                whole = striking(responses, gabors, settings) if whole is None else whole
                part = gabors.iloc[whole].reset_index(drop=True)
                again = run_experiments(probe, part, numbers[whole], settings)
                for name, rates in again.items():
                    responses[name][whole] = rates
            found[source, stimulus] = responses
    return found


def striking(responses: Responses, gabors: pd.DataFrame, settings: ExperimentSettings) -> list[int]:
    """Return the `whole_maps` rows whose lower rank in suppression and in cross-orientation inhibition is highest."""
    table = index_table(responses, gabors.reset_index(drop=True), settings)
    ranks = table[["suppression", "cross_orientation_inhibition"]].rank(na_option="top").min(axis=1)
    order = np.argsort(-ranks.to_numpy(), kind="stable")
    return np.sort(order[: settings.whole_maps]).tolist()


def indices_of(
    found: Curves,
    chosen: Mapping[str, pd.DataFrame],
    settings: ExperimentSettings,
    about: Mapping[str, Sequence | None],
) -> pd.DataFrame:
    """Return indices (`INDEX_COLUMNS`) of every source, stimulus and neuron.

    Args:
        found, chosen, settings: as in `measure`.
        about: neuron, cluster and neuron_type (None: unknown) of every row.
    """
    tables = []
    for (source, stimulus), responses in found.items():
        table = index_table(responses, chosen[stimulus].reset_index(drop=True), settings)
        for name, values in about.items():
            table[name] = "" if values is None else values
        table["source"], table["stimulus"] = source, stimulus
        tables.append(table[list(INDEX_COLUMNS)])
    return pd.concat(tables, ignore_index=True)


def tuning_dataset(
    found: Curves,
    chosen: Mapping[str, pd.DataFrame],
    settings: ExperimentSettings,
    neurons: np.ndarray,
    image_shape: tuple[int, int],
) -> xr.Dataset:
    """Return the box: rates [source, stimulus, neuron, *axes] and the values of the axes.

    The shape of the images is kept as attributes, for those who want to draw the stimuli.
    """
    sources = list(dict.fromkeys(source for source, _ in found))
    stimuli = list(chosen)
    data = {}
    for name, axes in EXPERIMENTS.items():
        values = np.stack([np.stack([found[source, stimulus][name] for stimulus in stimuli]) for source in sources])
        attributes = {"units": "response", "long_name": LONG_NAMES[name]}
        data[name] = (("source", "stimulus", "neuron", *axes), values, attributes)
    coordinates = {
        "source": ("source", np.array(sources, object), {"units": "1", "long_name": "whose rates"}),
        "stimulus": ("stimulus", np.array(stimuli, object), {"units": "1", "long_name": "optimal Gabor"}),
        "neuron": ("neuron", np.asarray(neurons), {"units": "1", "long_name": "neuron"}),
    }
    for axis, values in axis_values(settings).items():
        name, units, long_name = AXES[axis]
        coordinates[name] = (axis, values, {"units": units, "long_name": long_name})
    height, width = (int(size) for size in image_shape)
    attributes = {"schema": "calcium-latents tuning", "schema_version": 1}
    attributes |= {"image_height_px": height, "image_width_px": width}
    return xr.Dataset(data, coords=coordinates, attrs=attributes)

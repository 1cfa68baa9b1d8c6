"""Tuning curves of several sources and stimuli in one box, and the table of their indices."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.analysis.gabor_search import Probe
from calcium_latents.analysis.optimal_gabors import GaborGrid
from calcium_latents.analysis.tuning_experiments import (
    EXPERIMENTS,
    INDEX_COLUMNS,
    ExperimentSettings,
    Responses,
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
        settings: see `ExperimentSettings`; neurons with whole maps are spread evenly over all.
    """
    found = {}
    for stimulus, gabors in chosen.items():
        count = len(gabors)
        wanted = count if settings.whole_maps is None else min(settings.whole_maps, count)
        whole = np.unique(np.linspace(0, count - 1, wanted).round().astype(int)).tolist()
        for source, probe in probes.items():
            numbers = np.arange(count)
            found[source, stimulus] = run_experiments(probe, gabors, numbers, settings, whole, stimulus == "own")
    return found


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
    found: Curves, chosen: Mapping[str, pd.DataFrame], settings: ExperimentSettings, neurons: np.ndarray
) -> xr.Dataset:
    """Return the box: rates [source, stimulus, neuron, *axes] and the values of the axes."""
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
    for axis, values in settings.coordinates().items():
        name, units, long_name = AXES[axis]
        coordinates[name] = (axis, values, {"units": units, "long_name": long_name})
    return xr.Dataset(data, coords=coordinates, attrs={"schema": "calcium-latents tuning", "schema_version": 1})

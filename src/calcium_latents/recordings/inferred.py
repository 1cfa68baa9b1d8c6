"""The Inferred box: what a model or a smoothing baseline says about the trials of a recording."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import Field, check_dataset, check_time, fail, variable
from calcium_latents.recordings.netcdf import read_dataset, write_dataset
from calcium_latents.recordings.schema import attribute

SCHEMA = "calcium-latents inferred"
SCHEMA_VERSION = 1

FIELDS: dict[str, Field] = {
    "trial": Field(("trial",), "int", "1", "trial"),
    "time": Field(("time",), "float64", "s", "start of the bin relative to the trial's zero"),
    "neuron": Field(("neuron",), "int", "1", "neuron"),
    "event_rate": Field(("trial", "time", "neuron"), "float32", "1/s", "event rate", missing=True, minimum=0),
    "factors": Field(("trial", "time", "factor"), "float32", "1", "factors", missing=True),
    "inferred_inputs": Field(("trial", "time", "input"), "float32", "1", "inferred inputs", missing=True),
    # the zero-inflated gamma of a sample in the bin, averaged over the posterior; kept where a model is told to
    "event_probability": Field(("trial", "time", "neuron"), "float32", "1", "q, event probability", True, 0),
    "event_shape": Field(("trial", "time", "neuron"), "float32", "1", "shape of the event size", True, 0),
    "event_scale": Field(("trial", "time", "neuron"), "float32", "1", "scale of the event size", True, 0),
    "initial_condition": Field(("trial", "initial_condition_dim"), "float32", "1", "initial condition"),
    "split": Field(("trial",), "int8", "1", "0 training trial, 1 validation trial", minimum=0),
    "trial_start": Field(("trial",), "float64", "s", "the trial's zero in the session"),
}

#: Variables [trial, time, ...]: NaN only between the trials of a stitched session.
SERIES = tuple(name for name, field in FIELDS.items() if field.dims[:2] == ("trial", "time") and field.missing)
DISTRIBUTION = ("event_probability", "event_shape", "event_scale")


def make_inferred(
    *,
    event_rate: np.ndarray,
    time: np.ndarray,
    model: str,
    split: np.ndarray | None = None,
    factors: np.ndarray | None = None,
    inferred_inputs: np.ndarray | None = None,
    initial_condition: np.ndarray | None = None,
    event_probability: np.ndarray | None = None,
    event_shape: np.ndarray | None = None,
    event_scale: np.ndarray | None = None,
    recording: xr.Dataset | None = None,
    trial: np.ndarray | None = None,
    neuron: np.ndarray | None = None,
    trial_start: np.ndarray | None = None,
    others: Mapping[str, tuple] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Build and check an Inferred.

    Args:
        event_rate: [trial, time, neuron], events per second (mean event per sampled frame x imaging_rate_hz).
        time: bin starts [time], s; may be coarser than the recording's.
        model: name of the method.
        split: [trial], 0 training, 1 validation; default all 0.
        factors: [trial, time, factor].
        inferred_inputs: [trial, time, input].
        initial_condition: [trial, initial_condition_dim].
        event_probability, event_shape, event_scale: [trial, time, neuron], zero-inflated gamma of a sample
            (scale in the events' unit, above the recording's event_minimum).
        recording: the recording that was modelled; lends trial, neuron, trial_start if not given, and the
            width of its bins as attribute bin_width_s.
        trial_start: [trial], s in the session; needed to stitch windows.
        others: further variables, name -> (dims, values, units, long_name).
        attributes: further attributes; mappings are stored as JSON.

    Raises:
        UserError: shapes, values or attributes are not those of an Inferred.
    """
    if np.ndim(event_rate) != 3:
        raise UserError(f"{model}: event_rate must be [trial, time, neuron], found {np.shape(event_rate)}.")
    n_trials, _, n_neurons = np.shape(event_rate)
    if recording is not None:
        trial = recording["trial"].values if trial is None else trial
        neuron = recording["neuron"].values if neuron is None else neuron
        trial_start = recording["trial_start"].values if trial_start is None else trial_start
        # Coarser times are those of the bins in the middle of frames: this tells how wide such a bin was.
        attributes = {"bin_width_s": recording.attrs["bin_width_s"]} | dict(attributes or {})
    given = {
        "trial": np.arange(n_trials) if trial is None else trial,
        "time": time,
        "neuron": np.arange(n_neurons) if neuron is None else neuron,
        "event_rate": event_rate,
        "factors": factors,
        "inferred_inputs": inferred_inputs,
        "initial_condition": initial_condition,
        "event_probability": event_probability,
        "event_shape": event_shape,
        "event_scale": event_scale,
        "split": np.zeros(n_trials, np.int8) if split is None else split,
        "trial_start": trial_start,
    }
    variables = {name: variable(FIELDS[name], value) for name, value in given.items() if value is not None}
    for name, (dims, values, unit, long_name) in (others or {}).items():
        variables[name] = (dims, np.asarray(values), {"units": unit, "long_name": long_name})
    try:
        dataset = xr.Dataset(variables)
    except ValueError as error:
        raise UserError(f"{model}: the parts of the inferred file do not fit together: {error}") from error
    dataset.attrs = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "model": model} | {
        name: attribute(value) for name, value in (attributes or {}).items()
    }
    check_inferred(dataset, model)
    return dataset


def check_inferred(dataset: xr.Dataset, path: str | Path, *, partial: bool = False) -> None:
    """Check that `dataset` is an Inferred; `path` names it in messages; `partial`: some variables only.

    Missing values are allowed only in a stitched session (attribute `stitched` = 1), between its trials.

    Raises:
        UserError: names the file, the field, what was expected, what was found, and what to do.
    """
    required = ("trial", "time", "neuron") + (() if partial else ("event_rate", "split"))
    check_dataset(
        dataset,
        path,
        schema=SCHEMA,
        version=SCHEMA_VERSION,
        fields=FIELDS,
        required=required,
        texts=("model",),
    )
    check_time(dataset["time"].values, None, path)
    if "split" in dataset and dataset["split"].values.max() > 1:
        found = f"{dataset['split'].values.max()}"
        fail(path, "split", "0 (training) or 1 (validation)", found, "Correct the split.")
    if "event_probability" in dataset and np.nanmax(dataset["event_probability"].values, initial=0) > 1:
        found = f"{np.nanmax(dataset['event_probability'].values):g}"
        fail(path, "event_probability", "probabilities of at most 1", found, "Correct the model's output.")
    if not dataset.attrs.get("stitched", 0):
        for name in SERIES:
            if name in dataset and np.isnan(dataset[name].values).any():
                count = int(np.isnan(dataset[name].values).sum())
                advice = "The model has diverged: lower its learning rate or look at its metrics.csv."
                fail(path, name, "finite values", f"{count} NaN", advice)


def write_inferred(dataset: xr.Dataset, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Check `dataset` and write it to `path` as netCDF, atomically and with the same bytes each time."""
    check_inferred(dataset, path)
    write_dataset(dataset, path, provenance)


def read_inferred(path: str | Path, variables: list[str] | None = None) -> xr.Dataset:
    """Read an Inferred (or only `variables` and the coordinates) into memory and check it.

    Raises:
        UserError: the file is missing, no netCDF, or no Inferred.
    """
    dataset = read_dataset(path, variables)
    check_inferred(dataset, path, partial=variables is not None)
    return dataset

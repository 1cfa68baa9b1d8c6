"""The Inferred box: what a model or a smoothing baseline says about the trials of a recording."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.box import Box
from calcium_latents.recordings.fields import PARTS, Field, fail

SCHEMA = "calcium-latents inferred"

FIELDS: dict[str, Field] = {
    "trial": Field(("trial",), "int", "1", "trial"),
    "time": Field(("time",), "float64", "s", "start of the bin relative to the trial's zero"),
    "neuron": Field(("neuron",), "int", "1", "neuron"),
    "event_rate": Field(("trial", "time", "neuron"), "float32", "1/s", "event rate", missing=True, minimum=0),
    "factors": Field(("trial", "time", "factor"), "float32", "1", "factors", missing=True),
    "inferred_inputs": Field(("trial", "time", "input"), "float32", "1", "inferred inputs", missing=True),
    # standard deviations over draws from the posterior, where a model has one
    "event_rate_sd": Field(("trial", "time", "neuron"), "float32", "1/s", "spread of the event rate", True, 0),
    "factors_sd": Field(("trial", "time", "factor"), "float32", "1", "spread of the factors", True, 0),
    "inferred_inputs_sd": Field(("trial", "time", "input"), "float32", "1", "spread of the inferred inputs", True, 0),
    # the zero-inflated gamma of a sample in the bin, averaged over the posterior; kept where a model is told to
    "event_probability": Field(("trial", "time", "neuron"), "float32", "1", "q, event probability", True, 0),
    "event_shape": Field(("trial", "time", "neuron"), "float32", "1", "shape of the event size", True, 0),
    "event_scale": Field(("trial", "time", "neuron"), "float32", "1", "scale of the event size", True, 0),
    "initial_condition": Field(("trial", "initial_condition_dim"), "float32", "1", "initial condition"),
    "split": Field(("trial",), "int8", "1", "0 training trial, 1 validation trial", minimum=0, among=PARTS[:2]),
    "trial_start": Field(("trial",), "float64", "s", "the trial's zero in the session"),
    # of trials of different lengths: what is said of the bins after it is made up
    "trial_stop": Field(("trial",), "float64", "s", "end of the trial's samples in the session"),
}

#: Variables [trial, time, ...]: NaN only between the trials of a stitched session.
SERIES = tuple(name for name, field in FIELDS.items() if field.dims[:2] == ("trial", "time") and field.missing)
WARNINGS = "training_warnings"
DISTRIBUTION = ("event_probability", "event_shape", "event_scale")


def make_inferred(
    *,
    event_rate: np.ndarray,
    time: np.ndarray,
    model: str,
    recording: xr.Dataset | None = None,
    others: Mapping[str, tuple] | None = None,
    attributes: Mapping[str, Any] | None = None,
    **variables: np.ndarray | None,
) -> xr.Dataset:
    """Build and check an Inferred.

    Args:
        event_rate: [trial, time, neuron], events per second (mean event per sampled frame x imaging_rate_hz).
        time: bin starts [time], s; may be coarser than the recording's.
        model: name of the method.
        recording: the recording that was modelled; lends trial, neuron, trial_start if not given, and the
            width of its bins as attribute bin_width_s.
        others: further variables, name -> (dims, values, units, long_name).
        attributes: further attributes; mappings are stored as JSON.
        variables: split: [trial], 0 training, 1 validation; default all 0. factors: [trial, time, factor].
            inferred_inputs: [trial, time, input]. event_rate_sd, factors_sd, inferred_inputs_sd: likewise,
            standard deviations over draws from the posterior. initial_condition: [trial, initial_condition_dim].
            event_probability, event_shape, event_scale: [trial, time, neuron], zero-inflated gamma of a sample
            (scale in the events' unit, above the recording's event_minimum). trial, neuron: numbers.
            trial_start, trial_stop: [trial], s in the session; the former is needed to stitch windows, the latter
            where some trials end before their last bin.

    Raises:
        UserError: shapes, values or attributes are not those of an Inferred.
    """
    if np.ndim(event_rate) != 3:
        raise UserError(f"{model}: event_rate must be [trial, time, neuron], found {np.shape(event_rate)}.")
    n_trials, _, n_neurons = np.shape(event_rate)
    own: dict[str, Any] = {"model": model}
    default = {"trial": np.arange(n_trials), "neuron": np.arange(n_neurons), "split": np.zeros(n_trials, np.int8)}
    if recording is not None:
        default |= {name: recording[name].values for name in ("trial", "neuron", "trial_start")}
        # Coarser times are those of the bins in the middle of frames: this tells how wide such a bin was.
        own["bin_width_s"] = recording.attrs["bin_width_s"]
    given = default | {name: values for name, values in variables.items() if values is not None}
    given |= {"event_rate": event_rate, "time": time}
    return INFERRED.make(model, given, own | dict(attributes or {}), others=others)


def _check_probability(dataset: xr.Dataset, path: str | Path) -> None:
    if "event_probability" in dataset and np.nanmax(dataset["event_probability"].values, initial=0) > 1:
        found = f"{np.nanmax(dataset['event_probability'].values):g}"
        fail(path, "event_probability", "probabilities of at most 1", found, "Correct the model's output.")


def _check_finite(dataset: xr.Dataset, path: str | Path) -> None:
    """Missing values are allowed only in a stitched session (attribute `stitched` = 1), between its trials."""
    if dataset.attrs.get("stitched", 0):
        return
    for name in SERIES:
        if name in dataset and np.isnan(dataset[name].values).any():
            count = int(np.isnan(dataset[name].values).sum())
            advice = "The model has diverged: lower its learning rate or look at its metrics.csv."
            fail(path, name, "finite values", f"{count} NaN", advice)


INFERRED = Box(
    SCHEMA,
    FIELDS,
    required=("trial", "time", "neuron", "event_rate", "split"),
    texts=("model",),
    checks=(_check_probability, _check_finite),
)
check_inferred, read_inferred, write_inferred = INFERRED.check, INFERRED.read, INFERRED.write


def training_warnings(inferred: xr.Dataset) -> list[str]:
    """Return what was wrong with the fit that `inferred` is of, a sentence each."""
    return json.loads(inferred.attrs.get(WARNINGS, "[]"))

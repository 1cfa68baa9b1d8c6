"""The Embedding box: what fits of one method say about the neurons of a recording, one latent vector a neuron."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.recordings.box import Box
from calcium_latents.recordings.fields import PARTS, REMAKE, TEST, TRAINING, Field, fail

SCHEMA = "calcium-latents embedding"
SPLITS = ("neuron", "culture")

LATENTS = ("member", "neuron", "latent")
SCORES = ("member", "neuron")
SQUARED = "fluorescence squared"
FIELDS: dict[str, Field] = {
    "member": Field(("member",), "int", "1", "one fit", minimum=0, unique=True),
    "neuron": Field(("neuron",), "int", "1", "neuron", unique=True),
    "time": Field(("time",), "float64", "s", "start of the bin relative to the trial's zero"),
    "latent_size": Field(("member",), "int", "1", "number of latents", minimum=1),
    "hidden": Field(("member",), "int", "1", "number of hidden units (0: none)", minimum=0),
    "beta": Field(("member",), "float64", "1", "weight of the Kullback-Leibler term", minimum=0),
    "split": Field(("member",), "str", "1", "what was held out: neurons or whole cultures", among=SPLITS),
    "partition": Field(("member",), "int", "1", "number of the partition", minimum=0),
    "part": Field(SCORES, "int8", "1", "0 training, 1 validation, 2 test", minimum=0, among=PARTS),
    "latents": Field(LATENTS, "float32", "1", "posterior mean (NaN past the member's size)", missing=True),
    "latents_sd": Field(LATENTS, "float32", "1", "posterior standard deviation", missing=True, minimum=0),
    "latents_of_noiseless": Field(LATENTS, "float32", "1", "posterior mean given the noiseless trace", missing=True),
    "error": Field(SCORES, "float32", SQUARED, "mean squared distance to the noiseless trace", True, 0),
    "error_sampled": Field(SCORES, "float32", SQUARED, "the same with one sampled latent vector", True, 0),
    "residual": Field(SCORES, "float32", SQUARED, "mean squared distance to the trace", minimum=0),
    "null_error": Field(SCORES, "float32", SQUARED, "error of the training set's mean trace", True, 0),
    "null_residual": Field(SCORES, "float32", SQUARED, "residual of the training set's mean trace", minimum=0),
    "reconstruction": Field(("time", "neuron"), "float32", "fluorescence", "reconstruction by the reported member"),
}
OPTIONAL = ("latents_sd", "latents_of_noiseless", "error_sampled")


def make_embedding(
    *,
    model: str,
    seed: int,
    reported_member: int,
    latents: np.ndarray,
    identity_latents: int = 0,
    recording: xr.Dataset | None = None,
    attributes: Mapping[str, Any] | None = None,
    **variables: np.ndarray | None,
) -> xr.Dataset:
    """Build and check an Embedding.

    A member is one fit: a combination of latent size, beta, split and partition.

    Args:
        model: name of the method.
        seed: seed of the method.
        reported_member: `member` whose reconstruction is kept and whose latents are shown.
        latents: [member, neuron, latent], posterior mean (principal components: scores); NaN exactly from each
            member's `latent_size` on.
        identity_latents: the first so many latents are meant to describe the neuron and not the times of its events;
            0: no such distinction.
        recording: the recording that was embedded; lends `neuron` and `time` if not given.
        attributes: further attributes; mappings are stored as JSON.
        variables: latent_size, hidden, beta, split, partition: [member], as in `FIELDS`. part: [member, neuron].
            residual, null_residual: [member, neuron], mean over time of (trace - reconstruction)^2, fluorescence
            squared, of the model and of the training set's mean trace. reconstruction: [time, neuron], by the reported
            member, in the recording's units. Optional: error, null_error: [member, neuron], the same against the
            noiseless trace; default NaN: no truth is known. error_sampled: [member, neuron], `error` with one sampled
            latent vector, as published. latents_sd, latents_of_noiseless: [member, neuron, latent].
            member, neuron: numbers; default 0, 1, ... time: bin starts [time], s; needed without `recording`.

    Raises:
        UserError: shapes, values or attributes are not those of an Embedding.
    """
    given = {name: values for name, values in variables.items() if values is not None} | {"latents": latents}
    if np.ndim(latents) != 3:
        fail(model, "latents", "dims [member, neuron, latent]", f"shape {np.shape(latents)}", "Give one row a neuron.")
    for name in ("neuron", "time"):
        if recording is not None:
            given.setdefault(name, recording[name].values)
    if "time" not in given:
        fail(model, "time", "bin starts in s", "none", "Give `time` or `recording`.")
    sizes = dict(zip(LATENTS, np.shape(latents), strict=True)) | {"time": np.size(given["time"])}
    for name in ("member", "neuron"):
        given.setdefault(name, np.arange(sizes[name]))
    for name in ("error", "null_error"):
        given.setdefault(name, np.full((sizes["member"], sizes["neuron"]), np.nan, np.float32))
    own = {"reported_member": int(reported_member), "identity_latents": int(identity_latents), "seed": int(seed)}
    return EMBEDDING.make(model, given, {"model": model} | own | dict(attributes or {}), sizes=sizes)


def _check_members(dataset: xr.Dataset, path: str | Path) -> None:
    reported, identity = dataset.attrs["reported_member"], dataset.attrs["identity_latents"]
    if "member" in dataset and reported not in dataset["member"].values:
        expected = f"one of the {dataset.sizes['member']} members"
        fail(path, "attribute reported_member", expected, f"{reported}", "Report a member that was fitted.")
    if "latent_size" in dataset and identity > dataset["latent_size"].values.max():
        expected = f"at most the largest latent size, {dataset['latent_size'].values.max()}"
        fail(path, "attribute identity_latents", expected, f"{identity}", REMAKE)
    for number in (TRAINING, TEST) if "part" in dataset else ():
        empty = np.flatnonzero(~(dataset["part"].values == number).any(axis=1))
        if empty.size:
            found = f"none of member {dataset['member'].values[empty[0]]}"
            fail(path, "part", f"{PARTS[number]} neurons of every member", found, "Correct the partition.")


def _check_latents(dataset: xr.Dataset, path: str | Path) -> None:
    names = [name for name, field in FIELDS.items() if field.dims == LATENTS and name in dataset]
    if not names or "latent_size" not in dataset:
        return
    own, held = dataset["latent_size"].values, dataset.sizes["latent"]
    if own.max() > held:
        fail(path, "latent_size", f"at most the {held} latents of the file", f"{own.max()}", REMAKE)
    beyond = np.arange(held) >= own[:, None]  # [member, latent]
    for name in names:
        missing = np.isnan(dataset[name].values)
        wrong = missing != beyond[:, None, :]
        if wrong.any():
            at, neuron, latent = np.argwhere(wrong)[0]
            where = f"member {dataset['member'].values[at]}, neuron {dataset['neuron'].values[neuron]}, latent {latent}"
            found = f"{'NaN' if missing[at, neuron, latent] else 'a number'} at {where} of size {own[at]}"
            advice = "A fit that has diverged must not be kept." if missing[at, neuron, latent] else REMAKE
            fail(path, name, "NaN exactly from each member's latent_size on", found, advice)


def _check_truth(dataset: xr.Dataset, path: str | Path) -> None:
    """Check that all errors are known for the same neurons."""
    for name in ("error_sampled", "null_error"):
        if name in dataset and "error" in dataset:
            differ = np.isnan(dataset[name].values) != np.isnan(dataset["error"].values)
            if differ.any():
                found = f"{int(differ.sum())} neurons that differ"
                fail(path, name, "NaN exactly where error has it (no truth)", found, REMAKE)


EMBEDDING = Box(
    SCHEMA,
    FIELDS,
    required=tuple(name for name in FIELDS if name not in OPTIONAL),
    texts=("model",),
    counts=("reported_member", "identity_latents", "seed"),
    checks=(_check_members, _check_latents, _check_truth),
)
check_embedding, read_embedding, write_embedding = EMBEDDING.check, EMBEDDING.read, EMBEDDING.write

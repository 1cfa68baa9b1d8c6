"""The Embedding box: what fits of one method say about the neurons of a recording, one latent vector a neuron."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.recordings.fields import REMAKE, Field, check_dataset, check_time, fail, variable
from calcium_latents.recordings.netcdf import read_dataset, write_dataset
from calcium_latents.recordings.schema import attribute

SCHEMA = "calcium-latents embedding"
SCHEMA_VERSION = 1
SPLITS = ("neuron", "culture")
TRAINING, VALIDATION, TEST = 0, 1, 2
PARTS = {TRAINING: "training", VALIDATION: "validation", TEST: "test"}

LATENTS = ("member", "neuron", "latent")
SCORES = ("member", "neuron")
SQUARED = "fluorescence squared"
FIELDS: dict[str, Field] = {
    "member": Field(("member",), "int", "1", "one fit", minimum=0),
    "neuron": Field(("neuron",), "int", "1", "neuron"),
    "time": Field(("time",), "float64", "s", "start of the bin relative to the trial's zero"),
    "latent_size": Field(("member",), "int", "1", "number of latents", minimum=1),
    "hidden": Field(("member",), "int", "1", "number of hidden units (0: none)", minimum=0),
    "beta": Field(("member",), "float64", "1", "weight of the Kullback-Leibler term", minimum=0),
    "split": Field(("member",), "str", "1", "what was held out: neurons or whole cultures"),
    "partition": Field(("member",), "int", "1", "number of the partition", minimum=0),
    "part": Field(SCORES, "int8", "1", "0 training, 1 validation, 2 test", minimum=0),
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
COORDINATES = ("member", "neuron", "time")


def make_embedding(
    *,
    model: str,
    seed: int,
    reported_member: int,
    latents: np.ndarray,
    latent_size: np.ndarray,
    hidden: np.ndarray,
    beta: np.ndarray,
    split: np.ndarray,
    partition: np.ndarray,
    part: np.ndarray,
    residual: np.ndarray,
    null_residual: np.ndarray,
    reconstruction: np.ndarray,
    error: np.ndarray | None = None,
    null_error: np.ndarray | None = None,
    error_sampled: np.ndarray | None = None,
    latents_sd: np.ndarray | None = None,
    latents_of_noiseless: np.ndarray | None = None,
    identity_latents: int = 0,
    recording: xr.Dataset | None = None,
    member: np.ndarray | None = None,
    neuron: np.ndarray | None = None,
    time: np.ndarray | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Build and check an Embedding.

    A member is one fit: a combination of latent size, beta, split and partition.

    Args:
        model: name of the method.
        seed: seed of the method.
        reported_member: `member` whose reconstruction is kept and whose latents are shown.
        latents: [member, neuron, latent], posterior mean (principal components: scores); NaN exactly from each
            member's `latent_size` on.
        latent_size, hidden: [member], numbers of latents and of hidden units (0: none).
        beta: [member], weight of the Kullback-Leibler term (0: none).
        split: [member], "neuron" or "culture": what was held out.
        partition: [member], number of the partition.
        part: [member, neuron], 0 training, 1 validation, 2 test.
        residual, null_residual: [member, neuron], mean over time of (trace - reconstruction)^2, fluorescence squared,
            of the model and of the training set's mean trace.
        reconstruction: [time, neuron], by the reported member, in the recording's units.
        error, null_error: [member, neuron], the same against the noiseless trace; default NaN: no truth is known.
        error_sampled: [member, neuron], `error` with one sampled latent vector, as published.
        latents_sd: [member, neuron, latent], posterior standard deviation.
        latents_of_noiseless: [member, neuron, latent], posterior mean given the noiseless trace.
        identity_latents: the first so many latents are meant to describe the neuron and not the times of its events;
            0: no such distinction.
        recording: the recording that was embedded; lends `neuron` and `time` if not given.
        member, neuron: numbers; default 0, 1, ...
        time: bin starts [time], s; needed without `recording`.
        attributes: further attributes; mappings are stored as JSON.

    Raises:
        UserError: shapes, values or attributes are not those of an Embedding.
    """
    if recording is not None:
        neuron = recording["neuron"].values if neuron is None else neuron
        time = recording["time"].values if time is None else time
    if np.ndim(latents) != 3:
        fail(model, "latents", "dims [member, neuron, latent]", f"shape {np.shape(latents)}", "Give one row a neuron.")
    if time is None:
        fail(model, "time", "bin starts in s", "none", "Give `time` or `recording`.")
    sizes = dict(zip(LATENTS, np.shape(latents), strict=True)) | {"time": np.size(time)}
    unknown = np.full((sizes["member"], sizes["neuron"]), np.nan, np.float32)
    given = {
        "member": np.arange(sizes["member"]) if member is None else member,
        "neuron": np.arange(sizes["neuron"]) if neuron is None else neuron,
        "time": time,
        "latent_size": latent_size,
        "hidden": hidden,
        "beta": beta,
        "split": split,
        "partition": partition,
        "part": part,
        "latents": latents,
        "latents_sd": latents_sd,
        "latents_of_noiseless": latents_of_noiseless,
        "error": unknown if error is None else error,
        "error_sampled": error_sampled,
        "residual": residual,
        "null_error": unknown if null_error is None else null_error,
        "null_residual": null_residual,
        "reconstruction": reconstruction,
    }
    for name, values in given.items():
        dims = FIELDS[name].dims
        expected = tuple(sizes[dim] for dim in dims)
        if values is not None and np.shape(values) != expected:
            fail(model, name, f"shape {expected} for {list(dims)}", f"{np.shape(values)}", "Correct this array.")
    dataset = xr.Dataset({name: variable(FIELDS[name], values) for name, values in given.items() if values is not None})
    dataset.attrs = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "reported_member": int(reported_member),
        "identity_latents": int(identity_latents),
        "seed": int(seed),
    } | {name: attribute(value) for name, value in (attributes or {}).items()}
    check_embedding(dataset, model)
    return dataset


def check_embedding(dataset: xr.Dataset, path: str | Path, *, partial: bool = False) -> None:
    """Check that `dataset` is an Embedding; `path` names it in messages; `partial`: some variables only.

    Raises:
        UserError: names the file, the field, what was expected, what was found, and what to do.
    """
    required = COORDINATES if partial else tuple(name for name in FIELDS if name not in OPTIONAL)
    # Parts of a file without time or members (say, its scores) come without that coordinate.
    required = tuple(name for name in required if not partial or name in dataset.dims)
    check_dataset(
        dataset,
        path,
        schema=SCHEMA,
        version=SCHEMA_VERSION,
        fields=FIELDS,
        required=required,
        texts=("model",),
    )
    if "time" in dataset:
        check_time(dataset["time"].values, None, path)
    for name in ("member", "neuron"):
        if name in dataset and np.unique(dataset[name].values).size != dataset[name].size:
            fail(path, name, "each number once", "a number that comes again", REMAKE)
    _check_attributes(dataset, path)
    _check_members(dataset, path)
    _check_latents(dataset, path)
    _check_truth(dataset, path)


def _check_attributes(dataset: xr.Dataset, path: str | Path) -> None:
    for name in ("reported_member", "identity_latents", "seed"):
        value = dataset.attrs.get(name)
        # bool is an int in Python; a flag is no number of a member.
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            fail(path, f"attribute {name}", "a whole number, 0 or more", f"{value!r}", REMAKE)
    if "member" in dataset and dataset.attrs["reported_member"] not in dataset["member"].values:
        expected = f"one of the {dataset.sizes['member']} members"
        found = f"{dataset.attrs['reported_member']}"
        fail(path, "attribute reported_member", expected, found, "Report a member that was fitted.")
    if "latent_size" in dataset and dataset.attrs["identity_latents"] > dataset["latent_size"].values.max():
        expected = f"at most the largest latent size, {dataset['latent_size'].values.max()}"
        fail(path, "attribute identity_latents", expected, f"{dataset.attrs['identity_latents']}", REMAKE)


def _check_members(dataset: xr.Dataset, path: str | Path) -> None:
    if "split" in dataset:
        others = sorted({str(name) for name in dataset["split"].values} - set(SPLITS))
        if others:
            fail(path, "split", f"one of {list(SPLITS)}", f"{others[0]!r}", REMAKE)
    if "part" not in dataset:
        return
    part = dataset["part"].values
    if part.max() > TEST:
        fail(path, "part", "0 (training), 1 (validation) or 2 (test)", f"{part.max()}", "Correct the partition.")
    for number in (TRAINING, TEST):
        empty = np.flatnonzero(~(part == number).any(axis=1))
        if empty.size:
            found = f"none of member {_number(dataset, 'member', empty[0])}"
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
            where = (
                f"member {_number(dataset, 'member', at)}, neuron {_number(dataset, 'neuron', neuron)}, latent {latent}"
            )
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


def _number(dataset: xr.Dataset, name: str, at: int) -> int:
    return int(dataset[name].values[at])


def write_embedding(dataset: xr.Dataset, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Check `dataset` and write it to `path` as netCDF, atomically and with the same bytes each time.

    Raises:
        UserError: it is no Embedding, or provenance lacks an entry or has another seed; nothing is written then.
    """
    check_embedding(dataset, path)
    seed = provenance.get("seed", dataset.attrs["seed"])
    if seed != dataset.attrs["seed"]:
        fail(path, "attribute seed", f"{seed} as in its provenance", f"{dataset.attrs['seed']}", "Pass one seed.")
    write_dataset(dataset, path, provenance)


def read_embedding(path: str | Path, variables: list[str] | None = None) -> xr.Dataset:
    """Read an Embedding (or only `variables` and their coordinates) into memory and check it.

    Raises:
        UserError: the file is missing, no netCDF, or no Embedding.
    """
    dataset = read_dataset(path, variables)
    check_embedding(dataset, path, partial=variables is not None)
    return dataset

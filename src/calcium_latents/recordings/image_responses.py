"""The ImageResponses box: images that were shown, and what each neuron answered at each presentation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.recordings.box import Box
from calcium_latents.recordings.fields import PARTS, REMAKE, TEST, Field, fail, named_neurons

SCHEMA = "calcium-latents image responses"
KINDS = ("gabor", "on", "off")

NEURON = ("neuron",)
FIELDS: dict[str, Field] = {
    "images": Field(("image", "y", "x"), "float32", "sd of the training images", "luminance, z-scored"),
    "part": Field(("image",), "int8", "1", "0 training, 1 validation, 2 test", minimum=0, among=PARTS),
    "image_of_trial": Field(("trial",), "int", "1", "image that the trial showed", minimum=0),
    "response": Field(
        ("trial", "neuron"), "float32", "spikes", "response (NaN: not shown to this animal)", missing=True
    ),
    "neuron": Field(NEURON, "int", "1", "neuron", unique=True),
    "animal": Field(NEURON, "int", "1", "animal in which the neuron was recorded", minimum=0),
    "axis": Field(("axis",), "str", "1", "axis of an image"),
    "neuron_type": Field(NEURON, "str", "1", "true type"),
    "kind": Field(NEURON, "str", "1", "true receptive field: gabor, on or off", among=KINDS),
    "is_complex": Field(NEURON, "int8", "1", "1: phase-invariant", minimum=0),
    "surround_weight": Field(NEURON, "float64", "1", "weight of surround suppression", minimum=0),
    "orthogonal_weight": Field(NEURON, "float64", "1", "weight of cross-orientation inhibition", minimum=0),
    "orientation_rad": Field(NEURON, "float64", "rad", "angle of the wave vector, 0 to 2 pi", minimum=0),
    "phase_rad": Field(NEURON, "float64", "rad", "phase at the centre", minimum=0),
    "frequency_cpp": Field(NEURON, "float64", "1/pixel", "spatial frequency", minimum=0),
    "envelope_px": Field(NEURON, "float64", "pixel", "sd of the envelope (on, off: of the centre)", minimum=0),
    "surround_px": Field(NEURON, "float64", "pixel", "sd of the pool (on, off: of the antagonist)", minimum=0),
    "hole_px": Field(NEURON, "float64", "pixel", "sd of the hole in the pool", minimum=0),
    "gain": Field(NEURON, "float64", "spikes", "factor from drive to rate", minimum=0),
    "position_px": Field(("neuron", "axis"), "float64", "pixel", "centre of the receptive field"),
    "rate": Field(("image", "neuron"), "float32", "spikes", "noise-free response", minimum=0),
}
REQUIRED = ("images", "part", "image_of_trial", "response", "neuron", "animal")
TRUTH = tuple(name for name in FIELDS if name not in (*REQUIRED, "axis"))


def make_image_responses(
    *,
    label: str,
    image_source: str,
    seed: int,
    images: np.ndarray,
    response: np.ndarray,
    simulated: bool = False,
    luminance_mean: float = 0.0,
    luminance_sd: float = 1.0,
    trials_averaged: int = 1,
    truth: Mapping[str, np.ndarray] | None = None,
    attributes: Mapping[str, Any] | None = None,
    **variables: np.ndarray | None,
) -> xr.Dataset:
    """Build and check an ImageResponses box.

    Args:
        label: name of the data set in print.
        image_source: where the images come from, in words.
        seed: seed of a simulation; 0 for a recording.
        images: [image, y, x], z-scored with one mean and one standard deviation of the training images.
        response: [trial, neuron], spikes or events, NaN where the neuron's animal did not see this presentation.
        simulated: whether a known population gave the responses.
        luminance_mean, luminance_sd: what z-scoring took from the images and divided them by.
        trials_averaged: presentations that one training or validation trial is the average of.
        truth: variables of `TRUTH` by name, for simulated data: [neuron], but `position_px` [neuron, axis (y, x)] and
            `rate` [image, neuron].
        attributes: further attributes; mappings are stored as JSON.
        variables: part: [image], 0 training, 1 validation, 2 test. image_of_trial: [trial], index into `images`; test
            images come in several trials. animal: [neuron], number of the animal; default: all of one.
            neuron: [neuron], numbers; default 0, 1, ...

    Raises:
        UserError: shapes, values or attributes are not those of the box.
    """
    if np.ndim(images) != 3:
        fail(label, "images", "dims [image, y, x]", f"shape {np.shape(images)}", "Give one picture an image.")
    if np.ndim(response) != 2:
        fail(label, "response", "dims [trial, neuron]", f"shape {np.shape(response)}", "Give one row a presentation.")
    sizes = dict(zip(("image", "y", "x"), np.shape(images), strict=True)) | {"axis": 2}
    sizes |= dict(zip(("trial", "neuron"), np.shape(response), strict=True))
    given: dict[str, Any] = {"neuron": np.arange(sizes["neuron"]), "animal": np.zeros(sizes["neuron"], int)}
    given |= {name: values for name, values in variables.items() if values is not None}
    given |= {"images": images, "response": response} | dict(truth or {})
    if given.get("position_px") is not None:
        given["axis"] = ["y", "x"]
    own = {
        "label": label,
        "image_source": image_source,
        "luminance_mean": float(luminance_mean),
        "luminance_sd": float(luminance_sd),
        "simulated": int(simulated),
        "trials_averaged": int(trials_averaged),
        "seed": int(seed),
    }
    return IMAGE_RESPONSES.make(label, given, own | dict(attributes or {}), sizes=sizes)


def _check_parts(dataset: xr.Dataset, path: str | Path) -> None:
    for number, name in enumerate(PARTS):
        if "part" in dataset and not (dataset["part"].values == number).any():
            fail(path, "part", f"{name} images", "none", "Give training, validation and test images.")


def _check_trials(dataset: xr.Dataset, path: str | Path) -> None:
    if "image_of_trial" not in dataset or "image" not in dataset.sizes:
        return
    shown, count = dataset["image_of_trial"].values, dataset.sizes["image"]
    if shown.max() >= count:
        fail(path, "image_of_trial", f"numbers below {count}, of images in the file", f"{shown.max()}", REMAKE)
    times = np.bincount(shown, minlength=count)
    if (times == 0).any():
        found = f"image {int(np.argmin(times))} never"
        fail(path, "image_of_trial", "every image in at least one trial", found, "Leave out images not shown.")
    if "part" in dataset and (times[dataset["part"].values == TEST] < 2).any():
        found = "a test image with one"
        fail(path, "image_of_trial", "at least 2 trials of every test image", found, "Make it a training image.")


def _check_responses(dataset: xr.Dataset, path: str | Path) -> None:
    if "response" not in dataset:
        return
    response = dataset["response"].values
    known = np.isfinite(response)
    if not known.any(axis=0).all():
        never = np.flatnonzero(~known.any(axis=0))
        found = f"none of {named_neurons(dataset['neuron'].values[never] if 'neuron' in dataset else never)}"
        fail(path, "response", "some presentations of every neuron", found, "Leave them out.")
    if "animal" in dataset:
        for animal in np.unique(dataset["animal"].values):
            of_animal = known[:, dataset["animal"].values == animal]
            if (of_animal.any(axis=1) != of_animal.all(axis=1)).any():
                at = int(np.argmax(of_animal.any(axis=1) != of_animal.all(axis=1)))
                found = f"both NaN and numbers in trial {at} of animal {animal}"
                fail(path, "response", "presentations that all neurons of an animal share", found, REMAKE)


IMAGE_RESPONSES = Box(
    SCHEMA,
    FIELDS,
    REQUIRED,
    numbers=("luminance_sd", "trials_averaged"),
    texts=("label", "image_source"),
    counts=("simulated", "seed"),
    checks=(_check_parts, _check_trials, _check_responses),
)
check_image_responses, read_image_responses = IMAGE_RESPONSES.check, IMAGE_RESPONSES.read
write_image_responses = IMAGE_RESPONSES.write

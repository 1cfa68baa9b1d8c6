"""The ImagePredictions box: what a model of responses to images says about every image and every neuron."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.recordings.fields import REMAKE, Field, check_dataset, fail, variable
from calcium_latents.recordings.netcdf import read_dataset, write_dataset
from calcium_latents.recordings.schema import attribute

SCHEMA = "calcium-latents image predictions"
SCHEMA_VERSION = 1

CODE = ("neuron", "rotation", "feature")
FIELDS: dict[str, Field] = {
    "image": Field(("image",), "int", "1", "image"),
    "neuron": Field(("neuron",), "int", "1", "neuron"),
    "rate": Field(("image", "neuron"), "float32", "response", "predicted mean response", minimum=0),
    "bar_code": Field(CODE, "float32", "1", "feature weights of the readout"),
    "mask": Field(("neuron", "map_y", "map_x"), "float32", "1", "spatial mask of the readout"),
    "mask_centre_px": Field(("neuron", "axis"), "float32", "px", "centre (y, x) of the squared mask"),
    "feature_covariance": Field(
        (*CODE[1:], "other_rotation", "other_feature"), "float32", "1", "covariance of pooled features over images"
    ),
    "filter": Field(("neuron", "y", "x"), "float32", "1", "linear filter"),
    "penalty": Field(("neuron",), "float64", "1", "weight of the squared norm of the filter", minimum=0),
}
TWIN = ("bar_code", "feature_covariance", "mask", "mask_centre_px")
OPTIONAL = (*TWIN, "filter", "penalty")


def make_image_predictions(
    *,
    model: str,
    seed: int,
    rate: np.ndarray,
    responses: xr.Dataset,
    bar_code: np.ndarray | None = None,
    feature_covariance: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    mask_centre_px: np.ndarray | None = None,
    mask_offset_px: int = 0,
    filter: np.ndarray | None = None,
    penalty: np.ndarray | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Build and check ImagePredictions.

    Args:
        model: name of the method.
        seed: seed of the method.
        rate: [image, neuron], predicted mean response, in the units of the recorded responses.
        responses: the ImageResponses that the model was fitted to; lend `image` and `neuron`.
        bar_code: [neuron, rotation, feature], feature weights of a rotation-equivariant model.
        feature_covariance: [rotation, feature, rotation, feature], of the features that they weigh, over images.
        mask: [neuron, map_y, map_x], spatial masks of its readout.
        mask_centre_px: [neuron, 2], centre (y, x) of the squared mask, px of the image.
        mask_offset_px: pixel i of the map lies over pixel i + offset of the image.
        filter: [neuron, y, x], filter of a linear model.
        penalty: [neuron], weight of its squared norm.
        attributes: further attributes; mappings are stored as JSON.

    Raises:
        UserError: shapes, values or attributes are not those of ImagePredictions.
    """
    given = {
        "image": responses["image"].values if "image" in responses.coords else np.arange(responses.sizes["image"]),
        "neuron": responses["neuron"].values,
        "rate": rate,
        "bar_code": bar_code,
        "feature_covariance": feature_covariance,
        "mask": mask,
        "mask_centre_px": mask_centre_px,
        "filter": filter,
        "penalty": penalty,
    }
    sizes = {"image": responses.sizes["image"], "neuron": responses.sizes["neuron"], "axis": 2}
    for name, values in given.items():
        if values is None:
            continue
        dims = FIELDS[name].dims
        expected = tuple(sizes.get(dim, "any") for dim in dims)
        found = np.shape(values)
        if len(found) != len(dims) or any(e not in ("any", f) for e, f in zip(expected, found, strict=True)):
            fail(model, name, f"shape {expected} for {list(dims)}", f"{found}", "Correct this array.")
    dataset = xr.Dataset({name: variable(FIELDS[name], values) for name, values in given.items() if values is not None})
    dataset = dataset.set_coords([name for name in ("image", "neuron") if name in dataset])
    dataset.attrs = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "mask_offset_px": int(mask_offset_px),
        "seed": int(seed),
    } | {name: attribute(value) for name, value in (attributes or {}).items()}
    check_image_predictions(dataset, model)
    return dataset


def check_image_predictions(dataset: xr.Dataset, path: str | Path) -> None:
    """Check that `dataset` holds ImagePredictions; `path` names it in messages.

    Raises:
        UserError: names the file, the field, what was expected, what was found, and what to do.
    """
    check_dataset(
        dataset,
        path,
        schema=SCHEMA,
        version=SCHEMA_VERSION,
        fields=FIELDS,
        required=tuple(name for name in FIELDS if name not in OPTIONAL),
        texts=("model",),
    )
    parts = [name for name in TWIN if name in dataset]
    if parts and len(parts) < len(TWIN):
        fail(path, "bar_code", f"all of {TWIN} or none", f"only {parts}", REMAKE)


def write_image_predictions(dataset: xr.Dataset, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Check `dataset` and write it to `path` as netCDF, with `provenance` as attributes.

    Raises:
        UserError: it does not hold ImagePredictions, or provenance lacks an entry; nothing is written then.
    """
    check_image_predictions(dataset, path)
    write_dataset(dataset, path, provenance)


def read_image_predictions(path: str | Path) -> xr.Dataset:
    """Read ImagePredictions into memory and check them.

    Raises:
        UserError: the file is missing, no netCDF, or holds something else.
    """
    dataset = read_dataset(path)
    check_image_predictions(dataset, path)
    return dataset

"""The ImagePredictions box: what a model of responses to images says about every image and every neuron."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.recordings.box import Box
from calcium_latents.recordings.fields import REMAKE, Field, fail

SCHEMA = "calcium-latents image predictions"

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


def make_image_predictions(
    *,
    model: str,
    seed: int,
    responses: xr.Dataset,
    mask_offset_px: int = 0,
    attributes: Mapping[str, Any] | None = None,
    **variables: np.ndarray | None,
) -> xr.Dataset:
    """Build and check ImagePredictions.

    Args:
        model: name of the method.
        seed: seed of the method.
        responses: the ImageResponses that the model was fitted to; lend `image` and `neuron`.
        mask_offset_px: pixel i of the map lies over pixel i + offset of the image.
        attributes: further attributes; mappings are stored as JSON.
        variables: rate: [image, neuron], predicted mean response, in the units of the recorded responses.
            Of a rotation-equivariant model, all four or none: bar_code: [neuron, rotation, feature], feature weights;
            feature_covariance: [rotation, feature, rotation, feature], of the features that they weigh, over images;
            mask: [neuron, map_y, map_x]; mask_centre_px: [neuron, 2], centre (y, x) of the squared mask, px of the
            image. Of a linear model: filter: [neuron, y, x]; penalty: [neuron], weight of its squared norm.

    Raises:
        UserError: shapes, values or attributes are not those of ImagePredictions.
    """
    sizes = {"image": responses.sizes["image"], "neuron": responses.sizes["neuron"], "axis": 2}
    shown = responses["image"].values if "image" in responses.coords else np.arange(sizes["image"])
    given = {"image": shown, "neuron": responses["neuron"].values} | variables
    own = {"model": model, "mask_offset_px": int(mask_offset_px), "seed": int(seed)}
    return IMAGE_PREDICTIONS.make(model, given, own | dict(attributes or {}), sizes=sizes)


def _check_twin(dataset: xr.Dataset, path: str | Path) -> None:
    parts = [name for name in TWIN if name in dataset]
    if parts and len(parts) < len(TWIN):
        fail(path, "bar_code", f"all of {TWIN} or none", f"only {parts}", REMAKE)


IMAGE_PREDICTIONS = Box(SCHEMA, FIELDS, required=("image", "neuron", "rate"), texts=("model",), checks=(_check_twin,))
check_image_predictions, read_image_predictions = IMAGE_PREDICTIONS.check, IMAGE_PREDICTIONS.read
write_image_predictions = IMAGE_PREDICTIONS.write

"""What goes into the training command and what comes out of it: a box of one of several kinds, known by its schema."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from calcium_latents.recordings import embedding, image_predictions, image_responses, inferred, schema
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.netcdf import read_dataset, write_dataset

#: schema -> its check
TRAINED_ON = {box.schema: box.check for box in (schema.RECORDING, image_responses.IMAGE_RESPONSES)}
LEFT_BEHIND = {
    box.schema: box.check for box in (inferred.INFERRED, embedding.EMBEDDING, image_predictions.IMAGE_PREDICTIONS)
}


def read_trained_on(path: str | Path) -> xr.Dataset:
    """Read a box that models are trained on into memory and check it.

    Raises:
        UserError: the file is missing, no netCDF, or no such box.
    """
    dataset = read_dataset(path)
    _check(dataset, path, TRAINED_ON)
    return dataset


def write_left_behind(dataset: xr.Dataset, path: str | Path, provenance: Mapping[str, Any]) -> None:
    """Check what a model says about its recording and write it to `path`, with `provenance` as attributes.

    Raises:
        UserError: it is no such box, or provenance lacks an entry; nothing is written then.
    """
    _check(dataset, path, LEFT_BEHIND)
    write_dataset(dataset, path, provenance)


def _check(dataset: xr.Dataset, path: str | Path, checks: Mapping) -> None:
    found = dataset.attrs.get("schema")
    if found not in checks:
        expected = "one of " + ", ".join(f"'{name}'" for name in checks)
        fail(path, "attribute schema", expected, f"{found!r}", "Is this the right file for this step?")
    checks[found](dataset, path)

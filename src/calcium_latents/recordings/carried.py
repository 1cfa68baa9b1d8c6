"""What a recording that is made from another one keeps of it."""

from collections.abc import Collection
from typing import Any

import xarray as xr

from calcium_latents.recordings.schema import FIELDS, RECORDING


def neuron_fields(recording: xr.Dataset) -> dict[str, Any]:
    """Return what a recording says about its neurons, as arguments of `make_recording`."""
    position = recording.get("position")
    return {
        "neuron": recording["neuron"].values,
        "position": None if position is None else position.values,
        "position_units": "pixel" if position is None else position.attrs["units"],
        "noise_level": recording["noise_level"].values if "noise_level" in recording else None,
    }


def neuron_variables(recording: xr.Dataset, more_dims: bool = False) -> dict[str, tuple]:
    """Return the other variables of single neurons, as `others` of `make_recording`.

    With `more_dims`, also those that have dims beside `neuron`, which comes first.
    """
    return {
        str(name): (array.dims, array.values, array.attrs["units"], array.attrs.get("long_name", str(name)))
        for name, array in recording.data_vars.items()
        if name not in FIELDS and array.dims[: 1 if more_dims else None] == ("neuron",)
    }


def kept_attributes(recording: xr.Dataset, but: Collection[str] = ()) -> dict[str, Any]:
    """Return the attributes other than those that `make_recording` sets itself, and those of `but`."""
    own = {"schema", "schema_version", "consecutive_trials", *RECORDING.numbers, *RECORDING.texts, *but}
    return {str(name): value for name, value in recording.attrs.items() if name not in own}

"""Minian's results."""

import numpy as np
import pytest
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file


def minian_file(folder, dims=("unit_id", "frame")):
    values = np.random.default_rng(0).gamma(1.0, 1.0, (3, 40))
    xr.DataArray(values, dims=dims, coords={dims[0]: [4, 7, 9]}, name="C").to_netcdf(folder / "C.nc", engine="h5netcdf")
    return values


def test_traces_and_units_are_read(tmp_path):
    values = minian_file(tmp_path)
    recording = read_user_file({"file": "C.nc", "sampling_rate_hz": 20}, tmp_path)
    assert recording.attrs["source_format"] == "minian"
    assert list(recording["neuron"].values) == [4, 7, 9]
    np.testing.assert_allclose(recording["fluorescence"].values[0], values.T, rtol=1e-6)


def test_other_dimensions_are_refused(tmp_path):
    minian_file(tmp_path, ("cell", "frame"))
    with pytest.raises(UserError, match=r"C\.nc.*unit_id"):
        read_user_file({"file": "C.nc", "format": "minian", "sampling_rate_hz": 20}, tmp_path)

"""MIN1PIPE's results."""

import numpy as np
import pytest
import scipy.io

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file


def test_traces_and_rate_are_read(tmp_path):
    values = np.random.default_rng(0).gamma(1.0, 1.0, (3, 40))
    scipy.io.savemat(tmp_path / "a_data_processed.mat", {"sigfn": values, "Fsi_new": 20.0})
    recording = read_user_file({"file": "a_data_processed.mat"}, tmp_path)
    assert recording.attrs["source_format"] == "min1pipe" and recording.attrs["imaging_rate_hz"] == 20
    np.testing.assert_allclose(recording["fluorescence"].values[0], values.T, rtol=1e-6)


def test_another_file_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a_data_processed.mat", {"other": np.zeros((3, 40))})
    with pytest.raises(UserError, match=r"a_data_processed\.mat: sigfn: expected"):
        read_user_file({"file": "a_data_processed.mat", "sampling_rate_hz": 20}, tmp_path)

"""What the header of a file tells when a run is planned, before hours of work."""

import numpy as np
import pytest
from user_files import N_FRAMES, N_NEURONS, RATE, smooth_traces, suite2p_folder

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers.header import check_files

LENGTH_S = N_FRAMES / RATE
WRONG = [
    ({"windows": {"length_s": 1000}}, r"windows length_s: expected at most the recording's 13\.3\d* s, found 1000 s"),
    ({"trials": [1.0, 1000.0, 5000.0]}, r"trials within the recording \(0 to 13\.3\d* s\), found 2 others.*from 1000"),
    ({"trials": {"starts_s": [1, 2], "before_s": 100, "after_s": 8}}, r"2 others, the first from -99 to 9 s"),
    ({"trials": {"starts_s": [1, 2], "after_s": 800}}, r"2 others, the first from 1 to 801 s"),
    ({"neurons": [0, 99]}, r"neurons: expected numbers below 7, found 99"),
]
RIGHT = [
    {},
    {"trials": [0.0, LENGTH_S - 0.01]},
    {"trials": {"starts_s": [1000.0], "cut": False}},
    {"trials": "file"},
    {"neurons": [0, N_NEURONS - 1]},
]


@pytest.fixture(scope="module", params=["suite2p", "matrix"])
def entry(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("header")
    if request.param == "suite2p":
        return {"file": str(suite2p_folder(folder / "plane0", smooth_traces()))}, folder
    np.save(folder / "traces.npy", smooth_traces())
    return {"file": str(folder / "traces.npy"), "sampling_rate_hz": RATE, "is_dff": True}, folder


@pytest.mark.parametrize(("own", "said"), WRONG)
def test_what_does_not_fit_the_recording_is_said(entry, own, said):
    with pytest.raises(UserError, match=said):
        check_files(entry[0] | own, entry[1])


@pytest.mark.parametrize("own", RIGHT)
def test_what_fits_passes(entry, own):
    header = check_files(entry[0] | own, entry[1])
    assert (header.frames, header.neurons, header.rate_hz) == (N_FRAMES, N_NEURONS, RATE)


def test_without_a_rate_a_folder_is_looked_into_when_it_is_imported(tmp_path):
    folder = suite2p_folder(tmp_path / "plane0", smooth_traces(), fs=None)
    assert check_files({"file": str(folder)}, tmp_path) is None
    assert check_files({"file": str(folder), "sampling_rate_hz": 10}, tmp_path).rate_hz == 10

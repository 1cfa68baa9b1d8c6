"""CASCADE's .mat files, built small."""

import numpy as np
import pytest
import scipy.io

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import ground_truth_recording, read_cascade


def _write(path, *recordings):
    path.parent.mkdir(exist_ok=True)
    cells = np.empty((1, len(recordings)), object)
    for i, fields in enumerate(recordings):
        cells[0, i] = fields
    scipy.io.savemat(path, {"CAttached": cells})
    return path


def _fields(**changes):
    time = 0.5 + np.arange(100) / 50
    # In units of 0.1 ms, unsorted, padded with NaN; one before the first frame.
    events = np.array([8000.0, 6001, 4000, 6100, np.nan])
    return {"fluo_time": time, "fluo_mean": np.sin(time)[:, None], "events_AP": events} | changes


def test_two_recordings_of_a_neuron(tmp_path):
    path = tmp_path / "DS01-OGB1-m-V1" / "CAttached_cell7_mini.mat"
    _write(path, _fields(), _fields(events_AP=np.zeros((0, 0))))
    first, second = read_cascade(path)
    np.testing.assert_allclose(first.spike_times_s, [0.4, 0.6001, 0.61, 0.8])
    assert (first.neuron, first.recording, second.recording) == ("cell7", "cell7-0", "cell7-1")
    assert first.indicator == "OGB1" and first.sampling_rate_hz == pytest.approx(50)
    assert first.dff.shape == first.time.shape == (100,) and second.spike_times_s.size == 0
    recording = ground_truth_recording(first)
    counts = recording.spikes.values[0, :, 0]
    # Frames of 20 ms from 0.5 s: 0.6001 and 0.61 s are in the sixth, 0.8 s begins the sixteenth.
    assert np.flatnonzero(counts).tolist() == [5, 15] and counts[5] == 2
    np.testing.assert_allclose(recording.spike_time.values, first.spike_times_s)
    assert ground_truth_recording(second).spikes.values.sum() == 0


BAD = {
    "length": (
        _fields(fluo_mean=np.ones(9)),
        r"CAttached{1}.fluo_mean: expected as many values as fluo_time (100)",
    ),
    "time": (_fields(fluo_time=np.zeros(100)), r"CAttached{1}.fluo_time: expected ascending times"),
    "field": (
        {"fluo_time": np.arange(9.0), "fluo_mean": np.ones(9)},
        "CAttached{1}.events_AP: expected this field",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recordings(name, tmp_path):
    fields, message = BAD[name]
    with pytest.raises(UserError) as error:
        read_cascade(_write(tmp_path / "CAttached_a.mat", fields))
    assert message in str(error.value)


def test_bad_files(tmp_path):
    with pytest.raises(UserError, match=r"a\.mat: file: expected a MATLAB file of version 5, found an unreadable one"):
        read_cascade(tmp_path / "a.mat")
    scipy.io.savemat(tmp_path / "a.mat", {"x": 1})
    with pytest.raises(UserError, match=r"CAttached: expected a cell array of recordings, found only \['x'\]"):
        read_cascade(tmp_path / "a.mat")
    (tmp_path / "a.mat").write_text("x")
    with pytest.raises(UserError, match="expected a MATLAB file of version 5"):
        read_cascade(tmp_path / "a.mat")

"""Planes of one NWB file joined, each neuron with its own time within the frame."""

import numpy as np
import pytest

pytest.importorskip("pynwb")
from nwb_files import RATE, NwbWriter, dots, raw_traces

from calcium_latents.errors import UserError
from calcium_latents.recordings.preprocessing import delta_f_over_f
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import nwb


def _planes(path, whens, lengths=(300, 300), names=("plane0", "plane1"), **fields):
    """Write planes of five ROIs each, whose tables number from 0."""
    writer = NwbWriter(**fields)
    for number, (when, length, name) in enumerate(zip(whens, lengths, names, strict=True)):
        table = writer.table(dots(5), name=f"rois {number}", Accepted=np.arange(5) != number)
        stamps = {} if "timestamps" not in when else {"timestamps": when["timestamps"][:length]}
        writer.series(raw_traces(seed=number)[:length], table, name, **(when | stamps))
        writer.series(np.full((length, 5), 50.0 + number), table, name, "Neuropil", **(when | stamps))
    return writer.write(path)


def test_the_time_of_a_plane_is_the_offset_of_its_neurons(tmp_path):
    _planes(tmp_path / "a.nwb", [{"starting_time": 2.5 + 0.4 / RATE}, {"starting_time": 2.5}])
    recording = read_user_file({"file": "a.nwb", "is_dff": False}, tmp_path)
    # Five and five ROIs of two tables: numbers are columns of the joined series.
    assert recording.neuron.values.tolist() == [1, 2, 3, 4, 5, 7, 8, 9]
    expected = np.concatenate([raw_traces(seed=0)[:, 1:], raw_traces(seed=1)[:, [0, 2, 3, 4]]], axis=1)
    # A steady neuropil takes nothing off.
    np.testing.assert_allclose(recording.fluorescence.values[0], delta_f_over_f(expected, RATE), rtol=1e-5)
    np.testing.assert_allclose(recording.sample_offset.values[0], [0.4 / RATE] * 4 + [0] * 4, rtol=1e-5)
    assert recording.time.values[0] == 2.5
    np.testing.assert_array_equal(recording.position.values[:4], [[3 * i, 5 * i + 1] for i in range(1, 5)])
    assert recording.attrs["nwb_series"] == "ophys/Fluorescence/plane0, ophys/Fluorescence/plane1"
    traces = nwb.read(tmp_path / "a.nwb", {})
    assert np.unique(traces.neuropil[:, :4]) == 50 and np.unique(traces.neuropil[:, 4:]) == 51
    assert traces.attributes["nwb_neuropil"] == "ophys/Neuropil/plane0, ophys/Neuropil/plane1"
    # The entry's rate is the frames', the delay stays that of the file.
    faster = read_user_file({"file": "a.nwb", "is_dff": False, "sampling_rate_hz": 2 * RATE}, tmp_path)
    np.testing.assert_allclose(faster.sample_offset.values[0, :4], 0.4 / RATE, rtol=1e-5)


def test_lines_count_within_the_turn_of_a_plane(tmp_path):
    from pynwb.ophys import TwoPhotonSeries

    writer = NwbWriter()
    film = {"imaging_plane": writer.plane, "unit": "n.a.", "rate": RATE, "data": np.ones((4, 40, 50))}
    writer.file.add_acquisition(TwoPhotonSeries(name="film", **film))
    for number in range(2):
        table = writer.table(dots(5), name=f"rois {number}")
        writer.series(raw_traces(seed=number), table, f"plane{number}", starting_time=number / 2 / RATE)
    writer.write(tmp_path / "a.nwb")
    entry = {"file": "a.nwb", "is_dff": False}
    lines = (5 * np.arange(5) + 1) / 50
    found = read_user_file(entry | {"sample_offsets": "from_positions"}, tmp_path).sample_offset.values[0]
    np.testing.assert_allclose(found * RATE, np.concatenate([lines / 2, 0.5 + lines / 2]), rtol=1e-5)
    found = read_user_file(entry, tmp_path).sample_offset.values[0]
    np.testing.assert_allclose(found * RATE, [0] * 5 + [0.5] * 5, rtol=1e-5)


def test_time_stamps_of_planes(tmp_path):
    times = np.delete(np.arange(302), [7, 90]) / RATE + 4
    path = _planes(tmp_path / "a.nwb", [{"timestamps": times}, {"timestamps": times + 0.25 / RATE}], (300, 299))
    traces = nwb.read(path, {})
    np.testing.assert_array_equal(traces.timestamps, times[:299])
    assert traces.values.shape == traces.neuropil.shape == (299, 8)
    np.testing.assert_allclose(traces.frame_fraction, [0] * 4 + [0.25] * 4, atol=1e-9)
    recording = read_user_file({"file": "a.nwb"}, tmp_path)
    assert np.flatnonzero(np.isnan(recording.fluorescence.values[0, :, 0])).tolist() == [7, 90]


TIMES = np.arange(300) / RATE
APART = {
    "rates": ([{}, {"rate": 15.0}], (300, 300), r"the same rate, found ophys/.*plane0: 30 Hz, ophys/.*plane1: 15 Hz"),
    "lengths": ([{}, {}], (300, 290), r"the same number of frames, found .*plane0: 300, .*plane1: 290"),
    "starts": ([{}, {"starting_time": 1.5}], (300, 300), r"starts less than a frame \(0.0333333 s\) apart.*1.5 s"),
    "stamps of one": ([{}, {"timestamps": TIMES}], (300, 300), r"time stamps of all or of none.*plane0: none"),
    "drifting stamps": (
        [{"timestamps": TIMES}, {"timestamps": TIMES * 1.01}],
        (300, 300),
        "the same steps between time",
    ),
}


@pytest.mark.parametrize("name", APART)
def test_planes_that_do_not_go_together_need_a_key(name, tmp_path):
    whens, lengths, message = APART[name]
    path = _planes(tmp_path / "a.nwb", whens, lengths)
    with pytest.raises(UserError, match=f"a.nwb: key: expected planes of {message}.*by `key`"):
        nwb.read(path, {})
    assert nwb.read(path, {"key": "Fluorescence/plane1"}).neurons.tolist() == [0, 2, 3, 4]


def test_channels_are_no_planes(tmp_path):
    path = _planes(tmp_path / "a.nwb", [{}, {}], names=("RoiResponseSeriesChan1", "RoiResponseSeriesChan2"))
    with pytest.raises(UserError, match="found 2 that match .*Chan1, .*Chan2"):
        nwb.read(path, {})
    assert nwb.read(path, {"key": "Fluorescence/RoiResponseSeriesChan2"}).values.shape == (300, 4)
    # Whoever names the container asks for all that is in it.
    assert nwb.read(path, {"key": "ophys/Fluorescence"}).values.shape == (300, 8)


def test_planes_are_in_the_order_of_their_numbers(tmp_path):
    names = [f"plane{number}" for number in (10, 2)]
    traces = nwb.read(_planes(tmp_path / "a.nwb", [{}, {}], names=names), {})
    np.testing.assert_array_equal(traces.values[:, :4], raw_traces(seed=1)[:, [0, 2, 3, 4]])
    assert traces.frame_fraction is None and not traces.scanned_by_line

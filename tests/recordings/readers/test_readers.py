"""Every format gives the same Recording; bad files give messages that say what to do."""

import datetime

import h5py
import numpy as np
import pytest
import scipy.io

from calcium_latents.errors import UserError
from calcium_latents.recordings import read_recording, write_recording
from calcium_latents.recordings.readers import read_user_file, window_options
from calcium_latents.seeds import generator

N_FRAMES, N_NEURONS, RATE = 400, 7, 30.0


@pytest.fixture
def dff() -> np.ndarray:
    """Smooth traces [frame, neuron]."""
    noise = generator(1, "tests", "readers").normal(size=(N_FRAMES + 20, N_NEURONS))
    return np.stack([np.convolve(column, np.exp(-np.arange(21) / 8), "valid") for column in noise.T], axis=1)


def _same(recording, values):
    np.testing.assert_allclose(recording.fluorescence.values[0], values, rtol=1e-6, atol=1e-6)
    assert recording.attrs["imaging_rate_hz"] == pytest.approx(RATE)
    assert recording.sizes["trial"] == 1


@pytest.mark.parametrize("name", ["a.npy", "a.h5", "a.mat", "a73.mat"])
@pytest.mark.parametrize("orientation", ["neurons x frames", "frames x neurons", None])
def test_plain_arrays(name, orientation, dff, tmp_path, provenance):
    matrix = dff if orientation == "frames x neurons" else dff.T
    if name == "a.npy":
        np.save(tmp_path / name, matrix)
    elif name == "a.mat":
        scipy.io.savemat(tmp_path / name, {"traces": matrix, "rate": 30.0, "label": "x"})
    else:
        with h5py.File(tmp_path / name, "w") as file:
            # MATLAB 7.3 stores the transpose of what it shows.
            file["group/traces"] = matrix.T if name == "a73.mat" else matrix
            file["rate"] = 30.0
    entry = {"file": name, "sampling_rate_hz": RATE, "is_dff": True, "orientation": orientation}
    recording = read_user_file(entry, tmp_path)
    _same(recording, dff)
    write_recording(recording, tmp_path / "r.nc", provenance)
    assert read_recording(tmp_path / "r.nc").equals(recording)


def test_orientation_is_asked_for_where_it_cannot_be_told(dff, tmp_path):
    entry = {"file": "a.npy", "sampling_rate_hz": RATE, "is_dff": True}
    np.save(tmp_path / "a.npy", dff[:60])
    with pytest.raises(UserError, match="orientation: expected one of .* found none, and 60 x 7"):
        read_user_file(entry, tmp_path)
    # Long, but smooth along the short side: many neurons, few frames.
    np.save(tmp_path / "a.npy", np.tile(dff[:30], (1, 60)))
    with pytest.raises(UserError, match="orientation"):
        read_user_file(entry, tmp_path)
    with pytest.raises(UserError, match="orientation: expected one of .* found 'sideways'"):
        read_user_file(entry | {"orientation": "sideways"}, tmp_path)


BAD = {
    "constant": (lambda x: _put(x, np.s_[:, 3], 1.0), {}, "neurons 3; the first is constant"),
    "missing": (
        lambda x: _put(x, np.s_[:, [2, 4]], np.nan),
        {},
        "2 of 7 neurons without (neurons 2, 4; the first is not",
    ),
    "infinite": (lambda x: _put(x, np.s_[5, 6], np.inf), {}, "neurons 6; the first is not finite"),
    "cube": (lambda x: x[None], {}, "expected a matrix of numbers"),
    "text": (lambda x: x.astype(str), {}, "expected a matrix of numbers"),
    "no rate": (
        lambda x: x,
        {"sampling_rate_hz": None},
        "sampling_rate_hz: expected imaging frames per second, found none",
    ),
    "negative rate": (
        lambda x: x,
        {"sampling_rate_hz": -30},
        "sampling_rate_hz: expected a positive number, found -30",
    ),
    "rate as text": (
        lambda x: x,
        {"sampling_rate_hz": "30"},
        "sampling_rate_hz: expected a number, found '30'",
    ),
    "is_dff": (lambda x: x, {"is_dff": None}, "is_dff: expected true or false"),
    "not raw": (lambda x: x, {"is_dff": False}, "expected raw fluorescence with a positive baseline"),
    "format": (lambda x: x, {"format": "xls"}, "format: expected one of"),
    "neurons": (
        lambda x: x,
        {"neurons": [1, 9]},
        "neurons: expected numbers of neurons in the file, found 9",
    ),
    "neurons word": (lambda x: x, {"neurons": "good"}, "neurons: expected all, usable, or a list"),
    "no file": (lambda x: x, {"file": "b.npy"}, "file: expected an existing file"),
    "file": (lambda x: x, {"file": None}, "file: expected a path, found None"),
    "positions": (lambda x: x, {"sample_offsets": "from_positions"}, "sample_offsets: expected positions"),
    "empty folder": (lambda x: x, {"file": "."}, "expected a suite2p folder"),
}


def _put(array, index, value):
    array[index] = value
    return array


@pytest.mark.parametrize("name", BAD)
def test_bad_arrays(name, dff, tmp_path):
    change, fields, message = BAD[name]
    np.save(tmp_path / "a.npy", change(dff.copy()))
    entry = {
        "file": "a.npy",
        "sampling_rate_hz": RATE,
        "is_dff": True,
        "orientation": "frames x neurons",
    } | fields
    with pytest.raises(UserError) as error:
        read_user_file(entry, tmp_path)
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize("name", ["a.npy", "a.mat", "a.h5", "a.txt", "a.nwb"])
def test_files_of_another_kind(name, tmp_path):
    (tmp_path / name).write_text("x")
    with pytest.raises(UserError, match=f"{name}: (file|format): expected"):
        read_user_file({"file": name, "sampling_rate_hz": RATE, "is_dff": True}, tmp_path)


def test_usable_neurons_keep_their_numbers(dff, tmp_path):
    np.save(tmp_path / "a.npy", _put(_put(dff, np.s_[:, 2], np.nan), np.s_[9, 4], np.nan))
    entry = {"file": "a.npy", "sampling_rate_hz": RATE, "is_dff": True, "neurons": "usable"}
    recording = read_user_file(entry | {"orientation": "frames x neurons"}, tmp_path)
    assert recording.neuron.values.tolist() == [0, 1, 3, 4, 5, 6]
    # A frame that was not taken is no reason to lose a neuron.
    assert np.isnan(recording.fluorescence.values).sum() == 1


@pytest.mark.parametrize("content", [{}, {"a": (9, 9), "b": (9, 9)}])
def test_keys(content, dff, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, shape in content.items():
            file[name] = np.zeros(shape)
    entry = {"file": "a.h5", "sampling_rate_hz": RATE, "is_dff": True}
    with pytest.raises(UserError, match=r"key: expected the name of a matrix of traces, found (none|2) in the file"):
        read_user_file(entry, tmp_path)
    with pytest.raises(UserError, match=r"key: expected one of \[.*\], found 'c'"):
        read_user_file(entry | {"key": "c"}, tmp_path)


def test_offsets_from_a_file(dff, tmp_path):
    np.save(tmp_path / "a.npy", dff)
    np.save(tmp_path / "offsets.npy", np.linspace(0, 0.03, N_NEURONS))
    entry = {"file": "a.npy", "sampling_rate_hz": RATE, "is_dff": True, "orientation": "frames x neurons"}
    entry |= {"sample_offsets": "offsets.npy", "neurons": [1, 5]}
    np.testing.assert_allclose(read_user_file(entry, tmp_path).sample_offset.values, [[0.005, 0.025]], rtol=1e-6)
    np.save(tmp_path / "offsets.npy", np.linspace(0, 0.04, N_NEURONS))
    with pytest.raises(UserError, match="sample_offsets: expected seconds from 0 to below 0.0333333"):
        read_user_file({**entry, "neurons": "all"}, tmp_path)
    np.save(tmp_path / "offsets.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"expected one value a neuron \(7\), found 3"):
        read_user_file({**entry, "neurons": "all"}, tmp_path)


def _nwb(path, dff, timestamps=None, two=False, raw=False):
    pynwb = pytest.importorskip("pynwb")
    from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    start = datetime.datetime(2021, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)
    file = pynwb.NWBFile(session_description="test", identifier="id-7", session_start_time=start)
    device = file.create_device("microscope")
    channel = OpticalChannel(name="c", description="c", emission_lambda=500.0)
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="p",
        device=device,
        excitation_lambda=900.0,
        indicator="GCaMP6f",
        location="V1",
    )
    module = file.create_processing_module("ophys", "test")
    segmentation = ImageSegmentation()
    module.add(segmentation)
    table = segmentation.create_plane_segmentation(name="rois", description="r", imaging_plane=plane)
    for i in range(N_NEURONS):
        mask = np.zeros((30, 40))
        mask[3 * i : 3 * i + 3, 5 * i : 5 * i + 3] = 1
        table.add_roi(image_mask=mask)
    rois = table.create_roi_table_region("all", region=list(range(N_NEURONS)))
    when = {"rate": RATE, "starting_time": 2.5} if timestamps is None else {"timestamps": timestamps}
    container = Fluorescence() if raw else DfOverF()
    module.add(container)
    container.add_roi_response_series(RoiResponseSeries(name="traces", data=dff, unit="n.a.", rois=rois, **when))
    if two:
        container.add_roi_response_series(RoiResponseSeries(name="others", data=-dff, unit="n.a.", rois=rois, **when))
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)


def test_nwb(dff, tmp_path):
    _nwb(tmp_path / "a.nwb", dff)
    recording = read_user_file({"file": "a.nwb", "sample_offsets": "from_positions"}, tmp_path)
    _same(recording, dff)
    assert recording.time.values[0] == 2.5
    assert recording.attrs["session_start_time"] == "2021-05-04T03:02:01+00:00"
    np.testing.assert_allclose(recording.position.values[:, 0], 1 + 3 * np.arange(7))
    np.testing.assert_allclose(recording.sample_offset.values[0], (1 + 5 * np.arange(7)) / 40 / RATE, rtol=1e-6)


def test_nwb_choice_of_series(dff, tmp_path):
    _nwb(tmp_path / "a.nwb", dff, two=True)
    with pytest.raises(
        UserError, match=r"key: expected one RoiResponseSeries, found 2 that match \(ophys/DfOverF/others"
    ):
        read_user_file({"file": "a.nwb"}, tmp_path)
    _same(read_user_file({"file": "a.nwb", "key": "others"}, tmp_path), -dff)
    _same(read_user_file({"file": "a.nwb", "key": "ophys/DfOverF/traces"}, tmp_path), dff)
    with pytest.raises(UserError, match="found none among"):
        read_user_file({"file": "a.nwb", "key": "x"}, tmp_path)
    (tmp_path / "b.nwb").write_text("x")
    with pytest.raises(UserError, match="expected a readable NWB file"):
        read_user_file({"file": "b.nwb"}, tmp_path)


def test_nwb_raw_fluorescence_becomes_dff(dff, tmp_path):
    _nwb(tmp_path / "a.nwb", 100 * (1 + 0.02 * dff), raw=True)
    values = read_user_file({"file": "a.nwb"}, tmp_path).fluorescence.values[0]
    assert np.abs(values).max() < 0.5 and np.corrcoef(values[:, 0], dff[:, 0])[0, 1] > 0.97


def test_nwb_timestamps(dff, tmp_path):
    random = generator(1, "tests", "timestamps")
    kept = np.delete(np.arange(N_FRAMES), [50, 51, 120])
    times = 7 + (kept + random.uniform(-0.1, 0.1, kept.size)) / RATE
    _nwb(tmp_path / "a.nwb", dff[kept], timestamps=times)
    recording = read_user_file({"file": "a.nwb"}, tmp_path)
    values = recording.fluorescence.values[0]
    assert values.shape == dff.shape
    assert np.flatnonzero(np.isnan(values[:, 0])).tolist() == [50, 51, 120]
    np.testing.assert_allclose(values[kept], dff[kept], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(recording.time.values[kept], times)
    with pytest.raises(UserError, match="sampling_rate_hz: expected .* as in the file's timestamps, found 60"):
        read_user_file({"file": "a.nwb", "sampling_rate_hz": 60}, tmp_path)
    times[200:] += 5
    _nwb(tmp_path / "b.nwb", dff[kept], timestamps=times)
    gap = read_user_file({"file": "b.nwb"}, tmp_path)
    assert gap.sizes["time"] == N_FRAMES + 150
    assert np.flatnonzero(np.isnan(gap.fluorescence.values[0, :, 0])).tolist() == [50, 51, 120, *range(203, 353)]
    assert gap.attrs["imaging_rate_hz"] == pytest.approx(RATE, rel=2e-4)


def test_window_options(tmp_path):
    assert window_options({}, tmp_path) == {"bin_width_s": None, "window_s": 1.0, "overlap_s": 0.2, "least_windows": 0}
    entry = {"bin_width_s": 0.01, "windows": {"length_s": 2, "overlap_s": 0.5, "least": 9}, "trials": "none"}
    expected = {"bin_width_s": 0.01, "window_s": 2.0, "overlap_s": 0.5, "least_windows": 9}
    assert window_options(entry, tmp_path) == expected
    (tmp_path / "t.csv").write_text("start_s,before_s\n1.5,0.2\n4,0.2\n")
    options = window_options({"trials": "t.csv"}, tmp_path)
    assert (options["trials"]["start_s"].tolist(), options["before_s"], options["after_s"]) == ([1.5, 4.0], 0.2, None)
    options = window_options({"trials": {"starts_s": "t.csv", "before_s": 0.1, "after_s": 0.9}}, tmp_path)
    assert (options["before_s"], options["after_s"]) == (0.1, 0.9)
    (tmp_path / "t.csv").write_text("time\n1.5\n")
    with pytest.raises(UserError, match=r"t.csv: start_s: expected a column of times in s"):
        window_options({"trials": "t.csv"}, tmp_path)
    with pytest.raises(UserError, match="trials: expected none, a CSV file, file, a list of times"):
        window_options({"trials": {"before_s": 1}}, tmp_path)
    assert window_options({"trials": [1, 2]}, tmp_path)["trials"] == [1.0, 2.0]
    assert window_options({"trials": "file"}, tmp_path)["trials"] == "file"
    with pytest.raises(UserError, match="bin_width_s: expected a positive number"):
        window_options({"bin_width_s": 0}, tmp_path)

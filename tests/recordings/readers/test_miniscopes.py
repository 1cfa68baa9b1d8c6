"""Minian's, EXTRACT's and Inscopix's results."""

import h5py
import numpy as np
import pytest
import scipy.io
import xarray as xr
from user_files import smooth_traces

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import minian
from calcium_latents.recordings.readers.opening import refuse_pickles


@pytest.fixture
def traces() -> np.ndarray:
    """Traces [frame, cell]."""
    return smooth_traces(100, 3)


def _minian(traces, frames=None):
    """C of units 4, 7, 9 and footprints of 3 x 3 px around (y, x) = (2, 5), (3, 6), (4, 7)."""
    images = np.zeros((3, 8, 10))
    for i in range(3):
        images[i, 1 + i : 4 + i, 4 + i : 7 + i] = 1
    units = {"unit_id": [4, 7, 9]}
    frames = np.arange(len(traces)) if frames is None else frames
    return xr.Dataset(
        {
            "C": (("unit_id", "frame"), traces.T),
            "YrA": (("frame", "unit_id"), traces + 1),
            "A": (("unit_id", "height", "width"), images),
            "S": (("cell", "frame"), traces.T),
        },
        coords=units | {"frame": frames},
    )


def _same(recording, traces, numbers=(4, 7, 9)):
    np.testing.assert_allclose(recording.fluorescence.values[0], traces, rtol=1e-6, atol=1e-6)
    assert recording.neuron.values.tolist() == list(numbers)


def test_minian_netcdf(traces, tmp_path):
    _minian(traces).to_netcdf(tmp_path / "minian.nc", engine="h5netcdf")
    entry = {"file": "minian.nc", "sampling_rate_hz": 20, "is_dff": True}
    recording = read_user_file(entry, tmp_path)
    _same(recording, traces)
    assert recording.attrs["source_format"] == "minian" and recording.attrs["imaging_rate_hz"] == 20
    assert recording.position.values.tolist() == [[5, 2], [6, 3], [7, 4]]  # (x, y)
    assert recording.axis.values.tolist() == ["x", "y"]
    _same(read_user_file(entry | {"key": "YrA"}, tmp_path), traces + 1)
    for wrong, message in (
        ({"sampling_rate_hz": None}, r"minian\.nc: sampling_rate_hz: .* Minian does not store it"),
        ({"is_dff": None}, "is_dff: expected true or false"),
        ({"key": "x"}, r"key: expected one of \['A', 'C', 'S', 'YrA'\], found 'x'"),
        ({"key": "S"}, r"S: expected dimensions unit_id and frame, found \('cell', 'frame'\)"),
    ):
        with pytest.raises(UserError, match=message):
            read_user_file(entry | wrong, tmp_path)


def test_minian_frames_that_are_left_out_are_missing(traces, tmp_path):
    frames = np.delete(10 + np.arange(104), [30, 31, 32, 60])
    _minian(traces, frames).drop_vars("A").to_netcdf(tmp_path / "C.nc", engine="h5netcdf")
    recording = read_user_file({"file": "C.nc", "sampling_rate_hz": 20, "is_dff": True}, tmp_path)
    assert np.flatnonzero(np.isnan(recording.fluorescence.values[0, :, 0])).tolist() == [30, 31, 32, 60]
    assert recording.time.values[0] == pytest.approx(0.5) and recording.sizes["time"] == 104


def test_minian_zarr_is_asked_for_where_it_is_missing(traces, tmp_path, monkeypatch):
    (tmp_path / "minian/C.zarr").mkdir(parents=True)
    monkeypatch.setattr(minian, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"minian: file: .*zarr.*run install minian"):
        read_user_file({"file": "minian", "sampling_rate_hz": 20, "is_dff": True}, tmp_path)


@pytest.mark.parametrize("apart", [True, False])
def test_minian_zarr(apart, traces, tmp_path):
    pytest.importorskip("zarr", reason="zarr is not installed: ./run install minian")
    found = _minian(traces)
    if apart:
        for name in found:
            found[[name]].to_zarr(tmp_path / "minian" / f"{name}.zarr", zarr_format=2)
    else:
        found.to_zarr(tmp_path / "minian", zarr_format=2)
    entry = {"file": "minian", "sampling_rate_hz": 20, "is_dff": True}
    recording = read_user_file(entry, tmp_path)
    _same(recording, traces)
    assert recording.position.values.tolist() == [[5, 2], [6, 3], [7, 4]]
    _same(read_user_file(entry | {"key": "YrA"}, tmp_path), traces + 1)
    if apart:
        _same(read_user_file(entry | {"file": "minian/C.zarr"}, tmp_path), traces)
    with pytest.raises(UserError, match="key: expected one of"):
        read_user_file(entry | {"key": "x"}, tmp_path)


def _images():
    """Return [y, x, cell] with a pixel of weight 1 and one of weight 3 two lines below it."""
    images = np.zeros((8, 10, 3))
    for i in range(3):
        images[1 + i, 4 + i, i], images[3 + i, 4 + i, i] = 1, 3
    return images


@pytest.mark.parametrize("name", ["v73.mat", "e.h5", "v5.mat"])
def test_extract(name, traces, tmp_path):
    if name == "v5.mat":
        scipy.io.savemat(tmp_path / name, {"output": {"temporal_weights": traces, "spatial_weights": _images()}})
    else:
        with h5py.File(tmp_path / name, "w") as file:
            file["output/temporal_weights"] = traces.T  # (cells, frames)
            file["output/spatial_weights"] = _images().transpose(2, 1, 0)  # (cells, x, y)
    entry = {"file": name, "sampling_rate_hz": 20, "is_dff": True}
    recording = read_user_file(entry, tmp_path)
    _same(recording, traces, range(3))
    assert recording.attrs["source_format"] == "extract"
    np.testing.assert_allclose(recording.position.values, [[4, 2.5], [5, 3.5], [6, 4.5]])
    for missing, message in (("sampling_rate_hz", "sampling_rate_hz: expected"), ("is_dff", "is_dff: expected")):
        with pytest.raises(UserError, match=message):
            read_user_file(entry | {missing: None}, tmp_path)
    with pytest.raises(UserError, match=r"mine/temporal_weights: expected EXTRACT's traces, found only \["):
        read_user_file(entry | {"key": "mine", "format": "extract"}, tmp_path)


def test_extract_with_images_of_other_cells(traces, tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"output": {"temporal_weights": traces.T, "spatial_weights": _images()}})
    with pytest.raises(UserError, match=r"a\.mat: output/spatial_weights: expected images of 100 cells"):
        read_user_file({"file": "a.mat", "sampling_rate_hz": 20, "is_dff": True}, tmp_path)


def _inscopix(path, traces, statuses, dropped=(), names=("C0", "C2", "C11")):
    lines = [" , " + ", ".join(names), "Time(s)/Cell Status, " + ", ".join(statuses)]
    for frame, row in enumerate(traces):
        cells = ["" if frame == dropped[0] else "nan"] * 3 if frame in dropped else [f"{value:.9g}" for value in row]
        lines.append(f"{0.05 * frame:.2f}, " + ", ".join(cells))
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("statuses", "numbers", "said"),
    [
        (["accepted", "accepted", "accepted"], [0, 2, 11], None),
        (["accepted", "rejected", "accepted"], [0, 11], None),
        (["rejected", "undecided", "accepted"], [2, 11], "1 of 3 cells are undecided"),
        (["undecided", "undecided", "undecided"], [0, 2, 11], "3 of 3 cells are undecided"),
    ],
)
def test_inscopix(statuses, numbers, said, traces, tmp_path):
    _inscopix(tmp_path / "a.csv", traces, statuses, dropped=(20, 21))
    recording = read_user_file({"file": "a.csv", "is_dff": True}, tmp_path)
    expected = traces[:, [{0: 0, 2: 1, 11: 2}[number] for number in numbers]].copy()
    expected[[20, 21]] = np.nan
    _same(recording, expected, numbers)
    assert recording.attrs["source_format"] == "inscopix"
    assert recording.attrs["imaging_rate_hz"] == pytest.approx(20, rel=1e-3)
    assert said is None or said in recording.attrs["reader_notes"]
    assert (said is None) == ("reader_notes" not in recording.attrs)


def test_inscopix_refuses(traces, tmp_path):
    entry = {"file": "a.csv", "is_dff": True, "format": "inscopix"}
    _inscopix(tmp_path / "a.csv", traces, ["rejected"] * 3)
    with pytest.raises(UserError, match=r"a\.csv: line 2: expected at least one cell accepted, found all rejected"):
        read_user_file(entry, tmp_path)
    _inscopix(tmp_path / "a.csv", traces, ["accepted", "accepted", "good"])
    with pytest.raises(UserError, match="line 2: expected a status of each of 3 cells"):
        read_user_file(entry, tmp_path)
    _inscopix(tmp_path / "a.csv", traces, ["accepted"] * 3)
    (tmp_path / "a.csv").write_text((tmp_path / "a.csv").read_text() + "5.0, x, 1, 2\n")
    with pytest.raises(UserError, match=r"a\.csv: file: expected traces of Inscopix as CSV, found an unreadable one"):
        read_user_file(entry, tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".zarray", '{"zarr_format": 2, "filters": [{"id": "pickle", "protocol": 5}]}'),
        (".zmetadata", '{"metadata": {"C/.zarray": {"filters": [{"id": "p\\u0069ckle"}]}}}'),
        ("zarr.json", '{"codecs": [{"name": "numcodecs.pickle"}]}'),
    ],
)
def test_zarr_of_pickled_objects_is_refused(tmp_path, name, content):
    (tmp_path / "C").mkdir()
    (tmp_path / "C" / name).write_text(content)
    with pytest.raises(UserError, match=rf"C/{name}: codec: .*pickled objects, which could run code"):
        refuse_pickles(tmp_path)
    (tmp_path / "C" / name).write_text(content.replace("ckle", "ckled"))
    refuse_pickles(tmp_path)

"""Every kind of file, broken in every way: a `UserError` that names it, never another exception."""

import datetime
import os
import shutil

import h5py
import numpy as np
import pytest
import scipy.io
import xarray as xr
from user_files import RATE, caiman_file, pickled, smooth_traces, suite2p_folder

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_cascade, read_user_file
from calcium_latents.recordings.readers.images.image_responses import read_image_entry

MATRIX = {"sampling_rate_hz": RATE, "is_dff": True, "orientation": "frames x neurons"}
DFF = smooth_traces(120)


def _hdf5(**items):
    def write(path):
        with h5py.File(path, "w") as file:
            for name, value in items.items():
                file[name.replace("__", "/")] = value

    return write


def _nwb(path):
    import pynwb
    from pynwb.ophys import DfOverF, ImageSegmentation, OpticalChannel, RoiResponseSeries

    file = pynwb.NWBFile("test", "id", datetime.datetime(2021, 5, 4, tzinfo=datetime.UTC))
    channel = OpticalChannel(name="c", description="c", emission_lambda=500.0)
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="p",
        device=file.create_device("microscope"),
        excitation_lambda=900.0,
        indicator="GCaMP6f",
        location="V1",
    )
    module, segmentation, container = file.create_processing_module("ophys", "t"), ImageSegmentation(), DfOverF()
    module.add(segmentation)
    module.add(container)
    table = segmentation.create_plane_segmentation(name="rois", description="r", imaging_plane=plane)
    for _ in range(DFF.shape[1]):
        table.add_roi(image_mask=np.ones((4, 4)))
    rois = table.create_roi_table_region("all", region=list(range(DFF.shape[1])))
    container.add_roi_response_series(RoiResponseSeries(name="dff", data=DFF, unit="1", rois=rois, rate=RATE))
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)


def _netcal(path):
    rows = np.column_stack([np.arange(len(DFF)) / 30, DFF])
    header = "time (s), " + ", ".join(map(str, range(DFF.shape[1]))) if path.suffix == ".csv" else ""
    np.savetxt(path, rows, delimiter=", " if path.suffix == ".csv" else " ", header=header, comments="")


def _inscopix(path):
    _netcal(path)
    names, *rows = path.read_text().splitlines()
    cells = names.split(",")[1:]
    lines = [",".join([" ", *cells]), ",".join(["Time(s)/Cell Status", *(" accepted" for _ in cells)]), *rows]
    path.write_text("\n".join(lines))


def _minian(path):
    dims = {"unit_id": np.arange(DFF.shape[1]), "frame": np.arange(len(DFF))}
    xr.DataArray(DFF.T, dims, tuple(dims), name="C").to_netcdf(path, engine="h5netcdf")


def _cascade(path):
    record = {"fluo_time": np.arange(90) / 30, "fluo_mean": np.zeros(90), "events_AP": np.array([np.nan])}
    cell = np.empty((1, 1), object)
    cell[0, 0] = record
    scipy.io.savemat(path, {"CAttached": cell})


def _extract(path):
    scipy.io.savemat(path, {"output": {"temporal_weights": DFF, "spatial_weights": np.ones((4, 4, DFF.shape[1]))}})


def _user(fields=None, offsets=False):
    def read(path):
        entry = {"file": "whole.npy", "sample_offsets": path.name} if offsets else {"file": path.name}
        if offsets:
            np.save(path.parent / "whole.npy", DFF)
        return read_user_file(entry | {"format": "auto"} | (MATRIX if fields is None else fields), path.parent)

    return read


def _images(path):
    np.save(path.parent / "whole.npy", np.arange(96.0).reshape(6, 4, 4))
    np.save(path.parent / "shown.npy", np.tile(np.arange(6), 2))
    entry = {"images": "whole.npy", "responses": {"file": path.name, "key": "r"}, "image_of_trial": "shown.npy"}
    return read_image_entry(entry | {"format": "arrays", "test": [0, 1]}, path.parent, "mine", 1)


def _shown(path):
    np.save(path.parent / "whole.npy", np.arange(96.0).reshape(6, 4, 4))
    np.save(path.parent / "r.npy", np.random.default_rng(0).gamma(1, 1, (12, 3)))
    table = {"file": path.name, "column": "image"}
    entry = {"images": "whole.npy", "responses": "r.npy", "image_of_trial": table}
    return read_image_entry(entry | {"format": "arrays", "test": [0, 1]}, path.parent, "mine", 1)


def _image_nwb(path):
    return read_image_entry({"file": path.name, "format": "nwb"}, path.parent, "mine", 1)


RESPONSES = np.random.default_rng(0).gamma(1, 1, (12, 3))
#: name of the file -> what writes it, what reads it
FILES = {
    "a.npy": (lambda path: np.save(path, DFF), _user()),
    "a.h5": (_hdf5(a=DFF), _user()),
    "a.mat": (lambda path: scipy.io.savemat(path, {"a": DFF}), _user()),
    "a73.mat": (_hdf5(a=DFF.T), _user()),
    "offsets.npy": (lambda path: np.save(path, np.zeros(DFF.shape[1])), _user(offsets=True)),
    "caiman.hdf5": (lambda path: caiman_file(path, DFF, F_dff=DFF.T), _user({})),
    "netcal.csv": (_netcal, _user({"is_dff": True})),
    "netcal.txt": (_netcal, _user({"is_dff": True})),
    "netcal.mat": (
        lambda path: scipy.io.savemat(path, {"traces": DFF, "t": np.arange(len(DFF)) / 30}),
        _user({"is_dff": True, "format": "netcal"}),
    ),
    "a.nwb": (_nwb, _user({})),
    "minian.nc": (_minian, _user({"sampling_rate_hz": 30, "is_dff": True})),
    "extract.mat": (_extract, _user({"sampling_rate_hz": 30, "is_dff": True})),
    "inscopix.csv": (_inscopix, _user({"is_dff": True})),
    "cascade.mat": (_cascade, lambda path: read_cascade(path)),
    "responses.npy": (lambda path: np.save(path, RESPONSES), _images),
    "responses.npz": (lambda path: np.savez(path, r=RESPONSES), _images),
    "responses.h5": (_hdf5(r=RESPONSES), _images),
    "responses.mat": (lambda path: scipy.io.savemat(path, {"r": RESPONSES}), _images),
    "shown.csv": (
        lambda path: path.write_text("image\n" + "\n".join(map(str, [*range(6), *range(6)])) + "\n"),
        _shown,
    ),
}


def _cut(share):
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def _folder(path):
    path.unlink()
    path.mkdir()


WAYS = {
    "empty": lambda path: path.write_bytes(b""),
    "cut at 30 %": _cut(0.3),
    "cut at 90 %": _cut(0.9),
    "text": lambda path: path.write_text("not what it says\n"),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(3000)),
    "a start and noise": lambda path: path.write_bytes(path.read_bytes()[:200] + np.random.default_rng(0).bytes(3000)),
    "a folder": _folder,
    "unreadable": lambda path: path.chmod(0),
}
#: A table of numbers that ends early is a shorter one.
MAY_BE_SHORTER = ("netcal.csv", "netcal.txt", "inscopix.csv", "shown.csv")


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read(name, tmp_path):
    write, read = FILES[name]
    write(tmp_path / name)
    assert read(tmp_path / name)


def _meaningful(name, way):
    if way == "unreadable" and os.geteuid() == 0:
        pytest.skip("root reads every file")
    if way == "a start and noise" and name.endswith(".npy"):
        pytest.skip("these are numbers")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*FILES, "images.nwb"])
def test_broken_files_are_named(name, way, tmp_path):
    _meaningful(name, way)
    write, read = FILES.get(name, (_nwb, _image_nwb))
    path = tmp_path / name
    write(path)
    WAYS[way](path)
    try:
        read(path)
    except UserError as error:
        assert name in str(error)
    else:
        assert way.startswith("cut") and name in MAY_BE_SHORTER


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["F", "Fneu", "iscell", "stat", "ops", "settings", "db", "reg_outputs"])
def test_broken_files_of_suite2p_are_named(name, way, tmp_path):
    _meaningful(f"{name}.npy", way)
    folder = suite2p_folder(tmp_path / "plane0", DFF)
    for other in ("settings", "db", "reg_outputs"):
        pickled(folder / f"{other}.npy", {"nplanes": 1, "badframes": None})
    WAYS[way](folder / f"{name}.npy")
    if way == "a folder":
        shutil.rmtree(folder / f"{name}.npy")
        if name != "F":
            return  # all but F.npy may be missing
    with pytest.raises(UserError) as error:
        read_user_file({"file": "plane0"}, tmp_path)
    assert f"{name}.npy" in str(error.value)


SUITE2P = {
    "F": [np.ones(9), np.ones((2, 3, 4)), np.ones((7, 0)), np.ones((7, 120), int), np.array(["x"])],
    "Fneu": [np.ones(9), np.ones((6, 120)), np.ones((7, 120), complex)],
    "iscell": [np.ones(3), np.ones((7, 2, 2)), np.array(["yes"] * 7), np.float64(1)],
    "stat": [[{"y": 1}] * 7, [{"med": "x"}] * 7, [{"med": [1]}] * 7, [1] * 7, [{"med": [1, 2], "iplane": "x"}] * 7],
    "ops": [[1, 2], "text", 3],
    "reg_outputs": [[1, 2], "text"],
}


@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, values in SUITE2P.items() for i in range(len(values))]
)
def test_wrong_contents_of_suite2p_are_named(name, number, tmp_path):
    folder = suite2p_folder(tmp_path / "plane0", DFF)
    value = SUITE2P[name][number]
    if isinstance(value, np.ndarray | np.generic):
        np.save(folder / f"{name}.npy", value)
    else:
        pickled(folder / f"{name}.npy", value)
    with pytest.raises(UserError, match=rf"{name}\.npy"):
        read_user_file({"file": "plane0"}, tmp_path)


@pytest.mark.parametrize("ops", [{"fs": "fast"}, {"Ly": "x"}, {"nplanes": [1]}, {"neucoeff": "x"}, {"fs": np.nan}])
def test_wrong_settings_of_suite2p_are_named(ops, tmp_path):
    suite2p_folder(tmp_path / "plane0", DFF, **ops)
    with pytest.raises(UserError, match="plane0"):
        read_user_file({"file": "plane0"}, tmp_path)


CAIMAN = [
    {"C": np.ones(9), "F_dff": None},
    {"C": "NoneType", "F_dff": None},
    {"C": np.array([["a", "b"]], "S1"), "F_dff": None},
    {"C": np.ones((7, 0)), "F_dff": None},
    {"F_dff": np.ones((3, 120))},
    {"idx_components": np.array([-1, 2])},
    {"A__data": np.ones(3)},
]


@pytest.mark.parametrize("number", range(len(CAIMAN)))
def test_wrong_contents_of_caiman_are_named(number, tmp_path):
    parts = {"F_dff": DFF.T} | CAIMAN[number]
    broken = parts.pop("A__data", None)
    caiman_file(tmp_path / "a.hdf5", DFF, **parts)
    if broken is not None:
        with h5py.File(tmp_path / "a.hdf5", "r+") as file:
            del file["estimates/A/data"]
            file["estimates/A/data"] = broken
    with pytest.raises(UserError, match=r"a\.hdf5"):
        read_user_file({"file": "a.hdf5"}, tmp_path)


OTHERS = {
    "1d.npy": (lambda path: np.save(path, np.ones(9)), _user()),
    "0d.npy": (lambda path: np.save(path, np.float64(1)), _user()),
    "none.npy": (lambda path: np.save(path, np.ones((0, 3))), _user()),
    "archive.npy": (lambda path: (np.savez(path, a=DFF), (path.parent / "archive.npy.npz").rename(path)), _user()),
    "objects.npy": (lambda path: pickled(path, [{}]), _user()),
    "none.h5": (_hdf5(), _user()),
    "text.h5": (_hdf5(a="text"), _user()),
    "none.mat": (lambda path: scipy.io.savemat(path, {"a": "text"}), _user()),
    "cell.mat": (lambda path: scipy.io.savemat(path, {"a": np.array([[DFF, "x"]], object)}), _user()),
    "three.npy": (lambda path: np.save(path, np.array(["a"])), _user(offsets=True)),
    "no_frame.nc": (_hdf5(C=DFF, unit_id=np.arange(7)), _user()),
    "no_images.mat": (_hdf5(output__temporal_weights=np.ones(9)), _user()),
    "group.hdf5": (_hdf5(estimates__C__x=1), _user()),
    "estimates.hdf5": (_hdf5(estimates=np.ones((3, 4))), _user({"format": "caiman"})),
    "no_cells.mat": (lambda path: scipy.io.savemat(path, {"CAttached": np.ones(3)}), lambda path: read_cascade(path)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_wrong_contents_are_named(name, tmp_path):
    write, read = OTHERS[name]
    write(tmp_path / name)
    with pytest.raises(UserError) as error:
        read(tmp_path / name)
    assert name in str(error.value)


@pytest.mark.parametrize("read", [_user(), _user({}), _images, lambda path: _user()(path.parent)])
def test_a_folder_that_may_not_be_entered_is_named(read, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "closed").mkdir()
    np.save(tmp_path / "closed/a.npy", DFF)
    monkeypatch.setattr("pathlib.Path.is_file", refuse)
    with pytest.raises(UserError, match=r"closed.*Permission denied"):
        read(tmp_path / "closed/a.npy")

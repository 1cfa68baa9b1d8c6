"""suite2p's files of objects: what its versions write is read, and nothing in them is run."""

import datetime
import os
import pathlib
import pickle
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
from user_files import pickled, smooth_traces, suite2p_folder

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.pickled_arrays import PlainUnpickler, load_pickled_array

#: as runs of suite2p 0.9 to 1.1 leave it: numbers of NumPy, dates with and without zones, paths of pathlib
OPS = {
    "fs": np.float64(30.0),
    "Ly": np.int64(512),
    "nplanes": 1,
    "date_proc": datetime.datetime(2021, 5, 4, 12, 30).astimezone(
        datetime.timezone(datetime.timedelta(hours=2), "CEST")
    ),
    "date": datetime.datetime(2021, 5, 4),
    "timing": {"registration": 3.5, "sum": np.float32(1)},
    "data_path": ["/data/a"],
    "save_path0": pathlib.PurePosixPath("/data/a"),
    "fast_disk": pathlib.PureWindowsPath("C:\\data"),
    "save_path": pathlib.Path("/data/b"),
    "meanImg": np.arange(6.0, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "yrange": np.array([1, 5]),
    "xoff": np.zeros(3, np.int16),
    "badframes": np.zeros(400, bool),
    "filelist": np.array(["a.tif", "bc.tif"]),
    "ragged": np.array([np.arange(2), np.arange(3)], object),
    "table": np.zeros(2, [("a", "f4"), ("b", "i2")]),
    "dtype": np.dtype("int16"),
    "type": np.float32,
    "empty": None,
    "range": range(3),
    "set": {1, 2},
    "bytes": b"\x00\xff",
    "complex": 1j,
    "defaults": defaultdict(list, a=[1]),
    "ordered": OrderedDict(a=1),
}
AS_TEXT = {"save_path0": "/data/a", "fast_disk": "C:\\data", "save_path": "/data/b"}


def assert_same(one, other):
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape
        for a, b in zip(one.ravel(), other.ravel(), strict=True):
            assert np.array_equal(a, b)
    else:
        assert type(one) is type(other) and one == other


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_suite2p_writes_is_read(tmp_path, protocol):
    path = tmp_path / "ops.npy"
    array = np.array(OPS, object)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        pickle.dump(array, file, protocol=protocol)
    found = load_pickled_array(path).item()
    assert found.keys() == OPS.keys()
    for name, value in OPS.items():
        assert_same(AS_TEXT.get(name, value), found[name])


@pytest.mark.parametrize("old", ["numpy.core", "numpy._core"])
def test_arrays_have_their_functions_by_the_names_of_all_versions_of_numpy(tmp_path, old):
    content = pickle.dumps({"a": np.arange(3), "b": np.float64(2)}, protocol=2).replace(b"numpy._core", old.encode())
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb") as file:
        found = PlainUnpickler(file).load()
    assert np.array_equal(found["a"], np.arange(3)) and found["b"] == 2


def test_windows_paths_of_newer_pythons_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"cpathlib._local\nWindowsPath\n(S'C:\\\\'\nS'data'\ntR.")
    with (tmp_path / "a").open("rb") as file:
        assert PlainUnpickler(file).load() == "C:\\data"


class Calls:
    """Calls a function when it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


REFUSED = {
    "builtins.eval": lambda mark: Calls(eval, f"open({str(mark)!r}, 'w')"),
    "pathlib.Path.touch": lambda mark: Calls(pathlib.Path.touch, mark),
    "posix.mkdir": lambda mark: Calls(os.mkdir, mark),
    "builtins.getattr": lambda mark: Calls(getattr, mark, "touch"),
    "numpy.memmap": lambda mark: Calls(np.memmap, mark, "u1", "w+", 0, 8),
    "numpy.save": lambda mark: Calls(np.save, mark, 1),
    "numpy.load": lambda mark: Calls(np.load, mark),
}


@pytest.mark.skipif(os.name != "posix", reason="os.mkdir has another name")
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("file", ["stat.npy", "ops.npy", "reg_outputs.npy"])
def test_what_could_run_code_is_named_and_not_made(tmp_path, name, file):
    folder, mark = suite2p_folder(tmp_path / "plane0", smooth_traces()), tmp_path / "run"
    bad = REFUSED[name](mark)
    pickled(folder / file, [{"med": bad}] * 7 if file == "stat.npy" else {"fs": 30.0, "Ly": 512, "a": {"b": [bad]}})
    with pytest.raises(UserError, match=rf"{file}: .*the class .*{name.rpartition('.')[2]}"):
        read_user_file({"file": "plane0", "format": "suite2p"}, tmp_path)
    assert not mark.exists()


def test_a_file_of_numbers_needs_no_pickle(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3).T)
    assert np.array_equal(load_pickled_array(tmp_path / "a.npy"), np.arange(6).reshape(2, 3).T)

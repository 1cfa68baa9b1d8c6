"""Matrices in MATLAB's structs and cells, of versions before 7.3 and of 7.3, and file names in capitals."""

import h5py
import numpy as np
import pytest
import scipy.io
from user_files import RATE, caiman_file, smooth_traces

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import arrays


@pytest.fixture
def dff() -> np.ndarray:
    """Smooth traces [frame, neuron]."""
    return smooth_traces()


def _matlab73(path, dff):
    """Write data.traces (frames x neurons), data.name, and cells of one trace each as MATLAB 7.3 does."""
    reference = h5py.special_dtype(ref=h5py.Reference)
    with h5py.File(path, "w", userblock_size=512) as file:

        def put(name, value, kind="double"):
            file[name] = value
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
            return file[name]

        put("data/traces", dff.T)  # HDF5 sees MATLAB's arrays turned
        put("data/name", np.frombuffer("session".encode("utf-16-le"), np.uint16)[:, None], "char")
        put("data/few", np.ones((2, 3)))
        put("none", np.array([0, 0], np.uint64)).attrs["MATLAB_empty"] = np.uint8(1)
        for name, count in (("cells", dff.shape[1]), ("one", 1)):
            parts = np.empty((count, 1), reference)
            for i in range(count):
                value = dff.T if count == 1 else dff[:, i : i + 1]  # a row in MATLAB
                parts[i, 0] = put(f"#refs#/{name}{i}", value).ref
            put(name, parts, "cell")
        words = np.empty((2, 1), reference)
        for i in range(2):
            words[i, 0] = put(f"#refs#/word{i}", np.ones((4, 1), np.uint16), "char").ref
        put("words", words, "cell")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512, b" "))


def _matlab5(path, dff):
    cells = np.empty((1, dff.shape[1]), object)
    for i, column in enumerate(dff.T):
        cells[0, i] = column[None]
    one = np.empty((1, 1), object)
    one[0, 0] = dff
    words = np.array([["some", "text"]], object)
    data = {"traces": dff, "name": "session", "few": np.ones((3, 2))}
    scipy.io.savemat(path, {"data": data, "cells": cells, "one": one, "words": words, "none": np.zeros((0, 0))})


@pytest.mark.parametrize("write", [_matlab73, _matlab5])
@pytest.mark.parametrize("name", ["a.mat", "A.MAT"])
def test_structs_and_cells(write, name, dff, tmp_path):
    write(tmp_path / name, dff)
    with arrays.open_variables(tmp_path / name) as found:
        shapes = {path: shape for path, (shape, *_) in found.items() if 0 not in shape}
    assert shapes == {"data/traces": (400, 7), "data/few": (3, 2), "cells": (7, 400), "one": (400, 7)}
    entry = {"file": name, "sampling_rate_hz": RATE, "is_dff": True}
    for key in ("data/traces", "cells", "/one"):
        values = read_user_file(entry | {"key": key}, tmp_path).fluorescence.values[0]
        np.testing.assert_allclose(values, dff, rtol=1e-6, atol=1e-6)
    with pytest.raises(UserError, match=r"key: expected one of .*'data/traces'.*, found 'words'"):
        read_user_file(entry | {"key": "words"}, tmp_path)
    with pytest.raises(UserError, match=r"key: expected the name of a matrix of traces, found 4 in the file \(cells"):
        read_user_file(entry, tmp_path)


def test_names_in_capitals(dff, tmp_path):
    np.save(tmp_path / "a.npy", dff)
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    caiman_file(tmp_path / "C.HDF5", dff, F_dff=dff.T)
    (tmp_path / "N.NWB").write_text("x")
    for name, kind in (("A.NPY", "arrays"), ("C.HDF5", "caiman")):
        recording = read_user_file({"file": name, "sampling_rate_hz": RATE, "is_dff": True}, tmp_path)
        assert recording.attrs["source_format"] == kind
        np.testing.assert_allclose(recording.fluorescence.values[0], dff, rtol=1e-6, atol=1e-6)
    with pytest.raises(UserError, match=r"N\.NWB: file: expected a readable NWB file"):
        read_user_file({"file": "N.NWB"}, tmp_path)


def test_neuropil_of_another_shape(dff, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["f"], file["n"] = 100 + dff, 100 + dff[:, :3]
    entry = {"file": "a.h5", "key": "f", "sampling_rate_hz": RATE, "is_dff": False, "neurons": [0, 5]}
    with pytest.raises(UserError, match=r"a\.h5: n: expected the shape of f \(400, 7\), found \(400, 3\)"):
        read_user_file(entry | {"orientation": "frames x neurons", "neuropil": {"key": "n"}}, tmp_path)


def test_a_matrix_on_disk_is_read_when_it_is_used(dff, tmp_path):
    np.save(tmp_path / "a.npy", dff.astype(np.float32))
    matrix, _ = arrays.read_matrix(tmp_path / "a.npy", None)
    assert isinstance(matrix, np.memmap) and matrix.dtype == np.float32

"""Matrices that are read in parts give the recordings that whole ones give."""

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from user_files import smooth_traces, suite2p_folder

from calcium_latents.recordings.on_disk import Columns
from calcium_latents.recordings.readers import read_user_file, stored
from calcium_latents.recordings.readers.stored import hdf5_matrix, npy_matrix

FRAMES, NEURONS = 900, 13


@pytest.fixture
def on_disk(monkeypatch):
    """Nothing is small: any matrix is read in parts, of a few rows."""
    monkeypatch.setattr("calcium_latents.recordings.on_disk.LARGE", 1)
    monkeypatch.setattr(stored, "BLOCK", 2000)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("kind", ["C", "F", None, (4, 10), (13, 3), (1, 13)])
def test_parts_make_the_matrix(kind, turned, tmp_path, on_disk):
    matrix = np.random.default_rng(1).normal(size=(NEURONS, FRAMES) if turned else (FRAMES, NEURONS))
    if kind in ("C", "F"):
        np.save(tmp_path / "a.npy", np.asarray(matrix, order=kind))
        found = npy_matrix(tmp_path / "a.npy")
        found = found.T if turned else found
    else:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("x", data=matrix, chunks=kind)
        found = hdf5_matrix(tmp_path / "a.h5", "x", turned)
    expected = matrix.T if turned else matrix
    np.testing.assert_array_equal(found.every(3), expected[:, ::3])
    np.testing.assert_array_equal(found.T.every(7), expected.T[:, ::7])
    traces = found.columns()
    assert isinstance(traces, Columns) and traces.shape == (FRAMES, NEURONS)
    np.testing.assert_array_equal(traces[:, [5, 1, 2]], expected[:, [5, 1, 2]])
    np.testing.assert_array_equal(traces[10:20, :], expected[10:20])


def _suite2p(folder, dff):
    suite2p_folder(folder / "plane0", dff, badframes=np.arange(FRAMES) % 100 == 7)
    fluorescence = np.load(folder / "plane0/F.npy")
    fluorescence[3] -= 2 * fluorescence[3].max()
    fluorescence[5] = fluorescence[6]
    np.save(folder / "plane0/F.npy", fluorescence)
    return {"file": "plane0", "neurons": "usable"}


def _npy(folder, dff):
    np.save(folder / "a.npy", 100 + dff)
    return {"file": "a.npy", "sampling_rate_hz": 30, "is_dff": False, "neurons": [0, 2, 3]}


def _integers(folder, dff):
    np.save(folder / "a.npy", np.asfortranarray(1000 + 100 * dff.T).astype(np.int16))
    return {"file": "a.npy", "sampling_rate_hz": 30, "is_dff": False, "orientation": "neurons x frames"}


def _neuropil(folder, dff):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("f", data=100 + dff, chunks=(70, 5))
        file["n"] = 50 + np.roll(dff, 30, axis=0).astype(np.float32)
    entry = {"file": "a.h5", "key": "f", "sampling_rate_hz": 30, "is_dff": False, "orientation": "frames x neurons"}
    return entry | {"neuropil": {"key": "n", "coefficient": 0.6}}


def _extract(folder, dff):
    with h5py.File(folder / "a.mat", "w") as file:
        file["output/temporal_weights"] = dff.T
        file["output/spatial_weights"] = np.random.default_rng(2).random((NEURONS, 4, 5))
    return {"file": "a.mat", "sampling_rate_hz": 30, "is_dff": True}


def _caiman(folder, dff):
    random = np.random.default_rng(3)
    with h5py.File(folder / "a.hdf5", "w") as file:
        components = np.maximum(dff.T, 0)
        components[2, :50] = 0
        residuals = dff.T - components + 0.1 * random.normal(size=dff.T.shape)
        residuals[2, :50] = 0
        file["estimates/C"], file["estimates/YrA"] = components, residuals
        file["estimates/A"], file["estimates/b"] = np.eye(30, NEURONS), 50 + random.random((30, 2))
        file["estimates/f"], file["estimates/idx_components"] = 1 + 0.1 * random.random((2, FRAMES)), [0, 2, 5, 6]
        file["params/data/fr"] = 20.0
    return {"file": "a.hdf5"}


def _nwb(folder, dff):
    pytest.importorskip("pynwb")
    from nwb_files import NwbWriter, dots

    writer = NwbWriter()
    table = writer.table(dots(NEURONS))
    writer.series(100 + dff, table, "traces", conversion=0.5)
    writer.series(50 + np.roll(dff, 30, axis=0), table, "traces", "Neuropil")
    writer.write(folder / "a.nwb")
    return {"file": "a.nwb", "neurons": [1, 2, 7]}


def _netcal(folder, dff):
    times = np.delete(np.arange(FRAMES), [30, 31]) / 30
    pd.DataFrame(np.c_[times, np.delete(dff, [30, 31], axis=0)]).to_csv(
        folder / "a.csv", index=False, header=["time (s)", *map(str, range(NEURONS))]
    )
    return {"file": "a.csv", "is_dff": True}


def _inscopix(folder, dff):
    heads = [["", *(f"C{i:02}" for i in range(NEURONS))], ["Time(s)", "rejected", *["accepted"] * (NEURONS - 1)]]
    rows = np.c_[np.arange(FRAMES) / 30, dff].astype(str).tolist()
    # Empty lines count for nothing.
    (folder / "a.csv").write_text("\n".join(", ".join(row) for row in [*heads, *rows]) + "\n\n\n")
    return {"file": "a.csv", "is_dff": True}


def _minian(folder, dff):
    frames = np.delete(np.arange(FRAMES), [30, 31])
    traces = xr.Dataset({"C": (("unit_id", "frame"), dff[frames].T)}, {"unit_id": np.arange(NEURONS), "frame": frames})
    traces.to_netcdf(folder / "a.nc", engine="h5netcdf", encoding={"C": {"chunksizes": (3, 200)}})
    return {"file": "a.nc", "sampling_rate_hz": 30, "is_dff": True}


FILES = [_suite2p, _npy, _integers, _neuropil, _extract, _caiman, _nwb, _netcal, _inscopix, _minian]


@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__.strip("_"))
def test_a_recording_has_the_same_bytes_read_in_parts(make, tmp_path, request):
    entry = make(tmp_path, smooth_traces(FRAMES, NEURONS))
    whole = read_user_file(entry, tmp_path)
    request.getfixturevalue("on_disk")
    parted = read_user_file(entry, tmp_path, tmp_path)
    assert not parted.fluorescence.variable._in_memory and parted.attrs == whole.attrs
    for name in whole.variables:
        assert parted[name].values.tobytes() == whole[name].values.tobytes(), name

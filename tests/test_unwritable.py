"""A full disk, in the midst of every kind of file: a clear error, no crash, nothing left."""

import os
import resource
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.files import atomic_file, atomic_path, write_table
from calcium_latents.recordings.netcdf import read_dataset, write_dataset
from calcium_latents.recordings.nwb_session import write_nwb
from calcium_latents.unfailing_file import UnfailingFile

PROVENANCE = {"config_digest": "0", "code_digest": "0", "versions": "{}"}
NUMBERS = np.random.default_rng(0).normal(size=(1, 6000, 60)).astype(np.float32)


def netcdf(path):
    names = np.array([f"neuron {i}" for i in range(60)], object)
    write_dataset(xr.Dataset({"a": (("trial", "time", "neuron"), NUMBERS), "b": ("neuron", names)}), path, PROVENANCE)


def nwb(path):
    import datetime

    import pynwb
    from hdmf.backends.hdf5.h5_utils import H5DataIO

    file = pynwb.NWBFile("a", "b", datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
    data = H5DataIO(NUMBERS[0], compression="gzip", chunks=(1000, 60))
    file.add_acquisition(pynwb.TimeSeries(name="x", data=data, unit="1", rate=1.0))
    write_nwb(file, path)


def torch(path):
    import torch

    from calcium_latents.training.torch_files import write_torch

    write_torch({"a": torch.from_numpy(NUMBERS)}, path)


def csv(path):
    write_table(pd.DataFrame(NUMBERS[0, :1000]), path)


def npy(path):
    with atomic_file(path) as file:
        np.save(file, NUMBERS)


def limited(write, path, limit):
    """Write in a process whose files may have `limit` bytes; return its exit status, negative for a signal.

    A limit is met by the same calls, and reported in the same way, as the end of a disk."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            write(path)
            status = 0
        except UserError as error:
            said = f"{path}: expected to write this file, found no space for it: File too large"
            status = 2 if str(error).startswith(said) else 3
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has loaded libraries")
@pytest.mark.parametrize(
    ("write", "name"), [(netcdf, "a.nc"), (nwb, "a.nwb"), (torch, "a.pt"), (csv, "a.csv"), (npy, "a.npy")]
)
def test_no_room_is_said_wherever_the_file_is_cut(write, name, tmp_path):
    path = tmp_path / name
    write(path)
    whole = path.stat().st_size
    path.unlink()
    limits = [0, 100, *(int(whole * share) for share in (0.1, 0.7, 0.95)), whole - 2000, whole - 1]
    assert {limit: limited(write, path, limit) for limit in limits} == dict.fromkeys(limits, 2)
    assert list(tmp_path.iterdir()) == []
    assert limited(write, path, 2 * whole) == 0


def test_a_folder_that_may_not_be_written_to_is_said(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="a.csv: expected to write this file, found that it is not allowed"):
        csv(tmp_path / "a.csv")


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a") as temporary:
        temporary.touch()
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        pass


def test_what_hdf5_writes_there_is_read_back(tmp_path):
    netcdf(tmp_path / "a.nc")
    assert np.array_equal(read_dataset(tmp_path / "a.nc")["a"].values, NUMBERS)


def test_an_unfailing_file_reads_back_what_it_could_not_write(tmp_path, monkeypatch):
    """Against the same calls on bytes in memory, with a disk that is full from some call on."""
    rng = np.random.default_rng(1)
    for full_after in (0, 3, 10):
        calls, pwrite = [], os.pwrite

        def limited_write(*arguments, calls=calls, pwrite=pwrite, full_after=full_after):
            calls.append(1)
            if len(calls) > full_after:
                raise OSError(28, "No space left on device")
            return pwrite(*arguments)

        monkeypatch.setattr(os, "pwrite", limited_write)
        file, truth = UnfailingFile(tmp_path / "a"), bytearray()
        for _ in range(40):
            start, data = int(rng.integers(0, 200)), rng.bytes(int(rng.integers(1, 50)))
            file.seek(start)
            file.write(data)
            truth.extend(bytes(max(0, start + len(data) - len(truth))))
            truth[start : start + len(data)] = data
            start = int(rng.integers(0, len(truth)))
            file.seek(start)
            assert file.seek(0, os.SEEK_END) == len(truth)
            file.seek(start)
            assert file.read(30) == bytes(truth[start : start + 30])
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space left"):
            file.close()
        file.close()

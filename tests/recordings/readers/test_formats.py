"""Every reader keeps the contract by which it is found, told from a file, and covered by the digest of the code."""

import inspect
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from calcium_latents import provenance
from calcium_latents.errors import UserError
from calcium_latents.recording_formats import FALLBACK, FORMATS
from calcium_latents.recordings.readers import formats
from calcium_latents.recordings.readers.formats import reader


def _hdf5(name: str, *items: str):
    def write(folder: Path) -> Path:
        with h5py.File(folder / name, "w") as file:
            for item in items:
                file[item] = np.ones((2, 9))
        return folder / name

    return write


def _text(name: str, text: str = "x"):
    def write(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return write


#: Files and folders by which formats are told from each other.
EXAMPLES = {
    "arrays": _text("a.npy"),
    "caiman": _hdf5("caiman.hdf5", "estimates/C"),
    "extract": _hdf5("extract.mat", "output/temporal_weights"),
    "inscopix": _text("i.csv", " , C00\nTime(s)/Cell Status, accepted\n0, 1\n"),
    "minian": _hdf5("C.nc", "C", "unit_id"),
    "netcal": _text("a.csv", "time (s), 1\n0, 1\n"),
    "nwb": _text("a.nwb"),
    "suite2p": lambda folder: folder,
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_reader_keeps_the_contract(name, tmp_path):
    module = reader(name)
    assert module.__name__ == f"{formats.__name__}.{name}" and module.__doc__
    assert list(inspect.signature(module.recognises).parameters) == ["path"]
    assert list(inspect.signature(module.read).parameters) == ["path", "entry"]
    other = tmp_path / "a.xyz"
    other.write_bytes(b"\0\1nothing")
    assert module.recognises(other) is False
    for rate, message in ((30, r"a\.xyz"), (-1, "sampling_rate_hz: expected a positive number")):
        with pytest.raises(UserError, match=message):
            module.read(other, {"sampling_rate_hz": rate})


def test_every_format_has_an_example():
    assert set(EXAMPLES) == set(FORMATS)


def test_a_folder_of_zarr_is_minians(tmp_path):
    (tmp_path / "C.zarr").mkdir()
    assert [name for name in FORMATS if reader(name).recognises(tmp_path)] == ["minian"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_file_is_of_one_format(name, tmp_path):
    example = EXAMPLES[name](tmp_path)
    assert [other for other in FORMATS if reader(other).recognises(example)] == ([] if name == FALLBACK else [name])


def test_names_are_known_without_heavy_imports():
    code = (
        "import sys; from calcium_latents.recording_formats import FORMATS; assert 'nwb' in FORMATS;"
        " assert not {'numpy', 'xarray', 'h5py', 'calcium_latents.recordings'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_digest_of_importing_a_recording_covers_every_reader():
    covered = provenance.import_closure(["calcium_latents.studies.recordings.commands.import_recording"])
    assert {reader(name).__name__ for name in FORMATS} <= covered

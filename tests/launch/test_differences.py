"""What `./run verify` says of two files that differ."""

import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from calcium_latents.launch.differences import first_difference
from calcium_latents.recordings.netcdf import write_dataset

PROVENANCE = {"config_digest": "1", "code_digest": "2", "versions": "{}", "seed": 1}


def box(path, value=1.0, name="events", **attributes):
    data = np.zeros((2, 3, 4), np.float32)
    data[1, 2, 3] = value
    write_dataset(xr.Dataset({name: (("trial", "time", "neuron"), data)}), path, PROVENANCE | attributes)


def table(path, seconds, rows=3):
    pd.DataFrame({"step": range(rows), "r2": 0.5, "seconds": seconds}).to_csv(path, index=False)


def image(path, level):
    from matplotlib.image import imsave

    imsave(path, np.full((4, 5, 3), level))


def archive(path, text):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(zipfile.ZipInfo("a/b"), text)


def state(step=1, seconds=1.0):
    return [{"step": step, "state": {"w": torch.ones(3)}, "metrics": {"nll": float("nan")}, "seconds": seconds}]


CASES = {
    "value.nc": (box, (1.0,), (2.0,), "events[1, 2, 3]: 1.0 and 2.0 (1 of 24 values differ)"),
    "name.nc": (box, (1.0, "a"), (1.0, "b"), "objects ['a', 'b']"),
    "table.csv": (table, (1.0,), (2.0,), "columns seconds: first in row 1 of seconds: 1.0 and 2.0"),
    "rows.csv": (table, (1.0, 3), (1.0, 4), "3 and 4 rows"),
    "state.pt": (
        lambda path, *of: torch.save(state(*of), path),
        (1, 1.0),
        (1, 2.0),
        "[0].seconds: 1.0 and 2.0",
    ),
    "image.png": (image, (0.0,), (1.0,), "pixels[0, 0, 0]: 0.0 and 1.0 (60 of 80 values differ)"),
    "words.yaml": (lambda path, text: path.write_text(text), ("a\nb\n",), ("a\nc\n",), "line 2: b and c"),
    "longer.txt": (lambda path, text: path.write_text(text), ("a\n",), ("a\nc\n",), "line 2: None and c"),
    "array.npy": (np.save, ([1, 2],), ([1, 3],), "array[1]: 2 and 3 (1 of 2 values differ)"),
    "archive.zip": (archive, ("one",), ("two",), "entry a/b"),
    "other": (lambda path, text: path.write_text(text), ("abc",), ("abd",), "byte 2 of 3 and 3"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_difference_is_named_in_terms_of_the_content(tmp_path, name):
    write, one, other, expected = CASES[name]
    paths = [tmp_path / folder / name for folder in ("a", "b", "c")]
    for path, arguments in zip(paths, (one, other, one), strict=True):
        path.parent.mkdir()
        write(path, *arguments)
    assert first_difference(paths[0], paths[1]) == expected
    assert first_difference(paths[0], paths[2]) is None


def test_an_attribute_that_differs_is_named(tmp_path):
    box(tmp_path / "a.nc")
    box(tmp_path / "b.nc", config_digest="3")
    assert first_difference(tmp_path / "a.nc", tmp_path / "b.nc") == "/: attributes.config_digest: 1 and 3"


def test_the_same_content_in_other_bytes_is_a_difference(tmp_path):
    for name, order in (("a.h5", "ab"), ("b.h5", "ba")):
        with h5py.File(tmp_path / name, "w") as file:
            for key in order:
                file[key] = np.arange(3)
    assert first_difference(tmp_path / "a.h5", tmp_path / "b.h5").startswith("the same content, in other bytes (byte ")
    torch.save(state(), tmp_path / "a.pt")  # given a path, PyTorch names the archive's folder by it
    torch.save(state(), tmp_path / "b.pt")
    assert first_difference(tmp_path / "a.pt", tmp_path / "b.pt").startswith("entries ")


def test_missing_and_damaged_files_are_differences(tmp_path):
    box(tmp_path / "a.nc")
    (tmp_path / "b.nc").write_bytes((tmp_path / "a.nc").read_bytes()[:100])
    assert first_difference(tmp_path / "a.nc", tmp_path / "none.nc") == f"missing from {tmp_path}"
    assert first_difference(tmp_path / "a.nc", tmp_path / "b.nc").startswith("unreadable (")

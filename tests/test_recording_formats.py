"""Of a recording that is a folder, exactly the files that its reader opens are tracked."""

import sys
from pathlib import Path

import numpy as np
import pytest
from user_files import RATE, pickled, smooth_traces, suite2p_folder

from calcium_latents.errors import UserError
from calcium_latents.recording_formats import files_read
from calcium_latents.recordings.readers import read_user_file

OPENED: list[str] | None = None


def _keep(event, arguments):
    if OPENED is not None and event == "open" and isinstance(arguments[0], str | Path):
        OPENED.append(str(arguments[0]))


sys.addaudithook(_keep)


def opened(folder: Path, entry: dict) -> set[str]:
    """Return the files below a folder that the import of `entry` opens."""
    global OPENED
    OPENED = []
    try:
        read_user_file(entry, folder)
        return {path for path in OPENED if path.startswith(f"{folder}/") and Path(path).is_file()}
    finally:
        OPENED = None


def of_version_1(folder: Path, planes: int = 1) -> None:
    """Give a plane's folder the files that suite2p 1.x writes beside or instead of ops.npy, and a film."""
    (folder / "ops.npy").unlink()
    pickled(folder / "settings.npy", {"fs": RATE})
    pickled(folder / "db.npy", {"nplanes": planes, "Ly": 512, "Lx": 512})
    pickled(folder / "reg_outputs.npy", {"badframes": np.zeros(400, bool)})
    (folder / "data.bin").touch()


def session(folder: Path, version: int) -> Path:
    """Write two planes and their combined view."""
    dff = smooth_traces()
    stat = [{"med": [64 * i, 512 * plane], "iplane": plane} for plane in range(2) for i in range(7)]
    for plane in range(2):
        own = suite2p_folder(folder / f"plane{plane}", dff, nplanes=2)
        if version:
            of_version_1(own, planes=2)
    suite2p_folder(folder / "combined", np.concatenate([dff, dff], axis=1), stat, nplanes=2)
    return folder


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("named", ["suite2p/plane0", "suite2p", "."])
def test_one_plane(version, named, tmp_path):
    folder = suite2p_folder(tmp_path / "suite2p/plane0", smooth_traces())
    if version:
        of_version_1(folder)
    found = files_read(tmp_path / named)
    assert set(found) == opened(tmp_path, {"file": named}) and len(found) == (7 if version else 5)
    (folder / "iscell.npy").unlink()  # all ROIs are cells
    assert set(files_read(tmp_path / named)) == opened(tmp_path, {"file": named}) == {*found} - {f"{folder}/iscell.npy"}


@pytest.mark.parametrize("version", [0, 1])
def test_planes_seen_together(version, tmp_path):
    session(tmp_path / "suite2p", version)
    assert set(files_read(tmp_path)) == opened(tmp_path, {"file": "suite2p"})
    assert set(files_read(tmp_path / "suite2p/plane1")) == opened(tmp_path, {"file": "suite2p/plane1"})


def test_a_folder_from_which_nothing_can_be_read_is_said_when_planning(tmp_path):
    with pytest.raises(UserError, match=r"expected a suite2p folder with F\.npy, found none"):
        files_read(tmp_path)
    for plane in range(2):
        suite2p_folder(tmp_path / f"plane{plane}", smooth_traces())
    with pytest.raises(UserError, match="found plane0, plane1"):
        files_read(tmp_path)


@pytest.mark.parametrize("apart", [True, False])
def test_arrays_of_zarr(apart, tmp_path):
    """Of Minian's folder, the groups with the traces and footprints: a film beside them is not read."""
    minian = pytest.importorskip("zarr", reason="zarr is not installed: ./run install minian") and tmp_path
    import xarray as xr

    units = {"unit_id": [4, 7], "frame": np.arange(400)}
    found = xr.Dataset(
        {
            "C": (("unit_id", "frame"), smooth_traces()[:, :2].T),
            "A": (("unit_id", "height", "width"), np.ones((2, 4, 4))),
        },
        coords=units,
    )
    for name in found:
        found[[name]].to_zarr(minian / (f"m/{name}.zarr" if apart else "m"), mode="a", zarr_format=2)
    if apart:
        found[["C"]].rename(C="varr").to_zarr(minian / "m/varr.zarr", zarr_format=2)
    names = files_read(minian / "m")
    read = opened(minian, {"file": "m", "sampling_rate_hz": 20, "is_dff": True})
    assert read and read <= set(names)
    assert not [name for name in names if "varr" in name] and any(name.endswith("C/0.0") for name in names)


def test_which_groups_of_zarr_are_read(tmp_path):
    for part in ("C.zarr/C/0.0", "C.zarr/.zgroup", "YrA.zarr/YrA/0.0", "A.zarr/A/0.0.0", "varr.zarr/varr/0.0.0"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / part).touch()

    def names(folder, **entry):
        return [str(Path(path).relative_to(tmp_path)) for path in files_read(folder, **entry)]

    assert names(tmp_path) == ["A.zarr/A/0.0.0", "C.zarr/.zgroup", "C.zarr/C/0.0"]
    assert names(tmp_path, key="YrA") == ["A.zarr/A/0.0.0", "YrA.zarr/YrA/0.0"]
    assert names(tmp_path / "C.zarr") == ["C.zarr/.zgroup", "C.zarr/C/0.0"]


def test_all_files_of_a_folder_of_another_format_count(tmp_path):
    for name in ("a/b.bin", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert files_read(tmp_path, "arrays") == [f"{tmp_path}/a/b.bin", f"{tmp_path}/c.txt"]
    assert files_read(tmp_path / "c.txt") == [f"{tmp_path}/c.txt"]

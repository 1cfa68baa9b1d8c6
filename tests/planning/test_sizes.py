"""What rules ask for grows with their input."""

import pytest

from calcium_latents.planning.sizes import MOST_MB, START_MB, by_size, size_mb


@pytest.fixture
def files(tmp_path):
    """A file of 2 MB, and a folder with arrays of 3 MB and a film of 9 MB."""
    (tmp_path / "recording.nc").write_bytes(bytes(2_000_000))
    (tmp_path / "plane0").mkdir()
    for name, size in {"F.npy": 1_000_000, "Fneu.npy": 2_000_000, "data.bin": 9_000_000}.items():
        (tmp_path / "plane0" / name).write_bytes(bytes(size))
    return [str(tmp_path / "recording.nc"), str(tmp_path / "plane0")]


def test_the_film_beside_the_traces_does_not_count(files):
    assert size_mb(files) == pytest.approx(5.0)


def test_a_file_that_is_named_beside_its_folder_counts_once(files):
    assert size_mb([*files, f"{files[1]}/F.npy"]) == pytest.approx(5.0)


def test_all_parts_of_a_folder_of_zarr_count(tmp_path):
    for part in ("YrA.zarr/0.0", "YrA.zarr/0.1", "A.zarr/0.0.0"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).write_bytes(bytes(1_000_000))
    assert size_mb([str(tmp_path)]) == pytest.approx(3.0)


def test_what_the_scale_grants_is_the_least(files):
    memory, minutes = (by_size("deconvolve", field, floor) for field, floor in (("mem_mb", 2000), ("runtime", 15)))
    assert (memory({}, files, attempt=1), minutes({}, files, attempt=1)) == (2000, 15)
    assert (memory({}, files, attempt=3), minutes({}, files, attempt=2)) == (6000, 30)


def test_large_input_asks_for_more(monkeypatch):
    monkeypatch.setattr("calcium_latents.planning.sizes.size_mb", lambda paths: 900.0)
    assert by_size("train", "mem_mb", 2000)({}, [], attempt=1) == START_MB + 16 * 900
    assert by_size("deconvolve", "runtime", 15)({}, [], attempt=2) == 2 * 32
    monkeypatch.setattr("calcium_latents.planning.sizes.size_mb", lambda paths: 1e6)
    assert by_size("train", "mem_mb", 2000)({}, [], attempt=1) == MOST_MB


@pytest.mark.parametrize("rule", ["deconvolve", "hide_samples", "cut_windows"])
@pytest.mark.parametrize(("session_mb", "most_mb"), [(850.0, 2000), (4300.0, 6000)])
def test_sessions_of_2000_and_10000_neurons_fit_a_small_machine(monkeypatch, rule, session_mb, most_mb):
    monkeypatch.setattr("calcium_latents.planning.sizes.size_mb", lambda paths: session_mb)
    assert by_size(rule, "mem_mb", 1000)({}, [], attempt=1) <= most_mb


def test_a_file_that_is_not_there_yet_is_asked_about_again():
    with pytest.raises(FileNotFoundError):
        by_size("train", "mem_mb", 1500)({}, ["nothing.nc"], attempt=1)


@pytest.mark.parametrize(("rule", "field"), [("figure", "mem_mb"), ("deconvolve", "gpu")])
def test_other_rules_and_fields_ask_for_what_they_are_granted(rule, field):
    assert by_size(rule, field, 7) == 7

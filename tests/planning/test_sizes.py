"""What rules ask for grows with their input."""

import pytest

from calcium_latents.planning.sizes import MOST_MB, START_MB, by_size, size_mb


@pytest.fixture
def files(tmp_path):
    """Files of 2 and 3 MB."""
    for name, size in {"F.npy": 2_000_000, "Fneu.npy": 3_000_000}.items():
        (tmp_path / name).write_bytes(bytes(size))
    return [str(tmp_path / "F.npy"), str(tmp_path / "Fneu.npy")]


def test_each_file_counts_once(files):
    assert size_mb([*files, files[1]]) == pytest.approx(5.0)


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


@pytest.mark.parametrize("field", ["mem_mb", "runtime"])
def test_other_rules_ask_for_what_they_are_granted_and_for_more_in_later_attempts(field):
    asked = by_size("figure", field, MOST_MB + 1)
    assert [asked({}, ["not there yet"], attempt) for attempt in (1, 2, 3)] == [k * (MOST_MB + 1) for k in (1, 2, 3)]


def test_gpus_do_not_grow():
    assert by_size("deconvolve", "gpu", 7) == 7

"""Samples are hidden from every later step, the same ones whatever the blocks."""

import numpy as np
import pytest
from continuous_recording import make_continuous
from hypothesis import given
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings import lazy, open_recording, read_recording, write_recording
from calcium_latents.recordings.hiding import hidden_runs, hidden_samples, hide_samples, run_length
from calcium_latents.seeds import generator
from calcium_latents.studies.recordings.commands import hide_samples as hide_samples_command


def test_a_fraction_of_each_neuron_is_hidden(recording):
    run_s = 2 * recording.attrs["bin_width_s"]
    shown = hide_samples(recording, 0.25, seed=7, run_s=run_s)
    for neuron in range(5):
        hidden = hidden_runs((4, 9), 0.25, 2, generator(7, "hide samples", neuron))
        for name in ("events", "fluorescence"):
            expected = np.where(hidden, np.nan, recording[name].values[..., neuron]).astype(np.float32)
            np.testing.assert_array_equal(shown[name].values[..., neuron], expected)
            assert shown[name].attrs == recording[name].attrs
    assert (shown.attrs["held_out_fraction"], shown.attrs["held_out_run_s"]) == (0.25, run_s)
    found = hidden_samples(recording, shown)
    assert found.any() and np.array_equal(np.isfinite(shown["events"].values) | found, recording["events"].notnull())


def test_blocks_do_not_matter(recording, provenance, tmp_path, monkeypatch):
    before, shown = recording.copy(deep=True), hide_samples(recording, 0.5, seed=7)
    assert recording.identical(before)
    write_recording(recording, tmp_path / "whole.nc", provenance)
    monkeypatch.setattr(lazy, "BLOCK_NEURONS", 2)
    with open_recording(tmp_path / "whole.nc") as opened:
        write_recording(hide_samples(opened, 0.5, seed=7), tmp_path / "shown.nc", provenance)
    written = read_recording(tmp_path / "shown.nc")
    assert written.drop_attrs().identical(shown.drop_attrs())
    assert shown.attrs.items() <= written.attrs.items()


def test_command(tmp_path):
    provenance = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
    whole = make_continuous()
    write_recording(whole, tmp_path / "whole.nc", provenance)
    digests = set()
    for run_s in (0.1, 0.5):
        words = ["--recording", f"{tmp_path}/whole.nc", "--output", f"{tmp_path}/shown.nc", "--seed", "3"]
        hide_samples_command.main([*words, "--fraction", "0.2", "--run-s", str(run_s)])
        shown, expected = read_recording(tmp_path / "shown.nc"), hide_samples(whole, 0.2, 3, run_s)
        np.testing.assert_array_equal(shown["events"], expected["events"])
        assert shown.attrs["held_out_run_s"] == run_s
        digests.add(shown.attrs["config_digest"])
    assert len(digests) == 2


def test_a_wrong_fraction_is_named(recording):
    with pytest.raises(UserError, match=r"held_out_fraction: expected at least 0 and below 1, found 1\.0"):
        hide_samples(recording, 1.0, seed=1)


@given(
    trials=st.integers(1, 3),
    count=st.integers(1, 80),
    fraction=st.floats(0.05, 0.95),
    run=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_runs_are_of_the_length_asked_for_but_at_the_ends(trials, count, fraction, run, seed):
    hidden = hidden_runs((trials, count), fraction, run, np.random.default_rng(seed))
    assert hidden.shape == (trials, count) and hidden.dtype == bool
    np.testing.assert_array_equal(hidden, hidden_runs((trials, count), fraction, run, np.random.default_rng(seed)))
    for row in hidden:
        changes = np.flatnonzero(row[1:] != row[:-1]) + 1  # where a run begins or ends
        assert np.unique(changes % run).size <= 1 and (np.diff(changes) % run == 0).all()


@pytest.mark.parametrize("run", [1, 15])
def test_the_fraction_holds_at_every_time_and_runs_begin_anywhere(run):
    rng, repeats = np.random.default_rng(3), 4000
    hidden = np.stack([hidden_runs((40,), 0.3, run, rng) for _ in range(repeats)])
    np.testing.assert_allclose(hidden.mean(0), 0.3, atol=5 * np.sqrt(0.3 * 0.7 / repeats))
    neighbours = (hidden[:, 1:] & hidden[:, :-1]).mean(0)  # both in one run, or both runs hidden
    np.testing.assert_allclose(neighbours, 0.3 * (1 - 1 / run) + 0.3**2 / run, atol=0.04)


def test_neurons_are_hidden_at_different_times_and_seeds_differ():
    frames = 3000
    whole = make_continuous(n_frames=frames, n_neurons=4)
    hidden = hidden_samples(whole, hide_samples(whole, 0.2, seed=1))[0]
    np.testing.assert_allclose(hidden.mean(0), 0.2, atol=0.06)
    together = np.corrcoef(hidden.T)[np.triu_indices(4, 1)]
    assert np.abs(together).max() < 0.3  # of 200 runs each
    other = hidden_samples(whole, hide_samples(whole, 0.2, seed=2))[0]
    assert np.abs(np.corrcoef(hidden.T, other.T)[:4, 4:]).max() < 0.3
    changes = [np.flatnonzero(np.diff(column)) for column in hidden.T]
    assert all((np.diff(at) % 15 == 0).all() for at in changes)  # 0.5 s of 30 Hz
    assert len({at[0] % 15 for at in changes}) > 1


@pytest.mark.parametrize(("run_s", "bins"), [(0.5, 15), (0.01, 1), (0.049, 1), (0.051, 2), (2.0, 60)])
def test_a_run_is_of_whole_bins(run_s, bins):
    assert run_length(make_continuous(), run_s) == bins

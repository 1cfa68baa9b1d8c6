"""Activity around onsets."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.studies.recordings.alignment import align, bin_edges, by_condition, conditions_of, modulation


def test_bins_hold_the_means_of_known_samples():
    times, values = np.arange(10) + 0.5, np.arange(10.0)[:, None]
    values[3] = np.nan
    aligned = align(values, times, np.array([2.0, 8.0]), np.array([-1.0, 0.0, 2.0, 4.0]))
    np.testing.assert_allclose(aligned[:, :, 0], [[1, 2, 4.5], [7, 8.5, np.nan]])


def test_means_and_standard_errors_by_condition():
    aligned = np.array([1.0, 3.0, np.nan, 7.0])[:, None, None]
    mean, error, count = by_condition(aligned, np.array(["a", "a", "a", "b"]), ["a", "b"])
    assert mean[:, 0, 0].tolist() == [2, 7] and count[:, 0, 0].tolist() == [2, 1]
    assert error[0, 0, 0] == pytest.approx(np.std([1, 3], ddof=1) / np.sqrt(2)) and np.isnan(error[1, 0, 0])


def test_modulation_is_of_what_comes_back():
    rng = np.random.default_rng(0)
    conditions = np.array(["a", "b"] * 40)
    aligned = rng.normal(size=(80, 12, 300))
    response = np.sin(np.arange(12))[None] * np.where(conditions == "a", 1.0, -1.0)[:, None]
    aligned[:, :, 0] += response
    found = modulation(aligned, conditions, ["a", "b"], rng)
    assert found[0] > 0.9 and abs(found[1:].mean()) < 0.03
    assert np.isnan(modulation(aligned[:2], conditions[:2], ["a", "b"], rng)).all()  # one trial each


def test_edges_are_whole_frames_with_the_onset_among_them():
    table = pd.DataFrame({"start_s": [0.0, 5.0, 10.0], "stop_s": [2.0, 7.1, 12.0]})
    edges = bin_edges(table, 1 / 7)
    assert 0 in edges and edges[-1] == pytest.approx(2.0) and edges[0] == pytest.approx(-1.0)
    np.testing.assert_allclose(np.diff(edges), 1 / 7)
    alone = bin_edges(pd.DataFrame({"start_s": [3.0]}), 0.03)
    assert len(alone) <= 32 and alone[-1] == pytest.approx(10, abs=0.5)


def test_conditions_have_names():
    assert conditions_of(pd.DataFrame({"start_s": [1, 2]})).tolist() == ["all trials"] * 2
    table = pd.DataFrame({"condition": [90.0, None, 0.5]})
    assert conditions_of(table).tolist() == ["90", "none", "0.5"]

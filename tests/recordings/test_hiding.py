"""Samples are hidden from every later step, the same ones whatever the blocks."""

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import hiding
from calcium_latents.recordings.hiding import hidden_samples, hide_samples
from calcium_latents.seeds import generator


def test_a_fraction_of_each_neuron_is_hidden(recording):
    shown = hide_samples(recording, 0.25, seed=7)
    for neuron in range(5):
        hidden = generator(7, "hide samples", neuron).random((4, 9)) < 0.25
        for name in ("events", "fluorescence"):
            expected = np.where(hidden, np.nan, recording[name].values[..., neuron]).astype(np.float32)
            np.testing.assert_array_equal(shown[name].values[..., neuron], expected)
            assert shown[name].attrs == recording[name].attrs
    assert shown.attrs["held_out_fraction"] == 0.25
    found = hidden_samples(recording, shown)
    assert found.any() and np.array_equal(np.isfinite(shown["events"].values) | found, recording["events"].notnull())


def test_blocks_and_copies_do_not_matter(recording, monkeypatch):
    before, shown = recording.copy(deep=True), hide_samples(recording, 0.5, seed=7)
    assert recording.identical(before)
    monkeypatch.setattr(hiding, "BLOCK_SAMPLES", 80)
    assert hide_samples(recording, 0.5, seed=7).identical(shown)
    given = recording.copy(deep=True)
    assert hide_samples(given, 0.5, seed=7, copy=False).identical(shown)
    np.testing.assert_array_equal(given["events"], shown["events"])


def test_a_wrong_fraction_is_named(recording):
    with pytest.raises(UserError, match=r"held_out_fraction: expected at least 0 and below 1, found 1\.0"):
        hide_samples(recording, 1.0, seed=1)

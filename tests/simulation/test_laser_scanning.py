import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.simulation import laser_scanning


def test_the_example_of_the_paper():
    """Methods: neuron 1 at points 1, 4, 7 and neuron 2 at 2, 5, 8 in trial 1; one later in trial 2."""
    first = laser_scanning.sample_bins(np.array([0.1, 0.5, 0.9]), 3, 3)
    mask = laser_scanning.sampled(first, 9, 3)
    points = [[np.flatnonzero(mask[trial, :, neuron]) + 1 for neuron in range(2)] for trial in range(2)]
    np.testing.assert_array_equal(points[0], [[1, 4, 7], [2, 5, 8]])
    np.testing.assert_array_equal(points[1], [[2, 5, 8], [3, 6, 9]])


@given(spacing=st.integers(3, 60), bins=st.integers(1, 130), trials=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_neuron_is_sampled_once_a_frame(spacing, bins, trials, seed):
    place = laser_scanning.positions(12, np.random.default_rng(seed))
    first = laser_scanning.sample_bins(place[:, 1], trials, spacing)
    assert first.min() >= 0
    assert first.max() < spacing
    mask = laser_scanning.sampled(first, bins, spacing)
    for trial in range(trials):
        for neuron in range(12):
            where = np.flatnonzero(mask[trial, :, neuron])
            np.testing.assert_array_equal(where, np.arange(first[trial, neuron], bins, spacing))


@pytest.mark.parametrize("neurons", [3, 100, 278])
def test_bands_share_the_neurons_evenly(neurons):
    place = laser_scanning.positions(neurons, np.random.default_rng(0))
    assert place.shape == (neurons, 2)
    assert (place >= 0).all()
    assert (place < 1).all()
    counts = np.bincount(laser_scanning.sample_bins(place[:, 1], 1, 3)[0], minlength=3)
    assert np.ptp(counts) <= 2

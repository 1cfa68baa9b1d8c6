"""Missing samples are bridged where there are neighbours, and have no weight in a Gaussian mean."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from calcium_latents.recordings.missing import bridge, gaussian_mean

MISSING = np.nan


def test_gaps_are_bridged_linearly_and_ends_held():
    values = np.array([[MISSING, 1.0], [2.0, MISSING], [MISSING, MISSING], [MISSING, 4.0], [8.0, 5.0], [MISSING, 6.0]])
    kept = values.copy()
    expected = np.array([[2.0, 1.0], [2.0, 2.0], [4.0, 3.0], [6.0, 4.0], [8.0, 5.0], [8.0, 6.0]])
    np.testing.assert_allclose(bridge(values), expected)
    np.testing.assert_array_equal(values, kept)
    cube = np.stack([values, values[::-1]], axis=2)
    np.testing.assert_allclose(bridge(cube)[..., 1], expected[::-1])


def test_what_has_no_sample_stays_missing():
    values = np.column_stack([np.full(4, MISSING), [1.0, MISSING, 3.0, 4.0]]).astype(np.float32)
    filled = bridge(values)
    assert np.isnan(filled[:, 0]).all() and filled[:, 1].tolist() == [1, 2, 3, 4] and filled.dtype == np.float32


@given(st.floats(0.3, 5), st.lists(st.integers(0, 29), max_size=12), st.floats(-5, 5))
def test_a_constant_keeps_its_level_beside_gaps(sd, gaps, level):
    values = np.full((2, 30), level)
    values[1, gaps] = MISSING
    found = gaussian_mean(values, sd)
    np.testing.assert_allclose(found[np.isfinite(found)], level, atol=1e-9)
    assert np.isfinite(found[np.isfinite(values)]).all()


def test_without_gaps_it_is_the_plain_filter_away_from_the_ends():
    values = np.random.default_rng(0).normal(size=(60, 2))
    plain = gaussian_filter1d(values, 2.0, axis=0)
    np.testing.assert_allclose(gaussian_mean(values, 2.0, axis=0)[8:-8], plain[8:-8], atol=1e-12)


def test_nothing_within_reach_is_missing():
    values = np.full(20, MISSING)
    values[0] = 1.0
    found = gaussian_mean(values, 1.0, radius=3)
    assert np.isfinite(found[:4]).all() and np.isnan(found[4:]).all()

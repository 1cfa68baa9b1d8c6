"""Bins to frames: every sample keeps its frame, whatever the rate and the phase."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from calcium_latents.recordings.frames import to_frames


def scanned(rate, phase, bins, width=0.01):
    """Number the frames of a neuron sampled `phase` of a period after each frame begins: [1, time, 1]."""
    number = np.arange(int(bins * width * rate + 1e-6))
    at = np.floor((number + phase) / rate / width + 1e-9).astype(int)
    values = np.full((1, bins, 1), np.nan)
    values[0, at[at < bins], 0] = number[at < bins]
    return values


@pytest.mark.parametrize("rate", [100 / 3, 33.3])
def test_whole_bins_a_frame_are_the_samples_with_the_empty_bins_removed(rate):
    for phase in range(3):
        values = np.full((1, 900, 1), np.nan)
        values[0, phase::3, 0] = np.arange(300)
        frames, time = to_frames(values, np.arange(900) * 0.01, 100 / 3)
        np.testing.assert_array_equal(frames[0, :, 0], np.arange(300))
        np.testing.assert_allclose(time, np.arange(300) * 0.03 + 0.01)
    values = scanned(100 / 3, 0.4, 90)
    frames, time = to_frames(values, np.arange(90) * 0.01, rate)
    np.testing.assert_array_equal(frames[0, :, 0], np.arange(30))
    np.testing.assert_allclose(time, np.arange(30) * 0.03 + 0.01)


@settings(max_examples=80, deadline=None)
@given(rate=st.floats(4, 45), phase=st.floats(0, 0.8), bins=st.integers(60, 300), seed=st.integers(0, 9))
def test_a_sample_stays_one_frame_at_any_rate_and_phase(rate, phase, bins, seed):
    values = scanned(rate, phase, bins)
    frames, time = to_frames(values, np.arange(bins) * 0.01, rate)
    kept = frames[0, :, 0]
    np.testing.assert_array_equal(kept[np.isfinite(kept)], np.flatnonzero(np.isfinite(kept)))
    assert np.isfinite(kept[:-1]).all()
    np.testing.assert_allclose(np.diff(time), 1 / rate, rtol=0.05)
    hidden = np.where(np.random.default_rng(seed).random(values.shape) < 0.2, np.nan, values)
    shown = to_frames(hidden, np.arange(bins) * 0.01, rate)[0][0, :, 0]
    assume(np.isfinite(shown).any())  # of three frames all may be hidden
    # A sample on the border of two frames may count for either, but all of a neuron's do alike.
    assert np.ptp(shown[np.isfinite(shown)] - np.flatnonzero(np.isfinite(shown))) == 0


def test_imaging_frames_are_themselves():
    values = np.arange(12.0).reshape(1, 6, 2)
    frames, time = to_frames(values, np.arange(6) / 30, 30.0)
    np.testing.assert_array_equal(frames, values)
    np.testing.assert_allclose(time, np.arange(6) / 30)


def test_several_samples_of_a_frame_are_averaged():
    values = np.array([1.0, 3.0, np.nan, np.nan, 5.0, np.nan])[None, :, None]
    frames, _ = to_frames(values, np.arange(6) * 0.1, 1 / 0.3)
    np.testing.assert_array_equal(frames[0, :, 0], [2.0, 5.0])

"""Smoothing baselines: frames, kernels, ends of trials."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from calcium_latents.errors import UserError
from calcium_latents.metrics.smoothing import gaussian_filter, smooth
from calcium_latents.recordings import check_inferred
from calcium_latents.recordings.frames import to_frames


def scanned(trials=6, bins=30, neurons=5, period=3, seed=0):
    """Events on the sub-frame grid.

    Neuron n of trial k is sampled every `period` bins from (n + k) % period.
    """
    rng = np.random.default_rng(seed)
    values = np.full((trials, bins, neurons), np.nan, np.float32)
    dense = rng.exponential(size=(trials, bins, neurons)) * (rng.random((trials, bins, neurons)) < 0.4)
    for k in range(trials):
        for n in range(neurons):
            values[k, (n + k) % period :: period, n] = dense[k, (n + k) % period :: period, n]
    return values


def recording(values, rate=100 / 3, width=0.01):
    trials, bins, neurons = values.shape
    latents = np.random.default_rng(1).normal(size=(trials, bins, 2))
    return xr.Dataset(
        {
            "events": (("trial", "time", "neuron"), values),
            "fluorescence": (("trial", "time", "neuron"), values - 0.5),
            "latents": (("trial", "time", "latent"), latents),
            "trial_start": ("trial", np.arange(trials) * bins * width),
        },
        coords={
            "trial": np.arange(trials),
            "time": np.arange(bins) * width,
            "neuron": np.arange(neurons),
            "latent": ["X", "Y"],
        },
        attrs={"imaging_rate_hz": rate, "bin_width_s": width},
    )


def test_smoothing_at_6_ms_barely_touches_the_frames_and_gives_events_per_second():
    values = scanned()
    inferred = smooth(recording(values), "events")
    check_inferred(inferred, "smth-dec")
    frames, _ = to_frames(values, np.arange(30) * 0.01, 100 / 3)
    np.testing.assert_allclose(inferred["event_rate"], frames * 100 / 3, atol=5e-3 * 100 / 3 * frames.max())
    assert inferred["event_rate"].attrs["units"] == "1/s"


def test_fluorescence_is_shifted_by_a_constant_per_neuron_only():
    values = scanned()
    inferred = smooth(recording(values), "fluorescence", 0.006)
    check_inferred(inferred, "smth-sim-fluor")
    frames, _ = to_frames(values - 0.5, np.arange(30) * 0.01, 100 / 3)
    shift = inferred["event_rate"].values - gaussian_filter(frames, 0.2)
    assert np.ptp(shift, axis=(0, 1)).max() < 1e-6


def test_interior_equals_scipy():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(2, 40, 3))
    expected = gaussian_filter1d(frames, 1.5, axis=1, truncate=4.0, mode="constant")
    np.testing.assert_allclose(gaussian_filter(frames, 1.5)[:, 8:-8], expected[:, 8:-8], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(sd=st.floats(0.05, 20), count=st.integers(1, 30), level=st.floats(-5, 5))
def test_a_constant_stays_and_nothing_leaves_the_range(sd, count, level):
    np.testing.assert_allclose(gaussian_filter(np.full((1, count, 2), level), sd), level, atol=1e-9)
    frames = np.random.default_rng(0).random((2, count, 1))
    smoothed = gaussian_filter(frames, sd)
    assert (smoothed <= frames.max(axis=1, keepdims=True) + 1e-12).all()
    assert (smoothed >= frames.min(axis=1, keepdims=True) - 1e-12).all()


def test_trials_do_not_leak():
    values = scanned()
    changed = values.copy()
    changed[3] *= 100
    before, after = (smooth(recording(v), "events", 0.1)["event_rate"].values for v in (values, changed))
    keep = np.arange(6) != 3
    np.testing.assert_array_equal(before[keep], after[keep])


def test_frames_without_a_sample_are_filled_from_their_neighbours():
    values = np.full((1, 5, 1), np.nan)
    values[0, [1, 3], 0] = 2.0, 6.0
    inferred = smooth(recording(values, rate=100.0), "events", 1e-4)
    np.testing.assert_allclose(inferred["event_rate"].values[0, :, 0], np.array([2, 2, 4, 6, 6]) * 100)


def test_two_widths_can_have_two_names():
    assert smooth(recording(scanned()), "events", 0.04, "smth-dec-40ms").attrs["model"] == "smth-dec-40ms"


def test_errors():
    empty = scanned()
    empty[2, :, 1] = np.nan
    with pytest.raises(UserError, match="neuron 1 has no sample in trial 2"):
        smooth(recording(empty), "events")
    numbered = recording(empty).assign_coords(neuron=np.arange(empty.shape[2]) + 40)
    with pytest.raises(UserError, match="neuron 41 has no sample in trial 2"):
        smooth(numbered, "events")
    with pytest.raises(UserError, match="expected the variable events"):
        smooth(recording(scanned()).drop_vars("events"), "events")
    with pytest.raises(UserError, match="positive width"):
        smooth(recording(scanned()), "events", 0.0)

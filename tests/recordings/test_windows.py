"""Cutting loses no sample and doubles none; stitching undoes it."""

import numpy as np
import pytest
from continuous_recording import make_continuous
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings import cut_windows, make_inferred, stitch_windows
from calcium_latents.recordings.windows import crossfade_weights

recordings = st.builds(
    make_continuous,
    n_frames=st.integers(60, 150),
    n_neurons=st.integers(1, 4),
    rate=st.sampled_from([7.5, 30.0, 31.08, 33.3, 59.1]),
    offsets=st.booleans(),
    start=st.sampled_from([0.0, 0.00858633, 123.456]),
    seed=st.integers(0, 1000),
)


@settings(max_examples=60, deadline=None)
@given(recordings, st.sampled_from([0.01, 1 / 90, 0.016]), st.floats(0.2, 1.0), st.floats(0.0, 0.6))
def test_every_sample_lands_once_in_every_window_that_covers_it(recording, width, window, part):
    cut = cut_windows(recording, width, window, part * window)
    times = recording.time.values[:, None] + recording.sample_offset.values[0]
    starts, length = cut.trial_start.values, cut.sizes["time"] * width
    values, events = recording.events.values[0], cut.events.values
    for trial, start in enumerate(starts):
        for neuron in range(recording.sizes["neuron"]):
            column = events[trial, :, neuron]
            found = np.flatnonzero(np.isfinite(column))
            # Values are unique and ascend with time: each says which sample it was.
            frame = np.searchsorted(values[:, neuron], column[found])
            assert np.array_equal(values[frame, neuron], column[found])
            late = times[frame, neuron] - start - found * width
            assert late.min(initial=0) > -1e-5 * width and late.max(initial=0) < width * (1 + 1e-5)
            inside = (times[:, neuron] > start + 1e-5 * width) & (
                times[:, neuron] < start + length * (1 - 1e-9) - 1e-5 * width
            )
            assert set(np.flatnonzero(inside)) <= set(frame.tolist()) and len(set(frame.tolist())) == len(frame)
    assert set(np.unique(events[np.isfinite(events)])) == set(values.astype(np.float32).ravel())
    assert np.array_equal(np.isnan(cut.fluorescence), np.isnan(cut.events))


@settings(max_examples=40, deadline=None)
@given(recordings, st.floats(0.3, 1.5), st.floats(0.0, 0.8))
def test_stitch_undoes_cut(recording, window, part):
    window = min(window, recording.sizes["time"] / recording.attrs["imaging_rate_hz"])
    cut = cut_windows(recording, None, window, part * window)
    assert np.isfinite(cut.events.values).all()
    inferred = make_inferred(event_rate=cut.events.values, time=cut.time.values, model="m", recording=cut)
    stitched = stitch_windows(inferred, cut.attrs["overlap_s"])
    assert stitched.sizes["time"] == recording.sizes["time"]
    np.testing.assert_allclose(stitched.event_rate.values, recording.events.values, rtol=1e-6)
    np.testing.assert_allclose(stitched.time.values, recording.time.values, atol=1e-9)
    assert np.array_equal(stitched.neuron.values, recording.neuron.values)


@given(st.lists(st.integers(1, 30), min_size=0, max_size=12), st.integers(2, 20))
def test_weights_sum_to_one_and_are_positive(steps, n_bins):
    starts = np.concatenate([[5], 5 + np.cumsum(np.array(steps, int))]).astype(int)
    weights = crossfade_weights(starts, n_bins)
    assert (weights > 0).all()
    total = np.zeros(starts[-1] + n_bins)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + n_bins] += weight
    np.testing.assert_allclose(total[total > 0], 1)


def test_fade_is_linear():
    weights = crossfade_weights(np.array([0, 6]), 10)
    np.testing.assert_allclose(weights[0, 6:], [0.875, 0.625, 0.375, 0.125])
    np.testing.assert_allclose(weights[1, :4], [0.125, 0.375, 0.625, 0.875])


def test_windows_have_no_weight_after_their_end():
    weights = crossfade_weights(np.array([0, 6, 20]), 10, np.array([10, 3, 5]))
    # The second lies within the first's end: they fade over the four bins that they would share, of which it has three.
    np.testing.assert_allclose(
        weights[1, :3], np.array([0.5, 1.5, 2.5]) / 4 / (np.array([0.5, 1.5, 2.5]) / 4 + np.array([3.5, 2.5, 1.5]) / 4)
    )
    assert weights[0, 9] == 1 and (weights[1, 3:] == 0).all()
    np.testing.assert_array_equal(weights[2], [1] * 5 + [0] * 5)


def test_stitched_trials_end_where_they_do():
    rate = np.ones((3, 10, 2), np.float32) * np.array([1, 2, 3])[:, None, None]
    inferred = make_inferred(
        event_rate=rate,
        time=np.arange(10) * 0.1 - 0.2,
        model="m",
        trial_start=np.array([1.0, 1.7, 4.0]),
        trial_stop=np.array([1.4, 2.5, 4.3]),
    )
    stitched = stitch_windows(inferred, 0.0)
    expected = np.full(40, np.nan)
    expected[:6], expected[7:17], expected[30:35] = 1, 2, 3
    np.testing.assert_allclose(stitched.event_rate.values[0, :, 0], expected)


def test_known_bins():
    recording = make_continuous(n_frames=100, n_neurons=3, rate=25.0, offsets=False)
    recording["sample_offset"].values[:] = [[0.0, 0.01, 0.0399]]
    cut = cut_windows(recording, 0.01, 1.0, 0.0)
    sampled = np.isfinite(cut.events.values)
    assert sampled.shape == (4, 100, 3)
    for neuron, phase in enumerate([0, 1, 3]):
        assert np.array_equal(np.unique(np.flatnonzero(sampled[0, :, neuron]) % 4), [phase])
    assert cut.trial_start.values.tolist() == pytest.approx([0, 1, 2, 3])
    assert cut.attrs["deconvolution"] == "test" and cut.attrs["bin_width_s"] == 0.01
    assert np.array_equal(cut.position, recording.position)


def test_the_last_window_ends_with_the_recording():
    cut = cut_windows(make_continuous(n_frames=100, offsets=False, rate=10.0), None, 3.0, 1.0)
    assert cut.trial_start.values.tolist() == pytest.approx([0, 2, 4, 6, 7])


def test_the_kept_distribution_is_faded_like_the_rates():
    cut = cut_windows(make_continuous(n_frames=100, rate=30.0), None, 1.0, 0.4)
    values = np.random.default_rng(0).random(cut["events"].shape)
    kept = {name: values for name in ("event_probability", "event_shape", "event_scale")}
    inferred = make_inferred(event_rate=values, time=cut.time.values, model="m", recording=cut, **kept)
    stitched = stitch_windows(inferred, cut.attrs["overlap_s"])
    for name in kept:
        np.testing.assert_array_equal(stitched[name].values, stitched["event_rate"].values)
    with pytest.raises(UserError, match="event_probability: expected probabilities of at most 1"):
        make_inferred(event_rate=values, time=cut.time.values, model="m", event_probability=values + 1)


def test_user_trials():
    recording = make_continuous(n_frames=300, rate=30.0, start=100.0)
    starts = [100.5, 103.25, 107.0]
    cut = cut_windows(recording, 0.01, 1.0, 0.2, trials=starts, before_s=0.2, after_s=0.8)
    assert cut.trial_start.values.tolist() == starts
    assert cut.time.values[0] == pytest.approx(-0.2) and cut.sizes["time"] == 100
    times = recording.time.values[:, None] + recording.sample_offset.values[0]
    trial, time, neuron = np.nonzero(np.isfinite(cut.events.values))
    frame = np.searchsorted(recording.events.values[0, :, 0], cut.events.values[trial, time, neuron] - neuron)
    late = times[frame, neuron] - cut.trial_start.values[trial] - cut.time.values[time]
    assert late.min() > -1e-8 and late.max() < 0.01 + 1e-8
    # 1 s at 30 Hz: every neuron 30 times, but for a frame at either end.
    assert np.isfinite(cut.events.values).sum(axis=1).min() >= 29
    by_length = cut_windows(recording, 0.01, 1.0, 0.2, trials=starts, before_s=0.2)
    assert by_length.equals(cut)


def test_user_trials_one_bin_a_frame():
    recording = make_continuous(n_frames=300, rate=31.08)
    cut = cut_windows(recording, None, 1.0, 0.0, trials=[0.5, 3.21], before_s=0.2, after_s=0.8)
    assert np.isfinite(cut.events.values).all() and cut.sizes["time"] == 31
    assert (np.diff(cut.events.values[:, :, 0], axis=1) == 6).all()


def test_stitched_trials_have_gaps():
    recording = make_continuous(n_frames=300, rate=30.0)
    cut = cut_windows(recording, None, 1.0, 0.0, trials=[0.0, 3.0, 5.5])
    stitched = stitch_windows(
        make_inferred(event_rate=cut.events.values, time=cut.time.values, model="m", recording=cut), 0.0
    )
    known = np.isfinite(stitched.event_rate.values[0, :, 0])
    assert known.sum() == 90 and stitched.attrs["stitched"] == 1
    frames = np.round(stitched.time.values[known] * 30).astype(int)
    np.testing.assert_allclose(stitched.event_rate.values[0, known], recording.events.values[0, frames])


def test_coarse_frames_are_interpolated_to_one_grid():
    time = 0.01 + 0.03 * np.arange(33)
    starts = np.array([0.0, 0.8, 1.6])
    rate = 5 + 2 * (starts[:, None] + time)[:, :, None]
    stitched = stitch_windows(make_inferred(event_rate=rate, time=time, model="m", trial_start=starts), 0.0)
    inner = slice(2, -2)
    expected = 5 + 2 * stitched.time.values[inner]
    np.testing.assert_allclose(stitched.event_rate.values[0, inner, 0], expected, atol=0.02)


@pytest.mark.parametrize("width", [1 / 30, 0.04, 5.0])
def test_bins_as_wide_as_frames_or_wider_are_frames(width):
    recording = make_continuous()
    assert cut_windows(recording, width, 1, 0.2).identical(cut_windows(recording, None, 1, 0.2))
    assert cut_windows(recording, 0.033, 1, 0.2).attrs["bin_width_s"] == 0.033


ERRORS = {
    "no bins": (dict(bin_width_s=0.0, window_s=1, overlap_s=0.2), "bin_width_s: expected a positive number"),
    "window of one bin": (dict(bin_width_s=0.01, window_s=0.01, overlap_s=0), "two bins of 0.01 s or more"),
    "long window": (dict(bin_width_s=0.01, window_s=100, overlap_s=0), "windows length_s: expected at most"),
    "overlap": (
        dict(bin_width_s=0.01, window_s=1, overlap_s=1),
        "windows overlap_s: expected from 0 to less than",
    ),
    "trial outside": (
        dict(bin_width_s=0.01, window_s=1, overlap_s=0, trials=[1, 6]),
        "expected trials within the recording (0 to 6.69",
    ),
    "trial before": (
        dict(bin_width_s=0.01, window_s=1, overlap_s=0, trials=[0.1], before_s=0.2),
        "1 others, the first from -0.1 to 0.9 s",
    ),
    "twice": (
        dict(bin_width_s=0.01, window_s=1, overlap_s=0, trials=[3, 1, 3]),
        "start_s: expected each onset once, found 1 repeated, the first: 3 s",
    ),
    "no table": (dict(bin_width_s=0.01, window_s=1, overlap_s=0, trials="file"), "a table of trials in the file"),
    "no trials": (
        dict(bin_width_s=0.01, window_s=1, overlap_s=0, trials=[]),
        "start_s: expected at least one trial, found none",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    options, message = ERRORS[name]
    with pytest.raises(UserError) as error:
        cut_windows(make_continuous(), **options)
    assert message in str(error.value)


def test_only_continuous_recordings_are_cut(recording):
    with pytest.raises(UserError, match="one continuous trial"):
        cut_windows(recording, 0.005, 0.05, 0)
    cut = cut_windows(make_continuous(), 0.01, 6.0, 0)
    with pytest.raises(UserError, match="one continuous trial|sub-frame grid already"):
        cut_windows(cut.isel(trial=[0]), 0.005, 1, 0)


def test_stitch_errors():
    rate, time = np.ones((2, 10, 1)), np.arange(10) * 0.1
    with pytest.raises(UserError, match="trial_start"):
        stitch_windows(make_inferred(event_rate=rate, time=time, model="m"), 0)
    inferred = make_inferred(event_rate=rate, time=time, model="m", trial_start=[0, 0.8])
    with pytest.raises(UserError, match="overlap_s: expected 0.2 s as in trial_start, found 0.6 s"):
        stitch_windows(inferred, 0.6)


def test_uneven_times_are_refused():
    inferred = make_inferred(
        event_rate=np.ones((3, 4, 2)),
        time=np.array([0.01, 0.05, 0.08, 0.11]),
        model="smth-dec",
        trial_start=np.arange(3) * 0.1,
    )
    with pytest.raises(UserError, match="time: expected even steps"):
        stitch_windows(inferred, 0.0)


@pytest.mark.parametrize("least, windows, shared", [(0, 38, 6), (30, 38, 6), (60, 64, 16), (1000, 146, 24)])
def test_short_recordings_have_windows_that_share_more(least, windows, shared):
    recording = make_continuous(n_frames=900, offsets=False)
    cut = cut_windows(recording, None, 1.0, 0.2, least_windows=least)
    assert cut.sizes["trial"] == windows and cut.attrs["overlap_s"] == pytest.approx(shared / 30)
    steps = np.rint(np.diff(cut["trial_start"]) * 30)
    assert (steps[:-1] == 30 - shared).all() and 0 < steps[-1] <= 30 - shared

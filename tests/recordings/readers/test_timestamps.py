"""Rates, dropped frames, gaps and units of time stamps: right values."""

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.traces import regular_frames
from calcium_latents.seeds import generator


def frames_at(times):
    values = np.arange(times.size, dtype=float)[:, None] + 1
    filled, when, rate = regular_frames(values, times, "file")
    taken = np.isfinite(filled[:, 0])
    np.testing.assert_array_equal(filled[taken], values)
    np.testing.assert_array_equal(when[taken], times)
    assert (np.diff(when) > 0).all()
    return np.flatnonzero(taken), rate


@pytest.mark.parametrize(("rate", "digits"), [(30, 3), (30, 2), (33, 3), (60, 2), (15.49, 2)])
def test_the_rate_of_rounded_stamps_is_that_of_the_session(rate, digits):
    taken, found = frames_at(np.round(100 + np.arange(3000) / rate, digits))
    assert found == pytest.approx(rate, rel=1e-5)
    np.testing.assert_array_equal(taken, np.arange(3000))


@pytest.mark.parametrize("jitter", [0.03, 0.2, 0.4])
def test_frames_keep_their_numbers_under_jitter_and_beside_dropped_ones(jitter):
    random = generator(1, "tests", "jitter")
    kept = np.flatnonzero(random.random(6000) > 0.1)
    times = 7 + (kept + random.uniform(-jitter, jitter, kept.size)) / 30
    taken, found = frames_at(times)
    np.testing.assert_array_equal(taken, kept - kept[0])
    assert found == pytest.approx(30, rel=1e-4)


def test_gaps_at_any_phase_do_not_add_up():
    # a camera that starts anew every 20 s, 0 to 1 s late
    starts = 20 * np.arange(100) + generator(1, "tests", "gaps").uniform(0, 1, 100)
    times = (starts[:, None] + np.arange(300) / 30).ravel()
    taken, found = frames_at(times)
    assert found == pytest.approx(30, rel=1e-4)
    nominal = taken / found
    assert np.ptp(times - nominal) * 30 < 1.1
    assert (np.diff(taken.reshape(100, 300), axis=1) == 1).all()


@pytest.mark.parametrize("unit", [1e3, 1e6, 1 / 3600])
def test_times_in_another_unit_are_named(unit):
    with pytest.raises(UserError, match="file: timestamps: expected from 0.3 to 2000 imaging frames .* milliseconds"):
        regular_frames(np.ones((100, 1)), np.arange(100) / 30 * unit, "file")


@pytest.mark.parametrize("rate", [0.03, 30000])
def test_impossible_rates_are_refused_whatever_the_format(rate, tmp_path):
    np.save(tmp_path / "a.npy", generator(1, "tests", "rates").normal(size=(100, 2)))
    entry = {"file": "a.npy", "sampling_rate_hz": rate, "is_dff": True, "orientation": "frames x neurons"}
    with pytest.raises(UserError, match="a.npy: sampling_rate_hz: expected from 0.3 to 2000"):
        read_user_file(entry, tmp_path)


@pytest.mark.parametrize(
    "times", [[0, 0.1, 0.1, 0.2], [0, 0.2, 0.1, 0.3], [0, 0.1, np.nan, 0.3], [0, 0.1, 0.2, np.nan]]
)
def test_times_that_do_not_increase_are_shown(times):
    with pytest.raises(
        UserError, match=r"file: timestamps: .* increasing times in s, found \[0.*\] from frame [123] on"
    ):
        regular_frames(np.ones((4, 1)), np.array(times), "file")


def test_what_cannot_be_filled_is_refused():
    times = np.arange(200) / 30
    with pytest.raises(UserError, match="200 frames in 106.633 s, the longest gap 100.033 s after frame 99. Split"):
        regular_frames(np.ones((200, 1)), times + 100 * (np.arange(200) >= 100), "file")
    times[100] += 0.6 / 30
    with pytest.raises(UserError, match="timestamps: expected frames about 0.033.* s apart, found one"):
        regular_frames(np.ones((200, 1)), times, "file")

import json

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_recording
from calcium_latents.recordings.responses import stimulus_responses
from calcium_latents.seeds import generator


@pytest.fixture
def continuous():
    """Sixty seconds of four neurons at 5 Hz, from second 100 of the session on."""
    events = generator(1, "tests", "responses").gamma(1.0, 1.0, (300, 4))
    speed = np.arange(300.0)
    return make_recording(
        events=events[None],
        time=np.arange(300) / 5,
        trial_start=np.array([100.0]),
        bin_width_s=0.2,
        imaging_rate_hz=5,
        source="continuous",
        neuron=[1, 3, 5, 7],
        others={"running_speed": (("trial", "time"), speed[None], "cm/s", "running speed")},
        attributes={"event_minimum": 1e-9, "deconvolution": "oasis"},
    )


def test_activity_is_averaged_in_the_window_after_each_onset(continuous):
    events = continuous["events"].values[0].astype(float)
    found = stimulus_responses(continuous, [100, 110.2, 140, 159.0], [3, 8, 8, 3], 1.0)
    expected = np.stack([events[i : i + 5].mean(axis=0) for i in (0, 51, 200, 295)])
    assert found["events"].shape == (4, 1, 4)
    np.testing.assert_allclose(found["events"][:, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(found["condition"], [3, 8, 8, 3])
    np.testing.assert_allclose(found["trial_start"], [100, 110.2, 140, 159])
    np.testing.assert_allclose(found["running_speed"][:, 0], [2, 53, 202, 297])
    np.testing.assert_array_equal(found["neuron"], [1, 3, 5, 7])
    assert found.attrs["paradigm"] == "stimulus" and found.attrs["bin_width_s"] == 1.0
    assert "event_minimum" not in found.attrs and "condition_names" not in found.attrs


def test_frames_that_the_window_cuts_count_by_their_parts(continuous):
    events = continuous["events"].values[0].astype(float)
    found = stimulus_responses(continuous, [100.15, 100.15], [0, 0], 0.3)["events"].values[0, 0]
    np.testing.assert_allclose(found, (events[0] / 4 + events[1] + events[2] / 4) / 1.5, rtol=1e-5)
    # A window shorter than a frame, within it.
    found = stimulus_responses(continuous, [100.25, 100.25], [0, 0], 0.1)["events"].values[1, 0]
    np.testing.assert_allclose(found, events[1], rtol=1e-6)


def test_frames_stand_from_their_sample_time(continuous):
    shifted = continuous.assign(sample_offset=continuous["sample_offset"] + np.float32(0.1))
    events = continuous["events"].values[0].astype(float)
    found = stimulus_responses(shifted, [110.1, 110.1], [0, 0], 0.2)["events"].values[0, 0]
    np.testing.assert_allclose(found, events[50], rtol=1e-4)


def test_onsets_may_come_in_any_order_and_overlap(continuous):
    starts, conditions = [130.0, 101.0, 131.0, 102.0], [1, 2, 2, 1]
    found = stimulus_responses(continuous, starts, conditions, 4.0)
    np.testing.assert_array_equal(found["trial_start"], sorted(starts))
    np.testing.assert_array_equal(found["condition"], [2, 1, 1, 2])
    events = continuous["events"].values[0].astype(float)
    np.testing.assert_allclose(found["events"][1, 0], events[10:30].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("conditions", [["b", "a", "b", "a"], [22.5, 0.0, 22.5, 0.0]])
def test_conditions_that_are_no_integers_are_numbered(continuous, conditions):
    found = stimulus_responses(continuous, [101, 102, 103, 104], conditions, 1.0)
    np.testing.assert_array_equal(found["condition"], [1, 0, 1, 0])
    assert json.loads(found.attrs["condition_names"]) == [str(c) for c in sorted(set(conditions))]


def test_whole_numbers_stay_what_they_are(continuous):
    found = stimulus_responses(continuous, [101, 102, 103, 104], [270.0, 90.0, 90.0, 270.0], 1.0)
    np.testing.assert_array_equal(found["condition"], [270, 90, 90, 270])


@pytest.mark.parametrize(
    ("starts", "conditions", "window", "message"),
    [
        ([99.9, 110], [1, 1], 1.0, "starts_s: expected onsets from 100 to 159 s .* found 1 others, the first: 99.9"),
        ([110, 159.1], [1, 1], 1.0, "starts_s: expected onsets"),
        ([110, float("nan")], [1, 1], 1.0, "starts_s: expected a list of times"),
        (["soon", 110], [1, 1], 1.0, "starts_s: expected a list of times"),
        ([], [], 1.0, "starts_s: expected a list of times"),
        ([110, 120], [1], 1.0, "conditions: expected 2 of them"),
        ([110, 120], [1, 2], 1.0, "conditions: expected each at least twice, found 2 of 2 shown once"),
        ([110, 120, 130], ["a", "b", "a"], 1.0, "the first: b"),
        ([110, 120], [1, float("nan")], 1.0, "conditions: expected a condition for every onset, found 1 missing"),
        ([110, 120, 130], ["a", "a", float("nan")], 1.0, "a condition for every onset, found 1 missing"),
        ([110, 120], [1, 1], 0, "window_s: expected a positive number"),
        ([110, 120], [1, 1], float("inf"), "window_s"),
    ],
)
def test_what_is_wrong_is_told(continuous, starts, conditions, window, message):
    with pytest.raises(UserError, match=message):
        stimulus_responses(continuous, starts, conditions, window)


def test_a_window_without_samples_is_told(continuous):
    holes = continuous.copy(deep=True)
    holes["events"][0, 50:60, 2] = np.nan
    with pytest.raises(UserError, match="found none of neuron 5 at 110 s"):
        stimulus_responses(holes, [110, 120], [1, 1], 1.0)
    found = stimulus_responses(holes, [110, 120], [1, 1], 2.4)["events"].values
    np.testing.assert_allclose(found[0, 0, 2], holes["events"].values[0, 60:62, 2].mean(), rtol=1e-6)

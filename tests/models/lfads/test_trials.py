"""From recording to trials: frames, counts, splits, batches, and refusals."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.parameters import TrialOptions
from calcium_latents.models.lfads.trials import (
    TRAINING,
    VALIDATION,
    EpochBatches,
    cast_to_counts,
    prepare_trials,
    split_trials,
)


def make_recording(trials=10, bins=9, neurons=4, starts=None, **attributes):
    rng = np.random.default_rng(0)
    events = np.where(rng.random((trials, bins, neurons)) < 0.4, rng.random((trials, bins, neurons)) + 0.1, 0.0)
    phase = (np.arange(neurons)[None] + np.arange(trials)[:, None]) % 3
    events[(np.arange(bins)[None, :, None] - phase[:, None]) % 3 != 0] = np.nan
    starts = np.arange(trials) * bins * 0.01 if starts is None else starts
    return xr.Dataset(
        {"events": (("trial", "time", "neuron"), events), "trial_start": ("trial", starts)},
        {"time": np.arange(bins) * 0.01},
        {"bin_width_s": 0.01, "imaging_rate_hz": 100 / 3, "event_minimum": 0.1, **attributes},
    )


@given(st.floats(0.0, 50.0))
def test_casting_is_the_papers(size):
    expected = 0 if size == 0 else 1 if size <= 2 else np.floor(size)
    assert cast_to_counts(np.array([size]))[0] == np.float32(expected)
    assert np.isnan(cast_to_counts(np.array([np.nan])))[0]


def test_split_is_that_of_the_seed_and_of_the_right_size():
    first, again, other = (split_trials(100, 0.2, seed, None, 1.0, "") for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first == VALIDATION).sum() == 20


def test_no_training_window_shares_samples_with_a_validation_window():
    starts = np.arange(60) * 0.5
    split = split_trials(60, 0.2, 3, starts, 1.0, "")
    train, held = starts[split == TRAINING], starts[split == VALIDATION]
    assert len(held) >= 5
    assert len(train) > 20
    assert np.abs(train[:, None] - held).min() >= 1.0


def test_trials_of_their_own_lengths_are_no_overlapping_windows():
    # back to back, 9 and 5 bins long by turns: only the longest would reach into the next
    recording = make_recording(trials=20, starts=np.cumsum([0, *([0.09, 0.05] * 10)])[:20])
    recording["events"].values[1::2, 5:] = np.nan
    split = prepare_trials(recording, TrialOptions()).split
    assert (split == VALIDATION).sum() == 4 and (split == TRAINING).sum() == 16


def test_epochs_cover_trials_in_new_orders():
    recording = make_recording(trials=25)
    trials = prepare_trials(recording, TrialOptions())
    batches = EpochBatches(trials.indices(TRAINING), 5, 0)
    epochs = [list(batches) for _ in range(2)]
    assert [len(epoch) for epoch in epochs] == [4, 4]
    assert sorted(sum(epochs[0], [])) == sorted(sum(epochs[1], [])) == trials.indices(TRAINING).tolist()
    assert epochs[0] != epochs[1]
    assert list(EpochBatches(trials.indices(TRAINING), 5, 0)) == epochs[0]
    resumed = EpochBatches(trials.indices(TRAINING), 5, 0)
    resumed.step = 6
    assert list(resumed) == epochs[1][2:]
    assert len(EpochBatches(trials.indices(TRAINING), 480, 0)) == 1


def test_events_below_the_minimum_are_refused_with_file_and_neuron():
    with pytest.raises(UserError, match=r"my\.nc.*'events', neuron \d.*event minimum 0\.5"):
        prepare_trials(make_recording(event_minimum=0.5), TrialOptions(), "my.nc")
    named = make_recording(event_minimum=0.5, source="mine.nwb").assign_coords(neuron=[40, 41, 42, 43])
    with pytest.raises(UserError, match=r"mine\.nwb \(my\.nc\): field 'events', neuron 4[0-3]:"):
        prepare_trials(named, TrialOptions(), "my.nc")


@pytest.mark.parametrize("options", [{"time_base": "minutes"}, {"validation_fraction": 0.0}])
def test_bad_options_are_refused(options):
    with pytest.raises(UserError, match=r"data\."):
        TrialOptions(**options)


def test_silent_and_single_trials_are_refused():
    recording = make_recording()
    with pytest.raises(UserError, match="found none"):
        prepare_trials(recording.assign(events=recording["events"] * 0), TrialOptions())
    with pytest.raises(UserError, match="at least 2 trials"):
        prepare_trials(make_recording(trials=1), TrialOptions())

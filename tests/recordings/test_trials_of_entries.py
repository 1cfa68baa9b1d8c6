"""Trials of a user's table: when they are, how long, what is known of them, and which are left out."""

import json

import numpy as np
import pandas as pd
import pytest
from continuous_recording import make_continuous

from calcium_latents.errors import UserError
from calcium_latents.recordings import (
    cut_windows,
    make_inferred,
    make_recording,
    read_recording,
    stitch_windows,
    write_recording,
)
from calcium_latents.recordings.readers import window_options
from calcium_latents.recordings.readers.traces import regular_frames
from calcium_latents.recordings.trial_table import trial_attribute, trial_table
from calcium_latents.seeds import generator


def table_of(**columns):
    return pd.DataFrame({"start_s": [1.0, 2.0, 4.0]} | columns)


@pytest.mark.parametrize("width", [None, 0.01])
def test_an_event_after_each_onset_stays_where_it_is_for_ten_minutes(width):
    random = generator(1, "tests", "onsets")
    stamps = np.arange(18000) / 30 + 0.001 * random.standard_normal(18000)
    onsets = np.arange(5.0, 590.0, 5.0)
    events = np.zeros((18000, 2))
    events[np.rint((onsets + 0.5) * 30).astype(int)] = 1
    values, times, rate = regular_frames(events, stamps, "x")
    assert rate == pytest.approx(30, abs=1e-4)
    recording = make_recording(
        events=values[None], time=times, bin_width_s=1 / rate, imaging_rate_hz=rate, source="x", trial_start=np.zeros(1)
    )
    cut = cut_windows(recording, width, 1.0, 0.0, trials=onsets, before_s=0.2, after_s=0.8)
    trial, bins, neuron = np.nonzero(np.nan_to_num(cut.events.values))
    assert np.array_equal(np.unique(trial), np.arange(117)) and trial.size == 2 * 117
    found = cut.time.values[bins]
    # a stamp 1 ms early may stand in the bin before
    assert np.abs(found - 0.5).max() < (1e-5 if width is None else 0.0101)


@pytest.mark.parametrize("width", [None, 0.01])
def test_trials_keep_their_own_lengths(width):
    recording = make_continuous(n_frames=300, rate=30.0, offsets=False)
    table = table_of(stop_s=[1.5, 3.0, 6.0])
    cut = cut_windows(recording, width, 1.0, 0.2, trials=table)
    assert cut.sizes["time"] * cut.attrs["bin_width_s"] == pytest.approx(2.0)
    sampled = np.isfinite(cut.events.values)
    np.testing.assert_array_equal(sampled.sum(axis=1), [[15] * 6, [30] * 6, [60] * 6])
    for trial, (begin, count) in enumerate([(30, 15), (60, 30), (120, 60)]):
        values = cut.events.values[trial][sampled[trial]].reshape(count, 6)
        np.testing.assert_array_equal(values, recording.events.values[0, begin : begin + count])
    longer = cut_windows(recording, width, 1.0, 0.2, trials=table, before_s=0.5)
    assert longer.time.values[0] == pytest.approx(-0.5)
    np.testing.assert_array_equal(np.isfinite(longer.events.values).sum(axis=1)[:, 0], [30, 45, 75])
    alike = cut_windows(recording, width, 1.0, 0.2, trials=table, before_s=0.5, after_s=0.5)
    np.testing.assert_array_equal(np.isfinite(alike.events.values).sum(axis=1)[:, 0], [30, 30, 30])


def test_what_the_table_says_comes_along(tmp_path, provenance):
    recording = make_continuous(n_frames=300, rate=30.0)
    table = table_of(condition=["b", "a", "b"], contrast=[0.5, np.nan, 1.0], note=["x", None, "z"])
    cut = cut_windows(recording, 0.01, 1.0, 0.2, trials=table[::-1])
    assert cut["condition"].values.tolist() == [1, 0, 1]
    assert json.loads(cut.attrs["condition_names"]) == ["a", "b"]
    write_recording(cut, tmp_path / "r.nc", provenance)
    pd.testing.assert_frame_equal(trial_table(read_recording(tmp_path / "r.nc")), table)
    whole = cut_windows(recording.assign_attrs(trials=trial_attribute(table)), 0.01, 1.0, 0.2)
    pd.testing.assert_frame_equal(trial_table(whole), table)
    assert "condition" not in whole and trial_table(recording) is None
    numbered = cut_windows(recording, 0.01, 1.0, 0.2, trials=table_of(condition=[7, 3, 7]))
    assert numbered["condition"].values.tolist() == [7, 3, 7] and "condition_names" not in numbered.attrs


def test_the_table_in_the_file():
    table = pd.DataFrame({"start_time": [1.0, 3.0], "stop_time": [1.5, 4.0], "id": [4, 5]})
    recording = make_continuous(n_frames=300, rate=30.0).assign_attrs(trials=trial_attribute(table))
    cut = cut_windows(recording, 0.01, 1.0, 0.2, trials="file")
    assert cut.trial_start.values.tolist() == [1.0, 3.0] and cut.sizes["time"] == 100
    assert trial_table(cut).to_dict("list") == {"start_s": [1.0, 3.0], "stop_s": [1.5, 4.0], "id": [4, 5]}


def test_columns_of_an_export(tmp_path):
    (tmp_path / "t.csv").write_text("id,start_time,stop_time,side\n1,4,5,l\n0,1.5,2,r\n")
    options = window_options({"trials": "t.csv"}, tmp_path)
    table = options["trials"]
    assert table["start_s"].tolist() == [1.5, 4] and table["stop_s"].tolist() == [2, 5]
    assert table["side"].tolist() == ["r", "l"]


BAD = {
    "twice": ("start_s\n1\n2\n1\n", "start_s: expected each onset once, found 1 repeated, the first: 1 s"),
    "ends first": (
        "start_s,stop_s\n1,0.5\n",
        "stop_s: expected ends after the onsets, found 0.5 s for the trial from 1 s",
    ),
    "no end": ("start_s,stop_s\n1,2\n3,\n", "stop_s: expected a time in s in every row, found missing ones"),
    "text": ("start_s\na\n", "start_s: expected a column of times in s"),
    "empty": ("start_s\n", "start_s: expected"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(name, tmp_path):
    text, message = BAD[name]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError) as error:
        window_options({"trials": "t.csv"}, tmp_path)
    assert f"t.csv: {message}" in str(error.value)


def test_ends_past_the_recording_and_missing_conditions():
    recording = make_continuous(n_frames=300, rate=30.0)
    with pytest.raises(UserError, match=r"trials within the recording .* 1 others, the first from 4 to 11 s"):
        cut_windows(recording, 0.01, 1.0, 0.2, trials=table_of(stop_s=[2, 3, 11.0]))
    with pytest.raises(UserError, match="a condition for every onset, found 1 missing"):
        cut_windows(recording, 0.01, 1.0, 0.2, trials=table_of(condition=["a", None, "b"]))


def test_overlaps_are_told(capsys):
    recording = make_continuous(n_frames=300, rate=30.0)
    cut_windows(recording, 0.01, 1.0, 0.2, trials=table_of(stop_s=[2.0, 3.0, 5.0]))
    assert capsys.readouterr().err == ""
    cut_windows(recording, 0.01, 1.0, 0.2, trials=table_of(stop_s=[4.5, 3.0, 5.0]))
    assert "2 of 3 trials begin before an earlier one ends" in capsys.readouterr().err


def with_gap(first, last):
    recording = make_continuous(n_frames=600, rate=30.0)
    for name in ("events", "fluorescence"):
        recording[name].values[0, first:last] = np.nan
    return recording


@pytest.mark.parametrize("width", [None, 0.01])
def test_windows_in_a_gap_are_left_out_and_stitched_as_missing(width, capsys):
    recording = with_gap(150, 450)  # 5 to 15 s
    cut = cut_windows(recording, width, 1.0, 0.2)
    # windows begin every 0.8 s: those from 5.6 to 13.6 s hold nothing but gap
    assert cut.attrs["left_out"] == 11
    assert "continuous: 11 of 25 windows have no sample" in capsys.readouterr().err
    assert np.isfinite(cut.events.values).any(axis=(1, 2)).all()
    inferred = make_inferred(
        event_rate=np.nan_to_num(cut.events.values), time=cut.time.values, model="m", recording=cut
    )
    stitched = stitch_windows(inferred, 0.2)
    known = np.isfinite(stitched.event_rate.values[0, :, 0])
    time = stitched.time.values
    assert known[(time < 5) | (time > 15)].all()
    assert not known[(time > 5.81) & (time < 14.39)].any()


def test_trials_in_a_gap_are_left_out():
    table = pd.DataFrame({"start_s": [1.0, 6.0, 16.0], "condition": ["a", "b", "c"]})
    cut = cut_windows(with_gap(150, 450), 0.01, 1.0, 0.0, trials=table)
    assert cut.trial_start.values.tolist() == [1.0, 16.0] and cut.attrs["left_out"] == 1
    assert trial_table(cut)["condition"].tolist() == ["a", "c"]
    assert json.loads(cut.attrs["condition_names"]) == ["a", "c"]
    with pytest.raises(UserError, match="samples in one trial or more, found none in any"):
        cut_windows(with_gap(150, 450), 0.01, 1.0, 0.0, trials=[6.0, 8.0])


def test_frames_that_jitter_by_more_than_a_bin_are_not_lost():
    random = generator(1, "tests", "bins")
    times = np.arange(300) / 30 + random.uniform(-0.4, 0.4, 300) / 30
    values = np.arange(1.0, 601).reshape(1, 300, 2)
    recording = make_recording(
        events=values, time=times, bin_width_s=1 / 30, imaging_rate_hz=30.0, source="x", trial_start=np.zeros(1)
    )
    assert np.diff(times).min() < 0.01
    cut = cut_windows(recording, 0.01, 1.0, 0.0)
    assert set(np.unique(cut.events.values[np.isfinite(cut.events.values)])) == set(values.ravel())


def test_trials_that_are_not_cut_go_along_with_windows():
    recording, table = make_continuous(), table_of(condition=["a", "b", "a"])
    windows = cut_windows(recording, None, 1.0, 0.2, trials=table, cut_trials=False)
    assert windows.identical(cut_windows(recording, None, 1.0, 0.2).assign_attrs(windows.attrs))
    assert windows.attrs["cut"] == "windows"
    pd.testing.assert_frame_equal(trial_table(windows), table)

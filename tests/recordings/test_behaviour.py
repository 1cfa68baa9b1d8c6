"""Behaviour on imaging frames, on bins, and from a table beside the recording."""

import numpy as np
import pandas as pd
import pytest
from continuous_recording import make_continuous

from calcium_latents.errors import UserError
from calcium_latents.recordings import cut_windows, read_recording, write_recording
from calcium_latents.recordings.behaviour import behaviour_names, behaviour_variables, on_frames, put_earlier
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.behaviour_table import read_behaviour
from calcium_latents.recordings.readers.traces import Behaviour
from calcium_latents.recordings.resampling import resample

FRAMES = 10 + np.arange(60) / 30


def test_faster_signals_are_averaged_within_frames():
    times = 9 + np.arange(900) / 300 + 1e-4
    values = np.where(times < FRAMES[20], 1.0, 3.0) + np.tile([0.5, -0.5], 450)
    np.testing.assert_allclose(on_frames(times, values, FRAMES, 1 / 30), np.where(np.arange(60) < 20, 1.0, 3.0))


def test_signals_on_the_frames_own_clock_stay_as_they_are():
    times = FRAMES + 0.3 / 30 * np.sin(np.arange(60))
    values = np.arange(60.0)
    np.testing.assert_array_equal(on_frames(times, values, times, 1 / 30), values)
    values[7] = np.nan
    np.testing.assert_array_equal(on_frames(times, values, times, 1 / 30), values)


def test_slower_signals_are_interpolated_and_unknown_outside_and_in_pauses():
    times = 10.5 + np.arange(5) * 0.25
    found = on_frames(times, 2 * times, FRAMES, 1 / 30)
    middles = FRAMES + 0.5 / 30
    inside = (middles >= 10.5) & (middles <= 11.5)
    np.testing.assert_allclose(found[inside], 2 * middles[inside])
    assert np.isnan(found[~inside]).all() and inside.sum() == 30
    minutes = np.concatenate([np.arange(0, 60, 0.1), np.arange(120, 180, 0.1)])
    paused = on_frames(minutes, minutes, np.arange(0, 180, 1 / 30), 1 / 30)
    assert np.isnan(paused).mean() == pytest.approx(1 / 3, abs=0.01)


def test_variables_of_a_recording():
    signals = {
        "running_speed": Behaviour(FRAMES, np.arange(60.0), "cm/s"),
        "pupil diameter": Behaviour(FRAMES, np.ones(60), "mm"),
        "elsewhere": Behaviour(FRAMES + 100, np.ones(60)),
    }
    variables = behaviour_variables(signals, FRAMES, 1 / 30)
    assert list(variables) == ["running_speed", "behaviour_pupil_diameter"]
    dims, values, units, _ = variables["running_speed"]
    assert (dims, values.shape, units) == (("trial", "time"), (1, 60), "cm/s")


def with_speed(frames=300):
    recording = make_continuous(n_frames=frames, rate=30.0, start=5.0)
    times = np.arange(0, 20, 0.01)
    others = behaviour_variables(
        {"running_speed": Behaviour(times, 3 * times, "cm/s"), "licks": Behaviour(times, 0 * times + 4)},
        recording["time"].values,
        1 / 30,
    )
    return recording.assign(
        {
            name: (dims, values, {"units": units, "long_name": text})
            for name, (dims, values, units, text) in others.items()
        }
    )


def test_behaviour_is_cut_along():
    recording = with_speed()
    assert behaviour_names(recording) == ["behaviour_licks", "running_speed"]
    cut = cut_windows(recording, 0.01, 1.0, 0.2)
    centre = cut.trial_start.values[:, None] + cut.time.values + 0.005
    inner = (centre > 5.05) & (centre < 14.95)
    found = cut["running_speed"].values
    # the mean over a frame of 10 ms steps is that of its middle up to half a step
    np.testing.assert_allclose(found[inner], 3 * centre[inner], atol=0.025)
    assert np.isfinite(found).all() and (cut["behaviour_licks"].values == 4).all()
    assert cut["running_speed"].attrs["units"] == "cm/s"
    frames = cut_windows(recording, None, 1.0, 0.0)
    np.testing.assert_array_equal(frames["running_speed"].values.ravel(), recording["running_speed"].values.ravel())


def test_behaviour_is_resampled_along_and_stays_unknown_where_it_is():
    recording = with_speed()
    recording["behaviour_licks"].values[0, 100:200] = np.nan
    found = resample(recording, 3.0)
    expected = recording["running_speed"].values.reshape(1, 30, 10).mean(axis=2)
    np.testing.assert_allclose(found["running_speed"], expected, rtol=1e-5)
    licks = found["behaviour_licks"].values[0]
    assert np.flatnonzero(np.isnan(licks)).tolist() == list(range(10, 20))


def test_long_gaps_are_not_resampled():
    recording = make_continuous(n_frames=300, rate=30.0, start=5.0)
    for name in ("events", "fluorescence"):
        recording[name].values[0, 100:150] = np.nan
    resample(recording, 5.0)
    for name in ("events", "fluorescence"):
        recording[name].values[0, 100:200] = np.nan
    with pytest.raises(
        UserError, match="continuous: events: .* at most 2 s, found 3.33333 s without from 8.33333 s on"
    ):
        resample(recording, 5.0)


def test_a_table_beside_the_recording(tmp_path, provenance):
    times = np.arange(0, 12, 0.05)
    table = {"time_s": times, "running_speed_mm_s": 10 * times, "pupil_diameter_mm": times + 1, "lick": 0 * times}
    pd.DataFrame(table).to_csv(tmp_path / "b.csv", index=False)
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(300, 3)))
    entry = {"file": "a.npy", "sampling_rate_hz": 30, "is_dff": True, "orientation": "frames x neurons"}
    recording = read_user_file(entry | {"behaviour": "b.csv"}, tmp_path)
    middles = recording["time"].values + 0.5 / 30
    np.testing.assert_allclose(recording["running_speed"].values[0], middles, rtol=1e-5)
    np.testing.assert_allclose(recording["behaviour_pupil_diameter"].values[0], middles + 1, rtol=1e-5)
    assert recording["running_speed"].attrs["units"] == "cm/s"
    assert recording["behaviour_pupil_diameter"].attrs["units"] == "mm"
    write_recording(recording, tmp_path / "r.nc", provenance)
    assert behaviour_names(read_recording(tmp_path / "r.nc")) == behaviour_names(recording)


BAD = {
    "no time": ("time,x\n1,2\n2,3\n", "expected the columns ['time_s'], found ['time', 'x']"),
    "backwards": ("time_s,x\n2,2\n1,3\n", "time_s: expected two or more finite, increasing times"),
    "text": ("time_s,x\n1,a\n2,b\n", "x: expected a column of numbers"),
    "alone": ("time_s\n1\n2\n", "columns: expected a signal beside time_s"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(name, tmp_path):
    text, message = BAD[name]
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(UserError) as error:
        read_behaviour(tmp_path / "b.csv")
    assert "b.csv: " in str(error.value) and message in str(error.value)


def test_behaviour_of_another_time_is_refused(tmp_path):
    (tmp_path / "b.csv").write_text("time_s,x\n100,1\n101,2\n")
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(300, 3)))
    entry = {"file": "a.npy", "sampling_rate_hz": 30, "is_dff": True, "orientation": "frames x neurons"}
    with pytest.raises(UserError, match=r"b.csv: time_s: expected times within the recording \(0 to 9.96667 s\)"):
        read_user_file(entry | {"behaviour": "b.csv"}, tmp_path)


def test_events_are_put_earlier_and_behaviour_stays_where_it_was():
    recording = make_continuous()
    time = recording["time"].values
    recording["running_speed"] = (("trial", "time"), (2 * time)[None].astype(np.float32), {"units": "cm/s"})
    moved = put_earlier(recording, 0.05)
    np.testing.assert_allclose(moved["time"], time - 0.05)
    np.testing.assert_array_equal(moved["events"], recording["events"])
    np.testing.assert_allclose(moved["running_speed"][0], 2 * np.maximum(time - 0.05, 0), atol=1e-5)
    assert put_earlier(moved, 0.01).attrs["event_delay_s"] == pytest.approx(0.06)
    # a trial at the session's very end is still within it
    end = time[-1] + 1 / 30
    trials = cut_windows(moved, None, 1.0, 0.2, trials=[end - 1.0], after_s=1.0)
    assert trials.sizes["time"] == 30 and np.isfinite(trials["events"][0, :28]).all()

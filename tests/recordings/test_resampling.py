import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.deconvolution.interface import deconvolve
from calcium_latents.errors import UserError
from calcium_latents.recordings import make_recording, read_recording, write_recording
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.resampling import resample
from calcium_latents.seeds import generator
from calcium_latents.studies.cross_encoder.commands import resample as command

ALLEN = "population/allen_brain_observatory_552195520_30hz.mat"
ZEBRAFISH = "population/zebrafish_dp_ogb1_7.5hz.mat"
# As in config/scale/paper/cross_encoder.yaml.
OPTIONS = {"s_min": -1.0, "decay_time_limits_s": [0.3, 0.8], "normalise": True, "event_minimum": 0.1}


def continuous(events, rate, offset=None, start=0.0, **options):
    """Return a continuous recording of `events` [time, neuron] at `rate`."""
    events = np.asarray(events, float)
    return make_recording(
        events=events[None],
        time=start + np.arange(len(events)) / rate,
        bin_width_s=1 / rate,
        imaging_rate_hz=rate,
        trial_start=np.zeros(1),
        sample_offset=offset,
        source="continuous",
        **options,
    )


def sparse_events(frames, neurons):
    random = generator(1, "tests", "events")
    return random.gamma(1.0, 1.0, (frames, neurons)) * (random.random((frames, neurons)) < 0.1)


def test_whole_frames_are_averaged():
    events = sparse_events(600, 5)
    found = resample(continuous(events, 30, start=3.0), 5)
    np.testing.assert_allclose(found["events"][0], events.reshape(100, 6, 5).mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found["time"], 3 + np.arange(100) / 5)
    assert (found.attrs["bin_width_s"], found.attrs["imaging_rate_hz"]) == (0.2, 5)
    assert (found.attrs["paradigm"], found.attrs["resampled_from_hz"]) == ("spontaneous", 30)


def test_the_same_rate_changes_nothing():
    events = sparse_events(300, 4)
    np.testing.assert_array_equal(resample(continuous(events, 5, start=0.1), 5)["events"][0], np.float32(events))


def test_frames_that_bins_cut_count_by_their_parts():
    found = resample(continuous([[3], [6], [12]], 7.5), 5)["events"].values[0, :, 0]
    # Bins of a frame and a half.
    np.testing.assert_allclose(found, [(3 + 6 / 2) / 1.5, (6 / 2 + 12) / 1.5], rtol=1e-6)


@settings(max_examples=80, deadline=None)
@given(imaging=st.floats(0.5, 60), rate=st.floats(0.5, 20), start=st.floats(0, 1e4), frames=st.integers(2, 80))
def test_total_is_kept_zeros_stay_and_constants_stay(imaging, rate, start, frames):
    events = sparse_events(frames, 3)
    events[:, 1] = 7
    events[1:, 2] = 0
    recording = continuous(events, imaging, start=start)
    duration = frames / imaging
    if duration * rate < 1:
        with pytest.raises(UserError, match="rate_hz"):
            resample(recording, rate)
        return
    found = resample(recording, rate)["events"].values[0].astype(float)
    assert len(found) == int(duration * rate + 1e-6)
    np.testing.assert_allclose(found[:, 1], 7, rtol=1e-6)
    assert found.min() >= 0 and found.max() <= max(7, events.max()) * (1 + 1e-6)
    # The first frame's activity is in the bins that it reaches, and zero is exactly zero elsewhere.
    reach = 1.5 / imaging + 0.5 / rate if rate > imaging * (1 + 1e-6) else 1 / imaging + 0.5 / rate
    assert not found[(np.arange(len(found)) + 0.5) / rate > reach + 1e-3, 2].any()
    if rate <= imaging:
        # All activity is in the bins, except of the end that no bin is filled by.
        last = frames - int(np.ceil((duration - len(found) / rate) * imaging + 1e-9))
        total = found[:, 0].sum() / rate
        assert events[:last, 0].sum() / imaging - 1e-4 <= total <= events[:, 0].sum() / imaging + 1e-4


def test_faster_rates_interpolate_linearly_between_the_centres_of_frames():
    rate = 4.2
    ramp = 10 + np.arange(50)[:, None] / rate  # its value is the time of the frame's start + 10 s
    found = resample(continuous(ramp, rate), 5)
    centres = found["time"].values + 0.1
    inside = (centres > 0.5 / rate) & (centres < 49.5 / rate)
    assert inside.sum() >= 57
    expected = 10 + centres - 0.5 / rate
    np.testing.assert_allclose(found["events"].values[0, inside, 0], expected[inside], rtol=1e-5)
    assert found["events"].values[0, 0, 0] == 10  # before the first centre: the first frame


def test_averaging_removes_what_the_new_rate_cannot_show():
    wave = 1 + np.sin(2 * np.pi * 5 * (np.arange(600) / 30) + 0.3)[:, None]
    np.testing.assert_allclose(resample(continuous(wave, 30), 5)["events"], 1, atol=1e-6)


def test_neurons_scanned_at_other_times_are_aligned():
    rate, offset = 4.2, np.array([0.0, 0.05, 0.2])
    sampled_at = np.arange(60)[:, None] / rate + offset
    for new in (5, 3):
        found = resample(continuous(sampled_at, rate, offset), new)["events"].values[0, 4:-4]
        np.testing.assert_allclose(found - found[:, :1], 0, atol=1e-5 if new == 5 else 0.5 / rate)
    # One event at 0.17 s stands until 0.27 s: 30 ms of it in the first bin of 200 ms, 70 ms in the second.
    found = resample(continuous([[0], [1], [0], [0]], 10, np.array([0.07])), 5)["events"].values[0, :, 0]
    np.testing.assert_allclose(found, [0.03 / 0.13, 0.07 / 0.2], rtol=1e-5)


def test_missing_samples_have_no_weight_and_holes_are_interpolated():
    events = np.arange(30.0)[:, None] * np.ones(3)
    events[1, 0] = np.nan  # one sample of the first bin
    events[6:18, 1] = np.nan  # bins 1 and 2
    events[:6, 2] = np.nan  # the first bin
    found = resample(continuous(events, 30), 5)["events"].values[0]
    np.testing.assert_allclose(found[:, 0], [np.mean([0, 2, 3, 4, 5]), 8.5, 14.5, 20.5, 26.5], rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], [2.5, 8.5, 14.5, 20.5, 26.5], rtol=1e-6)
    np.testing.assert_allclose(found[:, 2], [8.5, 8.5, 14.5, 20.5, 26.5], rtol=1e-6)


def test_it_keeps_running_speed_and_what_is_known_of_neurons(provenance, tmp_path):
    events = sparse_events(60, 2) + 0.1
    speed = np.arange(60.0)
    recording = continuous(
        events,
        30,
        position=np.ones((2, 3)),
        neuron=[4, 9],
        others={
            "running_speed": (("trial", "time"), speed[None], "cm/s", "running speed"),
            "decay_time": (("neuron",), np.array([0.3, 0.5]), "s", "decay time"),
        },
        attributes={"event_minimum": 0.1, "deconvolution": "oasis"},
    )
    write_recording(resample(recording, 5), tmp_path / "a.nc", provenance)
    found = read_recording(tmp_path / "a.nc")
    np.testing.assert_allclose(found["running_speed"], speed.reshape(1, 10, 6).mean(axis=2))
    assert found["running_speed"].attrs["units"] == "cm/s"
    np.testing.assert_array_equal(found["neuron"], [4, 9])
    np.testing.assert_array_equal(found["decay_time"], [0.3, 0.5])
    assert found["position"].shape == (2, 3)
    # An average may be smaller than the smallest event.
    assert "event_minimum" not in found.attrs and found.attrs["deconvolution"] == "oasis"


@pytest.mark.parametrize("rate", [0, -5, float("nan"), "5", None, True])
def test_a_rate_is_a_positive_number(rate):
    with pytest.raises(UserError, match="rate_hz: expected a positive number"):
        resample(continuous(sparse_events(30, 1), 30), rate)


def test_only_continuous_recordings_with_events(recording):
    whole = continuous(sparse_events(30, 1), 30)
    with pytest.raises(UserError, match="rate_hz: expected at least 1"):
        resample(whole, 0.5)
    with pytest.raises(UserError, match="events: expected deconvolved activity"):
        resample(whole.rename(events="fluorescence"), 5)
    with pytest.raises(UserError, match="trial: expected one continuous trial, found 4"):
        resample(recording, 5)
    with pytest.raises(UserError, match="bin_width_s: expected imaging frames"):
        resample(recording.isel(trial=[0]), 5)


def test_the_command(provenance, tmp_path):
    write_recording(continuous(sparse_events(300, 3), 30), tmp_path / "events.nc", provenance)
    given = ["--recording", str(tmp_path / "events.nc"), "--rate-hz", "5", "--output", str(tmp_path / "new.nc")]
    command.main(given)
    assert dict(read_recording(tmp_path / "new.nc").sizes) == {"trial": 1, "time": 50, "neuron": 3}
    (tmp_path / "trials.csv").write_text("start_s,condition\n2.0,b\n0.0,a\n4.0,a\n8.0,b\n")
    stimuli = [*given, "--trials", str(tmp_path / "trials.csv"), "--window-s"]
    command.main([*stimuli, "2"])
    found = read_recording(tmp_path / "new.nc")
    assert found.attrs["paradigm"] == "stimulus" and found.sizes["trial"] == 4
    np.testing.assert_array_equal(found["condition"], [0, 1, 0, 1])
    with pytest.raises(UserError, match="window_s: expected a positive number"):
        command.main([*stimuli, "0"])
    with pytest.raises(UserError, match="--trials and --window-s come together"):
        command.main([*given, "--window-s", "1"])
    (tmp_path / "trials.csv").write_text("start_s,stimulus\n2.0,b\n")
    with pytest.raises(UserError, match=r"trials.csv: expected the columns \['condition'\], found \['start_s'"):
        command.main([*stimuli, "2"])
    with pytest.raises(UserError, match="nowhere.csv: expected a CSV"):
        command.main([*given, "--trials", str(tmp_path / "nowhere.csv"), "--window-s", "2"])


@pytest.mark.parametrize(
    ("file", "entry", "neurons"),
    [
        (ALLEN, {"key": "dF_traces", "sampling_rate_hz": 30}, slice(None, None, 3)),
        (
            ZEBRAFISH,
            {"sampling_rate_hz": 7.5, "orientation": "neurons x frames", "neurons": "usable"},
            slice(None, None, 20),
        ),
    ],
)
def test_real_recordings_keep_their_activity(real_data, file, entry, neurons):
    if not (real_data / file).exists():
        pytest.skip(f"no {real_data / file}")
    recording = read_user_file({"file": file, "is_dff": True, **entry}, real_data).isel(neuron=neurons)
    deconvolved = deconvolve(recording, "oasis", **OPTIONS)
    found = resample(deconvolved, 5)
    events, rate = deconvolved["events"].values[0].astype(float), entry["sampling_rate_hz"]
    assert found.sizes["time"] == int(len(events) / rate * 5)
    assert found.sizes["neuron"] == recording.sizes["neuron"]
    filled = int(found.sizes["time"] / 5 * rate)
    total = found["events"].values[0].sum(axis=0) / 5
    # The sums agree but for the frames at the end that fill no bin.
    assert (total >= events[:filled].sum(axis=0) / rate - 1e-3).all()
    assert (total <= events.sum(axis=0) / rate + 1e-3).all()
    assert 0.3 < float((found["events"] == 0).mean()) < 0.95

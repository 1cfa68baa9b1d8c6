"""Trials, behaviour and the session of an NWB file."""

import datetime
import json

import numpy as np
import pytest

pytest.importorskip("pynwb")
from nwb_files import RATE, NwbWriter, dots, raw_traces
from pynwb import TimeSeries
from pynwb.behavior import BehavioralTimeSeries, Position, PupilTracking, SpatialSeries

from calcium_latents.recordings.readers import read_user_file
from calcium_latents.recordings.readers.formats import nwb


def _read(writer, path):
    writer.series(raw_traces(), writer.table(dots(5)))
    return nwb.read(writer.write(path), {})


def test_trials(tmp_path):
    writer = NwbWriter()
    for name in ("condition", "contrast", "hit"):
        writer.file.add_trial_column(name=name, description=name)
    writer.file.add_trial_column(name="licks", description="times", index=True)
    rows = [
        (1.0, 2.5, "left", 0.5, True, [1.2, 1.3]),
        (4.0, 5.0, "right", 1.0, False, []),
        (7.5, 9.0, "left", 0.25, True, [8.0]),
    ]
    for start, stop, condition, contrast, hit, licks in rows:
        trial = {"condition": condition, "contrast": contrast, "hit": hit, "licks": licks, "tags": ["a", "b"]}
        writer.file.add_trial(start_time=start, stop_time=stop, **trial)
    table = _read(writer, tmp_path / "a.nwb").trials
    assert list(table) == ["start_s", "stop_s", "condition", "contrast", "hit"]
    assert table["start_s"].tolist() == [1.0, 4.0, 7.5] and table["stop_s"].tolist() == [2.5, 5.0, 9.0]
    assert table["condition"].tolist() == ["left", "right", "left"]
    assert table["contrast"].tolist() == [0.5, 1.0, 0.25] and table["hit"].tolist() == [True, False, True]


def test_a_file_without_trials_and_behaviour(tmp_path):
    traces = _read(NwbWriter(), tmp_path / "a.nwb")
    assert traces.trials is None and traces.behaviour == {}


def _ramp(count=50):
    return np.arange(count, dtype=float)


def test_behaviour_wherever_it_stands(tmp_path):
    writer = NwbWriter()
    module = writer.file.create_processing_module("behavior", "b")
    speed = TimeSeries(name="speed", data=_ramp(), unit="m/s", conversion=0.5, rate=10.0, starting_time=3.0)
    running = writer.file.create_processing_module("running", "r")
    running.add(speed)
    pupil = TimeSeries(name="pupil_diameter", data=_ramp(20), unit="mm", timestamps=np.arange(20) * 0.5, offset=2.0)
    module.add(PupilTracking(time_series=pupil))
    lick = TimeSeries(name="LickRate", data=_ramp(30)[:, None], unit="Hz", rate=5.0)
    module.add(BehavioralTimeSeries(time_series=lick))
    place = np.stack([_ramp(), 2 * _ramp()], axis=1)
    spatial = SpatialSeries(name="SpatialSeries", data=place, reference_frame="arena", rate=10.0, conversion=0.01)
    module.add(Position(spatial_series=spatial))
    writer.file.add_acquisition(TimeSeries(name="wheel_position", data=_ramp(), unit="deg", rate=10.0))
    writer.file.add_acquisition(TimeSeries(name="motion_energy", data=np.ones((9, 300)), unit="1", rate=10.0))
    writer.file.add_stimulus(TimeSeries(name="grating_speed", data=_ramp(), unit="deg/s", rate=10.0))
    writer.file.add_acquisition(TimeSeries(name="laser_power", data=_ramp(), unit="mW", rate=10.0))
    found = _read(writer, tmp_path / "a.nwb").behaviour
    names = {"running_speed", "pupil_diameter", "lick_rate", "position_x", "position_y", "wheel_position"}
    assert set(found) == names
    np.testing.assert_allclose(found["running_speed"].values, 50 * _ramp())  # 0.5 m/s is 50 cm/s
    np.testing.assert_allclose(found["running_speed"].times, 3 + _ramp() / 10)
    np.testing.assert_allclose(found["pupil_diameter"].values, _ramp(20) + 2)
    np.testing.assert_allclose(found["pupil_diameter"].times, np.arange(20) * 0.5)
    np.testing.assert_allclose(found["lick_rate"].values, _ramp(30))
    np.testing.assert_allclose(found["position_x"].values, 0.01 * _ramp())
    np.testing.assert_allclose(found["position_y"].values, 0.02 * _ramp())
    units = {name: signal.units for name, signal in found.items()}
    assert units["running_speed"] == "cm/s" and units["pupil_diameter"] == "mm" and units["position_x"] == "meters"


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        ("running_speed", "cm/s", 1),
        ("RunningSpeed", "m/s", 100),
        ("treadmill velocity", "meters/second", 100),
        ("wheel_speed", "mm/s", 0.1),
        ("run_speed", "cm per second", 1),
        ("speed_of_running", "m s^-1", 100),
        ("running_speed", "a.u.", None),
        ("running_speed", "rad/s", None),
    ],
)
def test_running_speed_in_cm_per_s(name, unit, factor, tmp_path):
    writer = NwbWriter()
    writer.file.add_acquisition(TimeSeries(name=name, data=_ramp(), unit=unit, rate=10.0))
    signal = _read(writer, tmp_path / "a.nwb").behaviour["running_speed"]
    np.testing.assert_allclose(signal.values, (factor or 1) * _ramp())
    assert signal.units == ("cm/s" if factor else unit)


def test_signals_of_one_name_are_told_apart(tmp_path):
    writer = NwbWriter()
    for name in ("left_eye", "right_eye"):
        module = writer.file.create_processing_module(name, "e")
        module.add(TimeSeries(name="area", data=_ramp(), unit="px", rate=10.0))
    assert set(_read(writer, tmp_path / "a.nwb").behaviour) == {"area", "right_eye_area"}


def test_the_session_and_its_subject(tmp_path):
    from pynwb.file import Subject

    birth = datetime.datetime(2021, 1, 2, tzinfo=datetime.UTC)
    subject = Subject(subject_id="m7", species="Mus musculus", sex="F", date_of_birth=birth)
    writer = NwbWriter(session_id="s-3", subject=subject)
    writer.series(raw_traces(), writer.table(dots(5)))
    writer.write(tmp_path / "a.nwb")
    attributes = read_user_file({"file": "a.nwb"}, tmp_path).attrs
    assert attributes["session_start_time"] == "2021-05-04T03:02:01+00:00"
    assert attributes["nwb_identifier"] == "id-7" and attributes["session_id"] == "s-3"
    expected = {
        "subject_id": "m7",
        "species": "Mus musculus",
        "sex": "F",
        "date_of_birth": "2021-01-02T00:00:00+00:00",
    }
    assert json.loads(attributes["subject"]) == expected


def test_time_stamps_and_the_rate_of_the_file(tmp_path):
    writer = NwbWriter()
    writer.series(raw_traces(), writer.table(dots(5)), starting_time=12.5)
    traces = nwb.read(writer.write(tmp_path / "a.nwb"), {})
    assert (traces.start_s, traces.sampling_rate_hz, traces.timestamps) == (12.5, RATE, None)
    times = np.arange(300) / RATE + 0.5
    writer = NwbWriter()
    writer.series(raw_traces(), writer.table(dots(5)), timestamps=times)
    traces = nwb.read(writer.write(tmp_path / "b.nwb"), {})
    np.testing.assert_array_equal(traces.timestamps, times)
    assert traces.sampling_rate_hz is None

"""Event rates as NWB, read back by pynwb."""

import datetime

import numpy as np
import pandas as pd
import pytest
from continuous_recording import make_continuous

from calcium_latents.errors import UserError
from calcium_latents.recordings import cut_windows, make_inferred
from calcium_latents.recordings.nwb_session import time_axis
from calcium_latents.recordings.trial_table import trial_attribute
from calcium_latents.recordings.writers import write_event_rates_nwb

pynwb = pytest.importorskip("pynwb")


@pytest.fixture
def inferred_and_recording():
    recording = cut_windows(make_continuous(start=3.0), None, 1.0, 0.2)
    factors = recording.events.values[:, :, :2] / 7
    inferred = make_inferred(
        event_rate=recording.events.values,
        factors=factors,
        time=recording.time.values,
        model="radical",
        recording=recording,
    )
    return inferred, recording


def test_round_trip(inferred_and_recording, tmp_path):
    inferred, recording = inferred_and_recording
    write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording)
    assert [path.name for path in tmp_path.iterdir()] == ["a.nwb"]
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r", load_namespaces=True) as io:
        file = io.read()
        module = file.processing["ophys"]
        rate, factors = module["event_rate"], module["factors"]
        expected = make_continuous(start=3.0).events.values[0]
        np.testing.assert_allclose(rate.data[:], expected, rtol=1e-6)
        np.testing.assert_allclose(factors.data[:], expected[:, :2] / 7, rtol=1e-6)
        assert (rate.unit, factors.unit) == ("1/s", "1")
        assert rate.rate == pytest.approx(30.0) and rate.starting_time == pytest.approx(3.0)
        table = module["neurons"].to_dataframe()
        assert table["number"].tolist() == recording.neuron.values.tolist()
        np.testing.assert_allclose(table[["x", "y"]].to_numpy(), recording.position.values)
        assert file.session_start_time == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        assert "session_start_time is a placeholder" in file.notes
        assert pynwb.validate(io=io) == []


def test_the_same_content_gives_the_same_bytes(tmp_path):
    inferred, recording = session(TRIALS, subject='{"subject_id": "m1"}')
    one, again, other = (tmp_path / name for name in ("one.nwb", "again.nwb", "other.nwb"))
    write_event_rates_nwb(one, inferred, recording, "verdict", "configuration")
    write_event_rates_nwb(again, inferred, recording, "verdict", "configuration")
    assert one.read_bytes() == again.read_bytes()
    write_event_rates_nwb(other, inferred.assign(event_rate=inferred["event_rate"] * 2), recording)
    ids = []
    for path in (one, other):
        with opened(path) as io:
            file = io.read()
            assert file.file_create_date[0] == file.session_start_time
            ids.append([child.object_id for child in file.all_children()])
    assert len(ids[0]) == len(ids[1]) > 20 and len({*ids[0], *ids[1]}) == 2 * len(ids[0])


def test_session_start_comes_from_the_source(inferred_and_recording, tmp_path):
    inferred, recording = inferred_and_recording
    recording.attrs["session_start_time"] = "2021-05-04T03:02:01+00:00"
    write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording)
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r", load_namespaces=True) as io:
        file = io.read()
        assert file.session_start_time == datetime.datetime(2021, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)
        assert "session_start_time is a placeholder" not in file.notes


def test_other_neurons(inferred_and_recording, tmp_path):
    inferred, recording = inferred_and_recording
    with pytest.raises(UserError, match="neuron: expected the 6 neurons inferred"):
        write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording.isel(neuron=slice(3)))
    assert not list(tmp_path.iterdir())


def session(trials=None, **attributes):
    """Return a continuous recording with running speed and pupil, and what was inferred from it, with spread."""
    recording = make_continuous(start=3.0)
    frames = recording.sizes["time"]
    for name, unit in (("running_speed", "cm/s"), ("behaviour_pupil", "pixel")):
        recording[name] = (("trial", "time"), np.arange(frames, dtype=np.float32)[None])
        recording[name].attrs = {"units": unit, "long_name": name}
    if trials is not None:
        attributes["trials"] = trial_attribute(pd.DataFrame(trials))
    recording.attrs |= attributes
    rate = recording.events.values
    inferred = make_inferred(
        event_rate=rate,
        event_rate_sd=rate / 2,
        factors=rate[:, :, :2],
        factors_sd=rate[:, :, :2] / 3,
        inferred_inputs=rate[:, :, :1],
        inferred_inputs_sd=rate[:, :, :1] / 4,
        time=recording.time.values,
        model="radical",
        recording=recording,
    )
    return inferred, recording


TRIALS = {"start_s": [3.2, 3.8, 4.5], "condition": ["left", None, "right"], "reward": [1.0, None, 0.5], "id": [7, 8, 9]}


def opened(path):
    """Return an open reader of a file."""
    return pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True)


def test_spread_trials_behaviour_and_notes(tmp_path):
    inferred, recording = session(TRIALS, nwb_identifier="abc")
    said = {"verdict": "RADICaL beats no baseline.", "configuration": "model: {_target_: radical}"}
    write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording, **said)
    with opened(tmp_path / "a.nwb") as io:
        file = io.read()
        assert pynwb.validate(io=io) == []
        module = file.processing["ophys"]
        for name, part in (("event_rate", 2), ("factors", 3), ("inferred_inputs", 4)):
            np.testing.assert_allclose(module[f"{name}_sd"].data[:], module[name].data[:] / part, rtol=1e-6)
        speed, pupil = (file.processing["behavior"][name] for name in ("running_speed", "behaviour_pupil"))
        assert (speed.unit, pupil.unit) == ("cm/s", "pixel") and speed.rate == pytest.approx(30.0)
        assert speed.starting_time == pytest.approx(3.0) and speed.data[5] == 5
        trials = file.trials.to_dataframe()
        assert trials["start_time"].tolist() == [3.2, 3.8, 4.5]
        end = 3.0 + recording.sizes["time"] / 30
        assert trials["stop_time"].tolist() == pytest.approx([3.8, 4.5, end])
        assert trials["condition"].tolist() == ["left", "", "right"] and trials["source_id"].tolist() == [7, 8, 9]
        assert np.isnan(trials["reward"].iloc[1])
        for text in (
            "NWB identifier abc",
            "Verdict on held-out samples: RADICaL beats no baseline.",
            "_target_: radical",
        ):
            assert text in file.notes
        assert file.subject.subject_id == "unknown" and "subject is a placeholder" in file.notes


def test_ends_of_trials_and_the_animal_come_from_the_source(tmp_path):
    animal = (
        '{"subject_id": "mouse 4", "species": "Mus musculus", "sex": "F", "age": "P90D", "date_of_birth": "2026-01-02"}'
    )
    inferred, recording = session({"start_s": [3.2, 4.0], "stop_s": [3.5, 4.4]}, subject=animal)
    write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording)
    with opened(tmp_path / "a.nwb") as io:
        file = io.read()
        assert file.trials["stop_time"][:].tolist() == [3.5, 4.4]
        assert (file.subject.subject_id, file.subject.sex, file.subject.age) == ("mouse 4", "F", "P90D")
        assert file.subject.date_of_birth.date() == datetime.date(2026, 1, 2)
        assert "subject is a placeholder" not in file.notes


def test_frames_off_a_regular_clock_keep_their_times():
    times = np.arange(10) / 30.0
    assert time_axis(times) == {"rate": pytest.approx(30.0), "starting_time": 0.0}
    times[5] += 0.01
    assert time_axis(times)["timestamps"].tolist() == times.tolist()


def test_the_same_bytes_but_for_object_ids(tmp_path):
    h5py = pytest.importorskip("h5py")
    inferred, recording = session(TRIALS)
    contents = []
    for name in "ab":
        write_event_rates_nwb(tmp_path / f"{name}.nwb", inferred, recording)
        found = {}
        with h5py.File(tmp_path / f"{name}.nwb") as file:

            def keep(path, item, found=found):
                attributes = {key: str(value) for key, value in item.attrs.items() if key != "object_id"}
                found[path] = (attributes, np.asarray(item).tolist() if isinstance(item, h5py.Dataset) else None)

            file.visititems(lambda path, item: None if path.startswith("specifications") else keep(path, item))
        contents.append(found)
    assert str(contents[0]) == str(contents[1]) and len(contents[0]) > 30


def test_pynapple_opens_it(tmp_path):
    pynapple = pytest.importorskip("pynapple")
    inferred, recording = session(TRIALS)
    write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording)
    file = pynapple.load_file(str(tmp_path / "a.nwb"))
    np.testing.assert_allclose(file["event_rate"].values, inferred.event_rate.values[0], rtol=1e-6)
    assert file["event_rate"].times()[0] == pytest.approx(3.0)
    assert len(file["trials"]) == 3 and file["running_speed"].shape == (recording.sizes["time"],)


def test_nwbinspector_has_suggestions_at_most(tmp_path):
    inspector = pytest.importorskip("nwbinspector")
    inferred, recording = session(TRIALS)
    write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording)
    messages = list(inspector.inspect_nwbfile(nwbfile_path=str(tmp_path / "a.nwb")))
    assert [m for m in messages if m.importance.name != "BEST_PRACTICE_SUGGESTION"] == []

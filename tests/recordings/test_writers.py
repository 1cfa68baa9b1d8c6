"""Event rates as NWB, read back by pynwb."""

import datetime

import numpy as np
import pytest
from continuous_recording import make_continuous

from calcium_latents.errors import UserError
from calcium_latents.recordings import cut_windows, make_inferred
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
        identifier = file.identifier
    write_event_rates_nwb(tmp_path / "b.nwb", inferred, recording)
    with pynwb.NWBHDF5IO(str(tmp_path / "b.nwb"), "r", load_namespaces=True) as io:
        again = io.read()
        assert again.identifier == identifier and again.file_create_date[0] == again.session_start_time


def test_session_start_comes_from_the_source(inferred_and_recording, tmp_path):
    inferred, recording = inferred_and_recording
    recording.attrs["session_start_time"] = "2021-05-04T03:02:01+00:00"
    write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording)
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r", load_namespaces=True) as io:
        file = io.read()
        assert file.session_start_time == datetime.datetime(2021, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)
        assert "placeholder" not in file.notes


def test_other_neurons(inferred_and_recording, tmp_path):
    inferred, recording = inferred_and_recording
    with pytest.raises(UserError, match="neuron: expected the 6 neurons inferred"):
        write_event_rates_nwb(tmp_path / "a.nwb", inferred, recording.isel(neuron=slice(3)))
    assert not list(tmp_path.iterdir())

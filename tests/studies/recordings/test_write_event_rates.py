"""Event rates of a session on disk: what the command writes beside them."""

import fake_recording
import pytest

from calcium_latents.recordings import read_recording, write_recording
from calcium_latents.studies.recordings.commands import write_event_rates

pynwb = pytest.importorskip("pynwb")


def test_trials_of_the_entry_verdict_and_configuration_are_in_the_file(tmp_path):
    """The table of trials is that of what models were trained on, which an entry may name."""
    files = fake_recording.make(tmp_path / "in")["recordings_conditions"]
    path, inferred = files["recording"][0], files["inferred"][0]
    recording = read_recording(path)
    del recording.attrs["trials"]
    write_recording(recording, tmp_path / "recording.nc", fake_recording.PROVENANCE)
    (tmp_path / "verdict.txt").write_text("RADICaL wins.\n")
    (tmp_path / "config.yaml").write_text("training: {steps: 600}\n")
    words = {"recording": tmp_path / "recording.nc", "windows": path, "inferred": inferred}
    words |= {"verdict": tmp_path / "verdict.txt", "configuration": tmp_path / "config.yaml"}
    words |= {"netcdf": tmp_path / "a.nc", "nwb": tmp_path / "a.nwb"}
    write_event_rates.main([text for name, value in words.items() for text in (f"--{name}", str(value))])
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r", load_namespaces=True) as io:
        file = io.read()
        assert set(file.trials["condition"][:]) == set(fake_recording.CONDITIONS)
        assert "RADICaL wins." in file.notes and "steps: 600" in file.notes
        assert set(file.processing["behavior"].data_interfaces) == {"running_speed", "behaviour_pupil"}

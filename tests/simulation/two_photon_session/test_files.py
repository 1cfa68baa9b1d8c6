"""The project's own readers take what the session writes for what it is."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.commands import simulate_session as command
from calcium_latents.recordings import read_recording
from calcium_latents.recordings.readers import read_user_file
from calcium_latents.simulation.two_photon_session.files_nwb import write_nwb
from calcium_latents.simulation.two_photon_session.files_suite2p import write_suite2p
from calcium_latents.simulation.two_photon_session.footprints import footprints
from calcium_latents.simulation.two_photon_session.session import session_recording, simulate_session

SMALL = {"neurons": 12, "non_cells": 5, "duration_s": 90.0, "mean_rate_hz": 1.5, "motion_rate_hz": 0.05}


@pytest.fixture(scope="module")
def session():
    return simulate_session(SMALL, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    command.main(["--parameters", str(SMALL).replace("'", '"'), "--seed", "1", "--output", str(folder)])
    return folder


def same_activity(read, session):
    """Check that a recording read from a file holds the session's cells, and nothing upside down or out of order."""
    truth = session_recording(session)
    assert read.attrs["imaging_rate_hz"] == pytest.approx(30)
    found = read.sel(neuron=session.cells).fluorescence.values[0][~session.bad_frames]
    expected = truth.fluorescence.values[0][~session.bad_frames]
    correlation = np.corrcoef(found.T, expected.T)[:12, 12:]
    assert np.diag(correlation).min() > 0.9
    assert (correlation.argmax(axis=1) == np.arange(12)).all()


def test_suite2p_folder_is_read_with_cells_sample_times_and_positions(folder, session):
    read = read_user_file({"file": str(folder / "suite2p")}, ".")
    np.testing.assert_array_equal(read.neuron, session.cells)
    same_activity(read, session)
    truth = session_recording(session)
    line_s = 1 / 30 / 512
    np.testing.assert_allclose(read.sample_offset, truth.sample_offset, atol=1.5 * line_s)
    np.testing.assert_allclose(read.position, truth.position, atol=1.5)


def test_suite2p_folder_has_what_suite2p_writes(folder, session):
    plane = folder / "suite2p" / "plane0"
    load = {path.stem: np.load(path, allow_pickle=True) for path in plane.iterdir()}
    assert set(load) == {"F", "Fneu", "iscell", "ops", "stat"}
    assert load["F"].shape == load["Fneu"].shape == (17, 2700) and load["F"].dtype == np.float32
    ops = load["ops"].item()
    assert (ops["fs"], ops["nplanes"], ops["Ly"], ops["neucoeff"]) == (30.0, 1, 512, 0.7)
    np.testing.assert_array_equal(ops["badframes"], session.bad_frames)
    assert session.bad_frames.any()
    assert load["iscell"].shape == (17, 2) and load["iscell"][:, 0].sum() == 12
    for entry in load["stat"]:
        assert entry["npix"] == len(entry["xpix"]) == len(entry["lam"]) > 0
        assert entry["med"] == [int(np.median(entry["ypix"])), int(np.median(entry["xpix"]))]


def test_nwb_file_is_read_with_positions(folder, session):
    read = read_user_file({"file": str(folder / "session.nwb")}, ".")
    assert set(session.cells) <= set(read.neuron.values)
    same_activity(read, session)
    position = read.sel(neuron=session.cells).position.values
    np.testing.assert_allclose(position, session.regions.position[session.cells], atol=1.5)


def test_nwb_file_has_trials_running_speed_subject_and_cells(folder, session):
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(str(folder / "session.nwb"), "r") as io:
        file = io.read()
        assert file.subject.species == "Mus musculus"
        trials = file.trials.to_dataframe()
        np.testing.assert_allclose(trials.start_time, session.trials.start_s)
        np.testing.assert_array_equal(trials.condition, session.trials.condition)
        speed = file.processing["behavior"]["BehavioralTimeSeries"]["running_speed"]
        assert (speed.rate, speed.unit) == (50.0, "cm/s")
        np.testing.assert_array_equal(speed.data[:], session.running_speed)
        series = file.processing["ophys"]["Fluorescence"].roi_response_series
        np.testing.assert_array_equal(series["Neuropil"].data[:], session.neuropil.T)
        iscell = series["RoiResponseSeries"].rois.table["iscell"][:]
        np.testing.assert_array_equal(np.asarray(iscell)[:, 0] > 0, session.regions.is_cell)


def test_tables_and_truth_stand_beside_the_files(folder, session):
    trials = pd.read_csv(folder / "trials.csv")
    pd.testing.assert_frame_equal(trials, session.trials, atol=1e-6)
    behaviour = pd.read_csv(folder / "behaviour.csv")
    assert list(behaviour) == ["time_s", "running_speed_cm_s"] and len(behaviour) == 4500
    truth = read_recording(folder / "truth.nc")
    np.testing.assert_array_equal(truth.firing_rate.values[0].T, session.firing_rate)
    np.testing.assert_array_equal(truth.neuron, session.cells)


def test_the_same_seed_gives_the_same_bytes(folder, session, tmp_path):
    plane = write_suite2p(session, tmp_path)
    for path in plane.iterdir():
        assert path.read_bytes() == (folder / "suite2p" / "plane0" / path.name).read_bytes(), path.name
    write_nwb(session, tmp_path / "session.nwb")
    assert (tmp_path / "session.nwb").read_bytes() == (folder / "session.nwb").read_bytes()


def test_footprints_of_cells_are_round_and_all_lie_in_the_frame(session):
    for pixels, cell in zip(footprints(session), session.regions.is_cell, strict=True):
        assert pixels.weight.sum() == pytest.approx(1, rel=1e-5)
        assert min(pixels.y.min(), pixels.x.min()) >= 0 and max(pixels.y.max(), pixels.x.max()) < 512
        spread = np.linalg.eigvalsh(np.cov(pixels.y, pixels.x))
        assert (spread[1] / spread[0] < 2) == cell


def test_a_file_that_cannot_be_written_leaves_nothing(session, tmp_path, monkeypatch):
    def stop(*_):
        raise OSError("full")

    monkeypatch.setattr("pynwb.NWBHDF5IO.write", stop)
    with pytest.raises(OSError, match="full"):
        write_nwb(session, tmp_path / "session.nwb")
    assert not list(tmp_path.iterdir())

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings.trial_table import trial_table
from calcium_latents.simulation.two_photon_session import imaging
from calcium_latents.simulation.two_photon_session.session import simulate_session, simulate_two_photon_session

SMALL = {"neurons": 12, "non_cells": 4, "duration_s": 60.0}
#: Nothing but activity and neuropil.
CLEAN = {"noise_level": 0.0, "drift": 0.0, "bleaching": 0.0, "motion_rate_hz": 0.0}


@pytest.fixture(scope="module")
def recording():
    return simulate_two_photon_session(SMALL | {"motion_rate_hz": 0.1}, 1)


def test_a_session_is_one_trial_of_imaging_frames(recording):
    assert dict(recording.sizes) == {"trial": 1, "time": 1800, "neuron": 12, "latent": 8, "axis": 2}
    assert recording.attrs["imaging_rate_hz"] == 30
    np.testing.assert_allclose(recording.time, np.arange(1800) / 30)
    assert recording.running_speed.dims == ("trial", "time") and recording.running_speed.attrs["units"] == "cm/s"
    trials = trial_table(recording)
    assert list(trials) == ["start_s", "stop_s", "condition"] and 12 < len(trials) < 17
    bad = np.isnan(recording.fluorescence.values)
    assert 0 < bad.mean() < 0.2
    assert (bad == bad[:, :, :1]).all()  # all cells of a frame


def test_the_same_seed_gives_the_same_session(recording):
    again = simulate_two_photon_session(SMALL | {"motion_rate_hz": 0.1}, 1)
    other = simulate_two_photon_session(SMALL | {"motion_rate_hz": 0.1}, 2)
    assert recording.identical(again)
    assert not np.array_equal(recording.spikes, other.spikes)


def test_a_cell_does_not_change_with_the_others(recording):
    more = simulate_two_photon_session(SMALL | {"motion_rate_hz": 0.1, "neurons": 20}, 1)
    np.testing.assert_array_equal(recording.spikes.values, more.spikes.values[..., :12])
    np.testing.assert_array_equal(recording.firing_rate.values, more.firing_rate.values[..., :12])


@pytest.mark.parametrize("rate", [7.5, 15.0, 31.0])
def test_spikes_and_rates_do_not_depend_on_the_frames(rate):
    session = simulate_session(SMALL | {"imaging_rate_hz": rate, "duration_s": 600.0, "mean_rate_hz": 2.0}, 1)
    assert session.spikes.shape == (12, round(600 * rate))
    np.testing.assert_allclose(session.firing_rate.mean(axis=1), session.tuning["mean_rate"], rtol=0.01)
    expected = session.firing_rate.mean(axis=1) * 600
    assert (np.abs(session.spikes.sum(axis=1) - expected) < 4.5 * expected**0.5).all()


def test_neuropil_is_in_the_fluorescence_with_its_coefficient():
    session = simulate_session(SMALL | CLEAN | {"neuropil_coefficient": 0.55, "duration_s": 300.0}, 1)
    for cell, roi in enumerate(session.cells):
        design = np.column_stack([session.dff[cell], session.neuropil[roi], np.ones(9000)])
        slopes = np.linalg.lstsq(design, session.fluorescence[roi].astype(float), rcond=None)[0]
        assert slopes[1] == pytest.approx(0.55, rel=1e-3)
        np.testing.assert_allclose(slopes[[0, 2]], session.regions.resting[roi], rtol=5e-3)
    for roi in np.flatnonzero(~session.regions.is_cell):
        design = np.column_stack([session.neuropil[roi], np.ones(9000)])
        slopes = np.linalg.lstsq(design, session.fluorescence[roi].astype(float), rcond=None)[0]
        assert slopes[0] == pytest.approx(1.0, rel=1e-3)


def test_the_recordings_dff_is_the_true_one_when_nothing_else_disturbs():
    session = simulate_session(SMALL | CLEAN, 1)
    recording = simulate_two_photon_session(SMALL | CLEAN, 1)
    np.testing.assert_allclose(recording.fluorescence.values[0].T, session.dff, atol=2e-5)


def test_noise_grows_with_the_root_of_the_rate_and_with_light():
    quiet = SMALL | CLEAN | {"noise_level": 0.02, "noise_spread": 0.0, "mean_rate_hz": 1e-4, "neuropil_modulation": 0.0}
    for rate in (7.5, 30.0):
        fields = {"imaging_rate_hz": rate, "duration_s": 300.0, "neuropil_coefficient": 0.0}
        recording = simulate_two_photon_session(quiet | fields, 1)
        expected = 0.02 * rate**0.5
        np.testing.assert_allclose(recording.noise_level, expected, rtol=1e-6)
        np.testing.assert_allclose(recording.fluorescence.std(("trial", "time")), expected, rtol=0.05)
    loud = SMALL | CLEAN | {"noise_level": 0.02, "mean_rate_hz": 4.0, "shot_share": 1.0, "neuropil_coefficient": 0.0}
    session = simulate_session(loud | {"duration_s": 300.0}, 1)
    for cell, roi in enumerate(session.cells):
        clean = session.regions.resting[roi] * (1 + session.dff[cell])
        noise = session.fluorescence[roi] - clean
        bright = clean > np.median(clean)
        ratio = noise[bright].var() / noise[~bright].var()
        assert ratio == pytest.approx(clean[bright].mean() / clean[~bright].mean(), rel=0.15)


def test_light_is_lost_in_motion_and_only_there():
    moving = SMALL | CLEAN | {"mean_rate_hz": 1e-4, "motion_rate_hz": 0.2, "neuropil_modulation": 0.0}
    session = simulate_session(moving, 1)
    level = session.fluorescence / session.fluorescence[:, ~session.bad_frames].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(level[:, ~session.bad_frames], 1, atol=0.01)
    lost = 1 - level[:, session.bad_frames]
    assert 0 < lost.mean() < imaging.MOTION_LOSS and lost.max() <= imaging.MOTION_LOSS + 0.01


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stimulus_latents": 3}, r"stimulus_latents: expected an even number below latents \(8\), found 3"),
        ({"interval_s": [2.0, 1.0]}, r"interval_s: expected the shortest and the longest pause, found \[2.0, 1.0\]"),
        ({"duration_s": 1.0}, r"duration_s: expected at least 100 frames at 30.0 Hz, found 1.0"),
        ({"mean_rate_hz": 20.0}, r"largest_rate_hz: expected above 4 mean_rate_hz \(20.0\), found 50.0"),
        ({"indicator": "GCaMP9"}, "indicator: expected one of GCaMP6f, GCaMP6s, jGCaMP8m"),
        ({"neuron": 5}, "unknown field 'neuron'; did you mean 'neurons'"),
    ],
)
def test_wrong_parameters_are_named(fields, message):
    with pytest.raises(UserError, match=message):
        simulate_two_photon_session(fields, 1)

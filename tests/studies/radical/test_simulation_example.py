"""Spectra and the stages of the simulation that Extended Data Figures 1 and 2 show."""

import json

import numpy as np
import pytest

from calcium_latents.simulation.lorenz.lorenz_recording import simulate_lorenz_recording
from calcium_latents.studies.radical.simulation_example import parameters_of, pipeline_stages, stimulus_train
from calcium_latents.studies.radical.spectra import latent_spectra, lorenz_spectra


@pytest.fixture(scope="module")
def recording():
    return simulate_lorenz_recording({"neurons": 4, "trials_per_condition": 6}, seed=1)


def test_a_sine_peaks_at_its_frequency_and_power_integrates_to_its_variance():
    time = np.arange(4000) * 0.01
    sine = np.sin(2 * np.pi * 7 * time)[None, :, None] * 3 + 5
    table = latent_spectra(sine, 0.01, ["Z"])
    assert table.loc[table["power"].idxmax(), "spectrum_hz"] == pytest.approx(7, abs=0.1)
    assert np.trapezoid(table["power"], table["spectrum_hz"]) == pytest.approx(1, rel=0.05)


def test_the_lorenz_system_peaks_where_the_recording_says(recording):
    table = lorenz_spectra(recording.attrs["simulation_parameters"])
    z = table[table["latent"] == "Z"]
    assert z.loc[z["power"].idxmax(), "spectrum_hz"] == pytest.approx(recording.attrs["realised_peak_hz"], abs=0.3)


def test_stages_are_consistent_with_each_other_and_with_the_recording(recording):
    stages = pipeline_stages(recording, 2)
    np.testing.assert_array_equal(stages["spikes"], recording["spikes"].values[:, :, 2].ravel())
    sampled = np.isfinite(recording["fluorescence"].values[:, :, 2].ravel())
    np.testing.assert_array_equal(np.isfinite(stages["sampled"]), sampled)
    np.testing.assert_array_equal(np.isfinite(stages["events"]), sampled)
    assert (stages["spike_sizes"][stages["spikes"] == 0] == 0).all()
    assert stages["noiseless"].min() >= 0 and stages["noiseless"].max() <= 1
    events = stages["events"][sampled]
    assert (events >= 0).all() and events[events > 0].min() >= 0.1 - 1e-4
    again = pipeline_stages(recording, 2)
    np.testing.assert_array_equal(again["fluorescence"], stages["fluorescence"])


def test_both_indicators_give_one_spike_a_peak_of_one(recording):
    settings = parameters_of(recording)
    assert settings.downsampling == json.loads(recording.attrs["simulation_parameters"])["downsampling"]
    one = stimulus_train(settings, spikes=1)
    assert one["linear"].max() == pytest.approx(1) and one["gcamp6f"].max() == pytest.approx(1)
    many = stimulus_train(settings)
    assert many["spikes"].sum() == 20
    assert many["linear"].max() > 2 and many["gcamp6f"].max() != pytest.approx(many["linear"].max(), rel=0.05)

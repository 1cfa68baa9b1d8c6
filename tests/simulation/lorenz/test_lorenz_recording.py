import json

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import read_recording, write_recording
from calcium_latents.simulation.lorenz.lorenz_recording import simulate_lorenz_recording, simulate_neuron
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters

SMALL = {"conditions": 3, "trials_per_condition": 5, "neurons": 7, "duration_s": 0.3, "burn_in_steps": 500}


@pytest.fixture(scope="module")
def recording():
    return simulate_lorenz_recording(SMALL, seed=3)


def test_it_is_a_recording_that_survives_the_disk(recording, tmp_path):
    path = tmp_path / "recording.nc"
    write_recording(recording, path, {"config_digest": "a", "code_digest": "b", "versions": "{}", "seed": 3})
    back = read_recording(path)
    for name in ("fluorescence", "spikes", "firing_rate", "latents", "condition", "sample_offset"):
        np.testing.assert_array_equal(back[name].values, recording[name].values)
    assert json.loads(back.attrs["simulation_parameters"])["neurons"] == 7
    assert back.attrs["realised_peak_hz"] == pytest.approx(7.2, abs=0.1)


def test_same_seed_same_bytes_other_seed_others(recording):
    again = simulate_lorenz_recording(SMALL, seed=3)
    other = simulate_lorenz_recording(SMALL, seed=4)
    for name in recording.data_vars:
        assert recording[name].values.tobytes() == again[name].values.tobytes(), name
    assert not np.array_equal(recording["spikes"], other["spikes"])


def test_a_neuron_does_not_depend_on_how_many_there_are(recording):
    fewer = simulate_lorenz_recording({**SMALL, "neurons": 4}, seed=3)
    np.testing.assert_array_equal(fewer["spikes"], recording["spikes"][:, :, :4])


def test_latents_are_z_scored_and_shared_within_a_condition(recording):
    latents = recording["latents"].values
    np.testing.assert_allclose(latents.mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(latents.std(axis=(0, 1)), 1, atol=1e-5)
    condition = recording["condition"].values
    assert sorted(np.bincount(condition)) == [5, 5, 5]
    assert (np.diff(condition) < 0).any()  # trials stand in random order
    for number in range(3):
        own = latents[condition == number]
        np.testing.assert_array_equal(own, np.broadcast_to(own[0], own.shape))


def test_conditions_zero_gives_every_trial_its_own_state():
    single = simulate_lorenz_recording({**SMALL, "conditions": 0, "trials": 6}, seed=3)
    starts = single["latents"].values[:, 0]
    assert len(np.unique(starts, axis=0)) == 6
    assert len(np.unique(single["condition"])) == 6


@pytest.mark.parametrize(("rate", "spacing"), [(33.3, 3), (16, 6), (8, 12), (2, 50)])
def test_samples_stand_where_the_offsets_say(rate, spacing):
    recording = simulate_lorenz_recording({**SMALL, "duration_s": 0.6, "imaging_rate_hz": rate}, seed=5)
    assert recording.attrs["imaging_rate_hz"] == pytest.approx(100 / spacing)
    bins = np.round(recording["sample_offset"].values / 0.01).astype(int)
    sampled = np.isfinite(recording["fluorescence"].values)
    expected = (np.arange(60)[None, :, None] - bins[:, None, :]) % spacing == 0
    np.testing.assert_array_equal(sampled, expected)


def test_rates_are_the_exponential_readout(recording):
    rate = np.log(recording["firing_rate"].values.reshape(-1, 7).astype(float) / 3.0)
    latents = recording["latents"].values.reshape(-1, 3)
    weights = np.linalg.lstsq(latents, rate, rcond=None)[0]
    np.testing.assert_allclose(latents @ weights, rate, atol=1e-4)


def test_spikes_are_poisson_with_the_rate():
    many = simulate_lorenz_recording({**SMALL, "trials_per_condition": 60, "neurons": 20, "duration_s": 0.9}, seed=6)
    expected = many["firing_rate"].values.astype(float).sum() * 0.01
    found = many["spikes"].values.sum()
    assert abs(found - expected) < 5 * expected**0.5


def test_calcium_carries_over_between_trials():
    parameters = LorenzRecordingParameters(noise_mean=0, noise_sd=0, noise_minimum=0, spike_size_noise_sd=0)
    trace = simulate_neuron(np.zeros((3000, 3)), parameters, np.random.default_rng(0))
    np.testing.assert_allclose(trace["fluorescence"], trace["noiseless"])
    assert trace["noiseless"].min() == 0
    assert trace["noiseless"].max() == 1
    late = simulate_lorenz_recording(
        {**SMALL, "noise_mean": 0, "noise_sd": 0, "noise_minimum": 0, "trials_per_condition": 20}, seed=1
    )
    # Without carry-over every trial would start from a fluorescence near zero.
    first = np.nanmax(late["fluorescence"].values[:, :3], axis=1)
    assert np.mean(first > 0.1) > 0.3


def test_gcamp6f_is_another_shape_of_the_same_spikes(recording):
    curved = simulate_lorenz_recording({**SMALL, "indicator": "gcamp6f"}, seed=3)
    np.testing.assert_array_equal(curved["spikes"], recording["spikes"])
    assert not np.allclose(curved["fluorescence"], recording["fluorescence"], equal_nan=True)


def test_unknown_field_is_told():
    with pytest.raises(UserError, match="nueron"):
        simulate_lorenz_recording({"nueron": 3}, seed=1)

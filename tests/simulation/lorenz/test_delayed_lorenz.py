"""Delayed Lorenz neurons: delays are in the data, leads are relative, the same bytes again, errors with names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings import read_recording, write_recording
from calcium_latents.simulation.lorenz.delayed_lorenz import simulate_delayed_lorenz

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
SMALL = {"neurons": 12, "frames": 300}


def test_the_same_bytes_again(tmp_path):
    for name in "ab":
        write_recording(simulate_delayed_lorenz(SMALL, 3), tmp_path / f"{name}.nc", PROVENANCE)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    assert read_recording(tmp_path / "a.nc")["lead_s"].attrs["units"] == "s"
    other = simulate_delayed_lorenz(SMALL, 4)
    assert not np.array_equal(other["delay_s"], read_recording(tmp_path / "a.nc")["delay_s"])


def test_each_neuron_is_the_weighted_latents_after_its_delay():
    recording = simulate_delayed_lorenz(SMALL | {"observation_noise": 0.0}, 1)
    latents = recording["latents"].values[0].astype(float)
    rate = recording.attrs["imaging_rate_hz"]
    delays = np.round(recording["delay_s"].values * rate).astype(int)
    assert delays.min() < delays.max()
    for neuron, delay in enumerate(delays):
        expected = latents[: len(latents) - delay] @ recording["weight"].values[neuron]
        found = recording["fluorescence"].values[0, delay:, neuron]
        np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=1e-4)
    np.testing.assert_allclose(recording["fluorescence"].values[0].std(axis=0), 1, rtol=1e-5)


def test_leads_are_delays_turned_round_about_their_mean():
    recording = simulate_delayed_lorenz(SMALL, 2)
    lead, delay = recording["lead_s"].values, recording["delay_s"].values
    np.testing.assert_allclose(lead + delay, np.full(len(lead), delay.mean()), atol=1e-12)
    assert lead.mean() == pytest.approx(0, abs=1e-12)


def test_noise_changes_nothing_else_and_has_the_size_asked_for():
    clean, noisy = (simulate_delayed_lorenz(SMALL | {"observation_noise": sd}, 5) for sd in (0.0, 3.0))
    np.testing.assert_array_equal(clean["lead_s"], noisy["lead_s"])
    assert (noisy["fluorescence"] - clean["fluorescence"]).values.std() == pytest.approx(3, rel=0.05)


@settings(max_examples=5, deadline=None)
@given(neurons=st.integers(2, 5), frames=st.integers(20, 40), longest=st.integers(0, 30))
def test_any_small_size_works(neurons, frames, longest):
    parameters = {"neurons": neurons, "frames": frames, "largest_delay_frames": longest}
    recording = simulate_delayed_lorenz(parameters, 0)
    assert recording["fluorescence"].shape == (1, frames, neurons)
    assert (recording["delay_s"].values <= longest * 0.1 + 1e-12).all()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"neuron": 4}, "unknown field 'neuron'"),
        ({"neurons": 1}, "simulation.neurons"),
        ({"frames": 100.5}, "simulation.frames"),
        ({"largest_delay_frames": -1}, "simulation.largest_delay_frames"),
        ({"imaging_rate_hz": 0}, "above 0"),
        ({"observation_noise": "much"}, "simulation.observation_noise"),
    ],
)
def test_wrong_parameters_are_named(parameters, said):
    with pytest.raises(UserError, match=said):
        simulate_delayed_lorenz(parameters, 0)

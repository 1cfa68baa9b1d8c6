import pytest

from calcium_latents.errors import UserError
from calcium_latents.simulation.lorenz.parameters import LorenzRecordingParameters


def test_defaults_are_the_published_sizes():
    parameters = LorenzRecordingParameters()
    assert (parameters.number_of_trials, parameters.trial_bins, parameters.neurons) == (480, 90, 278)
    assert parameters.sample_spacing == 3


@pytest.mark.parametrize(("rate", "spacing"), [(33.3, 3), (16, 6), (8, 12), (2, 50)])
def test_imaging_rates_become_whole_bins(rate, spacing):
    assert LorenzRecordingParameters(imaging_rate_hz=rate).sample_spacing == spacing


def test_no_conditions_means_a_state_for_each_trial():
    assert LorenzRecordingParameters(conditions=0, trials=7).number_of_trials == 7


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"integrator": "heun"}, "integrator"),
        ({"indicator": "ogb"}, "indicator"),
        ({"signal_dependent": "no"}, "signal_dependent"),
        ({"neurons": 0}, "neurons"),
        ({"neurons": 2.5}, "neurons"),
        ({"neurons": "ten"}, "neurons"),
        ({"neurons": True}, "neurons"),
        ({"decay_time_s": float("nan")}, "decay_time_s"),
        ({"rise_time_s": 0.5}, "rise_time_s"),
        ({"noise_sd": -1}, "noise_sd"),
        ({"noise_minimum": 9.0}, "noise_minimum"),
        ({"imaging_rate_hz": 90}, "imaging_rate_hz"),
        ({"duration_s": 0.001}, "duration_s"),
        ({"neuron": 3}, "neuron"),
        ({"conditions": 8, "trials_per_condition": 0}, "trials_per_condition"),
        ({"conditions": 0, "trials": 0}, "trials"),
    ],
)
def test_wrong_fields_are_named(change, field):
    with pytest.raises(UserError, match=rf"\b{field}\b"):
        LorenzRecordingParameters.from_mapping(change)

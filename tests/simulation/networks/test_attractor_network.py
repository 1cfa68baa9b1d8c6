"""Attractor network: the same bytes again, causes that are causes, truth that is in the data, errors with names."""

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import read_recording, write_recording
from calcium_latents.simulation.networks.attractor_network import (
    AttractorNetworkParameters,
    crossing_times,
    simulate_attractor_network,
)

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def sessions():
    """Sessions of the default network, without pulses, and without support."""
    variants = {"default": {}, "no pulses": {"pulse_strength": 0.0}, "no support": {"support_strength": 0.0}}
    return {
        name: [simulate_attractor_network(parameters | {"transitions": 16}, seed) for seed in SEEDS]
        for name, parameters in variants.items()
    }


def switched(recording):
    return np.isfinite(recording["transition_time_s"].values).sum()


def basin_changes(recording):
    return int((np.diff(recording["latents"].values[0].argmax(axis=1)) != 0).sum())


def test_the_same_bytes_again_and_others_with_another_seed(tmp_path):
    small = {"neurons": 40, "patterns": 2, "transitions": 2}
    for name in "ab":
        write_recording(simulate_attractor_network(small, 3), tmp_path / f"{name}.nc", PROVENANCE)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    read = read_recording(tmp_path / "a.nc")
    assert read["initiator"].dims == ("neuron",) and read["transition_time_s"].dims == ("transition",)
    other = simulate_attractor_network(small, 4)
    assert not np.array_equal(other["initiator"].values, read["initiator"].values)


def test_groups_are_disjoint_and_of_the_size_asked_for(sessions):
    parameters = AttractorNetworkParameters()
    for recording in sessions["default"]:
        initiator, stabiliser = recording["initiator"].values, recording["stabiliser"].values
        assert (initiator.sum(), stabiliser.sum()) == parameters.group_sizes
        assert not (initiator & stabiliser).any()
        assert ((recording["pulse_strength"].values > 0) == (initiator == 1)).all()
        assert ((recording["support_strength"].values > 0) == (stabiliser == 1)).all()


def test_initiators_cause_the_transitions(sessions):
    """With the same random draws, silencing the pulses removes them."""
    for default, silent in zip(sessions["default"], sessions["no pulses"], strict=True):
        np.testing.assert_array_equal(default["onset_s"], silent["onset_s"])
        np.testing.assert_array_equal(default["initiator"], silent["initiator"])
        assert switched(default) >= 8
        assert switched(silent) <= 0.1 * switched(default)
        assert basin_changes(silent) <= 0.2 * basin_changes(default)


def test_stabilisers_hold_the_states(sessions):
    """Without support the basin changes far more often, and targets are held for less of the time."""

    def held(recording):
        leader = recording["latents"].values[0].argmax(axis=1)
        rate = recording.attrs["imaging_rate_hz"]
        starts = np.round((recording["onset_s"].values + 4) * rate).astype(int)
        pairs = zip(starts, recording["target_pattern"].values, strict=True)
        return np.mean([(leader[start : start + 20] == target).mean() for start, target in pairs])

    default, silent = sessions["default"], sessions["no support"]
    assert sum(map(basin_changes, silent)) > 1.5 * sum(map(basin_changes, default))
    assert np.mean([*map(held, silent)]) < np.mean([*map(held, default)]) - 0.1


def test_initiators_move_first_and_stabilisers_last(sessions):
    """At the crossing, noise-free activity toward the target ranks initiators, others, stabilisers."""
    levels = []
    for recording in sessions["default"]:
        activity, sign = recording["activity"].values[0], recording["pattern_sign"].values
        groups = [recording[name].values == 1 for name in ("initiator", "stabiliser")]
        groups.append(~groups[0] & ~groups[1])
        times = recording["transition_time_s"].values
        for time, a, b in zip(
            times, recording["source_pattern"].values, recording["target_pattern"].values, strict=True
        ):
            if np.isfinite(time):
                toward = activity[round(time * 10)] * sign[b]
                levels.append([toward[group & (sign[a] != sign[b])].mean() for group in groups])
    initiators, stabilisers, others = np.mean(levels, axis=0)
    assert initiators > others + 0.2 and others > stabilisers + 0.1


def test_observation_noise_changes_nothing_else():
    low, high = (simulate_attractor_network({"observation_noise": sd, "transitions": 2}, 5) for sd in (0.5, 2.0))
    np.testing.assert_array_equal(low["activity"], high["activity"])
    difference = [(r["fluorescence"] - r["activity"]).values for r in (low, high)]
    np.testing.assert_allclose(difference[1], 4 * difference[0], atol=1e-5)
    assert np.std(difference[1]) == pytest.approx(2.0, rel=0.02)


def test_crossing_times():
    overlap = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1.0]])
    time = np.arange(7.0)
    found = crossing_times(overlap, time, np.array([1.0, 5.0]), np.array([0, 1]), np.array([1, 2]))
    np.testing.assert_array_equal(found, [4.0, 6.0])
    # the source does not lead at the onset; the target does not lead at the end
    assert np.isnan(crossing_times(overlap, time, np.array([1.0]), np.array([2]), np.array([1]))).all()
    assert np.isnan(crossing_times(overlap, time, np.array([0.0]), np.array([0]), np.array([1]))).all()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"neuron": 4}, "unknown field 'neuron'"),
        ({"neurons": 2}, "simulation.neurons"),
        ({"patterns": 1.5}, "simulation.patterns"),
        ({"neurons": 20, "patterns": 6}, "at most neurons / 4"),
        ({"participation": 1.2}, "from 0 to 1"),
        ({"ramp_s": 0}, "above 0"),
        ({"observation_noise": float("nan")}, "simulation.observation_noise"),
        ({"pulse_strength": -1}, "at least 0"),
        ({"pulse_strength": True}, "simulation.pulse_strength"),
        ({"initiator_share": 0.6, "stabiliser_share": 0.5}, "initiator_share, stabiliser_share"),
        ({"initiator_share": 0.0}, "at least one neuron"),
    ],
)
def test_wrong_parameters_are_named(parameters, said):
    with pytest.raises(UserError, match=said):
        simulate_attractor_network(parameters, 0)

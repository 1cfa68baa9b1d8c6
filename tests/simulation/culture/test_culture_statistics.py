import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcium_latents.simulation.culture.culture_statistics import culture_statistics, network_bursts

NEURONS = 100
INHIBITORY = np.arange(NEURONS) >= 80


def spikes(*volleys):
    """Steps and neurons of volleys (step, neurons): each of these neurons fires at that step."""
    steps = np.concatenate([np.full(len(who), step) for step, who in volleys])
    return steps, np.concatenate([np.asarray(who) for _, who in volleys])


def test_rates_and_active_fraction():
    step, neuron = spikes((10, range(40)), (500, range(40)), (900, range(80, 85)))
    found = culture_statistics(step, neuron, INHIBITORY, 2000)
    assert found["excitatory_rate_hz"] == pytest.approx(80 / 80 / 2)
    assert found["inhibitory_rate_hz"] == pytest.approx(5 / 20 / 2)
    assert found["active_fraction"] == pytest.approx(0.45)


def test_bursts_are_joined_counted_and_measured():
    step, neuron = spikes(
        (105, range(10)),  # bin 2
        (310, range(5, 15)),  # bin 6: three bins between, one burst
        (1000, range(20)),  # bin 20: another
        (1500, range(4)),  # 4 %: none
        (1600, [7] * 30),  # one neuron often: none
    )
    found = culture_statistics(step, neuron, INHIBITORY, 10_000)
    np.testing.assert_array_equal(network_bursts(step, neuron, NEURONS, 10_000), [[2, 7], [20, 21]])
    assert found["bursts_per_minute"] == pytest.approx(2 * 6)
    assert found["burst_participation"] == pytest.approx((0.15 + 0.20) / 2)
    assert found["burst_duration_s"] == pytest.approx((0.25 + 0.05) / 2)


def test_four_quiet_bins_part_two_bursts():
    step, neuron = spikes((0, range(5)), (5 * 50, range(5)))
    np.testing.assert_array_equal(network_bursts(step, neuron, NEURONS, 300), [[0, 1], [5, 6]])
    # what follows the last whole bin is no part of a burst
    np.testing.assert_array_equal(network_bursts(step, neuron, NEURONS, 299), [[0, 1]])


def test_silence_has_no_bursts_and_a_culture_may_be_of_one_kind():
    nothing = np.empty(0, int)
    found = culture_statistics(nothing, nothing, INHIBITORY, 1000)
    assert found["bursts_per_minute"] == found["active_fraction"] == found["excitatory_rate_hz"] == 0
    assert np.isnan(found["burst_participation"]) and np.isnan(found["burst_duration_s"])
    assert network_bursts(nothing, nothing, NEURONS, 10).shape == (0, 2)
    found = culture_statistics(*spikes((1, range(10))), np.zeros(NEURONS, bool), 1000)
    assert np.isnan(found["inhibitory_rate_hz"]) and found["excitatory_rate_hz"] == pytest.approx(0.1)


@given(st.lists(st.tuples(st.integers(0, 2999), st.integers(0, 19)), max_size=300), st.integers(0, 100))
def test_statistics_do_not_depend_on_order_or_names(pairs, seed):
    step, neuron = np.array(pairs, int).reshape(-1, 2).T
    inhibitory = np.arange(20) >= 15
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pairs))
    name = np.concatenate([rng.permutation(15), 15 + rng.permutation(5)])
    one = culture_statistics(step, neuron, inhibitory, 3000)
    two = culture_statistics(step[order], name[neuron[order]], inhibitory, 3000)
    assert one == pytest.approx(two, nan_ok=True)
    bursts = network_bursts(step, neuron, 20, 3000)
    assert (bursts[:, 1] > bursts[:, 0]).all() and (bursts[1:, 0] - bursts[:-1, 1] >= 4).all()
    assert bursts.size == 0 or 0.049 < one["burst_participation"] < one["active_fraction"] + 1e-9

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calcium_latents.errors import UserError
from calcium_latents.simulation.culture.gcamp6s import SATURATION, fluorescence, polynomial

F0, A, TAU, P2, P3 = 42.0, 0.113, 1.82, 0.81, -0.056  # GCaMP6s


def spike_by_spike(counts, step_s):
    """Add the polynomial of one spike's exponential, spike after spike, as the authors' script does."""
    t = np.arange(len(counts)) * step_s
    f = np.full(len(counts), F0)
    for s in np.repeat(np.arange(len(counts)), counts):
        k = np.exp(-(t[s + 1 :] - t[s]) / TAU)
        f[s + 1 :] += F0 * A * (k + P2 * (k**2 - k) + P3 * (k**3 - k))
    return f


def summed(counts, step_s):
    """Take the polynomial of the calcium of all spikes, clipped at its maximum."""
    t = np.arange(len(counts)) * step_s
    c = np.zeros(len(counts))
    for s in np.repeat(np.arange(len(counts)), counts):
        c[s + 1 :] += np.exp(-(t[s + 1 :] - t[s]) / TAU)
    c = np.minimum(c, SATURATION)
    return F0 + F0 * A * (c + P2 * (c**2 - c) + P3 * (c**3 - c))


counts = hnp.arrays(np.int16, st.integers(1, 60), elements=st.integers(0, 4))


@settings(max_examples=60, deadline=None)
@given(counts, st.sampled_from([0.001, 0.02, 0.3]))
def test_three_filters_are_the_polynomial_of_every_spike(spikes, step_s):
    np.testing.assert_allclose(fluorescence(spikes, step_s), spike_by_spike(spikes, step_s), rtol=2e-7)
    np.testing.assert_allclose(fluorescence(spikes, step_s, "summed"), summed(spikes, step_s), rtol=2e-7)


def test_one_spike_rises_by_its_amplitude_and_decays():
    spikes = np.zeros((2, 20_000), np.int8)
    spikes[1, 100] = 1
    silent, trace = fluorescence(spikes, 0.001)
    assert trace.dtype == np.float32
    np.testing.assert_array_equal(silent, np.float32(F0))
    np.testing.assert_array_equal(trace[:101], np.float32(F0))  # seen from the next step on
    assert trace.argmax() == 101
    assert trace[101] - F0 == pytest.approx(F0 * A, rel=2e-3)
    assert (np.diff(trace[101:]) <= 0).all()
    assert trace[-1] - F0 < 0.01
    # far from the spike only the slowest exponential is left
    assert trace[100 + 9000] - F0 == pytest.approx(F0 * A * (1 - P2 - P3) * np.exp(-9 / TAU), rel=0.05)


def test_spikes_add_up_and_time_may_be_any_axis_last():
    rng = np.random.default_rng(0)
    one, two = (rng.random((2, 3, 400)) < 0.02).astype(int)
    apart = fluorescence(one, 0.01) + fluorescence(two, 0.01) - F0
    np.testing.assert_allclose(fluorescence(one + two, 0.01), apart, atol=2e-5)


def test_the_polynomial_and_its_maximum():
    assert polynomial(0.0) == 0 and polynomial(1.0) == pytest.approx(1)
    assert pytest.approx(9.8, abs=0.05) == SATURATION
    around = SATURATION + np.array([-0.1, 0, 0.1])
    assert polynomial(around).argmax() == 1
    assert polynomial(14.7) > 0 > polynomial(14.9)


def test_summed_calcium_saturates_where_the_other_does_not():
    spikes = np.zeros(2000, int)
    spikes[10] = 40
    clipped, linear = fluorescence(spikes, 0.001, "summed"), fluorescence(spikes, 0.001)
    ceiling = F0 * (1 + A * polynomial(SATURATION))
    assert clipped.max() == pytest.approx(ceiling, rel=1e-6)
    np.testing.assert_allclose(clipped[11:1000], ceiling, rtol=1e-6)  # never dimmer for more calcium
    assert linear.max() == pytest.approx(F0 * (1 + 40 * A), rel=2e-3)


def test_single_spikes_are_the_same_either_way():
    spikes = np.zeros(5000, int)
    spikes[3] = 1
    np.testing.assert_allclose(fluorescence(spikes, 0.001, "summed"), fluorescence(spikes, 0.001), rtol=1e-6)


def test_an_unknown_nonlinearity_is_named():
    with pytest.raises(UserError, match="nonlinearity: expected one of per_spike, summed, found 'hill'"):
        fluorescence(np.zeros(3), 0.01, "hill")

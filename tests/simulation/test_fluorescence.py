import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import truncnorm

from calcium_latents.simulation import fluorescence


@given(
    width=st.floats(1e-3, 1.0),
    rise=st.floats(2e-3, 0.15),
    ratio=st.floats(1.5, 100.0),
)
@settings(max_examples=60, deadline=None)
def test_a_single_spike_peaks_at_one_at_any_rate(width, rise, ratio):
    decay = rise * ratio
    impulse = np.zeros(int(min(6 * decay / width, 20000)) + 3)
    impulse[1] = 1.0
    assert fluorescence.calcium(impulse, rise, decay, width).max() == pytest.approx(1.0, rel=1e-6)


def test_kernel_is_a_difference_of_exponentials():
    impulse = np.zeros(200)
    impulse[0] = 1.0
    response = fluorescence.calcium(impulse, 0.02, 0.4, 0.01)
    time = 0.01 * (np.arange(200) + 1)
    expected = np.exp(-time / 0.4) - np.exp(-time / 0.02)
    np.testing.assert_allclose(response, expected / expected.max(), rtol=1e-9)


def test_calcium_is_equation_4():
    random = np.random.default_rng(1)
    spikes = random.poisson(0.1, 50).astype(float)
    gamma_1, gamma_2, gain = fluorescence.autoregressive_kernel(0.02, 0.4, 0.01)
    calcium = fluorescence.calcium(spikes, 0.02, 0.4, 0.01) / gain
    padded = np.concatenate([[0.0, 0.0], calcium])
    np.testing.assert_allclose(padded[2:], gamma_1 * padded[1:-1] + gamma_2 * padded[:-2] + spikes, atol=1e-12)
    assert lfilter([1.0], [1.0, -gamma_1, -gamma_2], np.ones(2000))[-1] == pytest.approx(
        1 / (1 - gamma_1 - gamma_2), rel=1e-6
    )


def test_spike_sizes_have_noise_per_spike():
    random = np.random.default_rng(2)
    spikes = np.repeat([0, 1, 4], 40_000)
    sizes = fluorescence.spike_sizes(spikes, 0.1, random).reshape(3, -1)
    assert (sizes[0] == 0).all()
    np.testing.assert_allclose(sizes.mean(axis=1)[1:], [1, 4], atol=0.005)
    np.testing.assert_allclose(sizes.std(axis=1)[1:], [0.1, 0.2], rtol=0.02)
    np.testing.assert_array_equal(fluorescence.spike_sizes(spikes, 0.0, random), spikes)


@given(coefficient=st.floats(1.0, 4.0), half=st.floats(0.5, 20.0), resting=st.floats(0.0, 5.0))
@settings(max_examples=50, deadline=None)
def test_hill_curve_rises_from_zero_through_one(coefficient, half, resting):
    level = np.linspace(0.0, 30.0, 400)
    response = fluorescence.hill_curve(level, coefficient, half, resting)
    assert response[0] == 0
    assert (np.diff(response) > 0).all()
    assert fluorescence.hill_curve(np.array(1.0), coefficient, half, resting) == pytest.approx(1.0)
    assert np.isfinite(fluorescence.hill_curve(np.array([-10.0]), coefficient, half, resting)).all()


def test_hill_curve_is_steeper_than_linear_for_few_spikes_and_saturates():
    two, many = fluorescence.hill_curve(np.array([2.0, 30.0]), 2.27, 3.75, 0.5)
    assert two > 2.2
    assert many < 30 * 0.6


def test_min_max():
    trace = np.array([[2.0, 4.0, 3.0], [5.0, 5.0, 5.0]])
    np.testing.assert_allclose(fluorescence.min_max(trace), [[0, 1, 0.5], [0, 0, 0]])


def test_noise_level_is_a_truncated_normal():
    random = np.random.default_rng(3)
    levels = np.array([fluorescence.noise_level(0.07, 0.02, 0.06, random) for _ in range(4000)])
    expected = truncnorm(-0.5, np.inf, loc=0.07, scale=0.02)
    assert levels.min() >= 0.06
    assert levels.mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / 4000**0.5)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("sd", lambda level, signal: level**2 * signal), ("variance", lambda level, signal: level * signal)],
)
def test_noise_grows_with_the_signal(kind, expected):
    random = np.random.default_rng(4)
    for signal, multiplier in [(0.0, 1.0), (0.25, 1.0), (0.25, 4.0), (1.0, 2.0)]:
        noisy = fluorescence.add_noise(np.full(100_000, signal), 0.12, multiplier, kind, random)
        assert noisy.mean() == pytest.approx(signal, abs=0.01)
        assert noisy.var() == pytest.approx((0.12 * multiplier) ** 2 + expected(0.12, signal), rel=0.03)


def test_calcium_at_samples_is_the_sum_over_spikes():
    random = np.random.default_rng(0)
    times, sizes = np.sort(random.uniform(-0.5, 10, 40)), random.uniform(0.5, 1.5, 40)
    rise, decay, first, period = 0.05, 0.6, 0.013, 0.07
    at = first + period * np.arange(150)
    peak_at = np.log(decay / rise) / (1 / rise - 1 / decay)

    def kernel(since):
        return np.where(since >= 0, np.exp(-since.clip(0) / decay) - np.exp(-since.clip(0) / rise), 0)

    expected = kernel(at[:, None] - times) @ sizes / kernel(np.array(peak_at))
    found = fluorescence.calcium_at_samples(times, sizes, rise, decay, first, period, 150)
    np.testing.assert_allclose(found, expected, atol=1e-12)

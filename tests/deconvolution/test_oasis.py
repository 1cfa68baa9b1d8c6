import numpy as np
import pytest
from oasis.functions import GetSn, constrained_oasisAR1, estimate_time_constant, oasisAR1
from scipy.signal import lfilter

from calcium_latents.deconvolution import oasis, traces


def simulated(samples=1500, decay=0.93, noise=0.1, rate=0.03, seed=0, baseline=0.0):
    random = np.random.default_rng(seed)
    events = random.poisson(rate, samples).astype(float)
    calcium = np.zeros(samples)
    for index in range(samples):
        calcium[index] = (calcium[index - 1] if index else 0.0) * decay + events[index]
    return calcium + baseline + noise * random.standard_normal(samples), events


def test_a_clean_trace_is_recovered():
    trace, events = simulated(noise=0.0, samples=600)
    result = oasis.deconvolve_trace(trace, 0.1, decay=0.93, noise=1e-3, baseline=0.0)
    np.testing.assert_allclose(result.events[1:], events[1:], atol=2e-3)


def of_the_library(trace, s_min):
    """Events and baseline of oasis-deconv's solvers by CaImAn's recipe."""
    noise = GetSn(trace, [0.25, 0.5], "logmexp")
    decay = estimate_time_constant(trace, 1, noise, lags=5, fudge_factor=1.0)[0]
    _, events, baseline, _, _ = constrained_oasisAR1(trace, decay, noise, optimize_b=True, penalty=int(s_min != 0))
    if s_min:
        minimum = s_min if s_min > 0 else -s_min * noise * np.sqrt(1 - decay)
        _, events = oasisAR1(trace - baseline, decay, s_min=minimum)
    return events, baseline


@pytest.mark.parametrize("s_min", [0.1, -1.0, 0.0, None])
@pytest.mark.parametrize(
    "settings",
    [
        {"samples": 40, "seed": 1},
        {"samples": 1500, "seed": 2, "baseline": 3.0},
        {"samples": 1500, "seed": 3, "baseline": -0.5},  # the baseline is held at zero
        {"samples": 3000, "seed": 4, "decay": 0.98, "rate": 0.2},
        {"samples": 3000, "seed": 5, "noise": 0.6, "rate": 0.003},
    ],
)
def test_events_are_those_of_the_library(settings, s_min):
    trace, _ = simulated(**settings)
    trace = trace.astype(np.float32).astype(float)
    events, baseline = of_the_library(trace, s_min)
    result = oasis.deconvolve_trace(trace, s_min)
    np.testing.assert_allclose(result.events, events, atol=1e-5)
    assert result.baseline == pytest.approx(baseline, abs=1e-5)


@pytest.mark.parametrize("s_min", [0.0, None])
def test_events_with_a_known_baseline_are_those_of_the_library(s_min):
    trace, _ = simulated(seed=6)
    _, expected, _, _, _ = constrained_oasisAR1(trace, 0.93, 0.1, penalty=int(s_min != 0))
    result = oasis.deconvolve_trace(trace + 2, s_min, decay=0.93, noise=0.1, baseline=2.0)
    np.testing.assert_allclose(result.events, expected, atol=1e-5)


def test_events_are_zero_or_at_least_the_threshold():
    for s_min in (0.05, 0.1, 0.4):
        trace, _ = simulated(seed=2)
        result = oasis.deconvolve_trace(trace, s_min)
        above = result.events[result.events > 1e-3 * s_min]
        assert above.size
        assert above.min() > s_min * (1 - 1e-5)
        assert result.minimum == s_min


def test_negative_s_min_is_in_units_of_noise():
    trace, _ = simulated(seed=3)
    result = oasis.deconvolve_trace(trace, -2.0)
    assert result.minimum == pytest.approx(2 * result.noise * np.sqrt(1 - result.decay))
    np.testing.assert_allclose(oasis.deconvolve_trace(trace, result.minimum).events, result.events, atol=1e-6)


def test_without_threshold_the_residual_has_the_noise_variance():
    trace, _ = simulated(samples=4000, seed=4)
    result = oasis.deconvolve_trace(trace, None, decay=0.93, noise=0.1, baseline=0.0)
    residual = trace - lfilter([1.0], [1.0, -result.decay], result.events)
    assert np.mean(residual**2) == pytest.approx(0.1**2, rel=0.05)


def test_baseline_is_found_and_does_not_change_events():
    trace, _ = simulated(seed=5)
    low, high = oasis.deconvolve_trace(trace + 0.5), oasis.deconvolve_trace(trace + 3.0)
    assert high.baseline - low.baseline == pytest.approx(2.5, abs=1e-3)
    np.testing.assert_allclose(low.events, high.events, atol=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_decay_is_that_of_the_library_with_the_settings_of_caiman(seed):
    trace, _ = simulated(seed=seed, decay=0.8 + 0.03 * seed)
    noise = traces.noise_level(trace)
    expected = estimate_time_constant(trace, 1, noise, lags=5, fudge_factor=1.0)[0]
    assert traces.autoregressive_decay(trace, noise) == pytest.approx(expected, abs=1e-10)


def test_decay_outside_of_the_range_is_replaced_as_caiman_does():
    random = np.random.RandomState(45).normal(0, 0.01)  # noqa: NPY002 - the stream that is reproduced
    assert traces.caiman_decay(1.2) == pytest.approx(0.95 + random)
    assert traces.caiman_decay(-0.2) == pytest.approx(0.15 + random)
    assert traces.caiman_decay(0.6) == 0.6


def test_numpys_global_stream_is_left_alone():
    np.random.seed(1)  # noqa: NPY002 - the global stream is what is tested
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    oasis.deconvolve_trace(np.random.default_rng(0).standard_normal(400))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_noise_and_decay_estimates_are_near_the_truth():
    trace, _ = simulated(samples=20_000, decay=0.93, noise=0.2, seed=6)
    noise = traces.noise_level(trace)
    assert noise == pytest.approx(0.2, rel=0.15)
    assert traces.autoregressive_decay(trace, noise) == pytest.approx(0.93, abs=0.02)


def test_a_negative_baseline_is_kept_when_allowed():
    trace, _ = simulated(seed=7, baseline=-1.0)
    assert oasis.deconvolve_trace(trace, baseline_nonnegative=False).baseline == pytest.approx(-1.0, abs=0.1)
    assert oasis.deconvolve_trace(trace).baseline == 0


@pytest.mark.parametrize("samples", [40, 1500])
@pytest.mark.parametrize("method", ["mean", "median", "logmexp"])
def test_noise_is_that_of_oasis_deconv(samples, method):
    trace, _ = simulated(samples=samples, seed=6)
    expected = GetSn(trace, [0.25, 0.5], method)
    assert traces.noise_level(trace, method) == pytest.approx(expected, rel=1e-6)

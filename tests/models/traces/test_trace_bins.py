"""Bins of traces and back, and the code of their identity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_traces import event_traces

from calcium_latents.models.traces.bins import bin_means, fit_bins
from calcium_latents.models.traces.parameters import BinOptions
from calcium_latents.models.traces.statistics import event_statistics
from calcium_latents.seeds import generator

RATE = 100.0


def options(factor=1, most=10_000, decay_time_s=1.0):
    return BinOptions(width_s=factor / RATE, most=most, decay_time_s=decay_time_s)


def noise(traces=6, samples=103, seed=1):
    return (0.1 * generator(seed, "tests", "bins").normal(size=(traces, samples))).astype(np.float32)


def measured(traces=60, samples=300, sigma=0.02, rate_hz=10.0, seed=1, **events):
    """Traces of events with noise, about as large as normalised ones."""
    truth = event_traces(traces, samples, rate_hz, seed=seed, **{"events": 6.0, **events})
    return (0.3 * truth - 0.5 + noise(traces, samples) * sigma / 0.1).astype(np.float32)


def test_bins_of_one_sample_come_back():
    values = noise()
    bins = fit_bins(values, RATE, options(), 0)
    assert bins.factor == 1 and bins.bins == 103
    scaled = bins.to_bins(values)
    assert scaled.dtype == np.float32
    assert scaled.mean() == pytest.approx(0, abs=1e-5) and scaled.std() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(bins.to_samples(scaled), values, rtol=0, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 80), st.integers(1, 90), st.integers(0, 4))
def test_bins_are_means_and_the_last_may_be_short(samples, factor, traces):
    values = noise(traces, samples)
    found = bin_means(values, factor)
    expected = [values[:, start : start + factor].mean(1, dtype=float) for start in range(0, samples, factor)]
    assert found.shape == (traces, -(-samples // factor)) and found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-5, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(4, 120), st.integers(1, 40), st.floats(-2, 2), st.floats(-1, 1))
def test_straight_lines_come_back_inside_and_are_held_at_the_ends(samples, factor, slope, level):
    line = (level + slope * np.arange(samples) / samples)[None]
    bins = fit_bins(np.concatenate([noise(3, samples), line.astype(np.float32)]), RATE, options(factor), 0)
    found = bins.to_samples(bins.to_bins(line))
    assert found.shape == (1, samples)
    starts = np.arange(bins.bins) * bins.factor
    ends = np.minimum(starts + bins.factor, samples) - 1
    first, last = 0.5 * (starts[0] + ends[0]), 0.5 * (starts[-1] + ends[-1])
    expected = level + slope * np.clip(np.arange(samples), first, last) / samples
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-5 * (1 + np.abs(expected).max()))


def test_constant_traces_come_back_whatever_the_bins():
    training = noise(samples=50)
    for factor in (1, 3, 7, 50, 80):
        bins = fit_bins(training, RATE, options(factor), 0)
        assert bins.bins == max(1, -(-50 // factor))
        for level in (-0.5, 0.25):
            found = bins.to_samples(bins.to_bins(np.full((2, 50), level, np.float32)))
            np.testing.assert_allclose(found, level, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("rate_hz", "samples", "width_s", "most", "factor"),
    [
        (500, 15000, 0.1, 600, 50),
        (30, 9000, 0.1, 600, 15),
        (5, 100, 0.1, 600, 1),
        (20, 601, 0.1, 600, 2),
        (25, 30, 0.1, 600, 2),
    ],
)
def test_the_width_of_a_bin(rate_hz, samples, width_s, most, factor):
    bins = fit_bins(noise(9, samples), rate_hz, BinOptions(width_s=width_s, most=most, decay_time_s=1.0), 0)
    assert bins.factor == factor and bins.bins == -(-samples // factor) <= most
    assert bins.width_s == pytest.approx(factor / rate_hz)
    assert bins.decay == pytest.approx(np.exp(-bins.width_s))


@pytest.mark.parametrize("identity", range(5))
def test_the_identity_code_has_unit_variance_on_training_traces(identity):
    training = measured()
    bins = fit_bins(training, 10.0, BinOptions(width_s=0.1, most=600, decay_time_s=1.0), identity)
    code = bins.identity(bins.to_bins(training))
    assert code.shape == (60, identity) and code.dtype == np.float32
    np.testing.assert_allclose(code.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(code.T @ code / 60, np.eye(identity), atol=1e-2)
    # of as many statistics as latents, but two at least
    assert bins.directions.shape == ((max(identity, 2), identity) if identity else (0, 0))


def test_the_identity_code_is_that_of_the_statistics():
    training = measured()
    bins = fit_bins(training, 10.0, BinOptions(width_s=0.1, most=600, decay_time_s=1.0), 2)
    statistics = event_statistics(bins.to_bins(training) - bins.baseline, bins.decay, bins.threshold)[:, :2]
    standardised = (statistics - statistics.mean(0)) / statistics.std(0)
    code = bins.identity(bins.to_bins(training))
    # principal components of two standardised variables: their sum and their difference
    sums = standardised @ np.array([[1, 1], [1, -1]]).T
    r = np.abs(np.corrcoef(code.T, sums.T)[:2, 2:])
    assert r.max(1).min() > 0.999


def test_the_threshold_is_three_and_a_half_deviations_of_what_two_bins_add():
    """Noise alone, in bins of five samples: what two bins add is beyond the threshold once in 4000 times."""
    training = noise(400, 1000)
    bins = fit_bins(training, RATE, options(5), 2)
    x = bins.to_bins(training)
    two = x[:, 2:] + (1 - bins.decay) * x[:, 1:-1] - bins.decay * x[:, :-2]
    assert bins.threshold == pytest.approx(3.5 * two.std(), rel=0.02)


def test_the_baseline_is_where_traces_rest():
    training = measured(sigma=0.005)
    bins = fit_bins(training, 10.0, BinOptions(width_s=0.1, most=600, decay_time_s=1.0), 1)
    assert bins.baseline * bins.sd + bins.mean == pytest.approx(-0.5, abs=0.02)


def test_events_are_found_through_bins():
    """Known events, noise and bins of five samples: their number is found."""
    rate, samples = 50.0, 3000
    times = np.arange(100, 2900, 200)
    truth = np.zeros((20, samples))
    for row, trace in enumerate(truth):
        for time in times + 7 * row:
            trace[time:] += 0.2 * np.exp(-np.arange(samples - time) / rate)
    training = (truth - 0.5 + 0.02 * noise(20, samples)[:, ::-1] / 0.1).astype(np.float32)
    bins = fit_bins(training, rate, BinOptions(width_s=0.1, most=600, decay_time_s=1.0), 1)
    statistics = event_statistics(bins.to_bins(training) - bins.baseline, bins.decay, bins.threshold)
    np.testing.assert_allclose(np.expm1(statistics[:, 0]), len(times), atol=1.01)
    np.testing.assert_allclose(np.exp(statistics[:, 1]) * bins.sd, 0.2, rtol=0.1)


def test_the_number_of_events_of_a_part_is_extrapolated():
    """Events at a steady rate: the first half of a trace has the code of the whole."""
    bins = fit_bins(measured(), 10.0, BinOptions(width_s=0.1, most=600, decay_time_s=1.0), 2)
    trace = np.zeros(300)
    for time in range(10, 300, 30):
        trace[time:] += 0.3 * np.exp(-np.arange(300 - time) / 10)
    x = bins.to_bins(trace[None] - 0.5)
    whole, half = bins.identity(x), bins.identity(x[:, :150])
    np.testing.assert_allclose(half, whole, atol=0.02)
    # without, it would count as one with half as many events
    assert np.abs(bins.identity(np.where(np.arange(300) < 150, x, bins.baseline)) - whole).max() > 0.5


def test_statistics_that_do_not_vary_say_nothing_of_other_traces():
    """Training traces without any event; a trace with events must not get a code out of all proportion."""
    time = np.arange(200)
    sizes = generator(1, "tests", "sizes").uniform(0.2, 1.0, (40, 1))
    training = (sizes * np.exp(-time / 10.0) - 0.5 + 0.01 * (-1.0) ** time).astype(np.float32)
    bins = fit_bins(training, 10.0, BinOptions(width_s=0.1, most=600, decay_time_s=1.0), 2)
    silent = event_statistics(bins.to_bins(training) - bins.baseline, bins.decay, bins.threshold)
    assert not np.ptp(silent, 0).any()
    others = measured(10, 200)
    assert not bins.identity(bins.to_bins(others)).any()

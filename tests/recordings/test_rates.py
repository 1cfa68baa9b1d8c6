"""Traces at another rate: what must not change does not, what cannot be resampled is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings.rates import interpolation_weights, overlap_weights, resample_traces
from calcium_latents.seeds import generator


def traces(times=40, neurons=4):
    """Return [neuron, time]."""
    return generator(1, "tests", "rates").normal(size=(neurons, times))


def test_weights_are_averages():
    random = generator(2, "tests", "weights")
    starts = np.cumsum(random.uniform(0.15, 0.25, 40))  # jittered frames of 0.2 s
    begin = np.arange(0, 7, 0.33)
    dense = overlap_weights(starts, 0.2, begin, begin + 0.33).toarray()
    covered = dense.sum(axis=1) > 0
    np.testing.assert_allclose(dense.sum(axis=1)[covered], 1)
    assert covered[1:].all() and (dense >= 0).all()
    at = random.uniform(-1, 12, 100)
    values = random.standard_normal(40)
    np.testing.assert_allclose(interpolation_weights(starts, at) @ values, np.interp(at, starts, values), atol=1e-12)
    np.testing.assert_array_equal(interpolation_weights(starts[:1], at) @ values[:1], np.full(100, values[0]))


rates = st.floats(0.5, 120)


@settings(max_examples=60, deadline=None)
@given(from_rate=rates, to_rate=rates, level=st.floats(-1e3, 1e3), times=st.integers(16, 400))
def test_a_constant_stays_constant(from_rate, to_rate, level, times):
    values = np.full((2, times), level)
    if times / from_rate * to_rate + 0.05 < 1:
        with pytest.raises(UserError, match="traces: to_rate_hz: expected at least"):
            resample_traces(values, from_rate, to_rate)
        return
    found = resample_traces(values, from_rate, to_rate)
    assert found.shape == (2, int(times / from_rate * to_rate + 0.05))
    np.testing.assert_allclose(found, level, rtol=1e-12, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(from_rate=st.floats(8, 100), to_rate=st.floats(8, 100), phase=st.floats(0, 6.2), seconds=st.floats(10, 40))
def test_a_slow_sinusoid_is_preserved(from_rate, to_rate, phase, seconds):
    def wave(time):
        return 3 + np.sin(2 * np.pi * 0.4 * time + phase)

    values = wave(np.arange(int(seconds * from_rate)) / from_rate)[None]
    found = resample_traces(values, from_rate, to_rate)
    error = np.abs(found[0] - wave(np.arange(found.shape[1]) / to_rate))
    edge = int(2 * to_rate)
    assert error[edge:-edge].max() < 0.02
    # At the ends the trace is mirrored (lower rates), or held for at most a sample (higher rates).
    steepest = 2 * np.pi * 0.4
    assert error.max() < 0.02 + (steepest / from_rate if to_rate > from_rate else 0.4 * steepest / to_rate)


@settings(max_examples=30, deadline=None)
@given(rate=rates, times=st.integers(16, 300), seed=st.integers(0, 99), kind=st.sampled_from(["float32", "float64"]))
def test_the_same_rate_changes_nothing(rate, times, seed, kind):
    values = generator(seed, "tests", "identity").normal(size=(3, times)).astype(kind)
    found = resample_traces(values, rate, rate)
    assert found.dtype == kind and not np.shares_memory(found, values)
    np.testing.assert_array_equal(found, values)
    part = resample_traces(values, rate, rate, duration_s=10 / rate)
    np.testing.assert_array_equal(part, values[:, :10])


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(1.01, 8), times=st.integers(20, 200), slope=st.floats(-5, 5))
def test_higher_rates_interpolate_linearly(factor, times, slope):
    ramp = slope * np.arange(times)[None]
    found = resample_traces(ramp, 10, 10 * factor)
    expected = slope * np.minimum(np.arange(found.shape[1]) / factor, times - 1)
    np.testing.assert_allclose(found[0], expected, atol=1e-9)


def test_faster_than_the_new_rate_is_removed_where_thinning_folds_it():
    time = np.arange(6000) / 30
    fast, slow = np.sin(2 * np.pi * 9.5 * time), np.sin(2 * np.pi * 0.5 * time)
    found = resample_traces((fast + slow)[None], 30, 10)[0]
    inside = slice(50, -50)
    assert np.abs(found - slow[::3])[inside].max() < 0.01
    assert np.abs(fast[::3])[inside].max() > 0.9


def test_it_is_linear_neuron_by_neuron_and_the_same_in_blocks():
    values = traces(200, 700)
    whole = resample_traces(values, 33, 16.5)
    assert whole.shape == (700, 100)
    np.testing.assert_allclose(whole[300:303], resample_traces(values[300:303], 33, 16.5), atol=1e-12)
    np.testing.assert_allclose(resample_traces(2 * values + 1, 33, 16.5), 2 * whole + 1, atol=1e-9)


def test_rates_that_are_no_simple_fraction_do_not_drift():
    rate, new = 31.0834, 9.9731
    time = np.arange(40_000) / rate
    centre = 1200.0
    bump = np.exp(-0.5 * ((time - centre) / 1.0) ** 2)
    found = resample_traces(bump[None], rate, new)[0]
    at = np.arange(found.size) / new
    assert abs((found * at).sum() / found.sum() - centre) < 0.02


def test_durations():
    values = traces()
    assert resample_traces(values, 10, 5, 2.0).shape == (4, 10)
    assert resample_traces(values, 10, 5, 4.0).shape == (4, 20)
    with pytest.raises(UserError) as error:
        resample_traces(values, 10, 5, 4.2, "new.csv")
    expected = "new.csv: duration_s: expected a recording of at least 4.2 s, found 4 s. Ask for a shorter duration"
    assert str(error.value).startswith(expected)
    np.testing.assert_array_equal(resample_traces(values, 10, 7), resample_traces(values, 10, 7, 4.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from_rate_hz": 0}, "a: from_rate_hz: expected a positive number, found 0"),
        ({"to_rate_hz": np.nan}, "a: to_rate_hz: expected a positive number, found nan"),
        ({"to_rate_hz": "5"}, "a: to_rate_hz: expected a positive number, found '5'"),
        ({"to_rate_hz": True}, "a: to_rate_hz: expected a positive number, found True"),
        ({"duration_s": -1.0}, "a: duration_s: expected a positive number, found -1.0"),
        ({"duration_s": np.inf}, "a: duration_s: expected a positive number, found inf"),
        ({"to_rate_hz": 0.1}, "a: to_rate_hz: expected at least 0.25, one sample in 4 s, found 0.1"),
        ({"values": np.zeros(5)}, r"a: values: expected a matrix \[neuron, time\] of numbers, found shape \(5,\)"),
        ({"values": np.zeros((2, 0))}, "a: values: expected a matrix"),
        ({"values": np.array([["x", "y"]])}, "a: values: expected a matrix"),
        ({"values": np.array([[1.0, np.nan, np.inf]])}, "a: values: expected finite values, found 2 others"),
    ],
)
def test_what_cannot_be_resampled(change, message):
    given = {"values": traces(), "from_rate_hz": 10, "to_rate_hz": 5, "path": "a"} | change
    with pytest.raises(UserError, match=message):
        resample_traces(**given)

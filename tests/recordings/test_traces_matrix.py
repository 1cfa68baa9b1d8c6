"""Traces as a matrix, and at another rate: what must not change does not, what cannot be used is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_recording
from calcium_latents.recordings.traces_matrix import check_labels, resample_traces, trace_matrix
from calcium_latents.seeds import generator


def traces(trials=1, times=40, neurons=4, seed=1):
    """Return [trial, time, neuron]."""
    return generator(seed, "tests", "traces matrix").normal(size=(trials, times, neurons))


def recording(values, labels=None, **options):
    others = {
        name: (("neuron",), np.asarray(label), "1", name) for name, label in ({} if labels is None else labels).items()
    }
    return make_recording(
        fluorescence=values,
        time=np.arange(values.shape[1]) / 10,
        bin_width_s=0.1,
        imaging_rate_hz=10,
        source="test",
        neuron=10 + np.arange(values.shape[2]),
        others=others,
        **options,
    )


def test_a_row_is_a_neuron_and_consecutive_trials_are_joined():
    values = traces(3)
    found = trace_matrix(recording(values, consecutive_trials=True), "a.nc")
    assert found.dtype == np.float32 and found.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(found, np.float32(values).reshape(120, 4).T)
    single = trace_matrix(recording(values[:1]), "a.nc")
    np.testing.assert_array_equal(single, np.float32(values[0]).T)
    with pytest.raises(UserError) as error:
        trace_matrix(recording(values), "a.nc")
    expected = (
        "a.nc: trial: expected one continuous trial, or consecutive ones, found 3 separate trials. Give the recording"
    )
    assert str(error.value).startswith(expected)


def _put(index, value):
    def change(dataset):
        values = dataset["fluorescence"].values.copy()
        values[index] = value
        return dataset.assign(fluorescence=dataset["fluorescence"].copy(data=values))

    return change


BAD = {
    "missing": (
        _put((0, [3, 4, 9], 2), np.nan),
        "a.nc: fluorescence: expected a sample of every neuron at every time, found 3 missing (NaN) in neuron 12; the "
        "first is sample 3 of neuron 12. Let join_recordings bridge short gaps, or leave these neurons out.",
    ),
    "infinite": (
        _put((0, 3, [1, 3]), np.inf),
        "a.nc: fluorescence: expected finite values, found infinite ones in 2 neurons (11, 13). Correct these traces",
    ),
    "constant": (
        _put((0, slice(None), [0, 1, 3]), 2.5),
        "a.nc: fluorescence: expected traces that change over time, found no variance in 3 neurons (10, 11, 13). Leave "
        "these neurons out",
    ),
    "one neuron": (
        lambda d: d.isel(neuron=[1]),
        "a.nc: neuron: expected at least 2 neurons, found one neuron. Give a recording of more neurons.",
    ),
    "short": (
        lambda d: d.isel(time=slice(15)),
        "a.nc: time: expected at least 16 samples of each neuron, found 15. Give a longer recording.",
    ),
    "events alone": (
        lambda d: d.rename(fluorescence="events"),
        "a.nc: fluorescence: expected traces, found none. Give a recording before deconvolution.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_named(name):
    change, message = BAD[name]
    with pytest.raises(UserError) as error:
        trace_matrix(change(recording(traces())), "a.nc")
    assert message in str(error.value)


def test_the_smallest_recording_will_do():
    assert trace_matrix(recording(traces(1, 16, 2)), "a.nc").shape == (2, 16)
    assert trace_matrix(recording(traces(2, 8, 2), consecutive_trials=True), "a.nc").shape == (2, 16)


def test_many_neurons_are_not_all_listed():
    values = traces(neurons=40)
    values[:, :, 5:] = 1
    with pytest.raises(UserError, match=r"in 35 neurons \(15, 16, 17, 18, 19, 20, 21, 22, \.\.\.\)\. Leave"):
        trace_matrix(recording(values), "a.nc")


LABELS = {
    "negative": ({"culture": [0, 0, -1, 1]}, "a.nc: culture: expected whole numbers, 0 or more, found -1 of"),
    "fractions": ({"culture": [0, 0, 0.5, 1]}, "a.nc: culture: expected whole numbers, 0 or more, found type float64"),
    "numbers": ({"group": [1, 2, 3, 4]}, "a.nc: group: expected text, not empty, found type int64"),
    "empty": (
        {"group": np.array(["a", "", "b", "b"], dtype=object)},
        "a.nc: group: expected text, not empty, found '' of neuron 11",
    ),
    "missing": (
        {"group": np.array(["a", np.nan, "b", "b"], dtype=object)},
        "a.nc: group: expected text, not empty, found nan of neuron 11",
    ),
    "two groups": (
        {"culture": [0, 0, 1, 1], "group": np.array(["a", "a", "a", "b"], dtype=object)},
        "a.nc: group: expected one group a culture, found 'a' and 'b' in culture 1. Correct the labels.",
    ),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(name):
    labels, message = LABELS[name]
    with pytest.raises(UserError) as error:
        check_labels(recording(traces(), labels), "a.nc")
    assert message in str(error.value)
    with pytest.raises(UserError):
        trace_matrix(recording(traces(), labels), "a.nc")


def test_good_labels():
    check_labels(recording(traces()), "a.nc")
    labels = {"culture": np.int32([0, 0, 1, 1]), "group": ["control", "control", "control", "control"]}
    check_labels(recording(traces(), labels), "a.nc")
    bad = recording(traces()).assign(culture=(("time",), np.zeros(40, int)))
    with pytest.raises(UserError, match=r"a.nc: culture: expected one label a neuron, found dims \('time',\)"):
        check_labels(bad, "a.nc")


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
    values = traces(1, 200, 700)[0].T
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
    values = traces()[0].T
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
    given = {"values": traces()[0].T, "from_rate_hz": 10, "to_rate_hz": 5, "path": "a"} | change
    with pytest.raises(UserError, match=message):
        resample_traces(**given)

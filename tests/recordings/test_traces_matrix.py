"""Traces as a matrix: what must not change does not, what cannot be used is named."""

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import make_recording
from calcium_latents.recordings.traces_matrix import check_labels, trace_matrix
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

"""Traces of neurons: normalised and back, and split so that nothing of the test set is known."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from synthetic_traces import trace_recording

from calcium_latents.errors import UserError
from calcium_latents.models.traces.neuron_traces import (
    Member,
    NeuronTraces,
    assign_parts,
    make_members,
    normalise,
    read_traces,
)
from calcium_latents.models.traces.parameters import TraceOptions
from calcium_latents.recordings.fields import TEST, TRAINING
from calcium_latents.seeds import generator


def labelled(cultures: dict[str, list[int]], samples=30) -> NeuronTraces:
    """Traces of cultures with the given numbers of neurons, by group; cultures are numbered through."""
    sizes = [size for group in cultures.values() for size in group]
    names = [name for name, group in cultures.items() for _ in group]
    values = generator(1, "tests", "labelled").normal(size=(sum(sizes), samples)).astype(np.float32)
    culture = np.repeat(np.arange(len(sizes)), sizes)
    group = np.repeat(np.array(names), sizes).astype(str)
    return NeuronTraces(values, values[:, :1], values[:, :1], None, culture, group, 10.0, float(values.min()))


def parts(traces, split, partition, **options):
    member = Member(4, 8, 0.5, split, partition)
    return assign_parts(traces, member, TraceOptions(**options))


groups = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(1, 5), min_size=2, max_size=5), min_size=1, max_size=4
)


@settings(max_examples=40, deadline=None)
@given(groups, st.integers(0, 2))
def test_each_culture_is_held_out_once_a_turn_and_one_of_each_group_at_a_time(cultures, turn):
    traces = labelled(cultures)
    for name, sizes in cultures.items():
        own = np.unique(traces.culture[traces.group == name])
        held_out = []
        for partition in range(turn * len(sizes), (turn + 1) * len(sizes)):
            part = parts(traces, "culture", partition)
            tested = np.unique(traces.culture[part == TEST])
            trained = np.unique(traces.culture[part == TRAINING])
            assert not set(tested) & set(trained)  # whole cultures
            assert len(tested) == len(cultures)
            held_out.append(int(np.intersect1d(tested, own).item()))
        assert sorted(held_out) == own.tolist()


def test_turns_and_groups_are_shuffled_by_themselves():
    traces = labelled({name: [1] * 10 for name in "abc"})
    orders = {
        (name, turn): [
            int(traces.culture[(parts(traces, "culture", p) == TEST) & (traces.group == name)].item()) % 10
            for p in range(10 * turn, 10 * turn + 10)
        ]
        for name in "abc"
        for turn in range(2)
    }
    assert len({tuple(order) for order in orders.values()}) == 6


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.floats(0.01, 0.99), st.integers(0, 9))
def test_random_neurons_are_the_stated_part(neurons, fraction, partition):
    traces = labelled({"a": [neurons]})
    part = parts(traces, "neuron", partition, test_fraction=fraction)
    assert part.dtype == np.int8 and set(part) <= {TRAINING, TEST}
    assert (part == TEST).sum() == max(1, round(fraction * neurons))


def test_partitions_of_neurons_differ_and_cover_all():
    traces = labelled({"a": [100], "b": [100]})
    tested = np.stack([parts(traces, "neuron", p) == TEST for p in range(10)])
    assert len(np.unique(tested, axis=0)) == 10
    assert (tested.sum(1) == 40).all()
    assert (tested.sum(0) > 0).mean() > 0.8  # 1 - 0.8^10 = 0.89 of the neurons are tested at least once


@pytest.mark.parametrize("split", ["neuron", "culture"])
def test_parts_are_the_same_for_every_model_noise_level_and_seed(split):
    options = TraceOptions()
    quiet, loud = (
        read_traces(trace_recording(noise=noise), "a.nc", scope) for noise, scope in ((0.01, "global"), (1.0, "trace"))
    )
    assert not np.allclose(quiet.values, loud.values)
    for partition in range(6):
        one = assign_parts(quiet, Member(2, 32, 0.5, split, partition), options)
        other = assign_parts(loud, Member(16, 0, 0.0, split, partition), options)
        np.testing.assert_array_equal(one, other)


@settings(max_examples=40, deadline=None)
@given(
    scope=st.sampled_from(["global", "trace"]),
    neurons=st.integers(2, 5),
    samples=st.integers(2, 20),
    size=st.sampled_from([1e-3, 1.0, 1e4]),
    offset=st.sampled_from([-1e3, 0.0, 42.0]),
)
def test_normalised_and_back(scope, neurons, samples, size, offset):
    matrix = (offset + size * generator(samples, "tests", "matrix").normal(size=(neurons, samples))).astype(np.float32)
    assume((matrix.max(1) > matrix.min(1)).all())  # others are refused before
    values, low, scale = normalise(matrix, scope)
    assert values.dtype == np.float32 and values.shape == matrix.shape and low.shape == scale.shape == (neurons, 1)
    axis = None if scope == "global" else 1
    assert (values.min(axis) == -0.5).all() and (values.max(axis) == 0.5).all()
    assert (np.abs(values) <= 0.5).all()
    np.testing.assert_allclose(low + scale * values, matrix, rtol=1e-6, atol=1e-6 * np.ptp(matrix))


def test_global_normalisation_keeps_ratios_and_trace_does_not():
    matrix = np.array([[0, 1, 2], [0, 5, 10]], np.float32)
    whole, own = (normalise(matrix, scope)[0] for scope in ("global", "trace"))
    np.testing.assert_allclose(whole, [[-0.5, -0.4, -0.3], [-0.5, 0.0, 0.5]], atol=1e-7)
    np.testing.assert_allclose(own, [[-0.5, 0.0, 0.5]] * 2)


@pytest.mark.parametrize("trials", [1, 3])
def test_reading(trials):
    recording = trace_recording(trials=trials)
    traces = read_traces(recording, "a.nc", "trace")
    neurons, samples = 32, 60
    assert traces.values.shape == traces.noiseless.shape == (neurons, samples) and traces.rate_hz == 10
    joined = recording["fluorescence"].values.reshape(samples, neurons).T
    np.testing.assert_allclose(traces.to_fluorescence(traces.values), joined, rtol=1e-6)
    np.testing.assert_array_equal(traces.noiseless, recording["noiseless"].values.reshape(samples, neurons).T)
    assert np.abs(traces.noiseless - joined).mean() < 0.1
    assert traces.culture.tolist() == np.repeat(range(4), 8).tolist()
    assert traces.group.tolist() == ["a"] * 16 + ["b"] * 16
    # the truth has one scale for all, whatever the traces have
    ideal = traces.noiseless_normalised
    assert ideal.min() == -0.5 and ideal.max() == 0.5 and (ideal.max(1) < 0.5).sum() == neurons - 1


def test_a_recording_without_labels_is_one_culture_and_has_no_truth():
    traces = read_traces(trace_recording(labels=False), "a.nc", "global")
    assert traces.noiseless is None and traces.noiseless_normalised is None
    assert not traces.culture.any() and set(traces.group) == {"all"}
    members = make_members(traces, TraceOptions(partitions=2), [(2, 4)], [0.5], "a.nc")
    assert members == [Member(2, 4, 0.5, "neuron", p) for p in range(2)]
    with pytest.raises(UserError) as error:
        make_members(traces, TraceOptions(splits=["culture"]), [(2, 4)], [0.5], "a.nc")
    expected = (
        "a.nc: culture: expected at least two cultures of every group for data.splits = ['culture'], found 1 of 1"
    )
    assert str(error.value).startswith(expected + " groups")


@pytest.mark.parametrize(
    ("cultures", "splits"),
    [
        ({"a": [10, 10], "b": [10]}, ["neuron"]),  # a group without a second culture
        ({"a": [10], "b": [10]}, ["neuron"]),
        ({"a": [10, 10]}, ["neuron", "culture"]),
        ({"a": [10, 10], "b": [10, 10]}, ["neuron", "culture"]),
    ],
)
def test_splits_that_a_recording_allows(cultures, splits):
    members = make_members(labelled(cultures), TraceOptions(partitions=1), [(2, 4)], [0.5], "a.nc")
    assert [member.split for member in members] == splits


def test_members_the_reported_one_first():
    traces = labelled({"a": [10, 10]})
    options = TraceOptions(splits=["culture", "neuron"], partitions={"culture": 4, "neuron": 2}, grid_partitions=3)
    members = make_members(traces, options, [(8, 128), (2, 32)], [0.5, 0], "a.nc")
    assert members[0] == Member(8, 128, 0.5, "culture", 0)
    assert len(set(members)) == len(members)
    counts = {}
    for member in members:
        key = member.latent_size, member.hidden, member.beta, member.split
        counts[key] = counts.get(key, 0) + 1
    assert counts == {
        (latents, hidden, beta, split): count if (latents, beta) == (8, 0.5) else min(count, 3)
        for latents, hidden in ((8, 128), (2, 32))
        for beta in (0.5, 0.0)
        for split, count in (("culture", 4), ("neuron", 2))
    }


def test_a_grid_of_two_directions_or_of_all_combinations():
    traces, sizes, betas = labelled({"a": [40]}), [(8, 128), (2, 32), (4, 64)], [0.5, 0.0, 1.0]
    found = {
        differences: [
            (member.latent_size, member.beta)
            for member in make_members(
                traces, TraceOptions(grid_differences=differences, partitions=1), sizes, betas, "a.nc"
            )
        ]
        for differences in (0, 1, 2)
    }
    assert found[2] == [(size, beta) for size, _ in sizes for beta in betas]
    assert found[1] == [(size, beta) for size, beta in found[2] if size == 8 or beta == 0.5]
    assert found[0] == [(8, 0.5)]


def test_too_few_neurons_or_samples_are_named():
    few = labelled({"a": [9]})
    with pytest.raises(UserError, match=r"a.nc: neuron: expected at least 8 neurons .* found 7 neurons and 30 samples"):
        make_members(few, TraceOptions(partitions=1), [(2, 4)], [0.5], "a.nc")
    assert make_members(labelled({"a": [10]}), TraceOptions(partitions=1), [(2, 4)], [0.5], "a.nc")
    with pytest.raises(
        UserError, match=r"at least 17 neurons .* more than 16 samples for 16 latents, found 16 neurons"
    ):
        make_members(labelled({"a": [20]}), TraceOptions(partitions=1), [(2, 4), (16, 4)], [0.5], "a.nc")
    with pytest.raises(UserError, match="more than 16 samples for 16 latents, found 32 neurons and 16 samples"):
        make_members(labelled({"a": [40]}, 16), TraceOptions(partitions=1), [(16, 4)], [0.5], "a.nc")
    # one culture has nearly all neurons
    with pytest.raises(UserError, match="at least 8 neurons to train on .* found 5 neurons"):
        make_members(labelled({"a": [40, 5]}), TraceOptions(partitions=2), [(2, 4)], [0.5], "a.nc")


def test_unusable_traces_are_named():
    recording = trace_recording()
    values = recording["fluorescence"].values.copy()
    constant, missing = values.copy(), values.copy()
    constant[..., 3] = 42.0
    missing[0, 7, 5] = np.nan
    for wrong, message in ((constant, "no variance in neuron 3"), (missing, r"1 missing \(NaN\) in neuron 5")):
        with pytest.raises(UserError, match=rf"a\.nc: fluorescence: .*{message}"):
            read_traces(recording.assign(fluorescence=recording["fluorescence"].copy(data=wrong)), "a.nc", "global")
    mixed = recording.assign(group=("neuron", np.array(["a", "b"] * 16, dtype=object)))
    with pytest.raises(UserError, match="a.nc: group: expected one group a culture"):
        read_traces(mixed, "a.nc", "global")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid_differences": 3}, r"data\.grid_differences: expected a whole number from 0 to 2, found 3"),
        ({"normalisation": "none"}, r"data\.normalisation: expected one of global, trace, found 'none'"),
        ({"splits": []}, r"data\.splits: expected a list, each one of neuron, culture, at least 1"),
        ({"splits": ["neurons"]}, r"data\.splits: expected a list, .* found \['neurons'\]"),
        ({"test_fraction": 0}, r"data\.test_fraction: expected a number above 0 and below 1, found 0"),
        ({"test_fraction": 1.0}, r"data\.test_fraction: expected a number above 0 and below 1, found 1\.0"),
        ({"partitions": 0}, r"data\.partitions: expected a whole number of at least 1 or .*, found 0"),
        ({"partitions": {"neuron": 3}}, r"data\.partitions: expected a number for split 'culture', too"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(UserError, match=message):
        TraceOptions(**options)

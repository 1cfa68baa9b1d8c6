"""Pairs of activity: splits that share nothing, windows, neuron choice, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.models.cross_encoder.pairs import (
    SMALLEST_SCALE,
    TEST,
    TRAINING,
    UNUSED,
    VALIDATION,
    make_pairs,
    split_chunks,
    stimulus_related_variance,
)
from calcium_latents.models.cross_encoder.parameters import PairOptions
from calcium_latents.recordings import make_recording
from calcium_latents.seeds import generator

SMALL = {"sources": 4, "targets": 5, "target_candidates": None}


def stimuli(count=20, repeats=3, neurons=12, seed=1):
    random = generator(seed, "stimuli")
    condition = random.permutation(np.repeat(np.arange(count), repeats))
    events = random.gamma(1.0, size=(len(condition), 1, neurons)).astype(np.float32)
    return make_recording(
        events=events,
        time=np.zeros(1),
        bin_width_s=0.5,
        imaging_rate_hz=2.0,
        source="test",
        condition=condition,
        attributes={"paradigm": "stimulus"},
    )


def spontaneous(frames=400, neurons=12, seed=2):
    events = generator(seed, "frames").gamma(1.0, size=(1, frames, neurons)).astype(np.float32)
    return make_recording(
        events=events,
        time=np.arange(frames) * 0.2,
        bin_width_s=0.2,
        imaging_rate_hz=5.0,
        source="test",
        attributes={"paradigm": "spontaneous"},
    )


@pytest.mark.parametrize("repeats", [2, 3])
def test_all_ordered_pairs_of_one_stimulus_are_in_one_part(repeats):
    recording = stimuli(repeats=repeats)
    pairs = make_pairs(recording, PairOptions(**SMALL), 1)
    condition = recording["condition"].values
    assert len(pairs.part) == 20 * repeats * (repeats - 1)
    assert len(set(zip(pairs.source_sample, pairs.target_sample, strict=True))) == len(pairs.part)
    assert (pairs.source_sample != pairs.target_sample).all()
    assert (condition[pairs.source_sample] == condition[pairs.target_sample]).all()
    assert (pairs.sample_part[pairs.source_sample] == pairs.part).all()
    parts = [set(condition[pairs.sample_part == part]) for part in (TRAINING, VALIDATION, TEST)]
    assert [len(part) for part in parts] == [10, 4, 6] and len(set.union(*parts)) == 20


def test_windows_stay_within_their_part_and_the_session():
    recording = spontaneous()
    pairs = make_pairs(recording, PairOptions(**SMALL), 1)
    assert pairs.offsets == (-3, -2, -1, 0, 1, 2)
    reach = {part: set() for part in (TRAINING, VALIDATION, TEST)}
    for sample, part in zip(pairs.target_sample, pairs.part, strict=True):
        window = [sample + offset for offset in pairs.offsets]
        assert window[0] >= 0 and window[-1] < 400
        reach[part] |= set(window)
    assert not reach[TRAINING] & reach[TEST] and not reach[TRAINING] & reach[VALIDATION]
    x, activity = pairs.inputs(TEST), recording["events"].values[0]
    first = pairs.target_sample[pairs.part == TEST][0]
    frames = [activity[first + offset, pairs.sources] for offset in pairs.offsets]
    expected = [(frame - pairs.source_floor) / pairs.source_scale for frame in frames]
    np.testing.assert_allclose(x[0], np.concatenate(expected), rtol=1e-6)


def test_the_published_session_gives_50_chunks():
    part = split_chunks(3000, 0.2, PairOptions(), generator(0, "chunks"))
    assert [(part == label).sum() for label in (TRAINING, VALIDATION, TEST, UNUSED)] == [1250, 500, 750, 500]
    assert (part[50:60] == UNUSED).all() and (part[:50] == part[0]).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(40, 500), st.floats(1.0, 6.0), st.integers(0, 1000))
def test_chunks_have_gaps_and_all_parts(frames, chunk_s, seed):
    options = PairOptions(chunk_s=chunk_s, buffer_s=1.2)
    try:
        part = split_chunks(frames, 0.2, options, generator(seed, "chunks"))
    except UserError:
        assert (frames + 6) // (round(chunk_s / 0.2) + 6) < 3
        return
    assert {TRAINING, VALIDATION, TEST} <= set(part)
    change = np.flatnonzero(np.diff(part))
    used = part[part != UNUSED]
    assert len(used) % round(chunk_s / 0.2) == 0
    assert all(UNUSED in (part[i], part[i + 1]) for i in change)


def test_neurons_differ_by_seed_and_never_overlap():
    recording = spontaneous()
    one, other = (make_pairs(recording, PairOptions(**SMALL), seed) for seed in (1, 2))
    assert not set(one.sources) & set(one.targets)
    assert (len(one.sources), len(one.targets)) == (4, 5)
    assert list(one.sources) != list(other.sources)
    again = make_pairs(recording, PairOptions(**SMALL), 1)
    assert list(again.targets) == list(one.targets) and list(again.part) == list(one.part)


def test_sources_are_the_most_reliable_and_test_stimuli_have_no_say():
    recording = stimuli(count=40, repeats=2)
    events = recording["events"].values
    for neuron in (3, 7, 8, 11):
        events[:, 0, neuron] = 1 + recording["condition"].values % 7
    options = PairOptions(**SMALL)
    pairs = make_pairs(recording, options, 1)
    assert list(pairs.sources) == [3, 7, 8, 11]
    # make another neuron perfectly reliable on the test stimuli alone
    held_out = pairs.sample_part == TEST
    events[held_out, 0, 0] = 1 + recording["condition"].values[held_out]
    assert list(make_pairs(recording, options, 1).sources) == [3, 7, 8, 11]


def test_stimulus_related_variance_is_right_on_average():
    random = generator(4, "variance")
    stimulus = np.repeat(np.arange(3000), 2)
    signal = random.normal(size=(3000, 1))[stimulus] * np.sqrt([0.0, 0.3, 1.0])
    noise = random.normal(size=(6000, 3)) * np.sqrt([1.0, 0.7, 0.0])
    share = stimulus_related_variance(signal + noise, stimulus)
    np.testing.assert_allclose(share, [0.0, 0.3, 1.0], atol=0.04)


def test_scales_come_from_training_alone():
    recording = spontaneous()
    pairs = make_pairs(recording, PairOptions(**SMALL), 1)
    outputs = pairs.outputs(TRAINING) * pairs.target_scale
    np.testing.assert_allclose(outputs.std(0), pairs.target_scale, rtol=0.05)
    recording["events"].values[0, pairs.sample_part == TEST] *= 100
    np.testing.assert_allclose(make_pairs(recording, PairOptions(**SMALL), 1).target_scale, pairs.target_scale)


def test_a_neuron_that_hardly_varied_in_training_does_not_decide_the_score():
    recording = spontaneous()
    chosen = make_pairs(recording, PairOptions(**SMALL), 1)
    events, part = recording["events"].values, chosen.sample_part
    faint, silent, constant = chosen.targets[0], chosen.targets[1], chosen.sources[0]
    events[0, part == TRAINING, faint] = 0.0
    events[0, np.flatnonzero(part == TRAINING)[3], faint] = 1e-3
    events[0, part == TRAINING, silent] = 0.0
    events[0, part == TRAINING, constant] = 0.1
    pairs = make_pairs(recording, PairOptions(**SMALL), 1)
    median = np.median(events[0, part == TRAINING].std(0)[[n for n in range(12) if n not in (silent, constant)]])
    floor = pytest.approx(SMALLEST_SCALE * median, rel=1e-5)
    assert (pairs.target_scale[0], pairs.target_scale[1], pairs.source_scale[0]) == (floor, floor, floor)
    np.testing.assert_array_equal(pairs.target_scale[2:], chosen.target_scale[2:])
    events[:] = 0.0
    assert (make_pairs(recording, PairOptions(**SMALL), 1).target_scale == 1).all()


def test_wrong_input_is_named():
    recording = spontaneous()
    cases = [
        (recording, {"sources": 10, "targets": 5}, "expected at least 15 neurons"),
        (recording.isel(neuron=[0]), {"sources": 0.4, "targets": 0.6}, "One neuron cannot be predicted from others"),
        (recording, {**SMALL, "chunk_s": 40.0}, "at least 3 chunks"),
        (recording, {**SMALL, "buffer_s": 0.4}, "windows of different parts would overlap"),
        (recording.drop_vars("events").assign(fluorescence=recording["events"]), SMALL, "Deconvolve it first"),
        (stimuli(repeats=1), SMALL, "every stimulus at least twice"),
        (stimuli(count=2), SMALL, "at least 3 stimuli"),
        (recording.assign(events=recording["events"].where(recording["events"] > 0.1)), SMALL, "missing samples"),
    ]
    for given_recording, options, message in cases:
        with pytest.raises(UserError, match=message):
            make_pairs(given_recording, PairOptions(**options), 1)
    with pytest.raises(UserError, match="fractions"):
        PairOptions(fractions=(0.5, 0.5, 0.5))
    shares = make_pairs(recording, PairOptions(sources=0.25, targets=0.5, target_candidates=None), 1)
    assert (len(shares.sources), len(shares.targets)) == (3, 6)

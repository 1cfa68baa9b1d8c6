"""New traces from old ones: what is joined is what was there, and joints decay as fluorescence does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.models.traces.augmentation import _mirrored, join_pieces
from calcium_latents.seeds import generator

PLAIN = {"joints": 0, "probability": 1.0, "shift_sd_bins": 0.0, "decay": 0.9}


def join(traces, count, seed=1, **changes):
    options = {**PLAIN, **changes}
    return join_pieces(traces, count, *(options[name] for name in PLAIN), seed)


def noise(traces=5, bins=40, seed=1):
    return generator(seed, "tests", "pieces").normal(size=(traces, bins)).astype(np.float32)


def shifted(trace, by):
    """A trace moved to later times, mirrored at its ends: NumPy's reflection."""
    margin = len(trace) - 1
    return np.pad(trace, margin, mode="reflect")[margin - by : margin - by + len(trace)]


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 30), st.integers(-200, 200))
def test_mirrored_indices_are_those_of_numpys_reflection(bins, index):
    line = np.arange(bins)
    assert _mirrored(index, bins) == np.pad(line, 200, mode="reflect")[index + 200]


@pytest.mark.parametrize("unused", [{"joints": 0}, {"joints": 3, "probability": 0.0}])
def test_without_joints_and_shifts_traces_come_back(unused):
    traces = noise()
    found = join(traces, 500, **unused)
    assert found.shape == (500, 40) and found.dtype == np.float32
    matches = (found[:, None] == traces).all(-1)
    assert (matches.sum(1) == 1).all()
    assert (np.abs(matches.mean(0) - 0.2) < 0.08).all()  # each as often as the others


def test_shifts_mirror_the_ends_and_have_the_stated_size():
    traces = noise()
    found = join(traces, 800, shift_sd_bins=3.0)
    possible = np.stack([[shifted(trace, by) for by in range(-20, 21)] for trace in traces])
    matches = (found[:, None, None] == possible).all(-1)
    assert (matches.sum((1, 2)) == 1).all()
    shifts = matches.any(1).argmax(1) - 20
    assert abs(shifts.mean()) < 0.4
    assert np.std(shifts) == pytest.approx((9 + 1 / 12) ** 0.5, rel=0.1)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.integers(2, 50), st.integers(0, 999))
def test_the_difference_at_a_joint_decays(decay, bins, seed):
    """Traces without events at -1 and 2: a row is one, then the other plus what is left of the difference."""
    levels = np.array([-1.0, 2.0], np.float32)
    found = join(np.repeat(levels[:, None], bins, 1), 60, seed, joints=1, decay=decay)
    seen = 0
    for row in found:
        own = row[0]
        assert own in levels
        if (row == own).all():  # joined with itself, or so late and slow that nothing is seen
            continue
        other = levels.sum() - own
        cut = int(np.argmax(row != own))
        expected = other + (own - other) * decay ** np.arange(1, bins - cut + 1)
        np.testing.assert_allclose(row[cut:], expected, rtol=1e-5, atol=1e-5)
        seen += 1
    assert seen or decay > 0.9


def test_pieces_are_of_the_same_trace_in_half_of_the_cases_and_joints_are_anywhere():
    traces, bins = np.arange(50.0)[:, None].repeat(21, 1), 21
    found = join(traces, 4000, joints=1, decay=0.0)
    changed = (found != found[:, :1]).any(1)
    assert changed.mean() == pytest.approx(0.5 * 49 / 50, abs=0.03)
    cuts = (found[changed] != found[changed, :1]).argmax(1)
    assert cuts.min() == 1 and cuts.max() == bins - 1
    counts = np.bincount(cuts)[1:]
    assert (np.abs(counts / counts.mean() - 1) < 0.5).all()
    assert np.ptp(join(traces, 4000, joints=1, decay=0.0, probability=0.3), 1).astype(bool).mean() == pytest.approx(
        0.3 * 0.49, abs=0.03
    )


def test_joined_traces_are_what_one_indicator_would_show():
    """Events of both pieces survive with their sizes: what is added to the decay is that of the pieces."""
    decay, bins = 0.8, 60
    traces = np.zeros((3, bins), np.float32)
    added = generator(1, "tests", "events").gamma(1.0, 1.0, (3, bins)) * (np.arange(bins) % 7 == 3)
    for t in range(bins):
        traces[:, t] = added[:, t] + (decay * traces[:, t - 1] if t else 0)
    found = join(traces, 100, joints=2, decay=decay)
    steps = found[:, 1:] - decay * found[:, :-1]
    close = np.abs(steps[:, None] - added[:, 1:]) < 1e-4
    assert close.any(1).all()
    # pieces follow each other: at no time does the source change more than twice
    last = np.full(100, -1)
    changes = np.zeros(100, int)
    for t in np.flatnonzero(np.arange(1, bins) % 7 == 3):
        source = close[:, :, t].argmax(1)
        changes += (source != last) & (last >= 0)
        last = source
    assert changes.max() == 2


def test_the_same_seed_gives_the_same_bytes():
    options = {"joints": 2, "probability": 0.75, "shift_sd_bins": 5.0}
    first = join(noise(), 50, **options)
    assert first.tobytes() == join(noise(), 50, **options).tobytes()
    assert first.tobytes() == join(np.asfortranarray(noise().astype(float)), 50, **options).tobytes()
    other = join(noise(), 50, 2, **options)
    assert not (first == other).all(1).any()
    # seeds of 63 bits, as those of fits are
    assert join(noise(), 5, 2**63 - 1, **options).shape == (5, 40)


@settings(max_examples=40, deadline=None)
@given(
    traces=st.integers(1, 4),
    bins=st.integers(2, 12),
    count=st.integers(0, 6),
    joints=st.integers(0, 4),
    shift=st.floats(0, 50),
    decay=st.floats(0, 1),
)
def test_any_shape_gives_finite_traces_within_reach(traces, bins, count, joints, shift, decay):
    values = noise(traces, bins)
    before = values.copy()
    found = join(values, count, joints=joints, shift_sd_bins=shift, decay=decay)
    assert found.shape == (count, bins) and np.isfinite(found).all()
    np.testing.assert_array_equal(values, before)
    assert (np.abs(found) <= (2 * joints + 1) * np.abs(values).max() + 1e-5).all()

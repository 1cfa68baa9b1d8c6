"""Statistics of the events of a trace: exact for events that are known, whenever they come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.models.traces.statistics import FEWEST_BINS, LOWER, STATISTICS, UPPER, event_statistics
from calcium_latents.seeds import generator

DECAY, THRESHOLD = 0.9, 0.1


def trace(times, sizes, bins=300, decay=DECAY):
    """A trace [bins] that events raise at the start of bins `times` and that decays between them to zero."""
    after = np.arange(bins) - np.asarray(times, float)[:, None]  # [event, bin]
    raised = np.asarray(sizes, float)[:, None] * decay ** np.maximum(after, 0)
    return np.where(after >= 0, raised, 0.0).sum(0).astype(np.float32)


def expected(sizes, threshold=THRESHOLD):
    """The statistics by NumPy's own functions."""
    values = np.asarray(sizes if len(sizes) else [threshold], float)
    return [np.log1p(len(sizes)), *np.log([values.mean(), *np.quantile(values, [LOWER, UPPER])])]


events = st.lists(st.tuples(st.integers(4, 12), st.floats(0.2, 10)), max_size=12)


def laid_out(gaps_and_sizes, first=1):
    """Times (apart by at least four bins, from bin 1 on) and sizes of events."""
    gaps, sizes = [gap for gap, _ in gaps_and_sizes], [size for _, size in gaps_and_sizes]
    return first + np.cumsum([0, *gaps[1:]])[: len(gaps)], sizes


@settings(max_examples=60, deadline=None)
@given(st.lists(events, max_size=4), st.floats(0, 0.99))
def test_events_are_counted_and_measured(rows, decay):
    laid = [laid_out(row) for row in rows]
    x = np.stack([trace(*row, decay=decay) for row in laid]) if rows else np.zeros((0, 50), np.float32)
    found = event_statistics(x, decay, THRESHOLD)
    assert found.shape == (len(rows), len(STATISTICS))
    for row, (_, sizes) in zip(found, laid, strict=True):
        np.testing.assert_allclose(row, expected(sizes), rtol=1e-4, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(events, st.integers(0, 140))
def test_when_events_come_does_not_matter(row, shift):
    times, sizes = laid_out(row)
    early, late = (event_statistics(trace(times + by, sizes)[None], DECAY, THRESHOLD) for by in (0, shift))
    np.testing.assert_allclose(late, early, rtol=1e-4, atol=1e-4)


def test_the_order_of_events_does_not_matter():
    random = generator(1, "tests", "order")
    times, sizes = np.arange(10, 250, 12), random.gamma(2.0, 1.0, 20) + 0.2
    plain, shuffled = (
        event_statistics(trace(times, values)[None], DECAY, THRESHOLD) for values in (sizes, random.permutation(sizes))
    )
    np.testing.assert_allclose(shuffled, plain, rtol=1e-4, atol=1e-4)


def test_a_rise_over_several_bins_is_one_event_even_with_noise():
    random = generator(1, "tests", "rise")
    times = np.arange(20, 270, 25)
    rising = sum(trace(times + late, np.full(10, 0.5)) for late in range(3))
    found = event_statistics(rising + 0.02 * random.normal(size=(50, 300)).astype(np.float32), DECAY, 0.2)
    assert np.median(found[:, 0]) == np.float32(np.log1p(10))
    assert found[:, 0].max() < np.log1p(12)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_an_onset_within_a_bin_is_one_event_of_nearly_its_size(part):
    times = np.arange(20, 270, 25)
    # an event `part` of a bin late: the first bin's mean has the rest, the next ones are that much later on their decay
    late = trace(times + 1, np.full(10, DECAY ** (1 - part)))
    late[times] += 1 - part
    found = event_statistics(late[None], DECAY, THRESHOLD)[0]
    assert found[0] == np.float32(np.log1p(10))
    np.testing.assert_allclose(found[1:], 0.0, atol=0.1)


def test_events_below_the_threshold_do_not_count():
    sizes = np.tile([0.05, 1.0], 8)
    found = event_statistics(trace(np.arange(10, 250, 15)[:16], sizes)[None], DECAY, THRESHOLD)
    np.testing.assert_allclose(found[0], expected(sizes[1::2]), rtol=1e-4, atol=1e-4)


def test_traces_that_only_decay_or_rest_have_no_events():
    x = np.stack([5 * DECAY ** np.arange(100.0), np.zeros(100), np.full(100, -1.0)]).astype(np.float32)
    found = event_statistics(x, DECAY, THRESHOLD)
    np.testing.assert_allclose(found, np.tile([0.0, *[np.log(THRESHOLD)] * 3], (3, 1)), rtol=1e-6)


def test_noise_below_the_threshold_is_not_counted_and_hardly_moves_the_sizes():
    random = generator(1, "tests", "noise")
    times, sizes = np.arange(10, 280, 18), random.gamma(4.0, 0.5, 15) + 0.5
    x = trace(times, sizes) + 0.02 * random.normal(size=(40, 300)).astype(np.float32)
    found = event_statistics(x, DECAY, 0.15)
    assert (found[:, 0] == np.float32(np.log1p(15))).all()
    np.testing.assert_allclose(found.mean(0), expected(sizes), atol=0.03)


@settings(max_examples=40, deadline=None)
@given(
    traces=st.integers(0, 4),
    bins=st.integers(FEWEST_BINS, 60),
    decay=st.floats(0, 1),
    threshold=st.floats(1e-3, 3),
    size=st.sampled_from([0.0, 1.0, 1e4]),
)
def test_always_finite_and_each_trace_alone(traces, bins, decay, threshold, size):
    x = (size * generator(bins, "tests", "any").normal(size=(traces, bins))).astype(np.float32)
    found = event_statistics(x, decay, threshold)
    assert found.shape == (traces, len(STATISTICS)) and np.isfinite(found).all()
    assert (found[:, 1:] >= np.log(np.float32(threshold)) - 1e-5).all()
    assert (found[:, 2] <= found[:, 3] + 1e-6).all()
    for row in range(traces):
        np.testing.assert_array_equal(event_statistics(x[row : row + 1], decay, threshold)[0], found[row])


@pytest.mark.parametrize("bins", [1, FEWEST_BINS - 1])
def test_too_few_bins_are_named(bins):
    with pytest.raises(UserError, match=rf"traces: expected at least 16 bins .*, found {bins}\. .*width_s"):
        event_statistics(np.zeros((2, bins), np.float32), DECAY, THRESHOLD)

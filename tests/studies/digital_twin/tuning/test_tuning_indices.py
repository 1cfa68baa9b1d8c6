"""Indices in closed form, what they do not depend on, and their edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcium_latents.studies.digital_twin.tuning import tuning_indices as indices

# no rate so small that scaling it leaves the range of floats
RATES = st.just(0.0) | st.floats(1e-9, 1e3)
MAPS = arrays(float, (5, 4), elements=RATES)


def angles(count, period):
    return np.arange(count) * period / count


@pytest.mark.parametrize(("harmonic", "period"), [(1, 2 * np.pi), (2, np.pi)])
def test_modulation_of_a_cosine_is_half_of_its_relative_amplitude(harmonic, period):
    s = angles(24, period)
    for amplitude in (0.0, 0.3, 1.0):
        curve = 3 * (1 + amplitude * np.cos(harmonic * s - 0.7))
        assert indices.modulation(curve, s, harmonic) == pytest.approx(amplitude / 2)
    single = np.zeros(24)
    single[5] = 2.0
    assert indices.modulation(single, s, harmonic) == pytest.approx(1.0)


@given(arrays(float, 12, elements=RATES), st.integers(0, 11), st.floats(1e-3, 1e3))
@settings(max_examples=60, deadline=None)
def test_modulation_does_not_depend_on_scale_or_on_where_the_circle_begins(curve, shift, scale):
    s = angles(12, np.pi)
    value = indices.modulation(curve, s, 2)
    if curve.sum() == 0:
        assert np.isnan(value)
        return
    assert 0 <= value <= 1 + 1e-12
    assert indices.modulation(scale * np.roll(curve, shift), s, 2) == pytest.approx(value, abs=1e-9)
    assert indices.modulation(curve, s + 0.3, 2) == pytest.approx(value, abs=1e-9)


@given(st.floats(0, np.pi, exclude_max=True), st.floats(0.15, 0.6))
@settings(max_examples=60, deadline=None)
def test_preferred_orientation_lies_between_the_samples(preferred, width):
    s = angles(12, np.pi)
    curve = np.exp((np.cos(2 * (s - preferred)) - 1) / (4 * width**2))
    found = indices.preferred_orientation(curve, s)
    assert 0 <= found < np.pi
    assert np.degrees(indices.orientation_difference(found, preferred)) < 0.5


def test_a_flat_or_silent_neuron_prefers_no_orientation():
    s = angles(12, np.pi)
    curves = np.stack([np.zeros(12), np.full(12, 3.0), np.full(12, np.nan)])
    assert np.isnan(indices.preferred_orientation(curves, s)).all()


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_orientations_differ_by_a_right_angle_at_most(first, second):
    difference = indices.orientation_difference(first, second)
    assert 0 <= difference <= np.pi / 2 + 1e-12
    assert indices.orientation_difference(second, first) == pytest.approx(difference, abs=1e-9)
    assert indices.orientation_difference(first + np.pi, second) == pytest.approx(difference, abs=1e-9)


def test_suppression_contrast_and_plaids_read_the_right_edge():
    responses = np.zeros((3, 4))
    responses[:, -1] = [2, 8, 6]  # sizes at the largest contrast
    responses[-1] = [1, 12, 3, 6]  # contrasts at the largest size
    assert indices.suppression_index(responses) == pytest.approx((8 - 6) / 8)
    assert indices.contrast_index(responses) == pytest.approx((12 - 6) / 12)
    # a plaid's orthogonal contrasts at the largest preferred contrast, and nothing of the other rows
    assert indices.plaid_index(responses) == pytest.approx((12 - 6) / 12)
    responses[0] = 1000
    assert indices.plaid_index(responses) == pytest.approx((12 - 6) / 12)


def test_the_plaid_index_is_not_the_printed_one():
    plaid = np.array([[0.0, 0.0], [4.0, 4.0], [9.0, 3.0]])
    printed = (plaid[:, -1].max() - plaid[-1, -1]) / plaid[:, -1].max()
    assert indices.plaid_index(plaid) == pytest.approx(6 / 9) and printed == pytest.approx(1 / 4)


@given(MAPS, st.floats(1e-3, 1e3))
@settings(max_examples=60, deadline=None)
def test_declines_lie_between_0_and_1_at_any_scale(responses, scale):
    for index in (indices.suppression_index, indices.contrast_index, indices.plaid_index):
        value = index(responses)
        assert np.isnan(value) or 0 <= value <= 1
        assert index(scale * responses) == pytest.approx(value, nan_ok=True)


def test_a_monotone_neuron_has_no_suppression_and_a_silent_one_no_index():
    grows = np.add.outer(np.arange(5.0), np.arange(4.0))
    both = np.stack([grows, np.zeros((5, 4))])
    for index in (indices.suppression_index, indices.contrast_index, indices.plaid_index):
        value = index(both)
        assert value.shape == (2,) and value[0] == 0 and np.isnan(value[1])


def test_missing_responses_give_missing_indices():
    rows = np.full((3, 4), np.nan)
    rows[:, -1] = [1, 4, 2]
    assert indices.suppression_index(rows) == pytest.approx(0.5)
    assert np.isnan(indices.contrast_index(rows))
    assert np.isnan(indices.modulation(np.array([1, np.nan, 2, 3]), angles(4, np.pi), 2))

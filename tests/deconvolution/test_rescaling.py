import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcium_latents.deconvolution.rescaling import (
    EVENT_MINIMUM_MARGIN,
    rescale_events,
    smallest_event,
    snap_events,
)
from calcium_latents.errors import UserError


@given(minimum=st.floats(1e-3, 1e3), sizes=st.lists(st.floats(1.0, 50.0), min_size=1))
def test_events_keep_their_ratios_and_get_a_common_minimum(minimum, sizes):
    events = np.array([0.0, *np.multiply(sizes, minimum)])
    scaled = snap_events(rescale_events(events, minimum, 0.1), 0.1)
    np.testing.assert_allclose(scaled[1:], np.multiply(sizes, 0.1), rtol=1e-9)
    assert scaled[0] == 0
    assert smallest_event(scaled.astype(np.float32)) > 0.1 * (1 - EVENT_MINIMUM_MARGIN)


def test_rounding_is_snapped():
    events = np.array([0.0, 1e-9, -1e-9, 0.1 - 1e-7, 0.1, 0.2])
    np.testing.assert_array_equal(snap_events(events, 0.1), [0, 0, 0, 0.1, 0.1, 0.2])


@pytest.mark.parametrize("value", [0.05, 0.0999 * 0.99, -0.05])
def test_values_that_are_no_events_are_rejected(value):
    with pytest.raises(UserError, match="cell-7"):
        snap_events(np.array([0.0, value, 0.3]), 0.1, "cell-7")


def test_without_a_threshold_only_negatives_go():
    np.testing.assert_array_equal(snap_events(np.array([-1e-9, 1e-9, 2.0]), 0.0), [0, 1e-9, 2.0])


def test_smallest_event_of_nothing():
    assert np.isnan(smallest_event(np.zeros(3)))

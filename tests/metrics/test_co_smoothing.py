"""Neurons hidden in turn."""

import numpy as np

from calcium_latents.metrics.co_smoothing import hidden_in_turn


def test_each_part_of_the_population_is_hidden_for_a_window_in_turn():
    hidden = hidden_in_turn(70, np.array([0, 1, 2, 1]), 10)
    np.testing.assert_array_equal(hidden[::10], np.array([0, 1, 2, 0, 1, 2, 0])[:, None] == [0, 1, 2, 1])
    assert (hidden[9] == hidden[0]).all() and (hidden[10] != hidden[9]).any()

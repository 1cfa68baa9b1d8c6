"""Gabor patterns and differences of Gaussians are those of the equations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.simulation.visual_cortex.gabors import difference_of_gaussians, gabor

SHAPE = (21, 31)
CENTRE = (10.0, 15.0)


def equation_1(shape, y0, x0, size, frequency, contrast, orientation, phase) -> np.ndarray:
    """Return one pattern, written down pixel by pixel."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    u = (x - x0) * np.cos(orientation) + (y - y0) * np.sin(orientation)
    envelope = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * (size / 4) ** 2))
    return 0.5 * contrast * envelope * np.cos(2 * np.pi * frequency * u + phase)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(
        *(st.floats(-5, 30), st.floats(-5, 40), st.floats(0.5, 80)),
        *(st.floats(0, 0.5), st.floats(-4, 4), st.floats(-7, 7), st.floats(-7, 7)),
    )
)
def test_a_gabor_is_equation_1(values):
    assert np.allclose(gabor(SHAPE, *values)[0], equation_1(SHAPE, *values), atol=2e-6)


def test_parameters_broadcast_and_keep_their_order():
    sizes, phases = np.array([8.0, 12.0, 20.0]), np.array([0.0, 1.0, 2.0])
    together = gabor(SHAPE, *CENTRE, sizes, 0.1, 2.0, 0.4, phases)
    assert together.shape == (3, *SHAPE) and together.dtype == np.float32
    for index in range(3):
        alone = gabor(SHAPE, *CENTRE, sizes[index], 0.1, 2.0, 0.4, phases[index])
        assert np.array_equal(together[index], alone[0])
    assert gabor(SHAPE, np.zeros(0), 1.0, 8.0, 0.1, 1.0, 0.0, 0.0).shape == (0, *SHAPE)


def test_contrast_is_twice_the_peak_and_half_a_size_is_two_standard_deviations():
    pattern = gabor(SHAPE, *CENTRE, 12.0, 0.0, 3.0, 0.0, 0.0)[0]
    assert pattern[10, 15] == pytest.approx(1.5)
    assert pattern[10, 21] == pytest.approx(1.5 * np.exp(-2))


def test_orientation_is_the_angle_of_the_wave_vector():
    """With angle 0 the wave runs along x, so that the stripes are vertical; with pi / 2 along y (downwards)."""
    across = gabor(SHAPE, *CENTRE, 1e4, 0.1, 2.0, 0.0, 0.3)[0]
    down = gabor(SHAPE, *CENTRE, 1e4, 0.1, 2.0, np.pi / 2, 0.3)[0]
    assert np.ptp(across, axis=0).max() < 1e-4 < np.ptp(across, axis=1).min()
    assert np.ptp(down, axis=1).max() < 1e-4 < np.ptp(down, axis=0).min()
    assert across[10, 16] == pytest.approx(np.cos(2 * np.pi * 0.1 + 0.3), abs=1e-4)
    assert down[11, 15] == pytest.approx(np.cos(2 * np.pi * 0.1 + 0.3), abs=1e-4)


def test_half_a_turn_is_the_opposite_phase_and_a_quarter_turns_the_image():
    square = (21, 21)
    pattern = gabor(square, 10, 10, 12.0, 0.15, 2.0, 0.4, 0.9)[0]
    assert np.allclose(gabor(square, 10, 10, 12.0, 0.15, 2.0, 0.4 + np.pi, -0.9)[0], pattern, atol=1e-6)
    # rot90 turns from x towards -y (upwards on the screen), against the sense in which orientation grows
    turned = gabor(square, 10, 10, 12.0, 0.15, 2.0, 0.4 - np.pi / 2, 0.9)[0]
    assert np.allclose(turned, np.rot90(pattern), atol=1e-6)


def test_a_difference_of_gaussians_is_that_of_equations_9_and_10():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = (y - 9.3) ** 2 + (x - 14.2) ** 2
    expected = 1.2 * (1.6 * np.exp(-distance / (2 * 1.5**2)) - 0.6 * np.exp(-distance / (2 * 3.0**2)))
    assert np.allclose(difference_of_gaussians(SHAPE, 9.3, 14.2, 1.5, 3.0, 0.6, 2.4)[0], expected, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 4), st.floats(1.1, 4), st.floats(0, 2), st.floats(-4, 4))
def test_the_centre_of_a_difference_of_gaussians_is_half_its_contrast(centre, ratio, weight, contrast):
    pattern = difference_of_gaussians(SHAPE, *CENTRE, centre, ratio * centre, weight, contrast)[0]
    assert pattern[10, 15] == pytest.approx(0.5 * contrast, abs=1e-5)
    opposite = difference_of_gaussians(SHAPE, *CENTRE, centre, ratio * centre, weight, -contrast)[0]
    assert np.array_equal(opposite, -pattern)
    assert np.allclose(pattern, pattern[::-1, ::-1], atol=1e-6)


def test_a_surround_of_the_right_weight_balances_the_centre():
    ratio = 1.6
    pattern = difference_of_gaussians((61, 61), 30, 30, 2.0, ratio * 2.0, 1 / (ratio**2 - 1), 2.0)[0]
    assert abs(pattern.sum()) < 1e-3 * np.abs(pattern).sum()

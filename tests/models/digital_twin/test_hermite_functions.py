"""The steerable basis: orthonormal over the plane, and turned by turning its coefficients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.hermite_functions import (
    angular_orders,
    are_sines,
    coefficient_count,
    hermite_functions,
    rotation_matrix,
)


@pytest.mark.parametrize("max_rank,scale", [(1, 1.0), (6, 1.0), (12, 2.5), (21, 0.7)])
def test_orthonormal_over_the_plane(max_rank, scale):
    reach, points = 2 * scale * np.sqrt(max_rank) + 8 * scale, 241
    axis, step = np.linspace(-reach, reach, points, retstep=True)
    values = hermite_functions(axis[:, None], axis[None], max_rank, scale).reshape(coefficient_count(max_rank), -1)
    np.testing.assert_allclose(values @ values.T * step**2, np.eye(len(values)), atol=1e-9)


def test_closed_forms_of_the_lowest_ranks():
    rng = np.random.default_rng(1)
    y, x = rng.normal(size=(2, 7, 5)) * 3
    scale = 1.7
    v, u = y / scale, x / scale
    gaussian = np.exp(-(u**2 + v**2) / 4) / scale
    constant, along_x, along_y, ring, cos2, sin2 = hermite_functions(y, x, 3, scale)
    np.testing.assert_allclose(constant, gaussian / np.sqrt(2 * np.pi))
    np.testing.assert_allclose(along_x, gaussian * u / np.sqrt(2 * np.pi))
    np.testing.assert_allclose(along_y, gaussian * v / np.sqrt(2 * np.pi))
    np.testing.assert_allclose(ring, gaussian * (1 - (u**2 + v**2) / 2) / np.sqrt(2 * np.pi))
    np.testing.assert_allclose(cos2, gaussian * (u**2 - v**2) / np.sqrt(8 * np.pi))
    np.testing.assert_allclose(sin2, gaussian * 2 * u * v / np.sqrt(8 * np.pi))


def test_coefficients_come_rank_by_rank():
    assert angular_orders(4).tolist() == [0, 1, 1, 0, 2, 2, 1, 1, 3, 3]
    assert np.flatnonzero(are_sines(4)).tolist() == [2, 5, 7, 9]
    assert len(angular_orders(13)) == coefficient_count(13) == 91


def test_order_and_parity_of_every_function():
    """A function of angular order m repeats after a turn by 2 pi / m, and vanishes as a sine on the x axis."""
    max_rank, theta = 9, np.linspace(0, 2 * np.pi, 64, endpoint=False)
    on_circle = hermite_functions(1.3 * np.sin(theta), 1.3 * np.cos(theta), max_rank)
    spectrum = np.abs(np.fft.rfft(on_circle, axis=1))
    assert (spectrum.argmax(axis=1) == angular_orders(max_rank)).all()
    np.testing.assert_allclose(on_circle[are_sines(max_rank), 0], 0, atol=1e-12)


angles = st.floats(-10, 10)


@settings(max_examples=30, deadline=None)
@given(angle=angles, max_rank=st.integers(1, 13), seed=st.integers(0, 1000))
def test_turned_coefficients_are_the_turned_image(angle, max_rank, seed):
    rng = np.random.default_rng(seed)
    y, x = rng.normal(size=(2, 30)) * 2
    beta = rng.normal(size=coefficient_count(max_rank))
    back_x, back_y = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    turned = (rotation_matrix(max_rank, angle) @ beta) @ hermite_functions(y, x, max_rank)
    np.testing.assert_allclose(turned, beta @ hermite_functions(back_y, back_x, max_rank), atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(first=angles, second=angles)
def test_rotations_are_a_group(first, second):
    one, two, both = rotation_matrix(7, np.array([first, second, first + second]))
    np.testing.assert_allclose(one @ two, both, atol=1e-9)
    np.testing.assert_allclose(one @ one.T, np.eye(len(one)), atol=1e-12)


def test_a_turn_moves_the_x_axis_towards_the_y_axis():
    """So a Gabor of orientation phi becomes one of orientation phi + angle."""
    turned = rotation_matrix(2, np.pi / 2) @ np.array([0.0, 1.0, 0.0])  # the function along x
    np.testing.assert_allclose(turned, [0, 0, 1], atol=1e-12)  # becomes that along y


@pytest.mark.parametrize("max_rank,scale", [(0, 1.0), (-1, 1.0), (3, 0.0), (3, float("nan"))])
def test_impossible_requests_are_refused(max_rank, scale):
    with pytest.raises(UserError, match="Hermite functions"):
        hermite_functions(np.zeros(3), np.zeros(3), max_rank, scale)

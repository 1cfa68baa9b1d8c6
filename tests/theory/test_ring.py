import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_references import (
    largest_drive_error,
    polygon_radius,
    polygon_return_map,
    population_drive,
    random_drive_error,
)
from scipy.integrate import solve_ivp

from calcium_latents.errors import UserError
from calcium_latents.theory import ring

TIMES = np.array([0.0, 0.3, 1.0, 4.0, 9.0])


@pytest.mark.parametrize(("coupling", "shift"), [(ring.COUPLING, ring.SHIFT), (3.0, 0.3), (7.0, -1.2)])
@pytest.mark.parametrize("initial", [(0.3, 0.1), (-2.0, 1.0), (0.0, -0.7)])
def test_closed_form_solves_the_flow(initial, coupling, shift):
    solved = solve_ivp(
        lambda _, state: ring.flow(state, coupling, shift),
        (0, TIMES[-1]),
        initial,
        method="DOP853",
        t_eval=TIMES,
        rtol=1e-12,
        atol=1e-12,
    )
    np.testing.assert_allclose(ring.trajectory(np.array(initial), TIMES, coupling, shift), solved.y.T, atol=5e-10)


def test_polar_form_of_the_paper():
    radius, angle = ring.polar_trajectory(0.4, 0.7, TIMES)
    np.testing.assert_allclose(radius, 1 + (0.4 - 1) * np.exp(-TIMES), atol=1e-14)
    np.testing.assert_allclose(angle, 0.7 + np.log((np.exp(TIMES) + 0.4 - 1) / 0.4), atol=1e-12)
    _, late = ring.polar_trajectory(0.4, 0.7, np.array([800.0]))  # exp(800) overflows
    assert late[0] - 800.0 == pytest.approx(0.7 - np.log(0.4), abs=1e-10)


def test_flow_of_the_paper_and_its_integral():
    latents = np.random.default_rng(0).normal(size=(20, 2))
    unit = latents / np.linalg.norm(latents, axis=1, keepdims=True)
    np.testing.assert_allclose(ring.flow(latents), -latents + unit @ np.array([[1.0, 1.0], [-1.0, 1.0]]), atol=1e-14)
    dense = 2 * np.pi * (np.arange(200_000) + 0.37) / 200_000
    np.testing.assert_allclose(population_drive(dense, latents) - latents, ring.flow(latents), atol=4e-5)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 20), st.floats(-1.4, 1.4).filter(lambda x: abs(x) > 0.05), st.floats(0.1, 5))
def test_limit_cycle_is_reached_and_periodic(coupling, shift, radius):
    final = ring.drive_radius(coupling, shift)
    assert final == pytest.approx(coupling / np.pi * np.cos(shift), rel=1e-12)
    times = 60 + np.array([0.0, ring.period(coupling, shift)])
    found, angle = ring.polar_trajectory(radius, 0.0, times, coupling, shift)
    np.testing.assert_allclose(found, final, rtol=1e-10)
    assert abs(angle[1] - angle[0]) == pytest.approx(2 * np.pi, rel=1e-10)


def test_the_paper_turns_at_unit_radius_in_two_pi():
    assert (ring.drive_radius(), ring.period()) == pytest.approx((1, 2 * np.pi), rel=1e-14)
    assert ring.period(ring.COUPLING, 0.0) == np.inf


@pytest.mark.parametrize("shift", [np.pi / 2, 2.0, -2.0])
def test_without_a_limit_cycle(shift):
    with pytest.raises(UserError, match="coupling and shift"):
        ring.period(ring.COUPLING, shift)


def test_the_origin_has_no_angle():
    with pytest.raises(UserError, match="initial radius"):
        ring.trajectory(np.zeros(2), TIMES)


@pytest.mark.parametrize("neurons", [6, 7, 16, 33, 64, 101])
def test_drive_of_equal_angles(neurons):
    angles = 2 * np.pi * np.arange(neurons) / neurons
    phase = np.linspace(0.0, 2 * np.pi, 4001) + 1e-4
    unit = np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    drive = population_drive(angles, unit)
    np.testing.assert_allclose(np.linalg.norm(drive, axis=1), ring.drive_magnitude(neurons), rtol=1e-12)
    error = np.linalg.norm(drive - unit - ring.flow(unit), axis=1).max()
    bound = largest_drive_error(neurons)
    assert 0.98 * bound < error <= bound * (1 + 1e-12)
    assert bound == pytest.approx(np.sqrt(2) * np.pi / ring.threshold_lines(neurons), rel=5 / neurons)


def test_drive_of_random_angles():
    random = np.random.default_rng(1)
    phase = 2 * np.pi * np.arange(64) / 64
    unit = np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    squared = [
        ((population_drive(random.uniform(0, 2 * np.pi, 100), unit) - unit - ring.flow(unit)) ** 2).sum(-1).mean()
        for _ in range(2000)
    ]
    assert np.sqrt(np.mean(squared)) == pytest.approx(random_drive_error(100), rel=0.03)
    assert random_drive_error(1) == pytest.approx(2.8, abs=0.01)


@pytest.mark.parametrize("shift", [ring.SHIFT, 0.6, 1.2, -0.9])
@pytest.mark.parametrize("neurons", [16, 17, 64])
def test_return_map_converges_to_the_polygon(neurons, shift):
    radius = 0.5
    for _ in range(40 * neurons):
        radius, wait = polygon_return_map(radius, neurons, 5.0, shift)
    assert radius == pytest.approx(polygon_radius(neurons, 5.0, shift), rel=1e-12)
    assert wait * ring.threshold_lines(neurons) == pytest.approx(ring.polygon_period(neurons, 5.0, shift), rel=1e-12)


def test_return_map_as_written_out_for_the_papers_shift():
    """The paper's J and D, iterated from the formula with the sector's angle h."""
    for neurons, expected in ((16, 2.674e-2), (64, 1.610e-3), (256, 1.0041e-4), (1024, 6.275e-6)):
        angle = 2 * np.pi / neurons
        drive, radius = ring.COUPLING / (neurons * np.sin(np.pi / neurons)), 1.0
        for _ in range(30 * neurons):
            decay = drive * np.sin(np.pi / 4 - angle / 2)
            decay /= decay + radius * np.sin(angle)
            radius = drive * np.cos(np.pi / 4 - angle / 2) * (1 - decay) + radius * np.cos(angle) * decay
        period = -neurons * np.log(decay)
        assert ring.polygon_period(neurons) == pytest.approx(period, rel=1e-12)
        assert period / (2 * np.pi) - 1 == pytest.approx(expected, rel=2e-4)


def test_period_error_falls_with_the_square():
    scaled = [(ring.polygon_period(n) / (2 * np.pi) - 1) * n**2 for n in (16, 64, 256, 1024)]
    np.testing.assert_allclose(scaled, [6.845, 6.596, 6.581, 6.580], atol=6e-4)
    assert scaled[-1] == pytest.approx(2 * np.pi**2 / 3, rel=2e-5)
    ratio = ring.polygon_period(2000, 3.0, 0.4) / ring.period(3.0, 0.4) - 1
    assert ratio == pytest.approx(np.pi**2 / (3 * 2000**2 * np.sin(0.4) ** 2), rel=1e-4)


def test_a_small_network_rests():
    with pytest.raises(UserError, match="comes to rest"):
        ring.polygon_period(4)
    with pytest.raises(UserError, match="at least 3"):
        ring.drive_magnitude(2)


def test_correlation_of_uniform_phases():
    neurons, phases = 40, 400
    angles = 2 * np.pi * np.arange(neurons) / neurons
    grid = 2 * np.pi * (np.arange(phases) + 0.5) / phases
    active = (np.cos(angles[:, None] - grid) > 0).astype(float)
    np.testing.assert_allclose(active.mean(axis=1), 0.5, atol=1e-15)
    np.testing.assert_allclose(active.var(axis=1), 0.25, atol=1e-15)
    exact = ring.pairwise_correlation(angles[:, None] - angles)
    np.testing.assert_allclose(np.corrcoef(active), exact, atol=1e-12)


@pytest.mark.parametrize("phases", [1000, 10_000])
def test_correlation_of_random_angles(phases):
    angles = np.random.default_rng(2).uniform(0, 2 * np.pi, 60)
    grid = 2 * np.pi * (np.arange(phases) + 0.5) / phases
    found = np.corrcoef(np.cos(angles[:, None] - grid) > 0)
    error = np.abs(found - ring.pairwise_correlation(angles[:, None] - angles)).max()
    assert 0.5 / phases < error < 5 / phases


def test_parts_of_periods_bias_correlations():
    angles = 2 * np.pi * np.arange(60) / 60
    errors = {}
    for turns in (3, 3.5, 10.25):
        grid = 2 * np.pi * turns * (np.arange(20_000) + 0.5) / 20_000
        found = np.corrcoef(np.cos(angles[:, None] - grid) > 0)
        errors[turns] = np.abs(found - ring.pairwise_correlation(angles[:, None] - angles)).max()
    assert errors[3] < 1e-3 < errors[3.5] < errors[10.25]


@given(st.floats(-50, 50))
def test_angular_distance(difference):
    assert ring.angular_distance(difference) == pytest.approx(np.arccos(np.cos(difference)), abs=1e-6)


@pytest.mark.parametrize("neurons", [4, 6, 50, 51])
def test_finite_eigenvalues(neurons):
    angles = 2 * np.pi * np.arange(neurons) / neurons
    correlation = ring.pairwise_correlation(angles[:, None] - angles)
    np.testing.assert_allclose(
        ring.finite_eigenvalues(neurons), np.linalg.eigvalsh(correlation)[::-1] / neurons, atol=1e-14
    )


def test_eigenvalues_of_many_neurons():
    infinite = ring.infinite_eigenvalues(100_001)
    np.testing.assert_allclose(infinite[:5] * np.pi**2 / 4, [1, 1, 1 / 9, 1 / 9, 1 / 25], rtol=1e-14)
    assert infinite.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(ring.finite_eigenvalues(10_000)[:20], infinite[:20], rtol=2e-5)
    assert ring.participation_ratio(infinite / infinite.sum()) == pytest.approx(3, abs=1e-4)
    assert 1 / (infinite**2).sum() == pytest.approx(3, abs=1e-12)
    for neurons in (6, 100):
        exact = 3 * neurons**2 / (neurons**2 + 8)
        assert ring.participation_ratio(ring.finite_eigenvalues(neurons)) == pytest.approx(exact, rel=1e-12)


def test_components_for_a_share():
    infinite = ring.infinite_eigenvalues(2000)
    shares = (0.8, 0.9, 0.95, 0.99)
    assert [ring.components_for_share(infinite, share, total=1.0) for share in shares] == [2, 4, 9, 41]
    assert ring.components_for_share(np.array([0.5, 0.3, 0.2]), 0.8) == 2
    with pytest.raises(UserError, match="more eigenvalues"):
        ring.components_for_share(infinite, 0.9999999, total=1.0)


@pytest.mark.parametrize(("first", "last", "expected"), [(2, 100, 2.101), (10, 100, 2.035), (10, 500, 2.013)])
def test_a_regression_does_not_give_the_exponent(first, last, expected):
    from calcium_latents.theory.random_features import regression_slope

    assert regression_slope(ring.infinite_eigenvalues(500), first, last) == pytest.approx(expected, abs=5e-4)


def test_random_period_error_averages_the_flow():
    """Second order: the mean square of the deviation along the path minus its product with that across it."""
    random = np.random.default_rng(3)
    phase = 2 * np.pi * (np.arange(512) + 0.5) / 512
    across = np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    along = np.stack([-np.sin(phase), np.cos(phase)], axis=-1)
    errors = []
    for _ in range(1500):
        drive = population_drive(random.uniform(0, 2 * np.pi, 400), across)
        radial, tangential = (drive * across).sum(-1) - 1, (drive * along).sum(-1) - 1
        errors.append((tangential**2 - radial * tangential).mean())
    error = 4 * np.std(errors) / np.sqrt(len(errors))
    assert np.mean(errors) == pytest.approx(ring.random_period_error(400), abs=error)
    assert error < 0.1 * ring.random_period_error(400) * 2

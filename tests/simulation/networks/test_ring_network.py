import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_references import largest_drive_error, polygon_radius, random_drive_error, simulate_steps

from calcium_latents.errors import UserError
from calcium_latents.simulation.networks.ring_network import (
    equal_angles,
    initial_state,
    random_angles,
    reduced_trajectory,
    simulate_exact,
)
from calcium_latents.theory import ring

TURN = 2 * np.pi


def right_hand_side(states, angles, coupling=ring.COUPLING, shift=ring.SHIFT):
    """Eqs. 1 and 4 as written, with the N x N weights."""
    weights = coupling * np.cos(angles[:, None] - angles - shift) / angles.size
    return -states + weights @ (states > 0)


@pytest.mark.parametrize("neurons", [6, 7, 16, 33, 64, 256])
def test_period_and_radius_of_equal_angles(neurons):
    """The simulation knows nothing of the return map."""
    angles, period = equal_angles(neurons), ring.polygon_period(neurons)
    run = simulate_exact(angles, initial_state(angles, [0.4, 0.2]), 8 * period)
    assert np.diff(run.returns())[-1] == pytest.approx(period, abs=1e-10)
    # A line of thresholds is as good a place to measure as any other.
    assert np.diff(run.returns(np.pi / 2))[-1] == pytest.approx(period, abs=1e-10)
    assert np.hypot(*run.latent[-1]) == pytest.approx(polygon_radius(neurons), abs=1e-10)


@pytest.mark.parametrize(("coupling", "shift"), [(5.0, 0.5), (2.0, -1.0)])
def test_any_coupling_and_shift(coupling, shift):
    angles = equal_angles(50)
    period = ring.polygon_period(50, coupling, shift)
    run = simulate_exact(angles, initial_state(angles, [0.1, 0.3]), 8 * period, coupling, shift)
    assert np.diff(run.returns())[-1] == pytest.approx(period, abs=1e-9)
    turned = np.diff(np.unwrap(np.arctan2(*run.latent[-10:].T[::-1])))
    assert (np.sign(turned) == np.sign(shift)).all()


def test_the_map_solves_the_equations():
    """Between crossings the derivative is that of the network's equations, for a state outside the latents' span."""
    random = np.random.default_rng(0)
    angles = random_angles(63, random)
    run = simulate_exact(angles, random.standard_normal(63), 6.0)
    assert len(run.time) > 100
    middle = (run.time[:-1] + run.time[1:]) / 2
    short = np.minimum(np.diff(run.time) / 4, 1e-5)
    slope = (run.states(middle + short) - run.states(middle - short)) / (2 * short[:, None])
    exact = np.array([right_hand_side(state, angles) for state in run.states(middle)])
    wide = np.diff(run.time) > 1e-4
    np.testing.assert_allclose(slope[wide], exact[wide], atol=1e-6)
    np.testing.assert_array_equal(run.activity(middle), run.states(middle) > 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 40))
def test_states_are_continuous_and_cross_at_zero(seed, neurons):
    random = np.random.default_rng(seed)
    angles = random_angles(neurons, random)
    run = simulate_exact(angles, random.standard_normal(neurons), 5.0)
    states = run.states(run.time)
    before = run.states(np.maximum(run.time - 1e-9, 0.0))
    assert np.abs(states - before).max() < 1e-6
    for segment, crossing in enumerate(run.switched[1:], start=1):
        assert np.abs(states[segment, crossing]).max() < 1e-12
    assert (np.diff(run.time) >= 0).all()


def test_small_steps_approach_the_map():
    random = np.random.default_rng(1)
    angles = random_angles(40, random)
    start = random.standard_normal(40)
    times = np.linspace(0, 5, 60)
    exact = simulate_exact(angles, start, 5.0).states(times)
    errors = [
        np.abs(simulate_steps(angles, start, 5.0, step).states(times) - exact).max() for step in (1e-2, 1e-3, 1e-4)
    ]
    assert errors[0] < 0.2 and errors[2] < 2e-3
    assert errors[1] < errors[0] / 3 and errors[2] < errors[1] / 3


def test_held_drives_delay_the_network():
    angles = equal_angles(1024)
    run = simulate_steps(angles, initial_state(angles, [1.0, 0.0]), 3.1 * TURN, 2e-3)
    assert np.diff(run.returns())[-1] / TURN - 1 == pytest.approx(2 * 1.03e-3, rel=0.05)


def test_finite_networks_follow_the_closed_form():
    times = np.linspace(0, 6, 50)
    start = np.array([0.3, 0.1])
    exact = ring.trajectory(start, times)
    for neurons in (64, 256, 1024):
        angles = equal_angles(neurons)
        error = np.abs(simulate_exact(angles, initial_state(angles, start), 6.0).latents(times) - exact).max()
        assert error < 2 * largest_drive_error(neurons) / 3
    angles = random_angles(4096, np.random.default_rng(2))
    error = np.abs(simulate_exact(angles, initial_state(angles, start), 6.0).latents(times) - exact).max()
    assert error < 4 * random_drive_error(4096)


@pytest.mark.parametrize("neurons", [64, 256])
def test_period_of_random_angles(neurons):
    errors = []
    for network in range(40):
        angles = random_angles(neurons, np.random.default_rng([neurons, network]))
        times = simulate_exact(angles, initial_state(angles, [1.0, 0.0]), 3.5 * TURN).returns()
        if times.size >= 2:
            errors.append(np.diff(times)[-1] / TURN - 1)
    assert len(errors) > 35
    error = 4 * np.std(errors) / np.sqrt(len(errors))
    assert np.mean(errors) == pytest.approx(ring.random_period_error(neurons), abs=error + 5 / neurons**1.5)


def test_radius_of_random_angles():
    angles = random_angles(1024, np.random.default_rng(5))
    run = simulate_exact(angles, initial_state(angles, [1.0, 0.0]), 2.2 * TURN)
    start, end = run.returns()[-2:]
    radius = np.hypot(*run.latents(np.linspace(start, end, 500)).T)
    assert 0.4 < radius.std() * np.sqrt(1024) < 2.0
    assert radius.mean() == pytest.approx(1, abs=0.1)


def test_reduced_flow_by_steps():
    times = 0.05 * np.arange(121)
    start = np.array([[0.7, 0.1], [2.0, -1.0]])
    found = np.moveaxis(reduced_trajectory(start, 0.05, 120), 0, 1)
    np.testing.assert_allclose(found, ring.trajectory(start, times), atol=2e-6)
    # Euler's limit cycle is half a step too large and too slow.
    euler = np.tile([1.0, 0.0], (4001, 1))
    for step in range(4000):
        euler[step + 1] = euler[step] + 0.01 * ring.flow(euler[step])
    assert np.hypot(*euler[-1]) - 1 == pytest.approx(4.98e-3, abs=2e-5)
    angle = np.unwrap(np.arctan2(euler[:, 1], euler[:, 0]))
    period = TURN * 0.01 * 1000 / (angle[-1] - angle[-1001])
    assert period / TURN - 1 == pytest.approx(4.96e-3, abs=2e-5)
    settled = reduced_trajectory(np.array([1.0, 0.0]), 0.05, 400)
    angle = np.unwrap(np.arctan2(settled[:, 1], settled[:, 0]))
    assert np.hypot(*settled[-1]) == pytest.approx(1, abs=1e-7)
    assert 0.05 * 200 / (angle[-1] - angle[-201]) == pytest.approx(1, abs=1e-7)


def test_a_network_may_rest():
    angles = equal_angles(4)
    run = simulate_exact(angles, initial_state(angles, [0.7, 0.5]), 30.0)
    assert not run.returns().size
    np.testing.assert_allclose(run.states(np.array([30.0]))[0], run.states(np.array([29.0]))[0], atol=1e-10)
    silent = simulate_exact(angles, -np.ones(4), 5.0)
    np.testing.assert_allclose(silent.states(np.array([2.0])), -np.exp(-2.0) * np.ones((1, 4)), atol=1e-14)


def test_dwell_times_fill_the_interval():
    angles = equal_angles(32)
    run = simulate_exact(angles, initial_state(angles, [1.0, 0.0]), 10.0)
    dwell = run.dwell_times(2.3, 7.9)
    assert dwell.sum() == pytest.approx(5.6, abs=1e-12) and (dwell >= 0).all()
    assert run.active.shape == (len(run.time), 32)
    assert (run.active.sum(axis=1) == 16).all()


def test_wrong_arguments():
    angles = equal_angles(8)
    with pytest.raises(UserError, match="a number per angle"):
        simulate_exact(angles, np.zeros(7), 1.0)
    with pytest.raises(UserError, match="duration"):
        simulate_exact(angles, np.zeros(8), 0.0)
    with pytest.raises(UserError, match="finite"):
        simulate_exact(angles, np.full(8, np.nan), 1.0)
    with pytest.raises(UserError, match="simulate longer"):
        simulate_exact(angles, np.ones(8), 1.0).latents(np.array([1.5]))
    with pytest.raises(UserError, match="switch without end"):
        simulate_exact(angles, initial_state(angles, [0.3, 0.1]), 5.0, shift=np.pi)

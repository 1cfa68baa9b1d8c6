import numpy as np
import pytest
from scipy.integrate import solve_ivp

from calcium_latents.errors import UserError
from calcium_latents.simulation.lorenz.lorenz import derivative, peak_frequency_hz, step, trajectories

PEAKS = {
    "euler": {3: 4.3, 5: 7.2, 7: 10.0, 9: 12.9, 11: 15.7, 14: 20.0},
    "runge_kutta": {3: 4.0, 5: 6.6, 7: 9.2, 9: 11.9, 11: 14.6, 14: 18.5},
}


@pytest.mark.parametrize("integrator", ["euler", "runge_kutta"])
@pytest.mark.parametrize("downsampling", [5, 14])
def test_peak_of_z(integrator, downsampling):
    # The table's own numbers carry about 1 % of estimation error.
    assert peak_frequency_hz(downsampling, integrator=integrator) == pytest.approx(
        PEAKS[integrator][downsampling], rel=0.015
    )


@pytest.mark.parametrize(("downsampling", "expected"), PEAKS["euler"].items())
def test_speeds_of_the_paper(downsampling, expected):
    assert peak_frequency_hz(downsampling) == pytest.approx(expected, rel=0.015)


def test_peak_scales_with_the_sampling_rate():
    assert peak_frequency_hz(5, bin_width_s=0.02) == pytest.approx(peak_frequency_hz(5) / 2, rel=1e-6)


def test_fixed_points_stay():
    root = np.sqrt(8 / 3 * 27)
    fixed = np.array([[0.0, 0.0, 0.0], [root, root, 27.0], [-root, -root, 27.0]])
    for integrator in ("euler", "runge_kutta"):
        np.testing.assert_allclose(step(fixed, 0.01, integrator), fixed, atol=1e-10)


@pytest.mark.parametrize(("integrator", "order"), [("euler", 1), ("runge_kutta", 4)])
def test_order_of_the_integrators(integrator, order):
    start = np.array([1.0, 2.0, 20.0])
    exact = solve_ivp(
        lambda _, state: derivative(state, 10.0, 28.0, 8 / 3), (0, 0.08), start, rtol=1e-12, atol=1e-12
    ).y[:, -1]
    errors = []
    for steps in (16, 32):
        state = start
        for _ in range(steps):
            state = step(state, 0.08 / steps, integrator)
        errors.append(np.abs(state - exact).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


def test_downsampling_keeps_every_so_many_states():
    start = np.array([[1.0, 1.0, 20.0], [-3.0, 2.0, 15.0]])
    every = trajectories(start, 30, 1, burn_in_steps=10)
    np.testing.assert_array_equal(trajectories(start, 10, 3, burn_in_steps=10), every[:, ::3])
    np.testing.assert_array_equal(trajectories(start, 20, 1, burn_in_steps=20), every[:, 10:])


def test_burn_in_ends_on_the_attractor():
    states = trajectories(100 * np.random.default_rng(0).normal(size=(20, 3)), 50, 5, integrator="runge_kutta")
    assert np.abs(states[..., 0]).max() < 25
    assert 0 < states[..., 2].min() < states[..., 2].max() < 60


def test_divergence_is_told():
    with pytest.raises(UserError, match="time_step"):
        trajectories(np.ones((1, 3)), 10, 5, time_step=0.2)


def test_unknown_integrator():
    with pytest.raises(UserError, match="integrator"):
        step(np.ones(3), 0.01, "heun")

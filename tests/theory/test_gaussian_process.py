import numpy as np
import pytest

from calcium_latents.theory import gaussian_process as theory

COUNT = 32
PHASES = theory.phase_grid(COUNT)
DIFFERENCE = PHASES[:, None] - PHASES


def test_readout_is_antisymmetric_about_its_mean():
    random = np.random.default_rng(0)
    angles, weights = random.uniform(0, 2 * np.pi, 700), random.standard_normal((5, 700))
    phases = random.uniform(0, 2 * np.pi, 50)
    opposite = theory.readout(angles, weights, phases + np.pi)
    mean = weights.sum(axis=1, keepdims=True) / np.sqrt(700)
    np.testing.assert_allclose(theory.readout(angles, weights, phases) + opposite, mean + np.zeros(50), atol=1e-12)


def test_fast_draws_are_readouts():
    """The same angles and weights, one neuron at a time, from the same stream."""
    values, sums = theory.draw_readouts(3, 50, COUNT, np.random.default_rng(4))
    random = np.random.default_rng(4)
    for draw in range(3):
        angles = random.random(50) * 2 * np.pi + np.pi / 2
        weights = random.standard_normal(50)
        np.testing.assert_allclose(values[draw], theory.readout(angles, weights, PHASES), atol=1e-13)
        assert sums[draw] == pytest.approx(weights.sum() / np.sqrt(50), abs=1e-13)


def test_draws_have_the_covariance():
    values, sums = theory.draw_readouts(4000, 4000, COUNT, np.random.default_rng(1))
    error = np.abs(values.T @ values / 4000 - theory.covariance(DIFFERENCE)).max()
    assert error < 5 * np.sqrt(0.5 / 4000)  # five standard errors of a variance of 1/2
    assert np.abs(values.T @ values / 4000 - theory.printed_covariance(DIFFERENCE)).max() > 2.5
    np.testing.assert_allclose(values[:, :16] + values[:, 16:], sums[:, None] + np.zeros(16), atol=1e-13)
    increments = ((values - np.roll(values, 3, axis=1)) ** 2).mean()
    assert increments == pytest.approx(PHASES[3] / np.pi, rel=0.05)


@pytest.mark.parametrize("neurons", [1, 5])
def test_kurtosis_of_few_neurons(neurons):
    values, _ = theory.draw_readouts(40_000, neurons, 2, np.random.default_rng(neurons))
    fourth = (values**4).mean(axis=1) / 0.25
    error = 4 * fourth.std() / np.sqrt(len(fourth))
    assert fourth.mean() - 3 == pytest.approx(theory.marginal_kurtosis(neurons), abs=error)
    assert error < 0.7


def test_the_process_has_the_covariance_and_the_symmetry():
    values = theory.draw_process(20_000, COUNT, np.random.default_rng(2))
    error = np.abs(values.T @ values / 20_000 - theory.covariance(DIFFERENCE)).max()
    assert error < 5 * np.sqrt(0.5 / 20_000)
    sums = values[:, :16] + values[:, 16:]
    np.testing.assert_allclose(sums, sums[:, :1] + np.zeros(16), atol=1e-12)


def test_covariance_and_variogram():
    distance = np.linspace(0, np.pi, 9)
    # E[(g(phi) - g(phi + d))^2] = |d| / pi: rough like Brownian motion at short distances
    np.testing.assert_allclose(distance / np.pi, 2 * (0.5 - theory.covariance(distance)), atol=1e-15)
    np.testing.assert_allclose(theory.covariance(2 * np.pi - distance), theory.covariance(distance), atol=1e-15)
    np.testing.assert_allclose(theory.printed_covariance(distance), 2 * np.pi * theory.covariance(distance), atol=1e-15)
    assert np.linalg.eigvalsh(theory.covariance(DIFFERENCE)).min() > -1e-12


def test_an_odd_number_of_phases_has_no_opposites():
    with pytest.raises(ValueError, match="even"):
        theory.draw_readouts(1, 10, 7, np.random.default_rng(0))

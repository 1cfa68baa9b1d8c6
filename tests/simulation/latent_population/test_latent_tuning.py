import numpy as np
import pytest
from scipy.stats import norm

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.simulation.latent_population import latent_tuning
from calcium_latents.simulation.latent_population.latent_population_parameters import (
    LatentPopulationParameters as Parameters,
)

THRESHOLDS = (-0.9, -0.3, 0.0, 0.4, 1.0)


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("exponent", [0, 0.5, 1, 1.7, 3])
def test_moments_in_three_dimensions_where_projections_are_uniform(threshold, exponent):
    def raw(power):  # the mean of [x + c]_+^power for x uniform from -1 to 1
        return (1 + threshold) ** (power + 1) / (2 * (power + 1))

    mean, variance = latent_tuning.signal_moments(Parameters(exponent=exponent), threshold)
    assert mean == pytest.approx(raw(exponent), rel=1e-6)
    assert variance == pytest.approx(raw(2 * exponent) - raw(exponent) ** 2, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_moments_of_a_normal_projection(threshold):
    cumulative, density = norm.cdf(threshold), norm.pdf(threshold)
    mean, variance = latent_tuning.signal_moments(Parameters(manifold="gaussian"), threshold)
    assert mean == pytest.approx(threshold * cumulative + density, rel=1e-9)
    second = (1 + threshold**2) * cumulative + threshold * density
    assert variance == pytest.approx(second - mean**2, rel=1e-9)


@pytest.mark.parametrize("threshold", THRESHOLDS[:-1])
def test_a_step_on_the_ring_is_active_on_an_arc(threshold):
    active = np.arccos(-threshold) / np.pi
    mean, variance = latent_tuning.signal_moments(Parameters(manifold="ring", exponent=0), threshold)
    assert mean == pytest.approx(active, rel=1e-9)
    assert variance == pytest.approx(active * (1 - active), rel=1e-9)


@pytest.mark.parametrize(("manifold", "size", "variance"), [("sphere", 7, 1 / 7), ("gaussian", 7, 1.0)])
def test_a_linear_readout(manifold, size, variance):
    parameters = Parameters(manifold=manifold, latent_size=size, nonlinearity="linear")
    assert latent_tuning.signal_moments(parameters, 0.0) == pytest.approx((0, variance))
    assert latent_tuning.draw_threshold(parameters, generator(1, "test")) == 0


@pytest.mark.parametrize(("manifold", "size"), [("ring", 2), ("sphere", 3), ("sphere", 9), ("gaussian", 40)])
def test_threshold_limits_are_those_of_the_active_fraction(manifold, size):
    fraction = 0.05
    parameters = Parameters(manifold=manifold, latent_size=size, active_fraction_minimum=fraction, exponent=0)
    low, high = latent_tuning.threshold_limits(parameters)
    mean, _ = latent_tuning.signal_moments(parameters, low)
    assert mean == pytest.approx(fraction, rel=1e-6)
    assert high == -low
    assert latent_tuning.threshold_limits(Parameters(exponent=1))[1] == np.inf


def test_thresholds_stay_where_a_neuron_is_active():
    random = generator(1, "test")
    tuned = [latent_tuning.draw_threshold(Parameters(), random) for _ in range(2000)]
    assert -0.9 <= min(tuned) < -0.89 and -0.01 < max(tuned) <= 0
    many = Parameters(latent_size=30)
    low, _ = latent_tuning.threshold_limits(many)
    drawn = [latent_tuning.draw_threshold(many, random) for _ in range(500)]
    assert low <= min(drawn) < low + 0.05  # drawn again, not put at the limit
    normal = Parameters(thresholds="normal", threshold_mean=0.2, threshold_sd=0.1)
    drawn = [latent_tuning.draw_threshold(normal, random) for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(0.2, abs=0.02)
    with pytest.raises(UserError, match="threshold_mean"):
        latent_tuning.draw_threshold(Parameters(thresholds="normal", threshold_mean=-3, threshold_sd=0), random)


@pytest.mark.parametrize(
    ("nonlinearity", "exponent", "expected"),
    [
        ("power", 0, [0, 0, 1, 1]),
        ("power", 1, [0, 0, 0.5, 2]),
        ("power", 2, [0, 0, 0.25, 4]),
        ("linear", 2, [-1, 0, 0.5, 2]),
    ],
)
def test_activation(nonlinearity, exponent, expected):
    x = np.array([-1, 0, 0.5, 2], np.float32)
    found = latent_tuning.activation(x, nonlinearity, exponent)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)

import numpy as np
import pytest
from scipy.integrate import quad

from calcium_latents.errors import UserError
from calcium_latents.theory import low_rank, ring
from calcium_latents.theory.low_rank import RING_MIXING, GaussianCdf, Relu, Step

RADII = (0.3, 1.0, 2.5)
CELLS = [
    activation
    for bias in (-0.5, 0.0, 1.0)
    for activation in (Step(bias), Relu(bias), GaussianCdf(bias, {-0.5: 0.5, 0.0: 1.0, 1.0: 2.0}[bias]))
]


def quadrature(activation, radius):
    """E[Y Phi(r Y)], split at the kink."""
    kink = -getattr(activation, "bias", 0.0) / radius
    edges = sorted({-15.0, np.clip(kink, -15, 15), 0.0, 15.0})

    def integrand(y):
        return y * activation(radius * y) * np.exp(-y * y / 2) / np.sqrt(2 * np.pi)

    return sum(quad(integrand, a, b, epsabs=1e-15, epsrel=1e-13)[0] for a, b in zip(edges, edges[1:], strict=False))


@pytest.mark.parametrize("activation", CELLS, ids=repr)
@pytest.mark.parametrize("radius", RADII)
def test_gains_against_quadrature(activation, radius):
    assert float(activation.gain(radius)) == pytest.approx(quadrature(activation, radius), abs=1e-13)


def test_gains_against_samples():
    sample = np.random.default_rng(0).standard_normal(400_000)
    deviations = []
    for activation in CELLS:
        for radius in RADII:
            terms = sample * activation(radius * sample)
            error = terms.std() / np.sqrt(sample.size)
            deviations.append((terms.mean() - float(activation.gain(radius))) / error)
    assert np.abs(deviations).max() < 4


def test_the_ring_is_a_special_case():
    latents = np.random.default_rng(1).normal(size=(30, 2))
    np.testing.assert_allclose(low_rank.flow(latents, RING_MIXING, Step()), ring.flow(latents), atol=1e-14)


def test_relu_without_bias_is_linear():
    latents, mixing = np.random.default_rng(2).normal(size=(5, 3)), np.random.default_rng(3).normal(size=(3, 3))
    np.testing.assert_allclose(low_rank.flow(latents, mixing, Relu()), -latents + latents @ mixing.T / 2, atol=1e-14)


def test_narrow_distribution_functions_are_steps():
    radii = np.array([0.2, 1.0, 4.0])
    for mean in (-0.7, 0.0, 0.7):
        np.testing.assert_allclose(GaussianCdf(mean, 0.0).gain(radii), Step(-mean).gain(radii), rtol=1e-15)
        np.testing.assert_allclose(GaussianCdf(mean, 1e-6).gain(radii), Step(-mean).gain(radii), rtol=1e-9)
        np.testing.assert_array_equal(GaussianCdf(mean, 0.0)(radii), Step(-mean)(radii))


def test_limits_at_the_origin():
    with np.errstate(all="raise"):
        assert Step(1.0).gain(0.0) == 0 and Step(-1.0).gain(0.0) == 0
        assert Step().gain(0.0) == pytest.approx(1 / np.sqrt(2 * np.pi))
        assert Relu(1.0).gain(0.0) == Relu(-1.0).gain(0.0) == GaussianCdf(0.5, 1.0).gain(0.0) == 0
        np.testing.assert_array_equal(low_rank.flow(np.zeros((4, 2)), RING_MIXING, Step()), 0)


def test_activations():
    x = np.array([-1.0, 0.0, 2.0])
    np.testing.assert_array_equal(Step(0.5)(x), [0, 1, 1])
    np.testing.assert_array_equal(Relu(0.5)(x), [0, 0.5, 2.5])
    np.testing.assert_allclose(GaussianCdf(0.0, 1.0)(x), [0.15865525, 0.5, 0.97724987], atol=1e-8)
    with pytest.raises(UserError, match="sd"):
        GaussianCdf(0.0, -1.0)

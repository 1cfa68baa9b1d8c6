import numpy as np
import pytest
from scipy.integrate import solve_ivp

from calcium_latents.errors import UserError
from calcium_latents.simulation.networks.low_rank_network import draw_patterns, reduced_low_rank, simulate_low_rank
from calcium_latents.theory import ring
from calcium_latents.theory.low_rank import RING_MIXING, GaussianCdf, Relu, Step, flow

STEP, STEPS = 0.02, 300
START = np.array([0.5, 0.2])


def test_latent_form_is_the_full_network():
    """With the N x N weights, from a state outside the span of the patterns."""
    random = np.random.default_rng(0)
    patterns, mixing = draw_patterns(30, 3, random), random.standard_normal((3, 3))
    weights = patterns @ mixing @ patterns.T / 30
    activation, start = GaussianCdf(0.2, 0.7), random.standard_normal(30)
    solved = solve_ivp(lambda _, x: -x + weights @ activation(x), (0, 2), start, rtol=1e-10, atol=1e-12).y[:, -1]
    found = simulate_low_rank(patterns, mixing, activation, start, 0.01, 200)
    np.testing.assert_allclose(found[-1], np.linalg.pinv(patterns) @ solved, atol=1e-7)


@pytest.mark.parametrize(
    ("activation", "scale", "largest"),
    [(Step(), 1.0, 12), (Step(0.5), 1.0, 24), (Relu(0.5), 0.5, 16), (GaussianCdf(0.0, 0.5), 1.0, 16)],
    ids=repr,
)
def test_error_falls_as_the_root_of_the_neurons(activation, scale, largest):
    exact = reduced_low_rank(scale * RING_MIXING, activation, START, STEP, STEPS)
    scaled = {}
    for neurons in (500, 8000):
        errors = []
        for network in range(3):
            patterns = draw_patterns(neurons, 2, np.random.default_rng([neurons, network]))
            found = simulate_low_rank(patterns, scale * RING_MIXING, activation, patterns @ START, STEP, STEPS)
            errors.append(np.sqrt(((found - exact) ** 2).sum() / (exact**2).sum()))
        scaled[neurons] = np.sqrt(np.mean(np.square(errors))) * np.sqrt(neurons)
    assert max(scaled.values()) < largest
    assert 0.2 < scaled[8000] / scaled[500] < 5


def test_reduced_network_of_the_ring():
    found = reduced_low_rank(RING_MIXING, Step(), np.array([[0.7, 0.1], [1.5, 1.0]]), 0.02, 300)
    exact = ring.trajectory(found[0], 0.02 * np.arange(301))
    np.testing.assert_allclose(np.moveaxis(found, 0, 1), exact, atol=1e-7)


def test_relu_without_bias_has_no_limit_cycle():
    """The flow is linear: from twice the distance the latents stay at twice the distance."""
    near = reduced_low_rank(RING_MIXING, Relu(), START, STEP, STEPS)
    far = reduced_low_rank(RING_MIXING, Relu(), 2 * START, STEP, STEPS)
    np.testing.assert_allclose(far, 2 * near, rtol=1e-10)
    assert np.linalg.norm(flow(far[-1], RING_MIXING, Relu())) > np.linalg.norm(flow(near[-1], RING_MIXING, Relu()))


def test_wrong_shapes():
    patterns = np.ones((5, 2))
    with pytest.raises(UserError, match="mixing matrix"):
        simulate_low_rank(patterns, np.eye(3), Step(), np.zeros(5), 0.1, 2)
    with pytest.raises(UserError, match="initial state"):
        simulate_low_rank(patterns, np.eye(2), Step(), np.zeros(4), 0.1, 2)

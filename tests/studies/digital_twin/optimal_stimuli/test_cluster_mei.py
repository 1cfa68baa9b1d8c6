"""Templates of clusters whose neurons are shifted and turned copies of one filter."""

import numpy as np
import pytest
import torch

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.hermite_functions import coefficient_count, rotation_matrix
from calcium_latents.studies.digital_twin.optimal_stimuli.cluster_mei import (
    ClusterMeiParameters,
    Placed,
    dominant_orientation,
    fit_cluster_meis,
    fraction_of_own,
    template_images,
)

SHAPE = (22, 24)
PARAMETERS = ClusterMeiParameters(max_rank=6, extent_px=14.0, angles=12, starts=2, rounds=2, steps=60)
COUNT = coefficient_count(6)
NORM = 4.0


def templates(groups=2):
    rng = np.random.default_rng(5)
    beta = rng.normal(size=(groups, COUNT))
    return beta / np.linalg.norm(beta, axis=1, keepdims=True)


def population(beta, group, seed=2):
    """Return (own_rates, centres [n, 2], angles [n], filters [n, y, x]): linear neurons with turned filters."""
    rng = np.random.default_rng(seed)
    centres = np.array(SHAPE) / 2 + rng.uniform(-1.5, 1.5, size=(len(group), 2))
    angles = rng.uniform(0, 2 * np.pi, len(group))
    placed = Placed(None, np.arange(len(group)), centres, SHAPE, PARAMETERS, 1.0)
    filters = placed.render(
        torch.as_tensor(beta[group], dtype=torch.float32), torch.as_tensor(angles, dtype=torch.float32)
    )

    def own_rates(images, neurons):
        return torch.nn.functional.softplus((filters[neurons] * images).sum(dim=(1, 2)))

    return own_rates, centres, angles, filters


def same_up_to_a_turn(one, other):
    """Return the largest cosine of coefficients over all turns."""
    turns = np.linspace(0, 2 * np.pi, 721)
    turned = rotation_matrix(6, turns) @ one
    return (turned @ other).max() / np.linalg.norm(one) / np.linalg.norm(other)


def test_the_template_of_turned_copies_is_recovered():
    truth, group = templates(), np.repeat([0, 1], [7, 5])
    own_rates, centres, angles, _ = population(truth, group)
    placed = Placed(own_rates, np.arange(12), centres, SHAPE, PARAMETERS, NORM)
    candidates = np.random.default_rng(0).normal(size=(2, 2, COUNT))
    found = fit_cluster_meis(placed, group, candidates)
    for mine, true in zip(found.coefficients, truth, strict=True):
        assert same_up_to_a_turn(mine, true) > 0.98
    best = np.log1p(np.exp(NORM))
    np.testing.assert_allclose(found.rates, best, rtol=0.03)
    for member in (group == 0, group == 1):  # the angles are right up to one turn of the template
        differences = np.exp(1j * (found.rotation_rad - angles)[member])
        assert abs(differences.mean()) > 0.995
    images = placed.render(
        torch.as_tensor(found.coefficients[group], dtype=torch.float32),
        torch.as_tensor(found.rotation_rad, dtype=torch.float32),
    )
    np.testing.assert_allclose(own_rates(images, torch.arange(12)).numpy(), found.rates, rtol=1e-3)


def test_a_group_of_unlike_neurons_shares_less():
    truth = templates(8)
    own_rates, centres, _, _ = population(truth, np.arange(8))
    own = np.full(8, np.log1p(np.exp(NORM)))
    candidates = np.random.default_rng(0).normal(size=(1, 2, COUNT))
    placed = Placed(own_rates, np.arange(8), centres, SHAPE, PARAMETERS, NORM)
    found = fit_cluster_meis(placed, np.zeros(8, int), candidates)
    fraction = fraction_of_own(found.rates, own, found.group, np.ones(8))
    assert 0.2 < fraction[0] < 0.8


def test_groups_do_not_affect_each_other():
    truth, group = templates(), np.repeat([0, 1], [4, 3])
    own_rates, centres, _, _ = population(truth, group)
    candidates = np.random.default_rng(0).normal(size=(2, 2, COUNT))
    both = fit_cluster_meis(Placed(own_rates, np.arange(7), centres, SHAPE, PARAMETERS, NORM), group, candidates)
    alone = fit_cluster_meis(
        Placed(own_rates, np.arange(4, 7), centres[4:], SHAPE, PARAMETERS, NORM), group[4:] - 1, candidates[1:]
    )
    np.testing.assert_allclose(alone.rates, both.rates[4:], rtol=1e-4)
    np.testing.assert_allclose(alone.coefficients[0], both.coefficients[1], atol=1e-3)


def test_every_image_has_the_norm_even_if_cut_at_the_border():
    placed = Placed(None, [0, 1], [[11.0, 12.0], [1.0, 23.0]], SHAPE, PARAMETERS, NORM)
    images = placed.render(torch.as_tensor(templates(), dtype=torch.float32), torch.tensor([0.3, 4.0]))
    np.testing.assert_allclose(images.flatten(1).norm(dim=1), NORM, rtol=1e-5)


def test_projection_is_the_inverse_of_rendering():
    placed = Placed(None, [0, 1], [[11.0, 12.0], [10.4, 11.3]], SHAPE, PARAMETERS, 1.0)
    truth = templates()
    images = placed.render(torch.as_tensor(truth, dtype=torch.float32), torch.zeros(2)).numpy()
    found = placed.project(images)
    np.testing.assert_allclose(found / np.linalg.norm(found, axis=1, keepdims=True), truth, atol=0.02)


def test_the_search_finds_the_angle_and_small_batches_give_the_same():
    truth = templates(1)
    own_rates, centres, angles, _ = population(truth, np.zeros(5, int))
    small = ClusterMeiParameters(**(PARAMETERS.to_dict() | {"batch_images": 7}))
    for parameters in (PARAMETERS, small):
        placed = Placed(own_rates, np.arange(5), centres, SHAPE, parameters, NORM)
        rates, found = placed.search(np.repeat(truth, 5, axis=0))
        off = np.angle(np.exp(1j * (found - angles)))
        assert (np.abs(off) <= np.pi / 12 + 1e-6).all()
    assert rates.shape == (5,)


def test_templates_stand_upright():
    """Their wave vector lies along x, and turning them by an angle gives that orientation."""
    gabor = np.zeros(COUNT)
    gabor[[0, 4, 5]] = -0.3, 0.5, 0.8
    assert dominant_orientation(rotation_matrix(6, -dominant_orientation(gabor, PARAMETERS)) @ gabor, PARAMETERS) == (
        pytest.approx(0, abs=1e-6)
    )
    upright = np.zeros(COUNT)
    upright[1] = 1.0  # a step along x
    for angle in (0.4, 1.5, -0.9):
        assert dominant_orientation(rotation_matrix(6, angle) @ upright, PARAMETERS) == pytest.approx(angle, abs=1e-6)


def test_template_images_are_centred():
    image = template_images(np.eye(COUNT)[:1], PARAMETERS)[0]
    assert image.shape == (15, 15) and image.argmax() == 7 * 15 + 7
    assert np.linalg.norm(image) == pytest.approx(1, rel=1e-5)


def test_fractions_are_means_over_neurons_in_their_own_units():
    found = fraction_of_own([1.0, 20.0, 3.0], [2.0, 20.0, 0.0], np.array([0, 0, 1]), np.array([1.0, 10.0, 1.0]))
    assert found[0] == pytest.approx((1 + 2) / (2 + 2)) and np.isnan(found[1])


def test_what_cannot_be_is_named():
    with pytest.raises(UserError, match="finite places"):
        Placed(None, [0], [[np.nan, 1.0]], SHAPE, PARAMETERS, NORM)
    own_rates, centres, _, _ = population(templates(1), np.zeros(3, int))
    placed = Placed(own_rates, np.arange(3), centres, SHAPE, PARAMETERS, NORM)
    with pytest.raises(UserError, match="each of 2 groups"):
        fit_cluster_meis(placed, np.zeros(3, int), np.ones((2, 1, COUNT)))
    with pytest.raises(UserError, match="max_rank"):
        ClusterMeiParameters(max_rank=0)

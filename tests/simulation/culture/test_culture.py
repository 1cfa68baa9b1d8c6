import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from scipy.spatial import cKDTree

from calcium_latents.errors import UserError
from calcium_latents.simulation.culture.culture import Culture, grow_culture, well
from calcium_latents.simulation.culture.culture_parameters import CultureParameters

SMALL = {"dish_mm": 0.3, "dish_cells": 20, "density_per_mm2": 400.0, "dendrite_radius_mm": 0.04}


@pytest.fixture(scope="module")
def culture():
    """A culture of the published size."""
    return grow_culture(CultureParameters(), np.random.default_rng(1))


def is_inside(points, parameters):
    """Tell which points [n, 2] (mm) lie in cells of the well."""
    cell = np.floor(points / parameters.dish_mm * parameters.dish_cells).astype(int)
    mask = well(parameters.dish_cells)
    within = ((cell >= 0) & (cell < parameters.dish_cells)).all(axis=1)
    return within & mask[tuple(np.clip(cell, 0, parameters.dish_cells - 1).T)]


def test_the_well_is_the_authors_mask():
    mask = well(100)
    for i, j in ((0, 0), (0, 49), (1, 49), (0, 43), (0, 42), (1, 35), (99, 50), (49, 99), (15, 14)):
        assert mask[i, j] == ((i - 49.5) ** 2 + (j - 49.5) ** 2 < 49**2)
    assert 1 - mask.mean() == pytest.approx(0.244, abs=0.001)


def test_somata_lie_in_the_well_with_room_between_them(culture):
    assert culture.position.shape == (2250, 2)
    assert is_inside(culture.position, CultureParameters()).all()
    distance, _ = cKDTree(culture.position).query(culture.position, k=2)
    assert distance[:, 1].min() >= 0.0075
    # uniform: as many in each quadrant, and in the inner disc of half the area
    centred = culture.position - 1.5
    quadrants = np.bincount((centred > 0) @ [1, 2], minlength=4)
    assert stats.chisquare(quadrants).pvalue > 1e-3
    inner = np.hypot(*centred.T) < 49 * 0.03 / np.sqrt(2)
    assert inner.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2250))


def test_axons_have_rayleigh_lengths_and_stay_in_the_well(culture):
    assert stats.kstest(culture.axon_length, stats.rayleigh(scale=0.1).cdf).pvalue > 1e-3
    assert culture.axon_length.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.05)
    assert is_inside(culture.axon_tip, CultureParameters()).all()
    reach = np.linalg.norm(culture.axon_tip - culture.position, axis=1)
    assert (reach <= culture.axon_length).all()
    assert stats.norm(0.15, 0.02).cdf(culture.dendrite_radius).mean() == pytest.approx(0.5, abs=0.03)
    assert culture.dendrite_radius.std() == pytest.approx(0.02, rel=0.1)


def test_axons_that_do_not_turn_are_straight_and_of_whole_segments():
    parameters = CultureParameters(axon_turn_rad=0.0, density_per_mm2=30.0)
    culture = grow_culture(parameters, np.random.default_rng(3))
    reach = np.linalg.norm(culture.axon_tip - culture.position, axis=1)
    grown = (np.ceil(culture.axon_length / 0.001) - 1) * 0.001
    central = np.hypot(*(culture.position - 1.5).T) + culture.axon_length < 1.4
    assert central.sum() > 100
    np.testing.assert_allclose(reach[central], grown[central], atol=1e-12)
    assert (reach[~central] < grown[~central] - 1e-6).any()  # along the rim


def test_turns_are_a_random_walk_whatever_the_segment():
    """Mean squared reach of a walk whose direction diffuses with D = turn^2 / 2 per um (Kratky & Porod)."""
    found = []
    for step in (0.001, 0.002):
        parameters = CultureParameters(
            axon_length_mm=0.05, axon_turn_rad=0.2, axon_step_mm=step, dish_mm=3.0, density_per_mm2=250.0
        )
        culture = grow_culture(parameters, np.random.default_rng(4))
        grown = (np.ceil(culture.axon_length / step) - 1) * step * 1000
        rate = 0.2**2 / 2
        expected = 2 / rate**2 * (rate * grown - 1 + np.exp(-rate * grown))
        central = np.hypot(*(culture.position - 1.5).T) + culture.axon_length < 1.4
        reach = 1000 * np.linalg.norm(culture.axon_tip - culture.position, axis=1)
        found.append((reach[central] ** 2).mean() / expected[central].mean())
    assert found == pytest.approx([1, 1], abs=0.06)


def test_links_are_half_of_the_potential_ones_and_none_to_itself(culture):
    links, potential = culture.weights.nnz, culture.potential_links
    assert abs(links - potential / 2) < 4 * np.sqrt(potential) / 2
    assert not culture.weights.diagonal().any()
    # the authors' notebook: 75,447 and 37,910; one culture differs from another by 1 %
    assert potential == pytest.approx(75_447, rel=0.05)
    assert links == pytest.approx(37_910, rel=0.05)
    # the axon meets the disc: no further from the soma than the axon is long
    source, target = culture.weights.nonzero()
    distance = np.linalg.norm(culture.position[source] - culture.position[target], axis=1)
    assert (distance < culture.axon_length[source] + culture.dendrite_radius[target]).all()


def test_every_pair_is_linked_where_the_probability_is_one():
    certain = grow_culture(CultureParameters(connection_probability=1.0), np.random.default_rng(1))
    assert certain.weights.nnz == certain.potential_links
    none = grow_culture(CultureParameters(connection_probability=0.0), np.random.default_rng(1))
    assert none.weights.nnz == 0 and none.potential_links == certain.potential_links


def test_weights_have_the_sign_of_their_row(culture):
    assert culture.inhibitory.sum() == 450 and culture.inhibitory[1800:].all()
    rows, _ = culture.weights.nonzero()
    weight = culture.weights.data
    inhibitory = culture.inhibitory[rows]
    assert (weight[inhibitory] < 0).all() and (weight[~inhibitory] > 0).all()
    for chosen, mean in ((~inhibitory, 6.0), (inhibitory, -12.0)):
        assert weight[chosen].mean() == pytest.approx(mean, rel=0.01)
        assert weight[chosen].std() == pytest.approx(0.1 * abs(mean), rel=0.05)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_any_part_may_be_inhibitory(fraction):
    culture = grow_culture(CultureParameters(inhibitory_fraction=fraction, **SMALL), np.random.default_rng(1))
    assert culture.inhibitory.sum() == round(36 * fraction)


def test_orientations_are_each_others_transpose():
    weights = sparse.csr_array(np.array([[0, 6.0, 0], [0, 0, 7.0], [-12.0, 0, 0]]))
    culture = Culture(*[np.zeros(3)] * 4, np.array([False, False, True]), weights, 3)
    published, presynaptic = (culture.inputs(name).toarray() for name in ("published", "presynaptic"))
    # neuron 2 is inhibitory and its axon reaches 0: as published, a spike of 0 inhibits 2
    assert published[2, 0] == -12 and published[0, 2] == 0
    assert presynaptic[0, 2] == -12 and presynaptic[2, 0] == 0
    np.testing.assert_array_equal(published, presynaptic.T)


def test_growth_is_the_slow_one_step_by_step():
    parameters = CultureParameters(connection_probability=1.0, weight_variation=0.0, **SMALL)
    for seed in range(3):
        culture = grow_culture(parameters, np.random.default_rng(seed))
        position, tip, linked, turned = grow_slowly(parameters, np.random.default_rng(seed))
        np.testing.assert_array_equal(culture.position, position)
        np.testing.assert_allclose(culture.axon_tip, tip, atol=1e-13)
        np.testing.assert_array_equal(culture.weights.toarray() != 0, linked)
        assert turned > 20  # the rim was met


def grow_slowly(parameters, random):
    """Place somata and grow axons one step at a time, from the rules and the same random numbers."""
    n, size, cells = parameters.neurons, parameters.dish_mm, parameters.dish_cells
    places = []
    while len(places) < n:
        place = np.array([size * random.random(), size * random.random()])
        near = any(math.dist(place, other) < parameters.soma_distance_mm for other in places)
        if is_inside(place[None], parameters)[0] and not near:
            places.append(place)
    length = parameters.axon_length_mm * np.sqrt(-2 * np.log(1 - random.random(n)))
    radius = random.normal(parameters.dendrite_radius_mm, parameters.dendrite_radius_sd_mm, n)
    linked, tips, turned = np.zeros((n, n), bool), [], 0
    for i in range(n):
        tip, angle, segment = places[i], 2 * np.pi * random.random(), 1
        while segment * 0.001 < length[i]:
            while not is_inside((new := tip + 0.001 * np.array([np.cos(angle), np.sin(angle)]))[None], parameters)[0]:
                angle = along_the_wall(tip, new, size / cells)
                turned += 1
            tip = new
            angle += 0.1 * random.standard_normal()
            segment += 1
            linked[i] |= [math.dist(tip, places[j]) < radius[j] and i != j for j in range(n)]
        tips.append(tip)
    return np.array(places), np.array(tips), linked, turned


def along_the_wall(start, end, width):
    """Return the slope of the crossed wall, counter-clockwise around the well: up at the right, left at the top."""
    walls = []
    for axis, name in ((0, "vertical"), (1, "horizontal")):
        before, after = (math.floor(point[axis] / width) for point in (start, end))
        if before != after:
            walls.append((abs(max(before, after) * width - start[axis]), name))
    _, wall = min(walls)
    ahead = end - start
    if wall == "vertical":
        return math.copysign(math.pi / 2, ahead[0])
    return math.pi if ahead[1] > 0 else 0.0


@settings(max_examples=40, deadline=None)
@given(
    cells=st.integers(4, 40),
    length=st.floats(0.01, 1.0),
    turn=st.floats(0, 2),
    share=st.floats(0.01, 0.49),
    seed=st.integers(0, 1000),
)
def test_axons_never_leave_any_well(cells, length, turn, share, seed):
    parameters = CultureParameters(
        dish_mm=0.3, dish_cells=cells, density_per_mm2=150, axon_length_mm=length, axon_turn_rad=turn,
        axon_step_mm=max(0.001, share * 0.3 / cells),
    )  # fmt: skip
    culture = grow_culture(parameters, np.random.default_rng(seed))
    assert is_inside(culture.position, parameters).all() and is_inside(culture.axon_tip, parameters).all()
    assert culture.weights.nnz <= culture.potential_links <= 13 * 12


def test_the_same_seed_is_the_same_culture(culture):
    again = grow_culture(CultureParameters(), np.random.default_rng(1))
    other = grow_culture(CultureParameters(), np.random.default_rng(2))
    for field in fields(Culture):
        one, two = getattr(culture, field.name), getattr(again, field.name)
        if field.name == "weights":
            one, two = one.toarray(), two.toarray()
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(culture.position, other.position)


def test_a_full_well_is_an_error():
    parameters = CultureParameters(**SMALL | {"soma_distance_mm": 0.1})
    with pytest.raises(UserError, match="density_per_mm2: expected room for 36 somata.*found places for"):
        grow_culture(parameters, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"dish_mm": 0}, "dish_mm"),
        ({"dish_cells": 3}, "dish_cells"),
        ({"dish_cells": 10.5}, "dish_cells"),
        ({"density_per_mm2": 0.1}, "density_per_mm2"),
        ({"density_per_mm2": "many"}, "density_per_mm2"),
        ({"axon_step_mm": 0.02}, "axon_step_mm"),
        ({"connection_probability": 1.1}, "connection_probability"),
        ({"inhibitory_fraction": float("nan")}, "inhibitory_fraction"),
        ({"excitatory_weight": -1}, "excitatory_weight"),
        ({"inhibitory_weight": 1}, "inhibitory_weight"),
        ({"orientation": "both"}, "orientation"),
        ({"neuron_type": "XX"}, "neuron_type"),
        ({"neuron_type": ["RS"]}, "neuron_type"),
        ({"inhibitory_type": "XX"}, "inhibitory_type"),
        ({"synapse_time_constant_ms": 0.5}, "synapse_time_constant_ms"),
        ({"noise": True}, "noise"),
        ({"colour": 1}, "colour"),
    ],
)
def test_wrong_fields_are_named(change, field):
    with pytest.raises(UserError, match=rf"\b{field}\b"):
        CultureParameters.from_mapping(change)


@pytest.mark.parametrize(("side", "density", "neurons"), [(3.0, 250.0, 2250), (0.3, 100.0, 9), (0.1, 900.0, 9)])
def test_rounding_loses_no_neuron(side, density, neurons):
    parameters = CultureParameters(dish_mm=side, dish_cells=20, density_per_mm2=density)
    assert parameters.neurons == neurons

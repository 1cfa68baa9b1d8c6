"""Neurons of the simulated visual cortex have the properties that their types say, whatever way they are turned."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.simulation.visual_cortex.gabors import difference_of_gaussians, gabor
from calcium_latents.simulation.visual_cortex.natural_images import dead_leaves
from calcium_latents.simulation.visual_cortex.visual_cortex import Population, draw_types
from calcium_latents.simulation.visual_cortex.visual_cortex_parameters import (
    DEPENDENT,
    GABOR_TYPES,
    INDEPENDENT,
    NEURON_TYPES,
    VisualCortexParameters,
)

SHAPE = (26, 26)
PHASES = np.arange(8) * np.pi / 4


def random(*address):
    return generator(0, "tests", "visual_cortex", *address)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return dead_leaves(1500, SHAPE, random("images"))


@pytest.fixture(scope="module")
def population(images) -> Population:
    drawn = Population.draw(VisualCortexParameters(neurons=60), SHAPE, random("neurons"))
    return drawn.with_gains(images, 2.0, 40.0)


def own_gabors(population, size=8.0, contrast=2.0, turn=0.0, phase=0.0):
    """Return the Gabor pattern at each neuron's place, turned from its orientation and moved from its phase."""
    y, x = population.position_px.T
    orientation, own_phase = population.orientation_rad + turn, population.phase_rad + phase
    return gabor(population.shape, y, x, size, population.frequency_cpp, contrast, orientation, own_phase)


def own_rates(population, images):
    return population.own_rates(images, np.arange(population.neurons)).astype(float)


def naive_rate(population, index, image):
    """Return the rate of one neuron to one image from the formula, with loops over the surround."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    y0, x0 = population.position_px[index]

    def pair(row, column, orientation, phase, frequency, envelope):
        u = (x - column) * np.cos(orientation) + (y - row) * np.sin(orientation)
        bell = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * envelope**2))
        out = []
        for wave in (np.cos(2 * np.pi * frequency * u + phase), -np.sin(2 * np.pi * frequency * u + phase)):
            pattern = bell * wave - (bell * wave).sum() / bell.sum() * bell
            out.append((pattern * image).sum() / (pattern**2).sum())
        return out

    own = (population.phase_rad[index], population.frequency_cpp[index], population.envelope_px[index])
    even, odd = pair(y0, x0, population.orientation_rad[index], *own)
    numerator = even**2 + odd**2 if population.is_complex[index] else max(even, 0) ** 2
    orthogonal = sum(value**2 for value in pair(y0, x0, population.orientation_rad[index] + np.pi / 2, *own))
    surround, total = 0.0, 0.0
    large = np.pad(image, 6)
    cut = np.mgrid[-6:7, -6:7]
    for row in range(SHAPE[0]):
        for column in range(SHAPE[1]):
            distance = (row - y0) ** 2 + (column - x0) ** 2
            if distance > 81:
                continue
            weight = np.exp(-distance / (2 * 4.5**2)) * (1 - np.exp(-distance / 18))
            patch, energy = large[row : row + 13, column : column + 13], 0.0
            for angle in np.arange(4) * np.pi / 4:
                share = (1 + np.cos(2 * (population.orientation_rad[index] - angle))) / 4
                carrier = 2 * np.pi * 0.19 * (cut[1] * np.cos(angle) + cut[0] * np.sin(angle))
                bell = np.exp(-(cut**2).sum(0) / 8)
                for wave in (np.cos(carrier), np.sin(carrier)):
                    pattern = bell * wave - (bell * wave).sum() / bell.sum() * bell
                    energy += share * ((pattern * patch).sum() / (pattern**2).sum()) ** 2
            surround, total = surround + weight * energy, total + weight
    weights = population.orthogonal_weight[index], population.surround_weight[index]
    divisor = 0.25 + 0.5 * numerator + weights[0] * orthogonal + weights[1] * surround / total
    return population.gain[index] * numerator / divisor


@pytest.mark.parametrize("name", list(GABOR_TYPES))
def test_rates_are_those_of_the_formula(population, images, name):
    index = int(np.flatnonzero(population.neuron_type == name)[0])
    rates = population.rates(images[:3])[:, index]
    expected = [naive_rate(population, index, image.astype(float)) for image in images[:3]]
    assert rates == pytest.approx(expected, rel=2e-4, abs=1e-5)


def test_own_rates_are_those_of_all_rates(population, images):
    neurons = random("own").integers(0, population.neurons, 400)
    every = population.rates(images[:400])
    assert every.dtype == np.float32 and every.min() >= 0
    own = population.own_rates(images[:400], neurons)
    assert np.allclose(own, every[np.arange(400), neurons], rtol=1e-4, atol=1e-5)
    assert population.own_rates(images[:0], neurons[:0]).shape == (0,)
    assert population.rates(images[:0]).shape == (0, population.neurons)


def test_long_series_are_cut_into_chunks(population, images, monkeypatch):
    whole = population.rates(images[:50])
    monkeypatch.setattr("calcium_latents.simulation.visual_cortex.visual_cortex.CHUNK_VALUES", 9000)
    assert np.allclose(population.rates(images[:50]), whole, rtol=1e-4, atol=1e-6)


def test_uniform_light_drives_no_neuron(population):
    assert population.rates(np.full((1, *SHAPE), 3.0)).max() < 1e-6


def turned(population, quarters):
    """Return the population turned by 90 degrees about the image's centre, as np.rot90 turns images."""
    angle = quarters * np.pi / 2
    centre = (np.array(SHAPE) - 1) / 2
    y, x = (population.position_px - centre).T
    place = np.stack([y * np.cos(angle) - x * np.sin(angle), y * np.sin(angle) + x * np.cos(angle)], 1) + centre
    return replace(population, position_px=place, orientation_rad=population.orientation_rad - angle)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turning_images_and_neurons_by_90_degrees_changes_nothing(population, images, quarters):
    rates = population.rates(images[:100])
    again = turned(population, quarters).rates(np.rot90(images[:100], quarters, axes=(1, 2)))
    assert np.abs(again - rates).max() < 1e-5 * rates.max()


def test_turning_by_45_degrees_changes_little(population):
    """Gabor patterns and plaids around each neuron, turned together with its orientation."""
    own = replace(population, position_px=np.full((population.neurons, 2), 12.5))
    other = replace(own, orientation_rad=own.orientation_rad + np.pi / 4)
    gabors = own.kind == "gabor"
    for size in (8.0, 13.0, 22.0, 40.0):
        before, after = (own_rates(each, own_gabors(each, size))[gabors] for each in (own, other))
        assert np.abs(after / before - 1).max() < 0.03


def test_suppression_grows_with_size_in_suppressed_types_alone(population):
    sizes = 8 * 1.2 ** np.arange(12)
    rates = np.stack([own_rates(population, own_gabors(population, size)) for size in sizes])
    suppression = 1 - rates[-1] / rates.max(axis=0)
    suppressed, gabors = population.surround_weight > 0, population.kind == "gabor"
    assert suppression[suppressed].mean() == pytest.approx(0.5, abs=0.05)
    assert suppression[suppressed].min() > 0.35
    assert suppression[gabors & ~suppressed].max() < 0.01


def test_plaids_suppress_inhibited_types_alone(population):
    contrasts = np.concatenate([[0.0], 2**-3.0 * 2 ** (0.5 * np.arange(9))])
    preferred = own_gabors(population)
    plaids = [preferred + own_gabors(population, contrast=c, turn=np.pi / 2) for c in contrasts]
    rates = np.stack([own_rates(population, plaid) for plaid in plaids])
    index = 1 - rates[-1] / rates.max(axis=0)
    inhibited, suppressed = population.orthogonal_weight > 0, population.surround_weight > 0
    gabors = population.kind == "gabor"
    assert index[inhibited].mean() == pytest.approx(0.70, abs=0.03)
    # The surround prefers the own orientation, so that an orthogonal pattern hardly drives it.
    assert abs(index[suppressed & ~inhibited].mean()) < 0.05
    assert index[gabors & ~suppressed & ~inhibited].max() < 0.02


def test_complex_types_alone_are_phase_invariant(population):
    rates = np.stack([own_rates(population, own_gabors(population, phase=phase)) for phase in PHASES])
    harmonic = np.abs((rates * np.exp(1j * PHASES)[:, None]).sum(axis=0)) / rates.sum(axis=0)
    gabors, is_complex = population.kind == "gabor", population.is_complex == 1
    assert harmonic[is_complex].max() < 0.02
    # [cos]+ squared has F1/F0 = 8 / (3 pi); saturation takes a little of it.
    assert harmonic[gabors & ~is_complex].min() > 0.75
    assert harmonic[gabors].max() < 8 / (3 * np.pi) + 0.03


def test_orientation_is_preferred(population):
    # From -90 degrees, so that a pattern nearly upside down is not one of the opposite phase.
    orientations = np.arange(-6, 6) * np.pi / 12
    rates = np.stack([own_rates(population, own_gabors(population, turn=turn)) for turn in orientations])
    gabors = population.kind == "gabor"
    assert (rates.argmax(axis=0)[gabors] == 6).all()
    second = np.angle((rates * np.exp(2j * orientations)[:, None]).sum(axis=0)) / 2
    assert np.abs(second[gabors]).max() < np.radians(1)


@pytest.mark.parametrize(("name", "sign"), [("ON", 1), ("OFF", -1)])
def test_centre_surround_neurons_prefer_discs_of_their_sign(population, name, sign):
    of_type = np.flatnonzero(population.neuron_type == name)
    y, x = population.position_px[of_type].T
    own, opposite = (
        population.own_rates(difference_of_gaussians(SHAPE, y, x, 1.5, 2.4, 0.64, contrast), of_type)
        for contrast in (2.0 * sign, -2.0 * sign)
    )
    assert own.min() > 1 and opposite.max() < 1e-6


def test_gains_set_the_mean_unless_peaks_are_too_high(population, images):
    rates = population.rates(images).astype(float)
    high = np.quantile(rates, 0.999, axis=0)
    assert high.max() < 40.1 and rates.mean(axis=0).max() < 2.001
    assert np.allclose(rates.mean(axis=0)[high < 39.9], 2.0, rtol=1e-3)
    assert (high < 39.9).mean() > 0.5
    with pytest.raises(UserError, match="drive every neuron"):
        population.with_gains(np.zeros((5, *SHAPE)), 2.0, 40.0)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(NEURON_TYPES), st.floats(0.01, 10), min_size=1),
    st.integers(1, 200),
    st.integers(0, 5),
)
def test_types_come_in_their_shares(shares, count, seed):
    names = draw_types(shares, count, generator(seed, "tests", "types"))
    assert len(names) == count
    total = sum(shares.values())
    for name, share in shares.items():
        assert abs(names.count(name) - count * share / total) < 1 + 1e-9


def bits(shares, count=1000):
    names = [name for name in draw_types(shares, count, random("bits")) if name in GABOR_TYPES]
    return np.array([GABOR_TYPES[name] for name in names], float)


def test_properties_are_independent_or_not_as_the_shares_say():
    assert np.abs(np.corrcoef(bits(INDEPENDENT).T) - np.eye(3)).max() < 1e-12
    everyone = np.array([GABOR_TYPES.get(name, (0, 0, 0)) for name in draw_types(INDEPENDENT, 1000, random("bits"))])
    assert np.corrcoef(everyone.T)[np.triu_indices(3, 1)] == pytest.approx([1 / 6] * 3)
    dependent = np.corrcoef(bits(DEPENDENT).T)
    assert dependent[1, 2] == pytest.approx(1)
    assert dependent[0, 1] == pytest.approx(0.6, abs=0.01)


def test_neurons_lie_in_the_disc_and_vary_as_told():
    parameters = VisualCortexParameters(neurons=2000, place_radius_px=2.5, surround_px=4.0)
    drawn = Population.draw(parameters, (24, 40), random("disc"))
    offset = drawn.position_px - [11.5, 19.5]
    radius = np.hypot(*offset.T)
    assert radius.max() <= 2.5 and np.mean(radius < 2.5 / np.sqrt(2)) == pytest.approx(0.5, abs=0.04)
    gabors = drawn.kind == "gabor"
    assert drawn.frequency_cpp[gabors].mean() == pytest.approx(0.19, rel=0.01)
    assert drawn.frequency_cpp[gabors].std() == pytest.approx(0.06 * 0.19, rel=0.1)
    assert drawn.surround_weight[drawn.surround_weight > 0].mean() == pytest.approx(3, rel=0.02)
    order = drawn.subset(np.array([3, 1]))
    assert list(order.neuron_type) == [drawn.neuron_type[3], drawn.neuron_type[1]]


def test_images_of_another_size_are_refused(population):
    with pytest.raises(UserError, match="26, 26"):
        population.rates(np.zeros((2, 20, 26)))
    with pytest.raises(UserError, match="one neuron an image"):
        population.own_rates(np.zeros((2, *SHAPE)), np.arange(3))


@pytest.mark.parametrize(
    "given",
    [
        {"neurons": 0},
        {"shares": {"fast": 1.0}},
        {"shares": {"simple": 0.0}},
        {"shares": {"simple": -1.0, "ON": 2.0}},
        {"frequency_cpp": 0.6},
        {"jitter": 0.5},
        {"antagonist_ratio": 1.0},
        {"surround_px": 0.0},
        {"surround_weight": -1.0},
        {"gain": 1.0},
    ],
)
def test_wrong_parameters_are_named(given):
    with pytest.raises(UserError, match=next(iter(given))):
        VisualCortexParameters.from_mapping(given)


def test_the_surround_must_fit_into_the_image():
    VisualCortexParameters().check_fit(SHAPE)
    with pytest.raises(UserError, match="surround_px: expected at most 3.25 in images of 20 x 26 px"):
        VisualCortexParameters().check_fit((20, 26))
    VisualCortexParameters(shares={"simple": 1.0}).check_fit((20, 26))

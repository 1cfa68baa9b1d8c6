"""Indices that compare stimuli at equal energy, for neurons whose ratios are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcium_latents.errors import UserError
from calcium_latents.studies.digital_twin.optimal_stimuli.stimulus_comparison import (
    INDICES,
    StimulusComparisonParameters,
    compare_stimuli,
    images_of_others,
    move,
    noise_of_equal_spectrum,
)

SHAPE = (6, 7)
FILTER = np.random.default_rng(0).normal(size=SHAPE)
FILTER /= np.linalg.norm(FILTER)
ACROSS = np.random.default_rng(1).normal(size=SHAPE)
ACROSS -= FILTER * (FILTER * ACROSS).sum()
ACROSS /= np.linalg.norm(ACROSS)


def at_cosine(cosine):
    """Return an image whose cosine with the filter is given."""
    return 3.3 * (cosine * FILTER + np.sqrt(1 - cosine**2) * ACROSS)


def squared(images, neurons):
    return (np.tensordot(images, FILTER, axes=2)) ** 2 * (1 + neurons)


def test_ratios_of_an_energy_neuron_are_squared_cosines():
    images = {"mei": at_cosine(1.0), "gabor": -at_cosine(0.8), "dog": at_cosine(0.4)}
    stimuli = {name: np.stack([image, 7 * image]) for name, image in images.items()}  # scale does not matter
    table = compare_stimuli(squared, [3, 5], stimuli, 12.0)
    assert list(table) == ["neuron", "gabor_vs_mei", "dog_vs_mei", "gabor_vs_dog"]
    np.testing.assert_allclose(table["gabor_vs_mei"], 0.64, rtol=1e-5)
    np.testing.assert_allclose(table["dog_vs_mei"], 0.16, rtol=1e-5)
    np.testing.assert_allclose(table["gabor_vs_dog"], 4.0, rtol=1e-5)


def test_indices_are_means_of_ratios_over_levels_not_ratios_of_means():
    def saturating(images, neurons):
        drive = np.maximum(np.tensordot(images, FILTER, axes=2), 0)
        return drive**2 / (1 + drive**2)

    parameters = StimulusComparisonParameters(levels=3, span=4.0)
    stimuli = {"mei": at_cosine(1)[None], "gabor": at_cosine(0.5)[None]}
    table = compare_stimuli(saturating, [0], stimuli, 2.0, parameters)
    norms = np.array([1.0, 2.0, 4.0])
    ratios = 0.25 * (1 + norms**2) / (1 + 0.25 * norms**2)
    assert table["gabor_vs_mei"][0] == pytest.approx(ratios.mean(), rel=1e-5)


def test_missing_stimuli_and_small_denominators_are_nan():
    nothing, gone = np.zeros(SHAPE), np.full(SHAPE, np.nan)
    stimuli = {
        "mei": np.stack([gone, at_cosine(1), at_cosine(1), nothing]),
        "gabor": np.stack([at_cosine(0.5)] * 4),
        "dog": np.stack([at_cosine(0.5), gone, at_cosine(0.05), at_cosine(0.5)]),
    }
    table = compare_stimuli(squared, np.arange(4), stimuli, 12.0)
    assert np.isnan(table["gabor_vs_mei"]).tolist() == [True, False, False, True]
    assert np.isnan(table["dog_vs_mei"]).tolist() == [True, True, False, True]
    # the third DoG drives 0.0025 of the MEI, which is below the floor
    assert np.isnan(table["gabor_vs_dog"]).tolist() == [False, True, True, False]


@settings(max_examples=20, deadline=None)
@given(levels=st.integers(1, 9), span=st.floats(1, 16), norm=st.floats(0.1, 50))
def test_levels_lie_in_geometric_steps_around_the_norm(levels, span, norm):
    norms = StimulusComparisonParameters(levels=levels, span=span).norms(norm)
    assert len(norms) == levels
    assert np.exp(np.log(norms).mean()) == pytest.approx(norm)
    if levels > 1:
        assert norms[-1] / norms[0] == pytest.approx(span)
        np.testing.assert_allclose(norms[1:] / norms[:-1], norms[1] / norms[0])


def test_noise_keeps_the_spectrum_and_the_norm_and_has_its_own_seed():
    images = np.stack([at_cosine(0.3), at_cosine(0.9), np.full(SHAPE, np.nan)])
    noise = noise_of_equal_spectrum(images, [4, 8, 9], seed=1)
    np.testing.assert_allclose(np.abs(np.fft.fft2(noise[:2])), np.abs(np.fft.fft2(images[:2])), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(noise[:2], axis=(1, 2)), np.linalg.norm(images[:2], axis=(1, 2)), 1e-5)
    assert np.isnan(noise[2]).all()
    np.testing.assert_array_equal(noise[1], noise_of_equal_spectrum(images[1:2], [8], seed=1)[0])
    assert np.abs(noise[:2] - noise_of_equal_spectrum(images, [4, 8, 9], seed=2)[:2]).max() > 0.1


def test_another_neurons_image_comes_to_this_neurons_place():
    images = np.full((4, *SHAPE), np.nan, np.float32)
    places = np.array([[1, 2], [3, 4], [4, 1], [2, 2]])
    for n, (y, x) in enumerate(places[:3]):
        images[n] = 0
        images[n, y, x] = n + 1
    moved = images_of_others(images, places, np.arange(4), seed=0)
    for n, (y, x) in enumerate(places[:3]):
        assert moved[n].argmax() == y * SHAPE[1] + x and moved[n].max() in {1, 2, 3} - {n + 1}
    assert np.isnan(moved[3]).all()
    assert np.isnan(images_of_others(images[:1], places[:1], [0], seed=0)).all()


@settings(max_examples=40, deadline=None)
@given(
    image=arrays(np.float32, SHAPE, elements=st.floats(-3, 3, width=32)),
    down=st.integers(-8, 8),
    right=st.integers(-9, 9),
)
def test_moving_there_and_back_loses_only_what_left(image, down, right):
    back = move(move(image, down, right), -down, -right)
    assert ((back == image) | (back == 0)).all()
    wide = np.pad(image, 10)
    np.testing.assert_array_equal(move(wide, down, right), np.roll(wide, (down, right), (0, 1)))


def test_every_index_has_a_pair_and_settings_are_checked():
    assert set(INDICES) >= {"gabor_vs_mei", "dog_vs_mei", "gabor_vs_dog", "null_noise_vs_mei", "null_other_vs_mei"}
    for wrong in ({"levels": 0}, {"span": 0.5}, {"floor": 0.0}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            StimulusComparisonParameters(**wrong)

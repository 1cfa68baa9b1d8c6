"""Most exciting images of neurons for which they are known in closed form."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.studies.digital_twin.optimal_stimuli.most_exciting_images import (
    LAPLACIAN,
    MostExcitingImageParameters,
    frequency_weights,
    most_exciting_images,
    roughness,
)

SHAPE = (14, 17)
QUICK = MostExcitingImageParameters(starts=3, steps=80, smoothness=0.0, norm=5.0)


def filters(count=3):
    """Return smooth filters [count, y, x] of unit norm."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    found = []
    for n in range(count):
        centre, phi = (6 + n % 3, 9 - n % 2), 0.7 * n
        u = (x - centre[1]) * np.cos(phi) + (y - centre[0]) * np.sin(phi)
        envelope = np.exp(-((x - centre[1]) ** 2 + (y - centre[0]) ** 2) / 10)
        found.append(envelope * np.cos(2 * np.pi * 0.15 * u + n))
    found = np.array(found)
    return torch.as_tensor(found / np.linalg.norm(found, axis=(1, 2), keepdims=True), dtype=torch.float32)


def linear(images, neurons):
    return torch.nn.functional.softplus((filters()[neurons] * images).sum(dim=(1, 2)))


def energy(images, neurons):
    """A complex cell of two filters, of which the first is the stronger."""
    pair = filters()[:2, None]
    return ((pair * images).sum(dim=(2, 3)) ** 2 * torch.tensor([[1.0], [0.5]])).sum(dim=0) + 0 * neurons


def similarity(images, targets):
    flat = images.reshape(len(images), -1)
    targets = np.asarray(targets).reshape(len(targets), -1)
    return (flat * targets).sum(axis=1) / np.linalg.norm(flat, axis=1) / np.linalg.norm(targets, axis=1)


def test_a_linear_neuron_wants_its_filter():
    found = most_exciting_images(linear, np.arange(3), SHAPE, QUICK)
    assert (similarity(found.images, filters()) > 0.995).all()
    np.testing.assert_allclose(found.rates, np.log1p(np.exp(5.0)), rtol=0.01)


def test_a_complex_cell_wants_the_first_eigenvector_of_its_energy():
    found = most_exciting_images(energy, [0], SHAPE, MostExcitingImageParameters(steps=150, smoothness=0.0))
    pair = filters()[:2].reshape(2, -1).numpy()
    values, vectors = np.linalg.eigh(pair.T @ np.diag([1.0, 0.5]) @ pair)
    assert abs(similarity(found.images, [vectors[:, -1]])[0]) > 0.995
    np.testing.assert_allclose(found.rates, values[-1] * 12.0**2, rtol=0.01)


@settings(max_examples=10, deadline=None)
@given(norm=st.floats(0.1, 50), starts=st.integers(1, 4), screening=st.sampled_from([0, 2]), seed=st.integers(0, 99))
def test_the_norm_is_kept_and_rates_are_those_of_the_images(norm, starts, screening, seed):
    parameters = MostExcitingImageParameters(starts=starts, steps=4, screening_steps=screening, norm=norm)
    found = most_exciting_images(linear, [2, 0], SHAPE, parameters, seed=seed)
    np.testing.assert_allclose(np.linalg.norm(found.images.reshape(2, -1), axis=1), norm, rtol=1e-5)
    again = linear(torch.as_tensor(found.images), torch.tensor([2, 0])).numpy()
    np.testing.assert_allclose(found.rates, again, rtol=1e-5)


def test_same_seed_same_images_whatever_the_other_neurons():
    first = most_exciting_images(linear, [0, 1, 2], SHAPE, QUICK, seed=3)
    second = most_exciting_images(linear, [0, 1, 2], SHAPE, QUICK, seed=3)
    assert first.images.tobytes() == second.images.tobytes()
    alone = most_exciting_images(linear, [1], SHAPE, QUICK, seed=3)
    np.testing.assert_allclose(alone.images[0], first.images[1], atol=1e-4)
    early = MostExcitingImageParameters(starts=1, steps=1)
    one, other = (most_exciting_images(linear, [1], SHAPE, early, seed=seed).images for seed in (3, 4))
    assert np.abs(one - other).max() > 0.1


def test_a_smooth_image_is_asked_for():
    rough, smooth = (
        most_exciting_images(
            linear, [0], SHAPE, MostExcitingImageParameters(starts=1, steps=60, norm=5.0, smoothness=s)
        )
        for s in (0.0, 0.5)
    )
    one, other = (float(roughness(torch.as_tensor(found.images))[0]) for found in (rough, smooth))
    assert other < 0.5 * one and smooth.rates[0] < rough.rates[0]


def test_smooth_noise_to_start_from():
    white, smooth = (
        most_exciting_images(
            lambda images, _: 0 * images.sum(dim=(1, 2)),
            [0],
            SHAPE,
            MostExcitingImageParameters(starts=1, steps=1, smoothness=0.0, norm=1.0, start_power=power),
        ).images
        for power in (0.0, 1.0)
    )
    spectra = [np.abs(np.fft.rfft2(image[0])) for image in (white, smooth)]
    ratio = spectra[1] / spectra[0] / frequency_weights(SHAPE, 1.0)
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)


def test_screening_goes_on_with_the_best_start_only():
    asked = []

    def counted(images, neurons):
        asked.append(len(images))
        return linear(images, neurons)

    most_exciting_images(counted, [0, 1], SHAPE, MostExcitingImageParameters(starts=4, steps=6, screening_steps=3))
    assert asked == [8, 8, 8, 8, 2, 2, 2]


def test_images_that_no_longer_gain_are_left_alone():
    asked = []

    def flat(images, neurons):
        asked.append(len(images))
        return 0 * images.sum(dim=(1, 2)) + 1.0

    parameters = MostExcitingImageParameters(starts=2, steps=50, patience=4, smoothness=0.0)
    found = most_exciting_images(flat, [0], SHAPE, parameters)
    assert asked == [2] * 5 and found.steps[0] == 0


def test_the_unit_of_rates_does_not_change_the_image():
    def loud(images, neurons):
        return 50 * linear(images, neurons)

    parameters = MostExcitingImageParameters(starts=1, steps=40, norm=5.0, smoothness=0.1)
    quiet = most_exciting_images(linear, [0], SHAPE, parameters)
    scaled = most_exciting_images(loud, [0], SHAPE, parameters, rate_unit=[50.0])
    np.testing.assert_allclose(scaled.images, quiet.images, atol=1e-3)
    np.testing.assert_allclose(scaled.rates, 50 * quiet.rates, rtol=1e-4)


def test_roughness_is_that_of_the_published_kernel():
    point = torch.zeros(1, 5, 5)
    point[0, 2, 2] = 2.0
    assert float(roughness(point)[0]) == pytest.approx(4 * (np.array(LAPLACIAN) ** 2).sum())
    flat = torch.ones(1, 5, 5)
    assert float(roughness(flat)[0]) == pytest.approx(4 * 1.0**2 * 3 + 4 * 1.75**2)  # borders and corners only


def test_frequency_weights_have_mean_one_and_fall():
    for shape in ((14, 17), (9, 8)):
        weights = frequency_weights(shape, 0.5)
        assert weights.shape == (shape[0], shape[1] // 2 + 1)
        assert weights[0, 1] > weights[0, 2] and weights[0, 0] >= weights.max()
        white = np.random.default_rng(0).normal(size=shape)
        assert np.fft.irfft2(np.fft.rfft2(white) * weights, s=shape).shape == shape
    np.testing.assert_allclose(frequency_weights((6, 6), 0.0), 1.0)


def test_wrong_settings_and_rates_are_named():
    for wrong in ({"starts": 0}, {"norm": 0.0}, {"memory": 1.0}, {"steps": 5, "screening_steps": 5}, {"patience": 1.5}):
        with pytest.raises(UserError, match=list(wrong)[-1]):
            MostExcitingImageParameters(**wrong)
    with pytest.raises(UserError, match="neuron 7"):
        most_exciting_images(lambda images, _: images.sum(dim=(1, 2)) * torch.nan, [7], SHAPE, QUICK)

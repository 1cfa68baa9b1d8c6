"""Images averaged down keep their means, and responses their scale where they hardly vary."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.recordings.readers.images.image_scaling import area_averaged, scaled_responses
from calcium_latents.seeds import generator


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_area_averages_keep_the_mean_and_constants(height, width, data):
    shape = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    images = generator(height, "tests", "area", width).normal(size=(3, height, width))
    small = area_averaged(images, shape, "a")
    np.testing.assert_allclose(small.mean((1, 2)), images.mean((1, 2)), atol=1e-12)
    np.testing.assert_allclose(area_averaged(np.full((1, height, width), 7.0), shape, "a"), 7)
    # each pixel copied to so many that borders fall between them
    fine = images.repeat(shape[0], 1).repeat(shape[1], 2).reshape(3, shape[0], height, shape[1], width)
    np.testing.assert_allclose(small, fine.mean((2, 4)), atol=1e-12)
    np.testing.assert_allclose(area_averaged(images, (height, width), "a"), images, atol=1e-12)


def test_neurons_that_hardly_vary_keep_their_scale():
    responses = generator(1, "tests", "scaling").normal(size=(40, 4)) * [1, 5, 1e-4, 0]
    responses[3, 1] = np.nan
    training = np.arange(40) < 30
    scaled = scaled_responses(responses, training)
    np.testing.assert_allclose(np.nanstd(scaled[training][:, :2], axis=0), 1)
    np.testing.assert_array_equal(scaled[:, 2:], responses[:, 2:])
    assert np.isnan(scaled[3, 1])

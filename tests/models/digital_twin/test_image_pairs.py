"""From trials to what a model trains on: means over presentations, the scale of each neuron, and what is missing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.image_pairs import SMALLEST_SCALE, image_means, make_pairs
from calcium_latents.models.digital_twin.parameters import ImageOptions
from calcium_latents.recordings.fields import TEST, TRAINING, VALIDATION
from calcium_latents.recordings.image_responses import make_image_responses
from calcium_latents.seeds import generator

SCALED, UNSCALED = ImageOptions(scale_responses=True), ImageOptions(scale_responses=False)


def box(response=None, training=4, neurons=3, repeats=3, order=None):
    """Two test images in `repeats` trials, one validation image, then training images; `order` of the trials."""
    part = np.repeat([TEST, VALIDATION, TRAINING], [2, 1, training])
    shown = np.repeat(np.arange(part.size), np.where(part == TEST, repeats, 1))
    if response is None:
        response = generator(1, "tests", "image pairs").poisson(3.0, (shown.size, neurons))
    response = np.asarray(response, float)
    order = np.arange(shown.size) if order is None else order
    return make_image_responses(
        label="test",
        image_source="noise",
        seed=1,
        images=np.arange(part.size * 12.0).reshape(-1, 3, 4),
        part=part,
        image_of_trial=shown[order],
        response=response[order],
        animal=np.arange(response.shape[1]),
    )


def responses_with_gaps(trials=11, neurons=3):
    values = st.one_of(st.just(np.nan), st.floats(-2, 50, width=32))
    return arrays(np.float64, (trials, neurons), elements=values)


@settings(max_examples=60, deadline=None)
@given(response=responses_with_gaps(), order=st.permutations(range(11)))
def test_means_are_over_the_presentations_that_were_recorded(response, order):
    response[10] = 4  # a neuron without any response is no recorded one
    found = image_means(box(response, order=np.array(order)))
    # written out: trials 0-2 and 3-5 show the test images, the others one image each
    for image, trials in enumerate([range(3), range(3, 6), *([k] for k in range(6, 11))]):
        for neuron in range(3):
            known = [response[k, neuron] for k in trials if np.isfinite(response[k, neuron])]
            if known:
                assert found[image, neuron] == pytest.approx(np.mean(np.float32(known)), abs=1e-5)
            else:
                assert np.isnan(found[image, neuron])


@settings(max_examples=40, deadline=None)
@given(response=responses_with_gaps(), options=st.sampled_from([SCALED, UNSCALED]))
def test_responses_times_scale_are_the_recorded_ones(response, options):
    response[9:] = [[0], [4]]  # at least two training images, which differ
    responses = box(response)
    pairs = make_pairs(responses, options, "a.nc")
    expected = np.maximum(image_means(responses), 0)  # negative responses count as none
    back = pairs.response.numpy() * pairs.scale.numpy()
    np.testing.assert_allclose(back, expected, rtol=1e-4, atol=1e-5)
    assert (pairs.scale > 0).all()
    assert str(pairs.images.dtype) == str(pairs.response.dtype) == "torch.float32"


def test_scaled_responses_have_unit_spread_over_training_images_alone():
    responses = box(training=200)
    pairs = make_pairs(responses, SCALED, "a.nc")
    training = pairs.response[pairs.rows(TRAINING)].numpy()
    np.testing.assert_allclose(training.std(0), 1, rtol=1e-5)
    others = responses.copy(deep=True)
    shown = responses["part"].values[responses["image_of_trial"].values]
    others["response"].values[shown != TRAINING] *= 100
    np.testing.assert_array_equal(make_pairs(others, SCALED, "a.nc").scale, pairs.scale)
    assert (make_pairs(responses, UNSCALED, "a.nc").scale == 1).all()


def test_a_neuron_that_hardly_varies_is_not_blown_up():
    response = np.array(box(training=50)["response"].values, float)
    response[:, 1] = 2.0
    response[:, 2] *= SMALLEST_SCALE / 10
    pairs = make_pairs(box(response, training=50), SCALED, "a.nc")
    assert pairs.scale[0] > 1 and pairs.scale[1:].tolist() == [1.0, 1.0]
    assert np.isfinite(pairs.response.numpy()).all()


def test_neurons_that_all_never_vary_stay_finite():
    pairs = make_pairs(box(np.full((11, 3), 2.0)), SCALED, "a.nc")
    assert pairs.scale.tolist() == [1.0] * 3 and (pairs.response == 2).all()


def test_parts_partition_the_images():
    pairs = make_pairs(box(), SCALED, "a.nc")
    assert pairs.rows(TEST).tolist() == [0, 1] and pairs.rows(VALIDATION).tolist() == [2]
    assert pairs.rows(TRAINING).tolist() == [3, 4, 5, 6]
    np.testing.assert_array_equal(pairs.images.flatten(), np.arange(7 * 12))


@pytest.mark.parametrize("known", [0, 1])
def test_a_neuron_with_hardly_any_training_response_is_named(known):
    response = np.ones((11, 3))
    response[7 + known :, 1] = np.nan
    with pytest.raises(UserError, match=f"a.nc: response: .*at least 2 training images.* {known} for neuron 1"):
        make_pairs(box(response), SCALED, "a.nc")
    response[8, 1] = response[7, 1] = 1
    make_pairs(box(response), SCALED, "a.nc")


def test_no_training_images_and_other_boxes_are_named():
    responses = box()
    with pytest.raises(UserError, match="a.nc: attribute schema: .*responses to images"):
        make_pairs(responses.assign_attrs(schema="calcium-latents recording"), SCALED, "a.nc")
    responses["part"].values[:] = TEST
    with pytest.raises(UserError, match="a.nc: response: .*found 0"):
        make_pairs(responses, SCALED, "a.nc")

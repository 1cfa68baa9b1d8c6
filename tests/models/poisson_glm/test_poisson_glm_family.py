"""What the Poisson regression leaves behind: predictions of all images, from training images alone."""

import hydra
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from calcium_latents.commands.train import CONFIG
from calcium_latents.errors import UserError
from calcium_latents.models.poisson_glm.family import PoissonGlmFamily
from calcium_latents.models.poisson_glm.parameters import PoissonGlmModel
from calcium_latents.models.poisson_glm.regression import PoissonRegression
from calcium_latents.recordings.fields import TEST, TRAINING, VALIDATION
from calcium_latents.recordings.image_predictions import check_image_predictions
from calcium_latents.recordings.image_responses import make_image_responses
from calcium_latents.seeds import generator

SHAPE = 5, 6
FEW = {"penalty_range": [0.1, 1.0], "penalties": 3, "folds": 2}


def recording(training=120, neurons=3, repeats=4, seed=1):
    """Test, validation and training images, and true rates: exponentials of filtered images."""
    random = generator(seed, "tests", "glm recording")
    part = np.repeat([TEST, VALIDATION, TRAINING], [20, 10, training])
    images = random.normal(size=(part.size, *SHAPE))
    filters = random.normal(size=(neurons, *SHAPE)) * 0.2
    rate = np.exp(np.einsum("iyx,nyx->in", images, filters))
    shown = np.concatenate([np.arange(part.size), np.repeat(np.arange(20), repeats - 1)])
    responses = make_image_responses(
        label="test",
        image_source="noise",
        seed=seed,
        images=images,
        part=part,
        image_of_trial=shown,
        response=random.poisson(rate[shown]),
        neuron=np.arange(neurons) + 7,
        simulated=True,
    )
    return responses, rate


def fit(responses, seed=1, data=None, **options):
    family = PoissonGlmFamily("poisson_glm", **{**FEW, **options})
    module, _, steps = family.prepare(responses, "a.nc", data or {}, {}, {}, seed)
    assert steps == module.step == 0
    return family.result(module, responses)


def test_predictions_follow_from_the_checkpoint_and_match_the_truth():
    responses, rate = recording(training=600)
    found = fit(responses)
    check_image_predictions(found.inferred, "a.nc")
    assert found.inferred.attrs["model"] == "poisson_glm" and found.inferred.attrs["seed"] == 1
    assert found.inferred["neuron"].values.tolist() == [7, 8, 9]
    assert found.inferred.attrs["largest_gradient_norm"] <= 1e-4
    model = found.checkpoint["model"]
    images = responses["images"].values
    expected = np.exp(np.einsum("iyx,nyx->in", images, model["filters"]) + model["intercepts"])
    np.testing.assert_allclose(found.inferred["rate"], expected, rtol=1e-4)
    np.testing.assert_allclose(found.inferred["filter"], model["filters"], rtol=1e-6)
    np.testing.assert_array_equal(found.inferred["penalty"], model["penalties"])
    test = responses["part"].values == TEST
    for neuron in range(3):
        predicted = found.inferred["rate"].values[test, neuron]
        assert np.corrcoef(np.log(predicted), np.log(rate[test, neuron]))[0, 1] > 0.9


def test_only_training_images_count():
    responses, _ = recording()
    found = fit(responses)
    training = responses["part"].values[responses["image_of_trial"].values] == TRAINING
    others = responses.copy(deep=True)
    others["response"].values[~training] = 99
    np.testing.assert_array_equal(fit(others).inferred["filter"], found.inferred["filter"])
    others["response"].values[np.flatnonzero(training)[:9]] += 1
    assert not np.allclose(fit(others).inferred["filter"], found.inferred["filter"])


def test_the_fit_is_that_of_the_model_on_mean_responses():
    responses, _ = recording()
    chosen = responses["part"].values == TRAINING
    trials = responses["image_of_trial"].values
    # a training image shown twice counts once, with its mean
    first = int(np.flatnonzero(chosen)[0])
    trials[np.flatnonzero(responses["part"].values[trials] == TEST)[-1]] = first
    means = np.stack([responses["response"].values[trials == image].mean(0) for image in np.flatnonzero(chosen)])
    x = responses["images"].values[chosen].reshape(chosen.sum(), -1)
    model, validation = PoissonRegression(x, means).fit_cross_validated(np.geomspace(0.1, 1, 3), 2, 1)
    found = fit(responses)
    np.testing.assert_allclose(found.inferred["filter"].values.reshape(3, -1), model.filters, atol=1e-4)
    assert found.metrics.columns.tolist() == ["step", "penalty", "validation_negative_log_likelihood", "neurons"]
    np.testing.assert_allclose(found.metrics["penalty"], [0.1, np.sqrt(0.1), 1])
    np.testing.assert_allclose(
        found.metrics["validation_negative_log_likelihood"], validation.losses.mean(1), rtol=1e-4
    )
    assert found.metrics["neurons"].sum() == 3 and (found.metrics["step"] == 0).all()


def test_same_seed_same_numbers_and_the_data_group_is_not_read():
    responses, _ = recording()
    one, other = fit(responses, 5), fit(responses, 5, {"scale_responses": True})
    assert one.inferred.identical(other.inferred)
    np.testing.assert_array_equal(one.checkpoint["model"]["intercepts"], other.checkpoint["model"]["intercepts"])


def test_the_configuration_builds_it_with_the_papers_penalties():
    with initialize_config_dir(str(CONFIG), version_base=None):
        config = compose("train", ["recording=a.nc", "model=poisson_glm", "training=closed_form"])
    family = hydra.utils.instantiate(config.model, _convert_="all")
    assert isinstance(family, PoissonGlmFamily) and family.name == "poisson_glm"
    assert (family.penalty_range, family.penalties) == ([0.1, 5.0], 48)


def test_a_checkpoint_is_saved_and_read(tmp_path):
    saved = fit(recording()[0]).checkpoint
    torch.save(saved, tmp_path / "a.pt")
    again = torch.load(tmp_path / "a.pt", weights_only=False)
    assert again["family"]["penalties"] == 3 and again["neuron"].tolist() == [7, 8, 9]
    PoissonGlmFamily(**again["family"])


def test_bad_options_are_named():
    model = {"name": "poisson_glm", "penalty_range": [0.1, 5.0], "penalties": 4, "folds": 3, "tolerance": 1e-4}
    for field, value, said in (
        ("penalty_range", [0.0, 1.0], "2 items, each a number above 0"),
        ("penalty_range", [2.0, 1.0], "the smaller number first"),
        ("penalty_range", [1.0], "2 items, each a number above 0"),
        ("penalties", 0, "a whole number of at least 1"),
        ("folds", 1, "a whole number of at least 2"),
    ):
        with pytest.raises(UserError, match=f"model.{field}: expected {said}"):
            PoissonGlmModel(**model | {field: value})
    with pytest.raises(UserError, match="and 99 folds"):
        fit(recording(training=20)[0], folds=99)
    with pytest.raises(UserError, match="schema"):
        fit(recording()[0].assign_attrs(schema="something else"))

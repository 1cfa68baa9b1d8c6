"""The ImagePredictions box comes back as it was written; what is wrong with one is named."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings.image_predictions import (
    TWIN,
    check_image_predictions,
    make_image_predictions,
    read_image_predictions,
    write_image_predictions,
)
from calcium_latents.recordings.image_responses import make_image_responses
from calcium_latents.seeds import generator

PROVENANCE = {"config_digest": "a", "code_digest": "b", "versions": "{}", "seed": 3}


def responses(images=4, neurons=3, shape=(5, 6)):
    """Responses to a training, a validation and test images of neurons with numbers of their own."""
    part = np.array([0, 1] + [2] * (images - 2))
    shown = np.repeat(np.arange(images), np.where(part == 2, 2, 1))
    return make_image_responses(
        label="made up",
        image_source="noise",
        seed=3,
        images=np.zeros((images, *shape)),
        part=part,
        image_of_trial=shown,
        response=np.ones((shown.size, neurons)),
        neuron=np.arange(neurons) * 2 + 7,
    )


def arguments(images=4, neurons=3, kind="twin", rotations=4, features=2, maps=(3, 4), seed=1):
    """Arguments of `make_image_predictions` for a twin, a linear model, or rates alone."""
    random = generator(seed, "tests", "image predictions")
    given = {
        "model": kind,
        "seed": 3,
        "rate": random.random((images, neurons)),
        "responses": responses(images, neurons),
    }
    if kind == "twin":
        given |= {
            "bar_code": random.normal(size=(neurons, rotations, features)),
            "feature_covariance": random.normal(size=(rotations, features, rotations, features)),
            "mask": random.normal(size=(neurons, *maps)),
            "mask_centre_px": random.random((neurons, 2)),
            "mask_offset_px": 6,
        }
    if kind == "linear":
        given |= {"filter": random.normal(size=(neurons, 5, 6)), "penalty": random.random(neurons)}
    return given


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    images=st.integers(3, 5),
    neurons=st.integers(1, 4),
    kind=st.sampled_from(["twin", "linear", "rates"]),
    rotations=st.sampled_from([1, 4]),
    features=st.integers(1, 3),
)
def test_a_box_comes_back_as_it_was_written(tmp_path, images, neurons, kind, rotations, features):
    given_values = arguments(images, neurons, kind, rotations, features)
    made = make_image_predictions(**given_values, attributes={"loss": 1.5, "more": {"a": 1}})
    write_image_predictions(made, tmp_path / "a.nc", PROVENANCE)
    found = read_image_predictions(tmp_path / "a.nc")
    for name in made.variables:
        np.testing.assert_array_equal(found[name], made[name], err_msg=name)
        assert found[name].dtype == made[name].dtype and found[name].dims == made[name].dims
        if name in given_values:
            np.testing.assert_allclose(found[name], given_values[name], rtol=1e-6)
    assert found.attrs["model"] == kind and found.attrs["seed"] == 3 and found.attrs["loss"] == 1.5
    assert found.attrs["mask_offset_px"] == (6 if kind == "twin" else 0)
    assert set(found.data_vars) == {"rate"} | (set(given_values) & {*TWIN, "filter", "penalty"})


def test_images_and_neurons_are_those_of_the_responses():
    found = make_image_predictions(**arguments())
    assert found["neuron"].values.tolist() == [7, 9, 11] and found["image"].values.tolist() == [0, 1, 2, 3]
    assert {"image", "neuron"} <= set(found.coords)
    given_values = arguments()
    given_values["responses"] = given_values["responses"].assign_coords(image=[3, 5, 8, 13])
    assert make_image_predictions(**given_values)["image"].values.tolist() == [3, 5, 8, 13]


def test_the_same_box_has_the_same_bytes(tmp_path):
    for name in ("a.nc", "b.nc"):
        write_image_predictions(make_image_predictions(**arguments()), tmp_path / name, PROVENANCE)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rate", lambda a: a[:-1], "rate: expected shape"),
        ("rate", lambda a: a[:, :-1], "rate: expected shape"),
        ("rate", lambda a: a[:, 0], "rate: expected shape"),
        ("rate", lambda a: a - 5, "rate: .*0"),
        ("rate", lambda a: np.where(a > 0.5, np.nan, a), "rate: expected finite"),
        ("rate", lambda a: a * 1e300, "rate: expected finite"),  # infinite in single precision
        ("bar_code", lambda a: a[:-1], "bar_code: expected shape"),
        ("bar_code", lambda a: a.reshape(3, -1), "bar_code: expected shape"),
        ("bar_code", lambda a: a * np.nan, "bar_code: expected finite"),
        ("mask", lambda a: a[:-1], "mask: expected shape"),
        ("mask", lambda a: a.reshape(3, -1), "mask: expected shape"),
        ("mask_centre_px", lambda a: np.column_stack([a, a[:, 0]]), "mask_centre_px: expected shape"),
        ("mask_centre_px", lambda a: a.T, "mask_centre_px: expected shape"),
        ("filter", lambda a: a[0], "filter: expected shape"),
        ("penalty", lambda a: -a, "penalty: .*0"),
        ("penalty", lambda a: a[:-1], "penalty: expected shape"),
        ("model", lambda a: "", "model"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_wrong_arrays_are_named(name, change, message):
    values = arguments(kind="linear" if name in ("filter", "penalty") else "twin")
    values[name] = change(values[name])
    with pytest.raises(UserError, match=message):
        make_image_predictions(**values)


@pytest.mark.parametrize("left_out", TWIN)
def test_parts_of_a_twin_come_together(left_out):
    values = arguments()
    del values[left_out]
    with pytest.raises(UserError, match=r"bar_code: expected all of .* only"):
        make_image_predictions(**values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda box: box.drop_vars("rate"), "rate"),
        (lambda box: box.drop_vars("neuron"), "neuron"),
        (lambda box: box.assign_attrs(schema="calcium-latents recording"), "attribute schema"),
        (lambda box: box.assign_attrs(schema_version=99), "attribute schema_version"),
        (lambda box: box.assign(rate=box["rate"].T), "rate: expected dims"),
        (lambda box: box.assign(mask=box["mask"].astype("float64")), "mask: expected type"),
        (lambda box: box.drop_vars("mask"), "bar_code: expected all of"),
        (lambda box: box.assign(more=("neuron", np.zeros(3))), "more: expected an attribute 'units'"),
    ],
)
def test_a_broken_box_is_not_written(tmp_path, change, message):
    broken = change(make_image_predictions(**arguments()))
    for use in (check_image_predictions, lambda box, path: write_image_predictions(box, path, PROVENANCE)):
        with pytest.raises(UserError, match=f"a.nc: {message}"):
            use(broken, tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())


def test_provenance_is_kept_and_needed(tmp_path):
    box = make_image_predictions(**arguments())
    with pytest.raises(UserError):
        write_image_predictions(box, tmp_path / "a.nc", {"seed": 3})
    assert not list(tmp_path.iterdir())
    write_image_predictions(box, tmp_path / "a.nc", PROVENANCE)
    assert PROVENANCE.items() <= read_image_predictions(tmp_path / "a.nc").attrs.items()


def test_files_that_are_no_predictions_are_named(tmp_path):
    with pytest.raises(UserError, match="missing.nc"):
        read_image_predictions(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("no netCDF")
    with pytest.raises(UserError, match="text.nc"):
        read_image_predictions(tmp_path / "text.nc")

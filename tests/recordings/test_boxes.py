"""What the training command reads and writes is known by its schema, and checked as that."""

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import embedding, image_predictions, image_responses, inferred, schema
from calcium_latents.recordings.boxes import LEFT_BEHIND, TRAINED_ON, read_trained_on, write_left_behind
from calcium_latents.recordings.netcdf import read_dataset, write_dataset

PROVENANCE = {"config_digest": "a", "code_digest": "b", "versions": "{}", "seed": 3}


def recording():
    values = np.ones((2, 5, 3), np.float32)
    return schema.make_recording(
        events=values, time=np.arange(5) * 0.1, bin_width_s=0.1, imaging_rate_hz=10.0, source="test"
    )


def responses():
    return image_responses.make_image_responses(
        label="made up",
        image_source="noise",
        seed=3,
        images=np.zeros((3, 4, 5)),
        part=np.array([0, 1, 2]),
        image_of_trial=np.array([0, 1, 2, 2]),
        response=np.ones((4, 2)),
    )


def predictions():
    return image_predictions.make_image_predictions(
        model="made up", seed=3, rate=np.ones((3, 2)), responses=responses()
    )


READ = {"recording": recording, "responses": responses}


@pytest.mark.parametrize("name", READ)
def test_boxes_to_train_on_come_back(tmp_path, name):
    box = READ[name]()
    write_dataset(box, tmp_path / "a.nc", PROVENANCE)
    found = read_trained_on(tmp_path / "a.nc")
    assert found.attrs["schema"] == box.attrs["schema"]
    for variable in box.variables:
        np.testing.assert_array_equal(found[variable], box[variable])


def test_what_a_model_says_comes_back(tmp_path):
    box = predictions()
    write_left_behind(box, tmp_path / "a.nc", PROVENANCE)
    found = read_dataset(tmp_path / "a.nc")
    np.testing.assert_array_equal(found["rate"], box["rate"])
    assert (box.attrs | PROVENANCE).items() <= found.attrs.items()


def test_every_box_of_the_training_command_has_its_own_check():
    # a model's input is no model's output: the wrong file for this step is found out
    assert not set(TRAINED_ON) & set(LEFT_BEHIND)
    assert set(TRAINED_ON) == {schema.SCHEMA, image_responses.SCHEMA}
    assert set(LEFT_BEHIND) == {inferred.SCHEMA, embedding.SCHEMA, image_predictions.SCHEMA}
    for check in (*TRAINED_ON.values(), *LEFT_BEHIND.values()):
        with pytest.raises(UserError, match="a.nc: attribute schema"):
            check(predictions().assign_attrs(schema="something else"), "a.nc")


@pytest.mark.parametrize("found", ["calcium-latents something else", None])
def test_other_boxes_are_named_with_what_is_expected(tmp_path, found):
    box = predictions()
    box.attrs = {name: value for name, value in box.attrs.items() if name != "schema"}
    if found is not None:
        box.attrs["schema"] = found
    expected = rf"a.nc: attribute schema: expected one of .*'{image_predictions.SCHEMA}', found {found!r}"
    with pytest.raises(UserError, match=expected):
        write_left_behind(box, tmp_path / "a.nc", PROVENANCE)
    assert not list(tmp_path.iterdir())
    write_dataset(box, tmp_path / "a.nc", PROVENANCE)
    with pytest.raises(UserError, match=rf"a.nc: attribute schema: expected one of .*'{image_responses.SCHEMA}'"):
        read_trained_on(tmp_path / "a.nc")


def test_inputs_are_no_outputs_and_outputs_no_inputs(tmp_path):
    with pytest.raises(UserError, match="a.nc: attribute schema"):
        write_left_behind(responses(), tmp_path / "a.nc", PROVENANCE)
    write_dataset(predictions(), tmp_path / "a.nc", PROVENANCE)
    with pytest.raises(UserError, match="a.nc: attribute schema"):
        read_trained_on(tmp_path / "a.nc")


def test_a_box_of_the_right_schema_is_checked(tmp_path):
    with pytest.raises(UserError, match="a.nc: rate: expected"):
        write_left_behind(predictions().drop_vars("rate"), tmp_path / "a.nc", PROVENANCE)
    with pytest.raises(UserError, match="rate: expected values >= 0"):
        write_left_behind(predictions() * -1, tmp_path / "a.nc", PROVENANCE)
    assert not list(tmp_path.iterdir())
    write_dataset(responses().drop_vars("part"), tmp_path / "a.nc", PROVENANCE)
    with pytest.raises(UserError, match="a.nc: part: expected"):
        read_trained_on(tmp_path / "a.nc")


def test_files_that_are_no_boxes_are_named(tmp_path):
    with pytest.raises(UserError, match="missing.nc"):
        read_trained_on(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("no netCDF")
    with pytest.raises(UserError, match="text.nc"):
        read_trained_on(tmp_path / "text.nc")
    with pytest.raises(UserError):
        write_left_behind(predictions(), tmp_path / "a.nc", {"seed": 3})
    assert not (tmp_path / "a.nc").exists()

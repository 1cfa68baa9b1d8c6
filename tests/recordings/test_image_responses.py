"""The ImageResponses box comes back as it was written; what is wrong with one is named."""

import hashlib

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings.image_responses import (
    TRUTH,
    check_image_responses,
    make_image_responses,
    read_image_responses,
    write_image_responses,
)
from calcium_latents.seeds import generator

PROVENANCE = {"config_digest": "a", "code_digest": "b", "versions": "{}", "seed": 3}


def arrays(training=5, test=3, repeats=2, neurons=4, shape=(6, 8), seed=1) -> dict:
    """Return the arguments of `make_image_responses` with the whole truth."""
    random = generator(seed, "tests", "image_responses")
    images = training + 1 + test
    part = np.array([0] * training + [1] + [2] * test)
    shown = np.repeat(np.arange(images), np.where(part == 2, repeats, 1))
    response = random.poisson(2.0, (shown.size, neurons)).astype(float)
    response[0, neurons // 2 :] = np.nan  # the second animal missed the first image
    truth = {name: random.random(neurons) for name in TRUTH if name not in ("position_px", "rate")}
    truth |= {
        "neuron_type": np.array(["simple"] * neurons),
        "kind": np.array((["gabor", "on", "off"] * neurons)[:neurons]),
    }
    truth |= {"is_complex": np.arange(neurons) % 2, "position_px": random.random((neurons, 2))}
    truth |= {"rate": random.random((images, neurons))}
    return {
        "label": "made up",
        "image_source": "noise",
        "seed": 3,
        "images": random.normal(size=(images, *shape)),
        "part": part,
        "image_of_trial": shown,
        "response": response,
        "animal": (np.arange(neurons) >= neurons // 2).astype(int),
        "simulated": True,
        "luminance_sd": 0.3,
        "truth": truth,
        "attributes": {"parameters": {"neurons": neurons}},
    }


@pytest.fixture
def responses() -> xr.Dataset:
    return make_image_responses(**arrays())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, 6), st.integers(1, 4), st.integers(2, 5), st.integers(1, 6))
def test_a_box_comes_back_as_it_was_written(tmp_path, training, test, repeats, neurons):
    written = make_image_responses(**arrays(training, test, repeats, neurons))
    write_image_responses(written, tmp_path / "responses.nc", PROVENANCE)
    read = read_image_responses(tmp_path / "responses.nc")
    for name in written.variables:
        assert read[name].dtype.kind == written[name].dtype.kind or read[name].dtype.kind in "OU"
        assert np.array_equal(read[name].values, written[name].values) or np.allclose(
            read[name].values, written[name].values, equal_nan=True
        )
    assert read.attrs["label"] == "made up" and read.attrs["simulated"] == 1


def test_the_same_box_has_the_same_bytes(tmp_path, responses):
    digests = set()
    for name in ("a.nc", "b.nc"):
        write_image_responses(responses, tmp_path / name, PROVENANCE)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_recording_needs_no_truth_and_has_defaults(tmp_path):
    given_arrays = arrays()
    for name in ("truth", "animal", "simulated", "luminance_sd"):
        given_arrays.pop(name)
    given_arrays["response"] = np.nan_to_num(given_arrays["response"])
    box = make_image_responses(**given_arrays)
    assert box.attrs["simulated"] == 0 and box.attrs["trials_averaged"] == 1
    assert (box["animal"] == 0).all() and list(box["neuron"].values) == [0, 1, 2, 3]
    assert not set(TRUTH) & set(box.variables)
    write_image_responses(box, tmp_path / "r.nc", PROVENANCE)
    part = read_image_responses(tmp_path / "r.nc", ["images", "part"])
    assert set(part.data_vars) == {"images", "part"}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("images", lambda v: v[0], "dims"),
        ("images", lambda v: np.where(np.arange(8) == 2, np.nan, v), "finite"),
        ("part", lambda v: v[:-1], "shape"),
        ("part", lambda v: np.where(v == 1, 0, v), "validation images"),
        ("part", lambda v: np.where(v == 1, 3, v), "0 .training."),
        ("image_of_trial", lambda v: v + 1, "below 9"),
        ("image_of_trial", lambda v: np.where(v == 2, 3, v), "image 2 never"),
        ("image_of_trial", lambda v: np.append(v[:-1], 0), "at least 2 trials of every test image"),
        ("response", lambda v: v[:, 0], "dims"),
        ("response", lambda v: np.where(np.arange(4) == 1, np.nan, v), "none of neuron 1\\."),
        ("response", lambda v: np.where(np.arange(4) == 1, np.inf, v), "inf"),
        ("response", lambda v: np.where((np.arange(4) == 1) & (np.arange(len(v)) == 3)[:, None], np.nan, v), "trial 3"),
        ("animal", lambda v: v - 1, "animal"),
        ("luminance_sd", lambda v: 0.0, "luminance_sd"),
        ("label", lambda v: "", "label"),
        ("seed", lambda v: -1, "seed"),
    ],
)
def test_wrong_arrays_are_named(name, change, message):
    values = arrays()
    values[name] = change(values[name])
    with pytest.raises(UserError, match=message):
        make_image_responses(**values)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ({"colour": np.zeros(4)}, "colour"),
        ({"gain": np.zeros(3)}, "gain"),
        ({"gain": -np.ones(4)}, "gain"),
        ({"rate": np.zeros((4, 9))}, "rate"),
        ({"kind": np.array(["gabor", "on", "off", "plaid"])}, "plaid"),
    ],
)
def test_a_wrong_truth_is_named(truth, message):
    values = arrays()
    values["truth"] |= truth
    with pytest.raises(UserError, match=message):
        make_image_responses(**values)


def test_other_files_and_seeds_are_refused(tmp_path, responses):
    with pytest.raises(UserError, match="no such file"):
        read_image_responses(tmp_path / "none.nc")
    with pytest.raises(UserError, match="Pass one seed"):
        write_image_responses(responses, tmp_path / "r.nc", PROVENANCE | {"seed": 4})
    assert not (tmp_path / "r.nc").exists()
    with pytest.raises(UserError, match="schema"):
        check_image_responses(responses.assign_attrs(schema="other"), "r.nc")
    with pytest.raises(UserError, match="each number once"):
        check_image_responses(
            responses.assign_coords(neuron=("neuron", [0, 1, 1, 2], responses["neuron"].attrs)), "r.nc"
        )
    with pytest.raises(UserError, match="response"):
        check_image_responses(responses.drop_vars("response"), "r.nc")

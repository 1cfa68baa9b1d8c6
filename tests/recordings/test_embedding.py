"""The Embedding box comes back as it was written; what is wrong with one is named."""

import hashlib

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings import (
    check_embedding,
    make_embedding,
    make_recording,
    read_embedding,
    write_embedding,
)
from calcium_latents.seeds import generator

MEMBERS, NEURONS, TIMES = 4, 6, 20
SIZES = np.array([2, 4, 2, 4])


def arrays(sizes=SIZES, neurons=NEURONS, times=TIMES, seed=1, latents=None) -> dict:
    """Return the arguments of `make_embedding` with all optional arrays."""
    random = generator(seed, "tests", "embedding")
    members = len(sizes)
    shape = (members, neurons, max(sizes) if latents is None else latents)
    beyond = np.broadcast_to((np.arange(shape[2]) >= np.asarray(sizes)[:, None])[:, None, :], shape)
    part = np.zeros((members, neurons), np.int8)
    part[:, -1], part[:, 1] = 2, 1
    scores = {
        name: random.gamma(1.0, 1.0, (members, neurons))
        for name in ("error", "error_sampled", "residual", "null_error", "null_residual")
    }
    return scores | {
        "model": "avae",
        "seed": 3,
        "reported_member": members - 1,
        "identity_latents": 1,
        "latents": np.where(beyond, np.nan, random.normal(size=shape)),
        "latents_sd": np.where(beyond, np.nan, random.gamma(1.0, 1.0, shape)),
        "latents_of_noiseless": np.where(beyond, np.nan, random.normal(size=shape)),
        "latent_size": np.asarray(sizes),
        "hidden": 16 * np.asarray(sizes),
        "beta": np.full(members, 0.5),
        "split": np.array(["neuron", "culture"] * members, dtype=object)[:members],
        "partition": np.arange(members) % 10,
        "part": part,
        "reconstruction": random.normal(size=(times, neurons)),
        "time": np.arange(times) / 30,
        "neuron": np.arange(neurons) * 3,
        "attributes": {"training": {"epochs": 5}},
    }


@pytest.fixture
def embedding() -> xr.Dataset:
    return make_embedding(**arrays())


def test_round_trip(embedding, provenance, tmp_path):
    write_embedding(embedding, tmp_path / "a.nc", provenance)
    back = read_embedding(tmp_path / "a.nc")
    xr.testing.assert_equal(back, embedding)
    for name, array in embedding.variables.items():
        assert back[name].attrs == array.attrs
        assert back[name].dtype == array.dtype or array.dtype.kind in "OU"
    assert {name: back.attrs[name] for name in embedding.attrs} == embedding.attrs
    assert back.attrs["seed"] == 3 and back.attrs["training"] == '{"epochs": 5}'
    assert back["split"].values.tolist() == ["neuron", "culture", "neuron", "culture"]


def test_same_bytes_each_time(embedding, provenance, tmp_path):
    write_embedding(embedding, tmp_path / "a.nc", provenance)
    write_embedding(read_embedding(tmp_path / "a.nc"), tmp_path / "b.nc", provenance)
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("a.nc", "b.nc")}
    assert len(digests) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "b.nc"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    neurons=st.integers(3, 6),
    times=st.integers(1, 4),
    extra=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_any_sizes_come_back(sizes, neurons, times, extra, seed, provenance, tmp_path):
    given = arrays(sizes, neurons, times, seed, latents=max(sizes) + extra)
    write_embedding(make_embedding(**given), tmp_path / "a.nc", provenance)
    back = read_embedding(tmp_path / "a.nc")
    for name in ("latents", "latents_sd", "error", "residual", "reconstruction"):
        np.testing.assert_array_equal(back[name].values, np.float32(given[name]))
    assert (np.isfinite(back["latents"]).sum(("neuron", "latent")) == neurons * np.array(sizes)).all()


def test_a_recording_lends_neurons_and_times_and_truth_is_optional(provenance, tmp_path):
    times = 5 + np.arange(TIMES) / 10
    recording = make_recording(
        fluorescence=np.ones((1, TIMES, NEURONS)),
        time=times,
        bin_width_s=0.1,
        imaging_rate_hz=10,
        neuron=np.arange(NEURONS) + 7,
        source="test",
    )
    given = arrays()
    optional = ("error", "null_error", "error_sampled", "latents_sd", "latents_of_noiseless", "time", "neuron")
    for name in optional:
        given.pop(name)
    write_embedding(make_embedding(**given, recording=recording), tmp_path / "a.nc", provenance)
    back = read_embedding(tmp_path / "a.nc")
    np.testing.assert_array_equal(back["time"], times)
    assert back["neuron"].values.tolist() == [7, 8, 9, 10, 11, 12]
    assert np.isnan(back["error"]).all() and np.isnan(back["null_error"]).all()
    assert "error_sampled" not in back and "latents_sd" not in back


def test_read_some_variables(embedding, provenance, tmp_path):
    write_embedding(embedding, tmp_path / "a.nc", provenance)
    part = read_embedding(tmp_path / "a.nc", ["latents", "latent_size"])
    assert sorted(part.data_vars) == ["latent_size", "latents"]
    assert part["neuron"].values.tolist() == embedding["neuron"].values.tolist()
    with pytest.raises(UserError, match=r"a.nc: latent: expected this variable"):
        read_embedding(tmp_path / "a.nc", ["latent"])


def _put(name, index, value):
    def change(dataset):
        values = dataset[name].values.copy()
        values[index] = value
        return dataset.assign({name: dataset[name].copy(data=values)})

    return change


BREAKS = {
    "number past the size": (
        _put("latents", (0, 1, 2), 0.5),
        "x.nc: latents: expected NaN exactly from each member's latent_size on, found a number at member 0, neuron 3, "
        "latent 2 of size 2.",
    ),
    "NaN within the size": (
        _put("latents", (3, 5, 3), np.nan),
        "x.nc: latents: expected NaN exactly from each member's latent_size on, found NaN at member 3, neuron 15, "
        "latent 3 of size 4. A fit that has diverged must not be kept.",
    ),
    "NaN in the deviation": (_put("latents_sd", (3, 5, 3), np.nan), "x.nc: latents_sd: expected NaN exactly"),
    "number in the noiseless": (_put("latents_of_noiseless", (0, 0, 3), 1), "x.nc: latents_of_noiseless: expected NaN"),
    "infinite latent": (_put("latents", (0, 0, 0), np.inf), "x.nc: latents: expected finite values, or NaN"),
    "negative deviation": (_put("latents_sd", (0, 0, 0), -1), "x.nc: latents_sd: expected values >= 0, found -1"),
    "size": (
        _put("latent_size", 0, 9),
        "x.nc: latent_size: expected at most the 4 latents of the file, found 9.",
    ),
    "no size": (_put("latent_size", 0, 0), "x.nc: latent_size: expected values >= 1, found 0"),
    "part 3": (
        _put("part", (0, 0), 3),
        "x.nc: part: expected 0 (training), 1 (validation) or 2 (test), found 3. Correct the partition.",
    ),
    "part -1": (_put("part", (0, 0), -1), "x.nc: part: expected values >= 0, found -1"),
    "no test": (
        _put("part", (2, slice(None)), 0),
        "x.nc: part: expected test neurons of every member, found none of member 2. Correct the partition.",
    ),
    "no training": (
        _put("part", (1, slice(None)), 2),
        "x.nc: part: expected training neurons of every member, found none of member 1. Correct the partition.",
    ),
    "split": (_put("split", 1, "random"), "x.nc: split: expected one of ['neuron', 'culture'], found 'random'."),
    "beta": (_put("beta", 0, np.nan), "x.nc: beta: expected finite values"),
    "reconstruction": (
        _put("reconstruction", (7, 2), np.nan),
        "x.nc: reconstruction: expected finite values, found 1 others, the first (nan) at {'time': 7, 'neuron': 2}.",
    ),
    "residual": (_put("residual", (0, 2), np.nan), "x.nc: residual: expected finite values"),
    "negative error": (_put("error", (0, 2), -1), "x.nc: error: expected values >= 0, found -1"),
    "error of some": (
        _put("null_error", (0, 2), np.nan),
        "x.nc: null_error: expected NaN exactly where error has it (no truth), found 1 neurons that differ.",
    ),
    "member twice": (
        lambda d: d.assign_coords(member=("member", np.zeros(MEMBERS, "int32"), d["member"].attrs)),
        "x.nc: member: expected each number once",
    ),
    "reported": (
        lambda d: d.assign_attrs(reported_member=4),
        "x.nc: attribute reported_member: expected one of the 4 members, found 4. Report a member that was fitted.",
    ),
    "reported as a flag": (
        lambda d: d.assign_attrs(reported_member=True),
        "x.nc: attribute reported_member: expected a whole number, 0 or more, found True.",
    ),
    "identity": (
        lambda d: d.assign_attrs(identity_latents=5),
        "x.nc: attribute identity_latents: expected at most the largest latent size, 4, found 5.",
    ),
    "seed": (
        lambda d: d.assign_attrs(seed=None),
        "x.nc: attribute seed: expected a whole number, 0 or more, found None.",
    ),
    "schema": (
        lambda d: d.assign_attrs(schema="calcium-latents inferred"),
        "x.nc: attribute schema: expected 'calcium-latents embedding', found 'calcium-latents inferred'.",
    ),
    "model": (lambda d: d.assign_attrs(model=""), "x.nc: attribute model: expected text, found ''"),
    "variable": (lambda d: d.drop_vars("part"), "x.nc: part: expected this variable"),
    "time": (
        lambda d: d.assign_coords(time=("time", d["time"].values[::-1].copy(), d["time"].attrs)),
        "x.nc: time: expected strictly increasing values",
    ),
    "dims": (
        lambda d: d.assign(reconstruction=d["reconstruction"].transpose()),
        "x.nc: reconstruction: expected dims ('time', 'neuron'), found ('neuron', 'time')",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_embedding_is_named_and_not_written(name, embedding, provenance, tmp_path):
    change, message = BREAKS[name]
    broken = change(embedding)
    with pytest.raises(UserError) as error:
        check_embedding(broken, "x.nc")
    assert message in str(error.value)
    with pytest.raises(UserError, match="a.nc"):
        write_embedding(broken, tmp_path / "a.nc", provenance)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["latent_size", "split", "part", "error", "reconstruction", "neuron", "latents_sd"])
def test_arrays_of_another_shape_are_named(name):
    given = arrays()
    wrong = given[name][:-1]
    with pytest.raises(UserError, match=rf"avae: {name}: expected shape \(.*\) for \[.*\], found \({len(wrong)},"):
        make_embedding(**given | {name: wrong})


def test_what_make_needs():
    with pytest.raises(
        UserError, match=r"avae: latents: expected dims \[member, neuron, latent\], found shape \(6, 4\)"
    ):
        make_embedding(**arrays() | {"latents": np.zeros((6, 4))})
    with pytest.raises(UserError, match="avae: time: expected bin starts in s, found none"):
        make_embedding(**arrays() | {"time": None})


def test_the_seed_is_that_of_its_provenance(embedding, provenance, tmp_path):
    with pytest.raises(UserError, match="a.nc: attribute seed: expected 4 as in its provenance, found 3"):
        write_embedding(embedding, tmp_path / "a.nc", provenance | {"seed": 4})
    with pytest.raises(UserError, match="a.nc: provenance config_digest"):
        write_embedding(embedding, tmp_path / "a.nc", {"seed": 3})
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(recording, provenance, tmp_path):
    from calcium_latents.recordings import write_recording

    write_recording(recording, tmp_path / "a.nc", provenance)
    with pytest.raises(UserError, match="a.nc: attribute schema: expected 'calcium-latents embedding'"):
        read_embedding(tmp_path / "a.nc")
    with pytest.raises(UserError, match="b.nc: file: expected a netCDF file, found no such file"):
        read_embedding(tmp_path / "b.nc")

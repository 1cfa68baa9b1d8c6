"""Arrays of images and responses become the same ImageResponses, however they are stored; errors say what to do."""

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.recordings.image_responses import read_image_responses
from calcium_latents.recordings.readers.images.image_arrays import arranged
from calcium_latents.recordings.readers.images.image_responses import read_image_entry
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.commands import import_image_responses

TRAINING, TEST, HEIGHT, WIDTH, NEURONS, REPEATS = 12, 3, 4, 6, 5, 2


@pytest.fixture
def arrays():
    """Images in bytes, responses to training images once and to test images twice, some negative."""
    random = generator(1, "tests", "image arrays")
    return {
        "training_images": random.integers(0, 256, (TRAINING, HEIGHT, WIDTH)),
        "training_responses": random.normal(1, 1, (TRAINING, NEURONS)),
        "test_images": random.integers(0, 256, (TEST, HEIGHT, WIDTH)),
        "test_responses": random.normal(1, 1, (REPEATS, TEST, NEURONS)),
    }


AXES = {"test_responses": "repeat image neuron"}


def stored(arrays, folder, kind="npy"):
    """Write arrays as files of a kind and return the entry that names them."""
    if kind == "npy":
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        files = {name: f"{name}.npy" for name in arrays}
    else:
        path = folder / {"npz": "a.npz", "h5": "a.h5", "mat": "a.mat", "mat73": "b.mat"}[kind]
        if kind == "npz":
            np.savez(path, **arrays)
        elif kind == "mat":
            scipy.io.savemat(path, arrays)
        else:
            with h5py.File(path, "w") as file:
                for name, array in arrays.items():
                    # MATLAB 7.3 stores the transpose of what it shows
                    file[name] = array.T if kind == "mat73" else array
        files = dict.fromkeys(arrays, path.name)
    keys = {} if kind == "npy" else {name: {"key": name} for name in arrays}
    return {name: {"file": files[name], **keys.get(name, {}), **_axes(name)} for name in arrays}


def _axes(name):
    return {"axes": AXES[name]} if name in AXES else {}


def read(entry, folder, seed=1):
    return read_image_entry(entry, folder, "mine", seed)


@pytest.mark.parametrize("kind", ["npy", "npz", "h5", "mat", "mat73"])
def test_every_kind_of_file_gives_the_same(kind, arrays, tmp_path):
    found = read(stored(arrays, tmp_path, kind), tmp_path)
    assert dict(found.sizes) == {"neuron": 5, "image": 15, "y": 4, "x": 6, "trial": 12 + 6}
    training = found["part"].values == 0
    assert (found["part"].values == 1).sum() == 1 and (found["part"].values[TRAINING:] == 2).all()
    images = np.concatenate([arrays["training_images"], arrays["test_images"]]).astype(float)
    mean, deviation = images[training].mean(), images[training].std()
    np.testing.assert_allclose(found["images"], (images - mean) / deviation, rtol=1e-5, atol=1e-6)
    assert found.attrs["luminance_mean"] == pytest.approx(mean)
    assert found.attrs["luminance_sd"] == pytest.approx(deviation)
    # every trial holds the response to the image it names
    whole = {(image, 0): row for image, row in enumerate(arrays["training_responses"])}
    whole |= {(TRAINING + image, r): arrays["test_responses"][r, image] for r in range(2) for image in range(TEST)}
    counts: dict[int, int] = {}
    for image, row in zip(found["image_of_trial"].values, found["response"].values, strict=True):
        np.testing.assert_allclose(row, np.maximum(whole.pop((image, counts.get(image, 0))), 0), rtol=1e-6)
        counts[image] = counts.get(image, 0) + 1
    assert not whole
    assert found.attrs["trials_averaged"] == 1 and found.attrs["simulated"] == 0 and found.attrs["label"] == "mine"


def test_options(arrays, tmp_path):
    entry = stored(arrays, tmp_path)
    raw = read(entry | {"negatives_to_zero": False}, tmp_path)
    assert (raw["response"] < 0).any() and not (read(entry, tmp_path)["response"] < 0).any()
    scaled = read(entry | {"scale_responses": True}, tmp_path)
    training = scaled["part"].values[scaled["image_of_trial"].values] == 0
    np.testing.assert_allclose(scaled["response"].values[training].std(0), 1, rtol=1e-5)
    small = read(entry | {"image_shape": [2, 3], "validation_share": 0.5, "trials_averaged": 4}, tmp_path)
    assert small["images"].shape == (15, 2, 3) and (small["part"] == 1).sum() == 6
    assert small.attrs["trials_averaged"] == 4
    pixels = arrays["test_images"][0, :2, :2].mean()
    expected = (pixels - small.attrs["luminance_mean"]) / small.attrs["luminance_sd"]
    assert float(small["images"][TRAINING, 0, 0]) == pytest.approx(expected, abs=1e-5)
    some = read(entry | {"neurons": [4, 1]}, tmp_path)
    assert some["neuron"].values.tolist() == [4, 1]
    np.testing.assert_array_equal(some["response"], read(entry, tmp_path)["response"].values[:, [4, 1]])


def test_validation_images_are_drawn_with_the_seed(arrays, tmp_path):
    entry = stored(arrays, tmp_path) | {"validation_share": 0.5}
    parts = [read(entry, tmp_path, seed)["part"].values for seed in (1, 1, 2)]
    np.testing.assert_array_equal(parts[0], parts[1])
    assert not np.array_equal(parts[0], parts[2])


def test_flattened_axes_and_colours(arrays, tmp_path):
    plain = read(stored(arrays, tmp_path), tmp_path)
    colour = arrays["test_images"][..., None] + np.array([-9, 0, 9])
    other = {
        "training_images": arrays["training_images"].transpose(1, 2, 0).reshape(HEIGHT * WIDTH, -1),
        "training_responses": arrays["training_responses"].T,
        "test_images": colour,
        "test_responses": arrays["test_responses"].reshape(-1, NEURONS),
    }
    entry = stored(other, tmp_path)
    entry["training_images"] |= {"axes": "(y x) image", "sizes": {"y": HEIGHT}}
    entry["training_responses"] |= {"axes": "neuron image"}
    entry["test_images"] |= {"axes": "image y x colour"}
    entry["test_responses"] |= {"axes": "(repeat image) neuron", "sizes": {"repeat": REPEATS}}
    assert read(entry, tmp_path).drop_attrs().equals(plain.drop_attrs())


def test_single_trials_of_training_images_are_averaged(arrays, tmp_path):
    trials = arrays["training_responses"] + np.array([-0.5, 0, 0.5])[:, None, None]
    trials[2, 4] = np.nan  # one presentation is missing
    entry = stored(arrays | {"training_responses": trials}, tmp_path)
    entry["training_responses"] |= {"axes": "repeat image neuron"}
    entry |= {"negatives_to_zero": False}
    found = read(entry, tmp_path)
    assert found.sizes["trial"] == 18 and found.attrs["trials_averaged"] == 3
    expected = arrays["training_responses"].copy()
    expected[4] -= 0.25
    np.testing.assert_allclose(found["response"][:TRAINING], expected, rtol=1e-5)


def test_animals_that_saw_other_images_and_other_repeats(arrays, tmp_path):
    random = generator(2, "tests", "second animal")
    second = random.gamma(1, 1, (TRAINING, 2))
    second[3] = np.nan
    np.save(tmp_path / "second.npy", second)
    tests = random.gamma(1, 1, (4, TEST, 2))
    np.save(tmp_path / "second_test.npy", tests)
    entry = stored(arrays, tmp_path)
    entry["training_responses"] = [entry["training_responses"], "second.npy"]
    entry["test_responses"] = [entry["test_responses"], {"file": "second_test.npy", "axes": "repeat image neuron"}]
    found = read(entry, tmp_path)
    assert found["animal"].values.tolist() == [0] * 5 + [1] * 2 and found.sizes["trial"] == 12 + 4 * 3
    response = found["response"].values
    assert np.isnan(response[3, 5:]).all() and np.isfinite(response[3, :5]).all()
    first_test = found["image_of_trial"].values == TRAINING
    assert np.isnan(response[first_test]).sum() == 2 * 5
    np.testing.assert_allclose(response[first_test][:, 5:], tests[:, 0], rtol=1e-6)


def together(arrays, folder, numbers, **fields):
    """An entry with all images in one array and a table of trials."""
    images = np.concatenate([arrays["training_images"], arrays["test_images"]])
    random = generator(3, "tests", "trials")
    responses = random.gamma(1, 1, (len(numbers), NEURONS))
    np.save(folder / "images.npy", images)
    np.save(folder / "responses.npy", responses)
    (folder / "trials.csv").write_text("image\n" + "\n".join(map(str, numbers)) + "\n")
    table = {"file": "trials.csv", "column": "image"}
    return {"images": "images.npy", "responses": "responses.npy", "image_of_trial": table, **fields}, responses


def test_a_table_says_what_each_trial_showed(arrays, tmp_path):
    numbers = [14, *range(12), 13, 14, 13, -1, 13]  # image 12 never, a blank screen
    entry, responses = together(arrays, tmp_path, numbers)
    found = read(entry, tmp_path)
    assert found.sizes["image"] == 14 and found["part"].values.tolist().count(2) == 2
    shown = found["image_of_trial"].values
    assert shown.tolist() == [*range(12), 13, 12, 13, 12, 12]
    np.testing.assert_allclose(found["response"][shown == 13], responses[[0, 14]], rtol=1e-6)
    np.testing.assert_allclose(found["response"][:12], responses[1:13], rtol=1e-6)
    # the same, counted from 1 and stored as MATLAB does
    scipy.io.savemat(tmp_path / "t.mat", {"n": np.array(numbers) + 1})
    again = entry | {"image_of_trial": {"file": "t.mat", "key": "n"}, "first_image": 1}
    assert read(again, tmp_path).equals(found)
    with pytest.raises(UserError, match=r"image_of_trial: expected whole numbers from 0 to 14, found 0 to 15"):
        read(again | {"first_image": 0}, tmp_path)


def test_test_images_of_a_table(arrays, tmp_path):
    entry, responses = together(arrays, tmp_path, [*range(15), *range(15)])
    with pytest.raises(UserError, match="test: expected some images shown once, found all shown 2 times or more"):
        read(entry, tmp_path)
    with pytest.raises(UserError, match="test images: expected two or more presentations"):
        read(entry | {"minimum_repeats": 3}, tmp_path)
    found = read(entry | {"test": [2, 7]}, tmp_path)
    assert np.flatnonzero(found["part"] == 2).tolist() == [2, 7] and found.attrs["trials_averaged"] == 2
    assert found.sizes["trial"] == 13 + 4
    np.testing.assert_allclose(found["response"][0], (responses[0] + responses[15]) / 2, rtol=1e-6)
    shares = [read(entry | {"test": 0.2}, tmp_path, seed)["part"].values for seed in range(5)]
    assert {int((part == 2).sum()) for part in shares} == {3} and len({part.tobytes() for part in shares}) > 1
    for wrong in ("some", [99], 1.5, [], 3):
        with pytest.raises(UserError, match="test: expected repeated, a share"):
            read(entry | {"test": wrong}, tmp_path)


def _put(name, index, value):
    def change(arrays):
        arrays[name] = arrays[name].astype(float)
        arrays[name][index] = value

    return change


def _cut(name, count):
    def change(arrays):
        arrays[name] = arrays[name][..., :count]

    return change


BAD = {
    "missing field": (None, {"test_images": None}, "test_images: expected the fields"),
    "unknown field": (None, {"neurns": "all"}, "neurns: expected fields among"),
    "unknown source field": (None, {"training_images": {"file": "training_images.npy", "axis": 1}}, "axis: expected"),
    "format": (None, {"format": "tiff"}, "format: expected one of"),
    "no file": (None, {"training_images": "a.npy"}, "a.npy: training_images: expected an existing file"),
    "no axes": (None, {"test_responses": "test_responses.npy"}, "expected the names of its 3 axes"),
    "other axes": (
        None,
        {"training_responses": {"file": "training_responses.npy", "axes": "trial neuron"}},
        "axes: expected different names among",
    ),
    "too few axes": (
        None,
        {"training_responses": {"file": "training_responses.npy", "axes": "image"}},
        r"axes: expected 2 axes, of lengths \(12, 5\), found 1",
    ),
    "sizes": (
        None,
        {"training_responses": {"file": "training_responses.npy", "axes": "(repeat image) neuron"}},
        "sizes: expected lengths of",
    ),
    "pixels": (_put("test_images", (0, 0, 0), np.nan), {}, "test_images: expected finite pixels, found 1"),
    "infinite": (_put("training_responses", (0, 3), np.inf), {}, r"found 1 of 5 without \(the first: neuron 3\)"),
    "some missing": (_put("training_responses", (2, 1), np.nan), {}, r"\(the first: neuron 1\).*neurons: usable"),
    "size": (_cut("test_images", 5), {}, r"test_images: expected \(4, 6\) px"),
    "neurons": (_cut("test_responses", 4), {}, r"test_responses: expected \[5\] neurons"),
    "other images": (
        None,
        {"test_responses": "training_responses.npy"},
        "test_responses: expected responses to 3 images, found 12",
    ),
    "no repeats": (
        None,
        {"training_images": "test_images.npy", "test_images": "training_images.npy"}
        | {"training_responses": {"file": "test_responses.npy", "axes": "repeat image neuron"}}
        | {"test_responses": "training_responses.npy"},
        "test images: expected two or more presentations of each, found 12 of 12 with fewer",
    ),
    "neuron numbers": (None, {"neurons": [0, 5]}, "neurons: expected numbers from 0 to 4, found 5"),
    "neurons word": (None, {"neurons": "good"}, "neurons: expected all, usable, or a list"),
    "shape": (None, {"image_shape": [5, 6]}, r"image_shape: expected \[height, width\] in px, at most \[4, 6\]"),
    "share": (None, {"validation_share": 0.9}, "validation_share: expected a share"),
    "flag": (None, {"scale_responses": 1}, "scale_responses: expected true or false"),
    "number": (None, {"trials_averaged": 0.5}, "trials_averaged: expected a whole number from 1 on"),
    "one luminance": (_put("training_images", slice(None), 3), {}, "expected training images that vary"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_named(name, arrays, tmp_path):
    change, fields, message = BAD[name]
    if change:
        change(arrays)
    entry = stored(arrays, tmp_path) | fields
    with pytest.raises(UserError, match=message):
        read(entry, tmp_path)


def test_usable_neurons(arrays, tmp_path):
    arrays["training_responses"][2, 1] = np.nan
    arrays["test_responses"][0, 0, 4] = np.inf
    for name in ("training_responses", "test_responses"):
        arrays[name][..., 3] = 1
    found = read(stored(arrays, tmp_path) | {"neurons": "usable"}, tmp_path)
    assert found["neuron"].values.tolist() == [0, 2]


def test_responses_below_zero_are_counted(arrays, tmp_path, capsys):
    for name in ("training_responses", "test_responses"):
        arrays[name] = np.abs(arrays[name])
        arrays[name][..., 0] *= -1
        arrays[name][..., 1:3] -= 100 * (np.arange(arrays[name].shape[-2]) % 2)[:, None]
    arrays["training_responses"][:, 0] = arrays["test_responses"][0, 0, 0] = 1.0
    entry = stored(arrays, tmp_path)
    raw = read(entry | {"negatives_to_zero": False}, tmp_path)
    assert raw.attrs["negatives_set_to_zero"] == 0
    share = float((raw["response"] < 0).mean())
    assert share > 0.2 and read(entry, tmp_path).attrs["negatives_set_to_zero"] == pytest.approx(share)
    command(tmp_path, entry, tmp_path / "a.nc")
    said = capsys.readouterr().err
    assert said.startswith(f"mine: warning: {share:.1%} of the responses were below 0") and "raw responses" in said
    command(tmp_path, entry | {"neurons": [3, 4]}, tmp_path / "a.nc")
    assert capsys.readouterr().err == "mine: 0.0% of the responses were below 0 and were set to 0.\n"


def test_neurons_without_a_response_are_named(arrays, tmp_path):
    for name in ("training_responses", "test_responses"):
        arrays[name][..., [1, 3]] = -np.abs(arrays[name][..., [1, 3]])
    entry = stored(arrays, tmp_path)
    with pytest.raises(UserError, match=rf"responses: expected .* 0 throughout in 2 neurons \(1, 3\) of {NEURONS}"):
        read(entry, tmp_path)
    assert read(entry | {"neurons": "usable"}, tmp_path)["neuron"].values.tolist() == [0, 2, 4]
    assert read(entry | {"negatives_to_zero": False}, tmp_path).sizes["neuron"] == NEURONS
    with pytest.raises(UserError, match=r"0 throughout in neuron 3 of 2\."):
        read(entry | {"neurons": [0, 3]}, tmp_path)


@pytest.mark.parametrize(("kind", "message"), [("npz", "one of"), ("h5", "one of"), ("mat", "one of")])
def test_names_in_a_file(kind, message, arrays, tmp_path):
    entry = stored(arrays, tmp_path, kind)
    for key, expected in ((None, "key of test_images: expected the name"), ("x", message)):
        with pytest.raises(UserError, match=expected):
            read(entry | {"test_images": {"file": entry["test_images"]["file"], "key": key}}, tmp_path)
    (tmp_path / "broken.npz").write_text("x")
    with pytest.raises(UserError, match="broken.npz: file: expected"):
        read(entry | {"test_images": {"file": "broken.npz", "key": "a"}}, tmp_path)


@given(st.permutations(["repeat", "image", "neuron"]), st.data())
def test_axes_are_put_in_order_whatever_is_flattened(order, data):
    lengths = {"repeat": 2, "image": 3, "neuron": 4}
    array = np.arange(24).reshape(2, 3, 4)
    moved = array.transpose([list(lengths).index(name) for name in order])
    first = data.draw(st.integers(1, 3))
    groups = [order[:first], *[[name] for name in order[first:]]]
    flat = moved.reshape([int(np.prod([lengths[name] for name in group])) for group in groups])
    axes = " ".join(f"({' '.join(group)})" for group in groups)
    sizes = {name: lengths[name] for name in order[1:]}
    np.testing.assert_array_equal(arranged(flat, axes, tuple(lengths), sizes, "a"), array)


def command(folder, entry, output, seed=1):
    import json

    words = ["--parameters", json.dumps(entry), "--label", "mine", "--folder", str(folder)]
    import_image_responses.main([*words, "--seed", str(seed), "--output", str(output)])
    return output


def test_the_command_writes_the_same_bytes(arrays, tmp_path):
    entry = stored(arrays, tmp_path)
    one, other = (command(tmp_path, entry, tmp_path / f"{name}.nc") for name in "ab")
    assert one.read_bytes() == other.read_bytes()
    found = read_image_responses(one)
    assert found.attrs["seed"] == 1 and found.equals(read(entry, tmp_path))


def test_natural_scenes(real_data, tmp_path):
    """118 natural scenes; the file's numbers are those of its description."""
    folder = real_data / "natural_scenes"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    pixels = {"axes": "image (y x)", "sizes": {"y": 31, "x": 31}}
    trials = {"axes": "(image repeat) neuron", "sizes": {"repeat": 50}}
    entry = {
        "training_images": {"file": "natural_scenes/Allen_train_input.npy", **pixels},
        "training_responses": "natural_scenes/Allen_train_output.npy",
        "test_images": {"file": "natural_scenes/Allen_test_input.npy", **pixels},
        "test_responses": {"file": "natural_scenes/Allen_test_output_big.npy", **trials},
    }
    found = read_image_responses(command(real_data, entry, tmp_path / "scenes.nc"))
    assert dict(found.sizes) == {"image": 118, "y": 31, "x": 31, "trial": 100 + 900, "neuron": 212}
    assert np.bincount(found["part"]).tolist() == [90, 10, 18]
    assert np.bincount(found["image_of_trial"])[100:].tolist() == [50] * 18
    small = read(entry | {"image_shape": [16, 16]}, real_data)
    assert small["images"].shape == (118, 16, 16)
    np.testing.assert_allclose(small["images"].values[small["part"].values == 0].std(), 1, rtol=1e-5)

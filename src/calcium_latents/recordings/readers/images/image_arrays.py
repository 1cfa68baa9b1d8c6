"""Images and responses from plain arrays: .npy, .npz, HDF5 and MATLAB files, whose axes the user names."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.files import read_table
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import find_path
from calcium_latents.recordings.readers.formats.arrays import read_matrix
from calcium_latents.recordings.readers.images.presentations import Presentations, known_fields, number
from calcium_latents.recordings.readers.opening import load_npz

APART = ("training_images", "training_responses", "test_images", "test_responses")
TOGETHER = ("images", "responses", "image_of_trial")
SOURCE_FIELDS = ("file", "key", "axes", "sizes", "column")


def read_image_arrays(entry: Mapping[str, Any], folder: str | Path, label: str) -> Presentations:
    """Read images and responses as an entry with `format: arrays` describes them; see `readers.image_responses`.

    Raises:
        UserError: a field is missing, a file or an array is not as said, or arrays do not fit each other.
    """
    wanted = APART if any(name in entry for name in APART) else TOGETHER
    missing = [name for name in wanted if entry.get(name) in (None, "")]
    if missing:
        expected = f"the fields {list(APART)} or the fields {list(TOGETHER)}"
        fail(label, missing[0], expected, f"{sorted(set(entry) & {*APART, *TOGETHER})}", "Add it to the entry.")
    return (_apart if wanted is APART else _together)(entry, folder, label)


def array_fields(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that `read_image_arrays` knows, for the kind of entry that this is."""
    apart = any(name in entry for name in APART)
    return APART if apart else (*TOGETHER, "first_image", "test", "minimum_repeats")


def arranged(array: np.ndarray, axes: str, order: Sequence[str], sizes: Mapping[str, int], source: str) -> np.ndarray:
    """Return `array` with its axes in `order`; axes of `order` that it lacks come in with length 1.

    Args:
        array: any shape and type.
        axes: names of its axes, flattened ones in brackets, the slowest first: "repeat image neuron", "image (y x)".
        order: names of the axes wanted.
        sizes: lengths of flattened axes; one in each bracket may be missing.
        source: of the array, in messages.

    Raises:
        UserError: other names, another number of axes, or lengths that do not fit.
    """
    advice = "Correct `axes` and `sizes` in the entry."
    found = re.findall(r"\(([^()]*)\)|(\w+)", axes) if isinstance(axes, str) else []
    groups = [inside.split() or [alone] for inside, alone in found]
    names = [name for group in groups for name in group]
    if not names or len(set(names)) < len(names) or not set(names) <= set(order):
        fail(source, "axes", f"different names among {list(order)}", f"{axes!r:.100}", advice)
    if len(groups) != array.ndim:
        fail(source, "axes", f"{array.ndim} axes, of lengths {array.shape}", f"{len(groups)}: {axes!r:.100}", advice)
    lengths: list[int] = []
    for group, length in zip(groups, array.shape, strict=True):
        known = [sizes.get(name) for name in group] if len(group) > 1 else [length]
        product = math.prod(size for size in known if size is not None) if _whole(known) else 0
        open_sizes = known.count(None)
        if open_sizes > 1 or product < 1 or length % product or (not open_sizes and product != length):
            expected = f"lengths of {group} whose product is {length}"
            fail(source, "sizes", expected, f"{dict(zip(group, known, strict=True))}", advice)
        lengths += [length // product if size is None else int(size) for size in known]
    flat = array.reshape(lengths)
    flat = flat.transpose([names.index(name) for name in order if name in names])
    return np.expand_dims(flat, tuple(at for at, name in enumerate(order) if name not in names))


def _whole(sizes: list) -> bool:
    return all(size is None or (isinstance(size, int | np.integer) and size > 0) for size in sizes)


def _apart(entry: Mapping[str, Any], folder: str | Path, label: str) -> Presentations:
    """Training images and responses in other arrays than those of test images."""
    images, responses = [], []
    for part in ("training", "test"):
        images.append(_images(entry[f"{part}_images"], folder, label, f"{part}_images"))
        responses.append(_animals(entry[f"{part}_responses"], folder, label, f"{part}_responses", len(images[-1])))
    training, test = responses
    if images[0].shape[1:] != images[1].shape[1:]:
        expected = f"{images[0].shape[1:]} px as training_images"
        fail(label, "test_images", expected, f"{images[1].shape[1:]}", "Give both in one size.")
    neurons = [[animal.shape[2] for animal in animals] for animals in responses]
    if neurons[0] != neurons[1]:
        expected = f"{neurons[0]} neurons (of each animal) as training_responses"
        fail(label, "test_responses", expected, f"{neurons[1]}", "Give the same neurons in the same order.")
    rows, shown = [], []
    for first, animals in zip((0, len(images[0])), responses, strict=True):
        repeats = max(animal.shape[0] for animal in animals)
        padded = [
            np.concatenate([animal, np.full((repeats - len(animal), *animal.shape[1:]), np.nan)]) for animal in animals
        ]
        joined = np.concatenate(padded, axis=2)
        rows.append(joined.reshape(-1, joined.shape[2]))
        shown.append(np.tile(first + np.arange(joined.shape[1]), repeats))
    count = sum(neurons[0])
    return Presentations(
        images=np.concatenate(images),
        image_of_trial=np.concatenate(shown),
        responses=np.concatenate(rows),
        animal=np.repeat(np.arange(len(neurons[0])), neurons[0]),
        neuron=np.arange(count),
        number=np.arange(len(images[0]) + len(images[1])),
        test=np.arange(len(images[0]) + len(images[1])) >= len(images[0]),
        source=_name(entry["training_images"]),
    )


def _together(entry: Mapping[str, Any], folder: str | Path, label: str) -> Presentations:
    """All images in one array, all trials in another, and a table that says which trial showed which image."""
    images = _images(entry["images"], folder, label, "images")
    responses, _ = _load(entry["responses"], folder, label, "responses", ("trial", "neuron"), "trial neuron")
    shown, path = _load(entry["image_of_trial"], folder, label, "image_of_trial", ("trial",), "trial")
    if len(shown) != len(responses):
        fail(path, "image_of_trial", f"one number a trial ({len(responses)})", f"{len(shown)}", "Correct the table.")
    first = int(number(entry, "first_image", label, 0, minimum=0, whole=True))
    shown = np.nan_to_num(shown, nan=first - 1)
    if (shown != np.round(shown)).any() or shown.max() >= first + len(images):
        expected = f"whole numbers from {first} to {first + len(images) - 1}"
        found = f"{shown.min():g} to {shown.max():g}"
        fail(path, "image_of_trial", expected, found, "Correct the table, or `first_image` in the entry.")
    blank = shown < first
    return Presentations(
        images=images,
        image_of_trial=shown[~blank].astype(int) - first,
        responses=responses[~blank],
        animal=np.zeros(responses.shape[1], int),
        neuron=np.arange(responses.shape[1]),
        number=np.arange(len(images)),
        test=None,
        source=_name(entry["images"]),
    )


def _images(source: Any, folder: str | Path, label: str, name: str) -> np.ndarray:
    images, path = _load(source, folder, label, name, ("image", "y", "x", "colour"), "image y x")
    images = images.mean(3)
    if not np.isfinite(images).all():
        found = f"{int((~np.isfinite(images)).sum())} pixels that are not"
        fail(path, name, "finite pixels", found, "Mend or leave out these images.")
    return images


def _animals(source: Any, folder: str | Path, label: str, name: str, images: int) -> list[np.ndarray]:
    """Return responses [repeat, image, neuron] of each animal."""
    animals = []
    for one in source if isinstance(source, list | tuple) else [source]:
        responses, path = _load(one, folder, label, name, ("repeat", "image", "neuron"), "image neuron")
        if responses.shape[1] != images:
            advice = "Give responses to all images, NaN where one was not shown; or correct `axes`."
            fail(path, name, f"responses to {images} images", f"{responses.shape[1]}", advice)
        animals.append(responses)
    return animals


def _load(
    source: Any, folder: str | Path, label: str, name: str, order: tuple[str, ...], default: str
) -> tuple[np.ndarray, Path]:
    """Return a SOURCE's array in float64 with its axes in `order`, and its path."""
    source = source if isinstance(source, Mapping) else {"file": source}
    known_fields(source, SOURCE_FIELDS, f"{label}: {name}")
    path = find_path(source.get("file"), name, folder, label)
    array = _array(path, source, name)
    if array.dtype.kind not in "fiub" or not array.size:
        fail(path, name, "an array of numbers", f"shape {array.shape} of {array.dtype}", "Name another by `key`.")
    if order == ("trial",):
        array = array.ravel()  # MATLAB knows no vectors
    axes = source.get("axes")
    if axes is None and array.ndim != len(default.split()):
        expected = f"the names of its {array.ndim} axes (lengths {array.shape}), of {list(order)}"
        fail(path, f"axes of {name}", expected, "none", f'Add `axes` to the entry, "{" ".join(order)}", say.')
    named = f"{path}: {name}"
    return arranged(array.astype(np.float64), axes or default, order, source.get("sizes") or {}, named), path


def _array(path: Path, source: Mapping[str, Any], name: str) -> np.ndarray:
    if path.suffix.lower() == ".csv":
        table, column = read_table(path), source.get("column")
        if column not in table:
            fail(path, f"column of {name}", f"one of {list(table)}", f"{column!r}", "Correct `column` in the entry.")
        return table[column].to_numpy()
    if path.suffix.lower() == ".npy":
        return read_matrix(path, None)[0]
    key = source.get("key")
    if not isinstance(key, str) or not key:
        fail(path, f"key of {name}", "the name of an array in the file", f"{key!r}", "Add `key` to the entry.")
    return load_npz(path, key, name) if path.suffix.lower() == ".npz" else read_matrix(path, key)[0]


def _name(source: Any) -> str:
    return Path(source["file"] if isinstance(source, Mapping) else source).name

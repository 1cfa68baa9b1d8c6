"""Which image an NWB file says was shown when: an IndexSeries, a table of intervals, or a series of shown frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.nwb.series import full_name

IMAGE_COLUMNS = ("image", "image_index", "image_name", "stimulus_index", "frame")
IMAGE_AXES = ("y x", "x y")


@dataclass(frozen=True)
class Stimuli:
    """What was shown when.

    Attributes:
        images: [image, y, x]; colours are averaged.
        image_of_trial: [trial], index into images.
        onsets: [trial], s in the session.
    """

    images: np.ndarray
    image_of_trial: np.ndarray
    onsets: np.ndarray


def read_stimuli(file: Any, entry: Mapping[str, Any], path: Path) -> Stimuli:
    """Return images and onsets of an open NWB file, as the fields of `entry` name them.

    Raises:
        UserError: none or several sources of presentations or images and none named, images of several sizes, or
            numbers or names that no image has.
    """
    from pynwb.base import Images
    from pynwb.epoch import TimeIntervals
    from pynwb.image import ImageSeries, IndexSeries

    objects = list(file.objects.values())
    templates = [item for item in objects if isinstance(item, Images)]
    templates += [item for item in file.stimulus_template.values() if isinstance(item, ImageSeries)]
    shown = [item for item in file.stimulus.values() if isinstance(item, ImageSeries)]
    tables = [item for item in objects if isinstance(item, TimeIntervals) and _column(item, entry)]
    sources = [item for item in objects if isinstance(item, IndexSeries)] + tables + shown
    source = _only(sources, entry.get("presentations"), "presentations", path)
    if isinstance(source, ImageSeries):
        return _shown_frames(source, entry, path)
    if isinstance(source, IndexSeries):
        holder = source.indexed_images if source.indexed_images is not None else source.indexed_timeseries
        values, onsets = np.asarray(source.data[:]), _times(source, path)
    else:
        holder = _only(templates + shown, entry.get("images"), "images", path)
        values, onsets = np.asarray(source[_column(source, entry)][:]), np.asarray(source["start_time"][:], float)
    numbers = _numbers(values, holder, entry.get("blanks") or [], path)
    is_image = numbers >= 0
    images = _images(holder, entry, path)
    if not is_image.any() or numbers.max() >= len(images):
        found = f"number {numbers.max()}" if is_image.any() else "no image at all"
        advice = "Correct the file, or name other `images`."
        fail(path, full_name(source), f"images 0 to {len(images) - 1}", found, advice)
    return Stimuli(np.stack(_one_size(images, path)), numbers[is_image], onsets[is_image])


def _only(candidates: list, key: str | None, name: str, path: Path) -> Any:
    """Return the candidate that `key` names, or the only one."""
    names = [full_name(item) for item in candidates]
    matching = [
        item
        for item, own in zip(candidates, names, strict=True)
        if key is None or f"/{own}".endswith("/" + str(key).strip("/"))
    ]
    if len(matching) != 1:
        kinds = {
            "presentations": "an IndexSeries, a table of intervals that names images, or a series of shown frames",
            "images": "an Images container, or a template",
        }
        found = f"{len(matching)} that match, of {sorted(names)}"
        fail(path, name, f"one of: {kinds[name]}", found, f"Name it by `{name}` in the entry.")
    return matching[0]


def _column(table: Any, entry: Mapping[str, Any]) -> str | None:
    """Return the column of a table of intervals that says which image was shown."""
    given = entry.get("image_column")
    wanted = IMAGE_COLUMNS if given is None else (given,)
    return next((name for name in wanted if name in table.colnames), None)


def _times(series: Any, path: Path) -> np.ndarray:
    if series.timestamps is not None:
        return np.asarray(series.timestamps[:], float)
    if not series.rate:
        fail(path, full_name(series), "onsets: timestamps or a rate", "neither", "Correct the file.")
    return float(series.starting_time or 0) + np.arange(len(series.data)) / series.rate


def _numbers(values: np.ndarray, holder: Any, blanks: list, path: Path) -> np.ndarray:
    """Return image numbers [trial] for numbers or names; -1 for blank screens."""
    if values.dtype.kind in "fiu":
        numbers = np.where(np.isfinite(values.astype(float)), values, -1)
        numbers = np.where(np.isin(numbers, [b for b in blanks if isinstance(b, int | float)]), -1, numbers)
        if (numbers != np.round(numbers)).any():
            found = f"{numbers[numbers != np.round(numbers)][0]:g}"
            fail(path, "image_column", "whole numbers of images", found, "Name another column, or correct the file.")
        return numbers.astype(int)
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    names = _image_names(holder)
    known = {name: index for index, name in enumerate(names)} | {str(index): index for index in range(len(names))}
    known |= dict.fromkeys([*map(str, blanks), "", "nan", "None"], -1)
    unknown = sorted(set(texts) - set(known))
    if unknown:
        advice = "Add it to `blanks` in the entry if it is a blank screen, or correct the file."
        fail(path, "image_column", f"names of images, as {names[:3]}", f"{unknown[0]!r}", advice)
    return np.array([known[text] for text in texts])


def _ordered(images: Any) -> list:
    """Return the images of an Images container in their order."""
    order = getattr(images, "order_of_images", None)
    return list(order[:]) if order is not None else list(images.images.values())


def _image_names(holder: Any) -> list[str]:
    if hasattr(holder, "images"):
        return [image.name for image in _ordered(holder)]
    return [str(index) for index in range(len(holder.data))]


def _images(holder: Any, entry: Mapping[str, Any], path: Path) -> list[np.ndarray]:
    """Return images [y, x], of which sizes may differ."""
    if hasattr(holder, "images"):
        pictures = [np.asarray(image.data[:], float) for image in _ordered(holder)]
    else:
        pictures = list(_frames(holder, path))
    axes = entry.get("image_axes", "y x")
    if axes not in IMAGE_AXES:
        fail(path, "image_axes", f"one of {IMAGE_AXES}", f"{axes!r:.100}", "Correct it in the entry.")
    # red, green and blue (and how opaque: the fourth, no light) come last
    grey = [picture[..., :3].mean(-1) if picture.ndim == 3 else picture for picture in pictures]
    if not grey or any(picture.ndim != 2 or not np.isfinite(picture).all() for picture in grey):
        shapes = sorted({picture.shape for picture in pictures})
        fail(path, full_name(holder), "pictures of finite pixels", f"shapes {shapes[:3]}", "Name other `images`.")
    return [picture.T for picture in grey] if axes == "x y" else grey


def _one_size(images: list[np.ndarray], path: Path) -> list[np.ndarray]:
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        fail(path, "images", "images of one size", f"{shapes[:3]}", "Bring them to one size in the file.")
    return images


def _frames(series: Any, path: Path) -> np.ndarray:
    data = None if series.data is None else np.asarray(series.data[:], float)
    if data is None or data.ndim not in (3, 4) or not data.size:
        found = (
            "a film elsewhere" if series.external_file is not None else f"shape {() if data is None else data.shape}"
        )
        fail(path, full_name(series), "pictures [frame, y, x] in the file", found, "Put the pictures into the file.")
    return data


def _shown_frames(series: Any, entry: Mapping[str, Any], path: Path) -> Stimuli:
    """Frames as they were shown: equal ones are presentations of one image."""
    frames = np.stack(_images(series, entry, path))
    flat = frames.reshape(len(frames), -1)
    _, first, inverse = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # images in the order in which they first came
    return Stimuli(frames[first[order]], np.argsort(order)[inverse.ravel()], _times(series, path))

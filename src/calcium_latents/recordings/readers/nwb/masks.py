"""Where the ROIs of an NWB file lie in the field of view, from the masks of their table."""

from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail

AXES = ("x y", "y x")
# How CaImAn's own save_NWB describes its table of ROIs.
CAIMAN = "CNMF_ROIs"
# Who writes pixels as (row, column) into the fields that NWB names x, y: told by the file's script or the table's text.
SUITE2P = "suite2p output"
ROWS_FIRST = ("neuroconv", "roiextractors", SUITE2P)
COLUMNS = ("image_mask", "pixel_mask", "voxel_mask")


def is_suite2p(table: Any) -> bool:
    """Whether suite2p found the ROIs of a table: its text or its column `iscell` say so."""
    return "suite2p" in str(table.description).lower() or "iscell" in (table.colnames or ())


def is_caiman(table: Any) -> bool:
    """Whether CaImAn's own save_NWB wrote the table (the only one that flattens masks by column, see `_pixels`)."""
    return table.description == CAIMAN


def mask_axes(file: Any, table: Any, given: Any, path: str | Path) -> str:
    """Return the order of the masks' axes, "x y" as NWB says or "y x".

    Args:
        file: the open NWB file.
        table: of its ROIs.
        given: `mask_axes` of the entry, or None to tell it from who wrote the table.
        path: names the file in messages.

    Raises:
        UserError: `given` is no order.
    """
    if given is not None:
        if given not in AXES:
            fail(path, "mask_axes", f"one of {list(AXES)}", f"{given!r:.100}", "Correct it in the entry.")
        return given
    from pynwb.ophys import PlaneSegmentation

    if _column(table) == "image_mask":
        # ndx-microscopy's are [roi, y, x], NWB's own [roi, x, y].
        return "x y" if isinstance(table, PlaneSegmentation) else "y x"
    text = f"{file.source_script} {table.description}".lower()
    return "y x" if any(word in text for word in ROWS_FIRST) else "x y"


def centres(table: Any, rows: np.ndarray, axes: str) -> np.ndarray | None:
    """Return the centres of ROIs [neuron, (x, y) or (x, y, z)] in pixels; None where a ROI has no mask.

    Centres are means weighted by the mask; of suite2p's ROIs, as suite2p has it, the pixel nearest to the medians.
    """
    name, found, suite2p = _column(table), [], is_suite2p(table)
    if name is None:
        return None
    for row in rows:
        places, weight = _pixels(table, name, int(row), axes)
        if suite2p:
            places = places[:2]  # the third is the number of the plane
        if weight.size == 0:
            return None
        if suite2p:
            away = places - np.median(places, axis=1, keepdims=True)
            found.append(places[:, np.argmin((away**2).sum(0))])
        else:
            found.append(np.average(places, axis=1, weights=weight if weight.sum() > 0 else None))
    return np.array(found) if found else np.zeros((0, 2))


def field_height(file: Any, table: Any, axes: str) -> int | None:
    """Return the lines of the field of view: of image masks, else of the plane's images, else of summary images."""
    from pynwb.base import Images
    from pynwb.image import ImageSeries

    if _column(table) == "image_mask":
        shape = np.shape(table["image_mask"][0])
        return int(shape[_y_axis(table, axes, shape)])
    plane, height = getattr(table, "imaging_plane", None), None
    for item in file.objects.values():
        shape = ()
        if isinstance(item, ImageSeries) and plane is not None and getattr(item, "imaging_plane", None) is plane:
            shape = item.dimension[:] if item.dimension is not None else np.shape(item.data)[1:3]
        elif isinstance(item, Images) and item.parent is table.parent.parent and height is None:
            shape = next((np.shape(image.data)[:2] for image in item.images.values()), ())
        if len(shape) >= 2 and min(shape) > 0:
            # Images are [x, y] in NWB, whatever the masks; suite2p's own are [y, x].
            height = int(shape[0 if SUITE2P in str(table.description) else 1])
    return height


def _column(table: Any) -> str | None:
    return next((name for name in COLUMNS if name in (table.colnames or ())), None)


def _y_axis(table: Any, axes: str, shape: tuple) -> int:
    return 0 if axes == "y x" or (is_caiman(table) and len(shape) == 2) else 1


def _pixels(table: Any, name: str, row: int, axes: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of a ROI's pixels [(x, y) or (x, y, z), pixel] and their weights [pixel]."""
    mask = table[name][row]
    if name == "image_mask":
        mask = np.asarray(mask)
        if is_caiman(table):
            # It flattens images by column but folds them by row: undone, masks are [x, y].
            mask = mask.reshape(mask.shape[::-1])
        places = np.array(np.nonzero(np.nan_to_num(mask)), float)
        weight = np.asarray(mask[tuple(places.astype(int))], float)
    else:
        mask = np.asarray(mask)
        # Structured, or rows of numbers in files of suite2p.
        names = mask.dtype.names
        fields = [mask[field] for field in names] if names else np.reshape(mask, (len(mask), -1)).T
        places, weight = np.array(fields[:-1], float), np.asarray(fields[-1], float)
    if axes == "y x" and not is_caiman(table):
        places = places[[1, 0, *range(2, len(places))]]
    return places, weight

"""Neurodata Without Borders: RoiResponseSeries, alone or in Fluorescence and DfOverF containers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.opening import open_nwb
from calcium_latents.recordings.readers.traces import Traces

# Series of these names are no fluorescence of the neurons; they are read only when `key` asks for them.
OTHERS = ("neuropil", "deconv", "event", "spike", "background")


def recognises(path: Path) -> bool:
    """Whether `path` is a file that ends in .nwb."""
    return path.is_file() and path.suffix.lower() == ".nwb"


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the traces of an NWB file.

    Args:
        path: the file.
        entry: `key`, name of a RoiResponseSeries, alone or with its containers ("ophys/DfOverF/RoiResponseSeries"), by
            default the only series in a DfOverF container, else the only one of fluorescence; `sampling_rate_hz`
            overrides the file's.

    Raises:
        UserError: no NWB file, no such series or several, or a series without times.
    """
    rate = number(entry, "sampling_rate_hz", path)
    with open_nwb(path) as file:
        return _read(file, path, entry.get("key"), rate)


def _read(file: Any, path: Path, key: str | None, sampling_rate_hz: float | None) -> Traces:
    from pynwb.ophys import DfOverF, RoiResponseSeries

    series = {full_name(item): item for item in file.objects.values() if isinstance(item, RoiResponseSeries)}
    names = sorted(series)
    if key is not None:
        matching = [name for name in names if f"/{name}".endswith("/" + key.strip("/"))]
    else:
        plain = [name for name in names if not any(word in name.lower() for word in OTHERS)]
        matching = [name for name in plain if isinstance(series[name].parent, DfOverF)] or plain
    if len(matching) != 1:
        found = f"{len(matching)} that match ({', '.join(matching)})" if matching else f"none among {names}"
        fail(path, "key", "one RoiResponseSeries", found, "Name it by `key` in the entry, with its containers.")
    chosen = series[matching[0]]
    is_dff = isinstance(chosen.parent, DfOverF) or "df" in matching[0].lower()
    values = _data(chosen)
    if values.ndim != 2:
        fail(path, matching[0], "data of frames x neurons", f"shape {values.shape}", "Correct the file.")
    neuropil = None
    if not is_dff:
        beside = [s for name, s in series.items() if "neuropil" in name.lower() and s.data.shape == values.shape]
        neuropil = _data(beside[0]) if len(beside) == 1 else None
    position, fraction = _positions(chosen)
    attributes = {
        "session_start_time": file.session_start_time.isoformat(),
        "nwb_identifier": file.identifier,
    }
    timestamps = None if chosen.timestamps is None else np.asarray(chosen.timestamps[:], float)
    rate = chosen.rate if sampling_rate_hz is None else sampling_rate_hz
    return Traces(
        values=values,
        sampling_rate_hz=rate,
        is_dff=is_dff,
        timestamps=timestamps,
        start_s=float(chosen.starting_time or 0.0),
        neuropil=neuropil,
        position=position,
        frame_fraction=fraction,
        attributes=attributes,
    )


def full_name(item: Any) -> str:
    """Return the name of an object with those of its containers below the file."""
    names = []
    while item is not None and item.parent is not None:
        names.append(item.name)
        item = item.parent
    return "/".join(reversed(names))


def _data(series: Any) -> np.ndarray:
    return np.asarray(series.data[:]) * (series.conversion or 1.0) + (series.offset or 0.0)


def _positions(series: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return centres of the ROIs [neuron, (x, y)] in pixels and parts of the frame's height, if known."""
    table, rows = series.rois.table, np.asarray(series.rois.data[:], int)
    columns = table.colnames or ()
    if "image_mask" in columns:
        # NWB: masks are [roi, x, y].
        masks = [np.asarray(table["image_mask"][int(row)], float) for row in rows]
        if any(mask.ndim != 2 or mask.sum() <= 0 for mask in masks):
            return None, None
        centres = np.array(
            [[np.average(np.arange(mask.shape[a]), weights=mask.sum(1 - a)) for a in (0, 1)] for mask in masks]
        )
        return centres, np.clip(centres[:, 1] / masks[0].shape[1], 0, 1 - 1e-6)
    if "pixel_mask" in columns:
        centres = []
        for row in rows:
            pixels = table["pixel_mask"][int(row)]
            x, y, weight = (np.array([pixel[i] for pixel in pixels], float) for i in range(3))
            if weight.sum() <= 0:
                return None, None
            centres.append([np.average(x, weights=weight), np.average(y, weights=weight)])
        return np.array(centres), None
    return None, None

"""NWB files: series of ROIs, alone or in containers, of one plane or several, with trials and behaviour."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.on_disk import Columns, empty, first_frames, summed
from calcium_latents.recordings.readers.entry_fields import number
from calcium_latents.recordings.readers.nwb import caiman
from calcium_latents.recordings.readers.nwb.behaviour import behaviour_signals
from calcium_latents.recordings.readers.nwb.masks import centres, field_height, is_suite2p, mask_axes
from calcium_latents.recordings.readers.nwb.planes import Frames, common_frames, frame_fractions, plane_delays
from calcium_latents.recordings.readers.nwb.rois import accepted, roi_numbers
from calcium_latents.recordings.readers.nwb.series import (
    RoiSeries,
    chosen_series,
    is_transposed,
    neuropil_of,
    read_samples,
    roi_series,
)
from calcium_latents.recordings.readers.nwb.session import session_attributes, trial_table
from calcium_latents.recordings.readers.opening import open_nwb
from calcium_latents.recordings.readers.traces import Traces


def recognises(path: Path) -> bool:
    """Whether `path` is a file that ends in .nwb."""
    return path.is_file() and path.suffix.lower() == ".nwb"


def read(path: Path, entry: Mapping[str, Any]) -> Traces:
    """Read the traces of an NWB file.

    Args:
        path: the file.
        entry: `key`, name of a RoiResponseSeries, alone or with its containers ("ophys/DfOverF/RoiResponseSeries"), or
            of a container, by default the series of dF/F, else the only one of fluorescence; several in one container,
            each of other ROIs, are planes and joined. `sampling_rate_hz` overrides the file's. `neurons`: by default
            the accepted ROIs; all, rejected ones, too; or ids of ROIs in the file. `orientation`: neurons x frames for
            data that lie the other way than NWB's. `mask_axes`: see `masks.mask_axes`. `sample_offsets`: lines of the
            scan count by default in files of suite2p, in others if it is from_positions.

    Raises:
        UserError: no NWB file, no such series or several, data that do not fit the ROIs, none accepted, or planes that
            do not go together.
    """
    rate = number(entry, "sampling_rate_hz", path)
    with open_nwb(path) as file:
        return _read(file, path, entry, rate)


def _read(file: Any, path: Path, entry: Mapping[str, Any], sampling_rate_hz: float | None) -> Traces:
    found = roi_series(file)
    planes = chosen_series(found, entry.get("key"), path)
    turned = [is_transposed(item, entry.get("orientation"), path) for item in planes][0]
    frames = common_frames(planes, turned, path)
    if sampling_rate_hz is not None:
        frames = replace(frames, rate_hz=sampling_rate_hz)
    numbers = roi_numbers(planes)
    keep = _kept(planes, numbers, entry.get("neurons"), path)
    columns = _columns(planes, keep)
    values = _samples(planes, columns, turned, frames.count)
    attributes = session_attributes(file) | {"nwb_series": ", ".join(item.name for item in planes)}
    is_dff: bool | None = any(item.is_dff for item in planes)
    residuals, neuropil, coefficient = caiman.residuals(planes), None, None
    if residuals is not None:
        values = summed(values, _samples([residuals], columns, turned, frames.count))
        # CaImAn's fluorescence is free of background. It is added, and its changes are taken off again as neuropil:
        # its mean is the baseline. Without a background only the user knows.
        background = None if entry.get("is_dff") else caiman.background(planes[0], found, columns[0])
        is_dff = None
        if background is not None:
            is_dff, neuropil, coefficient = False, first_frames(background, frames.count, np.float32), 1.0
            values = summed(values, neuropil)
    elif not is_dff:
        others = [other for other in (neuropil_of(item, found) for item in planes) if other is not None]
        attributes["nwb_neuropil"] = "none"
        if len(others) == len(planes):
            neuropil = _samples(others, columns, turned, frames.count)
            attributes["nwb_neuropil"] = ", ".join(other.name for other in others)
    kept = [replace(item, rows=item.rows[chosen]) for item, chosen in zip(planes, columns, strict=True)]
    position, fraction, axes = _places(file, kept, frames, found, entry, path)
    return Traces(
        values=values,
        sampling_rate_hz=frames.rate_hz,
        is_dff=is_dff,
        timestamps=frames.timestamps,
        start_s=frames.start_s,
        neuropil=neuropil,
        neuropil_coefficient=coefficient,
        position=position,
        frame_fraction=fraction,
        scanned_by_line=_is_suite2p(planes) or bool(frames.delays.any()),
        neurons=numbers[keep],
        trials=trial_table(file),
        behaviour=behaviour_signals(file),
        attributes=attributes | {"nwb_mask_axes": axes},
    )


def _kept(planes: Sequence[RoiSeries], numbers: np.ndarray, wanted: Any, path: Path) -> np.ndarray:
    """Return which ROIs to read [ROI]; a list of the entry may name rejected ones, too."""
    if isinstance(wanted, list | tuple):
        listed = np.isin(numbers, [number for number in wanted if isinstance(number, int)])
        # Of a list that names no ROI, `select_neurons` says so.
        return listed if listed.any() else np.ones(numbers.size, bool)
    return np.ones(numbers.size, bool) if wanted == "all" else accepted(planes, path)


def _columns(planes: Sequence[RoiSeries], keep: np.ndarray) -> list[np.ndarray]:
    """Return the kept columns of each plane's series."""
    ends = np.cumsum([item.rows.size for item in planes])
    return [np.flatnonzero(part) for part in np.split(keep, ends[:-1])]


def _samples(
    series: Sequence[RoiSeries], columns: Sequence[np.ndarray], turned: bool, count: int
) -> np.ndarray | Columns:
    """Return samples of the kept ROIs of several series [frame, neuron], float32."""
    values, filled = empty(count, sum(chosen.size for chosen in columns), np.float32, "C"), 0
    for item, chosen in zip(series, columns, strict=True):
        read_samples(item, chosen, turned, values, filled)
        filled += chosen.size
    return values


def _places(
    file: Any,
    planes: Sequence[RoiSeries],
    frames: Frames,
    found: Sequence[RoiSeries],
    entry: Mapping[str, Any],
    path: Path,
) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """Return positions [neuron, axis] in pixels, parts of the frame [neuron], and the order of the masks' axes."""
    places, lines, axes = [], [], []
    for item in planes:
        axes.append(mask_axes(file, item.table, entry.get("mask_axes"), path))
        place = centres(item.table, item.rows, axes[-1])
        height = None if place is None else field_height(file, item.table, axes[-1])
        if place is not None:
            places.append(place)
        if place is not None and height is not None and place[:, 1].max(initial=0) < height:
            lines.append(place[:, 1] / height)
    siblings = [item for item in found if item.series.parent is planes[0].series.parent and not item.is_other]
    delays, alternating = plane_delays(planes, frames, siblings)
    by_line, known = entry.get("sample_offsets") == "from_positions", len(lines) == len(planes)
    position = fraction = None
    if known and (by_line or _is_suite2p(planes)):
        fraction = frame_fractions(planes, delays, lines, alternating)
    elif frames.delays.any() and not by_line:
        fraction = frame_fractions(planes, delays, [np.zeros(item.rows.size) for item in planes], alternating)
    if len(places) == len(planes):
        dims = min((place.shape[1] for place in places if len(place)), default=2)
        position = np.concatenate([place[:, :dims] for place in places])
        if dims == 3 and np.ptp(position[:, 2]) == 0:
            position = position[:, :2]  # voxels of one plane say nothing of depth
    return position, fraction, ", ".join(dict.fromkeys(axes))


def _is_suite2p(planes: Sequence[RoiSeries]) -> bool:
    return all(is_suite2p(item.table) for item in planes)

"""Series of ROIs in an NWB file: which there are, which are the traces, and their samples in units."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import Scratch
from calcium_latents.recordings.readers.stored import parts

# Series of these names are no fluorescence of the neurons; they are read only when `key` asks for them.
OTHERS = ("neuropil", "deconv", "denoise", "event", "spike", "spks", "background", "baseline")
# Fields by which a series points at its ROIs: NWB and ndx-microscopy, and older ndx-microscopy.
REGIONS = ("rois", "table_region")
# Words of names that say what a series holds and not of which ROIs.
KINDS = re.compile(r"fluorescence|neuropil|roi_?response_?series|traces?|corrected|raw|dff|df_?over_?f|[\W_]")
TRANSPOSED = "neurons x frames"


@dataclass(frozen=True)
class RoiSeries:
    """A series of ROIs.

    Attributes:
        name: with its containers, "ophys/DfOverF/traces".
        series: a TimeSeries whose data are not read yet, [frame, ROI], or [frame] of a single ROI.
        table: the table of ROIs.
        rows: [ROI], rows of the table.
    """

    name: str
    series: Any
    table: Any
    rows: np.ndarray

    @property
    def own_name(self) -> str:
        """The name with that of the innermost container."""
        return "/".join(self.name.split("/")[-2:])

    @property
    def is_other(self) -> bool:
        """Whether the name says that it holds no fluorescence of the neurons."""
        return any(word in self.own_name.lower() for word in OTHERS)

    @property
    def is_dff(self) -> bool:
        """Whether container, name or unit say dF/F."""
        text = f"{self.own_name} {self.series.unit}".lower()
        return "df" in text or "deltaf" in text.replace("_", "")

    def same_rois(self, other: "RoiSeries") -> bool:
        """Whether both are of the same ROIs, in the same order."""
        return self.table is other.table and np.array_equal(self.rows, other.rows)

    def shares_rois(self, other: "RoiSeries") -> bool:
        """Whether a ROI is in both."""
        return self.table is other.table and bool(np.isin(self.rows, other.rows).any())


def full_name(item: Any) -> str:
    """Return the name of an object with those of its containers below the file."""
    names = []
    while item is not None and item.parent is not None:
        names.append(item.name)
        item = item.parent
    return "/".join(reversed(names))


def roi_series(file: Any) -> list[RoiSeries]:
    """Return the series of ROIs of an open NWB file by name: RoiResponseSeries, and those of extensions alike."""
    from pynwb import TimeSeries
    from pynwb.core import DynamicTableRegion

    found = []
    for item in file.objects.values():
        regions = [item.fields.get(name) for name in REGIONS] if isinstance(item, TimeSeries) else []
        for region in regions:
            if isinstance(region, DynamicTableRegion):
                found.append(RoiSeries(full_name(item), item, region.table, np.asarray(region.data[:], int)))
    return sorted(found, key=lambda item: _natural(item.name))


def chosen_series(found: list[RoiSeries], key: str | None, path: str | Path) -> list[RoiSeries]:
    """Return the series of the traces: the one that `key` names, or the planes of the container that it names.

    Without `key`, those of dF/F, else the only ones of fluorescence. Several are planes where they stand in one
    container, share no ROI and differ in name by a number ("plane0", "plane1").

    Raises:
        UserError: none, or several that are no planes of one container.
    """
    candidates = found
    if key is not None:
        ending = "/" + key.strip("/")
        candidates = [item for item in found if f"/{item.name}".endswith(ending)]
        if len(candidates) == 1:
            return candidates
        candidates = candidates or [item for item in found if f"/{item.name}".rpartition("/")[0].endswith(ending)]
    plain = [item for item in candidates if not item.is_other]
    pool = [item for item in plain if item.is_dff] or plain
    if len(pool) > 1 and _are_planes(pool, key is not None):
        return pool
    if len(pool) != 1:
        names = ", ".join(item.name for item in pool)
        found_text = f"{len(pool)} that match ({names})" if pool else f"none among {[item.name for item in found]}"
        fail(path, "key", "one RoiResponseSeries", found_text, "Name it by `key` in the entry, with its containers.")
    return pool


def neuropil_of(item: RoiSeries, found: list[RoiSeries]) -> RoiSeries | None:
    """Return the only neuropil series of the same ROIs, or that whose name goes with the series', or None."""
    shape = item.series.data.shape
    others = [other for other in found if "neuropil" in other.own_name.lower() and other.same_rois(item)]
    others = [other for other in others if other.series.data.shape == shape]
    if len(others) > 1:
        others = [other for other in others if _stem(other) == _stem(item)]
    return others[0] if len(others) == 1 else None


def is_transposed(item: RoiSeries, orientation: str | None, path: str | Path) -> bool:
    """Return whether the data are [ROI, frame], as the entry's `orientation` says; NWB's own are [frame, ROI].

    Raises:
        UserError: the data do not have a column (or, turned, a row) for each ROI.
    """
    if orientation not in (None, TRANSPOSED, "frames x neurons"):
        fail(path, "orientation", f"{TRANSPOSED} or frames x neurons", f"{orientation!r}", "Correct it in the entry.")
    shape, count = tuple(item.series.data.shape), item.rows.size
    turned = orientation == TRANSPOSED
    if len(shape) == 1 and count == 1 and not turned:
        return False
    if len(shape) == 2 and shape[0 if turned else 1] == count:
        return turned
    wanted = f"({count}, frames)" if turned else f"(frames, {count})"
    expected = f"data of shape {wanted} for the {count} ROIs of {full_name(item.table)}"
    advice = "Correct the file."
    if len(shape) == 2 and shape[1 if turned else 0] == count:
        say = f"say `orientation: {TRANSPOSED}` in the entry" if not turned else "leave out `orientation`"
        advice = f"It is turned: write the file again with its transpose, or {say}."
    fail(path, item.name, expected, f"shape {shape}", advice)


def frame_count(item: RoiSeries, turned: bool) -> int:
    """Return the number of frames of the data."""
    return int(item.series.data.shape[1 if turned else 0])


def read_samples(
    item: RoiSeries, columns: np.ndarray, turned: bool, into: np.ndarray | Scratch, first: int = 0
) -> None:
    """Read ROIs into float32 samples in units (conversion and offset applied), block by block.

    Args:
        item: the series.
        columns: [ROI chosen], which of the series' ROIs.
        turned: see `is_transposed`.
        into: [frame, neuron], filled; frames beyond its end are left out.
        first: which of its neurons is the first of the ROIs chosen.
    """
    data = item.series.data
    # float64 scalars: integers keep their bits until they are in units.
    scale, zero = np.float64(item.series.conversion or 1.0), np.float64(item.series.offset or 0.0)
    for part in parts(data.shape, getattr(data, "chunks", None)):
        block = np.asarray(data[part])
        if block.ndim == 1:
            block, part = block[:, None], (*part, slice(0, 1))
        frames, rois = part[::-1] if turned else part
        block = block.T if turned else block
        if scale != 1 or zero != 0:
            block = block * scale + zero
        inside = (columns >= rois.start) & (columns < rois.stop)
        stop = min(frames.stop, into.shape[0])
        if inside.any() and stop > frames.start:
            into[frames.start : stop, first + np.flatnonzero(inside)] = block[
                : stop - frames.start, columns[inside] - rois.start
            ]


def _are_planes(pool: list[RoiSeries], container_named: bool) -> bool:
    """Whether series stand in one container, share no ROI, and are of one name but for numbers, those of channels not.

    Names do not matter where the entry asks for the container.
    """
    one_container = all(item.series.parent is pool[0].series.parent for item in pool)
    apart = all(not a.shares_rois(b) for i, a in enumerate(pool) for b in pool[:i])
    names = {re.sub(r"(chan\D*\d+)|\d+", lambda found: found[1] or "", item.series.name.lower()) for item in pool}
    return one_container and apart and (container_named or len(names) == 1)


def _stem(item: RoiSeries) -> str:
    return KINDS.sub("", item.name.lower())


def _natural(name: str) -> list:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]

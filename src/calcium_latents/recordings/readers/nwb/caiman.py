"""What CaImAn's own save_NWB writes beside its components C: residuals YrA, and the background b f."""

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from calcium_latents.recordings.on_disk import Columns
from calcium_latents.recordings.readers.caiman_background import background_under
from calcium_latents.recordings.readers.nwb.masks import is_caiman
from calcium_latents.recordings.readers.nwb.series import RoiSeries, full_name


def residuals(planes: list[RoiSeries]) -> RoiSeries | None:
    """Return the residuals (YrA) beside the components (C), or None in files that CaImAn did not write."""
    item = planes[0]
    module = getattr(item.series.parent, "parent", None)
    beside = getattr(module, "data_interfaces", {}).get("residuals") if is_caiman(item.table) else None
    if len(planes) > 1 or beside is None or beside.data.shape != item.series.data.shape:
        return None
    return replace(item, name=full_name(beside), series=beside)


def background(item: RoiSeries, found: list[RoiSeries], chosen: np.ndarray) -> Columns | None:
    """Return the background under components [frame, ROI chosen] in the units of C; None where the file has none.

    Args:
        item: the components; backgrounds are further rows of their table.
        found: all series of the file.
        chosen: [ROI chosen], columns of `item`.
    """
    others = [other for other in found if other.table is item.table and "background" in other.own_name.lower()]
    if len(others) != 1 or "image_mask" not in item.table.colnames:
        return None
    temporal = np.asarray(others[0].series.data[:], float)
    temporal = temporal.reshape(len(temporal), -1)
    if temporal.shape != (item.series.data.shape[0], others[0].rows.size):
        return None
    footprints, spatial = (_flat(item.table, rows) for rows in (item.rows[chosen], others[0].rows))
    return background_under(footprints, spatial, temporal.T)


def _flat(table: Any, rows: np.ndarray) -> scipy.sparse.csc_matrix:
    """Return the masks of rows [pixel, row]; in which order pixels are does not matter here."""
    masks = [scipy.sparse.csr_matrix(np.nan_to_num(np.ravel(table["image_mask"][int(row)]))) for row in rows]
    return scipy.sparse.csc_matrix(scipy.sparse.vstack(masks).T)

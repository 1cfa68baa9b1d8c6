"""The pixels of each region of interest: round cells, and ragged patches of neuropil."""

from typing import NamedTuple

import numpy as np

from calcium_latents.seeds import generator
from calcium_latents.simulation.two_photon_session.session import TwoPhotonSession

CELL_RADIUS, PATCH_RADIUS = 6.0, 5.0


class Footprint(NamedTuple):
    """Pixels of a region: y and x of each [pixel], and how much each counts [pixel], 1 in sum."""

    y: np.ndarray
    x: np.ndarray
    weight: np.ndarray


def footprints(session: TwoPhotonSession) -> list[Footprint]:
    """Return the pixels of every region, centred on its position; they may overlap, as cells do in depth."""
    return [_footprint(session, roi) for roi in range(len(session.regions.is_cell))]


def _footprint(session: TwoPhotonSession, roi: int) -> Footprint:
    is_cell, size = session.regions.is_cell[roi], session.parameters.frame_size
    random = generator(session.seed, "footprint", roi)
    # A patch is longer than wide; a cell is round, but for a little.
    aspect = random.uniform(0.85, 1.15) if is_cell else random.uniform(2.0, 3.5)
    radius, angle = (CELL_RADIUS if is_cell else PATCH_RADIUS) * random.uniform(0.8, 1.2), random.uniform(0, np.pi)
    x0, y0 = session.regions.position[roi]
    reach = int(np.ceil(radius * 2))
    y, x = np.mgrid[int(y0) - reach : int(y0) + reach + 1, int(x0) - reach : int(x0) + reach + 1]
    along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    across = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    distance = (along**2 / aspect + across**2 * aspect) / radius**2
    kept = (distance < 1) & (x >= 0) & (y >= 0) & (x < size) & (y < size)
    if not is_cell:
        # Holes, but never all of it.
        kept &= (random.uniform(size=kept.shape) < 0.7) | (distance < 0.1)
    weight = np.exp(-distance[kept])
    return Footprint(y[kept], x[kept], (weight / weight.sum()).astype(np.float32))

"""A simulated session as the files of a user of suite2p: its folder, and tables of trials and behaviour."""

from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.files import atomic_file, write_table
from calcium_latents.simulation.two_photon_session.footprints import footprints
from calcium_latents.simulation.two_photon_session.parameters import INDICATORS
from calcium_latents.simulation.two_photon_session.session import TwoPhotonSession


def write_suite2p(session: TwoPhotonSession, folder: str | Path) -> Path:
    """Write F, Fneu, stat, ops and iscell (.npy) of all regions to `folder`/plane0, which is returned.

    Frames with motion stand in `badframes` of ops; the laser's line and the frame's rate are those of the session.
    """
    plane = Path(folder) / "plane0"
    p, regions = session.parameters, session.regions
    stat = np.array(
        [
            {
                "ypix": pixels.y,
                "xpix": pixels.x,
                "lam": pixels.weight,
                "med": [int(np.median(pixels.y)), int(np.median(pixels.x))],
                "npix": len(pixels.y),
                "radius": float(np.sqrt(len(pixels.y) / np.pi)),
                "overlap": np.zeros(len(pixels.y), bool),
            }
            for pixels in footprints(session)
        ],
        dtype=object,
    )
    ops = {
        "fs": float(p.imaging_rate_hz),
        "nplanes": 1,
        "nchannels": 1,
        "Ly": p.frame_size,
        "Lx": p.frame_size,
        "nframes": p.frames,
        "neucoeff": float(p.neuropil_coefficient),
        "tau": INDICATORS[p.indicator].decay_time_s,
        "badframes": session.bad_frames,
    }
    is_cell = regions.is_cell.astype(np.float32)
    arrays = {
        "F": session.fluorescence,
        "Fneu": session.neuropil,
        "stat": stat,
        "ops": np.array(ops, dtype=object),
        # The second column is the classifier's probability.
        "iscell": np.stack([is_cell, 0.05 + 0.9 * is_cell], axis=1),
    }
    for name, array in arrays.items():
        with atomic_file(plane / f"{name}.npy") as file:  # NumPy says nothing when a file of its own is cut off
            np.save(file, array)
    return plane


def write_tables(session: TwoPhotonSession, folder: str | Path) -> None:
    """Write trials.csv (start_s, stop_s, condition) and behaviour.csv (time_s, running_speed_cm_s) to `folder`."""
    speed = {"time_s": session.behaviour_times, "running_speed_cm_s": session.running_speed}
    for name, table in (("trials", session.trials), ("behaviour", pd.DataFrame(speed))):
        write_table(table, Path(folder) / f"{name}.csv", float_format="%.6f")

"""A simulated session as a Neurodata Without Borders file, as a laboratory would share it."""

import datetime
from pathlib import Path

import numpy as np

from calcium_latents.recordings.nwb_session import write_nwb_file
from calcium_latents.simulation.two_photon_session.footprints import footprints
from calcium_latents.simulation.two_photon_session.session import TwoPhotonSession

START = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)


def write_nwb(session: TwoPhotonSession, path: str | Path) -> None:
    """Write the session to `path` (.nwb), atomically.

    Processing module `ophys`: container Fluorescence with the series RoiResponseSeries and Neuropil [time, roi] of all
    regions of a plane segmentation, which has pixel masks and suite2p's column `iscell`. Module `behavior`: the running
    speed. Table of trials with a condition each. Frames with motion are not marked: nothing in the format does.
    """
    from hdmf.backends.hdf5.h5_utils import H5DataIO  # slow imports that the simulation need not wait for
    from pynwb import NWBFile, TimeSeries
    from pynwb.behavior import BehavioralTimeSeries
    from pynwb.file import Subject
    from pynwb.ophys import Fluorescence, RoiResponseSeries

    p = session.parameters
    file = NWBFile(
        session_description=f"Simulated two-photon session with {p.indicator}.",
        identifier=f"simulated-session-{session.seed}",
        session_start_time=START,
        file_create_date=START,
    )
    file.subject = Subject(subject_id="simulated", species="Mus musculus", sex="U", age="P90D")
    table = _segmentation(file, session)
    rows = table.create_roi_table_region(description="all regions", region=list(range(len(session.regions.is_cell))))
    containers = Fluorescence()
    file.processing["ophys"].add(containers)
    for name, values in (("RoiResponseSeries", session.fluorescence), ("Neuropil", session.neuropil)):
        # A chunk holds a second or so of all regions.
        chunks = (min(p.frames, 64), min(len(values), 1024))
        data = H5DataIO(values.T, compression="gzip", compression_opts=1, shuffle=True, chunks=chunks)
        series = RoiResponseSeries(name=name, data=data, rois=rows, unit="n.a.", rate=float(p.imaging_rate_hz))
        containers.add_roi_response_series(series)
    speed = TimeSeries(name="running_speed", data=session.running_speed, unit="cm/s", rate=float(p.behaviour_rate_hz))
    module = file.create_processing_module("behavior", "Behaviour of the animal.")
    module.add(BehavioralTimeSeries(time_series=speed))
    file.add_trial_column("condition", "Stimulus of the trial.")
    for trial in session.trials.itertuples():
        file.add_trial(start_time=trial.start_s, stop_time=trial.stop_s, condition=trial.condition)
    write_nwb_file(file, path)


def _segmentation(file, session: TwoPhotonSession):
    """Add device, plane and segmentation to an NWB file, and return the table of regions."""
    from pynwb.ophys import ImageSegmentation, OpticalChannel

    p = session.parameters
    plane = file.create_imaging_plane(
        name="plane0",
        optical_channel=OpticalChannel(name="green", description="green", emission_lambda=520.0),
        description="simulated",
        device=file.create_device(name="microscope"),
        excitation_lambda=920.0,
        imaging_rate=float(p.imaging_rate_hz),
        indicator=p.indicator,
        location="simulated",
    )
    segmentation = ImageSegmentation()
    table = segmentation.create_plane_segmentation("Cells and other regions.", plane, name="PlaneSegmentation")
    masks = [list(zip(pixels.x, pixels.y, pixels.weight, strict=True)) for pixels in footprints(session)]
    for mask in masks:
        table.add_roi(pixel_mask=mask)
    is_cell = session.regions.is_cell.astype(float)
    iscell = np.stack([is_cell, 0.05 + 0.9 * is_cell], axis=1)
    table.add_column("iscell", "is a cell, and the classifier's probability", data=iscell)
    file.create_processing_module("ophys", "Regions and their fluorescence.").add(segmentation)
    return table

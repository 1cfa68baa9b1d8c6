"""Small NWB files of ROIs, as different tools write them."""

import datetime

import numpy as np
from pynwb import NWBHDF5IO, NWBFile
from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation, OpticalChannel

RATE = 30.0


class NwbWriter:
    """An NWB file under way, with a processing module `ophys` and one imaging plane."""

    def __init__(self, **fields):
        start = datetime.datetime(2021, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)
        given = {"session_description": "test", "identifier": "id-7", "session_start_time": start}
        self.file = NWBFile(**(given | fields))
        self.device = self.file.create_device("microscope")
        self.plane = self.file.create_imaging_plane(
            name="plane",
            optical_channel=OpticalChannel(name="c", description="c", emission_lambda=500.0),
            description="p",
            device=self.device,
            excitation_lambda=900.0,
            indicator="GCaMP6f",
            location="V1",
        )
        self.module = self.file.create_processing_module("ophys", "test")
        self.segmentation = ImageSegmentation()
        self.module.add(self.segmentation)

    def table(self, masks, kind="pixel_mask", name="rois", description="r", ids=None, **columns):
        """Add a table of ROIs; columns: name -> one value a ROI."""
        table = self.segmentation.create_plane_segmentation(
            name=name, description=description, imaging_plane=self.plane
        )
        for number, mask in enumerate(masks):
            table.add_roi(**{kind: mask}, id=number if ids is None else ids[number])
        for column, data in columns.items():
            table.add_column(name=column, description=column, data=np.asarray(data))
        return table

    def series(self, data, table, name="traces", container="Fluorescence", rows=None, **keywords):
        """Add a series of ROIs, all of the table or some `rows`, to a container of the module `ophys`."""
        if container not in self.module.data_interfaces:
            kind = DfOverF if container.startswith("DfOverF") else Fluorescence
            self.module.add(kind(name=container))
        rows = list(range(len(table))) if rows is None else list(rows)
        region = table.create_roi_table_region("some", region=rows)
        when = {} if "timestamps" in keywords else {"rate": RATE}
        given = {"unit": "n.a."} | when | keywords
        return self.module[container].create_roi_response_series(name=name, data=data, rois=region, **given)

    def write(self, path):
        """Write the file and return its path."""
        with NWBHDF5IO(str(path), "w") as io:
            io.write(self.file)
        return path


def dots(count, x=lambda i: 3 * i, y=lambda i: 5 * i + 1):
    """Return pixel masks of one pixel each."""
    return [[(x(i), y(i), 1.0)] for i in range(count)]


def raw_traces(frames=300, count=5, seed=1):
    """Return raw fluorescence [frame, neuron], float32."""
    return (400 * (1 + np.random.default_rng(seed).gamma(1, 0.2, (frames, count)))).astype(np.float32)

"""The Recording and Inferred boxes: schema, files, windows, and readers and writers of other formats."""

from calcium_latents.recordings.inferred import check_inferred, make_inferred, read_inferred, write_inferred
from calcium_latents.recordings.netcdf import read_recording, write_recording
from calcium_latents.recordings.schema import check_recording, make_recording
from calcium_latents.recordings.windows import cut_windows, stitch_windows

__all__ = [
    "check_inferred",
    "check_recording",
    "cut_windows",
    "make_inferred",
    "make_recording",
    "read_inferred",
    "read_recording",
    "stitch_windows",
    "write_inferred",
    "write_recording",
]

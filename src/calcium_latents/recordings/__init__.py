"""The Recording, Inferred and Embedding boxes: schema, files, windows, and readers and writers of other formats."""

from calcium_latents.recordings.embedding import check_embedding, make_embedding, read_embedding, write_embedding
from calcium_latents.recordings.inferred import check_inferred, make_inferred, read_inferred, write_inferred
from calcium_latents.recordings.schema import (
    check_recording,
    make_recording,
    open_recording,
    read_recording,
    write_recording,
)
from calcium_latents.recordings.windows import cut_windows, stitch_windows

__all__ = [
    "check_embedding",
    "check_inferred",
    "check_recording",
    "cut_windows",
    "make_embedding",
    "make_inferred",
    "make_recording",
    "open_recording",
    "read_embedding",
    "read_inferred",
    "read_recording",
    "stitch_windows",
    "write_embedding",
    "write_inferred",
    "write_recording",
]

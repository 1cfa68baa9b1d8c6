"""What was inferred about a user's recording, as NWB."""

import datetime
import hashlib
from pathlib import Path

import numpy as np
import xarray as xr

from calcium_latents.files import atomic_path
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.windows import stitch_windows

MODULE = "ophys"
SERIES = {
    "event_rate": (
        "1/s",
        "Event rate inferred from calcium imaging: [time, neuron], columns as in table neurons.",
    ),
    "factors": ("1", "Latent factors: [time, factor]."),
    "inferred_inputs": ("1", "Inferred inputs to the latent dynamics: [time, input]."),
}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def write_event_rates_nwb(path: str | Path, inferred: xr.Dataset, recording: xr.Dataset) -> None:
    """Write event rates, factors and inferred inputs as an NWB file, atomically.

    The processing module `ophys` gets a TimeSeries `event_rate` (1/s), `factors` and `inferred_inputs`
    where they exist, at a fixed rate on the clock of the session, and a table `neurons` (number, position).
    Several trials are stitched first. The start of the session is that of the source file where this is NWB,
    else 1970-01-01 with a note that says so; nothing depends on the time of writing but NWB's object ids.

    Args:
        path: file to write, *.nwb.
        inferred: Inferred, stitched or with `trial_start`.
        recording: the Recording that it was inferred from.

    Raises:
        UserError: the neurons of the two differ, or the trials cannot be stitched; nothing is written then.
    """
    if inferred.sizes["trial"] > 1:
        inferred = stitch_windows(inferred, float(recording.attrs.get("overlap_s", 0.0)))
    numbers = inferred["neuron"].values
    if not np.array_equal(numbers, recording["neuron"].values):
        found = f"{recording.sizes['neuron']} others in the recording"
        fail(
            path,
            "neuron",
            f"the {numbers.size} neurons inferred",
            found,
            "Pass the recording that was modelled.",
        )
    time = inferred["time"].values
    if time.size < 2:
        fail(path, "time", "two bins or more", f"{time.size}", "Use longer windows.")
    if not inferred.attrs.get("stitched", 0) and "trial_start" in inferred:
        time = time + float(inferred["trial_start"].values[0])

    from hdmf.backends.hdf5.h5_utils import H5DataIO  # slow imports that other steps need not wait for
    from pynwb import NWBHDF5IO, TimeSeries
    from pynwb.core import DynamicTable

    file = _file(inferred, recording)
    module = file.create_processing_module(MODULE, "Inferred by calcium-latents; see notes.")
    table = DynamicTable(name="neurons", description="Neurons, in the order of the columns of event_rate.")
    table.add_column("number", "Number of the neuron in the source.")
    axes = [str(axis) for axis in recording["axis"].values] if "position" in recording else []
    for axis in axes:
        table.add_column(axis, f"Position in the field of view ({recording['position'].attrs['units']}).")
    for row, number in enumerate(numbers):
        place = {axis: float(recording["position"].values[row, i]) for i, axis in enumerate(axes)}
        table.add_row(number=int(number), id=row, **place)
    module.add(table)
    for name, (unit, description) in SERIES.items():
        if name in inferred:
            data = H5DataIO(inferred[name].values[0], compression="gzip", compression_opts=1, shuffle=True)
            rate = float(1 / np.median(np.diff(time)))
            module.add(
                TimeSeries(
                    name=name,
                    data=data,
                    unit=unit,
                    rate=rate,
                    starting_time=float(time[0]),
                    description=description,
                )
            )
    with atomic_path(path) as temporary, NWBHDF5IO(str(temporary), "w") as io:
        io.write(file)


def _file(inferred: xr.Dataset, recording: xr.Dataset):
    """Return an NWB file without data, whose identifier and times follow from its contents."""
    from pynwb import NWBFile

    source, model = recording.attrs["source"], inferred.attrs["model"]
    given = recording.attrs.get("session_start_time")
    start = EPOCH if given is None else datetime.datetime.fromisoformat(given)
    if start.tzinfo is None:
        start = start.replace(tzinfo=datetime.UTC)
    notes = f"Source: {source}. Model: {model}."
    if given is None:
        notes += " The source does not say when the session started: session_start_time is a placeholder."
    digest = hashlib.sha256(inferred["event_rate"].values.tobytes()).hexdigest()[:16]
    return NWBFile(
        session_description=f"Event rates inferred by {model} from {source}.",
        identifier=f"{source}:{model}:{digest}",
        session_start_time=start,
        # NWB stamps the hour of writing by default: the same input must give the same file.
        file_create_date=start,
        notes=notes,
    )

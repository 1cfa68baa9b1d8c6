"""What was inferred about a user's recording, as NWB."""

import datetime
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from calcium_latents import __version__
from calcium_latents.recordings.behaviour import behaviour_names
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.nwb_session import add_trials, subject, time_axis, write_nwb
from calcium_latents.recordings.trial_table import trial_table
from calcium_latents.recordings.windows import stitch_windows

if TYPE_CHECKING:  # slow import
    from pynwb import NWBFile, TimeSeries
    from pynwb.core import DynamicTable

PROGRAM = "calcium-latents"
MODULE, BEHAVIOUR_MODULE = "ophys", "behavior"
SPREAD = "Standard deviation over draws from the posterior, beside {}."
#: variable -> unit, description
SERIES = {
    "event_rate": (
        "1/s",
        "Event rate inferred from calcium imaging: [time, neuron], columns as in table neurons.",
    ),
    "event_rate_sd": ("1/s", SPREAD.format("event_rate")),
    "factors": ("1", "Latent factors: [time, factor]."),
    "factors_sd": ("1", SPREAD.format("factors")),
    "inferred_inputs": ("1", "Inferred inputs to the latent dynamics: [time, input]."),
    "inferred_inputs_sd": ("1", SPREAD.format("inferred_inputs")),
}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def write_event_rates_nwb(
    path: str | Path, inferred: xr.Dataset, recording: xr.Dataset, verdict: str = "", configuration: str = ""
) -> None:
    """Write event rates, factors and inferred inputs as an NWB file, atomically, with what is known of the session.

    The processing module `ophys` gets a TimeSeries `event_rate` (1/s), `factors` and `inferred_inputs`, each with
    its spread `..._sd`, where they exist, at a fixed rate on the clock of the session, and a table `neurons` (number,
    position). The session's table of trials becomes that of the file, and signals of the animal series of the module
    `behavior`. Several trials are stitched first. The start of the session, and the subject, are those of the source
    file where this is NWB, else placeholders that the notes name; nothing depends on the time of writing.

    Args:
        path: file to write, *.nwb.
        inferred: Inferred, stitched or with `trial_start`.
        recording: the Recording that it was inferred from.
        verdict: how the model did against simple baselines, for the notes.
        configuration: of the model's training, for the notes.

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

    file = _file(inferred, recording, verdict, configuration)
    module = file.create_processing_module(MODULE, f"Inferred by {PROGRAM}; see notes.")
    module.add(_neurons(recording))
    # of all bins: single steps carry rounding
    axis = {"rate": float((time.size - 1) / (time[-1] - time[0])), "starting_time": float(time[0])}
    for name, (unit, description) in SERIES.items():
        if name in inferred:
            module.add(_series(name, inferred[name].values[0], unit, description, axis))
    signals = behaviour_names(recording)
    if signals:
        module = file.create_processing_module(BEHAVIOUR_MODULE, "Signals of the animal, on imaging frames.")
        axis = time_axis(recording["time"].values + float(recording["trial_start"].values[0]))
        for name in signals:
            signal = recording[name]
            described = f"{signal.attrs.get('long_name', name)} on imaging frames; see the source file."
            module.add(_series(name, signal.values[0], signal.attrs["units"], described, axis))
    table = trial_table(recording)
    if table is not None:
        end = recording["time"].values[-1] + recording["trial_start"].values[0] + recording.attrs["bin_width_s"]
        add_trials(file, table, float(end))
    write_nwb(file, path)


def _series(name: str, values: np.ndarray, unit: str, description: str, axis: dict[str, Any]) -> "TimeSeries":
    from hdmf.backends.hdf5.h5_utils import H5DataIO
    from pynwb import TimeSeries

    data = H5DataIO(values, compression="gzip", compression_opts=1, shuffle=True)
    return TimeSeries(name=name, data=data, unit=unit, description=description, **axis)


def _neurons(recording: xr.Dataset) -> "DynamicTable":
    """Return the table of neurons: number in the source, position."""
    from pynwb.core import DynamicTable

    table = DynamicTable(name="neurons", description="Neurons, in the order of the columns of event_rate.")
    table.add_column("number", "Number of the neuron in the source.")
    axes = [str(axis) for axis in recording["axis"].values] if "position" in recording else []
    for axis in axes:
        table.add_column(axis, f"Position in the field of view ({recording['position'].attrs['units']}).")
    for row, number in enumerate(recording["neuron"].values):
        place = {axis: float(recording["position"].values[row, i]) for i, axis in enumerate(axes)}
        table.add_row(number=int(number), id=row, **place)
    return table


def _file(inferred: xr.Dataset, recording: xr.Dataset, verdict: str, configuration: str) -> "NWBFile":
    """Return an NWB file without data, whose identifier and times follow from its contents."""
    from pynwb import NWBFile

    source, model = recording.attrs["source"], inferred.attrs["model"]
    given = recording.attrs.get("session_start_time")
    start = EPOCH if given is None else datetime.datetime.fromisoformat(given)
    if start.tzinfo is None:
        start = start.replace(tzinfo=datetime.UTC)
    animal, known = subject(recording)
    identifier = recording.attrs.get("nwb_identifier")
    notes = [f"Source file: {source}" + (f", NWB identifier {identifier}." if identifier else "."), f"Model: {model}."]
    if verdict:
        notes.append(f"Verdict on held-out samples: {verdict}")
    if given is None:
        notes.append("The source does not say when the session started: session_start_time is a placeholder.")
    if not known:
        notes.append("The source does not say which animal this is: subject is a placeholder.")
    if configuration:
        notes.append(f"Configuration of the model:\n{configuration}")
    digest = hashlib.sha256(inferred["event_rate"].values.tobytes()).hexdigest()[:16]
    return NWBFile(
        session_description=f"Event rates inferred by {model} from {source}.",
        identifier=f"{source}:{model}:{digest}",
        session_start_time=start,
        # NWB stamps the hour of writing by default: the same input must give the same file.
        file_create_date=start,
        subject=animal,
        experiment_description="Latent structure inferred from calcium imaging.",
        keywords=["calcium imaging", "event rates", "latent factors"],
        was_generated_by=[[PROGRAM, __version__]],
        notes="\n".join(notes),
    )

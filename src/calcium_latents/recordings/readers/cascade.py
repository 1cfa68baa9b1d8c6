"""Calcium imaging with simultaneous electrophysiology, as distributed with CASCADE (Rupprecht et al. 2021).

A .mat file holds one neuron: `CAttached`, a cell array of recordings, each a struct with `fluo_time` [s],
`fluo_mean` [dF/F] and `events_AP` (spike times in units of 0.1 ms, padded with NaN).
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.readers.opening import load_mat, reading
from calcium_latents.recordings.schema import make_recording

TICK_S = 1e-4


@dataclass(frozen=True)
class GroundTruth:
    """One recording of one neuron.

    Attributes:
        time: [frame], s.
        dff: [frame], dF/F.
        spike_times_s: [spike], s on the clock of `time`, ascending.
        indicator: name of the calcium indicator, from the folder's name ("unknown" if it has none).
        neuron: name of the neuron, from the file's name.
        recording: name of the recording, unique within a folder.
    """

    time: np.ndarray
    dff: np.ndarray
    spike_times_s: np.ndarray
    indicator: str
    neuron: str
    recording: str

    @property
    def sampling_rate_hz(self) -> float:
        """Frames per second."""
        return float(1 / np.median(np.diff(self.time)))


def read_cascade(path: str | Path) -> list[GroundTruth]:
    """Read all recordings of a .mat file.

    Raises:
        UserError: no such file, no `CAttached`, or a recording whose parts do not fit together.
    """
    path = Path(path)
    found = load_mat(path, "a MATLAB file of version 5")
    if "CAttached" not in found:
        fail(path, "CAttached", "a cell array of recordings", f"only {[*found]}", "Is this CASCADE's ground truth?")
    match = re.search(r"(j?GCaMP\w*|jRGECO\w*|XCaMP\w*|OGB-?1|Cal520)", path.parent.name, re.IGNORECASE)
    neuron = path.stem.removeprefix("CAttached_").removesuffix("_mini")
    recordings = []
    for number, item in enumerate(found["CAttached"].ravel()):
        # MATLAB counts from one.
        name, place = f"{neuron}-{number}", f"CAttached{{{number + 1}}}"
        fields = {}
        for field in ("fluo_time", "fluo_mean", "events_AP"):
            if item.dtype.names is None or field not in item.dtype.names:
                fail(
                    path,
                    f"CAttached{{{number + 1}}}.{field}",
                    "this field",
                    f"{item.dtype.names}",
                    "Download it again.",
                )
            with reading(path, f"numbers in CAttached{{{number + 1}}}.{field}", "Download it again."):
                fields[field] = np.asarray(item[field].ravel()[0], float).ravel()
        time, dff = fields["fluo_time"], fields["fluo_mean"]
        if time.size != dff.size or time.size < 2:
            expected = f"as many values as fluo_time ({time.size})"
            fail(path, f"{place}.fluo_mean", expected, f"{dff.size}", "Leave this file out.")
        if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
            fail(
                path,
                f"{place}.fluo_time",
                "ascending times",
                "others",
                "Leave this file out.",
            )
        spikes = fields["events_AP"]
        spikes = np.sort(spikes[np.isfinite(spikes)]) * TICK_S
        indicator = match.group(0) if match else "unknown"
        recordings.append(GroundTruth(time, dff, spikes, indicator, neuron, name))
    return recordings


def ground_truth_recording(truth: GroundTruth) -> xr.Dataset:
    """Return `truth` as a Recording of one neuron and one trial, its spikes counted in imaging frames.

    The spike times ride along as `spike_time` [spike], s; spikes outside of the frames are not counted.

    Raises:
        UserError: a trace that is nowhere finite, or irregular frames.
    """
    period = 1 / truth.sampling_rate_hz
    edges = np.append(truth.time, truth.time[-1] + period)
    counts = np.histogram(truth.spike_times_s, edges)[0]
    return make_recording(
        fluorescence=truth.dff[None, :, None],
        spikes=counts[None, :, None],
        time=truth.time,
        bin_width_s=period,
        imaging_rate_hz=1 / period,
        trial_start=np.zeros(1),
        source=truth.recording,
        others={"spike_time": (("spike",), truth.spike_times_s, "s", "true spike times")} if counts.any() else None,
        attributes={"indicator": truth.indicator, "neuron_name": truth.neuron},
    )

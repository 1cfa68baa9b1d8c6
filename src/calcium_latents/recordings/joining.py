"""A user's recordings as one set of traces: one rate, one duration, stacked neuron by neuron.

This is how the experiment of the AVAE paper is prepared (section 4: control and treated culture, the longer cut to the
shorter), for any number of recordings and conditions.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from calcium_latents.progress import progress
from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.missing import bridge
from calcium_latents.recordings.rates import resample_traces
from calcium_latents.recordings.schema import make_recording
from calcium_latents.recordings.traces_matrix import trace_matrix

LONGEST_GAP_S = 0.2


def join_recordings(
    recordings: Mapping[str, Mapping[str, xr.Dataset]],
    rate_hz: float,
    duration_s: float | None = None,
    label: str = "",
    longest_gap_s: float = LONGEST_GAP_S,
) -> xr.Dataset:
    """Return all neurons of several recordings as one Recording: one trial at `rate_hz`.

    Each recording is one culture, each condition one group; both in the order given. Gaps are bridged linearly (at the
    ends with the nearest sample), then traces are resampled (see `resample_traces`) and cut to the shortest recording,
    each from its own first sample on. The times of different recordings have nothing to do with each other. That
    neurons are sampled at different times within an imaging frame is not corrected.

    Args:
        recordings: condition -> name -> Recording of one trial of dF/F. A single recording will do.
        rate_hz: samples per second of the result.
        duration_s: length of the result, s; default: the shortest recording's.
        label: names the result in titles; default: the names of the recordings.
        longest_gap_s: missing samples in a row are bridged up to this duration, s.

    Returns:
        Recording with fluorescence [1, time, neuron]; `culture` (neuron), number of the recording; `group` (neuron),
        its condition; `neuron_in_recording` (neuron), the neuron's number there; positions where all recordings have
        them in the same units. Attributes: `label`, `cultures` (JSON: culture, group and name of each) and
        `joined_from` (JSON: source, rate, duration and number of bridged samples of each).

    Raises:
        UserError: no recordings, a name that comes twice, a recording that is not one trial of imaging frames or is
            shorter than `duration_s`, a gap too long to bridge, or traces that cannot be used (see `trace_matrix`).
    """
    items = list(_items(recordings))
    rates = [_frame_rate(recording, name) for _, name, recording in items]
    durations = [recording.sizes["time"] / rate for (_, _, recording), rate in zip(items, rates, strict=True)]
    wanted = min(durations) if duration_s is None else duration_s
    if isinstance(longest_gap_s, bool) or not isinstance(longest_gap_s, int | float) or not 0 <= longest_gap_s < np.inf:
        fail("the recordings", "longest_gap_s", "a duration in s, 0 or more", f"{longest_gap_s!r}", "Correct it.")
    blocks, joined_from = [], []
    steps = zip(items, rates, durations, strict=True)
    for (_, name, recording), rate, duration in progress(steps, "joining recordings", total=len(items)):
        place = f"{name} ({recording.attrs['source']})"
        bridged, count = bridge_gaps(recording, longest_gap_s, place)
        blocks.append(resample_traces(trace_matrix(bridged, place), rate, rate_hz, wanted, place))
        joined_from.append(
            {
                "name": name,
                "source": recording.attrs["source"],
                "imaging_rate_hz": rate,
                "duration_s": duration,
                "bridged_samples": count,
            }
        )
    traces = np.concatenate(blocks).astype(np.float32, copy=False)
    sizes = [len(block) for block in blocks]
    cultures = [{"culture": i, "group": group, "name": name} for i, (group, name, _) in enumerate(items)]
    groups = np.array([group for group, _, _ in items], dtype=object)
    numbers = np.concatenate([recording["neuron"].values for _, _, recording in items])
    position, units = _positions([recording for _, _, recording in items])
    label = label or ", ".join(name for _, name, _ in items)
    joined = make_recording(
        fluorescence=traces.T[None],
        time=np.arange(traces.shape[1]) / rate_hz,
        bin_width_s=1 / rate_hz,
        imaging_rate_hz=rate_hz,
        trial_start=np.zeros(1),
        position=position,
        position_units=units,
        source=", ".join(recording.attrs["source"] for _, _, recording in items),
        others={
            "culture": (("neuron",), np.repeat(np.arange(len(items)), sizes).astype("int32"), "1", "recording"),
            "group": (("neuron",), np.repeat(groups, sizes), "1", "condition"),
            "neuron_in_recording": (("neuron",), numbers.astype("int32"), "1", "number of the neuron in its recording"),
        },
        attributes={"label": label, "cultures": cultures, "joined_from": joined_from},
    )
    # What remains after the cut may be too short, or constant.
    trace_matrix(joined, label)
    return joined


def bridge_gaps(recording: xr.Dataset, longest_gap_s: float, path: str | Path) -> tuple[xr.Dataset, int]:
    """Return the recording without missing samples, and how many there were.

    Gaps up to `longest_gap_s` are bridged linearly, those at the ends by the nearest sample.

    Raises:
        UserError: a longer gap; it names the neuron, when it is and how long.
    """
    values = recording["fluorescence"].values
    missing = np.isnan(values)
    if not missing.any():
        return recording, 0
    period = recording.attrs["bin_width_s"]
    allowed = int(np.floor(longest_gap_s / period + 1e-6))
    for trial, neuron in np.argwhere(missing.any(axis=1)):
        gap = missing[trial, :, neuron]
        start, length = _longest_run(gap)
        if length > allowed or gap.all():
            when = recording["time"].values[start] + recording["trial_start"].values[trial]
            found = (
                f"{length} missing in a row ({length * period:.4g} s) of neuron "
                f"{int(recording['neuron'].values[neuron])} from {when:.6g} s on"
            )
            advice = "Raise longest_gap_s, or leave such neurons out (`neurons` in the entry)."
            expected = f"gaps of at most {longest_gap_s:g} s ({allowed} samples)"
            fail(path, "fluorescence", expected, found, advice)
    filled = bridge(values.swapaxes(0, 1)).swapaxes(0, 1)
    return recording.assign(fluorescence=recording["fluorescence"].copy(data=filled)), int(missing.sum())


def _items(recordings: Mapping[str, Mapping[str, xr.Dataset]]) -> Iterator[tuple[str, str, xr.Dataset]]:
    """Yield (condition, name, recording) after checking what does not need the traces."""
    if not recordings:
        fail("the recordings", "conditions", "at least one", "none", "Name a recording of each condition.")
    seen: dict[str, str] = {}
    for condition, members in recordings.items():
        if not isinstance(condition, str) or not condition:
            fail("the recordings", "condition", "a name", f"{condition!r}", "Name the condition.")
        if not members:
            fail("the recordings", condition, "at least one recording", "none", "Leave this condition out.")
        for name, recording in members.items():
            if name in seen:
                found = f"{name!r} in {seen[name]!r} and in {condition!r}"
                fail("the recordings", "name", "each recording once", found, "Correct the conditions.")
            seen[name] = condition
            yield condition, name, recording


def _frame_rate(recording: xr.Dataset, name: str) -> float:
    """Return frames per second, after checking that it is one trial of frames."""
    path = f"{name} ({recording.attrs['source']})"
    if "fluorescence" not in recording:
        fail(path, "fluorescence", "traces of dF/F", "none", "Give the recording before deconvolution.")
    if recording.sizes["trial"] != 1:
        found = f"{recording.sizes['trial']} trials"
        fail(path, "trial", "one continuous trial", found, "Give the recording as it was before it was cut.")
    period, width = 1 / recording.attrs["imaging_rate_hz"], recording.attrs["bin_width_s"]
    if abs(width / period - 1) > 0.01:
        expected = f"imaging frames of {period:g} s"
        fail(path, "bin_width_s", expected, f"{width:g} s", "Give the recording before it is cut into bins.")
    return float(recording.attrs["imaging_rate_hz"])


def _longest_run(flags: np.ndarray) -> tuple[int, int]:
    """Return start and length of the longest run of true values in `flags` [time]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    longest = int(np.argmax(lengths))
    return int(starts[longest]), int(lengths[longest])


def _positions(recordings: list[xr.Dataset]) -> tuple[np.ndarray | None, str]:
    """Return positions [neuron, axis] and their units, where all recordings have them alike; else None."""
    if any("position" not in recording for recording in recordings):
        return None, "pixel"
    kinds = {(item["position"].attrs["units"], item.sizes["axis"]) for item in recordings}
    if len(kinds) > 1:
        return None, "pixel"
    return np.concatenate([item["position"].values for item in recordings]), kinds.pop()[0]

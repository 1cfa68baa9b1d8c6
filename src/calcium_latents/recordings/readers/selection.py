"""Which neurons of a user's file are analysed: those that are asked for, or all that can be."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from calcium_latents.recordings.fields import fail
from calcium_latents.recordings.on_disk import Columns, of_neurons
from calcium_latents.recordings.readers.traces import Traces, check_rate

#: Deconvolution takes no fewer samples of a neuron; other studies do.
MINIMUM_SAMPLES = 32
USABLE = "usable"
#: Neurons that are looked at together.
BLOCK = 64


def select_neurons(traces: Traces, wanted: Any, path: str) -> Traces:
    """Return the neurons that the entry's `neurons` asks for.

    Args:
        traces: of all neurons.
        wanted: None or "all"; "usable" (leave out traces that cannot be analysed, and copies); or a list of numbers.
    """
    numbers = np.arange(traces.values.shape[1]) if traces.neurons is None else np.asarray(traces.neurons)
    traces = replace(traces, neurons=numbers)
    if wanted == USABLE:
        reasons = faults(traces.values, MINIMUM_SAMPLES)
        reasons[(reasons == "") & copies(traces.values)] = "the same as another"
        return without(traces, reasons, path)
    if wanted is None or wanted == "all":
        return traces
    if isinstance(wanted, list | tuple) and all(isinstance(i, int) for i in wanted):
        keep = np.isin(numbers, wanted)
        absent = sorted(set(wanted) - set(numbers.tolist()))
        if absent:
            fail(path, "neurons", "numbers of neurons in the file", f"{absent[0]}, not there", "Correct the list.")
    else:
        fail(path, "neurons", "all, usable, or a list of numbers", f"{wanted!r}", "Correct it in the entry.")
    if not keep.any():
        fail(path, "neurons", "at least one neuron", "none left", "Choose others.")
    return _kept(traces, keep)


def check_traces(traces: Traces, path: str) -> float:
    """Return the sampling rate, Hz; raise a `UserError` where it makes no sense or a trace cannot be used."""
    rate = traces.sampling_rate_hz
    if rate is None or not np.isfinite(rate) or rate <= 0:
        fail(
            path,
            "sampling_rate_hz",
            "imaging frames per second",
            "none" if rate is None else f"{rate!r}",
            "Add `sampling_rate_hz` to the entry.",
        )
    check_rate(rate, path, "sampling_rate_hz")
    reasons = faults(traces.values)
    bad = reasons != ""
    if bad.any():
        numbers = np.flatnonzero(bad) if traces.neurons is None else traces.neurons[bad]
        first = f"neurons {ranges(numbers[:8])}{', ...' if numbers.size > 8 else ''}; the first is {reasons[bad][0]}"
        found = f"{numbers.size} of {bad.size} neurons without ({first})"
        advice = "Add `neurons: usable` to the entry to leave them out."
        fail(path, "traces", "finite values that change over time", found, advice)
    return rate


def faults(values: np.ndarray | Columns, least: int = 2) -> np.ndarray:
    """Return why a trace of `values` [frame, neuron] cannot be analysed, in words [neuron]; "" where it can.

    `least`: samples that are needed.
    """
    found = np.full(values.shape[1], "", object)
    for neuron, trace in _each(values):
        known = trace[~np.isnan(trace)]
        if not known.size or np.isinf(known).any():
            found[neuron] = "not finite"
        elif known.size < least:
            found[neuron] = f"of fewer than {least} samples"
        elif known.min() >= known.max():
            found[neuron] = "constant"
    return found


def copies(values: np.ndarray | Columns) -> np.ndarray:
    """Return [neuron], true where a trace of `values` [frame, neuron] is the same as one before, sample by sample."""
    seen: dict[int, list[int]] = {}
    found = np.zeros(values.shape[1], bool)
    for neuron, trace in _each(values):
        alike = seen.setdefault(hash(trace.tobytes()), [])
        found[neuron] = any(np.array_equal(trace, values[:, other], equal_nan=True) for other in alike)
        alike.append(neuron)
    return found


def _each(values: np.ndarray | Columns) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number and the trace [frame] of each neuron; a few are copied at a time."""
    for start in range(0, values.shape[1], BLOCK):
        yield from enumerate(np.ascontiguousarray(values[:, start : start + BLOCK].T), start)


def without(traces: Traces, reasons: np.ndarray, path: str) -> Traces:
    """Return the traces without the neurons of which `reasons` [neuron] says why, which attribute `left_out` tells.

    Raises:
        UserError: none are left.
    """
    assert traces.neurons is not None  # see `read_user_file`
    keep = reasons == ""
    if keep.all():
        return traces
    before = [traces.attributes["left_out"]] if "left_out" in traces.attributes else []
    groups = [(why, traces.neurons[reasons == why]) for why in dict.fromkeys(reasons[~keep])]
    said = "; ".join([*before, *(f"{why}: {ranges(numbers)}" for why, numbers in groups)])
    if not keep.any():
        fail(path, "neurons", "at least one usable neuron", f"none left ({said})", "Look at the traces in the file.")
    return replace(_kept(traces, keep), attributes={**traces.attributes, "left_out": said})


def _kept(traces: Traces, keep: np.ndarray) -> Traces:
    """Return the traces of the neurons where `keep` [neuron]."""
    if keep.all():
        return traces
    chosen: dict[str, Any] = {}
    for name in ("values", "neuropil"):
        values = getattr(traces, name)
        chosen[name] = None if values is None else of_neurons(values, keep)
    for name in ("frame_fraction", "position", "neurons"):
        values = getattr(traces, name)
        chosen[name] = None if values is None else np.asarray(values)[keep]
    return replace(traces, **chosen)


def ranges(numbers: np.ndarray) -> str:
    """Return whole numbers [neuron] in ascending order as "0-3, 7"."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return ", ".join(str(run[0]) if run.size == 1 else f"{run[0]}-{run[-1]}" for run in runs)

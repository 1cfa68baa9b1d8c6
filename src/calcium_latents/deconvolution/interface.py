"""One call for every deconvolution method: a recording with fluorescence in, the same recording with events
out."""

import math
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.deconvolution.blocks import Block, BlockEvents, deconvolve_blocks, neurons_of_a_block
from calcium_latents.deconvolution.neuron import METHODS
from calcium_latents.deconvolution.options import Options
from calcium_latents.deconvolution.rescaling import EVENT_MINIMUM_MARGIN, smallest_event
from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.recordings.behaviour import put_earlier
from calcium_latents.recordings.fields import named_neurons
from calcium_latents.recordings.lazy import LazyArray, neuron_blocks
from calcium_latents.recordings.netcdf import attribute, unnamed_array

#: Relative excess of the sample interval over the bin that is rounding.
ROUNDING = 1e-6


def deconvolve(
    recording: xr.Dataset,
    method: str = "oasis",
    *,
    processes: int = 1,
    path: str | None = None,
    folder: str | Path | None = None,
    **options: Any,
) -> xr.Dataset:
    """Add `events` to a recording.

    The sampled values of a neuron form one trace: through all trials where the recording says
    `consecutive_trials`, otherwise each trial by itself. Events stand where the samples stood, NaN elsewhere.
    Where bins are imaging frames, any may be missing: short gaps are bridged, long ones divide the trace, and
    samples in too short pieces are missing in the result. On a finer grid, every neuron has a sample a frame.

    Parameters
    ----------
    recording
        Recording with `fluorescence` (trial, time, neuron).
    method
        'oasis' (CaImAn's recipe, compiled here) or 'caiman' (CaImAn itself).
    processes
        Worker processes; the result does not depend on it.
    path
        File of the recording, for messages.
    folder
        Where events are kept on disk as long as the result is in use; None: in memory.
    options
        Fields of `Options`.

    Returns
    -------
    The recording with `events` (float32), per-neuron `decay_time` (s), `baseline`, `noise_sd` and
    `event_threshold` (means over trials where each was deconvolved by itself), `silent` (0 or 1; with
    `silent_probability`), and attributes
    `deconvolution`, `deconvolution_parameters` and `event_minimum`: a number just below (by 1e-4 of it) the
    smallest possible event, so that rounding leaves no event at or below it. Events below `s_min` by rounding
    are set to `s_min`.

    Raises
    ------
    UserError
        An option is out of range, the method is not installed, or a trace has no sample in some frame of a finer grid,
        is constant, too short, or has no usable decay; the message names the file and the neuron. No
        neuron has events that noise would not give.
    """
    chosen = Options(**options)
    place = path or recording.encoding.get("source") or recording.attrs.get("source", "recording")
    if method not in METHODS:
        raise Options.wrong("method", f"one of {', '.join(METHODS)}", method)
    if "fluorescence" not in recording:
        raise UserError(
            f"{place}: fluorescence: expected a variable (trial, time, neuron), found only "
            f"{', '.join(map(str, recording.data_vars))}. Deconvolution needs a recording with fluorescence."
        )
    if method == "caiman":
        import_module(METHODS["caiman"]).constrained_foopsi()
    fluorescence = recording["fluorescence"].transpose("trial", "time", "neuron")
    trials, bins, neurons = fluorescence.shape
    interval = 1.0 / float(recording.attrs["imaging_rate_hz"])
    spacing = interval / float(recording.attrs["bin_width_s"])
    joined = bool(recording.attrs.get("consecutive_trials", 0)) or trials == 1
    labels = [""] if joined else [f", trial {trial}" for trial in recording["trial"].values]
    names = [f"{place}: neuron {label}" for label in recording["neuron"].values]
    count = neurons_of_a_block(trials * bins, neurons, processes)

    finer = spacing > 1 + ROUNDING
    _check_samples(fluorescence, spacing if finer else None, names, place)

    def blocks() -> Iterator[Block]:
        for several in neuron_blocks(fluorescence.shape):
            values = fluorescence[..., several].values.transpose(2, 0, 1)
            traces = np.ascontiguousarray(values).reshape(len(values), len(labels), -1)
            for first in range(0, len(traces), count):
                part, at = traces[first : first + count], several.start + first
                yield Block(at, names[at : at + len(part)], labels, part, finer, interval)

    events = np.empty(fluorescence.shape, np.float32) if folder is None else unnamed_array(folder, fluorescence.shape)
    estimates, silent, lost = np.zeros((neurons, 4)), np.zeros(neurons, bool), np.zeros(neurons, int)
    smallest = math.inf
    found = _each(deconvolve_blocks(blocks(), method, chosen, processes))
    for neuron, part, number in progress(found, f"deconvolve ({method})", neurons, "neuron"):
        if number == 0:
            own = part.events.reshape(len(part.events), trials, bins)
            events[:, :, part.first : part.first + len(own)] = own.transpose(1, 2, 0)
            least = smallest_event(own)
            smallest = min(smallest, least) if math.isfinite(least) else smallest
        estimates[neuron], silent[neuron] = part.estimates[number], part.silent[number]
        lost[neuron] = part.lost[number]
    numbers = recording["neuron"].values
    if lost.any():
        recording = recording.assign(fluorescence=_without_lost(fluorescence, events))
        _say(f"{place}: {lost.sum()} samples between gaps, in pieces too short, are left missing", numbers[lost > 0])
    if silent.all() and chosen.silent_probability is not None:
        raise UserError(
            f"{place}: fluorescence: expected transients, found none that noise alone would not give, in any of "
            f"{neurons} neurons. Look at the traces, or set silent_probability to null."
        )
    if silent.any():
        _say(f"{place}: silent (no transient that noise would not give; no events)", numbers[silent])
    return _with_events(recording, events, estimates, silent, method, chosen, smallest)


def _each(blocks: Iterator[BlockEvents]) -> Iterator[tuple[int, BlockEvents, int]]:
    """Yield (position in the recording, block, position in it) of every neuron."""
    for block in blocks:
        for number in range(len(block.silent)):
            yield block.first + number, block, number


def _say(what: str, numbers: np.ndarray) -> None:
    """Tell the user of some neurons, by all their numbers."""
    print(f"{what}: {named_neurons(numbers, len(numbers))}", file=sys.stderr)


def _without_lost(fluorescence: xr.DataArray, events: Any) -> tuple:
    """Return `fluorescence`, missing where `events` (array, or dataset on disk) are, as xarray takes it."""

    def block(first: int, stop: int) -> np.ndarray:
        return np.where(np.isnan(events[..., first:stop]), np.float32(np.nan), fluorescence[..., first:stop].values)

    lazy = LazyArray(fluorescence.shape, np.float32, block)
    values = block(0, events.shape[-1]) if isinstance(events, np.ndarray) else lazy.indexed()
    return fluorescence.dims, values, fluorescence.attrs


def _with_events(
    recording: xr.Dataset,
    events: Any,
    estimates: np.ndarray,
    silent: np.ndarray,
    method: str,
    options: Options,
    smallest: float,
) -> xr.Dataset:
    if options.normalise:
        least = options.event_minimum
    elif options.s_min is not None and options.s_min > 0:
        least = options.s_min
    else:
        least = smallest if math.isfinite(smallest) else options.event_minimum
    if not isinstance(events, np.ndarray):
        stored = events
        events = LazyArray(stored.shape, np.float32, lambda first, stop: stored[..., first:stop]).indexed()
    variables: dict[str, tuple] = {
        "events": (("trial", "time", "neuron"), events, "1", "deconvolved events (NaN: not sampled)")
    }
    described = {
        "decay_time": ("s", "decay time of calcium used by the deconvolution"),
        "baseline": ("1", "baseline of the fluorescence"),
        "noise_sd": ("1", "standard deviation of the noise of the fluorescence"),
        "event_threshold": ("1", "smallest event in the unit of the fluorescence"),
    }
    for column, (name, (units, long_name)) in zip(estimates.T, described.items(), strict=True):
        variables[name] = (("neuron",), column.astype(np.float32), units, long_name)
    if options.silent_probability is not None:
        variables["silent"] = (("neuron",), silent.astype(np.int8), "1", "1: noise alone gives such a trace; no events")
    result = recording.assign(
        {
            name: (dims, values, {"units": units, "long_name": long_name})
            for name, (dims, values, units, long_name) in variables.items()
        }
    )
    result.attrs["deconvolution"] = method
    result.attrs["event_minimum"] = float(least * (1 - EVENT_MINIMUM_MARGIN))
    result.attrs["deconvolution_parameters"] = attribute(options.to_dict())
    return put_earlier(result, options.event_delay_s) if options.event_delay_s else result


def _check_samples(fluorescence: xr.DataArray, spacing: float | None, names: list[str], place: str) -> None:
    """Check that `fluorescence` [trial, time, neuron] is finite where sampled.

    Given `spacing`, also that each neuron is sampled every so many bins throughout every trial.
    """
    gap = math.inf if spacing is None else math.ceil(spacing - 1e-6)
    infinite, first, others = False, None, 0
    for block in neuron_blocks(fluorescence.shape):
        values = fluorescence[..., block].values
        infinite = infinite or bool(np.isinf(values).any())
        if gap < values.shape[1]:
            holes = _holes(np.isfinite(values), int(gap))
            others += len(np.unique(holes[:, 0]))
            if first is None and len(holes):
                first = holes[0] + [block.start, 0, 0]
    if first is not None:
        neuron, trial, start = first
        raise UserError(
            f"{names[neuron]}: expected a sample in every {gap} bin{'s' if gap > 1 else ''} (imaging frame), "
            f"found only NaN from bin {start} of trial {trial} on; {others} "
            f"neuron{'s have' if others > 1 else ' has'} such holes. Make the recording with a sample a frame, "
            "or leave the neuron out."
        )
    if infinite:
        raise UserError(f"{place}: fluorescence: expected finite values or NaN (not sampled), found infinity.")


def _holes(mask: np.ndarray, gap: int) -> np.ndarray:
    """Return (neuron, trial, first bin) of every window of `gap` bins without a sample (mask [trial, time, neuron])."""
    counts = np.cumsum(mask, axis=1, dtype=np.int32)
    windows = counts[:, gap - 1 :].copy()
    windows[:, 1:] -= counts[:, :-gap]
    return np.argwhere(windows.transpose(2, 0, 1) == 0)

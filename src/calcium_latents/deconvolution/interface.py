"""One call for every deconvolution method: a recording with fluorescence in, the same recording with events
out."""

import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from calcium_latents.deconvolution.options import Options
from calcium_latents.deconvolution.rescaling import (
    EVENT_MINIMUM_MARGIN,
    rescale_events,
    smallest_event,
    snap_events,
)
from calcium_latents.deconvolution.traces import MINIMUM_SAMPLES, autoregressive_decay, caiman_decay, noise_level
from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.recordings.netcdf import attribute

#: Method name to the module that has `deconvolve_trace(trace, s_min, *, decay, baseline_nonnegative)`. A new
#: method is one module and one line.
METHODS = {
    "oasis": "calcium_latents.deconvolution.oasis",
    "caiman": "calcium_latents.deconvolution.caiman",
}


@dataclass(frozen=True)
class _Job:
    """One trace with what its neuron is called in messages."""

    name: str
    trace: np.ndarray
    sample_interval_s: float


def deconvolve(
    recording: xr.Dataset,
    method: str = "oasis",
    *,
    processes: int = 1,
    path: str | None = None,
    **options: Any,
) -> xr.Dataset:
    """Add `events` to a recording.

    The sampled values of a neuron form one trace: through all trials where the recording says
    `consecutive_trials`, otherwise each trial by itself. Events stand where the samples stood, NaN elsewhere.

    Parameters
    ----------
    recording
        Recording with `fluorescence` (trial, time, neuron).
    method
        'oasis' (CaImAn's recipe through oasis-deconv) or 'caiman' (CaImAn itself).
    processes
        Worker processes; the result does not depend on it.
    path
        File of the recording, for messages.
    options
        Fields of `Options`.

    Returns
    -------
    The recording with `events` (float32), per-neuron `decay_time` (s), `baseline`, `noise_sd` and
    `event_threshold` (means over trials where each was deconvolved by itself), and attributes
    `deconvolution`, `deconvolution_parameters` and `event_minimum`: a number just below (by 1e-4 of it) the
    smallest possible event, so that rounding leaves no event at or below it. Events below `s_min` by rounding
    are set to `s_min`.

    Raises
    ------
    UserError
        An option is out of range, the method is not installed, or a trace has missing samples, is constant,
        too short, or has no usable decay; the message names the file and the neuron.
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
    fluorescence = recording["fluorescence"].transpose("trial", "time", "neuron").values
    mask = np.isfinite(fluorescence)
    if np.isinf(fluorescence).any():
        raise UserError(f"{place}: fluorescence: expected finite values or NaN (not sampled), found infinity.")
    interval = 1.0 / float(recording.attrs["imaging_rate_hz"])
    names = [f"{place}: neuron {label}" for label in recording["neuron"].values]
    _check_regular(mask, interval / float(recording.attrs["bin_width_s"]), names)

    trials, bins, neurons = fluorescence.shape
    joined = bool(recording.attrs.get("consecutive_trials", 0)) or trials == 1
    pieces = [slice(None)] if joined else [slice(trial, trial + 1) for trial in range(trials)]
    jobs, targets = [], []
    for neuron in range(neurons):
        for number, piece in enumerate(pieces):
            where = mask[piece, :, neuron]
            name = names[neuron] if joined else f"{names[neuron]}, trial {recording['trial'].values[number]}"
            jobs.append(_Job(name, fluorescence[piece, :, neuron][where].astype(float), interval))
            targets.append((neuron, piece, where))

    events = np.full_like(fluorescence, np.nan, dtype=np.float32)
    estimates = np.zeros((neurons, 4))
    smallest = math.inf
    results = progress(_run(jobs, method, chosen, processes), f"deconvolve ({method})", len(jobs), "trace")
    for (neuron, piece, where), (trace_events, estimate) in zip(targets, results, strict=True):
        events[piece, :, neuron][where] = trace_events
        estimates[neuron] += np.array(estimate) / len(pieces)
        least = smallest_event(trace_events)
        smallest = min(smallest, least) if math.isfinite(least) else smallest
    return _with_events(recording, events, estimates, method, chosen, smallest)


def _with_events(
    recording: xr.Dataset,
    events: np.ndarray,
    estimates: np.ndarray,
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
    result = recording.assign(
        {
            name: (dims, values, {"units": units, "long_name": long_name})
            for name, (dims, values, units, long_name) in variables.items()
        }
    )
    result.attrs["deconvolution"] = method
    result.attrs["event_minimum"] = float(least * (1 - EVENT_MINIMUM_MARGIN))
    result.attrs["deconvolution_parameters"] = attribute(options.to_dict())
    return result


def _run(jobs: list[_Job], method: str, options: Options, processes: int) -> Iterator[tuple]:
    arguments = (jobs, [method] * len(jobs), [options] * len(jobs))
    if processes <= 1:
        yield from map(_deconvolve_one, *arguments)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_deconvolve_one, *arguments, chunksize=max(1, len(jobs) // (4 * processes)))


def _deconvolve_one(job: _Job, method: str, options: Options) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return events [sample] and (decay time, baseline, noise, threshold) of one trace."""
    decay = _usable_decay(job, options)
    deconvolve_trace = import_module(METHODS[method]).deconvolve_trace
    result = deconvolve_trace(job.trace, options.s_min, decay=decay, baseline_nonnegative=options.baseline_nonnegative)
    events = np.asarray(result.events, dtype=float)
    if not np.isfinite(events).all():
        raise UserError(f"{job.name}: deconvolution gave values that are not finite. Look at this trace's scale.")
    # A residue of the solver, or of float32, may stand just below the threshold or just above zero.
    events = snap_events(events, result.minimum, job.name)
    threshold = result.minimum or smallest_event(events)
    if options.normalise and np.isfinite(threshold):
        events = snap_events(rescale_events(events, threshold, options.event_minimum), options.event_minimum, job.name)
    decay_time = -job.sample_interval_s / math.log(result.decay) if 0 < result.decay < 1 else 0.0
    return events.astype(np.float32), (
        decay_time,
        result.baseline,
        result.noise,
        0.0 if math.isnan(threshold) else threshold,
    )


def _usable_decay(job: _Job, options: Options) -> float | None:
    """Check a trace; return the decay to impose, or None where the method's own estimate stands."""
    trace = job.trace
    if trace.size < MINIMUM_SAMPLES:
        raise UserError(
            f"{job.name}: expected at least {MINIMUM_SAMPLES} samples of fluorescence, found "
            f"{trace.size}. Record or keep longer pieces (trials that follow each other may be joined: "
            "consecutive_trials = 1), or leave this neuron out."
        )
    if np.ptp(trace) <= 1e-12 * max(1.0, float(np.abs(trace).max())):
        raise UserError(
            f"{job.name}: expected fluorescence that varies, found the constant {trace[0]:.6g}. Leave this neuron out."
        )
    decay = autoregressive_decay(trace, noise_level(trace))
    if options.decay_time_limits_s is not None:
        low, high = (math.exp(-job.sample_interval_s / limit) for limit in options.decay_time_limits_s)
        return min(max(decay, low), high) if math.isfinite(decay) else low
    if 0.0 < decay < 1.0:
        return None
    if options.decay_outside_range == "caiman":
        return caiman_decay(decay)
    looks = "it drifts or is unstable" if decay >= 1 else "it looks like noise without transients"
    raise UserError(
        f"{job.name}: expected fluorescence whose autocovariance decays (factor per sample between 0 and 1), "
        f"found {decay:.3g}: {looks}. Set decay_time_limits_s (for example [0.3, 0.8]), set "
        "decay_outside_range to 'caiman', or leave this neuron out."
    )


def _check_regular(mask: np.ndarray, spacing: float, names: list[str]) -> None:
    """Check that each neuron is sampled every `spacing` bins throughout every trial (mask [trial, time,
    neuron])."""
    gap = math.ceil(spacing - 1e-6)
    bins = mask.shape[1]
    if gap >= bins:
        return
    # A window of `gap` bins that holds no sample is a hole.
    counts = np.cumsum(mask, axis=1, dtype=np.int32)
    windows = counts[:, gap - 1 :].copy()
    windows[:, 1:] -= counts[:, :-gap]
    holes = np.argwhere(windows.transpose(2, 0, 1) == 0)
    if len(holes):
        neuron, trial, start = holes[0]
        others = len(np.unique(holes[:, 0]))
        raise UserError(
            f"{names[neuron]}: expected a sample in every {gap} bin{'s' if gap > 1 else ''} (imaging frame), "
            f"found only NaN from bin {start} of trial {trial} on; {others} "
            f"neuron{'s have' if others > 1 else ' has'} such holes. Interpolate lost frames, cut them away, "
            "or leave the neuron out."
        )

"""One neuron's trace, with missing samples, to events."""

import math
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from calcium_latents.deconvolution.options import Options
from calcium_latents.deconvolution.pieces import SHORT_GAP, SHORTEST_PIECE, bridged_pieces, longest_bridge
from calcium_latents.deconvolution.rescaling import rescale_events, smallest_event, snap_events
from calcium_latents.deconvolution.silence import noise_probability
from calcium_latents.deconvolution.traces import (
    MINIMUM_SAMPLES,
    DeconvolvedTrace,
    autoregressive_decay,
    caiman_decay,
    noise_level,
)
from calcium_latents.errors import UserError

#: Method name to the module that has `deconvolve_trace(trace, s_min, *, decay, noise, baseline, baseline_nonnegative)`.
#: A new method is one module and one line.
METHODS = {
    "oasis": "calcium_latents.deconvolution.oasis",
    "caiman": "calcium_latents.deconvolution.caiman",
}


@dataclass(frozen=True)
class NeuronEvents:
    """What deconvolution makes of one trace.

    Attributes:
        events: [time], NaN where the trace is, and in pieces too short to be deconvolved.
        estimates: decay time (s), baseline, noise, threshold (the unit of the fluorescence).
        noise_probability: that noise alone gives as clear transients; 0 where that is not asked for.
    """

    events: np.ndarray
    estimates: tuple[float, float, float, float]
    noise_probability: float


def deconvolve_neuron(
    trace: np.ndarray, method: str, options: Options, sample_interval_s: float, name: str
) -> NeuronEvents:
    """Deconvolve one trace [time] (NaN: not sampled); `name` is its neuron's in messages.

    Short gaps are bridged by a line. Long ones divide the trace: its pieces share noise, decay and baseline.

    Raises
    ------
    UserError
        The trace is too short, constant, or has no usable decay.
    """
    trace = np.asarray(trace, dtype=float)
    sampled = np.isfinite(trace)
    pieces = first = bridged_pieces(trace, SHORT_GAP)
    _check(trace if sampled.all() else trace[sampled], pieces, name)
    noise = noise_level(np.concatenate(list(pieces.values())))
    estimate = autoregressive_decay(list(pieces.values()), noise)
    imposed = _imposed_decay(estimate, options, sample_interval_s, name)
    decay = caiman_decay(estimate) if imposed is None else imposed
    if not sampled.all():
        pieces = bridged_pieces(trace, longest_bridge(decay)) or pieces
    known: dict[str, float | None] = {"decay": decay, "noise": noise}
    if len(pieces) == 1 and (method == "caiman" or pieces.keys() != first.keys()):
        known = {"decay": imposed}  # CaImAn estimates both itself, and longer bridges change both
    results = _deconvolve_pieces(list(pieces.values()), method, options, known)
    result, events = results[0], np.full(trace.shape, np.nan)
    for (start, stop), part in zip(pieces, results, strict=True):
        if not np.isfinite(part.events).all():
            raise UserError(f"{name}: deconvolution gave values that are not finite. Look at this trace's scale.")
        events[start:stop] = part.events
    events[~sampled] = np.nan
    where = np.flatnonzero(np.abs(events) > 0)
    # A residue of the solver, or of float32, may stand just below the threshold or just above zero.
    found = snap_events(events[where], result.minimum, name)
    threshold = result.minimum or smallest_event(found)
    if options.normalise and np.isfinite(threshold):
        found = snap_events(rescale_events(found, threshold, options.event_minimum), options.event_minimum, name)
    events[where] = found
    decay_time = -sample_interval_s / math.log(result.decay) if 0 < result.decay < 1 else 0.0
    known_threshold = 0.0 if math.isnan(threshold) else threshold
    tested = options.silent_probability is not None
    return NeuronEvents(
        events.astype(np.float32),
        (decay_time, result.baseline, result.noise, known_threshold),
        noise_probability(list(pieces.values()), result.noise, result.decay) if tested else 0.0,
    )


def _deconvolve_pieces(
    pieces: list[np.ndarray], method: str, options: Options, known: dict[str, float | None]
) -> list[DeconvolvedTrace]:
    deconvolve_trace = import_module(METHODS[method]).deconvolve_trace
    known = {**known, "baseline_nonnegative": options.baseline_nonnegative}
    if len(pieces) > 1:
        # One baseline of all pieces: that of their concatenation, in which a few joints do not matter.
        known["baseline"] = deconvolve_trace(np.concatenate(pieces), None, **known).baseline
    return [deconvolve_trace(piece, options.s_min, **known) for piece in pieces]


def _check(samples: np.ndarray, pieces: dict, name: str) -> None:
    if samples.size < MINIMUM_SAMPLES:
        raise UserError(
            f"{name}: expected at least {MINIMUM_SAMPLES} samples of fluorescence, found "
            f"{samples.size or 'only NaN'}. Record or keep longer pieces (trials that follow each other may be joined: "
            "consecutive_trials = 1), or leave this neuron out."
        )
    if sum(map(len, pieces.values())) < MINIMUM_SAMPLES:
        raise UserError(
            f"{name}: expected at least {MINIMUM_SAMPLES} samples in pieces of {SHORTEST_PIECE} and more without a gap "
            f"of more than {SHORT_GAP}, found {samples.size} samples in shorter pieces. Leave this neuron out."
        )
    if np.ptp(samples) <= 1e-12 * max(1.0, float(np.abs(samples).max())):
        raise UserError(
            f"{name}: expected fluorescence that varies, found the constant {samples[0]:.6g}. Leave this neuron out."
        )


def _imposed_decay(decay: float, options: Options, sample_interval_s: float, name: str) -> float | None:
    """Return the decay to impose, or None where the method's own estimate stands."""
    if options.decay_time_limits_s is not None:
        low, high = (math.exp(-sample_interval_s / limit) for limit in options.decay_time_limits_s)
        return min(max(decay, low), high) if math.isfinite(decay) else low
    if 0.0 < decay < 1.0:
        return None
    if options.decay_outside_range == "caiman":
        return caiman_decay(decay)
    looks = "it drifts or is unstable" if decay >= 1 else "it looks like noise without transients"
    raise UserError(
        f"{name}: expected fluorescence whose autocovariance decays (factor per sample between 0 and 1), "
        f"found {decay:.3g}: {looks}. Set decay_time_limits_s (for example [0.3, 0.8]), set "
        "decay_outside_range to 'caiman', or leave this neuron out."
    )

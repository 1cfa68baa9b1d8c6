"""Scores of held-out samples by window of time, and comparisons between methods, paired by window.

Models say more than rates: a distribution for each sample, which may be too sure of itself although its rates tell
much. Baselines' rates may be scaled badly. So that neither decides, `score_samples` can pool every method alike with
one prediction (the constant rate): p = (1 - share) p_constant + share p_method, with one share a method and likelihood,
which is that of the largest likelihood on the windows of the other half (every second one). No sample has a say in its
own score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from calcium_latents.errors import UserError
from calcium_latents.metrics.held_out import (
    EventParameters,
    bernoulli_log_likelihood,
    zero_inflated_gamma_log_likelihood,
)
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import bootstrap

LIKELIHOODS = ("zero_inflated_gamma", "bernoulli")


@dataclass(frozen=True)
class HeldOut:
    """Held-out samples.

    Attributes:
        where: numbers of trial, time and neuron, each `[sample]`.
        events: `[sample]`.
        window: `[sample]`, number of the window of time.
        shape: (trial, time, neuron), size of what they were held out from.
    """

    where: tuple[np.ndarray, ...]
    events: np.ndarray
    window: np.ndarray
    shape: tuple[int, ...]

    def of(self, parameters: EventParameters) -> EventParameters:
        """Return parameters that are broadcastable to (trial, time, neuron) as those of the samples `[sample]`."""
        values = (parameters.shape, parameters.scale, parameters.probability)
        return EventParameters(*(np.broadcast_to(value, self.shape)[self.where] for value in values))

    def among(self, keep: np.ndarray) -> "HeldOut":
        """Return the samples of `keep`, bool [sample]."""
        return HeldOut(tuple(at[keep] for at in self.where), self.events[keep], self.window[keep], self.shape)


def held_out_samples(events: np.ndarray, held_out: np.ndarray, window_bins: int | None = None) -> HeldOut:
    """Return the samples that are held out and were taken.

    Args:
        events: [trial, time, neuron], NaN = not sampled.
        held_out: bool [trial, time, neuron]; samples hidden from every method.
        window_bins: cut trials into windows of so many bins (for one long trial); None: a window is a trial.
    """
    if events.shape != held_out.shape:
        raise UserError(f"held_out: expected the shape of events {events.shape}, found {held_out.shape}.")
    where = np.nonzero(held_out & np.isfinite(events))
    length = window_bins or events.shape[1]
    window = where[0] * -(-events.shape[1] // length) + where[1] // length
    return HeldOut(where, events[where].astype(np.float64), window, events.shape)


def score_held_out(
    events: np.ndarray,
    held_out: np.ndarray,
    predictions: Mapping[str, EventParameters],
    event_minimum: float,
    window_bins: int | None = None,
) -> pd.DataFrame:
    """Sum the log-likelihoods of held-out samples per model and window; see `held_out_samples` and `score_samples`.

    Args:
        events: [trial, time, neuron], NaN = not sampled.
        held_out: bool [trial, time, neuron]; samples hidden from every method.
        predictions: name -> parameters, broadcastable to `events`.
        event_minimum: smallest event.
        window_bins: cut trials into windows of so many bins.
    """
    samples = held_out_samples(events, held_out, window_bins)
    return score_samples(samples, {name: samples.of(one) for name, one in predictions.items()}, event_minimum)


def score_samples(
    samples: HeldOut, predictions: Mapping[str, EventParameters], event_minimum: float, pool: str | None = None
) -> pd.DataFrame:
    """Sum the log-likelihoods of held-out samples per model and window.

    Args:
        samples: what is scored.
        predictions: name -> parameters [sample].
        event_minimum: smallest event.
        pool: name of the prediction that every method is pooled with (see above); None: methods as they are.

    Returns:
        Columns model, window, samples, events, zero_inflated_gamma_nats, bernoulli_nats. Windows without
        held-out samples are left out.
    """
    happened = samples.events > 0
    if not happened.any():
        raise UserError("held_out: expected at least one event among the held-out samples; hold out more samples.")
    windows, window = np.unique(samples.window, return_inverse=True)

    def likelihoods(name: str) -> tuple[np.ndarray, np.ndarray]:
        full = zero_inflated_gamma_log_likelihood(samples.events, predictions[name], event_minimum)
        event = bernoulli_log_likelihood(samples.events, predictions[name].probability)
        if not (np.isfinite(full).all() and np.isfinite(event).all()):
            raise UserError(f"{name}: expected finite likelihoods of the held-out samples; check its parameters.")
        return full, event

    pooled_with = likelihoods(pool) if pool else (None, None)
    tables = []
    for name in predictions:
        columns = {
            "model": name,
            "window": windows,
            "samples": np.bincount(window),
            "events": np.bincount(window, happened).astype(int),
        }
        for likelihood, values, other in zip(LIKELIHOODS, likelihoods(name), pooled_with, strict=True):
            nats = values if other is None else pooled(values, other, window % 2)
            columns[f"{likelihood}_nats"] = np.bincount(window, nats)
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def pooled(values: np.ndarray, other: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return the log-likelihoods [sample] of a method pooled with another's.

    Args:
        values, other: log-likelihoods, [sample].
        half: [sample], 0 or 1; the share of one half is that which is best for the other. A sole half stays as it is.
    """
    result = values.copy()
    if np.ptp(half) == 0:
        return result
    ratio = np.exp(np.minimum(values - other, 50.0)) - 1
    for own in (0, 1):
        seen = ratio[half != own]
        found = minimize_scalar(
            lambda share, seen=seen: -np.log1p(share * seen).mean(),
            bounds=(0, 1),
            method="bounded",
            options={"xatol": 1e-3},
        )
        use = half == own
        result[use] = other[use] + np.log1p(float(found.x) * ratio[use])
    return result


def compare_held_out(
    scores: pd.DataFrame,
    reference: str = "constant",
    confidence: float = 0.95,
    repeats: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every model with `reference`: gain per held-out event, paired bootstrap over windows.

    Args:
        scores: the result of `score_held_out`.

    Returns:
        Columns likelihood, model, reference, nats_per_event, bits_per_event, lower_bits, upper_bits, windows,
        events, samples.
    """
    models = list(dict.fromkeys(scores["model"]))
    if reference not in models:
        raise UserError(f"reference: expected one of {models}, found {reference!r}.")
    rows = []
    for likelihood in LIKELIHOODS:
        wide = scores.pivot(index="window", columns="model", values=f"{likelihood}_nats")
        events = scores[scores["model"] == reference].set_index("window")["events"].reindex(wide.index).to_numpy()
        for model in models:
            gain = (wide[model] - wide[reference]).to_numpy()
            nats = gain.sum() / events.sum()
            # the same windows are drawn for every model
            rng = generator(seed, "compare_held_out")
            lower, upper = bootstrap(len(gain), partial(_bits_per_event, gain, events), rng, repeats, confidence)
            rows.append(
                {
                    "likelihood": likelihood,
                    "model": model,
                    "reference": reference,
                    "nats_per_event": nats,
                    "bits_per_event": nats / np.log(2),
                    "lower_bits": lower,
                    "upper_bits": upper,
                    "windows": len(wide),
                    "events": int(events.sum()),
                    "samples": int(scores.loc[scores["model"] == reference, "samples"].sum()),
                }
            )
    return pd.DataFrame(rows)


def _bits_per_event(gain: np.ndarray, events: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Return gain [window] in bits per event of drawn `windows` [..., window]; NaN where these have no event."""
    total = events[windows].sum(axis=-1)
    return gain[windows].sum(axis=-1) / np.where(total > 0, total, np.nan) / np.log(2)

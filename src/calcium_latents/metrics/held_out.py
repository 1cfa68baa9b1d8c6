"""How well hidden samples of a real recording are predicted: likelihood of held-out events under models and
baselines.

A sample is one value of one neuron in one imaging frame: zero, or an event of at least `event_minimum`.
Scores are log-likelihoods of the held-out samples under the zero-inflated gamma distribution (RADICaL,
Methods; facts: a point mass 1 - q at zero, a gamma density of the excess over `event_minimum` otherwise) and
under its Bernoulli part alone (event or none). The former minus the latter is what is known of event sizes.

Models that keep their distribution (`event_probability`, `event_shape`, `event_scale` of the Inferred) are
scored with it: probability and sizes may differ from sample to sample. Models that give rates alone, and all
baselines, have sizes that are constant per neuron, fitted to its training samples: their two scores gain the
same.

The baselines here see the same samples as a model does: a constant rate per neuron; the neuron's own other
samples, Gaussian-smoothed; and the whole population's other samples, Gaussian-smoothed. Widths are chosen on
training samples that are hidden meanwhile. How predictions are scored: `held_out_scores`.

A limit that holds for all alike: samples are hidden after deconvolution. OASIS saw the fluorescence behind
them when it placed the events around them, so the shown samples know a little of the hidden ones.

Density is not probability: only differences between models on the same samples mean something. They are
reported in nats and bits per held-out event, with an interval from resampling whole windows, paired between
models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter1d
from scipy.special import digamma, gammaln, polygamma, xlog1py, xlogy

from calcium_latents.distributions.excess import RELATIVE_GAP
from calcium_latents.errors import UserError
from calcium_latents.recordings.inferred import DISTRIBUTION

WIDTHS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
CHOICE_SAMPLES = 4_000_000
PROBABILITY_FLOOR = 1e-5  # the clip of RADICaL's q


@dataclass(frozen=True)
class EventParameters:
    """Zero-inflated gamma parameters, each broadcastable to the events.

    Shape, scale (event units), probability of an event.
    """

    shape: np.ndarray
    scale: np.ndarray
    probability: np.ndarray

    def among(self, keep: np.ndarray) -> "EventParameters":
        """Return those of `keep`, bool [sample], of parameters [sample]."""
        return EventParameters(self.shape[keep], self.scale[keep], self.probability[keep])


def zero_inflated_gamma_log_likelihood(
    events: np.ndarray, parameters: EventParameters, event_minimum: float
) -> np.ndarray:
    """Return the log-likelihood (nats) of every sample [trial, time, neuron]; NaN where `events` is NaN.

    zero: log(1 - q). event x: log q + (k - 1) log e - e / s - k log s - log Gamma(k), with e = x -
        event_minimum.
    An event at `event_minimum` has e = 0 and an infinite density for k < 1, so e is at least `RELATIVE_GAP` of
    `event_minimum`, as in training.
    """
    q = np.clip(parameters.probability, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    excess = np.maximum(events - event_minimum, RELATIVE_GAP * event_minimum)
    k, s = parameters.shape, parameters.scale
    density = xlogy(k - 1, excess) - excess / s - k * np.log(s) - gammaln(k)
    value = np.where(events > 0, np.log(q) + density, np.log1p(-q))
    return np.where(np.isfinite(events), value, np.nan)


def bernoulli_log_likelihood(events: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return the log-likelihood (nats) of event or no event for every sample [trial, time, neuron]; NaN as `events`."""
    q = np.clip(probability, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    happened = (events > 0).astype(np.float64)
    value = xlogy(happened, q) + xlog1py(1 - happened, -q)
    return np.where(np.isfinite(events), value, np.nan)


def fit_constant_rate(events: np.ndarray, training: np.ndarray, event_minimum: float) -> EventParameters:
    """Fit one zero-inflated gamma per neuron to the training samples: [trial, time, neuron] -> parameters
    [neuron].

    q = (events + 1/2) / (samples + 1); shape and scale by maximum likelihood on the excess over
    `event_minimum`. Neurons with fewer than five training events borrow the population's shape and scale.
    """
    use = training & np.isfinite(events)
    event = use & (events > 0)
    q = (event.sum(axis=(0, 1)) + 0.5) / (use.sum(axis=(0, 1)) + 1.0)
    excess = np.maximum(events - event_minimum, RELATIVE_GAP * event_minimum)
    if not event.any():
        raise UserError("events: expected at least one event among the training samples, found none.")
    pooled = _fit_gamma(excess[event])
    fits = [
        _fit_gamma(excess[..., n][event[..., n]]) if event[..., n].sum() >= 5 else pooled
        for n in range(events.shape[-1])
    ]
    shape, scale = np.array(fits).T
    return EventParameters(shape, scale, q)


def smoothed(
    events: np.ndarray,
    training: np.ndarray,
    validation: np.ndarray,
    constant: EventParameters,
    bin_width_s: float,
    population: bool,
    widths_s: Sequence[float] = WIDTHS_S,
    strengths: Sequence[float] = STRENGTHS,
) -> tuple[EventParameters, dict[str, float]]:
    """Predict each neuron from training samples; width and prior strength chosen on those of `validation`.

    From its own: q(t) = (a q_n + sum_u K(t - u) e_n(u)) / (a + sum_u K(t - u)) over the neuron's training samples u
    in the same trial, with e = 1 for an event, K a Gaussian with peak 1, and a (strength) the weight, in samples, of
    its mean q_n. From the `population`, as its mean times a gain that all neurons share: q_n(t) = q_n (a + sum of K e
    over neurons and samples) / (a + sum of K q), with a in expected events.

    While width and strength are chosen, no sample of `validation` (bool, of the shape of `events`) tells of others.

    Returns:
        Parameters [trial, time, neuron] and the chosen {width_s, strength, validation_nats}.
    """
    use = training & np.isfinite(events)
    happened = np.where(use, events > 0, False).astype(np.float32)
    mean = constant.probability.astype(np.float32)  # a long session in double precision would take gigabytes
    # Two parameters need no more than a few million samples: the first bins of each trial stand for the rest.
    piece = np.s_[:, : max(1, CHOICE_SAMPLES // (events.shape[0] * events.shape[2]))]
    seen = use[piece] & ~validation[piece]
    hits_here = np.where(seen, happened[piece], np.float32(0))
    observed = np.where(use[piece] & validation[piece], events[piece], np.nan)
    best = (-np.inf, 0.0, 0.0)
    for width in widths_s:
        hits, weight = (_kernel_sum(values, width / bin_width_s) for values in (hits_here, seen.astype(np.float32)))
        for strength in strengths:
            left_out = _probability(hits, weight, mean, strength, population)
            score = float(np.nanmean(bernoulli_log_likelihood(observed, left_out)))
            best = max(best, (score, width, strength))
    score, width, strength = best
    if not width:
        raise UserError("widths_s: expected at least one width and one strength.")
    hits, weight = (_kernel_sum(values, width / bin_width_s) for values in (happened, use.astype(np.float32)))
    q = _probability(hits, weight, mean, strength, population)
    choice = {"width_s": float(width), "strength": float(strength), "validation_nats": score}
    return EventParameters(constant.shape, constant.scale, q), choice


def mean_size(parameters: EventParameters, event_minimum: float) -> np.ndarray:
    """Return the mean size of an event."""
    return event_minimum + parameters.shape * parameters.scale


def from_event_rate(
    event_rate: np.ndarray, imaging_rate_hz: float, constant: EventParameters, event_minimum: float
) -> EventParameters:
    """Turn predicted event rates, 1/s, of any shape that `constant` is broadcastable to, into parameters.

    Sizes as in `constant`, q = mean event per sample / mean event size.
    """
    q = event_rate / imaging_rate_hz / mean_size(constant, event_minimum)
    q = np.clip(q, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return EventParameters(constant.shape, constant.scale, q)


def at_samples(
    recording: xr.Dataset, session: xr.Dataset, where: tuple[np.ndarray, ...], name: str = "event_rate"
) -> np.ndarray:
    """Return the variable `name` [1, time, neuron] of a stitched session in the bins of samples of `recording`.

    Values of imaging frames come at the bin in the middle of the frame; with the attribute `bin_width_s` the whole
    frame around it counts.

    Args:
        recording: Recording [trial, frame, neuron].
        session: stitched Inferred.
        where: numbers of trial, frame and neuron, each [sample] (or shapes that broadcast).

    Returns:
        [sample]; NaN where the session has no value.
    """
    trial, frame, neuron = where
    start = recording["trial_start"].values[trial] + recording["time"].values[frame]
    time = session["time"].values
    step = np.diff(time).mean()
    width = session.attrs.get("bin_width_s", step)
    begin = time - (step - width) / 2
    if width * recording.attrs["imaging_rate_hz"] > 0.99:
        # bins are whole frames: the middle of a frame tells whose, since recorded times jitter around an even grid
        sampled = start + 0.5 / recording.attrs["imaging_rate_hz"]
    else:
        sampled = start + recording["sample_offset"].values[trial, neuron]
    bins = np.searchsorted(begin, sampled + 1e-6, side="right") - 1
    found = session[name].values[0][np.clip(bins, 0, len(begin) - 1), neuron]
    return np.where((bins >= 0) & (sampled < begin[-1] + step), found, np.nan)


def predicted(
    recording: xr.Dataset,
    session: xr.Dataset,
    where: tuple[np.ndarray, ...],
    constant: EventParameters,
    event_minimum: float,
) -> tuple[EventParameters, np.ndarray]:
    """Return what a stitched session predicts for samples of `recording`, and where it does (bool), both [sample].

    With the model's own distribution where the session has it, else from its rates with the sizes of `constant`
    [sample]. `where`: numbers of trial, frame and neuron, each [sample].
    """
    if all(name in session for name in DISTRIBUTION):
        q, shape, scale = (at_samples(recording, session, where, name).astype(float) for name in DISTRIBUTION)
        covered = np.isfinite(q)
        return EventParameters(*(np.where(covered, value, 0.5) for value in (shape, scale, q))), covered
    rate = at_samples(recording, session, where)
    covered = np.isfinite(rate)
    rate_hz = float(recording.attrs["imaging_rate_hz"])
    return from_event_rate(np.where(covered, rate, 0.0), rate_hz, constant, event_minimum), covered


def _fit_gamma(values: np.ndarray) -> tuple[float, float]:
    """Maximum-likelihood shape and scale.

    Newton steps from Minka's starting point (2002, "Estimating a gamma distribution").
    """
    mean = values.mean()
    spread = np.log(mean) - np.log(values).mean()
    if spread < 1e-6:  # all values (nearly) equal: narrow but proper
        return 1e3, mean / 1e3
    shape = (3 - spread + np.sqrt((spread - 3) ** 2 + 24 * spread)) / (12 * spread)
    for _ in range(5):
        step = (np.log(shape) - digamma(shape) - spread) / (1 / shape - polygamma(1, shape))
        shape = max(shape - step, shape / 2)
    shape = float(np.clip(shape, 1e-2, 1e3))
    return shape, mean / shape


def _probability(hits, weight, mean, strength, population):
    """Return the smoothed probabilities."""
    if not population:
        return (strength * mean + hits) / (strength + weight)
    gain = (strength + hits.sum(axis=2, keepdims=True)) / (strength + (weight * mean).sum(axis=2, keepdims=True))
    return np.clip(mean * gain, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)


def _kernel_sum(values: np.ndarray, sd_bins: float) -> np.ndarray:
    """Sum values over time under a Gaussian with peak 1, within each trial."""
    impulse = np.zeros(2 * int(4 * sd_bins + 1) + 1)
    impulse[len(impulse) // 2] = 1.0
    peak = float(gaussian_filter1d(impulse, sd_bins, mode="constant").max())
    return np.maximum(gaussian_filter1d(values, sd_bins, axis=1, mode="constant") / peak, 0.0)

"""From a recording, and a model of it, to the box and the tables of its contributions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.analysis.contribution_study import (
    Attribution,
    EncoderModel,
    LinearModel,
    Population,
    attribute,
    choose_shown,
    find_pieces,
    neurons_for_half,
    population_share,
    raw_variance_share,
    spearman,
    surrogate_latents,
    transition_table,
)
from calcium_latents.analysis.contributions import largest, relative_contributions
from calcium_latents.analysis.integrated_gradients import windows
from calcium_latents.analysis.latent_axes import PENALTIES, complete, principal_axes, regression_axes, whitened
from calcium_latents.analysis.recurrence import detect_transitions, largest_step
from calcium_latents.analysis.smoothing import smooth
from calcium_latents.errors import UserError
from calcium_latents.recordings.windows import stitch_windows

#: Parameters and what they are unless given.
DEFAULTS: dict[str, Any] = {
    # "event_rate" (of the inferred file), "smoothed_events" (frames) or "events" (as they are); by method
    "activity": None,
    "sd_s": 0.1,  # width of the smoothing, s
    "missing": "error",  # of events that were not sampled: "error" or "mean" (latent_axes.complete)
    "stitch": False,  # join overlapping windows of the inferred file to one session first
    "components": 5,  # latents: principal components of the activity, or of a model's factors
    "standardise": False,  # divide each neuron's activity by its standard deviation (pca, regression)
    "penalty": list(PENALTIES),  # of the regression, relative
    "slack": 0.01,  # of the regression: share of a latent's variance given up for smaller weights
    "whiten": None,  # give the latents unit covariance; by default all but principal components
    "span_s": 0.5,  # averaged on either side of a transition
    "false_positives": 0.05,  # transitions expected in stationary Gaussian noise
    # neurons shifted independently: no transition is smaller than the largest step in so many of them; by default 20
    # for events, and 0 for a model's rates, which vary together whatever happens
    "surrogates": None,
    "relative_threshold": 0.1,  # ratios are masked where |z| is below this, in root mean squares of z
    "shown_s": 20.0,  # stretch whose contributions are kept in full
    "top": 5,  # neurons kept for each latent
    "tolerance": 1e-3,  # completeness of integrated gradients
    "most_frames": 1000,  # evaluated with integrated gradients
}
EVENTS = ("events", "smoothed_events")


def run(
    recording: xr.Dataset,
    method: str,
    parameters: Mapping[str, Any] | None = None,
    inferred: xr.Dataset | None = None,
    encoder=None,
    seed: int = 0,
) -> tuple[xr.Dataset, pd.DataFrame, pd.DataFrame]:
    """Return contributions, transitions and numbers by latent of one recording.

    Args:
        recording: Recording; its events are used unless the activity is "event_rate".
        method: "pca", "regression" (of the inferred factors) or "integrated_gradients" (of `encoder`).
        parameters: over `DEFAULTS`.
        inferred: Inferred of this recording, where needed.
        encoder: of `cross_encoder.chosen_encoder`, where needed.
        seed: of principal axes of very large populations.

    Returns:
        A dataset (latents and cancellation [trial, time, latent], shares [transition, neuron], ...; see its
        long_names), a table with a row a transition, and a table (quantity, latent, value; latent -1: all together).

    Raises:
        UserError: an input is missing or does not fit, or parameters are unknown.
    """
    unknown = sorted(set(parameters or {}) - set(DEFAULTS))
    if unknown:
        raise UserError(f"parameters: expected some of {sorted(DEFAULTS)}, found {unknown}.")
    options = DEFAULTS | {name: value for name, value in (parameters or {}).items() if value is not None}
    needed = {"regression": ("--inferred", inferred), "integrated_gradients": ("--checkpoint", encoder)}
    if method in needed and needed[method][1] is None:
        raise UserError(f"method {method}: expected {needed[method][0]}, found none.")
    if inferred is not None and options["stitch"]:
        inferred = stitch_windows(inferred, 0.0)
    source = _activity(recording, inferred, method, options)
    population, model, latents, numbers = _model(source, inferred, encoder, method, options, seed)
    step_s = float(np.median(np.diff(source["time"].values))) if source.sizes["time"] > 1 else np.nan
    span = max(1, round(options["span_s"] / step_s)) if np.isfinite(step_s) else 1
    cut = population.split(latents)
    transitions, gaussian = detect_transitions(cut, span, false_positives=options["false_positives"])
    count_surrogates = _surrogates(method, inferred, options) if transitions else 0
    largest_surrogate = (
        largest_step(cut, surrogate_latents(model, count_surrogates, seed), span) if count_surrogates else 0.0
    )
    threshold = max(gaussian, largest_surrogate)
    if threshold > gaussian:
        transitions, _ = detect_transitions(cut, span, limit=threshold)
    attribution = attribute(model, transitions)
    table = transition_table(transitions, attribution, population, source["time"].values, source["trial"].values)
    count = max(1, round(options["shown_s"] / step_s)) if np.isfinite(step_s) else len(latents)
    shown = (
        choose_shown(population, transitions, count) if source.sizes["time"] > 1 else slice(0, min(len(latents), 60))
    )
    box = _box(source, population, model, latents, attribution, table, shown, options)
    box.attrs = {
        "schema": "calcium-latents contributions",
        "method": method,
        "model": str(inferred.attrs["model"]) if inferred is not None else method,
        "activity": options["activity"] or _default_activity(method, inferred),
        "whitened": int(_whiten(method, options)),
        "standardised": int(bool(options["standardise"])),
        "relative_threshold": float(options["relative_threshold"]),
        "transition_threshold": float(threshold),
        "false_positives": float(options["false_positives"]),
        "span_s": float(options["span_s"]),
        "source": str(recording.attrs.get("source", "")),
    }
    numbers |= {
        "missing_fraction": source.attrs["missing_fraction"],
        "gaussian_threshold": gaussian,
        "surrogates": count_surrogates,
        "surrogate_threshold": largest_surrogate,
    }
    return box, table, _summary(box, model, attribution, numbers, len(latents) * step_s)


def _default_activity(method: str, inferred: xr.Dataset | None) -> str:
    if method == "integrated_gradients":
        return "events"
    return "event_rate" if inferred is not None else "smoothed_events"


def _surrogates(method: str, inferred: xr.Dataset | None, options: Mapping[str, Any]) -> int:
    if options["surrogates"] is not None:
        return int(options["surrogates"])
    activity = options["activity"] or _default_activity(method, inferred)
    return 0 if method == "regression" or activity == "event_rate" else 20


def _whiten(method: str, options: Mapping[str, Any]) -> bool:
    return method != "pca" if options["whiten"] is None else bool(options["whiten"])


def _activity(
    recording: xr.Dataset, inferred: xr.Dataset | None, method: str, options: Mapping[str, Any]
) -> xr.Dataset:
    """Return `activity`(trial, time, neuron), NaN where unknown, with coordinates and trial_start."""
    name = options["activity"] or _default_activity(method, inferred)
    missing = 0.0
    if name == "event_rate":
        if inferred is None:
            raise UserError("activity event_rate: expected --inferred, found none.")
        box, values = inferred, inferred["event_rate"].values
    elif name == "smoothed_events":
        box = smooth(recording, "events", options["sd_s"])
        values = box["event_rate"].values
    elif name == "events" and "events" in recording:
        box, values = recording, recording["events"].values
        flat, _, missing = complete(values.reshape(-1, values.shape[-1]), options["missing"])
        if missing:
            values = flat.reshape(values.shape)
    else:
        found = f"{name!r}; the recording has {sorted(map(str, recording.data_vars))}"
        raise UserError(f"activity: expected event_rate, smoothed_events or events, found {found}.")
    start = box["trial_start"].values if "trial_start" in box else np.zeros(len(values))
    return xr.Dataset(
        {
            "activity": (("trial", "time", "neuron"), values),
            "trial_start": ("trial", start, {"units": "s", "long_name": "the trial's zero in the session"}),
        },
        coords={dim: box[dim] for dim in ("trial", "time", "neuron")},
        attrs={"missing_fraction": missing},
    )


def _model(source: xr.Dataset, inferred, encoder, method: str, options: Mapping[str, Any], seed: int):
    """Return the population, the model of its latents, the latents that transitions are looked for in, and numbers."""
    if method == "integrated_gradients":
        return _encoder_model(source, encoder, options)
    values = source["activity"].values
    finite = np.isfinite(values).all(axis=2)
    factors = None
    if method == "regression":
        factors = _factors(inferred, source)
        finite &= np.isfinite(factors).all(axis=2)
    pieces = find_pieces(finite)
    activity = np.concatenate([values[trial, start:stop] for trial, start, stop in pieces])
    unit = np.ones(activity.shape[1])
    if options["standardise"]:
        sd = activity.std(axis=0, dtype=np.float64)
        unit = np.where(sd > 0, sd, 1.0)
        activity = activity / unit
    population = Population(activity, activity, pieces, source["neuron"].values, unit)
    numbers: dict[str, Any] = {}
    if factors is None:
        axes = principal_axes(activity, min(options["components"], *activity.shape), seed=seed)
        mapping = whitened((activity - axes.mean) @ axes.axes) if _whiten(method, options) else None
        numbers["variance_fraction"] = axes.variance / axes.total_variance if axes.total_variance > 0 else np.nan
        model = LinearModel(population, axes, mapping)
        return population, model, model.latents, numbers
    latents = np.concatenate([factors[trial, start:stop] for trial, start, stop in pieces])
    leading = principal_axes(latents, min(options["components"], *latents.shape))
    numbers["factor_variance_fraction"] = leading.variance / leading.total_variance
    latents = (latents - leading.mean) @ leading.axes
    if _whiten(method, options):
        latents = latents @ whitened(latents)
    axes = regression_axes(activity, latents, options["penalty"], slack=options["slack"])
    numbers |= {"residual": axes.residual, "held_out_residual": axes.held_out_residual, "penalty": axes.penalty}
    return population, LinearModel(population, axes), latents - axes.offset, numbers


def _encoder_model(source: xr.Dataset, encoder, options: Mapping[str, Any]):
    ids = source["neuron"].values.tolist()
    absent = [int(i) for i in encoder.sources if int(i) not in ids]
    if absent:
        raise UserError(f"checkpoint: expected source neurons of the recording, found others: {absent[:5]}.")
    chosen = [ids.index(int(i)) for i in encoder.sources]
    values = source["activity"].values[:, :, chosen]
    pieces, inputs, activity = [], [], []
    width = max(encoder.offsets) - min(encoder.offsets)
    for trial, start, stop in find_pieces(np.isfinite(values).all(axis=2)):
        if stop - start > width:
            part, times = windows(values[trial, start:stop], tuple(encoder.offsets))
            inputs.append(part)
            activity.append(values[trial, start:stop][times])
            pieces.append((trial, start + int(times[0]), start + int(times[-1]) + 1))
    if not pieces:
        raise UserError(f"checkpoint: expected trials of more than {width} frames, found none.")
    population = Population(
        np.concatenate(activity), np.concatenate(inputs), tuple(pieces), np.asarray(encoder.sources)
    )
    settings = {
        "frames": len(encoder.offsets),
        "most_frames": options["most_frames"],
        "tolerance": options["tolerance"],
    }
    model = EncoderModel(population, encoder.encode, **settings)
    if _whiten("integrated_gradients", options):
        model = EncoderModel(population, encoder.encode, mapping=whitened(model.latents), **settings)
    return population, model, model.latents, {}


def _factors(inferred: xr.Dataset, source: xr.Dataset) -> np.ndarray:
    """Return the factors [trial, time, factor] in the bins of the source that are nearest in time."""
    if "factors" not in inferred:
        raise UserError("inferred: expected the variable factors for the method regression, found none.")
    if inferred.sizes["trial"] != source.sizes["trial"]:
        found = f"{inferred.sizes['trial']} and {source.sizes['trial']}"
        raise UserError(f"inferred: expected the trials of the activity, found {found} trials.")
    time, wanted = inferred["time"].values, source["time"].values
    nearest = np.abs(time[None] - wanted[:, None]).argmin(axis=1)
    return inferred["factors"].values[:, nearest].astype(np.float64)


def _box(source, population: Population, model, latents, attribution: Attribution, table, shown: slice, options):
    summary = model.summary
    trials, times = source.sizes["trial"], source.sizes["time"]
    cancellation = np.full(model.latents.shape, np.nan)
    cancellation[model.summarised] = summary.cancellation
    values = model.at(shown)
    top = np.array([largest(share, options["top"]) for share in summary.variance_share.T])  # [latent, rank]
    kept = np.stack([values[:, neurons, k].T for k, neurons in enumerate(top)])  # [latent, rank, shown]
    whole = model.latents[shown].T
    piece = int(np.searchsorted(population.first, shown.start, side="right") - 1)
    trial, start, _ = population.pieces[piece]
    begin = start + shown.start - int(population.first[piece])
    shown_time = source["time"].values[begin : begin + shown.stop - shown.start]
    if times == 1:  # presentations of stimuli, a bin each
        shown_time = np.arange(shown.start, shown.stop, dtype=float)
    shown_units = (
        {"units": "s", "long_name": "time in the trial"} if times > 1 else {"units": "1", "long_name": "presentation"}
    )
    ids = population.neuron
    absolute = np.abs(values).sum(axis=1).T
    _, masked = relative_contributions(
        np.zeros((len(model.latents), 1, whole.shape[0])), model.latents, options["relative_threshold"]
    )
    times_s = {name: ("transition", table[name].to_numpy(float)) for name in ("onset_s", "peak_s", "end_s")}
    variables = {
        "latents": (("trial", "time", "latent"), population.grid(model.latents, trials, times), "sum of contributions"),
        "cancellation": (
            ("trial", "time", "latent"),
            population.grid(cancellation, trials, times),
            "1 - |z| / sum of |contributions|",
        ),
        "detection_latents": (
            ("trial", "time", "latent"),
            population.grid(latents, trials, times),
            "latents that transitions were looked for in",
        ),
        "mean_absolute_contribution": (("neuron", "latent"), summary.mean_absolute, "mean of |contribution|"),
        "variance_share": (("neuron", "latent"), summary.variance_share, "cov(contribution, latent) / var(latent)"),
        "mean_share": (("neuron", "latent"), summary.mean_share, "what the mean activity adds to the latent"),
        "population_share": (("neuron",), population_share(summary), "share of the variance of all latents"),
        "raw_variance_share": (
            ("neuron",),
            raw_variance_share(population),
            "share of the variance of the raw activity",
        ),
        "transition_share": (("transition", "neuron"), attribution.share, "share of the transition"),
        "early_share": (("transition", "neuron"), attribution.early_share, "share up to the transition's middle"),
        "movement_share": (("transition", "neuron"), attribution.movement_share, "share of the raw movement"),
        "early_movement": (("transition", "neuron"), attribution.early_movement, "signed early movement, raw activity"),
        "masked_fraction": (("latent",), masked, "part of the frames whose ratios are masked"),
        "latent_size": (("latent",), np.sqrt((model.latents**2).mean(axis=0)), "root mean square of the latent"),
        "completeness_error": (("latent",), model.error, "largest |sum of contributions - change of the latent|"),
        "top_neuron": (("latent", "rank"), ids[top], "neurons with the largest variance share"),
        "shown_contributions": (("latent", "rank", "shown_time"), kept, "contributions of the top neurons"),
        "shown_rest": (
            ("latent", "shown_time"),
            values.sum(axis=1).T - kept.sum(axis=1),
            "contributions of all others",
        ),
        "shown_latents": (("latent", "shown_time"), whole, "sum of contributions"),
        "shown_cancellation": (
            ("latent", "shown_time"),
            1 - np.abs(whole) / np.where(absolute > 0, absolute, np.nan),
            "1 - |z| / sum of |contributions|",
        ),
        "transition_trial": (("transition",), table["trial"].to_numpy(int), "trial"),
        **{
            name: (dims, numbers, "time of the transition in the trial", "s")
            for name, (dims, numbers) in times_s.items()
        },
        "shown_trial": ((), int(source["trial"].values[trial]), "trial of the stretch shown"),
    }
    if isinstance(model, LinearModel):
        variables["axes"] = (("neuron", "latent"), model.axes, "weight of the neuron in the latent")
        variables["mean_activity"] = (("neuron",), np.asarray(model.mean), "subtracted before projecting")
    dataset = xr.Dataset(
        {
            name: (dims, np.asarray(numbers), {"units": rest[0] if rest else "1", "long_name": long_name})
            for name, (dims, numbers, long_name, *rest) in variables.items()
        },
        coords={
            "trial": source["trial"],
            "time": source["time"],
            "neuron": ("neuron", ids, {"units": "1", "long_name": "neuron"}),
            "shown_time": ("shown_time", shown_time, shown_units),
        },
    )
    return dataset.assign(trial_start=source["trial_start"])


def _summary(box: xr.Dataset, model, attribution: Attribution, numbers: Mapping[str, Any], duration_s: float):
    """Return the table quantity, latent, value."""
    size = np.sqrt((model.latents**2).mean(axis=0))
    by_latent = {
        "mean_cancellation": np.nanmean(box["cancellation"].values, axis=(0, 1)),
        "masked_fraction": box["masked_fraction"].values,
        "neurons_for_half_of_variance": [neurons_for_half(share) for share in box["variance_share"].values.T],
        "completeness_error": model.error / np.where(size > 0, size, 1.0),
        **{name: value for name, value in numbers.items() if np.ndim(value) == 1},
    }
    mean = {
        name: getattr(attribution, name).mean(axis=0) if len(attribution.share) else np.zeros(0)
        for name in ("share", "early_share", "movement_share", "early_movement")
    }
    whole = {
        "neurons": box.sizes["neuron"],
        "frames": len(model.latents),
        "frames_summarised": len(model.summarised),
        "duration_s": duration_s,
        "transitions": len(attribution.share),
        **{name: value for name, value in numbers.items() if np.ndim(value) == 0},
        "neurons_for_half_of_variance": neurons_for_half(box["population_share"].values),
        "neurons_for_half_of_transitions": neurons_for_half(mean["share"]),
        "spearman_share_movement_share": spearman(mean["share"], mean["movement_share"]),
        "spearman_early_share_early_movement": spearman(mean["early_share"], mean["early_movement"]),
        "spearman_population_share_raw_variance_share": spearman(
            box["population_share"].values, box["raw_variance_share"].values
        ),
    }
    rows = [(name, k, value) for name, values in by_latent.items() for k, value in enumerate(values)]
    rows += [(name, -1, value) for name, value in whole.items()]
    return pd.DataFrame(rows, columns=["quantity", "latent", "value"]).astype({"value": float})

"""From a recording, and a model of it, to the box and the tables of its contributions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.metrics.smoothing import smooth
from calcium_latents.recordings.windows import stitch_windows
from calcium_latents.studies.latent_contributions.contribution_parameters import ContributionParameters
from calcium_latents.studies.latent_contributions.contribution_study import (
    EncoderModel,
    LinearModel,
    Population,
    attribute,
    choose_shown,
    find_pieces,
    surrogate_latents,
)
from calcium_latents.studies.latent_contributions.contribution_tables import (
    contribution_box,
    summary_table,
    transition_table,
)
from calcium_latents.studies.latent_contributions.integrated_gradients import windows
from calcium_latents.studies.latent_contributions.latent_axes import (
    PENALTIES,
    complete,
    principal_axes,
    regression_axes,
    whitened,
)
from calcium_latents.studies.latent_contributions.transitions import detect_transitions, largest_step


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
        parameters: fields of `ContributionParameters`.
        inferred: Inferred of this recording, where needed.
        encoder: of `cross_encoder.chosen_encoder`, where needed.
        seed: of surrogates, and of principal axes of very large populations.

    Returns:
        A dataset (latents and cancellation [trial, time, latent], shares [transition, neuron], ...; see its
        long_names), a table with a row a transition, and a table (quantity, latent, value; latent -1: all together).

    Raises:
        UserError: an input is missing or does not fit, or parameters are unknown.
    """
    options = ContributionParameters.from_mapping(parameters or {}).to_dict()
    needed = {"regression": ("--inferred", inferred), "integrated_gradients": ("--checkpoint", encoder)}
    if method in needed and needed[method][1] is None:
        raise UserError(f"method {method}: expected {needed[method][0]}, found none.")
    if inferred is not None and options["stitch"]:
        inferred = stitch_windows(inferred, 0.0)
    source = _activity(recording, inferred, method, options)
    population, model, latents, numbers = _model(source, inferred, encoder, method, options, seed)
    step_s = float(np.median(np.diff(source["time"].values))) if source.sizes["time"] > 1 else np.nan
    span = max(1, round(options["span_s"] / step_s)) if np.isfinite(step_s) else 1
    transitions, thresholds = _transitions(
        population, model, latents, span, _surrogates(method, inferred, options), options["false_positives"], seed
    )
    attribution = attribute(model, transitions)
    table = transition_table(transitions, attribution, population, source["time"].values, source["trial"].values)
    count = max(1, round(options["shown_s"] / step_s)) if np.isfinite(step_s) else len(latents)
    shown = (
        choose_shown(population, transitions, count) if source.sizes["time"] > 1 else slice(0, min(len(latents), 60))
    )
    kept = {name: options[name] for name in ("relative_threshold", "top")}
    box = contribution_box(source, population, model, latents, attribution, table, shown, **kept)
    box.attrs = {
        "schema": "calcium-latents contributions",
        "method": method,
        "model": "cross_encoder"
        if encoder is not None
        else str(inferred.attrs["model"])
        if inferred is not None
        else "",
        "activity": options["activity"] or _default_activity(method, inferred),
        "whitened": int(_whiten(method, options)),
        "standardised": int(bool(options["standardise"])),
        "relative_threshold": float(options["relative_threshold"]),
        "transition_threshold": float(max(thresholds.values())),
        "false_positives": float(options["false_positives"]),
        "span_s": float(options["span_s"]),
        "surrogates": _surrogates(method, inferred, options),
        "source": str(recording.attrs.get("source", "")),
    }
    numbers |= {"missing_fraction": source.attrs["missing_fraction"]} | thresholds
    return box, table, summary_table(box, model, attribution, numbers, len(latents) * step_s)


def _transitions(population: Population, model, latents, span: int, surrogates: int, false_positives: float, seed: int):
    """Return the transitions and both thresholds that they exceed, of Gaussian noise and of surrogates (0: none)."""
    cut = population.split(latents)
    transitions, gaussian = detect_transitions(cut, span, false_positives=false_positives)
    thresholds = {"gaussian_threshold": gaussian, "surrogate_threshold": 0.0}
    if transitions and surrogates:
        thresholds["surrogate_threshold"] = largest_step(cut, surrogate_latents(model, surrogates, seed), span)
        transitions, _ = detect_transitions(cut, span, limit=max(thresholds.values()))
    return transitions, thresholds


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
        filled, missing = complete(values, options["missing"])
        values = filled if missing else values  # as they are, in their own precision, where none is missing
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
    axes = regression_axes(activity, latents, options["penalty"] or PENALTIES, slack=options["slack"])
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

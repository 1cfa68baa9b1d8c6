"""What is kept of a recording's contributions: a box, a row a transition, and numbers by latent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import spearmanr

from calcium_latents.studies.latent_contributions.contribution_study import (
    Attribution,
    EncoderModel,
    LinearModel,
    Population,
)
from calcium_latents.studies.latent_contributions.contributions import (
    ContributionSummary,
    cancellation_index,
    largest,
    relative_contributions,
)
from calcium_latents.studies.latent_contributions.transitions import Transition

CANCELLATION = "1 - |latent| / sum of |contributions|"


def contribution_box(
    source: xr.Dataset,
    population: Population,
    model: LinearModel | EncoderModel,
    detection_latents: np.ndarray,
    attribution: Attribution,
    transitions: pd.DataFrame,
    shown: slice,
    *,
    relative_threshold: float,
    top: int,
) -> xr.Dataset:
    """Return all that is kept of a recording's contributions.

    Args:
        source: trial, time, neuron and trial_start of the activity.
        population: the frames that were used.
        model: of the latents.
        detection_latents: that transitions were looked for in, [frame, latent].
        attribution: of the transitions.
        transitions: of `transition_table`.
        shown: frames of one piece whose contributions are kept in full, of the neurons that matter most.
        relative_threshold: see `contributions.relative_contributions`.
        top: number of neurons that are kept for each latent.
    """
    summary = model.summary
    shape = source.sizes["trial"], source.sizes["time"]
    cancellation = np.full(model.latents.shape, np.nan)
    cancellation[model.summarised] = summary.cancellation
    values, z = model.at(shown), model.latents[shown]
    leading = np.array([largest(share, top) for share in summary.variance_share.T])  # [latent, rank]
    kept = np.stack([values[:, neurons, k].T for k, neurons in enumerate(leading)])  # [latent, rank, shown]
    _, masked = relative_contributions(model.latents[:, None], model.latents, relative_threshold)
    series, by_neuron, shares = ("trial", "time", "latent"), ("neuron", "latent"), ("transition", "neuron")
    variables = {
        "latents": (series, population.grid(model.latents, *shape), "sum of contributions"),
        "cancellation": (series, population.grid(cancellation, *shape), CANCELLATION),
        "detection_latents": (series, population.grid(detection_latents, *shape), "latents searched for transitions"),
        "mean_absolute_contribution": (by_neuron, summary.mean_absolute, "mean of |contribution|"),
        "variance_share": (by_neuron, summary.variance_share, "cov(contribution, latent) / var(latent)"),
        "mean_share": (by_neuron, summary.mean_share, "what the mean activity adds to the latent"),
        "population_share": (("neuron",), population_share(summary), "share of the variance of all latents"),
        "raw_variance_share": (("neuron",), raw_variance_share(population), "share of the raw activity's variance"),
        "transition_share": (shares, attribution.share, "share of the transition"),
        "early_share": (shares, attribution.early_share, "share up to the transition's middle"),
        "movement_share": (shares, attribution.movement_share, "share of the raw movement"),
        "early_movement": (shares, attribution.early_movement, "signed early movement of the raw activity"),
        "transition_trial": (("transition",), transitions["trial"].to_numpy(int), "trial of the transition"),
        "masked_fraction": (("latent",), masked, "part of the frames whose ratios are masked"),
        "latent_size": (("latent",), np.sqrt((model.latents**2).mean(axis=0)), "root mean square of the latent"),
        "completeness_error": (("latent",), model.error, "largest |sum of contributions - change of the latent|"),
        "top_neuron": (("latent", "rank"), population.neuron[leading], "neurons with the largest variance share"),
        "shown_contributions": (("latent", "rank", "shown_time"), kept, "contributions of the top neurons"),
        "shown_rest": (("latent", "shown_time"), values.sum(axis=1).T - kept.sum(axis=1), "of all other neurons"),
        "shown_latents": (("latent", "shown_time"), z.T, "sum of contributions"),
        "shown_cancellation": (
            ("latent", "shown_time"),
            cancellation_index(z, np.abs(values).sum(axis=1)).T,
            CANCELLATION,
        ),
    }
    if isinstance(model, LinearModel):
        variables["axes"] = (by_neuron, model.axes, "weight of the neuron in the latent")
        variables["mean_activity"] = (("neuron",), model.mean, "subtracted before projecting")
    box = xr.Dataset(
        {name: (dims, v, {"units": "1", "long_name": text}) for name, (dims, v, text) in variables.items()}
    )
    for name in ("onset_s", "peak_s", "end_s"):
        box[name] = ("transition", transitions[name].to_numpy(float), {"units": "s", "long_name": "time in the trial"})
    trial, time, attributes = _shown_time(source, population, shown)
    box["shown_trial"] = ((), trial, {"units": "1", "long_name": "trial of the stretch shown"})
    return box.assign(trial_start=source["trial_start"]).assign_coords(
        trial=source["trial"],
        time=source["time"],
        neuron=("neuron", population.neuron, {"units": "1", "long_name": "neuron"}),
        shown_time=("shown_time", time, attributes),
    )


def _shown_time(source: xr.Dataset, population: Population, shown: slice) -> tuple[int, np.ndarray, dict[str, str]]:
    """Return the trial of the stretch shown, its times, and what they are."""
    piece = int(np.searchsorted(population.first, shown.start, side="right") - 1)
    trial, start, _ = population.pieces[piece]
    number = int(source["trial"].values[trial])
    if source.sizes["time"] == 1:  # stimuli, a bin each
        return number, np.arange(shown.start, shown.stop, dtype=float), {"units": "1", "long_name": "presentation"}
    begin = start + shown.start - int(population.first[piece])
    time = source["time"].values[begin : begin + shown.stop - shown.start]
    return number, time, {"units": "s", "long_name": "time in the trial"}


def population_share(summary: ContributionSummary) -> np.ndarray:
    """Return sum_k cov(C_ik, z_k) / sum_k var(z_k), [neuron]: each neuron's share of the variance of all latents."""
    variance = summary.latents.var(axis=0)
    covariance = summary.mean_product - summary.mean * summary.latents.mean(axis=0)
    total = variance.sum()
    return covariance.sum(axis=1) / (total if total > 0 else np.nan)


def raw_variance_share(population: Population) -> np.ndarray:
    """Return each neuron's share of the summed variance of the activity in its original units, [neuron]."""
    variance = population.activity.var(axis=0, dtype=np.float64) * np.square(population.unit)
    total = variance.sum()
    return variance / (total if total > 0 else np.nan)


def neurons_for_half(shares: np.ndarray) -> float:
    """Return how many neurons, the largest by size, make up half of the sum of |share|, [neuron]; NaN for none."""
    sizes = np.sort(np.abs(shares))[::-1]
    if not sizes.sum() > 0:
        return np.nan
    return float(np.searchsorted(np.cumsum(sizes), sizes.sum() / 2) + 1)


def transition_table(
    transitions: Sequence[Transition],
    attribution: Attribution,
    population: Population,
    time: np.ndarray,
    trial: np.ndarray,
) -> pd.DataFrame:
    """Return one row a transition; times in s from the trial's zero, `height` is the step over the threshold.

    Args:
        transitions: their `trial` is the piece of the population.
        attribution: of these transitions.
        population: that they are of.
        time, trial: the recording's coordinates, [time] (s) and [trial].
    """
    columns = [
        *("transition", "trial", "onset_s", "peak_s", "end_s", "distance", "height", "neurons_for_half"),
        *("largest_neuron", "largest_share", "negative_share", "early_part", "spearman_movement_share"),
    ]
    rows = []
    for index, item in enumerate(transitions):
        at, start, _ = population.pieces[item.trial]
        share = attribution.share[index]
        leading = int(largest(share, 1)[0])
        times = [time[start + frame] for frame in (item.onset, item.peak, item.end)]
        values = [
            *(
                index,
                trial[at],
                *times,
                item.distance,
                item.height,
                neurons_for_half(share),
                population.neuron[leading],
            ),
            *(share[leading], share[share < 0].sum(), attribution.early_share[index].sum()),
            spearman(share, attribution.movement_share[index]),
        ]
        rows.append(dict(zip(columns, values, strict=True)))
    return pd.DataFrame(rows, columns=columns)


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation of two series [value]; NaN for less than three values or without variation."""
    if len(first) < 3 or not np.ptp(first) > 0 or not np.ptp(second) > 0:
        return np.nan
    return float(spearmanr(first, second).statistic)


def summary_table(
    box: xr.Dataset,
    model: LinearModel | EncoderModel,
    attribution: Attribution,
    numbers: Mapping[str, Any],
    duration_s: float,
) -> pd.DataFrame:
    """Return the table quantity, latent, value; latent -1 stands for all together.

    Args:
        box: of `contribution_box`.
        model: of the latents.
        attribution: of the transitions.
        numbers: further ones, by name; arrays are by latent.
        duration_s: of all frames.
    """
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

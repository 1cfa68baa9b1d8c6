"""Every way to align one model's bar codes: a box for later steps, a table of agreement, a table of times.

Codes are compared by their weights, as published, or in the metric of drives (`bar_codes.in_drive_metric`), where
neurons that do the same with different weights of redundant features are close. The latter is the default: on the
simulated fit of seed 1, clusters of weights were seen to split types into neurons of different weights and like drives.
The temperature was chosen on simulations of other seeds; other settings are set beforehand. Known types of neurons,
where there are any, serve the scores and, if no number of clusters is given, that number.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.bar_codes.bar_code_alignment import (
    coordinate_ascent,
    published,
)
from calcium_latents.studies.digital_twin.bar_codes.bar_code_clusters import agreement, chance, k_means, map_in_two
from calcium_latents.studies.digital_twin.bar_codes.bar_code_parameters import StudyOptions
from calcium_latents.studies.digital_twin.bar_codes.bar_codes import (
    FOURIER,
    VON_MISES,
    alignment_loss,
    check_codes,
    coherence,
    in_drive_metric,
    rotation_energy,
    rotation_spectrum,
    soft_shift,
    unit_norm,
)

SCHEMA, SCHEMA_VERSION = "calcium-latents bar codes", 1
NONE, RANDOM, HARD = "none", "random shifts", "hard shift"
GRADIENT, ASCENT, SMOOTH = "gradient (published)", "coordinate ascent", "Fourier shift"
SPECTRUM, ENERGY = "rotation spectrum", "rotation energy"
METHODS = (NONE, RANDOM, ENERGY, SPECTRUM, HARD, GRADIENT, ASCENT, SMOOTH)
ALIGNMENTS = (HARD, GRADIENT, ASCENT, SMOOTH)  # those that give every neuron a shift
DRIVE, WEIGHTS = "drive", "weights"
METRICS = (DRIVE, WEIGHTS)
ALIGNED = {
    DRIVE: "weights times the square root of the features' covariance, of unit norm, shifted by shift_rad",
    WEIGHTS: "weights of unit norm, shifted by shift_rad",
}
TABLE_COLUMNS = (
    *("dataset", "label", "method", "metric", "temperature", "chosen", "clusters", "neurons"),
    *("ari", "ari_lower", "ari_upper", "homogeneity", "chance_ari", "chance_upper", "chance_homogeneity"),
    *("loss", "coherence", "chance_coherence"),
)
PUBLISHED_CLUSTERS, LEAST_NEURONS = 50, 5  # where no types are known: clusters, and neurons a cluster on average
TIMING_COLUMNS = ("dataset", "method", "metric", "temperature", "seconds")


@dataclass(frozen=True)
class Variant:
    """Codes to cluster, [neuron, ...], by one method.

    `shift_rad` is None for methods without shifts, `loss` (the published one, with the method's own kernel and
    temperature) and `coherence` then NaN. `chance_coherence`: with random shifts in place of the method's.
    """

    method: str
    temperature: float
    codes: np.ndarray
    shift_rad: np.ndarray | None = None
    loss: float = np.nan
    coherence: float = np.nan
    chance_coherence: float = np.nan
    seconds: float = np.nan


def variants(codes: np.ndarray, options: StudyOptions, seed: int) -> Iterator[Variant]:
    """Yield every method's codes, given bar codes [neuron, rotation, feature] of unit norm."""
    for method, temperature in _recipes(options):
        start = time.perf_counter()
        made = _make(codes, method, temperature, options, seed)
        seconds = time.perf_counter() - start
        if made.shift_rad is not None:
            shape = np.inf if method == NONE else made.temperature, FOURIER if method == SMOOTH else VON_MISES
            drawn = _random_shifts(len(codes), seed)
            made = replace(
                made,
                loss=alignment_loss(codes, made.shift_rad, shape[0], options.published.penalty, shape[1]),
                coherence=coherence(made.codes),
                chance_coherence=coherence(soft_shift(codes, drawn, *shape)),
            )
        yield replace(made, seconds=seconds)


def _random_shifts(neurons: int, seed: int) -> np.ndarray:
    return generator(seed, "bar_code_study", RANDOM).uniform(0, 2 * np.pi, neurons)


def _recipes(options: StudyOptions) -> list[tuple[str, float]]:
    """Return method and temperature of every variant; NaN: it has none, or learns it."""
    temperatures = sorted({options.temperature, *options.temperatures})
    fixed = {RANDOM: options.temperature, HARD: np.inf}
    first = [(method, fixed.get(method, np.nan)) for method in METHODS if method not in (ASCENT, SMOOTH)]
    return first + [(method, one) for method in (ASCENT, SMOOTH) for one in temperatures]


def _make(codes: np.ndarray, method: str, temperature: float, options: StudyOptions, seed: int) -> Variant:
    if method == SPECTRUM:
        return Variant(method, temperature, rotation_spectrum(codes))
    if method == ENERGY:
        return Variant(method, temperature, rotation_energy(codes))
    if method == NONE:
        return Variant(method, temperature, codes, np.zeros(len(codes)))
    if method == RANDOM:
        drawn = _random_shifts(len(codes), seed)
        return Variant(method, temperature, soft_shift(codes, drawn, temperature), drawn)
    if method == GRADIENT:
        found = published(codes, seed, options.published)
    else:
        kernel = FOURIER if method == SMOOTH else VON_MISES
        found = coordinate_ascent(codes, temperature, seed, options.starts, options.angles, kernel)
    return Variant(method, found.temperature, found.aligned, found.shift_rad)


def study(
    codes: np.ndarray,
    seed: int,
    dataset: str,
    label: str,
    options: StudyOptions | None = None,
    types: np.ndarray | None = None,
    neuron: np.ndarray | None = None,
    covariance: np.ndarray | None = None,
) -> tuple[xr.Dataset, pd.DataFrame, pd.DataFrame]:
    """Align bar codes by every method, cluster them, and compare clusters with types.

    Args:
        codes: [neuron, rotation, feature], feature weights.
        seed: of all random numbers.
        dataset, label: names in the tables and in print.
        options: settings.
        types: [neuron], known types; None: none are known, and clusters are made for `options.method` alone.
        neuron: [neuron], their numbers; default 0, 1, ...
        covariance: [rotation, feature, rotation, feature], of the features; None: weights alone are compared.

    Returns:
        bar_codes: Dataset of `bar_code` (weights), `aligned` (in the metric of the options; both (neuron, rotation,
            feature)), `shift_rad`, `cluster` (neuron), `tsne` (neuron, axis).
        table: one row a metric, method, temperature and number of clusters, `TABLE_COLUMNS`; `chosen` 1: the options'
            method, metric and temperature.
        timing: seconds of alignment, `TIMING_COLUMNS`; not the same from run to run.

    Raises:
        UserError: codes are not finite [neuron, rotation, feature]; no covariance for the metric of
            drives.
    """
    options = options or StudyOptions()
    codes = unit_norm(check_codes(codes))
    if options.metric == DRIVE and covariance is None:
        raise UserError("bar codes: metric: expected the features' covariance for 'drive', found none. Take 'weights'.")
    unknown = max(1, min(PUBLISHED_CLUSTERS, len(codes) // LEAST_NEURONS))
    number = options.clusters or (len(np.unique(types)) if types is not None else unknown)
    if types is not None and len(types) != len(codes):
        raise UserError(f"bar codes: types: expected {len(codes)} (neurons), found {len(types)}.")
    compared = {WEIGHTS: codes}
    if covariance is not None:
        compared = {DRIVE: unit_norm(in_drive_metric(codes, covariance)), WEIGHTS: codes}
    recipes = _recipes(options)
    wanted = options.method, {HARD: np.inf}.get(options.method, options.temperature)
    rows, timing, chosen = [], [], None
    every = (
        (metric, recipe, variant)
        for metric, values in compared.items()
        for recipe, variant in zip(recipes, variants(values, options, seed), strict=True)
    )
    for metric, recipe, variant in progress(every, "bar codes", total=len(compared) * len(recipes)):
        about = {"dataset": dataset, "method": variant.method, "metric": metric, "temperature": variant.temperature}
        timing.append(about | {"seconds": variant.seconds})
        is_chosen = metric == options.metric and (recipe == wanted or variant.method == options.method == GRADIENT)
        about["chosen"] = int(is_chosen)
        for clusters in sorted({number, min(2 * number, len(codes))}):
            measured = {name: getattr(variant, name) for name in ("loss", "coherence", "chance_coherence")}
            rows.append(about | {"label": label, "clusters": clusters, "neurons": len(codes), **measured})
            if types is None and not (is_chosen and clusters == number):
                continue  # nothing to compare it with
            found = k_means(variant.codes, clusters, seed, options.restarts)
            if is_chosen and clusters == number:
                chosen = variant, found
            if types is not None:
                rows[-1] |= agreement(types, found, seed, options.resamples)
                rows[-1] |= chance(types, found, seed, options.permutations)
    assert chosen is not None  # the options' method is one of the recipes
    box = _box(codes, *chosen, number, options, seed, neuron)
    table = pd.DataFrame(rows).reindex(columns=TABLE_COLUMNS)
    return box, table, pd.DataFrame(timing)[list(TIMING_COLUMNS)]


def _box(codes, variant: Variant, cluster, number: int, options: StudyOptions, seed: int, neuron) -> xr.Dataset:
    dims = ("neuron", "rotation", "feature")
    position = map_in_two(variant.codes, seed, options.perplexity)
    described = {
        "bar_code": (dims, codes.astype(np.float32), "1", "feature weights of unit norm"),
        "aligned": (dims, variant.codes.astype(np.float32), "1", ALIGNED[options.metric]),
        "shift_rad": (dims[:1], variant.shift_rad, "rad", "cyclic shift along rotations"),
        "cluster": (dims[:1], cluster.astype(np.int32), "1", "cluster, 0 the largest"),
        "tsne": (("neuron", "axis"), position, "1", "t-SNE map of aligned codes"),
    }
    numbers = np.arange(len(codes)) if neuron is None else np.asarray(neuron)
    return xr.Dataset(
        {
            name: (on, values, {"units": units, "long_name": text})
            for name, (on, values, units, text) in described.items()
        },
        coords={"neuron": ("neuron", numbers, {"units": "1", "long_name": "neuron"})},
        attrs={
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "method": variant.method,
            "metric": options.metric,
            "kernel": FOURIER if variant.method == SMOOTH else VON_MISES,
            "temperature": float(variant.temperature),
            "clusters": int(number),
            "seed": int(seed),
        },
    )

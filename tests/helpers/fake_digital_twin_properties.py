"""Small made-up tuning properties of neurons, in the form that the command that summarises them writes."""

from pathlib import Path

import numpy as np
import pandas as pd
from fake_digital_twin_scan import PAPER

from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.tuning import neuron_properties as tuning
from calcium_latents.studies.digital_twin.tuning.cluster_tests import cluster_tests
from calcium_latents.studies.digital_twin.tuning.property_independence import Settings, study_independence

EXPECTED_TEXT = {
    "digital_twin_figure3": [
        "surround suppression",
        "orientation selectivity",
        "of 10 differ",
        "at least one: ",
        "random: ",
        "KS distance",
        "random clusters of the same sizes, mean",
        "expected of independent tests",
        "n = 300 neurons in 10 clusters",
        "One model",
    ],
    "digital_twin_figure4": [
        "true neurons",
        "in silico",
        "built in",
        "independent by construction",
        "dependent by construction",
        "phase invariance",
        "multi-information (bits)",
        "independent",
        "dependent",
        "below-average Gabor / MEI",
        "95 % of permutations",
        "n = 300 neurons",
    ],
}
NEURONS, OFF = 300, 60  # neurons, and those that are no Gabors
SETTINGS = Settings(permutations=300, bootstraps=200)


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    paths: dict[str, list[Path]] = {}
    for dataset in ("independent", "dependent"):
        (folder / dataset).mkdir(parents=True, exist_ok=True)
        for name, table in study(dataset).items():
            paths.setdefault(name, []).append(folder / dataset / f"{name}.csv")
            table.to_csv(paths[name][-1], index=False)
    third = PAPER | {name: paths[name][:1] for name in ("properties", "cluster_tests")}
    fourth = {name: paths[name] for name in ("properties", "independence", "combinations", "indices")}
    return {"digital_twin_figure3": third, "digital_twin_figure4": fourth}


def study(dataset: str) -> dict[str, pd.DataFrame]:
    """Return the tables of one data set; in "dependent" surround-suppressed neurons are mostly cross-inhibited."""
    rng = generator(0, "fake_digital_twin_properties", dataset)
    bits = rng.integers(0, 2, (NEURONS, 3))
    if dataset == "dependent":
        bits[:, 2] = np.where(rng.random(NEURONS) < 0.8, bits[:, 1], bits[:, 2])
    gabor = np.arange(NEURONS) >= OFF
    bits[~gabor] = 0
    number = np.arange(NEURONS)
    cluster = np.where(gabor, bits @ [4, 2, 1], 8 + number % 2)
    cluster = np.argsort(np.argsort(-np.bincount(cluster, minlength=10), kind="stable"))[cluster]
    about = (dataset, f"{dataset} by construction")
    rows = {source: _indices(bits, gabor, error, rng) for source, error in (("truth", 0.02), ("model", 0.12))}
    place = rng.normal(size=(10, 2))[cluster] * 3 + rng.normal(size=(NEURONS, 2))
    names = {"dataset": about[0], "label": about[1], "neuron": number, "cluster": cluster, "animal": 0}
    properties = {
        source: table.assign(**names, neuron_type="", tsne_1=place[:, 0], tsne_2=place[:, 1])[list(tuning.COLUMNS)]
        for source, table in rows.items()
    }
    clusters = pd.Series(cluster, number)
    design = pd.DataFrame(bits, columns=["phase_invariance", "suppression", "cross_orientation_inhibition"])
    sources = {source: tuning.with_invariance(table) for source, table in properties.items()}
    sources = {name: table.select_dtypes("number") for name, table in sources.items()}
    sources["design"] = design.astype(float).assign(cluster=cluster)
    kind = pd.Series(gabor, number)
    subsets = {
        "all": {"neurons": kind | True, "clusters": pd.Series(True, range(10))},
        "gabor-like": tuning.gabor_like(properties["model"]),
        "gabor cells": {"neurons": kind, "clusters": kind.groupby(clusters).mean() > 0.5},
    }
    independence, combinations = study_independence(sources, subsets, *about, SETTINGS)
    indices = pd.concat(
        table.assign(source=source, stimulus="cluster").drop(columns=list(tuning.STIMULI))
        for source, table in properties.items()
    )
    return {
        "properties": properties["model"],
        "cluster_tests": cluster_tests(properties["model"], *about),
        "independence": independence,
        "combinations": combinations,
        "indices": indices,
    }


def _indices(bits, gabor, error, rng) -> pd.DataFrame:
    """Return indices with errors of measurement `error`, of Gabor cells (`bits` high or low) and of others."""
    high = 0.1 + 0.5 * bits + error * np.abs(rng.normal(size=bits.shape))
    ratio = np.where(gabor, 0.8, 0.3) + 0.1 * rng.normal(size=NEURONS)
    dog = np.where(gabor, 0.4, 0.85) + 0.05 * rng.normal(size=NEURONS)
    ratio[::3] = np.nan  # no MEI
    linear = 0.5 - 0.12 * bits.sum(axis=1) + 0.03 * rng.normal(size=NEURONS)
    return pd.DataFrame(
        {
            "orientation_selectivity": np.where(gabor, 0.5, 0.1) + 0.05 * rng.normal(size=NEURONS),
            "phase_selectivity": 1 - high[:, 0],
            "suppression": high[:, 1],
            "cross_orientation_inhibition": high[:, 2],
            "nonlinearity": tuning.nonlinearity(np.full(NEURONS, 0.5), linear),
            "nonlinearity_difference": 0.5 - linear,
            "gabor_vs_mei": ratio,
            "dog_vs_mei": np.where(np.isnan(ratio), np.nan, dog),
            "gabor_vs_dog": ratio / dog,
            "test_correlation": 0.5,
        }
    )

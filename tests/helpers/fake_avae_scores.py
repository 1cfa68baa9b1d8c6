"""Small made-up scores of embeddings of single-neuron traces, in the form that the scoring command writes."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.claims.paper import FOLDER
from calcium_latents.metrics.clustering import PROTOCOLS
from calcium_latents.seeds import generator
from calcium_latents.studies.avae.latent_parameters import PARAMETERS
from calcium_latents.studies.avae.trace_embedding_scores import (
    ALL,
    CLUSTERING_COLUMNS,
    CORRELATION_COLUMNS,
    IDENTITY,
    SEPARATION_COLUMNS,
)

EXPECTED_TEXT = {
    "avae_figure5": [
        "AVAE+ (ours)",
        "AVAE, published recipe",
        "principal components",
        "shuffled labels",
        "published DBSCAN (peeks)",
        "mixture, known number",
        "held-out cultures",
        "AVAE wins +0.",
        "AVAE+ ties",
        "identity wins +0.",
        "AVAE loses −0.",
        "identity latents alone",
        "* peeks",
        "chance",
        "6 partitions, 150 test neurons",
        "β = 0 ▾ dotted, 1 ▴ dashed",
        "one seed",
    ]
}
NOISE_LEVELS = (0.5, 1.0, 1.5, 2.0, 2.5)
SIZES, BETAS, PARTITIONS = (2, 4, 8, 16), (0.0, 0.5, 1.0), 6
TEST, NEURONS = 150, 750
#: method, latents -> median index at level 1 and size 8: published on neurons, on cultures, headline on both
LEVELS = {
    ("pca", ALL): (0.15, 0.12, 0.35, 0.20),
    ("avae", ALL): (0.40, 0.35, 0.20, 0.18),
    ("avae_plus", ALL): (0.15, 0.13, 0.36, 0.33),
    ("avae_plus", IDENTITY): (0.10, 0.11, 0.55, 0.50),
}


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {"clustering": clustering, "separation": separation, "correlations": correlations}
    inputs: dict[str, list[Path]] = {name: [] for name in kinds}
    for name, table in kinds.items():
        for level in NOISE_LEVELS:
            inputs[name].append(folder / f"{name}-{level:g}.csv")
            table(level).to_csv(inputs[name][-1], index=False)
    return {"avae_figure5": inputs | {"paper": [FOLDER / "avae.yaml"]}}


def fits(level: float) -> list[dict]:
    """Return what identifies every fit at a noise level: other sizes and betas are fitted at level 1 only."""
    rows = []
    for (method, latents), split, partition in product(LEVELS, ("neuron", "culture"), range(PARTITIONS)):
        betas = (BETAS if level == 1 else (0.5,)) if method == "avae" else (0.0 if method == "pca" else 0.5,)
        for size, beta in product(SIZES if level == 1 else (8,), betas):
            fit = {"dataset": f"sigma-{level:g}", "label": "made-up cultures", "noise_level": level, "method": method}
            fit |= {"seed": 1, "split": split, "partition": partition, "latent_size": size, "beta": beta}
            rows.append(fit | {"hidden": 0 if method == "pca" else 16 * size, "latents": latents, "test_neurons": TEST})
    return rows


def clustering(level: float) -> pd.DataFrame:
    """Return a clustering.csv; partitions differ in common, so that paired differences are sharper than each score."""
    rng = generator(0, "fake_avae_scores", "clustering", f"{level:g}")
    rows = []
    for fit in fits(level):
        common = 0.06 * generator(fit["partition"], "fake_avae_scores", "partition").normal()
        for number, (protocol, (_, peeks)) in enumerate(PROTOCOLS.items()):
            medians = LEVELS[fit["method"], fit["latents"]]
            index = (0 if peeks else 2) + (fit["split"] == "culture")
            ari = medians[index] * (1.3 - 0.3 * level) * (1 - 0.04 * number)
            ari += 0.01 * np.log2(fit["latent_size"] / 8) + 0.03 * (fit["beta"] - 0.5) + common + 0.02 * rng.normal()
            scores = {"protocol": protocol, "peeks": peeks, "clusters": 3, "ari": ari}
            rows.append({**fit, **scores, "null_ari": 0.02 * peeks, "null_upper": 0.03 + 0.02 * peeks})
    return pd.DataFrame(rows)[list(CLUSTERING_COLUMNS)]


def separation(level: float) -> pd.DataFrame:
    """Return a separation.csv."""
    rng = generator(0, "fake_avae_scores", "separation", f"{level:g}")
    rows = []
    for fit, target in product(fits(level), ("group", "inhibitory")):
        chance = 1 / 3 if target == "group" else 1 / 2
        gain = 0.4 if fit["split"] == "neuron" or fit["method"] == "avae_plus" else 0.1
        score = chance + gain + 0.03 * rng.normal()
        rows.append({**fit, "target": target, "score": score, "chance": chance, "null_upper": chance + 0.08})
    return pd.DataFrame(rows)[list(SEPARATION_COLUMNS)]


def correlations(level: float) -> pd.DataFrame:
    """Return a correlations.csv: v0 and du antagonistic over groups, little within."""
    rng = generator(0, "fake_avae_scores", "correlations", f"{level:g}")
    rows = []
    reported = [f for f in fits(level) if f["latents"] == ALL and f["latent_size"] == 8 and f["beta"] in (0.5, 0.0)]
    for fit in reported:
        if fit["partition"] or fit["split"] == "culture" or (fit["method"] == "avae" and fit["beta"] == 0):
            continue
        for latent, (number, parameter) in product(range(1, 9), enumerate(PARAMETERS)):
            strength = {2: 0.8, 3: -0.75}.get(number, 0.0) * np.cos(latent)
            r = np.clip(strength + 0.03 * rng.normal(), -1, 1)
            scores = {"r": r, "within_r": 0.05 * rng.normal(), "null_upper": 0.09, "neurons": NEURONS}
            rows.append({**fit, "latent": latent, "parameter": parameter, **scores})
    return pd.DataFrame(rows)[list(CORRELATION_COLUMNS)]

"""Small made-up embeddings of single-neuron traces: cultures with bursts, fits of three methods, and their scores."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.claims.paper import FOLDER
from calcium_latents.recordings import make_embedding, make_recording, write_embedding, write_recording
from calcium_latents.seeds import generator
from calcium_latents.studies.avae.trace_embedding_scores import TSNE_COLUMNS, reconstruction_table

PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 1, "versions": "{}"}
EXPECTED_TEXT = {
    "avae_figure3": [
        "AVAE+ (ours)",
        "AVAE, published recipe",
        "principal components",
        "mean of training traces",
        "noiseless",
        "random neurons",
        "held-out cultures",
        "AVAE+ wins at 5 of 5 noise levels",
        "AVAE+ loses at 5 of 5 noise levels",
        "AVAE loses at 5 of 5 noise levels",
        "5 partitions",
        "latent size",
        "one sample of z",
    ],
    "avae_figure4": [
        *("RS", "IB", "CH", "inhibitory", "v₀ (mV)", "Δu (mV/ms)", "same*: ", "chance"),
        *("AVAE+ (ours)", "AVAE, published recipe", "principal components", "72 neurons"),
    ],
    "avae_recordings": [
        *("residual / null residual", "latent size", "mean of training traces", "5 partitions", "recorded trace"),
        *("AVAE+ ties", "AVAE loses", "principal components", "80 neurons (control, treated)", "held-out cultures"),
    ],
}
METHODS = ("pca", "avae", "avae_plus")
GROUPS = ("RS", "IB", "CH")
NOISE_LEVELS = (0.5, 1.0, 1.5, 2.0, 2.5)
SIZES, BETAS, PARTITIONS = (2, 4, 8, 16), (0.0, 0.5, 1.0), 5
REPORTED_BETA = {"pca": 0.0, "avae": 0.5, "avae_plus": 0.1}
RATE_HZ, DURATION_S, DECAY_S = 10.0, 30.0, 1.82
RESET_MV, STEP_MV = {"RS": -65.0, "IB": -55.0, "CH": -50.0}, {"RS": 8.0, "IB": 4.0, "CH": 2.0}
#: method, split -> how far a reconstruction lies between the mean of training traces (0) and that by PCA (1).
SKILL = {
    ("pca", "neuron"): 1.0,
    ("pca", "culture"): 1.0,
    ("avae", "neuron"): 0.6,
    ("avae", "culture"): 0.5,
    ("avae_plus", "neuron"): 1.2,
    ("avae_plus", "culture"): 0.8,
}


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    simulated = cultures(GROUPS, 3, 8)
    embeddings, table = dataset(folder / "sigma-1", simulated, SIZES, ("neuron", "culture"))
    tables = [folder / f"reconstruction-{level:g}.csv" for level in NOISE_LEVELS]
    for level, path in zip(NOISE_LEVELS, tables, strict=True):
        at_level(table, level).to_csv(path, index=False)
    tsne = folder / "tsne.csv"
    pd.concat([maps(simulated, method) for method in METHODS]).to_csv(tsne, index=False)
    real = {"control-treated": (("control", "treated"), ("neuron", "culture")), "one-culture": (("",), ("neuron",))}
    measured = []
    for name, (groups, splits) in real.items():
        recording = cultures(groups, 2, 40 // len(groups)).drop_vars(["noiseless", "noise_level"])
        measured += dataset(folder / name, recording.assign_attrs(label=name.replace("-", " ")), (2, 8), splits)[0]
    return {
        "avae_figure3": {
            "traces": [folder / "sigma-1" / "traces.nc"],
            "embeddings": embeddings,
            "reconstruction": tables,
            "paper": [FOLDER / "avae.yaml"],
        },
        "avae_figure4": {"tsne": [tsne]},
        "avae_recordings": {
            "traces": [folder / name / "traces.nc" for name in real],
            "embeddings": measured,
            "reconstruction": [folder / name / "reconstruction.csv" for name in real],
        },
    }


def cultures(groups: tuple[str, ...], each: int, neurons: int, sigma: float = 1.0) -> xr.Dataset:
    """Return noisy traces with their noiseless truth: `each` cultures of every group, whose neurons share bursts."""
    rng = generator(0, "fake_avae_traces", *groups)
    frames = int(RATE_HZ * DURATION_S)
    kernel = 0.113 * 42 * np.exp(-np.arange(frames) / (RATE_HZ * DECAY_S))
    noiseless, labels, culture = [], [], []
    for index, group in enumerate(groups):
        for _ in range(each):
            bursts = rng.random(frames) < 0.02
            rate = 0.004 + 0.5 * (index + 1) * bursts
            for _ in range(neurons):
                spikes = rng.poisson(rate * rng.gamma(4, 0.25))
                noiseless.append(42 + np.convolve(spikes, kernel)[:frames])
                labels.append(group)
                culture.append(len(culture) // neurons)
    noiseless = np.array(noiseless).T[None]
    noisy = noiseless + sigma * rng.normal(size=noiseless.shape)
    count = len(labels)
    kind = np.array(labels, object)
    others = {
        "noiseless": (("trial", "time", "neuron"), noiseless.astype(np.float32), "1", "noiseless fluorescence"),
        "culture": (("neuron",), np.array(culture, np.int32), "1", "culture"),
        "group": (("neuron",), kind, "1", "group"),
        "inhibitory": (("neuron",), (np.arange(count) % 5 == 4).astype(np.int8), "1", "inhibitory"),
        "v0": (("neuron",), np.array([RESET_MV.get(g, 0) for g in labels]) * rng.normal(1, 0.05, count), "mV", "v0"),
        "du": (("neuron",), np.array([STEP_MV.get(g, 0) for g in labels]) * rng.normal(1, 0.05, count), "mV/ms", "du"),
    }
    return make_recording(
        fluorescence=noisy,
        time=np.arange(frames) / RATE_HZ,
        bin_width_s=1 / RATE_HZ,
        imaging_rate_hz=RATE_HZ,
        source="made up",
        others=others,
        noise_level=np.full(count, sigma),
        attributes={"label": "made-up cultures"},
    )


def parts(culture: np.ndarray, split: str, partition: int) -> np.ndarray:
    """Return part [neuron]: 0 training, 1 validation, 2 test."""
    rng = generator(partition, "fake_avae_traces", "parts", split)
    units = np.arange(len(culture)) if split == "neuron" else culture
    order = rng.permutation(np.unique(units))
    count = max(1, len(order) // 5)
    part = np.where(np.isin(units, order[:count]), 2, 0).astype(np.int8)
    part[rng.choice(np.flatnonzero(part == 0), count, replace=False)] = 1
    return part


def dataset(folder: Path, traces: xr.Dataset, sizes: tuple[int, ...], splits: tuple[str, ...]):
    """Write traces, embeddings and scores below `folder`; return the embeddings' paths and the scores."""
    write_recording(traces, folder / "traces.nc", PROVENANCE)
    boxes = {}
    for method in METHODS:
        betas = BETAS if method == "avae" else (REPORTED_BETA[method],)
        members = list(product(sizes, betas, splits, range(PARTITIONS)))
        boxes[method] = embedding(method, traces, members)
        write_embedding(boxes[method], folder / method / "seed-1" / "output.nc", PROVENANCE)
    runs = {(method, 1): box for method, box in boxes.items()}
    table = reconstruction_table(traces, runs, folder.name, traces.attrs["label"])
    table.to_csv(folder / "reconstruction.csv", index=False)
    return [folder / method / "seed-1" / "output.nc" for method in METHODS], table


def embedding(method: str, traces: xr.Dataset, members: list[tuple]) -> xr.Dataset:
    """Return an embedding whose reconstructions are principal components, shrunk or sharpened by `SKILL`."""
    x = traces["fluorescence"].values[0].T.astype(float)
    truth = traces["noiseless"].values[0].T if "noiseless" in traces else np.full_like(x, np.nan)
    reported = members.index((8, REPORTED_BETA[method], "neuron", 0))
    columns: dict[str, list] = {}
    for index, (size, beta, split, partition) in enumerate(members):
        part = parts(traces["culture"].values, split, partition)
        mean = x[part == 0].mean(axis=0)
        basis = np.linalg.svd(x[part == 0] - mean, full_matrices=False)[2][:size]
        linear = mean + (x - mean) @ basis.T @ basis
        wanted = truth if np.isfinite(truth).all() else linear
        skill = SKILL[method, split] - 0.1 * beta * (method == "avae")
        shown = mean + skill * (linear - mean) if skill <= 1 else linear + (skill - 1) * (wanted - linear)
        latents = np.full((len(x), max(size for size, *_ in members)), np.nan)
        latents[:, :size] = (x - mean) @ basis.T
        values = {"part": part, "latents": latents, "error": ((truth - shown) ** 2).mean(axis=1)}
        values |= {"error_sampled": values["error"] * (1 + 0.2 * beta), "residual": ((x - shown) ** 2).mean(axis=1)}
        values |= {f"null_{k}": ((v - mean) ** 2).mean(axis=1) for k, v in (("error", truth), ("residual", x))}
        for name, value in values.items():
            columns.setdefault(name, []).append(value)
        if index == reported:
            reconstruction = shown.T
    names = ("latent_size", "beta", "split", "partition")
    return make_embedding(
        model=method,
        seed=1,
        reported_member=reported,
        recording=traces,
        reconstruction=reconstruction,
        hidden=[16 * size for size, *_ in members],
        **dict(zip(names, zip(*members, strict=True), strict=True)),
        **{name: np.array(values) for name, values in columns.items()},
    )


def at_level(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return the scores as another noise level could have them: errors grow, other sizes are fitted at level 1 only."""
    grown = table.assign(noise_level=level, dataset=f"sigma-{level:g}")
    grown[["error", "error_sampled"]] *= 0.7 + 0.3 * level
    fits = (grown["latent_size"] == 8) & (grown["beta"] == grown["method"].map(REPORTED_BETA))
    return grown if level == 1.0 else grown[fits]


def maps(traces: xr.Dataset, method: str) -> pd.DataFrame:
    """Return a t-SNE table in which cultures form clusters, and groups only loosely so."""
    culture = traces["culture"].values
    rng = generator(0, "fake_avae_traces", "maps", method)
    count = len(culture)
    centres = 12 * rng.normal(size=(culture.max() + 1, 2))
    at = centres[culture] + 3 * rng.normal(size=(count, 2))
    columns = {"dataset": "sigma-1", "label": traces.attrs["label"], "method": method, "seed": 1}
    columns |= {"neuron": np.arange(count), "part": parts(culture, "neuron", 0), "x": at[:, 0], "y": at[:, 1]}
    columns |= {name: traces[name].values for name in ("group", "culture", "inhibitory", "v0", "du")}
    return pd.DataFrame(columns)[list(TSNE_COLUMNS)]

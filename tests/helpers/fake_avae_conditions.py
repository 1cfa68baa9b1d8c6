"""Small made-up fits of three methods on cultures of two conditions, compared by the real command."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.recordings import make_recording, write_recording
from calcium_latents.recordings.embedding import make_embedding, write_embedding
from calcium_latents.seeds import generator
from calcium_latents.studies.avae.commands.compare_conditions import main as compare

PROVENANCE = {"config_digest": "0", "code_digest": "0", "versions": "{}"}
EXPECTED_TEXT = {
    "avae_figure6": [
        "Simulated stand-in",
        "control 0, altered 3",
        "control 0, control 1",
        "AUC 1.00",
        "(null)",
        "Two conditions against the null: AVAE+ identity: wins; AVAE+, AVAE, PCA: ties",
        "Unseen cultures against chance: AVAE+, AVAE+ identity: wins; AVAE, PCA: ties",
        "Dispersion, altered over control",
        "more",
        "chance",
        "n = 6 cultures",
        "one seed",
        "principal components",
        "AVAE, published recipe",
        "noiseless trace",
        "residual",
    ]
}
METHODS = ("pca", "avae", "avae_plus")
GROUPS = ("control",) * 3 + ("altered",) * 3
NEURONS, FRAMES, RATE_HZ, SIZE, SIGMA = 30, 240, 8.0, 6, 1.0
PARAMETERS = '{"repeats": 1, "folds": 3, "resamples": 200}'


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    return {"avae_figure6": dataset(folder / "conditions", GROUPS)}


def dataset(folder: Path, groups: tuple[str, ...], simulated: bool = True) -> dict[str, list[Path]]:
    """Write traces, embeddings and tables of cultures of these conditions; return input name -> files."""
    traces = cultures(groups, simulated)
    write_recording(traces, folder / "traces.nc", PROVENANCE)
    files = {"traces": [folder / "traces.nc"], "embeddings": []}
    arguments = []
    for method in METHODS:
        files["embeddings"].append(folder / method / "seed-1" / "output.nc")
        write_embedding(embedding(traces, method, len(set(groups)) == 2), files["embeddings"][-1], PROVENANCE)
        arguments += ["--embedding", f"{method}={files['embeddings'][-1]}"]
    for name in ("separability", "heterogeneity"):
        files[name] = [folder / f"{name}.csv"]
        arguments += [f"--{name}", str(files[name][0])]
    compare(
        ["--recording", str(files["traces"][0]), "--dataset", "conditions", "--label", "made-up cultures"]
        + ["--parameters", PARAMETERS, *arguments]
    )
    files["tsne"] = [folder / "tsne.csv"]
    pd.concat([maps(traces, method) for method in METHODS]).to_csv(files["tsne"][0], index=False)
    return files


def cultures(groups: tuple[str, ...], simulated: bool = True) -> xr.Dataset:
    """Return traces of cultures whose neurons share bursts; neurons of "altered" join fewer of them, unequally."""
    rng = generator(0, "fake_avae_conditions")
    kernel = np.exp(-np.arange(FRAMES) / (RATE_HZ * 1.82))
    noiseless = []
    for group in groups:
        bursts = rng.random(FRAMES) < 0.03
        for _ in range(NEURONS):
            joins = rng.beta(1, 1) if group == "altered" else rng.beta(8, 2)
            events = bursts * (rng.random(FRAMES) < joins) * rng.gamma(4, 1.5, FRAMES)
            noiseless.append(42 + np.convolve(events, kernel)[:FRAMES])
    noiseless = np.array(noiseless, np.float32).T[None]
    count = noiseless.shape[-1]
    others = {
        "culture": (("neuron",), np.repeat(np.arange(len(groups)), NEURONS).astype(np.int32), "1", "culture"),
        "group": (("neuron",), np.repeat(np.array(groups, object), NEURONS), "1", "condition"),
    }
    if simulated:
        others["noiseless"] = (("trial", "time", "neuron"), noiseless, "1", "noiseless fluorescence")
    return make_recording(
        fluorescence=noiseless + SIGMA * rng.normal(size=noiseless.shape),
        time=np.arange(FRAMES) / RATE_HZ,
        bin_width_s=1 / RATE_HZ,
        imaging_rate_hz=RATE_HZ,
        source="made up",
        neuron=np.arange(count),
        noise_level=np.full(count, SIGMA) if simulated else None,
        others=others,
    )


def embedding(traces: xr.Dataset, method: str, held_out: bool) -> xr.Dataset:
    """Return fits whose latents know culture and condition: identity latents of avae_plus the condition alone."""
    rng = generator(0, "fake_avae_conditions", method)
    culture, altered = traces["culture"].values, (traces["group"].values == "altered").astype(float)
    count = len(culture)
    latents = rng.normal(size=(count, SIZE)) * (1 + 0.6 * altered[:, None])
    places = generator(0, "fake_avae_conditions", "places").normal(size=(culture.max() + 1, SIZE))
    latents += 6 * places[culture] * (np.arange(SIZE) >= (2 if method == "avae_plus" else 0))
    if method == "avae_plus":
        latents[:, 0] += 3 * altered
    parts = [np.where(np.arange(count) % 2 == 0, 2, 0)]
    numbers = [np.unique(culture[altered == value]) for value in (0, 1)]
    pairs = [(a, b) for a in numbers[0] for b in numbers[1]] if held_out and len(numbers[0]) > 1 else []
    parts += [np.where(np.isin(culture, pair), 2, 0) for pair in pairs]
    x = traces["fluorescence"].values[0].T.astype(float)
    mean = x.mean(axis=0)
    kept = {"pca": 4, "avae": 2, "avae_plus": 8}[method]
    basis = np.linalg.svd(x - mean, full_matrices=False)[2][:kept]
    shown = mean + (x - mean) @ basis.T @ basis
    members = len(parts)
    squares = [np.broadcast_to(((x - picture) ** 2).mean(axis=1), (members, count)) for picture in (shown, mean)]
    return make_embedding(
        model=method,
        seed=0,
        reported_member=0,
        latents=np.broadcast_to(latents.astype(np.float32), (members, count, SIZE)),
        latent_size=np.full(members, SIZE),
        hidden=np.zeros(members, int),
        beta=np.zeros(members),
        split=["neuron"] + ["culture"] * (members - 1),
        partition=np.arange(members),
        part=np.array(parts),
        residual=squares[0],
        null_residual=squares[1],
        reconstruction=shown.T,
        identity_latents=2 if method == "avae_plus" else 0,
        recording=traces,
    )


def maps(traces: xr.Dataset, method: str) -> pd.DataFrame:
    """Return a t-SNE table in which cultures form clusters."""
    rng = generator(0, "fake_avae_conditions", "maps", method)
    culture = traces["culture"].values
    places = 15 * rng.normal(size=(culture.max() + 1, 2))[culture] + 4 * rng.normal(size=(len(culture), 2))
    table = {"dataset": "conditions", "label": "made-up cultures", "method": method, "seed": 0}
    table |= {"neuron": traces["neuron"].values, "part": np.where(np.arange(len(culture)) % 2 == 0, 2, 0)}
    return pd.DataFrame(
        table | {"x": places[:, 0], "y": places[:, 1], "group": traces["group"].values, "culture": culture}
    )

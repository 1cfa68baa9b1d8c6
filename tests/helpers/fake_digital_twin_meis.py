"""Made-up most exciting images of neurons and clusters, in the form that the command writes."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from fake_digital_twin_scan import PAPER

from calcium_latents.recordings.netcdf import write_dataset
from calcium_latents.seeds import generator
from calcium_latents.simulation.visual_cortex.gabors import gabor
from calcium_latents.studies.digital_twin.optimal_stimuli.mei_study import described

EXPECTED_TEXT = {
    "digital_twin_figure6": [
        "cluster 1, n = 30",
        "of own MEIs",
        "complex SS 100%",
        "random groups 0.3",
        "dashed: paper, ~0.6",
        "filled: model, open: true neurons",
        "another cluster's MEI, best angle (null)",
        "300 neurons, 10 clusters; one twin, seed 1",
        "MEIs of 60 neurons (6 a cluster, best predicted)",
        "L2 norm 12",
    ]
}
PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 1, "versions": "{}"}
NEURONS, CLUSTERS, OPTIMISED, SHAPE, SIZE = 300, 10, 60, (26, 26), 17
TYPES = ("simple", "simple SS", "simple COI", "simple SS COI", "complex", "complex SS", "complex COI", "complex SS COI")


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = generator(0, "fake_digital_twin_meis")
    cluster = np.arange(NEURONS) % CLUSTERS
    files = {"meis": folder / "meis.nc", "bar_codes": folder / "bar_codes.nc", "comparison": folder / "comparison.csv"}
    write_dataset(meis(cluster, rng), files["meis"], PROVENANCE)
    angle = 2 * np.pi * cluster / CLUSTERS
    tsne = np.stack([20 * np.cos(angle), 14 * np.sin(angle)], axis=1) + 3 * rng.normal(size=(NEURONS, 2))
    codes = {"cluster": ("neuron", cluster.astype(np.int32)), "tsne": (("neuron", "axis"), tsne)}
    write_dataset(xr.Dataset(codes), files["bar_codes"], PROVENANCE)
    comparison(cluster, rng).to_csv(files["comparison"], index=False)
    return {"digital_twin_figure6": {name: [path] for name, path in files.items()} | PAPER}


def patterns(shape: tuple[int, int], cluster: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Return Gabors that differ between clusters in size and frequency."""
    centre = [(size - 1) / 2 for size in shape]
    return gabor(shape, *centre, 6 + cluster % 5, 0.08 + 0.015 * cluster, 2.0, orientation, cluster)


def meis(cluster: np.ndarray, rng: np.random.Generator) -> xr.Dataset:
    """Return a meis.nc."""
    known = np.arange(NEURONS) < OPTIMISED
    images = patterns(SHAPE, cluster, rng.uniform(0, np.pi, NEURONS)) + 0.05 * rng.normal(size=(NEURONS, *SHAPE))
    rate = np.where(known, rng.uniform(5, 9, NEURONS), np.nan)
    fraction = rng.uniform(0.6, 0.8, CLUSTERS)
    values = {
        "mei": np.where(known[:, None, None], images, np.nan).astype(np.float32),
        "mei_rate": rate,
        "mei_true_rate": 0.8 * rate,
        "cluster_of_neuron": cluster,
        "cluster_mei_rotation_rad": np.where(known, rng.uniform(0, 2 * np.pi, NEURONS), np.nan),
        "cluster_mei_rate": rate * fraction[cluster] * rng.uniform(0.8, 1.2, NEURONS),
        "cluster_mei": patterns((SIZE, SIZE), np.arange(CLUSTERS), np.zeros(CLUSTERS)),
        "cluster_mei_coefficient": rng.normal(size=(CLUSTERS, 36)),
        "cluster_mei_fraction": fraction,
        "cluster_gabor_fraction": fraction - 0.08,
        "cluster_shuffled_fraction": rng.uniform(0.34, 0.36, CLUSTERS),
        "cluster_other_fraction": rng.uniform(0.2, 0.3, CLUSTERS),
        "cluster_noise_fraction": rng.uniform(0.02, 0.06, CLUSTERS),
        "cluster_neurons": np.bincount(cluster),
        "cluster_optimised_neurons": np.bincount(cluster[known]),
    }
    dataset = xr.Dataset({name: described(name, array) for name, array in values.items()})
    names = np.array([*TYPES, "ON", "OFF"], object)[cluster]
    dataset["neuron_type"] = ("neuron", names, {"units": "1", "long_name": "true type"})
    dataset.attrs = {"label": "made-up neurons", "norm": 12.0, "score": "correlation_to_mean"}
    return dataset.assign_coords(neuron=("neuron", np.arange(NEURONS, dtype=np.int32)))


def comparison(cluster: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Return a stimulus_comparison.csv."""
    table = {"neuron": np.arange(NEURONS), "cluster": cluster}
    medians = {"gabor_vs_mei": 0.8, "dog_vs_mei": 0.3, "gabor_vs_dog": 2.5, "null_noise_vs_mei": 0.03}
    for name, median in ({**medians, "null_other_vs_mei": 0.2}).items():
        table[name] = median * np.exp(0.3 * rng.normal(size=NEURONS))
        table[f"true_{name}"] = 0.9 * median * np.exp(0.4 * rng.normal(size=NEURONS))
        if name != "gabor_vs_dog":
            table[name][OPTIMISED:] = table[f"true_{name}"][OPTIMISED:] = np.nan
    return pd.DataFrame(table)

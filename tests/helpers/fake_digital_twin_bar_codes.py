"""Small made-up bar codes, aligned by the package's own study, with the other inputs of the digital twin's Figure 1."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.recordings.netcdf import write_dataset
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.bar_codes.bar_code_alignment import PublishedOptions
from calcium_latents.studies.digital_twin.bar_codes.bar_code_study import StudyOptions, study

EXPECTED_TEXT = {
    "digital_twin_figure1": [
        "before alignment: weights",
        "after alignment: metric of drives",
        "metric of drives (ours)",
        "weights (published)",
        "default T was chosen",
        "t-SNE 1",
        "k-means, 10 clusters of 120 neurons",
        "the same map by true type",
        "complex, suppressed",
        "adjusted Rand index",
        "homogeneity",
        "Fourier shift, ascent (ours), metric of drives, T = 3",
        "10 clusters against 10 true types",
        "20 clusters",
        "cluster 1: ",
        "95 % bootstrap over neurons",
        "permuted types",
        "one seed",
    ]
}
PROVENANCE = {"config_digest": "made-up", "code_digest": "made-up", "seed": 0, "versions": "{}"}
NEURONS, ROTATIONS, FEATURES, IMAGE_PX = 120, 8, 8, 24
TYPES = [
    *("simple", "simple, crossed", "simple, suppressed", "simple, both", "complex", "complex, crossed"),
    *("complex, suppressed", "complex, both", "on", "off"),
]
OPTIONS = StudyOptions(
    starts=3, restarts=3, resamples=100, permutations=50, published=PublishedOptions(starts=1, most_steps=500)
)


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    kind, angle = np.arange(NEURONS) % len(TYPES), generator(0, "fake_bar_codes", "angle").uniform(0, 6.28, NEURONS)
    box, table, _ = study(
        codes(kind, angle), 0, "made-up", "made-up codes", OPTIONS, np.array(TYPES)[kind], covariance=covariance()
    )
    files = {name: folder / f"{name}.nc" for name in ("bar_codes", "responses", "meis")}
    files |= {name: folder / f"{name}.csv" for name in ("alignment", "scores")}
    write_dataset(box, files["bar_codes"], PROVENANCE)
    write_dataset(responses(kind), files["responses"], PROVENANCE)
    write_dataset(meis(angle), files["meis"], PROVENANCE)
    table.to_csv(files["alignment"], index=False)
    scores().to_csv(files["scores"], index=False)
    return {"digital_twin_figure1": {name: [path] for name, path in files.items()}}


def codes(kind: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return bar codes [neuron, rotation, feature]: a code for each type, turned, with noise."""
    rng = generator(0, "fake_bar_codes", "codes")
    phase, size = rng.uniform(0, 2 * np.pi, (4, FEATURES)), rng.normal(size=(len(TYPES), 4, FEATURES))
    size[8:, 1:] = 0  # on and off have no preferred orientation
    place = 2 * np.pi * np.arange(ROTATIONS)[:, None] / ROTATIONS - angle[:, None, None]
    values = sum(size[kind, None, k] * np.cos(k * place + phase[k]) for k in range(4))
    return values + 1.3 * rng.normal(size=values.shape)


def covariance() -> np.ndarray:
    """Return the covariance [rotation, feature, rotation, feature] of features of which two rotations overlap."""
    turn = np.arange(ROTATIONS)
    overlap = 0.3 * np.cos(2 * np.pi * (turn[:, None] - turn) / ROTATIONS) + np.eye(ROTATIONS)
    return np.einsum("rs,fg->rfsg", overlap, np.eye(FEATURES))


def responses(kind: np.ndarray) -> xr.Dataset:
    """Return the part of a responses.nc that the figure reads."""
    one = {"units": "1", "long_name": "made up"}
    data = {
        "neuron_type": ("neuron", np.array(TYPES)[kind].astype(object), one),
        "animal": ("neuron", np.arange(NEURONS, dtype=np.int32) % 3, one),
    }
    return xr.Dataset(data, {"neuron": ("neuron", np.arange(NEURONS), one)})


def meis(angle: np.ndarray) -> xr.Dataset:
    """Return the part of a meis.nc that the figure reads: Gabors, NaN for every fourth neuron."""
    rng = generator(0, "fake_bar_codes", "meis")
    y, x = np.mgrid[:IMAGE_PX, :IMAGE_PX] - (IMAGE_PX - 1) / 2
    images = np.full((NEURONS, IMAGE_PX, IMAGE_PX), np.nan, np.float32)
    for n in np.flatnonzero(np.arange(NEURONS) % 4 != 3):
        dy, dx = rng.uniform(-3, 3, 2)
        u = (x - dx) * np.cos(angle[n]) + (y - dy) * np.sin(angle[n])
        images[n] = np.exp(-((x - dx) ** 2 + (y - dy) ** 2) / 12) * np.cos(2 * np.pi * 0.18 * u)
    one = {"units": "1", "long_name": "made up"}
    return xr.Dataset({"mei": (("neuron", "y", "x"), images, one)}, {"neuron": ("neuron", np.arange(NEURONS), one)})


def scores() -> pd.DataFrame:
    """Return the columns of a scores.csv that the figure reads."""
    rng = generator(0, "fake_bar_codes", "scores")
    rows = [
        {"method": method, "neuron": n, "single_trial": level + 0.1 * rng.normal()}
        for method, level in (("digital_twin", 0.5), ("poisson_glm", 0.3))
        for n in range(NEURONS)
    ]
    return pd.DataFrame(rows)

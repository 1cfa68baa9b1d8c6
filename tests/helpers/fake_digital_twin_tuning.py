"""Made-up neurons that answer experiments, in the form that the commands write: energy models and a worse copy."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from fake_digital_twin_scan import PAPER

from calcium_latents.recordings.image_responses import make_image_responses, write_image_responses
from calcium_latents.recordings.netcdf import write_dataset
from calcium_latents.seeds import generator
from calcium_latents.simulation.visual_cortex.gabors import gabor
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_clusters import ClusterSettings
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_search import SearchSettings
from calcium_latents.studies.digital_twin.optimal_stimuli.gabor_study import (
    CHECK_TABLE,
    Neurons,
    optima_tables,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import DifferenceGrid, GaborGrid
from calcium_latents.studies.digital_twin.optimal_stimuli.search_parameters import DifferenceSearchSettings
from calcium_latents.studies.digital_twin.tuning.tuning_experiments import ExperimentSettings
from calcium_latents.studies.digital_twin.tuning.tuning_tables import indices_of, measure, tuning_dataset

EXPECTED_TEXT = {
    "digital_twin_figure2": [
        "optimal Gabor",
        "optimal DoG",
        "most exciting image",
        "orientation tuning, F2/F0: digital twin 0.",
        "phase tuning, F1/F0: digital twin 0.",
        "digital twin: suppression 0.",
        "true neuron: cross-orientation inhibition 0.",
        "no tuning: index 0 (null)",
        "mean of 24 neurons (model; baseline)",
        "chosen for suppression and inhibition",
        "without noise",
    ],
    "digital_twin_recovery": [
        "cluster's Gabor: median ",
        "surround suppression\nr 0.",
        "slope (1: effects of true size)",
        "shuffled neurons",
        "knowing the true type alone",
        "paper, 87%",
        "n = 8 neurons, 13,824 images",
        "bootstrap over neurons",
        "one seed",
    ],
}
PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 1, "versions": "{}"}
NEURONS, SHAPE = 24, (18, 18)
TYPES = ("simple", "complex", "simple SS", "complex SS COI", "simple COI", "complex COI")


class Cells:
    """Energy models: orientation, phase, inhibition by the orthogonal orientation and by a surround (weights)."""

    image_shape, neurons = SHAPE, NEURONS

    def __init__(self, orientation, phase, is_complex, orthogonal, surround, position):
        y, x = position.T
        turned = [(orientation, phase), (orientation, phase + np.pi / 2)]
        turned += [(angle + np.pi / 2, p) for angle, p in turned]
        bank = [gabor(SHAPE, y, x, 8.0, 0.19, 2.0, *angles).reshape(NEURONS, -1) for angles in turned]
        bank = [filters - filters.mean(axis=1, keepdims=True) for filters in bank]
        self.bank = np.stack([filters / (filters**2).sum(axis=1, keepdims=True) for filters in bank]).astype(float)
        rows, columns = np.indices(SHAPE)
        far = (rows - y[:, None, None]) ** 2 + (columns - x[:, None, None]) ** 2
        ring = np.where(far > 16, np.exp(-far / 50), 0).reshape(NEURONS, -1)
        self.ring = ring / ring.sum(axis=1, keepdims=True)
        self.is_complex, self.orthogonal, self.surround = is_complex, orthogonal, surround

    def all_rates(self, images):
        """Rates [n, neuron]."""
        flat = np.asarray(images, float).reshape(len(images), -1)
        even, odd, side, other = (flat @ filters.T for filters in self.bank)
        drive = np.where(self.is_complex, even**2 + odd**2, np.clip(even, 0, None) ** 2)
        brake = self.orthogonal * (side**2 + other**2) + self.surround * (flat**2 @ self.ring.T)
        return (8 * drive + 0.02) / (0.25 + 0.5 * drive + brake)

    def own_rates(self, images, neurons):
        """Rate [n] of neuron neurons[k] to image k."""
        return self.all_rates(images)[np.arange(len(images)), neurons]


def make(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Write inputs below `folder`; return figure name -> input name -> files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = generator(0, "fake_digital_twin_tuning")
    types = np.array(TYPES)[np.arange(NEURONS) % len(TYPES)]
    orientation = rng.uniform(0, 2 * np.pi, NEURONS)
    position = 8.5 + rng.uniform(-1, 1, (NEURONS, 2))
    is_complex = np.char.startswith(types, "complex")
    inhibited, suppressed = (np.char.find(types, name) >= 0 for name in ("COI", "SS"))
    jitter = rng.uniform(0.7, 1.3, NEURONS)
    truth = Cells(orientation, np.zeros(NEURONS), is_complex, 4 * inhibited * jitter, 3 * suppressed * jitter, position)
    blurred = orientation + np.radians(1.5) * rng.normal(size=NEURONS)
    model = Cells(blurred, np.zeros(NEURONS), is_complex, 0.8 * inhibited + 0.1, 0.8 * suppressed + 0.1, position)
    probes = {"model": model, "truth": truth}
    clusters = np.arange(NEURONS) % len(TYPES)
    files = {"gabors": "gabors.csv", "differences": "differences.csv", "tuning": "tuning.nc", "indices": "indices.csv"}
    files |= {"meis": "meis.nc", "responses": "responses.nc", "search_check": "check.csv"}
    files = {name: folder / file for name, file in files.items()}
    place = {"image_shape": SHAPE, "rows_px": (7, 10), "columns_px": (7, 10), "contrasts": (1.0, 2.0)}
    grids = {
        "gabors": (GaborGrid(sizes_px=(6.0, 8.0, 10.0), cycles_per_size=(1.2, 1.52), **place), SearchSettings()),
        "differences": (DifferenceGrid(**place | {"contrasts": (-2.0, 2.0)}), DifferenceSearchSettings()),
    }
    found = {}
    for name, (grid, settings) in grids.items():
        neurons = Neurons(np.arange(NEURONS), clusters, position)
        asked = (grid, neurons, settings, ClusterSettings())
        found[name] = pd.concat([optima_tables(probe, source, *asked)[0] for source, probe in probes.items()])
        found[name].to_csv(files[name], index=False)
    chosen = {}
    for stimulus in ("own", "cluster"):
        rows = found["gabors"][(found["gabors"]["source"] == "model") & (found["gabors"]["stimulus"] == stimulus)]
        chosen[stimulus] = rows.reset_index(drop=True)
    settings = ExperimentSettings(orientations=12, phases=12, whole_maps=6, own_rows_only=True)
    curves = measure(probes, chosen, settings)
    about = {"neuron": np.arange(NEURONS), "cluster": clusters, "neuron_type": types}
    indices_of(curves, chosen, settings, about).to_csv(files["indices"], index=False)
    write_dataset(tuning_dataset(curves, chosen, settings, np.arange(NEURONS), SHAPE), files["tuning"], PROVENANCE)
    write_dataset(meis(orientation, position), files["meis"], PROVENANCE)
    responses(orientation, types, rng, files["responses"])
    check(rng).to_csv(files["search_check"], index=False)
    inputs = PAPER | {name: [path] for name, path in files.items()}
    wanted = {
        "digital_twin_figure2": ("gabors", "differences", "tuning", "indices", "meis"),
        "digital_twin_recovery": ("indices", "gabors", "responses", "search_check", "paper"),
    }
    return {figure: {name: inputs[name] for name in names} for figure, names in wanted.items()}


def meis(orientation: np.ndarray, position: np.ndarray) -> xr.Dataset:
    """Return a meis.nc."""
    images = gabor(SHAPE, *position.T, 9.0, 0.19, 2.0, orientation, 0.0)
    attributes = {"units": "1", "long_name": "made up"}
    values = {"mei": (("neuron", "y", "x"), images, attributes)}
    values["mei_rate"] = (("neuron",), np.full(NEURONS, 9.0), attributes)
    return xr.Dataset(values, coords={"neuron": ("neuron", np.arange(NEURONS), attributes)})


def responses(orientation: np.ndarray, types: np.ndarray, rng: np.random.Generator, path: Path) -> None:
    """Write a responses.nc."""
    known = {"orientation_rad": orientation, "kind": np.full(NEURONS, "gabor", object), "neuron_type": types}
    box = make_image_responses(
        label="made-up neurons",
        image_source="noise",
        seed=1,
        images=rng.normal(size=(3, *SHAPE)).astype(np.float32),
        part=[0, 1, 2],
        image_of_trial=[0, 1, 2, 2],
        response=rng.poisson(2.0, (4, NEURONS)).astype(np.float32),
        simulated=True,
        truth=known,
    )
    write_image_responses(box, path, PROVENANCE)


def check(rng: np.random.Generator) -> pd.DataFrame:
    """Return a search_check.csv."""
    images, rate = rng.integers(70, 150, 8), rng.uniform(4, 9, 8)
    ratio = np.where(np.arange(8) < 7, 1.0, 0.99)
    columns = (np.arange(8), 13_824, images, images / 13_824, rate, ratio * rate, ratio)
    return pd.DataFrame(dict(zip(CHECK_TABLE, columns, strict=True)))

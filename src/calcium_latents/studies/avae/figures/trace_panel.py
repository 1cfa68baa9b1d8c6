"""Traces of single neurons with the reconstructions of several methods, as figures of the study `avae` show them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from calcium_latents.errors import UserError
from calcium_latents.figures import style
from calcium_latents.recordings import read_embedding
from calcium_latents.statistics.partitions import example_neurons

BASELINE = "pca"
SHORT = {"avae_plus": "AVAE+", "avae": "AVAE", BASELINE: "PCA"}
MOST_POINTS = 5000  # of a line that is drawn as a vector
NOISY = {"color": "0.72", "lw": 0.5, "label": "noisy trace"}
TRUE = {"color": style.TRUE_COLOUR, "lw": 0.7, "label": "noiseless trace"}


def read_reported(paths: Iterable[Path], value: str) -> dict[str, xr.Dataset]:
    """Return part and `value` [neuron] of the reported member of each method (its first file), in order of legends.

    Attributes: path of the file, and latent_size and beta of the member.
    """
    runs: dict[str, xr.Dataset] = {}
    for path in paths:
        box = read_embedding(path, ["part", value, "latent_size", "beta"])
        member = box.sel(member=box.attrs["reported_member"])
        fit = {name: member[name].item() for name in ("latent_size", "beta")}
        runs.setdefault(str(box.attrs["model"]), member[["part", value]].assign_attrs(path=str(path), **fit))
    return {method: runs[method] for method in style.in_order(runs)}


def examples(runs: Mapping[str, xr.Dataset], groups: Sequence, value: str) -> list[tuple[str, int, int]]:
    """Return `example_neurons` by `value` under PCA, or under the first method without it."""
    decisive = runs.get(BASELINE, next(iter(runs.values())))
    return example_neurons([run["part"].values for run in runs.values()], decisive[value].values, groups)


def draw_reconstruction(axis: Axes, recording: xr.Dataset, run: xr.Dataset, method: str, neuron: int) -> None:
    """Draw the trace of one neuron (by position), the truth where it is known, and a method's reconstruction."""
    time = recording["time"].values
    many = {"rasterized": len(time) > MOST_POINTS}
    axis.plot(time, recording["fluorescence"].values[0, :, neuron], **NOISY, **many)
    if "noiseless" in recording:
        axis.plot(time, recording["noiseless"].values[0, :, neuron], **TRUE, **many)
    box = read_embedding(run.attrs["path"], ["reconstruction"])
    colour = style.appearance(method)["color"]
    axis.plot(box["time"].values, box["reconstruction"].values[:, neuron], color=colour, lw=0.9, **many)


def check_neurons(runs: Mapping[str, xr.Dataset], recording: xr.Dataset, path: Path) -> None:
    """Check that all embeddings have the recording's neurons; raise a UserError that names the file if not."""
    for run in runs.values():
        if not np.array_equal(run["neuron"].values, recording["neuron"].values):
            found = f"{run.sizes['neuron']} neurons, not all the same"
            expected = f"the {recording.sizes['neuron']} neurons of {path}"
            raise UserError(f"{run.attrs['path']}: neuron: expected {expected}, found {found}. Fit again.")

"""Most exciting images of a fitted model: of single neurons, of clusters, and of what a null would reach.

For each cluster the drive of its shared template is given as a fraction of that of the neurons' own MEIs, beside
    the cluster's optimal Gabor (baseline: fewer parameters),
    the template of a random group of as many neurons, fitted in the same way (null of the clusters),
    the template of another cluster, and noise in the same basis, each at the best of the searched angles.
All images have one L2 norm. Fractions are over the neurons that were optimised, the best predicted of each cluster.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.optimal_stimuli.cluster_mei import (
    ClusterMeiParameters,
    ClusterMeis,
    Placed,
    fit_cluster_meis,
    fraction_of_own,
    template_images,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.mei_parameters import MeiStudyParameters
from calcium_latents.studies.digital_twin.optimal_stimuli.most_exciting_images import (
    MostExcitingImages,
    OwnRates,
    most_exciting_images,
    to_norm,
)
from calcium_latents.studies.digital_twin.optimal_stimuli.stimulus_comparison import (
    images_of_others,
    noise_of_equal_spectrum,
)

METHOD, SCORE = "digital_twin", "correlation_to_mean"
#: variable -> (dims, units, long name)
VARIABLES = {
    "mei": (("neuron", "y", "x"), "sd of the training images", "most exciting image"),
    "mei_rate": (("neuron",), "response", "model's rate to the neuron's own MEI"),
    "mei_true_rate": (("neuron",), "response", "true neuron's rate to the model's MEI"),
    "cluster_of_neuron": (("neuron",), "1", "cluster of the neuron"),
    "cluster_mei_rotation_rad": (("neuron",), "rad", "angle by which the template is turned for the neuron"),
    "cluster_mei_rate": (("neuron",), "response", "model's rate to the cluster's template at the neuron's own place"),
    "cluster_mei": (("cluster", "template_y", "template_x"), "1", "template, unit norm, stripes vertical"),
    "cluster_mei_coefficient": (("cluster", "basis"), "1", "coefficient of a polar Hermite function"),
    "cluster_mei_fraction": (("cluster",), "1", "mean rate to the template over that to own MEIs"),
    "cluster_gabor_fraction": (("cluster",), "1", "as cluster_mei_fraction, the cluster's optimal Gabor"),
    "cluster_shuffled_fraction": (("cluster",), "1", "as cluster_mei_fraction, a random group of as many neurons"),
    "cluster_other_fraction": (("cluster",), "1", "as cluster_mei_fraction, another cluster's template, best angle"),
    "cluster_noise_fraction": (("cluster",), "1", "as cluster_mei_fraction, noise in the basis, best angle"),
    "cluster_neurons": (("cluster",), "1", "neurons of the cluster"),
    "cluster_optimised_neurons": (("cluster",), "1", "neurons of the cluster that were optimised"),
}


@dataclass(frozen=True)
class Clustered:
    """N neurons in clusters, as the study needs them.

    Attributes:
        cluster: [N] 0 to K - 1.
        centre_px: [N, 2] (y, x), NaN where unknown; such neurons are left out.
        score: [N], how well a neuron is predicted; NaN last.
        rate_unit: [N], positive.
        gabors: [N, y, x], the cluster's optimal Gabor at each neuron's place and orientation; NaN where unknown.
    """

    cluster: np.ndarray
    centre_px: np.ndarray
    score: np.ndarray
    rate_unit: np.ndarray
    gabors: np.ndarray


def best_of_clusters(clustered: Clustered, per_cluster: int | None) -> np.ndarray:
    """Return indices [n] of neurons to optimise: by cluster, and in each the best predicted first.

    Raises:
        UserError: a cluster has no neuron of known place.
    """
    order = np.lexsort((np.arange(len(clustered.cluster)), -np.nan_to_num(clustered.score, nan=-np.inf)))
    placed = np.isfinite(clustered.centre_px).all(axis=1)
    chosen = []
    for cluster in range(clustered.cluster.max() + 1):
        members = [index for index in order if clustered.cluster[index] == cluster and placed[index]]
        if not members:
            raise UserError(
                f"MEIs: expected a neuron with a place in every cluster, found none in cluster {cluster}. "
                "Give the table of optimal Gabors of all neurons, or fewer clusters."
            )
        chosen += members[:per_cluster]
    return np.array(chosen)


def mei_study(
    own_rates: OwnRates, image_shape: tuple[int, int], clustered: Clustered, parameters: MeiStudyParameters, seed: int
) -> xr.Dataset:
    """Return MEIs of neurons and of clusters, with the variables of `VARIABLES` but mei_true_rate.

    Args:
        own_rates: rate of each image's own neuron (0 to N - 1), differentiable in the images.
        image_shape: (y, x), px.
        clustered: all N neurons.
        parameters: see there.
        seed: of all random numbers.
    """
    chosen = best_of_clusters(clustered, parameters.neurons_per_cluster)
    unit, norm = clustered.rate_unit[chosen], parameters.images.norm
    own = most_exciting_images(own_rates, chosen, image_shape, parameters.images, seed=seed, rate_unit=unit)
    group = clustered.cluster[chosen]
    placed = Placed(own_rates, chosen, clustered.centre_px[chosen], image_shape, parameters.templates, norm)
    single = placed.project(own.images)
    fitted = _fit(placed, group, single, unit)
    # a permutation keeps the sizes: group k of it has as many neurons as cluster k
    permuted = generator(seed, "random groups").permutation(group)
    shuffled = _fit(placed, permuted, single, unit)
    elsewhere = (np.arange(len(fitted.coefficients)) + 1) % len(fitted.coefficients)
    noise = generator(seed, "noise templates").standard_normal(fitted.coefficients.shape)
    fractions = {
        "cluster_mei_fraction": (fitted.rates, group),
        "cluster_shuffled_fraction": (shuffled.rates, permuted),
        "cluster_other_fraction": (placed.search(fitted.coefficients[elsewhere][group])[0], group),
        "cluster_noise_fraction": (placed.search(noise[group])[0], group),
        "cluster_gabor_fraction": (_gabor_rates(placed, clustered.gabors[chosen]), group),
    }
    fractions = {
        name: fraction_of_own(rates, own.rates, of_group, unit) for name, (rates, of_group) in fractions.items()
    }
    return _dataset(clustered, chosen, own, fitted, fractions, parameters.templates)


def _fit(placed: Placed, group: np.ndarray, single: np.ndarray, unit: np.ndarray) -> ClusterMeis:
    """Fit templates, starting from the MEIs (coefficients `single` [n, c]) of the first neurons of each group."""
    starts = placed.parameters.starts
    members = (np.flatnonzero(group == number) for number in range(group.max() + 1))
    candidates = np.stack([single[np.resize(own, starts)] for own in members])
    return fit_cluster_meis(placed, group, candidates, rate_unit=unit)


@torch.no_grad()
def _gabor_rates(placed: Placed, gabors: np.ndarray) -> np.ndarray:
    """Return rates [n] to Gabors [n, y, x] scaled to the study's norm; NaN where there is none."""
    images = to_norm(torch.as_tensor(gabors, dtype=torch.float32), placed.norm)
    parts = zip(*(tensor.split(placed.parameters.batch_images) for tensor in (images, placed.neurons)), strict=True)
    rates = torch.cat([placed.own_rates(torch.nan_to_num(part), own).float() for part, own in parts])
    return np.where(np.isfinite(gabors).all(axis=(1, 2)), rates.cpu().numpy().astype(float), np.nan)


def _dataset(
    clustered: Clustered,
    chosen: np.ndarray,
    own: MostExcitingImages,
    fitted: ClusterMeis,
    fractions: dict[str, np.ndarray],
    parameters: ClusterMeiParameters,
) -> xr.Dataset:
    count, clusters = len(clustered.cluster), len(fitted.coefficients)

    def of_all(values: np.ndarray) -> np.ndarray:
        every = np.full((count, *np.shape(values)[1:]), np.nan, np.asarray(values).dtype)
        every[chosen] = values
        return every

    values = {
        "mei": of_all(own.images),
        "mei_rate": of_all(own.rates),
        "cluster_of_neuron": clustered.cluster,
        "cluster_mei_rotation_rad": of_all(fitted.rotation_rad),
        "cluster_mei_rate": of_all(fitted.rates),
        "cluster_mei": template_images(fitted.coefficients, parameters),
        "cluster_mei_coefficient": fitted.coefficients,
        "cluster_neurons": np.bincount(clustered.cluster, minlength=clusters),
        "cluster_optimised_neurons": np.bincount(fitted.group, minlength=clusters),
        **fractions,
    }
    return xr.Dataset({name: described(name, array) for name, array in values.items()})


def described(name: str, values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """Return a variable [...] of the study, see `VARIABLES`, for xarray: dims, values, units and long name."""
    dims, units, long_name = VARIABLES[name]
    values = np.asarray(values)
    whole = values.dtype.kind in "iu"
    return dims, values.astype(np.int32) if whole else values, {"units": units, "long_name": long_name}


def compared_images(
    dataset: xr.Dataset, centre_px: np.ndarray, gabors, differences, seed: int
) -> dict[str, np.ndarray]:
    """Return the stimuli [N, y, x] of `stimulus_comparison.compare_stimuli`: Gabor, DoG, MEI and both nulls."""
    meis, neurons = dataset["mei"].values, np.arange(dataset.sizes["neuron"])
    return {
        "gabor": gabors,
        "dog": differences,
        "mei": meis,
        "noise": noise_of_equal_spectrum(meis, neurons, seed),
        "other": images_of_others(meis, centre_px, neurons, seed),
    }


def scores_of(neurons: np.ndarray, scores: pd.DataFrame | None, seed: int) -> np.ndarray:
    """Return how well each of `neurons` [N] is predicted: its test correlation to mean responses by the twin.

    Without `scores` the order is drawn at random.
    """
    if scores is None:
        return generator(seed, "order of neurons").random(len(neurons))
    means = scores[scores["method"] == METHOD].groupby("neuron")[SCORE].mean()
    return means.reindex(neurons).to_numpy(float)


def rows_of(table: pd.DataFrame, neurons: np.ndarray, stimulus: str, columns: tuple[str, ...]) -> np.ndarray:
    """Return `columns` [N, columns] of the model's optimal stimuli for `neurons` [N]; NaN where a neuron has none.

    Raises:
        UserError: a neuron has several.
    """
    rows = table[(table["source"] == "model") & (table["stimulus"] == stimulus)].set_index("neuron")
    if rows.index.has_duplicates:
        twice = rows.index[rows.index.duplicated()][0]
        raise UserError(
            f"optimal stimuli: expected one row of each neuron with source model and stimulus {stimulus}, found "
            f"several of neuron {twice}. Give the table of one twin."
        )
    return rows[list(columns)].reindex(neurons).to_numpy(float)


def cluster_table(meis: xr.Dataset) -> pd.DataFrame:
    """Return a row a cluster: mean rate to its template, and to that of a random group, over that to own MEIs."""
    return pd.DataFrame(
        {
            "cluster": meis["cluster"].values,
            "neurons": meis["cluster_optimised_neurons"].values,
            "fraction_of_own": meis["cluster_mei_fraction"].values,
            "null": meis["cluster_shuffled_fraction"].values,
        }
    )

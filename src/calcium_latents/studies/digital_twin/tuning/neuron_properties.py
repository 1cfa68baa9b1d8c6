"""The tuning properties of every neuron in one table: indices of in-silico experiments, optimal stimuli, linear fits.

Non-linearity index (eq. 18): test correlation of the network over that of the linear model (GLM). A linear model of a
complex cell has a correlation near 0, of either sign, and the ratio explodes: the linear model's correlation is taken
as at least `FLOOR`, the network's as at least 0. `nonlinearity_difference` is the network's correlation less the
linear model's: no floor, but it also grows with the neuron's reliability.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.recordings.fields import fail
from calcium_latents.studies.digital_twin.response_scores import LINEAR, TWIN

MODEL, TRUTH = "model", "truth"  # values of `source`
DESIGN = "design"  # what the simulation built in: high or low, without any experiment
ALL, GABOR_LIKE, GABOR = "all", "gabor-like", "gabor cells"  # subsets of neurons
CLUSTER = "cluster"  # value of `stimulus`: the Gabor that is best for the cluster, as in the paper's Figures 3 and 4
FLOOR = 0.05
INDICES = ("orientation_selectivity", "phase_selectivity", "suppression", "cross_orientation_inhibition")
STIMULI = ("gabor_vs_mei", "dog_vs_mei", "gabor_vs_dog")
#: The eight properties of the paper's Figure 3.
PROPERTIES = (*INDICES, "nonlinearity", *STIMULI)
NAMES = {
    "orientation_selectivity": "orientation selectivity (F₂/F₀)",
    "phase_selectivity": "phase selectivity (F₁/F₀)",
    "phase_invariance": "phase invariance (1 − F₁/F₀)",
    "suppression": "surround suppression",
    "cross_orientation_inhibition": "cross-orientation inhibition",
    "nonlinearity": "non-linearity (network / GLM)",
    "nonlinearity_difference": "non-linearity (network − GLM)",
    "gabor_vs_mei": "Gabor / MEI",
    "dog_vs_mei": "DoG / MEI",
    "gabor_vs_dog": "Gabor / DoG",
}
COLUMNS = (
    *("dataset", "label", "neuron", "cluster", "animal", "neuron_type", "tsne_1", "tsne_2"),
    *(*INDICES, "nonlinearity", "nonlinearity_difference", *STIMULI, "test_correlation"),
)


def check_columns(table: pd.DataFrame, columns: Iterable[str], path: str) -> None:
    """Check that a table has `columns` and rows; `path` names it.

    Raises:
        UserError: it has not.
    """
    missing = [name for name in columns if name not in table]
    if missing or table.empty:
        found = f"{list(table.columns)} and {len(table)} rows"
        fail(path, missing[0] if missing else "rows", "this column, with rows", found, "Run its step.")


def nonlinearity(network: np.ndarray, linear: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Return [neuron] max(network, 0) / max(linear, floor) of correlations [neuron], eq. 18; NaN: unknown."""
    network, linear = np.asarray(network, float), np.asarray(linear, float)
    return np.maximum(network, 0) / np.maximum(linear, floor)


def neuron_properties(
    indices: pd.DataFrame,
    comparison: pd.DataFrame,
    scores: pd.DataFrame,
    bar_codes: xr.Dataset,
    dataset: str,
    label: str,
    *,
    source: str = MODEL,
    stimulus: str = CLUSTER,
    floor: float = FLOOR,
) -> pd.DataFrame:
    """Return one row a neuron of the bar codes, in their order, with its properties.

    Args:
        indices: indices.csv, of `source` and `stimulus` among others.
        comparison: stimulus_comparison.csv; neurons without an MEI have NaN or no row.
        scores: scores.csv; seeds of a method are averaged.
        bar_codes: with `cluster` (neuron) and `tsne` (neuron, axis).
        dataset, label: name of the data set in tables and in print.
        source: "model", or "truth": indices of the true neurons, who saw the same stimuli. Their non-linearity index
            has the correlation of the GLM with the noise-free truth as denominator, and 1 as numerator: that of the
            truth with itself. The stimulus comparison is the model's in either case.
        stimulus: the Gabor that the experiments start from: best for the "cluster" or for the neuron ("own").
        floor: least correlation of the linear model.

    Returns:
        Columns `COLUMNS`.

    Raises:
        UserError: columns are missing, or no neuron has indices of this source.
    """
    check_columns(indices, ("neuron", "source", "stimulus", *INDICES), "indices")
    check_columns(scores, ("neuron", "method", "single_trial", "correlation_to_truth", "animal"), "scores")
    neurons = pd.Index(bar_codes["neuron"].values, name="neuron")
    mine = indices[(indices["source"] == source) & (indices["stimulus"] == stimulus)].set_index("neuron")
    if not len(mine.index.intersection(neurons)):
        found = sorted(set(zip(indices["source"], indices["stimulus"], strict=True)))
        fail("indices", "source", f"neurons of the bar codes, {source} and {stimulus}", f"{found}", "Run its step.")
    table = mine[list(INDICES)].reindex(neurons)
    table[["tsne_1", "tsne_2"]] = bar_codes["tsne"].values
    table["cluster"] = bar_codes["cluster"].values
    compared = comparison.set_index("neuron").reindex(index=neurons, columns=list(STIMULI))
    table[list(STIMULI)] = compared.to_numpy(float)
    about = scores.drop_duplicates("neuron").set_index("neuron").reindex(neurons)
    table["animal"] = about["animal"]
    table["neuron_type"] = about["neuron_type"].fillna("") if "neuron_type" in about else ""

    def of(method: str, value: str) -> np.ndarray:
        rows = scores[scores["method"] == method]
        return rows.groupby("neuron")[value].mean().reindex(neurons).to_numpy(float)

    network, linear = of(TWIN, "single_trial"), of(LINEAR, "single_trial")
    table["test_correlation"] = network
    if source == TRUTH:
        linear = of(LINEAR, "correlation_to_truth")
        network = np.where(np.isfinite(linear), 1.0, np.nan)
    table["nonlinearity"] = nonlinearity(network, linear, floor)
    table["nonlinearity_difference"] = network - linear
    return table.reset_index().assign(dataset=dataset, label=label)[list(COLUMNS)]


def with_invariance(properties: pd.DataFrame) -> pd.DataFrame:
    """Return properties indexed by neuron, with phase_invariance = 1 - F1/F0: high for complex cells."""
    return properties.assign(phase_invariance=1 - properties["phase_selectivity"]).set_index("neuron")


def design_properties(responses: xr.Dataset, clusters: pd.Series) -> pd.DataFrame | None:
    """Return what the simulation built in as 0 and 1, indexed by neuron; None for recorded neurons.

    `clusters` is indexed by neuron. Columns: cluster, phase_invariance (complex cell), suppression (surround weight
    above 0), cross_orientation_inhibition (orthogonal weight above 0).
    """
    built = {
        "phase_invariance": "is_complex",
        "suppression": "surround_weight",
        "cross_orientation_inhibition": "orthogonal_weight",
    }
    if any(name not in responses for name in built.values()):
        return None
    values = {name: (responses[variable].values > 0).astype(float) for name, variable in built.items()}
    table = pd.DataFrame(values, index=pd.Index(responses["neuron"].values, name="neuron"))
    return table.reindex(clusters.index).assign(cluster=clusters)


def gabor_like(properties: pd.DataFrame) -> dict[str, pd.Series] | None:
    """Return which "neurons" and "clusters" respond to Gabors, relative to MEIs, more than the mean; None without MEIs.

    Neurons without an MEI go with the mean of their cluster.
    """
    table = properties.set_index("neuron")
    ratio, of_cluster = table["gabor_vs_mei"], table.groupby("cluster")["gabor_vs_mei"].mean()
    if ratio.isna().all():
        return None
    filled = ratio.fillna(table["cluster"].map(of_cluster))
    return {"neurons": filled > ratio.mean(), "clusters": of_cluster > ratio.mean()}


def subsets(properties: pd.DataFrame, responses: xr.Dataset) -> dict[str, dict[str, pd.Series]]:
    """Return subset -> "neurons" or "clusters" -> whether each belongs to it, by index.

    "all"; "gabor-like": response to the Gabor over that to the MEI above the mean over neurons; as published for the
    mean of a cluster, which also stands for its neurons without MEI; "gabor cells" (simulated only): built as Gabors,
    clusters with more than half such.

    The threshold at a mean also leaves out good Gabor cells, and what it keeps may differ in other properties:
    compare with "gabor cells".
    """
    table = properties.set_index("neuron")
    clusters = pd.Index(np.unique(table["cluster"]), name="cluster")
    found = {ALL: {"neurons": pd.Series(True, table.index), "clusters": pd.Series(True, clusters)}}
    good = gabor_like(properties)
    if good is not None:
        found[GABOR_LIKE] = good
    if "kind" in responses:
        kind = pd.Series(responses["kind"].values.astype(str) == "gabor", responses["neuron"].values)
        own = kind.reindex(table.index)
        found[GABOR] = {"neurons": own, "clusters": own.groupby(table["cluster"]).mean() > 0.5}
    return found

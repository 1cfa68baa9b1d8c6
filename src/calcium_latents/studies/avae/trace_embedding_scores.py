"""Tables of how well embeddings of single-neuron traces reconstruct, cluster and separate neurons (AVAE study).

An Embedding holds many fits ("members": latent size, beta, split, partition) of one method and seed to one Recording
(see `recordings.embedding`). Every table starts with dataset, label; scores are of a member's own test neurons.
Correlations and the t-SNE map are of the reported member and of all its neurons (the paper uses its training neurons
for both, and speaks of test neurons). `noise_level` is the median over neurons, NaN where unknown.
Tables that make no sense for a recording (no groups, no parameters of the dynamics) have their columns and no rows.
Random numbers have the partition as address and not the method: methods share permutations and draws.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.manifold import TSNE

from calcium_latents.errors import UserError
from calcium_latents.metrics.clustering import COMPARED, PROTOCOLS, Neurons, Settings, cluster
from calcium_latents.progress import progress
from calcium_latents.recordings.fields import TEST
from calcium_latents.seeds import generator
from calcium_latents.studies.avae.condition_comparison import ALL, IDENTITY, Embeddings, reported_member
from calcium_latents.studies.avae.latent_parameters import PARAMETERS, correlations
from calcium_latents.studies.avae.latent_separation import separation

Box = TypeVar("Box", xr.Dataset, xr.DataArray)

DATASET = ("dataset", "label", "noise_level")
FIT = ("method", "seed", "split", "partition", "latent_size", "hidden", "beta")
ERRORS = ("error", "error_sampled", "residual", "null_error", "null_residual")
SCORED = ("clusters", "ari", "null_ari", "null_upper")
RECONSTRUCTION_COLUMNS = (*DATASET, *FIT, "test_neurons", *ERRORS, "reported")
CLUSTERING_COLUMNS = (*DATASET, *FIT, "latents", "protocol", "peeks", *SCORED, "test_neurons")
SEPARATION_COLUMNS = (*DATASET, *FIT, "latents", "target", "score", "chance", "null_upper", "test_neurons")
CORRELATION_COLUMNS = (
    *DATASET,
    *(name for name in FIT if name != "hidden"),
    *("latent", "parameter", "r", "within_r", "null_upper", "neurons"),
)
TSNE_COLUMNS = (
    *("dataset", "label", "method", "seed", "neuron", "part", "x", "y"),
    *("group", "inhibitory", "culture", "v0", "du"),
)
PERPLEXITY, TSNE_SEED = 30.0, 20  # authors' script: random_state 20, all else sklearn's defaults
MOST_NEURONS = 1500  # test neurons clustered of one member; DBSCAN's time grows with the square


def reconstruction_table(recording: xr.Dataset, embeddings: Embeddings, dataset: str, label: str) -> pd.DataFrame:
    """Return one row a member: mean errors of its test neurons [fluorescence squared]; NaN where truth is unknown."""
    rows = []
    for run, embedding in embeddings.items():
        for member, fit in _members(run, embedding):
            test = embedding["part"].values[member] == TEST
            errors = {
                name: float(embedding[name].values[member, test].mean(dtype=float))
                if name in embedding and test.any()
                else np.nan
                for name in ERRORS
            }
            reported = int(member == reported_member(embedding))
            rows.append({**fit, "test_neurons": int(test.sum()), **errors, "reported": reported})
    return _table(rows, RECONSTRUCTION_COLUMNS, recording, dataset, label)


def clustering_table(
    recording: xr.Dataset,
    embeddings: Embeddings,
    dataset: str,
    label: str,
    settings: Settings | None = None,
    *,
    clustered: int | None = None,
    most_neurons: int = MOST_NEURONS,
    published_samples: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row a member, choice of latents and protocol: adjusted Rand index with the recording's groups.

    Fits of sizes or weights beside the reported ones are scored by `metrics.clustering.COMPARED` alone.

    Args:
        settings: of the protocols.
        clustered: of how many partitions of each split, the first ones; default all.
        most_neurons: test neurons of a member beyond this number are left out at random, the same for all methods.
        published_samples: samples of a trace for which the published eps of principal components was made (15 000).
            Their scores grow with the square root of the number of samples, so its eps is scaled by that of the ratio;
            not given: `settings.pca_eps_factor` holds.
        seed: of permutations and draws.
    """
    rows = []
    settings = settings or Settings()
    if published_samples is not None:
        samples = recording.sizes["trial"] * recording.sizes["time"]
        settings = settings.changed(pca_eps_factor=float(np.sqrt(samples / published_samples)))
    labels = _labels(recording, "group")
    if labels is not None:
        for run, embedding, member, fit in _all_members(embeddings, "clusters", clustered):
            codes, part = _codes(labels, embedding), embedding["part"].values[member]
            address = (fit["split"], fit["partition"])
            test = np.flatnonzero(part == TEST)
            if len(test) > most_neurons:
                rng = generator(seed, "clustered neurons", *address)
                test = np.sort(rng.choice(test, most_neurons, replace=False))
            for name, used in _latent_choices(embedding, fit["latent_size"]):
                noiseless = embedding.get("latents_of_noiseless")
                neurons = Neurons(
                    test=embedding["latents"].values[member, test, :used],
                    training=embedding["latents"].values[member, part != TEST, :used],
                    test_labels=codes[test],
                    training_labels=codes[part != TEST],
                    noiseless=None if noiseless is None else noiseless.values[member, test, :used],
                    method=run[0],
                    groups=len(np.unique(codes)),
                    address=address,
                    seed=seed,
                )
                common = {**fit, "latents": name, "test_neurons": len(test)}
                found = cluster(neurons, settings, PROTOCOLS if _is_reported(embedding, fit) else COMPARED)
                rows += [{**common, "protocol": key, **scored} for key, scored in found.items()]
    return _table(rows, CLUSTERING_COLUMNS, recording, dataset, label)


def separation_table(
    recording: xr.Dataset, embeddings: Embeddings, dataset: str, label: str, *, permutations: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Return one row a member, choice of latents and target (group, inhibitory): balanced accuracy on test neurons."""
    rows = []
    targets = {name: _labels(recording, name) for name in ("group", "inhibitory")}
    targets = {name: labels for name, labels in targets.items() if labels is not None}
    for _, embedding, member, fit in _all_members(embeddings if targets else {}, "separation"):
        part = embedding["part"].values[member]
        for (name, used), (target, labels) in (
            (choice, item) for choice in _latent_choices(embedding, fit["latent_size"]) for item in targets.items()
        ):
            codes = _codes(labels, embedding)
            z = embedding["latents"].values[member, :, :used]
            rng = generator(seed, "separation", target, fit["split"], fit["partition"])
            sides = (z[part != TEST], codes[part != TEST], z[part == TEST], codes[part == TEST])
            found = separation(*sides, rng, permutations)
            count = int((part == TEST).sum())
            rows.append({**fit, "latents": name, "target": target, **found, "test_neurons": count})
    return _table(rows, SEPARATION_COLUMNS, recording, dataset, label)


def correlation_table(
    recording: xr.Dataset, embeddings: Embeddings, dataset: str, label: str, *, permutations: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Return latents of the reported members against a, b, v0, du, over all neurons; see `latent_parameters`."""
    tables = []
    if all(name in recording for name in PARAMETERS):
        for run, embedding in embeddings.items():
            member, fit = list(_members(run, embedding))[reported_member(embedding)]
            aligned = _aligned(recording, embedding)
            groups = aligned["group"].values if "group" in aligned else np.zeros(aligned.sizes["neuron"])
            found = correlations(
                embedding["latents"].values[member, :, : fit["latent_size"]],
                {name: aligned[name].values for name in PARAMETERS},
                groups,
                generator(seed, "correlations"),
                permutations,
            )
            tables.append(found.assign(**fit))
    rows = pd.concat(tables).to_dict("records") if tables else []
    return _table(rows, CORRELATION_COLUMNS, recording, dataset, label)


def tsne_table(recording: xr.Dataset, embeddings: Embeddings, dataset: str, label: str) -> pd.DataFrame:
    """Return a t-SNE map (x, y) of the latents of all neurons of the reported members, as they are, not standardised.

    Settings are those of the authors' script: two dimensions, random_state 20, perplexity 30, 1000 iterations. What
    the recording does not have is empty. x and y are NaN where latents are not finite or neurons are fewer than four.
    """
    tables = []
    for (method, seed), embedding in progress(embeddings.items(), "t-SNE", len(embeddings)):
        member, fit = list(_members((method, seed), embedding))[reported_member(embedding)]
        z = embedding["latents"].values[member, :, : fit["latent_size"]]
        place = np.full((len(z), 2), np.nan)
        finite = np.isfinite(z).all(axis=1)
        if finite.sum() > 3:
            perplexity = min(PERPLEXITY, (finite.sum() - 1) / 3)
            place[finite] = TSNE(2, perplexity=perplexity, random_state=TSNE_SEED).fit_transform(z[finite])
        aligned = _aligned(recording, embedding)
        table = pd.DataFrame({"neuron": aligned["neuron"].values, "part": embedding["part"].values[member]})
        table = table.assign(method=method, seed=seed, x=place[:, 0], y=place[:, 1])
        for name in ("group", "inhibitory", "culture", "v0", "du"):
            table[name] = aligned[name].values if name in aligned else np.nan
        tables.append(table.assign(dataset=dataset, label=label))
    return pd.concat(tables, ignore_index=True)[list(TSNE_COLUMNS)] if tables else pd.DataFrame(columns=TSNE_COLUMNS)


def noise_level(recording: xr.Dataset) -> float:
    """Return the median noise over neurons [fluorescence], NaN where the recording does not say."""
    return float(np.median(recording["noise_level"].values)) if "noise_level" in recording else np.nan


def _members(run: tuple[str, int], embedding: xr.Dataset) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the index of every member and what it is: the columns `FIT`."""
    for member in range(embedding.sizes["member"]):
        fit = {name: int(embedding[name].values[member]) for name in ("partition", "latent_size", "hidden")}
        fit |= {"split": str(embedding["split"].values[member]), "beta": float(embedding["beta"].values[member])}
        yield member, {"method": run[0], "seed": int(run[1]), **fit}


def _all_members(
    embeddings: Embeddings, what: str, partitions: int | None = None
) -> Iterator[tuple[tuple[str, int], xr.Dataset, int, dict[str, Any]]]:
    """Yield (run, embedding, member, fit) of the first `partitions` of every split, with a progress bar."""
    found = []
    for run, embedding in embeddings.items():
        members = list(_members(run, embedding))
        for split in dict.fromkeys(fit["split"] for _, fit in members):
            first = sorted({fit["partition"] for _, fit in members if fit["split"] == split})[:partitions]
            found += [
                (run, embedding, member, fit)
                for member, fit in members
                if fit["split"] == split and fit["partition"] in first
            ]
    yield from progress(found, what, len(found), "fit")


def _is_reported(embedding: xr.Dataset, fit: dict[str, Any]) -> bool:
    """Whether a fit has the reported latent size and weight of the divergence."""
    reported = embedding.isel(member=reported_member(embedding))
    return all(fit[name] == reported[name].item() for name in ("latent_size", "beta"))


def _latent_choices(embedding: xr.Dataset, latent_size: int) -> list[tuple[str, int]]:
    """Return (name, number of first latents): all, and those of identity where the method tells them apart.

    An Embedding says how many there are of the reported latent size; other sizes may have other numbers.
    """
    is_reported = latent_size == int(embedding["latent_size"].values[reported_member(embedding)])
    identity = int(embedding.attrs.get("identity_latents", 0)) if is_reported else 0
    return [(ALL, latent_size)] + ([(IDENTITY, identity)] if identity > 0 else [])


def _labels(recording: xr.Dataset, name: str) -> xr.DataArray | None:
    """Return labels of neurons where the recording has at least two different ones."""
    if name not in recording or len(np.unique(recording[name].values)) < 2:
        return None
    return recording[name]


def _aligned(recording: Box, embedding: xr.Dataset) -> Box:
    """Return what the recording knows of the neurons of the embedding, in its order."""
    absent = np.setdiff1d(embedding["neuron"].values, recording["neuron"].values)
    if len(absent):
        raise UserError(
            f"{embedding.attrs.get('model', 'embedding')}: neuron: expected neurons of the recording, found "
            f"{len(absent)} others, the first: {absent[0]}. Fit the model to this recording again."
        )
    return recording.sel(neuron=embedding["neuron"].values)


def _codes(labels: xr.DataArray, embedding: xr.Dataset) -> np.ndarray:
    """Return labels of the neurons of the embedding as whole numbers."""
    return np.unique(_aligned(labels, embedding).values, return_inverse=True)[1]


def _table(
    rows: list[dict[str, Any]], columns: tuple[str, ...], recording: xr.Dataset, dataset: str, label: str
) -> pd.DataFrame:
    """Return rows with the dataset's name, label and noise; the columns stand even where there are no rows."""
    if not rows:
        return pd.DataFrame(columns=list(columns))
    known = {"dataset": dataset, "label": label, "noise_level": noise_level(recording)}
    return pd.DataFrame(rows).assign(**known)[list(columns)]

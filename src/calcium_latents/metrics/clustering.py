"""Do clusters of neurons in latent space match the neurons' groups? Adjusted Rand index by several protocols.

The adjusted Rand index (ARI, Eq. 16 of the AVAE paper) is 1 where clusters and groups are the same and 0 on average
where they are independent. A cluster is found without labels, but a protocol may use labels to set its parameters:
    peeks = 1: some parameter is chosen by the labels of the very neurons that are scored (as published);
    peeks = 0: it is not; labels of training neurons may be used where the name says so.
DBSCAN and HDBSCAN leave some neurons in no cluster ("noise"): they count as one more cluster, as published.

Protocols that can assign new neurons (mixtures, k-means) are fitted to latents of training and validation neurons,
without labels, and applied to test neurons; the others cluster the test neurons by themselves. Fitting on training
neurons has more neurons to fit and leaves the test neurons out of every choice. Of whole cultures held out, it asks
for clusters that exist in other cultures; test neurons clustered by themselves can also fall apart into cultures,
and where each group has one test culture that scores as if groups were found. `HEADLINE` was fixed on these grounds,
and because mixtures of free covariance depend least on how a method happens to scale and rotate its latents; the
number of groups is known to whoever prepared the cultures.
"""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from calcium_latents.compiling import njit
from calcium_latents.metrics.clustering_parameters import Settings
from calcium_latents.seeds import generator, integer

HEADLINE = "gmm, known number"
PUBLISHED, RELATIVE = "dbscan published", "dbscan relative, oracle"
FROM_TRAINING = "dbscan, eps from training labels"
NOISE = -1
#: Authors' script: eps of DBSCAN for each kind of latents, on latents as they are.
PUBLISHED_EPS = {"avae": np.arange(1, 50) / 100, "pca": np.arange(50, 200) / 100}
LEVELS = np.arange(1, 51) / 50  # quantiles of distances to the k-th neighbour, as candidates for eps
DRAWS = 2  # of training neurons, each as many as test neurons: the density of points is then the same
MOST_FITTED = 400  # neurons to which mixtures and k-means are fitted: keeps a fit below 0.1 s
RESTARTS = 3
RIDGE = 1e-3  # added to variances of standardised latents: no component shrinks to a few equal neurons
RESOLUTION = 1e-5  # relative spread below which a latent is a constant in float32 with rounding errors


@dataclass(frozen=True)
class Neurons:
    """Latents and labels of the neurons of one fit.

    Attributes:
        test, training: [neuron, latent], test neurons and all others.
        test_labels, training_labels: [neuron], whole numbers.
        noiseless: [test neuron, latent], of the noiseless traces, which the published protocol clusters; optional.
        method: name; those that begin with "pca" take the published eps of principal components.
        groups: their number, known beforehand.
        address: of random numbers, such as ("neuron", 3) for a partition, so that methods share them.
        seed: of random numbers.
    """

    test: np.ndarray
    training: np.ndarray
    test_labels: np.ndarray
    training_labels: np.ndarray
    noiseless: np.ndarray | None = None
    method: str = "avae"
    groups: int = 3
    address: tuple[str | int, ...] = ()
    seed: int = 0

    @cached_property
    def standardised(self) -> np.ndarray:
        """Test latents, each of mean 0 and standard deviation 1 over test neurons."""
        return standardise(self.test)

    @cached_property
    def distances(self) -> np.ndarray:
        """Euclidean distances [test, test] of standardised latents."""
        return cdist(self.standardised, self.standardised)

    @cached_property
    def fitted(self) -> tuple[np.ndarray, np.ndarray]:
        """Latents to fit (at most `MOST_FITTED` training neurons) and to assign (test), on training's scale."""
        return standardise(self.training)[self.drawn], standardise(self.test, self.training)

    @cached_property
    def unscaled(self) -> tuple[np.ndarray, np.ndarray]:
        """As `fitted`, latents as they are; constant ones are left out."""
        training = np.asarray(self.training, float)
        return training[self.drawn][:, _varying(training)], np.asarray(self.test, float)[:, _varying(training)]

    @cached_property
    def drawn(self) -> np.ndarray:
        """Training neurons that clusterers are fitted to."""
        count = len(self.training)
        if count <= MOST_FITTED:
            return np.arange(count)
        return np.sort(generator(self.seed, "fitted neurons", *self.address).choice(count, MOST_FITTED, replace=False))


def standardise(z: np.ndarray, by: np.ndarray | None = None) -> np.ndarray:
    """Return latents [neuron, latent] with mean 0 and standard deviation 1 over neurons of `by` (default z).

    Latents that are constant there, up to rounding of float32, are left out: no columns if all are.
    """
    z = np.asarray(z, float)
    by = z if by is None else np.asarray(by, float)
    varies = _varying(by)
    return (z[:, varies] - by[:, varies].mean(axis=0)) / by[:, varies].std(axis=0)


def _varying(z: np.ndarray) -> np.ndarray:
    """Return which latents [latent] vary by more than float32's rounding."""
    return z.std(axis=0) > RESOLUTION * np.abs(z).max(axis=0, initial=0)


def adjusted_rand(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index of every pair of partitions: first [m, neuron], second [k, neuron] -> [m, k].

    Labels are whole numbers without large gaps.
    """
    first, second = (np.atleast_2d(partitions) - np.min(partitions) for partitions in (first, second))
    n, size = first.shape[1], second.max() + 1
    members = np.eye(size, dtype=np.float32)[second].transpose(1, 0, 2).reshape(n, -1)
    together = np.empty((len(first), len(second)))  # sums of squares of the contingency tables
    alone = np.empty((len(first), 1))
    for row, codes in enumerate(first):
        inside = np.eye(codes.max() + 1, dtype=np.float32)[codes]
        counts = (inside.T @ members).astype(float)
        together[row] = (counts**2).reshape(-1, len(second), size).sum(axis=(0, 2))
        alone[row] = (inside.sum(axis=0, dtype=float) ** 2).sum()
    other = (members.sum(axis=0, dtype=float) ** 2).reshape(len(second), size).sum(axis=1)
    together, alone, other = ((value - n) / 2 for value in (together, alone, other))  # sums of (count choose 2)
    expected = alone * other / max(n * (n - 1) / 2, 1)
    span = (alone + other) / 2 - expected
    return np.where(span > 0, (together - expected) / np.where(span > 0, span, 1), 1.0)


def core_distances(distances: np.ndarray, min_samples: int) -> np.ndarray:
    """Return [neuron] the radius that holds `min_samples` neurons, the neuron itself included."""
    count = min(min_samples, len(distances))
    return np.partition(distances, count - 1, axis=1)[:, count - 1]


def dbscan(distances: np.ndarray, eps: np.ndarray, min_samples: int) -> np.ndarray:
    """Return DBSCAN's partition [eps, neuron] for every radius, -1 where a neuron is in no cluster.

    As sklearn's: a neuron is core with `min_samples` neurons, itself included, at distances <= eps; core neurons at
    distances <= eps share a cluster; others join the first cluster (by index of its first core neuron) that is near.
    """
    return _dbscan(np.ascontiguousarray(distances, float), np.atleast_1d(np.asarray(eps, float)), int(min_samples))


@njit
def _dbscan(distances, eps, min_samples):
    count = len(distances)
    labels = np.full((len(eps), count), NOISE, np.int64)
    waiting = np.empty(count, np.int64)
    core = np.empty(count, np.bool_)
    for e in range(len(eps)):
        for i in range(count):
            core[i] = (distances[i] <= eps[e]).sum() >= min_samples
        cluster = 0
        for first in range(count):
            if not core[first] or labels[e, first] != NOISE:
                continue
            labels[e, first] = cluster
            waiting[0], size = first, 1
            while size:
                size -= 1
                i = waiting[size]
                if not core[i]:
                    continue
                for j in range(count):
                    if labels[e, j] == NOISE and distances[i, j] <= eps[e]:
                        labels[e, j] = cluster
                        waiting[size] = j
                        size += 1
            cluster += 1
    return labels


def dbscan_published(neurons: Neurons, settings: Settings) -> np.ndarray:
    """DBSCAN at every eps of the authors' grid for this kind of latents, which stay as they are."""
    z = np.asarray(neurons.test if neurons.noiseless is None else neurons.noiseless, float)
    eps = PUBLISHED_EPS["avae"]
    if neurons.method.startswith("pca"):
        eps = PUBLISHED_EPS["pca"] * settings.pca_eps_factor
    return dbscan(cdist(z, z), eps, settings.min_samples)


def _relative_eps(distances: np.ndarray, min_samples: int) -> np.ndarray:
    # "higher": a distance that occurs, so that rounding does not decide who is near
    return np.quantile(core_distances(distances, min_samples), LEVELS, method="higher")


def dbscan_relative(neurons: Neurons, settings: Settings) -> np.ndarray:
    """DBSCAN of standardised latents, eps at quantiles of the distances to the k-th neighbour."""
    eps = _relative_eps(neurons.distances, settings.relative_min_samples)
    return dbscan(neurons.distances, eps, settings.relative_min_samples)


def dbscan_from_training(neurons: Neurons, settings: Settings) -> np.ndarray:
    """As `dbscan_relative`, with the quantile and min_samples of the best mean ARI in draws of training neurons."""
    rng = generator(neurons.seed, "dbscan draws", *neurons.address)
    size = min(len(neurons.test), len(neurons.training))
    scores = np.zeros((len(settings.training_min_samples), len(LEVELS)))
    for _ in range(DRAWS):
        chosen = np.sort(rng.choice(len(neurons.training), size, replace=False))
        z = standardise(neurons.training[chosen])
        distances = cdist(z, z)
        for row, min_samples in enumerate(settings.training_min_samples):
            found = dbscan(distances, _relative_eps(distances, min_samples), min_samples)
            scores[row] += adjusted_rand(found, neurons.training_labels[chosen])[:, 0]
    row, column = np.unravel_index(np.argmax(scores), scores.shape)
    min_samples = settings.training_min_samples[row]
    return dbscan(neurons.distances, _relative_eps(neurons.distances, min_samples)[column], min_samples)


def dbscan_knee(neurons: Neurons, settings: Settings) -> np.ndarray:
    """DBSCAN at the knee of the sorted distances to the k-th neighbour: where they lie farthest below their chord."""
    reach = np.sort(core_distances(neurons.distances, settings.relative_min_samples))
    span = reach[-1] - reach[0]
    below = np.linspace(0, 1, len(reach)) - (reach - reach[0]) / (span if span > 0 else 1)
    return dbscan(neurons.distances, reach[np.argmax(below)], settings.relative_min_samples)


def hdbscan(neurons: Neurons, settings: Settings) -> np.ndarray:
    """HDBSCAN of standardised test latents; the smallest cluster is a twentieth of the neurons, at least 5."""
    z = neurons.standardised
    smallest = max(5, int(len(z) * settings.smallest_cluster))
    if len(z) < smallest or not z.shape[1]:
        return np.zeros((1, len(z)), int)
    return HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(z)[None]


def _mixture(z: np.ndarray, numbers: range, restarts: int, seed: int) -> GaussianMixture:
    """Return the Gaussian mixture of the best BIC over numbers of components, and over full and diagonal covariance."""
    fits = [
        GaussianMixture(number, covariance_type=kind, n_init=restarts, reg_covar=RIDGE, random_state=seed).fit(z)
        for number in numbers
        for kind in ("diag", "full")
    ]
    return min(fits, key=lambda fit: fit.bic(z))


def _assign(neurons: Neurons, fit: Callable, latents: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Return clusters [1, test neuron] of `fit(latents, most clusters, seed)`, which gives a fitted sklearn model.

    `latents` are those to fit and those to assign; default `neurons.fitted`.
    """
    train, test = neurons.fitted if latents is None else latents
    distinct = len(np.unique(train, axis=0)) if train.shape[1] else 1
    if distinct < 2:
        return np.zeros((1, len(test)), int)
    seed = integer(neurons.seed, "clusters", *neurons.address) % 2**32
    with warnings.catch_warnings():
        # a fit that stops at its last iteration is still a partition
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(train, distinct, seed).predict(test)[None]


def gmm_bic(neurons: Neurons, settings: Settings) -> np.ndarray:
    """Gaussian mixture; BIC chooses 1 to `most_components` components."""

    def fit(z, most, seed):
        return _mixture(z, range(1, min(settings.most_components, most) + 1), 1, seed)

    return _assign(neurons, fit)


def gmm_known(neurons: Neurons, settings: Settings, latents: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Gaussian mixture of as many components as there are groups, the best likelihood of `RESTARTS`.

    `latents`: to fit and to assign, each [neuron, latent].
    """

    def fit(z, most, seed):
        number = min(neurons.groups, most)
        return _mixture(z, range(number, number + 1), RESTARTS, seed)

    return _assign(neurons, fit, latents)


def gmm_known_test_alone(neurons: Neurons, settings: Settings) -> np.ndarray:
    """As `gmm_known`, fitted to the test neurons themselves."""
    return gmm_known(neurons, settings, (neurons.standardised, neurons.standardised))


def k_means_known(
    neurons: Neurons, settings: Settings, latents: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """k-means of as many clusters as there are groups, the best of ten starts.

    `latents`: to fit and to assign, each [neuron, latent].
    """

    def fit(z, most, seed):
        return KMeans(min(neurons.groups, most), n_init=10, random_state=seed).fit(z)

    return _assign(neurons, fit, latents)


def k_means_unscaled(neurons: Neurons, settings: Settings) -> np.ndarray:
    """As `k_means_known`, latents as they are: principal components then count by their variance, not all the same."""
    return k_means_known(neurons, settings, neurons.unscaled)


#: name -> (function of Neurons and Settings that gives candidate partitions [candidate, test neuron]; peeks: 1 where
#: the best candidate is chosen by the test labels, 0 where there is one candidate)
PROTOCOLS: dict[str, tuple[Callable[[Neurons, Settings], np.ndarray], int]] = {
    PUBLISHED: (dbscan_published, 1),
    RELATIVE: (dbscan_relative, 1),
    FROM_TRAINING: (dbscan_from_training, 0),
    "dbscan knee": (dbscan_knee, 0),
    "gmm bic": (gmm_bic, 0),
    HEADLINE: (gmm_known, 0),
    "gmm, known number, test neurons alone": (gmm_known_test_alone, 0),
    "k-means, known number": (k_means_known, 0),
    "k-means, known number, unscaled": (k_means_unscaled, 0),
    "hdbscan": (hdbscan, 0),
}


#: Of fits beside the reported ones, whose sizes and weights are compared by these alone.
COMPARED = (PUBLISHED, RELATIVE, HEADLINE)


def score(candidates: np.ndarray, labels: np.ndarray, peeks: int, permutations: np.ndarray) -> dict[str, float]:
    """Return clusters, ari, null_ari, null_upper of the best candidate partition.

    The null repeats the choice of a candidate with permuted labels, so that what peeking alone gains is in it. Without
    a choice its mean is exactly 0; null_upper is the 97.5 % quantile.

    Args:
        candidates: [candidate, neuron].
        labels: [neuron].
        permutations: [permutation, neuron], permuted labels.
    """
    different, first = np.unique(candidates, axis=0, return_index=True)
    candidates = different[np.argsort(first)]
    if not peeks and len(candidates) > 1:
        raise ValueError(f"expected one candidate of a protocol that does not peek, found {len(candidates)}.")
    scores = adjusted_rand(candidates, np.concatenate([labels[None], permutations]))
    best = candidates[np.argmax(scores[:, 0])]
    null = scores[:, 1:].max(axis=0)
    return {
        "clusters": len(np.unique(best)),
        "ari": float(adjusted_rand_score(labels, best)),
        "null_ari": float(null.mean()) if peeks else 0.0,
        "null_upper": float(np.quantile(null, 0.975)),
    }


def cluster(
    neurons: Neurons, settings: Settings | None = None, protocols: Iterable[str] = tuple(PROTOCOLS)
) -> dict[str, dict[str, float]]:
    """Return protocol -> {peeks, clusters, ari, null_ari, null_upper} for some of `PROTOCOLS`.

    `clusters` counts noise as one. Scores are NaN, and clusters 0, where latents are not finite (a diverged fit), the
    test neurons have one group or are fewer than two, or there are no training neurons.
    """
    settings = settings or Settings()
    chosen = {name: PROTOCOLS[name] for name in protocols}
    labels = np.asarray(neurons.test_labels)
    missing = [z for z in (neurons.test, neurons.training, neurons.noiseless) if z is not None]
    if len(np.unique(labels)) < 2 or not len(neurons.training) or not all(np.isfinite(z).all() for z in missing):
        nothing = {"clusters": 0, "ari": np.nan, "null_ari": np.nan, "null_upper": np.nan}
        return {name: {"peeks": peeks, **nothing} for name, (_, peeks) in chosen.items()}
    rng = generator(neurons.seed, "permuted labels", *neurons.address)
    permuted = rng.permuted(np.tile(labels, (settings.permutations, 1)), axis=1)
    return {
        name: {"peeks": peeks, **score(protocol(neurons, settings), labels, peeks, permuted)}
        for name, (protocol, peeks) in chosen.items()
    }

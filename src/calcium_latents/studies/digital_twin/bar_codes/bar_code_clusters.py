"""Clusters of aligned bar codes, their map in two dimensions, and how well they agree with known types of neurons."""

import numpy as np
from scipy.stats import entropy
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from sklearn.metrics import homogeneity_score, mutual_info_score

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator, integer
from calcium_latents.statistics.intervals import bootstrap

CONFIDENCE = 0.95
FEWEST_FOR_MAP = 4  # neurons; t-SNE needs more neurons than its perplexity, which is at least 1


def k_means(codes: np.ndarray, clusters: int, seed: int, restarts: int = 20) -> np.ndarray:
    """Return the cluster [neuron] of codes [neuron, ...]: 0 for the largest, then by size.

    Raises:
        UserError: fewer neurons than clusters.
    """
    flat = np.asarray(codes, float).reshape(len(codes), -1)
    if not 1 <= clusters <= len(flat):
        raise UserError(
            f"clusters: expected a number from 1 to {len(flat)} (neurons), found {clusters}. Ask for fewer."
        )
    distinct = len(np.unique(flat, axis=0))
    state = integer(seed, "bar_code_clusters", "k-means", clusters) % 2**32
    fitted = KMeans(min(clusters, distinct), n_init=restarts, random_state=state).fit(flat)
    return order_by_size(fitted.labels_)


def order_by_size(labels: np.ndarray) -> np.ndarray:
    """Return labels [neuron] renumbered by size, the largest 0; of equal ones, that of the first neuron comes first."""
    values, first, found, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    rank = np.empty(len(values), int)
    rank[order] = np.arange(len(values))
    return rank[found]


def map_in_two(codes: np.ndarray, seed: int, perplexity: float = 50.0) -> np.ndarray:
    """Return a t-SNE map [neuron, 2] of codes [neuron, ...] that begins with their principal components.

    The perplexity is at most a third of the other neurons. Fewer than four neurons, or equal codes, lie at the origin.
    """
    flat = np.asarray(codes, float).reshape(len(codes), -1)
    if len(flat) < FEWEST_FOR_MAP or np.ptp(flat, axis=0).max(initial=0) < 1e-9 or flat.shape[1] < 2:
        return np.zeros((len(flat), 2), np.float32)
    state = integer(seed, "bar_code_clusters", "t-SNE") % 2**32
    perplexity = min(perplexity, (len(flat) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=state).fit_transform(flat).astype(np.float32)


def agreement(types: np.ndarray, clusters: np.ndarray, seed: int, resamples: int = 1000) -> dict[str, float]:
    """Return how well clusters [neuron] match types [neuron].

    Returns:
        ari: adjusted Rand index; ari_lower, ari_upper: 95 % percentile interval over resampled neurons, clusters as
            they are (it does not say how clusters of other neurons would come out);
        homogeneity: 1 if every cluster has neurons of one type, whatever the number of clusters.
    """
    types, clusters = _codes(types), _codes(clusters)
    n = len(types)
    rng = generator(seed, "bar_code_clusters", "resampled neurons")

    def of_drawn(neurons: np.ndarray) -> np.ndarray:
        weights = [np.bincount(row, minlength=n) for row in np.atleast_2d(neurons)]
        return weighted_rand(types, clusters, np.array(weights))

    lower, upper = bootstrap(n, of_drawn, rng, resamples, CONFIDENCE) if n > 1 else (np.nan, np.nan)
    ari = weighted_rand(types, clusters, np.ones(n))
    scores = {"ari": ari, "ari_lower": lower, "ari_upper": upper, "homogeneity": homogeneity_score(types, clusters)}
    return {name: float(value) for name, value in scores.items()}


def chance(types: np.ndarray, clusters: np.ndarray, seed: int, permutations: int = 200) -> dict[str, float]:
    """Return what permuted types [neuron] give: mean index, its 97.5 % quantile, mean homogeneity (not 0)."""
    types, clusters = _codes(types), _codes(clusters)
    rng = generator(seed, "bar_code_clusters", "permuted types")
    every = np.ones(len(types))
    drawn = [rng.permutation(types) for _ in range(permutations)]
    index = np.array([weighted_rand(one, clusters, every) for one in drawn])
    spread, of_cluster = entropy(np.bincount(types)), np.eye(clusters.max() + 1)[clusters]
    tables = (np.eye(types.max() + 1)[one].T @ of_cluster for one in drawn)  # as homogeneity_score does, without checks
    pure = [mutual_info_score(None, None, contingency=table) / spread for table in tables] if spread else [1.0]
    scores = {"chance_ari": index.mean(), "chance_upper": np.quantile(index, 1 - (1 - CONFIDENCE) / 2)}
    return {name: float(value) for name, value in (scores | {"chance_homogeneity": np.mean(pure)}).items()}


def weighted_rand(types: np.ndarray, clusters: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index [...] of whole numbers [neuron] >= 0; neuron n counts `weights`[..., n] times.

    Only pairs of two different neurons count: copies of one neuron, in a bootstrap, share type and cluster for nothing.
    """
    weights = np.asarray(weights, float)
    same = np.square(weights).sum(axis=-1)

    def pairs(labels: np.ndarray) -> np.ndarray:
        counts = weights @ np.eye(labels.max() + 1)[labels]
        return (np.square(counts).sum(axis=-1) - same) / 2

    together = pairs(_codes(types * (clusters.max() + 1) + clusters))
    by_type, by_cluster, every = pairs(types), pairs(clusters), pairs(np.zeros_like(types))
    expected = by_type * by_cluster / np.where(every > 0, every, 1)
    span = (by_type + by_cluster) / 2 - expected
    clear = span > 1e-12 * np.maximum(every, 1)
    return np.where(clear, (together - expected) / np.where(clear, span, 1), 1.0)


def _codes(labels: np.ndarray) -> np.ndarray:
    return np.unique(np.asarray(labels), return_inverse=True)[1]

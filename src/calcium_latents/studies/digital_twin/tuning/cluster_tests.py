"""Do neurons of one cluster share tuning properties? (Digital twin, Figure 3.)

As published: a two-sided Kolmogorov-Smirnov test of each cluster against the whole population, which holds the cluster,
for each property. A cluster that is half of the population can therefore hardly differ. p values have the asymptotic
distribution of SciPy's `ks_2samp(method="asymp")`.

Many tests are made, so some are significant by chance: 50 clusters and 8 properties at alpha .01 give about 4 (fewer,
as the population holds the cluster). The null gives clusters of the same sizes random members, many times. Whether a
cluster is significant depends on its size as well as on how it differs: `ks` is the size of the difference.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from scipy.stats import binom, kstwo

from calcium_latents.errors import UserError
from calcium_latents.progress import progress
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.tuning.neuron_properties import PROPERTIES

ALPHA, SHUFFLES = 0.01, 20
CLUSTERED, RANDOM = "k-means", "shuffled"
COLUMNS = ("dataset", "label", "cluster", "neurons", "property", "ks", "p", "significant", "assignment", "alpha")


def kolmogorov_smirnov(values: np.ndarray, clusters: np.ndarray) -> pd.DataFrame:
    """Test the values of every cluster against those of all neurons.

    Args:
        values: [neuron], NaN where unknown.
        clusters: [neuron], labels.

    Returns:
        One row a cluster, in order of labels: cluster, neurons (with a value), ks (largest difference between the
        distribution functions), p (two-sided). ks and p are NaN for clusters of fewer than two values.
    """
    known = np.isfinite(values)
    names, code = np.unique(clusters, return_inverse=True)
    value, code = np.asarray(values, float)[known], code[known]
    population = np.sort(value)
    size = np.bincount(code, minlength=len(names))
    ks = np.full(len(names), np.nan)
    for cluster in np.flatnonzero(size > 1):
        own = np.sort(value[code == cluster])
        # both distribution functions step at values of the population only, as it holds the cluster
        here, all_of_them = (np.searchsorted(x, population, side="right") / len(x) for x in (own, population))
        ks[cluster] = np.abs(here - all_of_them).max()
    effective = np.maximum(np.round(size * len(value) / np.maximum(size + len(value), 1)), 1)
    p = np.where(np.isfinite(ks), np.clip(kstwo.sf(np.nan_to_num(ks), effective), 0, 1), np.nan)
    return pd.DataFrame({"cluster": names, "neurons": size, "ks": ks, "p": p})


def cluster_tests(
    properties: pd.DataFrame,
    dataset: str,
    label: str,
    *,
    names: Iterable[str] = PROPERTIES,
    alpha: float = ALPHA,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Test every property of every cluster, for the clusters found and for random members.

    Args:
        properties: a row a neuron, with the column cluster and properties; those without any value are left out.
        dataset, label: name of the data set in tables and in print.
        names: of properties.
        alpha: level of each test.
        shuffles: random assignments "shuffled 0", "shuffled 1", ... with clusters of the same sizes.
        seed: of the random assignments.

    Returns:
        Columns `COLUMNS`, a row for each cluster, property and assignment; significant: 1 where p < alpha.

    Raises:
        UserError: alpha or shuffles make no sense.
    """
    if not 0 < alpha < 1 or shuffles < 1:
        raise UserError(
            f"cluster tests: expected alpha in (0, 1) and at least one shuffle, found {alpha} and {shuffles}."
        )
    parts = []
    assignments = _assignments(properties["cluster"].to_numpy(), shuffles, seed)
    for assignment, clusters in progress(assignments, "tests of clusters", 1 + shuffles):
        for name in names:
            values = properties[name].to_numpy(float)
            if np.isfinite(values).any():
                parts.append(kolmogorov_smirnov(values, clusters).assign(property=name, assignment=assignment))
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(parts, ignore_index=True).assign(dataset=dataset, label=label, alpha=alpha)
    return table.assign(significant=(table["p"] < alpha).astype(int))[list(COLUMNS)]


def _assignments(clusters: np.ndarray, shuffles: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    yield CLUSTERED, clusters
    for number in range(shuffles):
        yield f"{RANDOM} {number}", generator(seed, "random clusters", number).permutation(clusters)


def count_significant(tests: pd.DataFrame) -> pd.DataFrame:
    """Count clusters of every assignment that differ from the population on at least 1, 2, ..., all properties.

    Args:
        tests: columns of `cluster_tests`, of one data set.

    Returns:
        One row an assignment and number of properties `at_least`: `value`, how many clusters differ on so many, `of`
        all clusters, and how many are `expected` to, were all tests chance. Tests of different properties are taken as
        independent of each other; a common cause makes the expected number smaller for one and larger for all.
    """
    properties, alpha = tests["property"].nunique(), tests["alpha"].iloc[0]
    wanted = np.arange(1, properties + 1)
    parts = []
    for assignment, part in tests.groupby("assignment", sort=False):
        number = part.groupby("cluster")["significant"].sum().to_numpy()
        counts = {"value": (number[:, None] >= wanted).sum(axis=0), "of": len(number)}
        expected = len(number) * binom.sf(wanted - 1, properties, alpha)
        parts.append(pd.DataFrame({"assignment": assignment, "at_least": wanted, **counts, "expected": expected}))
    return pd.concat(parts, ignore_index=True)

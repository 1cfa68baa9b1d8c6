"""Are non-linear properties of neurons independent of each other, and are all their combinations there? (Figure 4.)

Two questions, asked of neurons and of means of clusters, and of several sources (indices of the model, of the true
neurons, what the simulation built in), so that what imperfect fits add is seen beside what the neurons have:
1. Pearson correlations between properties: interval by bootstrap, null by permutation of one side.
2. Phase invariance, surround suppression and cross-orientation inhibition, each high or low by the mean over all
   neurons: counts of the eight combinations, and their multi-information sum_i H(x_i) - H(x_1, x_2, x_3) in bits
   (Watanabe 1960), which is 0 if and only if the three are independent, jointly and not only in pairs.

With n units, G = 2 n ln(2) times the plug-in multi-information has under independence a chi-square distribution with
2^k - 1 - k degrees of freedom; under weak dependence a non-central one with the true multi-information in place of the
plug-in as its non-centrality. G is first scaled so that its mean over permutations is that number (Bartlett's
correction, which matters for tens of clusters), and the interval is the set of non-centralities that agree with it.

The decision needs both ends of that interval:
    dependent: the permutation test rejects and the interval leaves out 0 ("weakly" where it ends below `margin` bits);
    independent: it does not reject, the interval holds 0 and ends below `margin` bits (0.1: two balanced properties
        that correlate by 0.37 have as much);
    undecided: the data could hide a dependence of that size, or a property does not vary.
Units are taken as independent draws. Clusters of neurons are few and chosen to differ: they seldom decide.
"""

from collections.abc import Mapping
from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import ncx2

from calcium_latents.progress import progress
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import bootstrap
from calcium_latents.studies.digital_twin.tuning.tuning_parameters import Settings

CODE = ("phase_invariance", "suppression", "cross_orientation_inhibition")  # properties of the combinatorial code
CORRELATED = ("orientation_selectivity", *CODE, "nonlinearity", "nonlinearity_difference")
BITS = ("phase_invariant", "suppressed", "cross_inhibited")
NEURONS, CLUSTERS = "neurons", "clusters"
DEPENDENT, WEAK, INDEPENDENT, UNDECIDED = "dependent", "weakly dependent", "independent", "undecided"
WHERE = ("dataset", "label", "source", "subset", "unit")
CORRELATION_COLUMNS = (*WHERE, "property_a", "property_b", "neurons", "r", "lower", "upper", "null_upper", "p")
INFORMATION = (
    *("multi_information_bits", "corrected_bits", "lower_bits", "upper_bits"),
    *("null_bits", "null_upper_bits", "p", "decision"),
)
COMBINATION_COLUMNS = (*WHERE, *BITS, "count", "expected", "lower", "upper", *INFORMATION)
FEWEST = 4  # units for a correlation
AT_ONCE = 2_000_000  # values resampled at a time


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation [...] of two arrays [..., unit], NaN where a side is constant."""
    first, second = (x - x.mean(axis=-1, keepdims=True) for x in (np.asarray(first, float), np.asarray(second, float)))
    scale = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(scale > 1e-12, (first * second).sum(axis=-1) / scale, np.nan)


def correlation_test(first: np.ndarray, second: np.ndarray, settings: Settings, rng: np.random.Generator) -> dict:
    """Return neurons (units used), r, lower, upper, null_upper, p of two properties [unit].

    Units with NaN are left out. null_upper: quantile `confidence` of |r| over permutations; p: two-sided, by
    permutation. All NaN with fewer than four units or a constant property.
    """
    known = np.isfinite(first) & np.isfinite(second)
    a, b = first[known], second[known]
    found = dict.fromkeys(("r", "lower", "upper", "null_upper", "p"), np.nan)
    r = float(pearson(a, b)) if len(a) >= FEWEST else np.nan
    if np.isfinite(r):
        lower, upper = bootstrap(
            len(a), lambda units: pearson(a[units], b[units]), rng, settings.bootstraps, settings.confidence
        )
        null, step = [], max(1, AT_ONCE // len(a))
        for start in range(0, settings.permutations, step):
            rows = min(step, settings.permutations - start)
            null.append(np.abs(pearson(a[None], rng.permuted(np.tile(b, (rows, 1)), axis=1))))
        null = np.concatenate(null)
        p = (1 + (null >= abs(r) - 1e-12).sum()) / (1 + len(null))
        found = {"r": r, "lower": lower, "upper": upper, "null_upper": np.quantile(null, settings.confidence), "p": p}
    return {"neurons": len(a), **found}


def multi_information(counts: np.ndarray) -> np.ndarray:
    """Return the plug-in multi-information in bits of counts [..., 2, 2, ...] over the last `k` axes of length 2.

    The first axis is over tables; `counts` is [table, 2, ..., 2].
    """
    axes = tuple(range(1, counts.ndim))
    share = counts / counts.sum(axis=axes, keepdims=True)
    marginal = [_entropy(share.sum(axis=tuple(other for other in axes if other != axis)), (1,)) for axis in axes]
    return np.maximum(sum(marginal) - _entropy(share, axes), 0)


def _entropy(share: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=axes)


def count_combinations(bits: np.ndarray) -> np.ndarray:
    """Return how often each combination occurs, [table, 2, ..., 2], of bits [table, unit, property] (0 or 1)."""
    tables, _, k = bits.shape
    code = (bits @ (1 << np.arange(k)[::-1])) + (np.arange(tables) << k)[:, None]
    return np.bincount(code.ravel(), minlength=tables << k).reshape(tables, *(2,) * k)


def information_interval(g: float, freedom: int, confidence: float) -> tuple[float, float]:
    """Return the non-centralities at which G (chi-square, `freedom` degrees) lies at either edge of its distribution.

    The upper end is never below that for G equal to its mean under independence: fewer deviations than by chance are
    luck, and no proof that there are none.
    """
    tail = (1 - confidence) / 2

    def solve(value: float, probability: float) -> float:
        def excess(noncentrality):
            return ncx2.cdf(value, freedom, noncentrality) - probability

        # the distribution function falls with non-centrality; at 0 it is a chi-square's
        top = 4 * value + 60
        return 0.0 if excess(1e-9) <= 0 else float(brentq(excess, 1e-9, top))

    return solve(g, 1 - tail), solve(max(g, freedom), tail)


def independence_test(bits: np.ndarray, settings: Settings, rng: np.random.Generator) -> tuple[dict, pd.DataFrame]:
    """Test whether properties are independent.

    Args:
        bits: [unit, property], 0 or 1.
        settings: see there.
        rng: for the permutations: of every property on its own, so that its share of ones is kept.

    Returns:
        (names `INFORMATION` -> value, table of `BITS`-like columns 0, 1, ... with count, expected, lower, upper): the
        interval of a count is that under independence, `confidence` of the permutations.
    """
    bits = np.asarray(bits, int)
    units, k = bits.shape
    cells = pd.DataFrame(list(product((0, 1), repeat=k)))
    observed = count_combinations(bits[None])[0]
    high = bits.mean(axis=0) if units else np.full(k, np.nan)
    expected = units * np.prod(np.where(cells, high, 1 - high), axis=1)
    cells = cells.assign(count=observed.ravel(), expected=expected)
    varying = int(((high > 0) & (high < 1)).sum())
    freedom = 2**varying - 1 - varying
    if varying < 2 or units < FEWEST:
        unknown = dict.fromkeys(INFORMATION[:-1], np.nan) | {"decision": UNDECIDED}
        return unknown, cells.assign(lower=np.nan, upper=np.nan)
    null = np.concatenate(list(_permuted(bits, settings, rng)))
    tail = (1 - settings.confidence) / 2
    lower, upper = np.quantile(null.reshape(len(null), -1), [tail, 1 - tail], axis=0)
    information, chance = float(multi_information(observed[None])[0]), multi_information(null)
    # permutations of a few units can all agree with the data; then nothing is learnt from them
    p = (1 + (chance >= information - 1e-12).sum()) / (1 + len(chance))
    per_bit = freedom / chance.mean() if chance.mean() > 0 else 2 * units * np.log(2)
    ends = [end / per_bit for end in information_interval(information * per_bit, freedom, settings.confidence)]
    if p >= tail:
        ends[0] = 0.0
    decision = UNDECIDED
    if ends[0] > 0:
        decision = WEAK if ends[1] < settings.margin_bits else DEPENDENT
    elif p >= tail and ends[1] < settings.margin_bits:
        decision = INDEPENDENT
    corrected = max(0.0, information - freedom / per_bit)
    quantile = float(np.quantile(chance, settings.confidence))
    values = (information, corrected, *ends, float(chance.mean()), quantile, p, decision)
    return dict(zip(INFORMATION, values, strict=True)), cells.assign(lower=lower, upper=upper)


def _permuted(bits: np.ndarray, settings: Settings, rng: np.random.Generator):
    step = max(1, AT_ONCE // bits.size)
    for start in range(0, settings.permutations, step):
        rows = min(step, settings.permutations - start)
        yield count_combinations(rng.permuted(np.tile(bits, (rows, 1, 1)), axis=1))


def cluster_means(table: pd.DataFrame, smallest: int = 3) -> pd.DataFrame:
    """Return the mean of every column over the neurons of each cluster, NaN with fewer than `smallest` values.

    `table` has the column cluster (which becomes the index) and numbers.
    """
    groups = table.groupby("cluster")
    return groups.mean().where(groups.count() >= smallest)


def study_independence(
    sources: Mapping[str, pd.DataFrame],
    subsets: Mapping[str, Mapping[str, pd.Series]],
    dataset: str,
    label: str,
    settings: Settings | None = None,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Correlate properties and count their combinations, for every source, subset and unit.

    Args:
        sources: name -> table indexed by neuron, with the column cluster and those of `CORRELATED` (NaN where unknown).
        subsets: name -> unit ("neurons", "clusters") -> whether a neuron (cluster), by index, belongs to it.
        dataset, label: name of the data set in tables and in print.
        settings: see there.
        seed: of permutations and bootstraps.

    Returns:
        Tables with `CORRELATION_COLUMNS` (neurons: units with both properties) and `COMBINATION_COLUMNS`. Properties
        without any value are left out; combinations need all of `CODE`. High is above the mean over all neurons of
        the source, for neurons and for means of clusters. The multi-information stands in each of its eight rows.
    """
    settings = settings or Settings()
    correlations, counts = [], []
    for (source, table), subset in progress(list(product(sources.items(), subsets)), "independence", unit="subset"):
        threshold = table[[name for name in CODE if name in table]].mean()
        units = {NEURONS: table.drop(columns="cluster"), CLUSTERS: cluster_means(table, settings.smallest_cluster)}
        for unit, values in units.items():
            member = subsets[subset][unit].reindex(values.index, fill_value=False).to_numpy(bool)
            values = values[member]
            where = dict(zip(WHERE, (dataset, label, source, subset, unit), strict=True))
            for a, b in combinations([name for name in CORRELATED if _has(values, name)], 2):
                rng = generator(seed, "correlation", source, subset, unit, a, b)
                found = correlation_test(values[a].to_numpy(float), values[b].to_numpy(float), settings, rng)
                correlations.append({**where, "property_a": a, "property_b": b, **found})
            if all(_has(values, name) for name in CODE):
                known = values[list(CODE)].dropna()
                rng = generator(seed, "combinations", source, subset, unit)
                information, cells = independence_test(known > threshold, settings, rng)
                cells = cells.rename(columns=dict(enumerate(BITS)))
                counts.append(cells.assign(**where, **information))
    tables = [pd.DataFrame(correlations, columns=list(CORRELATION_COLUMNS))]
    joined = pd.concat(counts, ignore_index=True) if counts else pd.DataFrame(columns=list(COMBINATION_COLUMNS))
    return tables[0], joined[list(COMBINATION_COLUMNS)]


def _has(table: pd.DataFrame, name: str) -> bool:
    return name in table and bool(table[name].notna().any())

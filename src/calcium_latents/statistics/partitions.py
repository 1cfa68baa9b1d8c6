"""Scores over partitions of one data set into training and test neurons: means, paired differences, intervals.

The training sets of random partitions share most of their neurons, so k scores are worth fewer than k independent
ones. Nadeau & Bengio (2003, Machine Learning 52:239) estimate the correlation between two partitions as
n_test / (n_test + n_train), which makes the variance of the mean of k scores

    (1 / k + n_test / n_train) s^2

in place of s^2 / k, s^2 being their sample variance. No number of partitions narrows the interval below the second
term. It speaks of further partitions of these neurons, not of further cultures.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from calcium_latents.errors import UserError
from calcium_latents.recordings.fields import TEST

LEAST = 3  # partitions for an interval: with two, Student's t (12.7) makes one that says nothing
WINS, TIES, LOSES, UNRESOLVED = "wins", "ties", "loses", f"fewer than {LEAST} partitions"
TEST_TO_TRAINING = 0.25  # 20 % test neurons
SIZE, BETA = 8, 0.5  # of the paper's Figure 3A, for tables without reported fits


def corrected_interval(
    values: np.ndarray, test_to_training: float = TEST_TO_TRAINING, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return mean, lower and upper end of the corrected Student t interval of scores of partitions (see module).

    Args:
        values: a score (or difference of scores) of each partition [k]; NaN are left out.
        test_to_training: number of test neurons over number of all others; 0 gives the plain t interval.
        confidence: of the interval.

    Returns:
        The ends are NaN for fewer than `LEAST` values, the mean for none.

    Raises:
        UserError: test_to_training is negative or no number, or confidence is not between 0 and 1.
    """
    if not (np.isfinite(test_to_training) and test_to_training >= 0):
        raise UserError(f"test_to_training: expected a number >= 0, found {test_to_training!r}.")
    if not 0 < confidence < 1:
        raise UserError(f"confidence: expected a number between 0 and 1, found {confidence!r}.")
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    k = len(values)
    if k < LEAST:
        return (float(values.mean()) if k else np.nan), np.nan, np.nan
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + confidence / 2, k - 1)) * sd * np.sqrt(1 / k + test_to_training)
    return mean, mean - half, mean + half


def over_partitions(
    table: pd.DataFrame, value: str, by: Sequence[str], test_to_training: float = TEST_TO_TRAINING
) -> pd.DataFrame:
    """Return mean and corrected interval of `value` over partitions within each group of rows.

    Args:
        table: tidy, with the columns `value`, `by`, partition; rows of several seeds are averaged first.
        value, by: names of columns; `by` is not empty.
        test_to_training: see `corrected_interval`.

    Returns:
        Columns `by`, mean, lower, upper, n (partitions with a finite value), sorted by `by`.

    Raises:
        UserError: a column is missing.
    """
    _check(table, [value, "partition", *by])
    rows = []
    for key, group in table.groupby(list(by), sort=True, dropna=False):
        scores = group.groupby("partition")[value].mean().to_numpy()
        rows.append((*key, *corrected_interval(scores, test_to_training), int(np.isfinite(scores).sum())))
    return pd.DataFrame(rows, columns=[*by, "mean", "lower", "upper", "n"])


def paired_partitions(
    table: pd.DataFrame,
    value: str,
    method: str,
    versus: str,
    by: Sequence[str],
    test_to_training: float = TEST_TO_TRAINING,
    lower_is_better: bool = True,
) -> pd.DataFrame:
    """Compare two methods on the partitions that both have: difference `method` minus `versus` within each group.

    Args:
        table: tidy, with the columns `value`, `by`, method, partition, and seed if methods were fitted with several:
            these are averaged first. A method has one row for each group, partition and seed.
        value: column that is compared.
        method, versus: names in the column method.
        by: columns that make the groups, such as noise_level; not empty.
        test_to_training: see `corrected_interval`.
        lower_is_better: `value` is an error, not a score.

    Returns:
        Columns `by`, mean_difference, lower, upper, n (partitions), outcome, sorted by `by`: "wins" for `method` where
        the interval leaves out zero on the better side, "loses" where on the other, "ties" where it includes zero, and
        "fewer than 3 partitions" where there is no interval. Groups without a shared partition have no row.

    Raises:
        UserError: a column is missing, or a method has several rows where it should have one.
    """
    _check(table, [value, "method", "partition", *by])
    rows = table.loc[table["method"].isin([method, versus])].dropna(subset=[value])
    one = [*by, "method", "partition", *(["seed"] if "seed" in rows else [])]
    if rows.duplicated(one).any():
        first = rows.loc[rows.duplicated(one, keep=False), one].iloc[0].to_dict()
        raise UserError(f"table: expected one row for each {one}, found several for {first}. Choose among the fits.")
    index = [*by, "partition"]
    means = rows.groupby([*index, "method"], dropna=False)[value].mean().unstack("method")
    paired = means.reindex(columns=[method, versus]).dropna()
    differences = (paired[method] - paired[versus]).rename("difference").reset_index()
    summary = over_partitions(differences, "difference", by, test_to_training).rename(
        columns={"mean": "mean_difference"}
    )
    ends = zip(summary["lower"], summary["upper"], strict=True)
    return summary.assign(outcome=[outcome(lower, upper, lower_is_better) for lower, upper in ends])


def outcome(lower: float, upper: float, lower_is_better: bool = True) -> str:
    """Return "wins", "ties" or "loses" by the interval of a difference; `UNRESOLVED` where there is none."""
    if not (np.isfinite(lower) and np.isfinite(upper)):
        return UNRESOLVED
    if lower <= 0 <= upper:
        return TIES
    return WINS if (upper < 0) == lower_is_better else LOSES


def ratio_of_parts(part: np.ndarray) -> float:
    """Return the number of test neurons over that of all others, the largest of all members.

    Validation neurons decide when training stops or which fit is kept: they count as training.

    Args:
        part: 0 training, 1 validation, 2 test [member, neuron].

    Raises:
        UserError: a member has no test neurons, or nothing else.
    """
    tests = (np.atleast_2d(part) == TEST).sum(axis=1)
    others = np.atleast_2d(part).shape[1] - tests
    if not len(tests) or (tests == 0).any() or (others == 0).any():
        raise UserError("part: expected test neurons and others in every member, found members without.")
    return float((tests / others).max())


def reported_fits(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one latent size for all methods and of one beta for each method: those that are reported.

    The choice looks at no score: the latent size of most reported rows, and for each method the beta of most of its
    reported rows of that size. Without reported rows: what is nearest to `SIZE` and `BETA`.

    Args:
        table: with the columns method, latent_size, beta, reported (1: the reported member of its method).

    Raises:
        UserError: a column is missing.
    """
    _check(table, ["method", "latent_size", "beta", "reported"])
    reported = table[table["reported"] == 1]
    size = _commonest(reported["latent_size"], table["latent_size"], SIZE)
    kept = pd.Series(False, index=table.index)
    for method, fits in table[table["latent_size"] == size].groupby("method"):
        own = reported.loc[(reported["method"] == method) & (reported["latent_size"] == size), "beta"]
        beta = _commonest(own, fits["beta"], BETA)
        kept |= (table["method"] == method) & (table["latent_size"] == size) & (table["beta"] == beta)
    return table[kept]


def example_neurons(
    parts: Sequence[np.ndarray], values: np.ndarray, groups: Sequence[str] | np.ndarray
) -> list[tuple[str, int, int]]:
    """Choose for each group the neuron whose value is the median among neurons that are test neurons of all fits.

    Of an even number, the lower of the two middle ones is taken; of equal ones, the first.

    Args:
        parts: of the fits that are shown side by side: 0 training, 1 validation, 2 test [neuron], each.
        values: such as the error of a reference method [neuron]; neurons without a finite value are not chosen.
        groups: label of each neuron [neuron].

    Returns:
        (group, position of the neuron, number of neurons it was chosen among), groups in order of appearance; none
        for groups without a candidate.

    Raises:
        UserError: no neuron is a test neuron of all fits.
    """
    groups, test = np.asarray(groups), np.all(np.asarray(parts) == TEST, axis=0)
    found = []
    for group in dict.fromkeys(groups):
        candidates = np.flatnonzero(test & (groups == group) & np.isfinite(values))
        if len(candidates):
            order = candidates[np.argsort(np.asarray(values)[candidates], kind="stable")]
            found.append((str(group), int(order[(len(order) - 1) // 2]), len(order)))
    if not found:
        raise UserError(
            "part: expected a neuron that is a test neuron of the reported fits of all methods, found none. "
            "Report the same split and partition for all methods."
        )
    return found


def _commonest(reported: pd.Series, all_values: pd.Series, target: float) -> float:
    """Return the commonest of `reported` (the smallest of several); of none, the value nearest to `target`."""
    if len(reported):
        return reported.mode().iloc[0]
    options = np.sort(all_values.unique())
    return options[np.argmin(np.abs(options - target))]


def _check(table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise UserError(f"table: expected the columns {missing}, found {list(table.columns)}.")

"""One number of a comparison over many fits: two methods, noise levels or sizes, over the partitions that have both.

Scores of one partition are averaged over data sets and settings first, and the interval is over partitions: data sets
of several noise levels hold the same cultures and neurons, so they are no further samples.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from calcium_latents.statistics.partitions import LEAST, TEST_TO_TRAINING, corrected_interval

NEURON = "neuron"
CELL = ("dataset", "latent_size")


class Contrast(NamedTuple):
    """Mean difference over combinations of settings.

    Attributes:
        interval: the mean, and its interval over partitions.
        words: of how many settings and partitions, and what single settings say.
        medians: of the values of either end over partitions.
    """

    interval: tuple[float, float, float]
    words: str
    medians: Mapping


def contrast(
    rows: pd.DataFrame | None, value: str, split: str, key: str, ends: tuple, cells=CELL, logarithm: bool = False
) -> Contrast | None:
    """Compare `value` where `key` is the first of `ends` with where it is the second (with one end: with zero).

    Whatever else differs (seeds, betas) is averaged within each of `cells` and partition; betas that only some
    partitions have are left out. Returns the difference, with `logarithm` the ratio of geometric means, of errors; None
    where no cell has both ends.
    """
    if rows is None:
        return None
    part = rows[(rows["split"] == split) & rows[key].isin(ends)].dropna(subset=[value])
    part = _of_all_partitions(part, list(dict.fromkeys([*cells, key])))
    means = part.groupby([*cells, "partition", key])[value].mean().unstack(key).reindex(columns=list(ends)).dropna()
    if means.empty:
        return None
    means = np.log(means) if logarithm else means
    table = (means[ends[0]] - (means[ends[1]] if len(ends) > 1 else 0)).unstack("partition")
    # Means over different cells cannot be compared: keep partitions that have all, or cells that all partitions have,
    # whichever has an interval, then more degrees of freedom.
    kept = (table.dropna(axis=1), table.dropna(axis=0))
    whole = max(kept, key=lambda some: (some.shape[1] >= LEAST, some.shape[0] * (some.shape[1] - 1), some.size))
    whole = whole if whole.size else table
    ratio = ratio_of_split(rows, split)
    words = f"mean over {len(whole)} combination(s) of settings, {whole.shape[1]} partition(s)"
    _, low, high = np.array([corrected_interval(row, ratio) for row in table.to_numpy()]).T
    told = np.isfinite(low)
    if len(low) > 1 and told.any():
        few = f" ({(~told).sum()} others have fewer than {LEAST} partitions)" if not told.all() else ""
        words += (
            f"; of {told.sum()} single ones{few} {(high < 0).sum()} lie below {logarithm:d}, {(low > 0).sum()} above"
        )
    interval = corrected_interval(whole.mean(axis=0).to_numpy(), ratio)
    medians = {
        end: float(means[end].unstack("partition").loc[whole.index, whole.columns].mean(axis=0).median())
        for end in ends
    }
    if logarithm:
        interval, medians = tuple(np.exp(interval)), {end: float(np.exp(median)) for end, median in medians.items()}
    return Contrast(interval, words, medians)


def ratio_of_split(rows: pd.DataFrame, split: str) -> float:
    """Return test neurons over all others in a split, from the numbers of test neurons in both splits."""
    tests = rows.groupby("split")["test_neurons"].mean()
    whole = tests.get(NEURON, 0.0) * (1 + 1 / TEST_TO_TRAINING)
    return float(tests[split] / (whole - tests[split])) if tests[split] < whole else TEST_TO_TRAINING


def _of_all_partitions(part: pd.DataFrame, fit: list[str]) -> pd.DataFrame:
    """Leave out betas that fewer partitions have than others of the same `fit`.

    Else the mean over betas would be one over three of them in some partitions and over one in the others.
    """
    counts = part.groupby(list(dict.fromkeys([*fit, "beta"])))["partition"].transform("nunique")
    return part[counts == counts.groupby([part[name] for name in fit]).transform("max")]

"""Rows of the figures' tables: scores over partitions of the neurons, differences to principal components, examples.

A row that sums up others has an empty `partition`; those others, a partition each, stand beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings import read_embedding
from calcium_latents.statistics.partitions import (
    TEST_TO_TRAINING,
    example_neurons,
    over_partitions,
    paired_partitions,
    ratio_of_parts,
)
from calcium_latents.studies.avae.study import BASELINE

DIFFERENCE = "difference to principal components"
SQUARED = "fluorescence squared"


def split_ratios(paths: Iterable[Path]) -> dict[str, float]:
    """Return the number of test neurons over that of all others for each split, the largest of all `paths`."""
    ratios: dict[str, float] = {}
    for path in paths:
        box = read_embedding(path, ["part", "split"])
        for split in np.unique(box["split"].values.astype(str)):
            part = box["part"].values[box["split"].values == split]
            ratios[split] = max(ratios.get(split, 0.0), ratio_of_parts(part))
    return ratios


def of_partitions(
    panel: str, rows: pd.DataFrame, value: str, by: list[str], ratio: float = TEST_TO_TRAINING, median: bool = False
) -> pd.DataFrame:
    """Return `value` of every partition (seeds averaged), then their mean with its interval, or their median.

    Args:
        panel: of the figure.
        rows: scores, tidy, with the columns `value`, `by`, partition, seed, test_neurons.
        value: a column, in units of one.
        by: columns that tell fits apart.
        ratio: test neurons over all others, see `statistics.partitions.corrected_interval`.
        median: sum up by the median, without an interval.

    Returns:
        Columns panel, quantity (the name of `value`), unit, `by`, partition, value; of the rows that sum up also
        lower, upper, n (partitions), seeds, test_neurons_least, test_neurons_most, test_to_training.
    """
    points = rows.groupby([*by, "partition"])[value].mean().rename("value").reset_index()
    whole = over_partitions(rows, value, by, ratio).rename(columns={"mean": "value"})
    if median:
        whole = whole.drop(columns=["value", "lower", "upper"])
        whole = whole.merge(points.groupby(by, as_index=False)["value"].median(), on=by)
    columns = {"seeds": ("seed", "nunique")}
    columns |= {f"test_neurons_{name}": ("test_neurons", f) for name, f in (("least", "min"), ("most", "max"))}
    whole = whole.merge(rows.groupby(by, as_index=False).agg(**columns), on=by).assign(test_to_training=ratio)
    return named(pd.concat([points, whole]), panel, value)


def differences(
    panel: str, rows: pd.DataFrame, value: str, by: list[str], ratio: float, lower_is_better: bool = True
) -> pd.DataFrame:
    """Return the paired difference of every method to principal components, with its interval and outcome.

    Args as in `of_partitions`; see `statistics.partitions.paired_partitions`.
    """
    others = [method for method in dict.fromkeys(rows["method"]) if method != BASELINE]
    found = [
        paired_partitions(rows, value, method, BASELINE, by, ratio, lower_is_better).assign(method=method)
        for method in others
    ]
    columns = {"mean_difference": "value"}
    return named(pd.concat(found).rename(columns=columns) if found else pd.DataFrame(), panel, DIFFERENCE)


def named(rows: pd.DataFrame, panel: str, quantity: str, unit: str = "1") -> pd.DataFrame:
    """Return rows with the columns that every table of a figure has beside its values."""
    return rows.assign(panel=panel, quantity=quantity, unit=unit)


def read_reported(paths: Iterable[Path], value: str, neurons: Sequence[int] | None = None) -> dict[str, xr.Dataset]:
    """Return part and `value` [neuron] (reconstruction: [time, neuron]) of the reported member of each method.

    Of a method's files the first counts. Attributes: path of the file. `neurons`: their numbers; None: all.
    """
    runs: dict[str, xr.Dataset] = {}
    for path in paths:
        box = read_embedding(path, ["part", value])
        member = box.sel(member=box.attrs["reported_member"])[["part", value]]
        member = member if neurons is None else member.sel(neuron=neurons)
        runs.setdefault(str(box.attrs["model"]), member.assign_attrs(path=str(path)))
    return runs


def examples(
    panel: str, recording: xr.Dataset, path: Path, embeddings: Iterable[Path], groups: Sequence, value: str
) -> pd.DataFrame:
    """Return the neuron of each group whose `value` is the median under PCA, or the first method without it.

    A row a group and method: group, neuron (its number), method, value, n (test neurons of all methods, among which it
    is the median).

    Args:
        panel: of the figure.
        recording, path: traces, and their file.
        embeddings: files of the methods' fits to it.
        groups: label of each neuron [neuron].
        value: a score of the neurons in the embeddings [neuron], in fluorescence squared.

    Raises:
        UserError: an embedding is of other neurons, or no neuron is a test neuron of all methods.
    """
    runs = read_reported(embeddings, value)
    for run in runs.values():
        if not np.array_equal(run["neuron"].values, recording["neuron"].values):
            found = f"{run.sizes['neuron']} neurons, not all the same"
            expected = f"the {recording.sizes['neuron']} neurons of {path}"
            raise UserError(f"{run.attrs['path']}: neuron: expected {expected}, found {found}. Fit again.")
    decisive = runs.get(BASELINE, next(iter(runs.values())))
    chosen = example_neurons([run["part"].values for run in runs.values()], decisive[value].values, groups)
    rows: list[Mapping] = [
        {"group": group, "neuron": int(recording["neuron"].values[at]), "method": method}
        | {"value": float(run[value].values[at]), "n": count}
        for group, at, count in chosen
        for method, run in runs.items()
    ]
    return named(pd.DataFrame(rows), panel, value, SQUARED)


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all parts of a table: what is told first, its numbers last."""
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    first, last = ["panel", "quantity", "unit"], [name for name in ("value", "lower", "upper", "n") if name in table]
    return table[[*first, *(name for name in table if name not in {*first, *last}), *last]]

"""Few Gabors for many neurons: which Gabors at the image's centre to show in a second ("in vivo") scan.

Methods of the paper, "Selection of suboptimal stimuli": predicted activity of every neuron to a large grid of Gabors at
the centre of the image; then, one after another, the Gabor that takes most further neurons to a threshold fraction of
the rate that their own optimal Gabor gives. As published, 20 Gabors take 75 % of neurons to 50 %.

Ties, which the paper does not mention, go to the Gabor that adds most to the sum of all neurons' best fractions.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from calcium_latents.progress import progress
from calcium_latents.recordings.fields import REMAKE, fail
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import GABOR, render_gabors
from calcium_latents.studies.digital_twin.second_scan.scan_parameters import ScanParameters

GREEDY, SINGLY, RANDOM = "greedy", "one by one", "random"
SHARES = np.arange(1, 101) / 100  # of neurons, at which coverage curves are tabulated
COVERAGE_COLUMNS = ("selection", "gabors", "neuron_share", "fraction_of_own", "lower", "upper", "neurons", "draws")


def centre_grid(image_shape: tuple[int, int], parameters: ScanParameters) -> pd.DataFrame:
    """Return all Gabors of the grid at the centre of an image of `image_shape` (y, x) px, one a row.

    Columns are those of `GABOR` and cycles_per_size; rows are ordered by contrast, size, cycles, orientation, phase.
    """
    levels = (
        *(parameters.contrasts, parameters.sizes_px, parameters.cycles_per_size),
        *(np.arange(parameters.orientations) * np.pi / parameters.orientations,),
        *(np.arange(parameters.phases) * 2 * np.pi / parameters.phases,),
    )
    names = ["contrast", "size_px", "cycles_per_size", "orientation_rad", "phase_rad"]
    grid = pd.DataFrame(list(product(*levels)), columns=names, dtype=float)
    height, width = image_shape
    grid = grid.assign(y_px=(height - 1) / 2, x_px=(width - 1) / 2, frequency_cpp=grid.cycles_per_size / grid.size_px)
    return grid[[*GABOR, "cycles_per_size"]]


def predicted_rates(probe, gabors: pd.DataFrame, batch: int = 256) -> np.ndarray:
    """Return the rates [row of `gabors`, neuron] (float32) that `probe` gives for every Gabor."""
    rates = np.empty((len(gabors), probe.neurons), np.float32)
    for start in progress(range(0, len(gabors), batch), "Gabors at the centre", unit="batch"):
        part = slice(start, start + batch)
        rates[part] = probe.all_rates(render_gabors(probe.image_shape, gabors[part]))
    return rates


def own_rates(probe, neurons: np.ndarray, gabors: pd.DataFrame, batch: int = 256) -> np.ndarray:
    """Return the rate [row] (float32) of neuron `neurons[k]` (index of the probe) to the Gabor of row k."""
    rates, neurons = np.empty(len(gabors), np.float32), np.array(neurons)
    for start in progress(range(0, len(gabors), batch), "own Gabors", unit="batch"):
        part = slice(start, start + batch)
        rates[part] = probe.own_rates(render_gabors(probe.image_shape, gabors[part]), neurons[part])
    return rates


def own_optima(table: pd.DataFrame, neurons: Sequence[int], path: str | Path = "optimal_gabors.csv") -> pd.DataFrame:
    """Return the model's own optimal Gabor of each of `neurons` (numbers), a row each in their order.

    Args:
        table: optimal Gabors of all sources and stimuli.
        path: names the table in messages.

    Raises:
        UserError: a column is missing, or a neuron has not exactly one row of source "model" and stimulus "own".
    """
    missing = [name for name in ("neuron", "source", "stimulus", *GABOR, "rate") if name not in table]
    if missing:
        fail(path, missing[0], "this column", f"only {list(table.columns)}", REMAKE)
    own = table[(table["source"] == "model") & (table["stimulus"] == "own")]
    counts = own["neuron"].value_counts().reindex(neurons, fill_value=0)
    if (counts != 1).any():
        found = f"{counts[counts != 1].iloc[0]} of neuron {counts.index[counts != 1][0]}"
        fail(path, "neuron", "one own optimal Gabor of the model for every neuron", found, REMAKE)
    return own.set_index("neuron").loc[list(neurons)].reset_index()


def fractions_of_own(rates: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return `rates` [gabor, neuron] over each neuron's rate to its own optimal Gabor, `own` [neuron].

    A neuron whose own optimum is no positive number is reached by nothing (0). Fractions above 1 are left: the grid
    at the centre can hold a better Gabor than the search over places found.
    """
    own = np.asarray(own, np.float32)
    good = np.isfinite(own) & (own > 0)
    result = np.zeros(np.shape(rates), np.float32)
    np.divide(rates, own, out=result, where=np.broadcast_to(good, result.shape))
    return result


def choose_greedily(fractions: np.ndarray, count: int, threshold: float) -> np.ndarray:
    """Return the rows of `fractions` [gabor, neuron] that are chosen one after another, each at most once.

    Each takes most neurons to `threshold` that those before have not; ties go to the largest gain in the sum of
    neurons' best fractions, then to the first row.
    """
    fractions = np.asarray(fractions)
    reaches = fractions >= threshold
    best = np.zeros(fractions.shape[1], fractions.dtype)
    waiting = np.ones(fractions.shape[1], bool)
    free = np.ones(len(fractions), bool)
    chosen = []
    for _ in range(min(count, len(fractions))):
        added = np.where(free, reaches[:, waiting].sum(axis=1), -1)
        tied = np.flatnonzero(added == added.max())
        gains = np.array([np.maximum(fractions[row] - best, 0).sum(dtype=float) for row in tied])
        row = int(tied[gains.argmax()])
        chosen.append(row)
        free[row] = False
        waiting &= ~reaches[row]
        best = np.maximum(best, fractions[row])
    return np.array(chosen, int)


def choose_one_by_one(fractions: np.ndarray, count: int, threshold: float) -> np.ndarray:
    """Return the `count` rows of `fractions` [gabor, neuron] that alone reach most neurons: the baseline."""
    fractions = np.asarray(fractions)
    order = np.lexsort((-fractions.sum(axis=1, dtype=float), -(fractions >= threshold).sum(axis=1)))
    return order[:count]


def coverage_curve(fractions: np.ndarray) -> np.ndarray:
    """Return, for each of `SHARES` of neurons, the fraction that at least this share reaches with its best Gabor.

    Args:
        fractions: [gabor, neuron] of the chosen Gabors.
    """
    best = np.sort(np.max(fractions, axis=0))[::-1]
    places = np.ceil(np.round(SHARES * len(best), 9)).astype(int) - 1
    return best[places].astype(float)


def coverage_table(
    fractions: np.ndarray, grid: pd.DataFrame, chosen: Mapping[str, np.ndarray], parameters: ScanParameters, seed: int
) -> pd.DataFrame:
    """Return the coverage curves (Fig. 5D) of sets of chosen Gabors, and of as many drawn at random.

    Random Gabors come from those of the highest contrast only: with weak ones the null would be beaten by contrast
    alone. Their columns lower and upper hold 95 % of the draws; sets of one draw are nested.

    Args:
        fractions: [gabor, neuron], rows as in `grid`.
        chosen: name of a selection -> rows in the order of choice.

    Returns:
        The columns of `COVERAGE_COLUMNS`; `fraction_of_own` is reached by at least `neuron_share` of the neurons.
    """
    pool = np.flatnonzero(np.isclose(grid["contrast"], grid["contrast"].max()))
    rng = generator(seed, "gabor_selection", "random")
    draws = [rng.permutation(pool)[: parameters.gabors] for _ in range(parameters.random_draws)]
    tables = []
    for count in parameters.coverage:
        curves = {name: coverage_curve(fractions[rows[:count]])[None] for name, rows in chosen.items()}
        curves[RANDOM] = np.array([coverage_curve(fractions[rows[:count]]) for rows in draws])
        for name, sets in curves.items():
            bounds = np.quantile(sets, [0.025, 0.975], axis=0) if name == RANDOM else np.full((2, len(SHARES)), np.nan)
            values = {"neuron_share": SHARES, "fraction_of_own": sets.mean(axis=0)}
            values |= {"lower": bounds[0], "upper": bounds[1], "neurons": fractions.shape[1], "draws": len(sets)}
            tables.append(pd.DataFrame({"selection": name, "gabors": count, **values}))
    return pd.concat(tables, ignore_index=True)[list(COVERAGE_COLUMNS)]


def chosen_table(fractions: np.ndarray, grid: pd.DataFrame, chosen: np.ndarray, threshold: float) -> pd.DataFrame:
    """Return the chosen Gabors (Fig. 5E): rank (from 1), their parameters, and how far they reach.

    `fractions` [gabor, neuron] has the rows of `grid`; `chosen` [rank] are some of them.
    neurons_added: neurons that this Gabor first takes to the threshold; neurons_reached: by all up to this one.
    """
    reached = np.logical_or.accumulate(fractions[chosen] >= threshold, axis=0).sum(axis=1)
    table = grid.iloc[chosen].reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(chosen) + 1))
    added = np.diff(reached, prepend=0)
    return table.assign(
        neurons_added=added, neurons_reached=reached, neurons=fractions.shape[1], threshold=float(threshold)
    )

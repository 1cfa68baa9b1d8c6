"""Does a Gabor that drives a neuron less than its optimal one give the same size tuning? (Fig. 5C, and a number to it.)

The paper shows size-contrast curves of five neurons and says that Gabors of at least 50 % of the optimum give curves
"very similar" to those of the optimum. Here curves over size at the highest contrast are also correlated, for more
neurons, with the curve of the neuron's own optimum; the null is the curves of other neurons' optima.

Suboptimal Gabors are taken from those of the highest contrast: a weak copy of the best Gabor would have the same curve
by construction, and says nothing.
"""

import numpy as np
import pandas as pd

from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import GABOR
from calcium_latents.studies.digital_twin.second_scan.gabor_selection import ScanParameters, own_rates
from calcium_latents.studies.digital_twin.second_scan.size_tuning_agreement import standardised

OPTIMAL = 1.0  # the target of rows that belong to the own optimal Gabor
TOLERANCE = 0.1  # a Gabor counts for a target fraction if it is nearer than this
CURVE_COLUMNS = ("neuron", "example", "target", "fraction_of_own", "size_px", "contrast", "rate", "highest")
SIMILARITY_COLUMNS = ("neuron", "target", "fraction_of_own", "correlation", "null_correlation", "neurons")


def compared_neurons(own: np.ndarray, parameters: ScanParameters, seed: int) -> np.ndarray:
    """Return indices of the neurons to compare, drawn at random; the first `parameters.examples` are the examples.

    Neurons whose own optimum `own` [neuron] is no positive rate are left out.
    """
    good = np.flatnonzero(np.isfinite(own) & (np.asarray(own) > 0))
    drawn = generator(seed, "suboptimal_curves", "neurons").permutation(good)
    return drawn[: max(parameters.compared, parameters.examples)]


def suboptimal_gabors(
    fractions: np.ndarray, grid: pd.DataFrame, optimal: pd.DataFrame, neurons: np.ndarray, parameters: ScanParameters
) -> pd.DataFrame:
    """Return for every neuron the Gabors nearest to each target fraction of its optimum, and the optimum itself.

    Args:
        fractions: [gabor, neuron], rows as in `grid`.
        grid: Gabors at the centre of the image, columns of `GABOR`.
        optimal: the own optimal Gabor of every neuron of `fractions`, a row each, in the same order.
        neurons: indices of neurons.

    Returns:
        Columns index (of the neuron), target, fraction_of_own, and those of `GABOR`.
    """
    pool = np.flatnonzero(np.isclose(grid["contrast"], grid["contrast"].max()))
    tables = []
    for target in parameters.fractions:
        rows = pool[np.abs(fractions[np.ix_(pool, neurons)] - target).argmin(axis=0)]
        about = {"index": neurons, "target": float(target), "fraction_of_own": fractions[rows, neurons].astype(float)}
        tables.append(pd.concat([pd.DataFrame(about), grid[list(GABOR)].iloc[rows].reset_index(drop=True)], axis=1))
    best = optimal[list(GABOR)].iloc[neurons].reset_index(drop=True)
    tables.append(
        pd.concat([pd.DataFrame({"index": neurons, "target": OPTIMAL, "fraction_of_own": 1.0}), best], axis=1)
    )
    return pd.concat(tables, ignore_index=True)


def size_contrast_curves(
    probe, stimuli: pd.DataFrame, neurons: np.ndarray, labels: np.ndarray, parameters: ScanParameters
) -> pd.DataFrame:
    """Return size-contrast curves of the examples, and size curves at the highest contrast of the other neurons.

    Place, frequency (cycles per px), orientation and phase stay those of the Gabor, as in the paper's experiment.

    Args:
        probe: an `probe.Probe`.
        stimuli: from `suboptimal_gabors`.
        neurons: the indices given to it; the first `parameters.examples` are the examples.
        labels: [neuron of the probe], their numbers for the table.

    Returns:
        Columns of `CURVE_COLUMNS`; highest is 1 in rows of the highest contrast.
    """
    sizes, contrasts = np.array(parameters.curve_sizes_px), np.array(parameters.curve_contrasts)
    stimuli = stimuli.assign(example=stimuli["index"].isin(neurons[: parameters.examples]).astype(int))
    parts = []
    for example, levels in ((1, contrasts), (0, contrasts[[contrasts.argmax()]])):
        rows = stimuli[stimuli["example"] == example]
        shown = rows.loc[rows.index.repeat(len(sizes) * len(levels))].reset_index(drop=True)
        shown["size_px"] = np.tile(np.repeat(sizes, len(levels)), len(rows))
        shown["contrast"] = np.tile(levels, len(rows) * len(sizes))
        parts.append(shown)
    shown = pd.concat(parts, ignore_index=True)
    index = shown["index"].to_numpy(int)
    rates = own_rates(probe, index, shown, parameters.batch)
    highest = np.isclose(shown["contrast"], contrasts.max()).astype(int)
    return shown.assign(neuron=np.asarray(labels)[index], rate=rates.astype(float), highest=highest)[
        list(CURVE_COLUMNS)
    ]


def curve_similarity(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the correlation over sizes, at the highest contrast, of suboptimal Gabors' curves with the optimum's.

    null_correlation is the mean correlation of the same suboptimal curve with all other neurons' optimal curves.
    Targets that no Gabor comes near (`TOLERANCE`) are left out.

    Args:
        curves: from `size_contrast_curves`.

    Returns:
        Columns of `SIMILARITY_COLUMNS`, one row a neuron and target; neurons is how many are compared in all.
    """
    rows = curves[curves["highest"] == 1]
    wide = rows.pivot_table(index=["target", "neuron"], columns="size_px", values="rate", sort=True)
    reached = rows.groupby(["target", "neuron"])["fraction_of_own"].first()
    optimal = standardised(wide.loc[OPTIMAL].to_numpy())
    order, count = wide.loc[OPTIMAL].index, len(optimal)
    tables = []
    for target in sorted(set(wide.index.get_level_values("target")) - {OPTIMAL}):
        similar = standardised(wide.loc[target].loc[order].to_numpy()) @ optimal.T
        own = np.diag(similar)
        null = (similar.sum(axis=1) - own) / (count - 1) if count > 1 else np.full(count, np.nan)
        fraction = reached.loc[target].loc[order].to_numpy()
        table = {"neuron": order, "target": target, "fraction_of_own": fraction, "correlation": own}
        table = pd.DataFrame(table | {"null_correlation": null, "neurons": count})
        tables.append(table[np.abs(table["fraction_of_own"] - target) < TOLERANCE])
    return pd.concat(tables, ignore_index=True)[list(SIMILARITY_COLUMNS)]

"""How well indices measured on the model tell those of the true neurons, shown the same stimuli (simulated data)."""

import numpy as np
import pandas as pd

from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import quantile_interval
from calcium_latents.studies.digital_twin.tuning.tuning_indices import orientation_difference

#: column of indices.csv -> name in print
INDICES = {
    "orientation_selectivity": "orientation selectivity F2/F0",
    "phase_selectivity": "phase selectivity F1/F0",
    "suppression": "surround suppression",
    "cross_orientation_inhibition": "cross-orientation inhibition",
}
RECOVERY_COLUMNS = (
    *("index", "stimulus", "neurons", "r", "r_lower", "r_upper", "slope", "slope_lower", "slope_upper"),
    *("r_null_upper", "r_of_types"),
)
REPEATS = 2000


def paired(indices: pd.DataFrame, stimulus: str, index: str) -> pd.DataFrame:
    """Return neuron, neuron_type, model, truth of one index and stimulus, of neurons with both values."""
    rows = indices[indices["stimulus"] == stimulus]
    wide = rows.pivot(index="neuron", columns="source", values=index)
    if not {"model", "truth"} <= set(wide):
        return pd.DataFrame(columns=["neuron", "neuron_type", "model", "truth"])
    types = rows.drop_duplicates("neuron").set_index("neuron")["neuron_type"]
    wide = wide[["model", "truth"]].dropna()
    return wide.assign(neuron_type=types.reindex(wide.index)).reset_index()


def recovery_table(indices: pd.DataFrame, seed: int = 0, repeats: int = REPEATS) -> pd.DataFrame:
    """Return correlation and slope of the model's indices on the true ones, by index and stimulus.

    Args:
        indices: table of `tuning_experiments.INDEX_COLUMNS` with the sources model and truth.
        seed: of resampled and shuffled neurons.
        repeats: of both.

    Returns:
        `RECOVERY_COLUMNS`. Slope: least squares, model on truth: 1 where effects have their true size, below where they
        are shrunk. Intervals: 95 %, bootstrap over neurons. `r_null_upper`: 97.5 % quantile of |r| with shuffled
        neurons. `r_of_types`: correlation of the true index with its mean over neurons of the same true type, what
        one who knows types and nothing else would reach. NaN where the true index does not vary.
    """
    rows = []
    for stimulus in dict.fromkeys(indices["stimulus"]):
        for index in INDICES:
            both = paired(indices, stimulus, index)
            if both.empty:
                continue
            model, truth = both["model"].to_numpy(float), both["truth"].to_numpy(float)
            rng = generator(seed, "tuning recovery", stimulus, index)
            drawn = rng.integers(0, len(both), (repeats, len(both)))
            r, slope = correlation_and_slope(model, truth)
            spread = correlation_and_slope(model[drawn], truth[drawn])
            shuffled, _ = correlation_and_slope(rng.permuted(np.tile(model, (repeats, 1)), axis=1), truth)
            known = both.groupby("neuron_type", dropna=False)["truth"].transform("mean").to_numpy(float)
            row = {"index": index, "stimulus": stimulus, "neurons": len(both), "r": float(r), "slope": float(slope)}
            for name, values in zip(("r", "slope"), spread, strict=True):
                row[f"{name}_lower"], row[f"{name}_upper"] = quantile_interval(values)
            row["r_null_upper"] = quantile_interval(np.abs(shuffled))[1]
            row["r_of_types"] = float(correlation_and_slope(known, truth)[0])
            rows.append(row)
    return pd.DataFrame(rows, columns=list(RECOVERY_COLUMNS))


def correlation_and_slope(model: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Pearson correlation and least-squares slope of model on truth over the last axis [..., neuron].

    NaN where one does not vary (the slope: where truth does not).
    """
    model, truth = np.asarray(model, float), np.asarray(truth, float)
    a = model - model.mean(axis=-1, keepdims=True)
    b = truth - truth.mean(axis=-1, keepdims=True)
    own, other, common = (a * a).mean(axis=-1), (b * b).mean(axis=-1), (a * b).mean(axis=-1)
    # rounding leaves a variance of some 1e-32 in a constant
    varies = other > 1e-16 * np.maximum(np.square(truth).mean(axis=-1), 1e-300)
    moves = varies & (own > 1e-16 * np.maximum(np.square(model).mean(axis=-1), 1e-300))
    r = np.where(moves, common / np.sqrt(np.where(moves, own * other, 1.0)), np.nan)
    return r, np.where(varies, common / np.where(varies, other, 1.0), np.nan)


def orientation_errors(indices: pd.DataFrame, stimulus: str, source: str, orientation_rad: pd.Series) -> np.ndarray:
    """Return errors [n], degrees from 0 to 90, of preferred orientations against true ones (by neuron number).

    Neurons without a preferred or a true orientation are left out.
    """
    rows = indices[(indices["stimulus"] == stimulus) & (indices["source"] == source)].set_index("neuron")
    found = rows["preferred_orientation_rad"].reindex(orientation_rad.index)
    error = np.degrees(orientation_difference(found.to_numpy(float), orientation_rad.to_numpy(float)))
    return error[np.isfinite(error)]

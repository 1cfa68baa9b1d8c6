"""How well each method recovers the latents, and whether RADICaL does better (Figure 2c and Supplementary Figure 1)."""

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.statistics.intervals import mean_interval, paired_t_test

SCORE_COLUMNS = ("dataset", "frequency_hz", "model", "seed", "fold", "latent", "r2")
MODEL = "radical"
COLUMNS = [
    *("latent", "frequency_hz", "model", "value", "lower", "upper", "folds", "seeds", "validation"),
    *("difference", "difference_lower", "difference_upper", "p_value", "p_value_corrected"),
]


def recovery(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row a latent, speed and method, of scores with at least the columns `SCORE_COLUMNS`.

    Returns:
        Columns latent, frequency_hz, model, value, lower, upper (mean R2 and its 95 % t interval over folds, seeds
        averaged), folds, seeds, validation (mean R2 on the trials that no model was fitted on; NaN where there is
        none); then of RADICaL's R2 minus this method's (NaN for itself): difference, difference_lower,
        difference_upper, and p_value, p_value_corrected of a paired one-sided t-test (see `statistics.intervals`).

    Raises UserError where RADICaL and another method have fewer than two folds in common.
    """
    rows = []
    for (latent, hz), group in scores.groupby(["latent", "frequency_hz"]):
        folds = group.groupby(["fold", "model"])["r2"].mean().unstack("model")
        for model, mine in group.groupby("model"):
            row = {"latent": latent, "frequency_hz": hz, "model": model}
            row |= dict(zip(("value", "lower", "upper"), mean_interval(folds[model]), strict=True))
            row |= {"folds": mine["fold"].nunique(), "seeds": mine["seed"].nunique()}
            row["validation"] = mine["r2_validation"].mean() if "r2_validation" in mine else np.nan
            pair = folds[[MODEL, model]].dropna() if MODEL in folds and model != MODEL else folds[:0]
            if len(pair):
                first, second = pair.to_numpy().T
                row |= dict(zip(COLUMNS[9:12], mean_interval(first - second), strict=True))
                test = paired_t_test(first, second)
                row |= {"p_value": test["p"], "p_value_corrected": test["p_corrected"]}
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def typical_trial(predictions: xr.Dataset, model: str, latent: str = "Z") -> tuple[int, float]:
    """Return the trial at the median of a method's squared error relative to the trial's variance, and that error.

    Args:
        predictions: with `latents` [trial, time, latent] and `predicted` [run, trial, time, latent]; times that are
            NaN are left out.
        model: of the first run that has this name; the first run of all where none has.
        latent: whose error.
    """
    run = int(np.argmax(predictions["model"].values == model))
    truth = predictions["latents"].sel(latent=latent).values
    predicted = predictions["predicted"].sel(latent=latent).values[run]
    error = np.nanmean((truth - predicted) ** 2, axis=1) / np.maximum(truth.var(axis=1), 1e-9)
    trial = int(np.argsort(error, kind="stable")[len(error) // 2])
    return trial, float(error[trial])

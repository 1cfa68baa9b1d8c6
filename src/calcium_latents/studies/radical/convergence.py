"""Latent recovery against training time: what a second of training buys, per recipe.

The table `convergence.csv` has one row per snapshot and latent: dataset, model (a recipe: `radical` or
`radical_published`), seed, step, latent, r2, and the validation metrics at that snapshot. `convergence_timing.csv` has
the seconds until each snapshot (training only, without scoring), which differ from run to run.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

RUN = ["dataset", "model", "seed"]
COLUMNS = (*RUN, "step", "latent", "r2")
TIMING_COLUMNS = (*RUN, "step", "seconds")
PART_OF_BEST = 0.9
OWN_BEST = f"{PART_OF_BEST * 100:g} % of its own best"


def mean_over_latents(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per snapshot: r2 averaged over latents, other numbers unchanged."""
    return table.groupby([*RUN, "step"], as_index=False).mean(numeric_only=True)


def with_seconds(table: pd.DataFrame, timing: pd.DataFrame) -> pd.DataFrame:
    """Return a convergence table with the column seconds, of the table of times; NaN where that has none."""
    return table.merge(timing[list(TIMING_COLUMNS)], on=[*RUN, "step"], how="left", validate="many_to_one")


def time_to_accuracy(table: pd.DataFrame, targets: Mapping[str, float]) -> pd.DataFrame:
    """Return when each run first reaches each target's mean R2 over latents, and `OWN_BEST`.

    Args:
        table: a convergence table `with_seconds`.
        targets: name -> r2, for example {"smth-dec": 0.47}.

    Returns:
        Columns dataset, model, seed, target, target_r2, seconds, step, best_r2; seconds and step are NaN when
        a run never reaches it. Times are those of the snapshot, so they are late by at most one snapshot
        interval.
    """
    rows = []
    for key, run in mean_over_latents(table).sort_values("step").groupby(RUN):
        best = run["r2"].max()
        # a best below that of the mean predictor is none that a part of is worth reaching
        for name, r2 in {**targets, OWN_BEST: PART_OF_BEST * best if best > 0 else np.nan}.items():
            reached = run[run["r2"] >= r2]
            first = reached.iloc[0] if len(reached) else {"seconds": np.nan, "step": np.nan}
            row = {"target": name, "target_r2": r2, "seconds": first["seconds"], "step": first["step"], "best_r2": best}
            rows.append(dict(zip(RUN, key, strict=True)) | row)
    return pd.DataFrame(rows)

"""Latent recovery against training time: what a second of training buys, per recipe.

The table `convergence.csv` has one row per snapshot and latent: dataset, model (a recipe: `radical` or
`radical_published`), seed, step, seconds (training only, without scoring), latent, r2, and the validation
metrics at that snapshot.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from calcium_latents.errors import UserError

COLUMNS = ("dataset", "model", "seed", "step", "seconds", "latent", "r2")
RUN = ["dataset", "model", "seed"]


def check_convergence(table: pd.DataFrame) -> None:
    """Raise a UserError when a column of `COLUMNS` is missing."""
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise UserError(f"convergence table: expected the columns {missing}, found {list(table.columns)}.")


def mean_over_latents(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per snapshot: r2 averaged over latents, other numbers unchanged."""
    check_convergence(table)
    return table.groupby([*RUN, "step"], as_index=False).mean(numeric_only=True)


def time_to_accuracy(table: pd.DataFrame, targets: Iterable[tuple[str, float]]) -> pd.DataFrame:
    """Return when each run first reaches each target's mean R2 over latents.

    Args:
        table: a convergence table.
        targets: (name, r2) pairs, for example ("smth-dec", 0.47).

    Returns:
        Columns dataset, model, seed, target, target_r2, seconds, step, best_r2; seconds and step are NaN when
        a run never reaches it. Times are those of the snapshot, so they are late by at most one snapshot
        interval.
    """
    rows = []
    targets = list(targets)
    for key, run in mean_over_latents(table).sort_values("step").groupby(RUN):
        for name, r2 in targets:
            reached = run[run["r2"] >= r2]
            first = reached.iloc[0] if len(reached) else None
            rows.append(
                {
                    **dict(zip(RUN, key, strict=True)),
                    "target": name,
                    "target_r2": r2,
                    "seconds": np.nan if first is None else first["seconds"],
                    "step": np.nan if first is None else first["step"],
                    "best_r2": run["r2"].max(),
                }
            )
    return pd.DataFrame(rows)

"""Does a validation metric choose, of a population of models that differ in their hyperparameters, the one that
recovers the latents best? A search can be no better than the metric by which it chooses.

The table `population_recovery.csv` has one row a member of a population whose hyperparameters were drawn at random and
kept: dataset, noise_multiplier, model, seed, member, its validation metrics and hyperparameters, and the recovery of
true latents, R2 of a cross-validated ridge mapping (RADICaL, Methods): `r2_X` ... and their mean `r2` over all trials,
and `r2_validation`, the mean over latents on the trials that no member was fitted on. A member that diverged has NaN.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.metrics.latent_recovery import LAG_S, score_runs
from calcium_latents.studies.radical.model_selection import METRICS, selection_quality

COLUMNS = ("dataset", "noise_multiplier", "model", "seed", "member", "r2")
MEMBER = ["model", "seed", "member"]


def score_members(
    recording: xr.Dataset, members: Iterable[tuple[int, xr.Dataset | None]], lag_s: float = LAG_S
) -> pd.DataFrame:
    """Return a row a member: member, `r2_<latent>` of every latent, r2 (their mean), r2_validation.

    Args:
        recording: Recording dataset with `latents`.
        members: (number, Inferred dataset) of every member; None where its rates are not finite.
        lag_s: rates at `t + lag_s` predict latents at `t`.

    Raises UserError where the recording has no latents.
    """
    rows = []
    for number, inferred in members:
        if inferred is None:
            rows.append({"member": number})
            continue
        scores, _, _ = score_runs(recording, {("member", number): inferred}, lag_s=lag_s, sweep=False)
        mean = scores.groupby("latent", sort=False)[["r2", "r2_validation"]].mean()
        each = {f"r2_{latent}": value for latent, value in mean["r2"].items()}
        rows.append({"member": number, **each, **mean.mean().to_dict()})
    names = [f"r2_{latent}" for latent in recording["latent"].values]
    return pd.DataFrame(rows).reindex(columns=["member", *names, "r2", "r2_validation"])


def last_rows(history: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return member, and its metrics and the columns `names` at the end of a search, from the search's history.

    A member that diverged on its way has NaN metrics.

    Raises UserError when the history lacks columns.
    """
    metrics = [name for name in METRICS if name in history]
    missing = [name for name in ("generation", "member", *names) if name not in history]
    if missing or not metrics:
        wanted = missing or [f"one of {', '.join(METRICS)}"]
        raise UserError(f"history of a search: expected the columns {wanted}, found {list(history.columns)}.")
    last = history[history["generation"] == history["generation"].max()]
    return last[["member", *metrics, *names]].sort_values("member", ignore_index=True)


def population_quality(table: pd.DataFrame, repeats: int = 1000) -> pd.DataFrame:
    """Score each metric by how it ranks the members of a population, per dataset; see `selection_quality`.

    Columns are those of `selection_quality`, bootstrapped over members, with `random_r2`: the mean of the members, what
    a choice at random would have on average. Members whose metric or recovery is not finite are left out.
    """
    finite = table.replace([np.inf, -np.inf], np.nan)
    # there, a run is what is drawn again: here a member
    names = finite[MEMBER].astype(str).agg("/".join, axis=1)
    points = finite.drop(columns=["model", "seed"]).assign(model=names, seed=0, step=0, latent="mean")
    quality = selection_quality(points, finished=True, repeats=repeats)
    return quality.assign(random_r2=quality["dataset"].map(finite.groupby("dataset")["r2"].mean()))


def noise_multiplier(recording: xr.Dataset) -> float:
    """Return the factor on the simulated fluorescence's noise; 1 is the paper's, NaN where it is not known."""
    return float(json.loads(recording.attrs.get("simulation_parameters", "{}")).get("noise_multiplier", np.nan))

"""Does a validation metric choose the runs and snapshots that recover the latents best?

RADICaL selects by the reconstruction likelihood of uncorrupted validation trials. There every sample is also an input,
so a model can improve by copying it. The alternatives score samples that the encoder does not see: a speckled
hold-out, or whole neurons (co-smoothing); in full, or only whether there was an event; by the model's own readouts, or
by reduced-rank regression of events on its factors. Each metric is minus a log-likelihood, or minus a gain in it (lower
is better); it ranks well if its Spearman correlation with latent recovery is near -1, so `agreement` is minus that
correlation.
"""

import numpy as np
import pandas as pd

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import quantile_interval
from calcium_latents.studies.radical.convergence import RUN, mean_over_latents

#: Column of a convergence table -> name in print.
METRICS: dict[str, str] = {
    "reconstruction_nll": "reconstruction (published)",
    "speckled_holdout_nll": "speckled hold-out",
    "cosmoothing_nll": "co-smoothing",
    "speckled_holdout_event_nll": "speckled hold-out: event or none",
    "cosmoothing_event_nll": "co-smoothing: event or none",
    "reduced_rank_nll": "speckled hold-out: reduced rank",
}
SHORT = {name: printed.removesuffix(" (published)") for name, printed in METRICS.items()}
COLUMNS = [
    *("dataset", "metric", "agreement", "lower", "upper", "snapshots", "runs"),
    *("chosen_r2", "best_r2", "regret"),
]


def two_lines(metric: str) -> str:
    """Return the name of a metric in print, in two lines."""
    name = METRICS[metric].replace(": ", ":\n").replace(" (", "\n(")
    return name if "\n" in name else f"{name}\n"


def selection_quality(table: pd.DataFrame, finished: bool = False, repeats: int = 1000) -> pd.DataFrame:
    """Score each validation metric by how it ranks snapshots and chooses one, per dataset.

    Args:
        table: a convergence table with at least one of the columns `METRICS`.
        finished: compare the last snapshots of runs alone: what a search over hyperparameters has to choose from.
        repeats: of the bootstrap.

    Returns:
        Columns dataset, metric, agreement (minus Spearman's rho over all snapshots), lower, upper (95 % bootstrap that
        resamples runs, then snapshots within them, because snapshots of one run resemble each other), snapshots, runs,
        chosen_r2 (of the snapshot with the best metric), best_r2, regret = best_r2 - chosen_r2. Fewer than three points
        have no agreement (NaN).
    """
    metrics = [name for name in METRICS if name in table]
    if not metrics:
        raise UserError(f"convergence table: expected one of the columns {list(METRICS)}, found {list(table.columns)}.")
    points = mean_over_latents(table)
    if finished:
        points = points.loc[points.groupby(RUN)["step"].idxmax()]
    rows = []
    for dataset, group in points.groupby("dataset"):
        for metric in metrics:
            valid = group.dropna(subset=[metric, "r2"])
            if valid.empty:
                continue
            lower, upper = _interval(valid, metric, repeats)
            chosen, best = float(valid.loc[valid[metric].idxmin(), "r2"]), float(valid["r2"].max())
            agreement = _agreement(_codes(valid[metric]), _codes(valid["r2"]))
            row = {"dataset": dataset, "metric": metric, "agreement": agreement}
            row |= {"lower": lower, "upper": upper, "snapshots": len(valid), "runs": valid.groupby(RUN).ngroups}
            rows.append(row | {"chosen_r2": chosen, "best_r2": best, "regret": best - chosen})
    return pd.DataFrame(rows, columns=COLUMNS)


def _codes(values: pd.Series) -> np.ndarray:
    """Return whole numbers from 0 in the order of the values, equal where these are equal."""
    return np.unique(values, return_inverse=True)[1]


def _agreement(metric: np.ndarray, r2: np.ndarray) -> float:
    """Return minus Spearman's correlation of codes; SciPy's function spends most of its time on other things."""
    if len(r2) < 3 or np.ptp(metric) == 0 or np.ptp(r2) == 0:
        return np.nan
    counts = [np.bincount(codes) for codes in (metric, r2)]
    ranks = [(np.cumsum(n) - (n - 1) / 2)[codes] for n, codes in zip(counts, (metric, r2), strict=True)]
    return -float(np.corrcoef(ranks)[0, 1])


def _interval(points: pd.DataFrame, metric: str, repeats: int) -> tuple[float, float]:
    rng = generator(0, "selection_quality", metric)
    coded = points.assign(**{name: _codes(points[name]) for name in (metric, "r2")})
    runs = [run[[metric, "r2"]].to_numpy() for _, run in coded.groupby(RUN)]
    estimates = []
    for _ in range(repeats):
        chosen = [runs[i] for i in rng.integers(0, len(runs), len(runs))]
        sample = np.concatenate([run[rng.integers(0, len(run), len(run))] for run in chosen])
        estimates.append(_agreement(sample[:, 0], sample[:, 1]))
    return quantile_interval(estimates, 0.95)

"""How many latents a model needs: explained variance of test samples against latent size (cross-encoder, Figure 3).

A fit is one latent size, seed and restart; its scores are the rows of phase "final" in metrics.csv. Of the restarts
of one size, the one with the best validation R2 is reported: the choice never sees a test sample.
The paper normalises "by the maximum of the best model across all pre-activation dimensionalities" (G.2) and does not
say whether each kind of model has its own maximum. That changes the headline, so both stand here:
    own: best test R2 over sizes of the same model and seed;
    joint: best over sizes and over the models that every seed of the dataset has.
Seeds are initialisations and choices of neurons in one recording: intervals over seeds do not speak of other animals.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.statistics.intervals import mean_interval

MODEL, BASELINE = "cross_encoder", "reduced_rank_regression"
OWN, JOINT = "own", "joint"
LEVEL = 0.95
WINS, TIES, LOSES, UNRESOLVED = "wins", "ties", "loses", "one seed"

LOW_DIMENSIONAL = 8  # latents; more than this is not "low-dimensional" here (the paper gives no number)
CONDITIONS = {
    "linear": "simulated linear population",
    "gratings": "simulated low-dimensional stimuli",
    "spontaneous": "simulated spontaneous activity",
    "images": "simulated high-dimensional stimuli",
    "recording": "real recording",
}

RUN = ["dataset", "label", "model", "seed"]
REQUIRED = ("latent_size", "restart", "phase", "validation_r2", "test_r2")
R2_COLUMNS = ("training_r2", "validation_r2", "test_r2", "ceiling_r2")
OTHERS = ("dead_fraction", "exponent", "ridge_penalty")
DESCRIPTION = (
    "paradigm",
    "nonlinearity",
    "true_latent_size",
    "true_exponent",
    "source_neurons",
    "target_neurons",
    "seconds",
    "training_pieces",
    "validation_pieces",
    "test_pieces",
)
SCORE_COLUMNS = (*RUN, "latent_size", "restart", *R2_COLUMNS, "chosen", *OTHERS, *DESCRIPTION)
NO_NAMES = {"", "na", "n/a", "nan", "null", "none"}
NORMALISED_COLUMNS = (*RUN, "latent_size", "test_r2", "normaliser", "normaliser_r2", "normalised_r2")


def final_scores(metrics: pd.DataFrame, path: str = "metrics.csv") -> pd.DataFrame:
    """Return the final rows of one metrics.csv, one per latent size and restart, with the chosen restarts marked.

    `chosen` is 1 for the restart with the best validation R2 of its latent size (the first one where several are
    equal, or where none is finite). Infinite scores of a diverged fit become NaN; columns that a model does not
    have are NaN.

    Raises:
        UserError: columns or final rows are missing, a fit stands twice, a size is no positive whole number, or
            an R2 is above 1.
    """
    missing = [column for column in REQUIRED if column not in metrics]
    if missing:
        raise UserError(f"{path}: expected the columns {missing}, found {list(metrics.columns)}. Fit the model again.")
    rows = metrics[metrics["phase"] == "final"].copy()
    if rows.empty:
        raise UserError(f"{path}: phase: expected rows of phase 'final', found none. Did the fit end? Run it again.")
    sizes = pd.to_numeric(rows["latent_size"], errors="coerce")
    if not (np.isfinite(sizes) & (sizes > 0) & (sizes % 1 == 0)).all():
        raise UserError(f"{path}: latent_size: expected positive whole numbers, found {sorted(set(rows.latent_size))}.")
    rows = rows.assign(latent_size=sizes.astype(int), restart=rows["restart"].fillna(0).astype(int))
    if rows.duplicated(["latent_size", "restart"]).any():
        twice = rows.loc[rows.duplicated(["latent_size", "restart"]), ["latent_size", "restart"]].iloc[0].to_dict()
        raise UserError(f"{path}: expected one final row per latent size and restart, found two of {twice}.")
    for column in (*R2_COLUMNS, *OTHERS):
        values = pd.to_numeric(rows[column]) if column in rows else pd.Series(np.nan, rows.index)
        rows[column] = values.astype(float).where(np.isfinite(values.astype(float)))
    best = rows[list(R2_COLUMNS)].max().max()
    if best > 1 + 1e-6:
        raise UserError(f"{path}: expected coefficients of determination of at most 1, found {best:g}.")
    rows = rows.sort_values(["latent_size", "restart"], ignore_index=True)
    first = rows["validation_r2"].fillna(-np.inf).groupby(rows["latent_size"]).idxmax()
    rows["chosen"] = rows.index.isin(first).astype(int)
    return rows[["latent_size", "restart", *R2_COLUMNS, "chosen", *OTHERS]]


def collect_scores(
    metrics: Mapping[tuple[str, int], pd.DataFrame],
    dataset: str,
    label: str,
    descriptions: Mapping[tuple[str, int], Mapping] | None = None,
) -> pd.DataFrame:
    """Return the scores of all fits of one dataset: columns `SCORE_COLUMNS`.

    Args:
        metrics: (model, seed) -> its metrics.csv.
        dataset, label: its name in the tables, and in print.
        descriptions: (model, seed) -> result of `describe`; what is not given is NaN.
    """
    if {dataset.lower(), label.lower()} & NO_NAMES:
        raise UserError(f"dataset {dataset!r}, label {label!r}: expected names that a table does not read as missing.")
    tables = []
    for (model, seed), table in sorted(metrics.items()):
        rows = final_scores(table, f"{dataset}, {model}, seed {seed}: metrics.csv")
        known = (descriptions or {}).get((model, seed), {})
        rows = rows.assign(dataset=dataset, label=label, model=model, seed=int(seed))
        tables.append(rows.assign(**{name: known.get(name, np.nan) for name in DESCRIPTION}))
    if not tables:
        raise UserError(f"{dataset}: expected at least one metrics.csv, found none.")
    return pd.concat(tables, ignore_index=True)[list(SCORE_COLUMNS)]


def describe(recording: xr.Dataset, inferred: xr.Dataset) -> dict[str, str | float]:
    """Return what the scores rest on: truth where simulated, numbers of neurons, and independent pieces by part.

    A piece is a stimulus (its repeats share one part) or, in spontaneous activity, a chunk of consecutive frames.

    Args:
        recording: a Recording with the attribute `paradigm`.
        inferred: an Inferred with the variables part(trial, time) and source_neuron(source).
    """
    part = inferred["part"].values
    stimuli = recording.attrs.get("paradigm") == "stimulus"
    condition = recording["condition"].sel(trial=inferred["trial"]).values if "condition" in recording else None
    pieces = []
    for number in range(3):
        inside = part == number
        if stimuli and condition is not None:
            pieces.append(len(np.unique(condition[inside.any(axis=1)])))
        else:
            starts = inside & ~np.pad(inside[:, :-1], ((0, 0), (1, 0)))
            pieces.append(int(starts.sum()))
    return {
        "paradigm": str(recording.attrs.get("paradigm", "unknown")),
        "nonlinearity": str(recording.attrs.get("nonlinearity", "unknown")),
        "true_latent_size": float(recording.attrs.get("true_latent_size", np.nan)),
        "true_exponent": float(recording.attrs.get("exponent", np.nan)),
        "source_neurons": inferred.sizes.get("source", np.nan),
        "target_neurons": inferred.sizes["neuron"],
        "seconds": part.size * float(recording.attrs["bin_width_s"]),
        **dict(zip(("training_pieces", "validation_pieces", "test_pieces"), pieces, strict=True)),
    }


def normalise(scores: pd.DataFrame) -> pd.DataFrame:
    """Return test R2 over the best one, for both normalisers: columns `NORMALISED_COLUMNS`.

    Where the best R2 is not above zero there is no variance to share out, and the normalised value is NaN. A
    negative R2 under a positive best stays negative. `own` is at most 1; so is `joint` for the models that every
    seed has. `joint` is NaN where no model has every seed.
    """
    rows = scores[scores["chosen"] == 1][[*RUN, "latent_size", "test_r2"]]
    seeds = rows.groupby(["dataset", "model"])["seed"].nunique()
    complete = seeds == rows.groupby("dataset")["seed"].nunique().reindex(seeds.index, level="dataset")
    whole = rows[pd.MultiIndex.from_frame(rows[["dataset", "model"]]).isin(complete.index[complete])]
    joint = whole.groupby(["dataset", "seed"])["test_r2"].max().rename("normaliser_r2").reset_index()
    tables = [
        rows.assign(normaliser=OWN, normaliser_r2=rows.groupby(RUN)["test_r2"].transform("max")),
        rows.merge(joint, on=["dataset", "seed"], how="left").assign(normaliser=JOINT),
    ]
    table = pd.concat(tables, ignore_index=True)
    table["normalised_r2"] = table["test_r2"] / table["normaliser_r2"].where(table["normaliser_r2"] > 0)
    return table[list(NORMALISED_COLUMNS)]


def sizes_needed(normalised: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Return for every model, seed and normaliser the smallest fitted latent size that reaches `level`.

    Returns:
        Columns of `RUN`, normaliser, size_needed (inf: never among the sizes fitted; NaN: normalised values are
        undefined), largest_below: the largest fitted size under size_needed, which falls short (0: none). The
        size needed lies above largest_below and at most at size_needed: sizes between were not fitted.
    """
    rows = []
    for key, group in normalised.groupby([*RUN, "normaliser"], sort=True):
        group = group.sort_values("latent_size")
        reached = group.loc[group["normalised_r2"] >= level, "latent_size"]
        needed = float(reached.iloc[0]) if len(reached) else np.inf
        below = group.loc[group["latent_size"] < needed, "latent_size"]
        if group["normalised_r2"].isna().all():
            needed = np.nan
        rows.append((*key, needed, int(below.max()) if len(below) else 0))
    return pd.DataFrame(rows, columns=[*RUN, "normaliser", "size_needed", "largest_below"])


def size_text(sizes: Sequence[float], largest: float = np.inf) -> str:
    """Say the sizes needed over seeds: "3", "3–4", "14–never", "never"; "undefined" where no R2 is above zero.

    A size marked with * is the `largest` that was fitted: the curve may still rise there.
    """
    known = np.asarray(sizes, float)
    known = known[~np.isnan(known)]
    if not len(known):
        return "undefined"
    ends = (known.min(), known.max())
    low, high = ("never" if np.isinf(size) else f"{size:.0f}" + "*" * int(size == largest) for size in ends)
    return low if low == high else f"{low}–{high}"


def over_seeds(table: pd.DataFrame, value: str, by: Sequence[str]) -> pd.DataFrame:
    """Return mean and 95 % Student t interval over seeds: columns `by`, mean, lower, upper, seeds (finite values)."""
    rows = []
    for key, group in table.groupby(list(by), sort=True):
        values = group.groupby("seed")[value].mean().to_numpy()
        rows.append((*key, *mean_interval(values), int(np.isfinite(values).sum())))
    table = pd.DataFrame(rows, columns=[*by, "mean", "lower", "upper", "seeds"])
    return table.astype({"mean": float, "lower": float, "upper": float})


def paired_difference(
    scores: pd.DataFrame, first: str = MODEL, second: str = BASELINE, value: str = "test_r2"
) -> pd.DataFrame:
    """Return `first` minus `second` at each latent size that both have: mean and 95 % t interval over shared seeds.

    Returns:
        Columns dataset, label, latent_size, mean, lower, upper, seeds; no rows where the models share no size.
    """
    index = ["dataset", "label", "seed", "latent_size"]
    rows = scores[(scores["chosen"] == 1) & scores["model"].isin([first, second])]
    wide = rows.pivot(index=index, columns="model", values=value).reindex(columns=[first, second]).dropna()
    table = (wide[first] - wide[second]).rename("difference").reset_index()
    return over_seeds(table, "difference", ["dataset", "label", "latent_size"])


def best_fits(scores: pd.DataFrame) -> pd.DataFrame:
    """Return for every model and seed the fit with the best validation R2 over all sizes and restarts.

    Comparing the best test R2 over sizes would favour the model that was fitted at more sizes.
    """
    rows = scores[scores["chosen"] == 1].dropna(subset=["validation_r2"])
    return rows.loc[rows.groupby(RUN)["validation_r2"].idxmax()].reset_index(drop=True)


def compare_best(scores: pd.DataFrame, first: str = MODEL, second: str = BASELINE) -> pd.DataFrame:
    """Say for every dataset whether `first` predicts test samples better than `second`, each at its best size.

    The size is chosen on validation samples (`best_fits`). The outcome is "wins" (or "loses") where the 95 %
    interval of the paired difference over seeds lies above (below) zero, "ties" else, and "one seed" where a
    single shared seed gives no interval.

    Returns:
        Columns dataset, label, mean, lower, upper, seeds, outcome; no row for datasets that lack a model.
    """
    best = best_fits(scores).assign(latent_size=0)
    table = paired_difference(best, first, second).drop(columns="latent_size")
    return table.assign(outcome=[outcome(*row) for row in table[["mean", "lower", "upper"]].to_numpy(float)])


def outcome(mean: float, lower: float, upper: float) -> str:
    """Return "wins", "loses", "ties" by the interval of a difference; "one seed" where there is no interval."""
    if not (np.isfinite(mean) and np.isfinite(lower) and np.isfinite(upper)):
        return UNRESOLVED
    return WINS if lower > 0 else LOSES if upper < 0 else TIES


def condition(scores: pd.DataFrame) -> str:
    """Return the kind of one dataset: a key of `CONDITIONS`, told from its description in the scores."""
    row = scores.iloc[0]
    if not np.isfinite(row["true_latent_size"]):
        return "recording"
    if row["nonlinearity"] == "linear":
        return "linear"
    if row["paradigm"] == "spontaneous":
        return "spontaneous"
    return "images" if row["true_latent_size"] > LOW_DIMENSIONAL else "gratings"

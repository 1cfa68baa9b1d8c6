"""Cross-validated ridge mapping from event rates to known latent states (RADICaL, Methods, "Mapping to ground
truth Lorenz states").

Every latent dimension is a linear, instantaneous readout of all neurons' rates at `t + lag`: deconvolved
events come later than the spikes that caused them, so the rates at `t + lag` speak of the latents at `t` (30
ms in the paper). Trials are split five times into 80 % training and 20 % test, in a complementary fashion
(each trial is tested once). The penalty is chosen, for each latent dimension, by 5-fold cross-validation
within the training trials, as the one with the smallest squared error pooled over the inner folds; the
mapping is then refitted on all training trials.

The score is R2 = 1 - SSE / SST over all samples of the pooled test trials, where SST is taken about the mean
of these same test samples. A mapping that predicts the training mean therefore scores at most zero.

All ridge fits come from one pass over the data: one Gram matrix for each of the folds x folds cells of
trials, sums of cells for every training set, and one eigendecomposition for all penalties. A sweep over lags
chooses penalties once, and keeps them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from calcium_latents.errors import UserError
from calcium_latents.metrics.ridge import Moments, Ridge
from calcium_latents.seeds import generator

if TYPE_CHECKING:  # imported where it is needed
    import xarray as xr

# Paper: "chose to include a 30 ms lag correlation which gave the highest latent recovery performance".
LAG_S = 0.03
LAG_SWEEP_S = tuple(np.round(np.arange(-0.02, 0.1001, 0.01), 6).tolist())
FOLDS = 5
# Relative to the mean eigenvalue of the training Gram matrix, so that the unit of the rates does not matter.
RELATIVE_PENALTIES = tuple(np.logspace(-7, 2, 28).tolist())
_TIME_TOLERANCE_S = 1e-6


def latent_recovery(
    event_rate: np.ndarray,
    rate_time: np.ndarray,
    latents: np.ndarray,
    latent_time: np.ndarray,
    lag_s: float = LAG_S,
    folds: int = FOLDS,
    penalties: Sequence[float] | None = None,
    *,
    chosen: np.ndarray | None = None,
    latent_names: Sequence[str] | None = None,
    seed: int | None = None,
    window_s: tuple[float, float] | None = None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Score how well `event_rate` predicts `latents` on held-out trials.

    Args:
        event_rate: [trial, rate time, neuron], any unit, finite.
        rate_time: [rate time] s; rates on another grid than the latents' are interpolated linearly, and held
            constant for at most one rate bin beyond their first and last time.
        latents: [trial, time, latent], finite.
        latent_time: [time] s.
        lag_s: rates at `t + lag_s` predict latents at `t`; samples for which `t + lag_s` falls outside the
            trial are left out.
        folds: number of complementary splits, and of inner folds.
        penalties: absolute ridge penalties (of scikit-learn's `alpha` kind); by default `RELATIVE_PENALTIES`
            times the mean eigenvalue of the centred training Gram matrix.
        chosen: [fold, latent] the penalties to use; None: chosen from `penalties` within the training trials.
        latent_names: names for the column `latent`; by default 0, 1, ...
        seed: None interleaves the trials over the folds in their order; a number shuffles them first.
        window_s: keep only latent times in this closed interval (to compare lags on the same samples).

    Returns:
        A table with columns fold, latent, r2, penalty, test_trials, test_samples, and the held-out
        predictions [trial, time, latent] in the latents' units, NaN at the left-out times.

    Raises:
        UserError: shapes that do not fit, non-finite values, fewer trials than folds, or rates that do not
            cover the trial.
    """
    rates = aligned_rates(event_rate, rate_time, latent_time, lag_s)
    latents = np.asarray(latents, dtype=np.float64)
    latent_time = np.asarray(latent_time, dtype=np.float64)
    _check(rates, latents, latent_time, folds)
    keep = _valid_times(latent_time, lag_s, window_s)
    outer, inner = fold_labels(len(latents), folds, seed)
    x, y = rates[:, keep], latents[:, keep]
    # Subtracting grand means changes no fit (the intercept is free) and keeps Gram matrices well conditioned.
    x_mean, centre = x.mean(axis=(0, 1), dtype=np.float64), y.mean(axis=(0, 1))
    y = y - centre
    cells = [
        [Moments.of(x[cell] - x_mean, y[cell]) for cell in ((outer == o) & (inner == i) for i in range(folds))]
        for o in range(folds)
    ]

    names = list(range(latents.shape[2])) if latent_names is None else list(latent_names)
    predictions = np.full(latents.shape, np.nan)
    rows = []
    for fold in range(folds):
        parts = [Moments.total(cells[o][i] for o in range(folds) if o != fold) for i in range(folds)]
        parts = [part for part in parts if part.count]
        training = Moments.total(parts)
        best = _best_penalties(parts, _penalty_grid(training, penalties)) if chosen is None else chosen[fold]
        weights, intercept = Ridge(training).solve(best)
        test = outer == fold
        predicted = x[test] @ weights + (intercept - x_mean @ weights)
        predictions[np.ix_(test, keep)] = predicted + centre
        score = coefficient_of_determination(y[test], predicted)
        rows += [
            {
                "fold": fold,
                "latent": name,
                "r2": r2,
                "penalty": penalty,
                "test_trials": int(test.sum()),
                "test_samples": int(test.sum() * keep.sum()),
            }
            for name, r2, penalty in zip(names, score, best, strict=True)
        ]
    return pd.DataFrame(rows), predictions


def coefficient_of_determination(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return R2 [dimension] = 1 - SSE / SST of [..., dimension], all other axes pooled, SST about the mean of
    `true`.

    A dimension that is constant in `true` has no variance to explain: NaN.
    """
    axes = tuple(range(true.ndim - 1))
    sse = ((true - predicted) ** 2).sum(axis=axes)
    sst = ((true - true.mean(axis=axes)) ** 2).sum(axis=axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sst > 0, 1 - sse / sst, np.nan)


def fold_labels(trials: int, folds: int = FOLDS, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the test fold and the inner fold of every trial ([trial] int each), deterministic and
    complementary.

    Interleaving keeps every condition in every fold when trials are sorted by condition.
    """
    order = np.arange(trials)
    if seed is not None:
        order = generator(seed, "latent_recovery", "folds").permutation(trials)
    outer, inner = np.empty(trials, dtype=int), np.empty(trials, dtype=int)
    position = np.arange(trials)
    outer[order] = position % folds
    # The shift by the outer fold leaves no inner fold empty even when a fold has fewer trials than there are
    # folds.
    inner[order] = (position // folds + position % folds) % folds
    return outer, inner


def aligned_rates(event_rate: np.ndarray, rate_time: np.ndarray, latent_time: np.ndarray, lag_s: float) -> np.ndarray:
    """Return rates at `latent_time + lag_s` by linear interpolation: [trial, time, neuron]; as they are (float32, say)
    where they lie on that grid, float64 otherwise.

    Times outside of the trial are filled with the nearest rate; `latent_recovery` leaves them out.
    """
    rates = np.asarray(event_rate)
    rate_time = np.asarray(rate_time, dtype=np.float64)
    latent_time = np.asarray(latent_time, dtype=np.float64)
    if rates.ndim != 3 or rates.shape[1] != len(rate_time):
        raise UserError(f"event_rate: expected [trial, time, neuron] with {len(rate_time)} times, found {rates.shape}.")
    if not np.isfinite(rates).all():
        raise UserError(f"event_rate: expected finite rates, found {int((~np.isfinite(rates)).sum())} NaN or infinite.")
    step = np.diff(rate_time)
    if len(step) and (step <= 0).any():
        raise UserError("rate_time: expected increasing times in seconds, found a step that is zero or negative.")
    slack = (step.max() if len(step) else 0.0) + _TIME_TOLERANCE_S
    if rate_time[0] > latent_time[0] + slack or rate_time[-1] < latent_time[-1] - slack:
        raise UserError(
            f"rate_time: rates from {rate_time[0]:.3f} to {rate_time[-1]:.3f} s do not cover the latents' "
            f"{latent_time[0]:.3f} to {latent_time[-1]:.3f} s; infer rates for whole trials."
        )
    wanted = np.clip(latent_time + lag_s, rate_time[0], rate_time[-1])
    upper = np.clip(np.searchsorted(rate_time, wanted, side="right"), 1, max(len(rate_time) - 1, 1))
    lower = upper - 1
    upper = np.minimum(upper, len(rate_time) - 1)
    span = np.where(upper > lower, rate_time[upper] - rate_time[lower], 1.0)
    weight = ((wanted - rate_time[lower]) / span)[None, :, None]
    if np.abs(weight - np.round(weight)).max() < 1e-6:  # on the grid: a copy, no rounding
        return rates[:, np.where(np.round(weight[0, :, 0]) == 1, upper, lower)]
    return rates[:, lower] * (1 - weight) + rates[:, upper] * weight


def lag_sweep(
    event_rate: np.ndarray,
    rate_time: np.ndarray,
    latents: np.ndarray,
    latent_time: np.ndarray,
    lags_s: Iterable[float] = LAG_SWEEP_S,
    **options,
) -> pd.DataFrame:
    """Return `latent_recovery` at every lag, with a column `lag_s`, on the latent times that all lags share.

    Arrays as there: [trial, time, neuron], [time] in s, [trial, latent time, latent], [latent time] in s.

    Sharing the samples makes lags comparable; the R2 at 30 ms differs slightly from that of the whole trial. So does
    sharing the penalties, which are chosen at the lag nearest to `LAG_S`.
    """
    lags = list(lags_s)
    time = np.asarray(latent_time, dtype=np.float64)
    options["window_s"] = (time[0] - min(min(lags), 0.0), time[-1] - max(max(lags), 0.0))
    arrays = (event_rate, rate_time, latents, latent_time)
    first = min(lags, key=lambda lag: abs(lag - LAG_S))
    tables = {first: latent_recovery(*arrays, first, **options)[0]}
    options["chosen"] = tables[first]["penalty"].to_numpy().reshape(tables[first]["fold"].nunique(), -1)
    for lag in lags:
        if lag != first:
            tables[lag] = latent_recovery(*arrays, lag, **options)[0]
    return pd.concat([tables[lag].assign(lag_s=lag) for lag in lags], ignore_index=True)


def score_runs(
    recording,
    runs: "Mapping[tuple[str, int], xr.Dataset]",
    *,
    lag_s: float = LAG_S,
    sweep: bool = True,
    seed: int | None = None,
):
    """Score every run against one recording's latents.

    Args:
        recording: Recording dataset with `latents`.
        runs: (model, seed) -> Inferred dataset.
        lag_s: see `latent_recovery`.
        sweep: also sweep the lag.
        seed: see `fold_labels`.

    Returns:
        scores (columns model, seed, fold, latent, r2, r2_validation, penalty, test_trials, test_samples,
        lag_s), the lag sweep (the same without r2_validation; empty without `sweep`), and a dataset of
        held-out predictions for figures: `predicted(run, trial, time, latent)`, `latents(trial, time,
        latent)`, coordinates `model(run)` and `seed(run)`.

    The paper's `r2` pools all trials of a fold, also those on which the models were fitted (without seeing
    latents); `r2_validation` only those that no model was fitted on.
    """
    import xarray as xr

    if "latents" not in recording:
        raise UserError("recording: the variable latents is missing; only recordings with known latents can be scored.")
    time, truth = recording["time"].values, recording["latents"].values
    names = [str(name) for name in recording["latent"].values]
    scores, sweeps, predictions = [], [], []
    unseen = np.any([inferred["split"].values == 1 for inferred in runs.values()], axis=0)
    outer, _ = fold_labels(len(truth), FOLDS, seed)
    for (model, run_seed), inferred in runs.items():
        arguments = (inferred["event_rate"].values, inferred["time"].values, truth, time)
        table, predicted = latent_recovery(*arguments, lag_s, latent_names=names, seed=seed)
        table["r2_validation"] = np.nan
        for fold in range(FOLDS if unseen.any() else 0):
            test = unseen & (outer == fold)
            valid = np.isfinite(predicted).all((0, 2))
            if test.any():
                score = coefficient_of_determination(truth[test][:, valid], predicted[test][:, valid])
                table.loc[table["fold"] == fold, "r2_validation"] = score
        scores.append(table.assign(model=model, seed=run_seed, lag_s=lag_s))
        predictions.append(predicted.astype(np.float32))
        if sweep:
            swept = lag_sweep(*arguments, latent_names=names, seed=seed)
            sweeps.append(swept.assign(model=model, seed=run_seed))
    columns = ["model", "seed", "lag_s", "fold", "latent", "r2", "penalty", "test_trials", "test_samples"]
    dataset = xr.Dataset(
        {
            "predicted": (("run", "trial", "time", "latent"), np.stack(predictions)),
            "latents": (("trial", "time", "latent"), truth.astype(np.float32)),
        },
        coords={
            "model": ("run", [model for model, _ in runs], {"units": "1"}),
            "seed": ("run", [run_seed for _, run_seed in runs], {"units": "1"}),
            "trial": recording["trial"].values,
            "time": time,
            "latent": names,
        },
        attrs={"lag_s": lag_s},
    )
    dataset["time"].attrs["units"] = "s"
    empty = pd.DataFrame(columns=columns)
    score_columns = [*columns[:6], "r2_validation", *columns[6:]]
    return pd.concat(scores)[score_columns], pd.concat(sweeps)[columns] if sweeps else empty, dataset


def _penalty_grid(training: Moments, penalties: Sequence[float] | None) -> np.ndarray:
    if penalties is not None:
        grid = np.asarray(penalties, dtype=np.float64)
        if grid.ndim != 1 or not len(grid) or not (grid > 0).all():
            raise UserError(f"penalties: expected a list of positive numbers, found {penalties!r}.")
        return grid
    mean = training.x / training.count
    scale = (np.trace(training.xx) - training.count * mean @ mean) / len(mean)
    return np.asarray(RELATIVE_PENALTIES) * (scale if scale > 0 else 1.0)


def _best_penalties(parts: Sequence[Moments], grid: np.ndarray) -> np.ndarray:
    """Return for every target the penalty of `grid` [L] with the smallest squared error over held-out parts."""
    error = 0.0
    for held, part in enumerate(parts):
        fitted = Ridge(Moments.total(other for index, other in enumerate(parts) if index != held))
        error = error + fitted.squared_error(grid, part)
    return grid[np.argmin(error, axis=0)]


def _valid_times(time: np.ndarray, lag_s: float, window_s: tuple[float, float] | None) -> np.ndarray:
    """Return which latent times have a rate inside the trial.

    The same for every method, whatever its grid.
    """
    keep = (time + lag_s >= time[0] - _TIME_TOLERANCE_S) & (time + lag_s <= time[-1] + _TIME_TOLERANCE_S)
    if window_s is not None:
        keep &= (time >= window_s[0] - _TIME_TOLERANCE_S) & (time <= window_s[1] + _TIME_TOLERANCE_S)
    if keep.sum() < 2:
        raise UserError(
            f"lag_s: a lag of {lag_s} s leaves fewer than two samples of a {time[-1] - time[0]:.3f} s trial."
        )
    return keep


def _check(rates: np.ndarray, latents: np.ndarray, latent_time: np.ndarray, folds: int) -> None:
    if latents.ndim != 3 or latents.shape[1] != len(latent_time):
        raise UserError(
            f"latents: expected [trial, time, latent] with {len(latent_time)} times, found {latents.shape}."
        )
    if len(rates) != len(latents):
        raise UserError(f"event_rate: expected {len(latents)} trials as in the latents, found {len(rates)}.")
    if not np.isfinite(latents).all():
        raise UserError("latents: expected finite values, found NaN or infinite ones.")
    if folds < 2 or len(latents) < max(folds, 3):
        raise UserError(
            f"folds: {folds} complementary splits need at least {max(folds, 3)} trials, found {len(latents)}."
        )

"""Do size tuning curves asked of a model agree with those of the recorded neurons? (Fig. 5B, "in vivo verification".)

A second scan shows a few Gabors (`gabor_selection`) in several sizes, with repeats. For each neuron the Gabor
counts that drives it most by the model's word: measured responses have no say in the choice, so that their noise cannot
favour either side. Curves over sizes that are compared with the measured responses:

mouse-model: the model's, to the very stimuli of the scan.
mouse-optimal: the model's, to the neuron's own optimal Gabor in the sizes and at the contrast of the scan.
poisson_glm: a linear-exponential model's, to the stimuli of the scan (baseline; optional).
mean curve: mean of the other neurons' mouse-model curves, each scaled to a peak of 1 (baseline: one curve for all).
other neurons: each other neuron's mouse-model curve; the mean correlation over them (null).
truth: the noise-free curve of simulated neurons, the best that any model can do (simulated recordings only).

Correlations are over all presentations (sizes x repeats) of a neuron's Gabor, prediction against single responses, both
less their mean in each repeat. The oracle is the same correlation with the mean of the other repeats in place of a
prediction (jackknife). Where stimuli are few, the others' mean is low where a trial is high: of pure noise, five sizes
and ten repeats, the usual oracle is -0.12 on average; without the repeats' means it is -0.06. A perfect model lies
somewhat above 100 % of the oracle, because the others' means are noisy; the curve "truth" says how far. The paper
prints no formula; of a population, the fraction of oracle here is the mean correlation over the mean oracle, which does
not blow up for neurons of an oracle near zero as the mean of single neurons' fractions does.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.recordings.fields import REMAKE, fail
from calcium_latents.statistics.intervals import bootstrap_interval
from calcium_latents.studies.digital_twin.optimal_stimuli.optimal_gabors import GABOR, render_gabors
from calcium_latents.studies.digital_twin.response_scores import arranged
from calcium_latents.studies.digital_twin.second_scan.gabor_selection import (
    fractions_of_own,
    own_rates,
    predicted_rates,
)

MODEL, AT_OPTIMUM, GLM = "mouse-model", "mouse-optimal", "poisson_glm"
MEAN, OTHERS, TRUTH = "mean curve", "other neurons", "truth"
CURVES = (MODEL, AT_OPTIMUM, GLM, MEAN, OTHERS, TRUTH)  # in the order of tables and legends
THRESHOLDS = (0.25, 0.5, 0.75)
FLAT = 1e-6  # relative spread below which a curve in float32 is constant
COLUMNS = (
    *("neuron", "threshold", "curve", "correlation", "oracle", "fraction_of_oracle", "correlation_to_truth"),
    *("fraction_of_own", "gabor", "sizes", "repeats", "seed"),
)
SUMMARY_COLUMNS = ("threshold", "curve", "neurons", "correlation", "oracle", "fraction", "lower", "upper")


def standardised(curves: np.ndarray) -> np.ndarray:
    """Return `curves` [..., level] less their mean, each of Euclidean norm 1; constant curves become 0.

    The product of two such curves is their Pearson correlation, and 0 where one is constant: it predicts nothing.
    """
    curves = np.asarray(curves, float)
    centred = curves - curves.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(centred, axis=-1, keepdims=True)
    flat = norm <= FLAT * np.abs(curves).max(axis=-1, keepdims=True) * np.sqrt(curves.shape[-1])
    return np.divide(centred, norm, out=np.zeros_like(centred), where=~flat)


def single_trial_correlation(responses: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Return the correlation [neuron] of predicted curves with single responses, both less their mean in each repeat.

    Args:
        responses: [neuron, repeat, size]; NaN where nothing was recorded.
        curves: [neuron, size].

    Returns:
        NaN where the responses do not vary within a repeat, 0 where the prediction does not.
    """
    responses = np.asarray(responses, float)
    return _within_repeats(np.broadcast_to(np.asarray(curves, float)[:, None], responses.shape), responses)


def oracle_correlation(responses: np.ndarray) -> np.ndarray:
    """Return the jackknife oracle [neuron]: single responses [neuron, repeat, size] against the others' mean.

    Presentations without another repeat of their size are left out.
    """
    responses = np.asarray(responses, float)
    seen = np.isfinite(responses)
    others = seen.sum(axis=1, keepdims=True) - 1
    total = np.where(seen, responses, 0).sum(axis=1, keepdims=True)
    means = np.full_like(responses, np.nan)
    np.divide(total - np.where(seen, responses, 0), others, out=means, where=seen & (others > 0))
    return _within_repeats(means, responses)


def _within_repeats(predicted: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Correlation [neuron] of two arrays [neuron, repeat, size], each less its mean over a repeat's known sizes."""
    both = np.isfinite(predicted) & np.isfinite(responses)
    count = np.maximum(both.sum(axis=2, keepdims=True), 1)

    def centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = np.where(both, values, 0)
        limit = FLAT * np.abs(values).max(axis=(1, 2)) * np.sqrt(both.sum(axis=(1, 2)))
        values = np.where(both, values - values.sum(axis=2, keepdims=True) / count, 0)
        norm = np.sqrt((values**2).sum(axis=(1, 2)))
        return values, np.where(norm > limit, norm, 0)

    (x, x_norm), (y, y_norm) = centred(predicted), centred(responses)
    product, norms = (x * y).sum(axis=(1, 2)), x_norm * y_norm
    found = np.divide(product, norms, out=np.zeros(len(product)), where=norms > 0)
    return np.where(y_norm > 0, np.clip(found, -1, 1), np.nan)


def of_best_gabor(values: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return [neuron, ...] from `values` [gabor, ..., neuron], the Gabor `best` [neuron] of each neuron."""
    moved = np.moveaxis(np.asarray(values), -1, 1)
    return moved[best, np.arange(len(best))]


def compare_scan(
    probe,
    scan: xr.Dataset,
    neurons: Sequence[int],
    optimal: pd.DataFrame,
    chosen: pd.DataFrame,
    *,
    filters: np.ndarray | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    batch: int = 256,
    seed: int = 0,
    path: str = "gabor_scan.nc",
) -> pd.DataFrame:
    """Return the agreement of a Gabor scan's size tuning curves with those asked of a model.

    Args:
        probe: the model, an `probe.Probe`.
        scan: responses to the chosen Gabors in several sizes (`visual_cortex_recording.record_gabor_scan`).
        neurons: [neuron of the probe], their numbers; those of the scan are among them.
        optimal: the own optimal Gabor of each of `neurons`, in their order, with its rate.
        chosen: the chosen Gabors, columns rank and those of `optimal_gabors.GABOR`.
        filters: [neuron of the probe, y, x] of a linear-exponential model, for the curve "poisson_glm". Its intercept
            is a factor of the whole curve and does not matter.
        thresholds, seed: see `agreement_table`.
        batch: images shown to the model at once.
        path: names `scan` in messages.

    Raises:
        UserError: a Gabor or neuron of the scan is not known, or a Gabor lacks a size.
    """
    order, ranks, sizes = _stimulus_order(scan, path)
    unknown = np.setdiff1d(scan["neuron"].values, neurons)
    if len(unknown):
        fail(path, "neuron", "neurons that the model was fitted to", f"another, {unknown[0]}", REMAKE)
    at = pd.Index(neurons).get_indexer(scan["neuron"].values)
    rows = chosen.set_index("rank").reindex(ranks).reset_index()
    if rows[list(GABOR)].isna().any(axis=None):
        fail(path, "gabor", f"ranks of the table of chosen Gabors (1 to {len(chosen)})", f"{list(ranks)}", REMAKE)
    stimuli = pd.DataFrame({name: scan[name].values[order] for name in GABOR})

    def by_gabor(values: np.ndarray) -> np.ndarray:
        """[stimulus, ..., neuron] -> [gabor, size, ..., neuron]."""
        return values.reshape(len(ranks), len(sizes), *values.shape[1:])

    own = optimal["rate"].to_numpy()
    fractions = fractions_of_own(predicted_rates(probe, rows, batch), own)[:, at]
    best = fractions.argmax(axis=0)
    measured = arranged(scan["response"].values.astype(float), scan["stimulus_of_trial"].values, len(order))[order]
    curves = {
        MODEL: of_best_gabor(by_gabor(predicted_rates(probe, stimuli, batch)[:, at]), best),
        AT_OPTIMUM: _at_optimum(probe, at, optimal, sizes, float(stimuli["contrast"].iloc[0]), batch),
    }
    if filters is not None:
        images = render_gabors(probe.image_shape, stimuli).reshape(len(stimuli), -1)
        drive = images @ np.asarray(filters, np.float32)[at].reshape(len(at), -1).T
        curves[GLM] = of_best_gabor(by_gabor(np.exp(drive - drive.max(axis=0))), best)
    return agreement_table(
        scan["neuron"].values,
        of_best_gabor(by_gabor(measured), best).transpose(0, 2, 1),
        curves,
        ranks[best],
        fractions[best, np.arange(len(at))],
        truth=of_best_gabor(by_gabor(scan["rate"].values[order]), best) if "rate" in scan else None,
        thresholds=thresholds,
        seed=seed,
    )


def _stimulus_order(scan: xr.Dataset, path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the stimuli's order with Gabors slow and sizes fast, the Gabors' ranks, and the sizes."""
    needed = ("response", "stimulus_of_trial", "gabor", "neuron", *GABOR)
    missing = [name for name in needed if name not in scan.variables]
    if missing:
        fail(path, missing[0], "this variable", f"only {sorted(map(str, scan.variables))}", REMAKE)
    gabor, size = scan["gabor"].values, scan["size_px"].values
    ranks, sizes = np.unique(gabor), np.unique(size)
    order = np.lexsort((size, gabor))
    full = np.stack(np.meshgrid(ranks, sizes, indexing="ij"), -1).reshape(-1, 2)
    if len(order) != len(full) or not np.array_equal(np.stack([gabor, size], -1)[order], full):
        expected = f"{len(sizes)} sizes of each of {len(ranks)} Gabors"
        fail(path, "size_px", expected, f"{len(order)} stimuli of other combinations", REMAKE)
    return order, ranks, sizes


def _at_optimum(
    probe, at: np.ndarray, optimal: pd.DataFrame, sizes: np.ndarray, contrast: float, batch: int
) -> np.ndarray:
    """Return curves [neuron, size] to the own optimal Gabors in the sizes and at the contrast of the scan."""
    shown = optimal.iloc[np.repeat(at, len(sizes))].reset_index(drop=True)
    shown = shown.assign(size_px=np.tile(sizes, len(at)), contrast=contrast)
    return own_rates(probe, np.repeat(at, len(sizes)), shown, batch).reshape(len(at), len(sizes))


def mean_of_others(curves: np.ndarray) -> np.ndarray:
    """Return for each neuron the mean of the other neurons' `curves` [neuron, size], each over its peak."""
    curves = np.asarray(curves, float)
    peak = curves.max(axis=1, keepdims=True)
    scaled = np.divide(curves, peak, out=np.zeros_like(curves), where=peak > 0)
    return (scaled.sum(axis=0) - scaled) / max(len(curves) - 1, 1)


def agreement_table(
    neurons: Sequence[int],
    responses: np.ndarray,
    curves: Mapping[str, np.ndarray],
    gabor: np.ndarray,
    fraction_of_own: np.ndarray,
    *,
    truth: np.ndarray | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how well curves predict measured responses: a row for each neuron, threshold and curve (Fig. 5B).

    A neuron stands under each threshold that the fraction reaches. "mean curve" and "other neurons" are made from
    `curves["mouse-model"]` of the neurons under the same threshold.

    Args:
        neurons: [neuron], their numbers.
        responses: [neuron, repeat, size] to the Gabor that counts for the neuron; NaN where nothing was recorded.
        curves: name -> [neuron, size], predictions; holds at least "mouse-model".
        gabor: [neuron], which Gabor of the scan counts (rank).
        fraction_of_own: [neuron], the model's rate to it over that to the neuron's own optimal Gabor.
        truth: [neuron, size], noise-free curves, where they are known.
        thresholds: on fraction_of_own.
        seed: of bootstraps that others make of this table; kept in a column.

    Returns:
        The columns of `COLUMNS`. correlation_to_truth is that of the two curves (NaN without truth). Fractions of
        single neurons are NaN where the oracle is not above zero.
    """
    responses, fraction = np.asarray(responses, float), np.asarray(fraction_of_own, float)
    oracle = oracle_correlation(responses)
    seen = np.isfinite(responses)
    about = {"gabor": np.asarray(gabor), "sizes": responses.shape[2], "repeats": seen.sum(axis=1).max(axis=1)}
    predictions = dict(curves) | ({} if truth is None else {TRUTH: truth})
    tables = []
    for threshold in thresholds:
        kept = np.flatnonzero(fraction >= threshold)
        if not len(kept):
            continue
        of_kept = {name: np.asarray(values)[kept] for name, values in predictions.items()}
        of_kept[MEAN] = mean_of_others(of_kept[MODEL])
        true = None if truth is None else np.asarray(truth)[kept]
        found = {name: _compared(responses[kept], values, true) for name, values in of_kept.items()}
        found[OTHERS] = _compared_with_others(responses[kept], of_kept[MODEL], true)
        for name in (name for name in CURVES if name in found):
            single_trial, to_truth = found[name]
            table = {"neuron": np.asarray(neurons)[kept], "threshold": float(threshold), "curve": name}
            table |= {"correlation": single_trial, "oracle": oracle[kept], "correlation_to_truth": to_truth}
            table |= {key: value if np.ndim(value) == 0 else value[kept] for key, value in about.items()}
            tables.append(pd.DataFrame(table | {"fraction_of_own": fraction[kept], "seed": int(seed)}))
    if not tables:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(tables, ignore_index=True)
    table["fraction_of_oracle"] = table["correlation"] / table["oracle"].where(table["oracle"] > 0)
    return table[list(COLUMNS)]


def _compared(responses: np.ndarray, curves: np.ndarray, truth: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    to_truth = np.full(len(curves), np.nan) if truth is None else _defined(truth, standardised(curves))
    return single_trial_correlation(responses, curves), to_truth


def _defined(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Correlation [neuron] with the true curves; NaN where the truth is constant."""
    true = standardised(truth)
    return np.where(true.any(axis=1), (true * predicted).sum(axis=1), np.nan)


def _compared_with_others(
    responses: np.ndarray, curves: np.ndarray, truth: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over all other neurons' curves of the correlation with a neuron's responses, and with its true curve.

    Where all sizes have as many repeats, the correlation with a standardised curve is linear in the curve: the mean
    correlation is the correlation with the sum of the others' standardised curves, times its norm.
    """
    count = len(curves)
    if count < 2:
        return np.full(count, np.nan), np.full(count, np.nan)
    unit = standardised(curves)
    others = (unit.sum(axis=0) - unit) / (count - 1)
    norm = np.linalg.norm(others - others.mean(axis=1, keepdims=True), axis=1)
    of_others = single_trial_correlation(responses, others) * norm
    return of_others, np.full(count, np.nan) if truth is None else _defined(truth, others)


def summarise_agreement(table: pd.DataFrame, repeats: int = 1000) -> pd.DataFrame:
    """Return per threshold and curve the fraction of oracle of the population, with 95 % bootstrap intervals.

    fraction = mean correlation over mean oracle; neurons are drawn again with replacement, so that intervals speak of
    other neurons of the same scan and model. Neurons without a defined correlation (silent in the scan) are left out.

    Args:
        table: from `agreement_table`.
        repeats: of the bootstrap.

    Returns:
        The columns of `SUMMARY_COLUMNS`.
    """
    rows = []
    for (threshold, curve), part in table.groupby(["threshold", "curve"], sort=True):
        values = part[["correlation", "oracle"]].dropna().to_numpy()
        if not len(values):
            continue
        fraction, lower, upper = bootstrap_interval(values, _ratio, repeats=repeats, seed=int(part["seed"].iloc[0]))
        means = dict(zip(("correlation", "oracle"), values.mean(axis=0), strict=True))
        bounds = {"fraction": fraction, "lower": lower, "upper": upper}
        rows.append({"threshold": threshold, "curve": curve, "neurons": len(values)} | means | bounds)
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def compare_curves(
    table: pd.DataFrame, first: str, second: str, threshold: float, repeats: int = 1000
) -> tuple[float, float, float, int]:
    """Return the difference of two curves' fractions of oracle, its 95 % bootstrap interval, and n of neurons.

    Paired: both fractions of a draw are of the same neurons. NaN and 0 where a curve is missing.
    """
    rows = table[np.isclose(table["threshold"], threshold) & table["curve"].isin([first, second])]
    wide = rows.pivot_table(index="neuron", columns="curve", values="correlation").reindex(columns=[first, second])
    pairs = wide.assign(oracle=rows.groupby("neuron")["oracle"].first()).dropna().to_numpy()
    if len(pairs) < 2:
        return np.nan, np.nan, np.nan, len(pairs)
    seed = int(rows["seed"].iloc[0])
    values = np.column_stack([pairs[:, 0] - pairs[:, 1], pairs[:, 2]])
    return (*bootstrap_interval(values, _ratio, repeats=repeats, seed=seed), len(pairs))


def _ratio(values: np.ndarray) -> float:
    """Mean of the first column over the mean of the second; NaN where that is not above zero."""
    above, below = values.mean(axis=0)
    return above / below if below > 0 else np.nan

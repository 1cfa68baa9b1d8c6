"""How well do predictions of responses to images match recorded responses, and how well could they?

All scores are of one neuron, over test images and their repeats; R is the number of repeats, S a neuron's variance over
images of its mean response, N its variance over repeats:
    single-trial correlation: prediction against every trial; at most sqrt(S / (S + N)).
    jackknife oracle: every trial against the mean over the other repeats; on average S / sqrt((S + N) (S + N/(R-1))).
        It lies below the best single-trial correlation: a perfect model has a fraction of oracle above 1.
    conservative oracle: sqrt(V / (V + W)), V the variance over images of the mean over repeats, W that over repeats;
        on average sqrt((S + N/R) / (S + N)), as if a trial were told by a mean that holds it. It lies above the best
        correlation, so that a fraction of it is never flattering.
    explainable variance: (V - W/R) / V, with unbiased V and W; its root is the maximum correlation to the mean.
The published "oracle correlation of 0.69" is read as the mean single-trial correlation over the mean jackknife oracle.
Trials that an animal did not see are NaN, and neurons may differ in images and repeats. A prediction that is constant
over images scores 0: it would flatter a method to leave such neurons out of its mean.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr

from calcium_latents.progress import progress
from calcium_latents.recordings.fields import REMAKE, fail
from calcium_latents.seeds import generator
from calcium_latents.statistics.intervals import bootstrap_interval

TRAINING, TEST = 0, 2  # values of `part`
TWIN, LINEAR, SHUFFLED = "digital_twin", "poisson_glm", "shuffled images"
FRACTION = "fraction_of_oracle"
SCORES = ("single_trial", "oracle", "conservative_oracle", FRACTION, "explainable_variance", "maximum_correlation")
COLUMNS = (
    *("dataset", "label", "method", "seed", "neuron", "animal", "neuron_type", "images", "repeats"),
    *(*SCORES, "correlation_to_mean", "correlation_to_truth", "seen_drive"),
)
RESOLUTION = 1e-6  # relative spread below which values are a constant in float32
FEWEST = 3  # pairs of values for a correlation
LEAST_ORACLE = 0.05  # below it a neuron's own fraction of oracle is noise over noise
SEEN = 0.99  # quantile of predicted rates over training images
BLOCK = 1024  # neurons scored at a time


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation [neuron] over all leading axes of two arrays [..., neuron] that broadcast.

    Pairs in which either is NaN are left out. NaN with fewer than three pairs, or where a side is constant.
    """
    first, second = np.broadcast_arrays(np.asarray(first, float), np.asarray(second, float))
    known = np.isfinite(first) & np.isfinite(second)
    axes = tuple(range(first.ndim - 1))
    count = known.sum(axis=axes)
    (a, a_spread), (b, b_spread) = (_centred(values, known, count, axes) for values in (first, second))
    good = (count >= FEWEST) & (a_spread > 0) & (b_spread > 0)
    r = (a * b).sum(axis=axes) / np.where(good, a_spread * b_spread, 1)
    return np.where(good, np.clip(r, -1, 1), np.nan)


def _centred(values, known, count, axes) -> tuple[np.ndarray, np.ndarray]:
    """Return values less their mean (0 where unknown) and their norm [neuron], 0 for constants."""
    values = np.where(known, values, 0)
    size = np.abs(values).max(axis=axes, initial=0)
    values = np.where(known, values - values.sum(axis=axes) / np.maximum(count, 1), 0)
    norm = np.sqrt((values**2).sum(axis=axes))
    return values, np.where(norm > RESOLUTION * size * np.sqrt(np.maximum(count, 1)), norm, 0)


def jackknife_oracle(response: np.ndarray) -> np.ndarray:
    """Return the correlation [neuron] of every trial with the mean over the other repeats of its image.

    `response` is [image, repeat, neuron], NaN where not recorded; images with one repeat are left out.
    """
    known = np.isfinite(response)
    count = known.sum(axis=1, keepdims=True)
    others = np.where(known, response, 0).sum(axis=1, keepdims=True) - response
    return correlation(response, np.where(count > 1, others / np.maximum(count - 1, 1), np.nan))


def conservative_oracle(response: np.ndarray) -> np.ndarray:
    """Return sqrt(V / (V + W)) [neuron] of `response` [image, repeat, neuron], plain variances as in neuralpredictors.

    NaN without repeats, or where responses are constant.
    """
    mean, within, _ = _of_images(response)
    signal, noise = _variance(mean, 0), _mean(within)
    total = signal + noise
    return np.sqrt(np.divide(signal, total, out=np.full_like(total, np.nan), where=total > 0))


def explainable_variance(response: np.ndarray) -> np.ndarray:
    """Return the share [neuron] of variance of the mean over repeats that is no noise (Ecker et al. 2019).

    `response` is [image, repeat, neuron]. Unbiased variances: the numerator has the signal's variance as its mean.
    Negative by chance where there is no signal; NaN without repeats, or where the mean response is constant.
    """
    mean, within, repeats = _of_images(response)
    signal = _variance(mean, 1)
    noise = _mean(within / np.maximum(repeats - 1, 1))  # within * R / (R - 1) is unbiased; over R: that of the mean
    return np.divide(signal - noise, signal, out=np.full_like(signal, np.nan), where=signal > 0)


def _of_images(response: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, plain variance and number of repeats [image, neuron], NaN (0) for fewer than two repeats."""
    known = np.isfinite(response)
    repeats = known.sum(axis=1)
    enough = repeats > 1
    mean = np.where(known, response, 0).sum(axis=1) / np.maximum(repeats, 1)
    # equal repeats must have no variance at all: their mean is rounded
    apart = np.where(known, response - mean[:, None], 0)
    size = np.abs(np.where(known, response, 0)).max(axis=1, initial=0)
    apart = np.where(np.abs(apart) > RESOLUTION**2 * size[:, None], apart, 0)
    within = (apart**2).sum(axis=1) / np.maximum(repeats, 1)
    return np.where(enough, mean, np.nan), np.where(enough, within, np.nan), np.where(enough, repeats, 0)


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _variance(values: np.ndarray, lost: int) -> np.ndarray:
    """Return the variance over known images [neuron]; NaN for fewer than three, 0 for constants."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    _, norm = _centred(values, known, count, (0,))
    return np.where(count >= FEWEST, norm**2 / np.maximum(count - lost, 1), np.nan)


def test_repeats(responses: xr.Dataset, path: str = "responses") -> tuple[np.ndarray, np.ndarray]:
    """Return the test images [image] (positions) and their responses [image, repeat, neuron], padded with NaN.

    Raises:
        UserError: `responses` (ImageResponses) holds fewer than three test images with trials.
    """
    shown, of_test = responses["image_of_trial"].values, responses["part"].values == TEST
    trials = np.flatnonzero(of_test[shown])
    images, place = np.unique(shown[trials], return_inverse=True)
    if len(images) < FEWEST:
        fail(path, "part", f"trials of at least {FEWEST} test images (2)", f"of {len(images)}", REMAKE)
    return images, arranged(responses["response"].values[trials].astype(np.float32), place, len(images))


def arranged(response: np.ndarray, stimulus_of_trial: np.ndarray, stimuli: int) -> np.ndarray:
    """Return responses [stimulus, repeat, neuron] of `response` [trial, neuron]; NaN where a repeat is missing."""
    order = np.argsort(stimulus_of_trial, kind="stable")
    counts = np.bincount(stimulus_of_trial, minlength=stimuli)
    repeat = np.concatenate([np.arange(count) for count in counts])
    result = np.full((stimuli, counts.max(), response.shape[1]), np.nan, response.dtype)
    result[np.asarray(stimulus_of_trial)[order], repeat] = response[order]
    return result


test_repeats.__test__ = False  # pyrefly: ignore[missing-attribute]  # no test for pytest


def score_predictions(
    responses: xr.Dataset,
    predictions: Mapping[tuple[str, int], np.ndarray],
    dataset: str,
    label: str,
    seed: int = 0,
    path: str = "responses",
) -> pd.DataFrame:
    """Return one row a neuron, method and seed of the method, with scores over the test images.

    Args:
        responses: ImageResponses. Training images may have averages over trials; only trials of test images are used.
        predictions: (method, seed) -> rates [image, neuron], for all images of `responses`.
        dataset, label: name of the data set in tables and in print.
        seed: of the shuffled images.
        path: names `responses` in messages.

    Returns:
        Columns `COLUMNS`. images, repeats: test images of this neuron and mean number of their trials. seen_drive: 99 %
        quantile of its predicted rates over training images: what lies above it in an experiment on the model is an
        extrapolation. The method "shuffled images" is the digital twin (else the first method) with test images in
        random order, another for each neuron.

    Raises:
        UserError: no test images, or predictions of another shape.
    """
    images, response = test_repeats(responses, path)
    sizes = (responses.sizes["image"], responses.sizes["neuron"])
    for (method, _), rate in predictions.items():
        if np.shape(rate) != sizes:
            fail(method, "rate", f"shape {sizes}: all images and neurons of {path}", f"{np.shape(rate)}", REMAKE)
    ceilings = [_ceilings(response[..., block]) for block in _blocks(sizes[1])]
    about = pd.concat([_about(responses), pd.concat(ceilings, ignore_index=True)], axis=1)
    truth = responses["rate"].values[images] if "rate" in responses else None
    training = responses["part"].values == TRAINING
    shuffled = TWIN if any(method == TWIN for method, _ in predictions) else next(iter(predictions), ("",))[0]
    tables = []
    for (method, run), rate in progress(predictions.items(), "scoring", unit="fit"):
        shown, seen = np.asarray(rate[images], float), np.quantile(rate[training].astype(float), SEEN, axis=0)
        names = {"dataset": dataset, "label": label, "seed": run, "seen_drive": seen}
        tables.append(_match(about, shown, response, truth).assign(**names, method=method))
        if method == shuffled:
            rng = generator(seed, "shuffled images", run)
            null = _match(about, rng.permuted(shown, axis=0), response, truth)
            tables.append(null.assign(**names, method=SHUFFLED))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)] if tables else pd.DataFrame(columns=list(COLUMNS))


def _blocks(neurons: int) -> Iterable[slice]:
    return (slice(*ends) for ends in pairwise([*range(0, neurons, BLOCK), neurons]))


def _about(responses: xr.Dataset) -> pd.DataFrame:
    neurons = responses.sizes["neuron"]
    optional = {"animal": np.zeros(neurons, int), "neuron_type": np.full(neurons, "", object)}
    values = {name: responses[name].values if name in responses else value for name, value in optional.items()}
    return pd.DataFrame({"neuron": responses["neuron"].values, **values})


def _ceilings(response: np.ndarray) -> pd.DataFrame:
    response = np.asarray(response, float)
    known = np.isfinite(response).sum(axis=1)
    images = (known > 0).sum(axis=0)
    explained = explainable_variance(response)
    return pd.DataFrame(
        {
            "images": images,
            "repeats": known.sum(axis=0) / np.maximum(images, 1),
            "oracle": jackknife_oracle(response),
            "conservative_oracle": conservative_oracle(response),
            "explainable_variance": explained,
            "maximum_correlation": np.sqrt(np.maximum(explained, 0)),
        }
    )


def _match(about: pd.DataFrame, shown: np.ndarray, response: np.ndarray, truth: np.ndarray | None) -> pd.DataFrame:
    """Add the correlations of predictions `shown` [test image, neuron] to what is known of the neurons."""
    parts = []
    for block in _blocks(shown.shape[1]):
        trials = np.asarray(response[..., block], float)
        count = np.isfinite(trials).sum(axis=1)
        mean = np.where(count > 0, np.nansum(trials, axis=1) / np.maximum(count, 1), np.nan)
        own = shown[:, block]
        exact = np.full(own.shape[1], np.nan) if truth is None else _score(own, truth[:, block])
        parts.append((_score(own[:, None], trials), _score(own, mean), exact))
    single, to_mean, to_truth = (np.concatenate(part) for part in zip(*parts, strict=True))
    fraction = single / about["oracle"].where(about["oracle"] > LEAST_ORACLE)
    scores = {"single_trial": single, FRACTION: fraction}
    return about.assign(**scores, correlation_to_mean=to_mean, correlation_to_truth=to_truth)


def _score(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the correlation, 0 where the target varies and the prediction does not."""
    r = correlation(prediction, target)
    return np.where(np.isnan(r) & np.isfinite(correlation(target, target)), 0.0, r)


def per_neuron(scores: pd.DataFrame, method: str, columns: Iterable[str]) -> pd.DataFrame:
    """Return `columns` of one method, averaged over seeds, indexed by dataset and neuron."""
    rows = scores[scores["method"] == method]
    return rows.groupby(["dataset", "neuron"])[list(columns)].mean()


def population_mean(scores: pd.DataFrame, method: str, value: str, seed: int = 0) -> tuple[float, float, float, int]:
    """Return mean over neurons, 95 % interval (bootstrap over neurons, seeds averaged before) and number of neurons.

    For fraction_of_oracle it is the mean single-trial correlation over the mean oracle: neurons without a reliable
    response do not blow it up, as they do a mean of ratios.
    """
    if value == FRACTION:
        pairs = per_neuron(scores, method, ("single_trial", "oracle")).dropna().to_numpy()
        return _interval(pairs, lambda pair: pair[:, 0].mean() / pair[:, 1].mean(), seed)
    return _interval(per_neuron(scores, method, (value,))[value].dropna().to_numpy(), np.mean, seed)


def paired_difference(
    scores: pd.DataFrame, first: str, second: str, value: str = "single_trial", seed: int = 0
) -> tuple[float, float, float, int]:
    """Return the mean of first - second over neurons that both methods score, its 95 % interval and their number.

    Bootstrap over neurons; it speaks neither of other animals nor of other fits.
    """
    pair = [per_neuron(scores, method, (value,))[value] for method in (first, second)]
    return _interval((pair[0] - pair[1]).dropna().to_numpy(), np.mean, seed)


def _interval(values: np.ndarray, statistic, seed: int) -> tuple[float, float, float, int]:
    if not len(values):
        return np.nan, np.nan, np.nan, 0
    with np.errstate(divide="ignore", invalid="ignore"):
        found = bootstrap_interval(values, statistic, repeats=1000, seed=seed)
    return (*found, len(values)) if len(values) > 1 else (found[0], np.nan, np.nan, 1)

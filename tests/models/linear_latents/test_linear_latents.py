"""Linear latents against closed forms, and planted latents found with a third of the samples missing."""

import numpy as np
import pytest
from sklearn.decomposition import FactorAnalysis

from calcium_latents.errors import UserError
from calcium_latents.models.linear_latents.binning import bin_events, smooth_activity
from calcium_latents.models.linear_latents.factor_analysis import factor_analysis, log_likelihood, posterior_mean
from calcium_latents.models.linear_latents.gaussian_process_factors import infer, initial, learn
from calcium_latents.models.linear_latents.kalman import kalman_smoother
from calcium_latents.models.linear_latents.neighbours import predict_from_neighbours
from calcium_latents.models.linear_latents.principal_components import principal_components
from calcium_latents.models.reduced_rank_regression.regression import ReducedRankRegression


def planted(timescale=None, count=2000, neurons=30, rank=3, noise=1.0, seed=0):
    """Return latents [time, rank], and activity [time, neuron] of variance 1 that they drive, with its true mean."""
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(count, rank))
    if timescale:
        decay = np.exp(-1 / timescale)
        for t in range(1, count):
            latents[t] = decay * latents[t - 1] + np.sqrt(1 - decay**2) * latents[t]
    signal = latents @ rng.normal(size=(rank, neurons))
    values = signal + noise * np.sqrt(rank) * rng.normal(size=signal.shape)
    centre, scale = values.mean(axis=0), values.std(axis=0)
    return latents, (values - centre) / scale, (signal - centre) / scale


def explained(latents, factors):
    """Return the share of latents' variance that factors explain linearly, the least of the latents."""
    design = np.column_stack([factors, np.ones(len(factors))])
    rest = latents - design @ np.linalg.lstsq(design, latents, rcond=None)[0]
    return (1 - rest.var(axis=0) / latents.var(axis=0)).min()


def test_bins_are_means_of_what_is_known_with_its_share():
    events = np.array([[4.0, 0], [np.nan, 0], [0, 1], [np.nan, np.nan], [np.nan, 9], [16, np.nan], [0, 4]])
    roots = bin_events(events, 3, 0.5)
    np.testing.assert_allclose(roots.weight, [[2 / 3, 1], [1 / 3, 1 / 3], [1 / 3, 1 / 3]])
    raw = np.array([[1, 1 / 3], [4, 3], [0, 2]])
    np.testing.assert_allclose(roots.values * roots.scale + roots.mean, raw, atol=1e-6)
    np.testing.assert_allclose(roots.mean, (roots.weight * raw).sum(0) / roots.weight.sum(0), rtol=1e-6)
    np.testing.assert_allclose(roots.relative(roots.values), raw / roots.mean, atol=1e-6)
    counts = bin_events(events, 3, 0)
    np.testing.assert_allclose(counts.values * counts.scale + counts.mean, [[0.5, 1 / 3], [1, 1], [0, 1]], atol=1e-6)


def test_a_neuron_without_events_stays_at_its_mean():
    silent = bin_events(np.column_stack([np.zeros(30), np.arange(30) % 4.0]), 2, 0.5)
    assert np.isfinite(silent.values).all() and (silent.relative(np.ones((15, 2)))[:, 0] == 1).all()


def test_smoothing_leaves_out_what_is_missing():
    events = np.random.default_rng(0).random((200, 2))
    events[50:150, 0] = np.nan
    bins = bin_events(events, 1, 1)
    smooth = smooth_activity(bins, 2.0)
    assert smooth_activity(bins, 0) is bins
    assert smooth.weight[100, 0] == 0 and smooth.values[100, 0] == 0 and smooth.weight[100, 1] == pytest.approx(1)
    assert 0 < smooth.weight[50, 0] < 0.5 and 0.4 < smooth.weight[0, 1] < 0.7
    kernel = np.exp(-((np.arange(200) - 52) ** 2) / 8)[:50]
    expected = (kernel * events[:50, 0]).sum() / kernel.sum()
    assert smooth.values[52, 0] * smooth.scale[0] + smooth.mean[0] == pytest.approx(expected, rel=1e-2)


def test_components_of_complete_data_are_those_of_the_singular_value_decomposition():
    _, values, _ = planted()
    found = principal_components(values, np.ones_like(values), 3)
    left, singular, right = np.linalg.svd(values, full_matrices=False)
    np.testing.assert_allclose(found.activity(), (left[:, :3] * singular[:3]) @ right[:3], atol=1e-8)
    np.testing.assert_allclose(np.abs(found.loadings @ right[:3].T), np.eye(3), atol=1e-8)
    with pytest.raises(UserError, match="number of factors"):
        principal_components(values, np.ones_like(values), 30)


def test_weighted_components_minimise_the_weighted_error():
    _, values, _ = planted(count=300, neurons=12)
    weight = np.random.default_rng(3).choice([0.0, 1 / 3, 1.0], values.shape)
    found = principal_components(np.where(weight > 0, values, 0), weight, 3, iterations=2000)

    def error(activity):
        return (weight * (values - activity) ** 2).sum()

    # alternating weighted least squares, the same objective by another way
    loadings = found.loadings.T
    for _ in range(20):
        factors = np.array(
            [
                np.linalg.lstsq(np.sqrt(w)[:, None] * loadings, np.sqrt(w) * y)[0]
                for w, y in zip(weight, values, strict=True)
            ]
        )
        loadings = np.array(
            [
                np.linalg.lstsq(np.sqrt(w)[:, None] * factors, np.sqrt(w) * y)[0]
                for w, y in zip(weight.T, values.T, strict=True)
            ]
        )
    assert error(found.activity()) == pytest.approx(error(factors @ loadings.T), rel=0.01)
    unweighted = principal_components(np.where(weight > 0, values, 0), np.ones_like(weight), 3)
    assert error(found.activity()) < 0.9 * error(unweighted.activity())


def test_factor_analysis_of_complete_data_is_scikit_learns():
    _, values, _ = planted(count=800, neurons=15)
    values = values - values.mean(axis=0)
    found = factor_analysis(values, np.ones_like(values), 3, iterations=2000, tolerance=1e-8)
    other = FactorAnalysis(3, svd_method="lapack", tol=1e-9, max_iter=5000).fit(values)
    ours = log_likelihood(values, found.loadings, found.noise)
    assert ours == pytest.approx(other.score(values), abs=1e-5)
    assert log_likelihood(values, other.components_, other.noise_variance_) == pytest.approx(other.score(values))
    np.testing.assert_allclose(found.noise, other.noise_variance_, rtol=0.01)
    np.testing.assert_allclose(found.activity(), other.transform(values) @ other.components_, atol=0.02)


def test_the_posterior_of_factors_counts_each_bin_by_its_weight():
    rng = np.random.default_rng(0)
    values, loadings, noise = rng.normal(size=(40, 12)), rng.normal(size=(3, 12)), rng.uniform(0.5, 2, 12)
    weight = rng.choice([0, 1 / 3, 2 / 3, 1], values.shape)
    expected = [
        np.linalg.solve(np.eye(3) + (loadings * w / noise) @ loadings.T, (loadings * w / noise) @ y)
        for w, y in zip(weight, values, strict=True)
    ]
    np.testing.assert_allclose(posterior_mean(weight * values, 1 - weight, loadings, noise), expected, atol=2e-3)


def test_the_smoother_is_gaussian_process_regression():
    rng = np.random.default_rng(0)
    count, neurons, timescales = 40, 5, np.array([3.0, 12.0])
    loadings, noise = rng.normal(size=(2, neurons)), rng.uniform(0.3, 2, neurons)
    weight = rng.choice([0, 0.5, 1.0], (count, neurons))
    weight[15:20] = 0  # a gap
    values = rng.normal(size=(count, neurons))
    precision = weight / noise
    result = kalman_smoother(
        ((precision * values) @ loadings.T)[None],
        np.einsum("tn,in,jn->tij", precision, loadings, loadings)[None],
        np.exp(-1 / timescales),
    )
    # all times at once: prior covariance, and the samples' own as the inverse of their precision
    lag = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    prior = np.zeros((2 * count, 2 * count))
    design = np.zeros((count * neurons, 2 * count))
    for state in (0, 1):
        prior[state::2, state::2] = np.exp(-lag / timescales[state])
        for t in range(count):
            design[t * neurons : (t + 1) * neurons, 2 * t + state] = loadings[state]
    known = precision.ravel() > 0
    of_known = design[known] @ prior
    gain = np.linalg.solve(of_known @ design[known].T + np.diag(1 / precision.ravel()[known]), of_known).T
    mean, covariance = gain @ values.ravel()[known], prior - gain @ of_known
    np.testing.assert_allclose(result.mean[0].ravel(), mean, atol=1e-9)
    for t in range(count):
        block = slice(2 * t, 2 * t + 2)
        np.testing.assert_allclose(result.covariance[0, t], covariance[block, block], atol=1e-9)
        if t + 1 < count:
            next_to_it = np.diag(covariance[block, 2 * t + 2 : 2 * t + 4])
            np.testing.assert_allclose(result.next_covariance[0, t], next_to_it, atol=1e-9)


def test_timescales_of_processes_are_learnt():
    latents, values, _ = planted(timescale=20.0, count=4000, noise=1.0)
    weight = np.ones_like(values)
    learnt = learn(values, weight, initial(values, weight, 3))
    np.testing.assert_allclose(-1 / np.log(learnt.decay), 20, rtol=0.15)
    assert explained(latents, infer(values, weight, learnt).factors) > 0.9


@pytest.mark.parametrize("method", ["components", "factors", "processes"])
def test_planted_latents_are_found_with_a_third_of_samples_missing(method):
    latents, values, signal = planted(timescale=20.0, noise=1.0)
    missing = np.random.default_rng(9).random(values.shape) < 0.3
    weight = 1.0 - missing

    def fitted(values):
        known = np.where(missing, 0, values)
        if method == "components":
            return principal_components(known, weight, 3)
        if method == "factors":
            return factor_analysis(known, weight, 3)
        return infer(known, weight, learn(known, weight, initial(known, weight, 3)))

    found = fitted(values)
    assert explained(latents, found.factors) > {"components": 0.8, "factors": 0.8, "processes": 0.88}[method]
    # least squares of each time alone, on the true loadings: what nobody can do who has to find them
    loadings = np.linalg.lstsq(latents, signal)[0]
    least = [np.linalg.lstsq(loadings.T * w[:, None], w * y)[0] for w, y in zip(weight, values, strict=True)]

    def error(activity):
        return ((activity - signal) ** 2)[missing].mean()

    allowed = {"components": 1.1, "factors": 0.8, "processes": 0.35}[method]  # the last two know noise, and time
    assert error(found.activity()) < allowed * error(least @ loadings)


def test_neighbours_are_reduced_rank_regression_between_parts():
    _, values, _ = planted(count=300, neurons=12)
    parts = np.arange(12) % 3
    found = predict_from_neighbours(values, values, parts, 0.1, 2)
    own = parts == 1
    model = ReducedRankRegression(values[:, ~own], values[:, own]).fit(30.0, [2])[2]
    np.testing.assert_allclose(found[:, own], model.predict(values[:, ~own]), rtol=1e-5, atol=1e-6)
    # what a neuron does now has no part in what is said of it now, but by the weights of all times
    changed = values.copy()
    changed[7, own] += 1e-6
    assert np.abs(predict_from_neighbours(changed, values, parts, 0.1, 2)[7, own] - found[7, own]).max() == 0

"""The ridge mapping against scikit-learn, and what must and must not change its score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from calcium_latents.errors import UserError
from calcium_latents.metrics.latent_recovery import (
    aligned_rates,
    coefficient_of_determination,
    fold_labels,
    lag_sweep,
    latent_recovery,
    score_runs,
)

TIME = np.arange(30) * 0.01


@pytest.fixture(scope="module")
def data():
    """Rates [40, 30, 12] that follow three latents [40, 30, 3] 30 ms later, with noise."""
    rng = np.random.default_rng(1)
    latents = lfilter([0.6], [1, -0.8], rng.normal(size=(40, 30, 3)), axis=1)
    latents[..., 2] = rng.normal(size=(40, 30))
    rates = np.exp(0.5 * latents @ rng.normal(size=(3, 12))) + rng.normal(size=(40, 30, 12)) * np.linspace(0.3, 3, 12)
    return np.roll(rates, 3, axis=1), latents


def explicit(rates, latents, penalties, shift=3, folds=5):
    """The same procedure written out with scikit-learn; returns R2 [fold, latent] and the penalties."""
    x, y = rates[:, shift:], latents[:, : latents.shape[1] - shift]
    flat = lambda a: a.reshape(-1, a.shape[-1])  # noqa: E731
    outer, inner = fold_labels(len(x), folds)
    scores, chosen = np.zeros((folds, y.shape[2])), np.zeros((folds, y.shape[2]))
    for fold in range(folds):
        train = outer != fold
        for latent in range(y.shape[2]):
            errors = []
            for penalty in penalties:
                error = 0.0
                for j in range(folds):
                    fit, held = train & (inner != j), train & (inner == j)
                    model = Ridge(alpha=penalty, solver="svd").fit(flat(x[fit]), flat(y[fit])[:, latent])
                    error += ((model.predict(flat(x[held])) - flat(y[held])[:, latent]) ** 2).sum()
                errors.append(error)
            best = penalties[int(np.argmin(errors))]
            model = Ridge(alpha=best, solver="svd").fit(flat(x[train]), flat(y[train])[:, latent])
            scores[fold, latent] = r2_score(flat(y[~train])[:, latent], model.predict(flat(x[~train])))
            chosen[fold, latent] = best
    return scores, chosen


def table_of(frame, column="r2"):
    return frame.pivot(index="fold", columns="latent", values=column).to_numpy()


def test_equals_scikit_learn_with_explicit_cross_validation(data):
    rates, latents = data
    penalties = [0.1, 3.0, 30.0, 300.0, 3e3, 3e4]
    frame, _ = latent_recovery(rates, TIME, latents, TIME, penalties=penalties)
    scores, chosen = explicit(rates, latents, penalties)
    assert np.unique(chosen).size > 1, "the test must exercise the choice of the penalty"
    np.testing.assert_array_equal(table_of(frame, "penalty"), chosen)
    np.testing.assert_allclose(table_of(frame), scores, rtol=0, atol=1e-8)


def test_predictions_are_the_scored_ones_and_cover_each_trial_once(data):
    rates, latents = data
    frame, predictions = latent_recovery(rates, TIME, latents, TIME)
    assert np.isnan(predictions[:, -3:]).all() and np.isfinite(predictions[:, :-3]).all()
    outer, _ = fold_labels(40)
    for fold in range(5):
        test = outer == fold
        expected = coefficient_of_determination(latents[test, :-3], predictions[test, :-3])
        np.testing.assert_allclose(table_of(frame)[fold], expected, atol=1e-12)


def test_no_test_trial_reaches_its_own_mapping(data):
    rates, latents = data
    _, before = latent_recovery(rates, TIME, latents, TIME)
    outer, _ = fold_labels(40)
    changed = latents.copy()
    changed[outer == 2] = np.random.default_rng(0).normal(size=changed[outer == 2].shape) * 50
    _, after = latent_recovery(rates, TIME, changed, TIME)
    np.testing.assert_allclose(after[outer == 2, :-3], before[outer == 2, :-3], atol=1e-8)
    assert np.abs(after[outer == 1, :-3] - before[outer == 1, :-3]).max() > 0.1


@settings(max_examples=8, deadline=None)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3), rate_scale=st.sampled_from([1e-4, 1.0, 1e4]))
def test_affine_changes_of_latents_units_of_rates_and_neuron_order_leave_r2(data, scale, shift, rate_scale):
    rates, latents = data
    base = table_of(latent_recovery(rates, TIME, latents, TIME)[0])
    order = np.random.default_rng(0).permutation(rates.shape[2])
    moved = latent_recovery(rates[..., order] * rate_scale + 7.0, TIME, latents * scale + shift, TIME)[0]
    np.testing.assert_allclose(table_of(moved), base, atol=1e-6)


def test_shuffled_trials_carry_nothing(data):
    rates, latents = data
    rng = np.random.default_rng(3)
    independent = rng.normal(size=latents.shape)
    frame, _ = latent_recovery(rates[rng.permutation(40)], TIME, independent, TIME)
    assert frame["r2"].max() < 0.02 and frame["r2"].mean() < 0.005


def test_perfect_rates_recover_perfectly_and_the_mean_scores_zero():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(20, 30, 2))
    frame, _ = latent_recovery(latents @ rng.normal(size=(2, 5)), TIME, latents, TIME, lag_s=0.0)
    assert frame["r2"].min() > 1 - 1e-6
    flat, _ = latent_recovery(np.zeros((20, 30, 5)), TIME, latents, TIME)
    assert (flat["r2"] <= 0).all() and flat["r2"].min() > -0.1


def test_r2_is_about_the_mean_of_the_test_samples():
    true = np.array([[[1.0], [3.0]]])
    assert coefficient_of_determination(true, np.full((1, 2, 1), 2.0))[0] == 0
    assert coefficient_of_determination(true, np.full((1, 2, 1), 3.0))[0] == -1
    assert np.isnan(coefficient_of_determination(np.ones((1, 2, 1)), np.ones((1, 2, 1)))[0])


def test_frame_rates_are_interpolated_linearly_at_the_lagged_times():
    frame_time = np.arange(10) * 0.03 + 0.01
    rates = np.stack([frame_time * 2, frame_time**0], axis=-1)[None]
    result = aligned_rates(rates, frame_time, TIME, 0.03)
    wanted = np.clip(TIME + 0.03, frame_time[0], frame_time[-1])
    np.testing.assert_allclose(result[0, :, 0], 2 * wanted, atol=1e-12)
    np.testing.assert_allclose(result[0, :, 1], 1.0)


def test_lag_sweep_finds_the_lag_on_shared_samples(data):
    rates, latents = data
    sweep = lag_sweep(rates, TIME, latents, TIME, lags_s=[0.0, 0.02, 0.03, 0.05])
    assert sweep.groupby("lag_s")["r2"].mean().idxmax() == 0.03
    assert sweep["test_samples"].nunique() == 1


@settings(max_examples=50, deadline=None)
@given(trials=st.integers(5, 60), seed=st.one_of(st.none(), st.integers(0, 100)))
def test_folds_are_complementary_balanced_and_deterministic(trials, seed):
    outer, inner = fold_labels(trials, 5, seed)
    assert np.ptp(np.bincount(outer, minlength=5)) <= 1
    for fold in range(5):
        assert len(np.unique(inner[outer != fold])) >= min(4, trials - 1)
    again = fold_labels(trials, 5, seed)
    assert (again[0] == outer).all() and (again[1] == inner).all()


def test_few_trials_still_work(data):
    rates, latents = data
    frame, _ = latent_recovery(rates[:5], TIME, latents[:5], TIME)
    assert len(frame) == 15 and np.isfinite(frame["r2"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, z: (np.where(r > 5, np.nan, r), TIME, z, TIME), "finite rates"),
        (lambda r, z: (r[:4], TIME, z[:4], TIME), "at least 5 trials"),
        (lambda r, z: (r[:7], TIME, z, TIME), "trials as in the latents"),
        (lambda r, z: (r[:, :10], TIME[:10], z, TIME), "do not cover"),
        (lambda r, z: (r, TIME[::-1], z, TIME), "increasing"),
        (lambda r, z: (r, TIME, z, TIME, 0.5), "fewer than two samples"),
    ],
)
def test_errors_say_what_is_wrong(data, change, message):
    with pytest.raises(UserError, match=message):
        latent_recovery(*change(*data))


def test_validation_score_is_that_of_unseen_trials_alone():
    """Rates that follow the latents in training trials only score well on all trials and badly on unseen ones."""
    import xarray as xr

    rng = np.random.default_rng(0)
    latents = rng.standard_normal((100, 30, 2))
    split = (np.arange(100) % 10 >= 8).astype(np.int8)  # every fold has both kinds
    rates = latents @ rng.standard_normal((2, 6)) + 10
    rates[split == 1] = rng.standard_normal((20, 30, 6)) + 10
    time = np.arange(30) * 0.01
    recording = xr.Dataset(
        {"latents": (("trial", "time", "latent"), latents)},
        {"trial": np.arange(100), "time": ("time", time, {"units": "s"}), "latent": ["X", "Y"]},
    )
    inferred = xr.Dataset(
        {"event_rate": (("trial", "time", "neuron"), rates), "split": ("trial", split)}, {"time": time}
    )
    scores, _, _ = score_runs(recording, {("radical", 1): inferred}, lag_s=0.0, sweep=False, seed=3)
    assert (scores["r2"] > 0.5).all()
    assert (scores["r2_validation"] < 0.1).all()
    blind = inferred.assign(split=("trial", np.zeros(100, np.int8)))
    scores, _, _ = score_runs(recording, {("smth-dec", 1): blind}, lag_s=0.0, sweep=False)
    assert scores["r2_validation"].isna().all()

"""Agreement of curves with measured responses: known signal and noise, invariances, nulls, and missing repeats."""

import numpy as np
import pandas as pd
import pytest

from calcium_latents.studies.digital_twin.response_scores import jackknife_oracle
from calcium_latents.studies.digital_twin.second_scan import size_tuning_agreement as a


def measured(neurons=300, repeats=20, sizes=5, noise=1.0, seed=0):
    """Curves [neuron, size] of unit variance, and responses [neuron, repeat, size] with Gaussian noise."""
    rng = np.random.default_rng(seed)
    curves = a.standardised(rng.normal(size=(neurons, sizes))) * np.sqrt(sizes)
    return curves, curves[:, None] + noise * rng.normal(size=(neurons, repeats, sizes))


def table_of(curves, responses, **options):
    neurons = np.arange(len(responses)) + 5
    fraction = np.linspace(0.2, 1, len(responses))
    return a.agreement_table(neurons, responses, curves, np.ones(len(responses), int), fraction, **options)


def test_known_signal_and_noise():
    repeats = 20
    curves, responses = measured(repeats=repeats, noise=1.5)
    signal, noise = 5 / 4, 2.25  # of each of the four differences that are left of five sizes without their mean
    expected = np.sqrt(signal / (signal + noise))
    assert np.mean(a.single_trial_correlation(responses, curves)) == pytest.approx(expected, abs=0.015)
    oracle = signal / np.sqrt((signal + noise) * (signal + noise / (repeats - 1)))
    assert np.mean(a.oracle_correlation(responses)) == pytest.approx(oracle, abs=0.02)
    table = table_of({a.MODEL: curves, a.AT_OPTIMUM: curves * 3 + 1}, responses, truth=curves)
    summary = a.summarise_agreement(table, repeats=200).set_index(["threshold", "curve"])
    perfect = summary.loc[(0.5, a.MODEL)]
    assert perfect["fraction"] == pytest.approx(expected / oracle, abs=0.03) and perfect["fraction"] > 1
    assert perfect["lower"] < perfect["fraction"] < perfect["upper"] < perfect["lower"] + 0.1
    for name in (a.AT_OPTIMUM, a.TRUTH):  # scale and offset do not matter
        assert summary.loc[(0.5, name), "fraction"] == pytest.approx(perfect["fraction"])


def test_noise_alone_has_no_oracle():
    rng = np.random.default_rng(1)
    responses = rng.poisson(2.0, (2000, 10, 5)).astype(float)
    assert -0.07 < np.nanmean(a.oracle_correlation(responses)) < -0.04
    assert abs(np.nanmean(a.single_trial_correlation(responses, rng.normal(size=(2000, 5))))) < 0.015
    # the usual oracle, without the repeats' means taken out, leans further
    assert np.nanmean(jackknife_oracle(responses.transpose(2, 1, 0))) < -0.1


def test_correlations_are_those_of_numpy():
    curves, responses = measured(neurons=4, repeats=3, seed=2)
    responses[1, 2, 4] = responses[3, 0] = np.nan
    single, oracle = a.single_trial_correlation(responses, curves), a.oracle_correlation(responses)
    for neuron, values in enumerate(responses):
        x, y, m = [], [], []
        for repeat in range(3):
            known = np.flatnonzero(np.isfinite(values[repeat]))
            if not len(known):
                continue
            others = np.nanmean(np.delete(values, repeat, axis=0), axis=0)
            for each, of_repeat in ((x, curves[neuron]), (y, values[repeat]), (m, others)):
                each.extend(of_repeat[known] - of_repeat[known].mean())
        assert single[neuron] == pytest.approx(np.corrcoef(x, y)[0, 1])
        assert oracle[neuron] == pytest.approx(np.corrcoef(m, y)[0, 1])


def test_constant_curves_predict_nothing_and_silent_neurons_say_nothing():
    _, responses = measured(neurons=3)
    responses[2] = 4.0
    flat = np.full((3, 5), 0.3, np.float32)
    found = a.single_trial_correlation(responses, flat)
    assert found[0] == found[1] == 0 and np.isnan(found[2])
    assert np.isnan(a.oracle_correlation(responses)[2])
    table = table_of({a.MODEL: flat}, responses, thresholds=(0.1,))
    assert set(a.summarise_agreement(table, repeats=50)["neurons"]) == {2}


def test_the_null_is_the_mean_over_all_other_neurons():
    curves, responses = measured(neurons=6, noise=0.5)
    truth = curves + 0.3
    table = table_of({a.MODEL: curves}, responses, truth=truth, thresholds=(0.0,))
    null = table[table["curve"] == a.OTHERS]
    for neuron in range(6):
        others = [m for m in range(6) if m != neuron]
        each = [a.single_trial_correlation(responses[[neuron]], curves[[m]])[0] for m in others]
        assert null["correlation"].iloc[neuron] == pytest.approx(np.mean(each))
        exact = [np.corrcoef(truth[neuron], curves[m])[0, 1] for m in others]
        assert null["correlation_to_truth"].iloc[neuron] == pytest.approx(np.mean(exact))
    mean = a.mean_of_others(np.array([[1.0, 2.0], [4.0, 2.0], [0.0, 0.0]]))
    np.testing.assert_allclose(mean, [[0.5, 0.25], [0.25, 0.5], [0.75, 0.75]])


def test_only_neurons_that_reach_a_threshold_count_and_neurons_are_told_apart():
    curves, responses = measured(neurons=80, noise=1.0)
    rng = np.random.default_rng(3)
    table = table_of({a.MODEL: curves, a.AT_OPTIMUM: rng.normal(size=curves.shape)}, responses, truth=curves)
    assert list(table.columns) == list(a.COLUMNS)
    for threshold in a.THRESHOLDS:
        rows = table[(table["threshold"] == threshold) & (table["curve"] == a.MODEL)]
        assert len(rows) == (np.linspace(0.2, 1, 80) >= threshold).sum()
        assert (rows["fraction_of_own"] >= threshold).all()
    assert set(table["curve"]) == {a.MODEL, a.AT_OPTIMUM, a.MEAN, a.OTHERS, a.TRUTH}
    to_truth = table.groupby("curve")["correlation_to_truth"].mean()
    assert to_truth[a.MODEL] == pytest.approx(1) and to_truth[a.TRUTH] == pytest.approx(1)
    assert abs(to_truth[a.AT_OPTIMUM]) < 0.2
    difference, lower, upper, n = a.compare_curves(table, a.MODEL, a.OTHERS, 0.5, repeats=200)
    assert 0 < lower < difference < upper and n == (np.linspace(0.2, 1, 80) >= 0.5).sum()
    assert a.compare_curves(table, a.MODEL, a.GLM, 0.5)[3] == 0
    same = a.compare_curves(table, a.MODEL, a.TRUTH, 0.5, repeats=50)
    assert same[:3] == (0, 0, 0)


def test_without_any_neuron_there_is_a_header():
    curves, responses = measured(neurons=3)
    empty = table_of({a.MODEL: curves}, responses, thresholds=(2.0,))
    assert empty.empty and list(empty.columns) == list(a.COLUMNS)
    assert a.summarise_agreement(empty).empty
    alone = table_of({a.MODEL: curves}, responses, thresholds=(1.0,))
    assert alone.loc[alone["curve"] == a.OTHERS, "correlation"].isna().all()


def test_each_neuron_gets_its_gabor():
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # gabor, size, repeat, neuron
    best = np.array([0, 1, 1, 0, 1])
    found = a.of_best_gabor(values, best)
    assert found.shape == (5, 3, 4)
    for neuron, gabor in enumerate(best):
        np.testing.assert_array_equal(found[neuron], values[gabor, ..., neuron])


def test_intervals_are_repeatable_and_follow_the_seed():
    curves, responses = measured(neurons=40, noise=2.0)
    one, two, other = (
        a.summarise_agreement(table_of({a.MODEL: curves}, responses, seed=seed), repeats=100) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other) and (one["fraction"] == other["fraction"]).all()

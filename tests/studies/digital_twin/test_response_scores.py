"""Scores of predicted responses: known signal and noise, missing repeats, constants, and the command."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcium_latents.errors import UserError
from calcium_latents.recordings.image_predictions import make_image_predictions, write_image_predictions
from calcium_latents.recordings.image_responses import make_image_responses, write_image_responses
from calcium_latents.studies.digital_twin import response_scores as scores
from calcium_latents.studies.digital_twin.commands.score_image_predictions import main as score

PROVENANCE = {"config_digest": "0", "code_digest": "0", "versions": "{}"}
TRAINING, TESTS, REPEATS, NEURONS = 30, 12, 4, 6


def known(signal=1.0, noise=2.0, images=4000, repeats=5, neurons=3, seed=0):
    """Return true means [image, neuron] of variance `signal`, and responses with noise of variance `noise`."""
    rng = np.random.default_rng(seed)
    truth = 3 + np.sqrt(signal) * rng.normal(size=(images, neurons))
    return truth, truth[:, None] + np.sqrt(noise) * rng.normal(size=(images, repeats, neurons))


@pytest.mark.parametrize("repeats", [2, 5, 10])
def test_oracles_of_known_signal_and_noise(repeats):
    s, n = 1.0, 2.0
    truth, response = known(s, n, repeats=repeats)
    jackknife = s / np.sqrt((s + n) * (s + n / (repeats - 1)))
    conservative = np.sqrt((s + n / repeats) / (s + n))
    best = np.sqrt(s / (s + n))
    assert scores.jackknife_oracle(response) == pytest.approx(jackknife, abs=0.03)
    assert scores.conservative_oracle(response) == pytest.approx(conservative, abs=0.02)
    assert scores.explainable_variance(response) == pytest.approx(s / (s + n / repeats), abs=0.04)
    assert scores.correlation(truth[:, None], response) == pytest.approx(best, abs=0.02)
    assert jackknife < best < conservative
    # the maximum correlation is what the truth reaches against the mean over repeats
    reached = scores.correlation(truth, response.mean(axis=1))
    assert np.sqrt(scores.explainable_variance(response)) == pytest.approx(reached, abs=0.03)


def test_scores_with_missing_trials_agree_with_a_loop():
    rng = np.random.default_rng(1)
    truth, response = known(images=9, repeats=5)
    response[rng.random(response.shape) < 0.3] = np.nan
    response[0] = np.nan
    response[1, 1:] = np.nan
    for neuron in range(response.shape[2]):
        pairs, means, within, images = [], [], [], []
        for image, row in enumerate(response[..., neuron]):
            row = row[np.isfinite(row)]
            if len(row) > 1:
                pairs += [(x, np.delete(row, i).mean()) for i, x in enumerate(row)]
                means.append(row.mean())
                within.append((row.var(), row.var(ddof=1) / len(row)))
            images += [(truth[image, neuron], x) for x in row]
        plain, of_mean = np.mean(within, axis=0)
        expected = np.corrcoef(np.array(pairs).T)[0, 1]
        assert scores.jackknife_oracle(response)[neuron] == pytest.approx(expected)
        expected = np.sqrt(np.var(means) / (np.var(means) + plain))
        assert scores.conservative_oracle(response)[neuron] == pytest.approx(expected)
        expected = 1 - of_mean / np.var(means, ddof=1)
        assert scores.explainable_variance(response)[neuron] == pytest.approx(expected)
        expected = np.corrcoef(np.array(images).T)[0, 1]
        assert scores.correlation(truth[:, None], response)[neuron] == pytest.approx(expected)


def test_without_signal_nothing_is_explained():
    _, response = known(signal=0.0, neurons=200, images=60)
    assert abs(scores.explainable_variance(response).mean()) < 0.05
    assert abs(scores.jackknife_oracle(response).mean()) < 0.02


@settings(max_examples=40, deadline=None)
@given(
    response=arrays(np.float32, (5, 3, 2), elements=st.floats(-50, 50, width=32) | st.just(np.nan)),
    scale=st.floats(0.1, 10),
    shift=st.floats(-5, 5),
)
def test_bounds_and_invariance(response, scale, shift):
    oracle = scores.jackknife_oracle(response)
    assert np.all(np.isnan(oracle) | (np.abs(oracle) <= 1))
    conservative = scores.conservative_oracle(response)
    assert np.all(np.isnan(conservative) | ((conservative >= 0) & (conservative <= 1)))
    assert np.all(np.isnan(ev := scores.explainable_variance(response)) | (ev <= 1 + 1e-9))
    changed = scores.correlation(scale * response.astype(float) + shift, response)
    assert np.all(np.isnan(changed) | (changed > 0.999))
    single = response[:, :1]
    assert all(np.isnan(f(single)).all() for f in (scores.jackknife_oracle, scores.conservative_oracle))
    assert np.isnan(scores.explainable_variance(single)).all()


@settings(max_examples=30, deadline=None)
@given(value=st.floats(-1e3, 1e3), repeats=st.integers(1, 4))
def test_constant_responses_have_no_scores(value, repeats):
    response = np.full((6, repeats, 2), value)
    ramp = np.arange(6.0)[:, None, None]
    found = [f(response) for f in (scores.jackknife_oracle, scores.conservative_oracle, scores.explainable_variance)]
    assert np.isnan([*found, scores.correlation(response, ramp), scores.correlation(ramp, response)][:3]).all()
    assert np.isnan(scores.correlation(ramp, response)).all()


def box(seed=0, animals=(0, 0, 0, 1, 1, 1), averaged=1, truth=True):
    """Six neurons, 30 training, 3 validation and 12 test images, these four times; animal 1 misses some trials."""
    rng = np.random.default_rng(seed)
    images = TRAINING + 3 + TESTS
    part = np.repeat([0, 1, 2], [TRAINING, 3, TESTS])
    shown = np.concatenate([np.arange(images), np.repeat(np.arange(TRAINING + 3, images), REPEATS - 1)])
    rate = rng.gamma(2, 1, (images, NEURONS)).astype(np.float32)
    response = rng.poisson(rate[shown]).astype(np.float32)
    missed = np.flatnonzero(part[shown] == 2)[-5:]
    response[np.ix_(missed, np.array(animals) == 1)] = np.nan
    names = np.array([f"type {n % 2}" for n in range(NEURONS)], object)
    return make_image_responses(
        label="made up",
        image_source="noise",
        seed=3,
        images=rng.normal(size=(images, 4, 5)).astype(np.float32),
        part=part,
        image_of_trial=shown,
        response=response,
        animal=np.array(animals),
        neuron=np.arange(NEURONS) + 10,
        simulated=truth,
        trials_averaged=averaged,
        truth={"rate": rate, "neuron_type": names} if truth else None,
    )


def test_table_of_scores():
    responses = box()
    rate = responses["rate"].values
    rng = np.random.default_rng(5)
    poor = rate * rng.uniform(0.2, 3, rate.shape)
    poor[:, 0] = 1.0
    table = scores.score_predictions(responses, {("digital_twin", 1): rate, ("poisson_glm", 1): poor}, "d", "D", 1)
    assert list(table.columns) == list(scores.COLUMNS) and len(table) == 3 * NEURONS
    assert set(table["method"]) == {"digital_twin", "poisson_glm", "shuffled images"}
    twin = table[table["method"] == "digital_twin"].reset_index(drop=True)
    assert twin["correlation_to_truth"].to_numpy() == pytest.approx(1.0)
    assert (twin["images"] == TESTS).all() and list(twin["neuron"]) == list(range(10, 16))
    assert (twin.loc[:2, "repeats"] == REPEATS).all()
    assert twin.loc[3:, "repeats"].to_numpy() == pytest.approx(REPEATS - 5 / TESTS)
    assert list(twin["neuron_type"]) == [f"type {n % 2}" for n in range(NEURONS)]
    assert twin["seen_drive"].to_numpy() == pytest.approx(np.quantile(rate[:TRAINING], 0.99, axis=0))
    # a constant prediction scores 0, it is not left out
    glm = table[table["method"] == "poisson_glm"].reset_index(drop=True)
    assert glm.loc[0, ["single_trial", "correlation_to_mean", "correlation_to_truth"]].tolist() == [0, 0, 0]
    again = scores.score_predictions(responses, {("digital_twin", 1): rate}, "d", "D", 1)
    null = again[again["method"] == "shuffled images"].reset_index(drop=True)
    pd.testing.assert_frame_equal(null, table[table["method"] == "shuffled images"].reset_index(drop=True))
    oracles = ["oracle", "conservative_oracle", "explainable_variance"]
    assert np.array_equal(null[oracles].to_numpy(), twin[oracles].to_numpy(), equal_nan=True)


def test_shuffled_images_are_a_null_and_methods_keep_their_order():
    truth, response = known(images=80, repeats=3, neurons=150, noise=1.0)
    shown = np.concatenate([np.arange(83), np.tile(np.arange(3, 83), 2)])
    responses = make_image_responses(
        label="m",
        image_source="noise",
        seed=0,
        images=np.zeros((83, 2, 2), np.float32) + np.arange(83)[:, None, None],
        part=np.array([0, 0, 1] + [2] * 80),
        image_of_trial=shown,
        response=np.concatenate([np.ones((3, 150)), *np.moveaxis(response, 1, 0)]).astype(np.float32),
    )
    rate = np.abs(np.concatenate([np.ones((3, 150)), truth]))
    noisy = np.abs(rate + np.random.default_rng(0).normal(size=rate.shape))
    table = scores.score_predictions(responses, {("digital_twin", 0): rate, ("poisson_glm", 0): noisy}, "d", "D")
    mean = {m: scores.population_mean(table, m, "single_trial") for m in set(table["method"])}
    assert mean["shuffled images"][1] < 0 < mean["shuffled images"][2]
    assert mean["digital_twin"][1] > mean["poisson_glm"][2] > 0.3
    difference = scores.paired_difference(table, "digital_twin", "poisson_glm")
    assert difference[1] > 0 and difference[0] == pytest.approx(mean["digital_twin"][0] - mean["poisson_glm"][0])
    assert difference[3] == 150
    # a perfect model lies above the jackknife oracle, by sqrt((S + N/(R-1)) / S)
    fraction = scores.population_mean(table, "digital_twin", "fraction_of_oracle")
    assert fraction[0] == pytest.approx(np.sqrt(1.5), abs=0.05) and fraction[1] > 1.1


def test_population_of_none_and_of_one():
    table = pd.DataFrame({"dataset": "d", "neuron": [1], "method": "a", "single_trial": [0.5], "oracle": [0.8]})
    assert scores.population_mean(table, "a", "fraction_of_oracle")[0] == pytest.approx(0.625)
    assert np.isnan(scores.population_mean(table, "a", "single_trial")[1:3]).all()
    assert scores.population_mean(table, "b", "single_trial")[3] == 0
    assert scores.paired_difference(table, "a", "b")[3] == 0


def test_command(tmp_path):
    """Natural scenes: training images have averages over trials, test images trials; no truth."""
    responses = box(averaged=16, truth=False)
    write_image_responses(responses, tmp_path / "responses.nc", PROVENANCE)
    rng = np.random.default_rng(0)
    call = ["--responses", str(tmp_path / "responses.nc"), "--dataset", "scenes", "--label", "Scenes", "--seed", "4"]
    for method, seed in (("digital_twin", 1), ("digital_twin", 2), ("poisson_glm", 1)):
        rate = rng.gamma(2, 1, (responses.sizes["image"], NEURONS))
        prediction = make_image_predictions(model=method, seed=seed, rate=rate, responses=responses)
        write_image_predictions(prediction, tmp_path / f"{method}-{seed}.nc", PROVENANCE)
        call += ["--prediction", f"{method}={tmp_path / f'{method}-{seed}.nc'}"]
    for name in ("a", "b"):
        score([*call, "--output", str(tmp_path / f"{name}.csv")])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    table = pd.read_csv(tmp_path / "a.csv")
    runs = set(zip(table["method"], table["seed"], strict=True))
    twins = {(method, seed) for method in ("digital_twin", "shuffled images") for seed in (1, 2)}
    assert runs == twins | {("poisson_glm", 1)} and len(table) == len(runs) * NEURONS
    assert table["correlation_to_truth"].isna().all() and table["single_trial"].notna().all()
    with pytest.raises(UserError, match="METHOD=FILE"):
        score([*call, "--prediction", "twin", "--output", str(tmp_path / "c.csv")])
    with pytest.raises(UserError, match="found another"):
        score([*call, "--prediction", call[-1], "--output", str(tmp_path / "c.csv")])
    other = responses.isel(neuron=slice(1, None))
    write_image_responses(other, tmp_path / "other.nc", PROVENANCE)
    with pytest.raises(UserError, match="the neurons of the responses"):
        score(["--responses", str(tmp_path / "other.nc"), *call[2:], "--output", str(tmp_path / "c.csv")])


def test_wrong_predictions_are_named():
    responses = box()
    with pytest.raises(UserError, match="expected shape"):
        scores.score_predictions(responses, {("digital_twin", 0): np.ones((3, 2))}, "d", "D")
    none = responses.assign(part=("image", np.zeros(responses.sizes["image"], np.int8)))
    with pytest.raises(UserError, match="at least 3 test images"):
        scores.test_repeats(none)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 1000))
def test_trials_are_put_in_place(shown, seed):
    shown = np.array(shown)
    response = np.random.default_rng(seed).normal(size=(len(shown), 3))
    found = scores.arranged(response, shown, 5)
    for stimulus in range(5):
        expected = response[shown == stimulus]
        np.testing.assert_array_equal(found[stimulus, : len(expected)], expected)
        assert np.isnan(found[stimulus, len(expected) :]).all()

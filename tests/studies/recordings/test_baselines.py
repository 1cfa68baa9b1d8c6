"""Baselines of a recording: what they see, what they find, and the best one's rates in the user's hands."""

import json

import numpy as np
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.metrics.held_out import at_samples
from calcium_latents.recordings import make_recording, read_inferred, write_recording
from calcium_latents.recordings.hiding import hidden_samples, hide_samples
from calcium_latents.studies.recordings import linear_baselines as linear
from calcium_latents.studies.recordings.baselines import Baselines
from calcium_latents.studies.recordings.commands import fit_baselines, score_recording, write_best
from calcium_latents.studies.recordings.study import BASELINES, baseline_file

PROVENANCE = {"config_digest": "a", "code_digest": "b", "versions": "{}", "seed": 1}
RATE_HZ, FRAMES, NEURONS = 30.0, 2400, 24


def session(tuned=True, seed=0):
    """Return a recording that two oscillations drive (or nothing), and its true probabilities [frame, neuron]."""
    rng = np.random.default_rng(seed)
    time = np.arange(FRAMES) / RATE_HZ
    drive = np.stack([np.sin(2 * np.pi * 0.4 * time), np.cos(2 * np.pi * 0.27 * time)], axis=1)
    probability = 0.12 * np.exp(1.2 * tuned * (drive @ rng.normal(size=(2, NEURONS))) - 0.5 * tuned)
    probability = np.minimum(probability, 0.9)
    size = 0.1 + rng.gamma(2.0, 0.3, probability.shape)
    events = np.where(rng.random(probability.shape) < probability, size, 0.0)
    recording = make_recording(
        time=time,
        bin_width_s=1 / RATE_HZ,
        imaging_rate_hz=RATE_HZ,
        source="made up",
        events=events[None],
        trial_start=np.array([3.0]),
        sample_offset=np.linspace(0, 0.03, NEURONS),
        attributes={"event_minimum": 0.1},
    )
    return recording, probability


@pytest.fixture(scope="module")
def fitted():
    whole, probability = session()
    baselines = Baselines(hide_samples(whole, 0.1, 1), 1)
    return whole, probability, baselines, dict(baselines.inferred())


def test_rates_are_the_true_ones_as_far_as_methods_can_know_them(fitted):
    _, probability, baselines, found = fitted
    assert tuple(found) == BASELINES
    true = probability * (0.1 + 0.6) * RATE_HZ
    correlation = {}
    for method, inferred in found.items():
        rate = inferred["event_rate"].values[0]
        frames = np.repeat(rate, round(FRAMES / len(rate)), axis=0)[:FRAMES]
        assert frames.mean() == pytest.approx(true.mean(), rel=0.1)
        np.testing.assert_allclose(inferred["time"].values[[0, -1]], [3, 3 + (FRAMES - FRAMES / len(rate)) / RATE_HZ])
        if method != "constant":
            correlation[method] = np.mean([np.corrcoef(frames[:, n], true[:, n])[0, 1] for n in range(NEURONS)])
    for method in ("pca", "factor_analysis", "gpfa", "neighbours"):
        assert correlation[method] > max(0.8, correlation["smoothed own"], correlation["smoothed population"])
    assert found["pca"].sizes["factor"] == baselines.choices["pca"]["factors"] < 16
    assert json.loads(found["gpfa"].attrs["choice"]) == baselines.choices["gpfa"]


def test_hidden_samples_never_reach_baselines(fitted):
    whole, _, _, found = fitted
    hidden = hidden_samples(whole, hide_samples(whole, 0.1, 1))
    other = whole.assign(events=whole["events"].where(~hidden, 5.0))
    for method, inferred in Baselines(hide_samples(other, 0.1, 1), 1).inferred():
        np.testing.assert_array_equal(inferred["event_rate"].values, found[method]["event_rate"].values, err_msg=method)


def test_bins_of_frames_whose_times_jitter_are_read_at_their_own_frames():
    recording, _ = session()
    recording = recording.isel(time=slice(600), neuron=slice(6))
    jitter = np.random.default_rng(1).uniform(-0.45, 0.45, 600) / RATE_HZ
    jitter[[0, -1]] = 0.45 / RATE_HZ, -0.45 / RATE_HZ
    recording = recording.assign_coords(time=("time", recording["time"].values + jitter, recording["time"].attrs))
    for method, inferred in Baselines(recording, 1).inferred():
        rate = inferred["event_rate"].values[0]
        frames = round(600 / len(rate))
        numbered = inferred.assign(event_rate=inferred["event_rate"] * 0 + np.arange(len(rate))[:, None])
        found = at_samples(recording, numbered, np.ix_([0], np.arange(600), np.arange(6)))[0]
        np.testing.assert_array_equal(found, np.arange(600)[:, None] // frames + np.zeros(6), err_msg=method)


def test_neurons_that_are_hidden_are_predicted_from_the_others(fitted):
    table = fitted[2].co_smoothing()
    gain = table[table["likelihood"] == "bernoulli"].set_index("model")
    assert (gain.loc[list(linear.METHODS), "lower_bits"] > 0.05).all()


def test_a_search_goes_through_options_one_by_one():
    asked = []

    def score(choice):
        asked.append(choice)
        return -((choice["a"] - 3) ** 2) - (choice["b"] - choice["a"]) ** 2

    best = linear.coordinate_search({"a": (1, 2, 3), "b": (1, 2, 3)}, {"a": 1, "b": 2, "fixed": 7}, score)
    assert best == {"a": 2, "b": 2, "fixed": 7} or best == {"a": 3, "b": 3, "fixed": 7}
    assert len(asked) == len({tuple(choice.items()) for choice in asked}) == 5


def test_the_share_is_that_of_the_largest_likelihood():
    recording, probability = session()
    validation = linear.Validation(recording["events"].values[0], RATE_HZ, linear.deal(NEURONS, 1), 1)
    bins = probability[:: validation.population.frames]
    relative = bins / probability.mean(axis=0)
    nats, share = validation.score(linear.Fit(relative))
    assert share > 0.9
    wild_nats, wild_share = validation.score(linear.Fit(1 + 3 * (relative - 1)))
    assert 0.15 < wild_share < 0.6 and wild_nats < nats
    _, none = validation.score(linear.Fit(np.random.default_rng(0).gamma(1, size=bins.shape)))
    assert none < 0.05


def test_too_few_neurons_are_said():
    recording, _ = session()
    with pytest.raises(UserError, match="three neurons or more, found 1 trials, 2 neurons"):
        Baselines(recording.isel(neuron=slice(2)), 1)


@pytest.mark.parametrize("tuned", [True, False])
def test_the_best_rates_come_with_the_verdict(tmp_path, tuned, capsys):
    whole, _ = session(tuned)
    shown = hide_samples(whole, 0.1, 1)
    write_recording(whole, tmp_path / "whole.nc", PROVENANCE)
    write_recording(shown, tmp_path / "shown.nc", PROVENANCE)
    fit_baselines.main(
        ["--shown", f"{tmp_path}/shown.nc", "--output-directory", f"{tmp_path}", "--co-smoothing", f"{tmp_path}/co.csv"]
    )
    files = ["--baselines", *(f"{tmp_path}/{baseline_file(method)}" for method in BASELINES)]
    tables = ["--comparison", f"{tmp_path}/comparison.csv"]
    recording = ["--recording", f"{tmp_path}/whole.nc"]
    score_recording.main(
        [*recording, "--shown", f"{tmp_path}/shown.nc", *files, *tables, "--scores", f"{tmp_path}/scores.csv"]
    )
    said = capsys.readouterr().out.splitlines()[-1]
    read = [*recording, "--windows", f"{tmp_path}/shown.nc", *files, *tables]
    write_best.main([*read, "--netcdf", f"{tmp_path}/best.nc", "--nwb", f"{tmp_path}/best.nwb"])
    best = read_inferred(tmp_path / "best.nc")
    assert best.attrs["verdict"] == said == capsys.readouterr().out.strip()
    assert (tmp_path / "best.nwb").is_file()
    gains = pd.read_csv(tmp_path / "comparison.csv").query("likelihood == 'bernoulli' and reference == 'constant'")
    assert best.attrs["model"] == gains.loc[gains["bits_per_event"].idxmax(), "model"]
    assert ("do not interpret" in said) != tuned
    if tuned:
        made = read_inferred(tmp_path / baseline_file(best.attrs["model"]))
        np.testing.assert_array_equal(best["event_rate"].values, made["event_rate"].values)
        assert best.attrs["bits_per_event"] > 0.05

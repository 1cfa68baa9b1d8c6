"""Inference: draws from the posterior, and what is kept of them when it is asked for."""

import numpy as np
import pandas as pd
import pytest
import torch
from continuous_recording import make_continuous
from lfads_runs import run_training

from calcium_latents.models.lfads import inference
from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.family import member_streams
from calcium_latents.models.lfads.inference import infer_rates, to_inferred
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.observation import PoissonObservation, ZeroInflatedGammaObservation
from calcium_latents.models.lfads.parameters import LFADSSizes, TrialOptions
from calcium_latents.models.lfads.snapshots import load_model
from calcium_latents.models.lfads.trials import prepare_trials
from calcium_latents.recordings import cut_windows, read_inferred, read_recording
from calcium_latents.recordings.inferred import DISTRIBUTION, training_warnings
from calcium_latents.training.streams import Streams


def model_and_trials(observation):
    sizes = LFADSSizes(neurons=5, encoder=4, controller=4, generator=6, initial_condition=4, factors=4)
    events = torch.where(torch.rand(7, 12, 5, generator=torch.Generator().manual_seed(0)) < 0.3, 0.4, 0.0)
    return LFADS(sizes, observation(5, 1, 0.1), Streams([1])), TrialStore(events)


def test_the_kept_distribution_has_the_mean_that_is_the_rate():
    model, store = model_and_trials(ZeroInflatedGammaObservation)
    once = infer_rates(model, store, 0, keep_distribution=True)
    q, shape, scale = (once[name] for name in DISTRIBUTION)
    assert q.dtype == np.float32 and q.shape == once["mean"].shape == (7, 12, 5)
    np.testing.assert_allclose(q * (shape * scale + 0.1), once["mean"], rtol=1e-5)
    drawn = infer_rates(model, store, 3, Streams([2]), keep_distribution=True)
    assert not np.allclose(drawn["event_probability"], q)
    assert ((drawn["event_probability"] > 0) & (drawn["event_probability"] < 1)).all()


@pytest.mark.parametrize("observation", [ZeroInflatedGammaObservation, PoissonObservation])
def test_it_is_kept_only_when_asked_for_and_only_where_there_is_one(observation):
    model, store = model_and_trials(observation)
    ask = observation is PoissonObservation
    assert not set(DISTRIBUTION) & set(infer_rates(model, store, 0, keep_distribution=ask))


@pytest.mark.parametrize("bin_width_s", [0.01, None])
def test_shorter_trials_say_where_they_end(bin_width_s):
    recording = make_continuous(n_frames=300)
    table = pd.DataFrame({"start_s": [0.5, 2.0, 5.0], "stop_s": [1.0, 4.0, 6.5]})
    for stops in (table["stop_s"].to_numpy(), table["start_s"].to_numpy() + 1.5):
        cut = cut_windows(recording, bin_width_s, 1.0, 0.2, trials=table.assign(stop_s=stops))
        trials = prepare_trials(cut, TrialOptions())
        shape = cut["events"].shape
        names = ("mean", "factors", "inferred_inputs", "initial_condition")
        rates = {name: np.ones(shape[: 3 - (name == "initial_condition")], np.float32) for name in names}
        inferred = to_inferred(rates, trials, cut, "lfads")
        if len(set(np.diff([table["start_s"], stops], axis=0)[0])) == 1:
            assert "trial_stop" not in inferred
        else:
            np.testing.assert_allclose(inferred["trial_stop"], stops, atol=1 / 30)


def drawn_one_by_one(model, store, samples, streams):
    """Return event rates, factors, and means and variances of inputs of every draw, encoding anew each time."""
    batch = store.batch(torch.arange(store.trials))
    rates, factors, means, variances = [], [], [], []
    with torch.no_grad():
        for _ in range(samples):
            posterior = model.posterior(batch, streams=streams)
            mean, log_variance = posterior.inputs[:, 0].transpose(0, 1).chunk(2, -1)
            rates.append(model.observation.mean(model.logits(posterior.factors))[0])
            factors.append(posterior.factors[:, 0].transpose(0, 1))
            means.append(mean)
            variances.append(torch.exp(log_variance))
    return tuple(torch.stack(values) for values in (rates, factors, means, variances))


def total(draws):
    """Add draws up one by one, in the order of inference: sums of floats depend on it."""
    result = draws[0]
    for value in draws[1:]:
        result = result + value
    return result


def test_encoding_once_changes_no_byte():
    model, store = model_and_trials(ZeroInflatedGammaObservation)
    found = infer_rates(model, store, 5, Streams([2]))
    rates, factors, inputs, _ = drawn_one_by_one(model, store, 5, Streams([2]))
    for name, draws in (("mean", rates), ("factors", factors), ("inferred_inputs", inputs)):
        assert found[name].tobytes() == (total(draws) / 5).numpy().tobytes(), name
    with torch.no_grad():
        means = model.encode(store.batch(torch.arange(7)))[0][0]
    assert found["initial_condition"].tobytes() == means.numpy().tobytes()


def test_the_spread_is_the_standard_deviation_over_draws():
    model, store = model_and_trials(ZeroInflatedGammaObservation)
    found = infer_rates(model, store, 40, Streams([2]), keep_spread=True)
    rates, factors, means, variances = (value.numpy() for value in drawn_one_by_one(model, store, 40, Streams([2])))
    np.testing.assert_allclose(found["mean_sd"], rates.std(0), rtol=2e-2, atol=1e-4)
    np.testing.assert_allclose(found["factors_sd"], factors.std(0), rtol=1e-3, atol=1e-4)
    # the law of total variance: of the draws' means, and within draws
    expected = np.sqrt(means.var(0) + variances.mean(0))
    np.testing.assert_allclose(found["inferred_inputs_sd"], expected, rtol=1e-3, atol=1e-4)
    assert found["mean_sd"].min() >= 0 and found["mean_sd"].mean() > 1e-3


def test_spread_is_kept_only_when_asked_for_and_only_of_several_draws():
    model, store = model_and_trials(ZeroInflatedGammaObservation)
    spread = {"mean_sd", "factors_sd", "inferred_inputs_sd"}
    for samples, keep, expected in ((3, False, set()), (3, True, spread), (1, True, set()), (0, True, set())):
        assert spread & set(infer_rates(model, store, samples, Streams([2]), keep_spread=keep)) == expected


def test_batches_of_trials_do_not_matter(monkeypatch):
    model, store = model_and_trials(ZeroInflatedGammaObservation)
    whole = infer_rates(model, store, 0, keep_distribution=True)
    monkeypatch.setattr(inference, "TRIALS_AT_ONCE", 3)
    for name, value in infer_rates(model, store, 0, keep_distribution=True).items():
        np.testing.assert_allclose(value, whole[name], rtol=1e-5, atol=1e-6)


def test_results_have_the_spread_in_events_per_second_and_the_warnings(events_path, tmp_path):
    directory = run_training(events_path, tmp_path / "run", "training.keep_spread=true", "training.posterior_samples=4")
    found = read_inferred(directory / "output.nc")
    assert found["event_rate_sd"].shape == found["event_rate"].shape and found["event_rate_sd"].attrs["units"] == "1/s"
    assert found["factors_sd"].dims == found["factors"].dims
    assert found["inferred_inputs_sd"].dims == found["inferred_inputs"].dims
    assert all((found[f"{name}_sd"] > 0).any() for name in ("event_rate", "factors", "inferred_inputs"))
    _, model = load_model(directory)
    trials = prepare_trials(read_recording(events_path), TrialOptions())
    rates = infer_rates(model, TrialStore(trials.events), 4, member_streams(1, [0], "posterior"), keep_spread=True)
    np.testing.assert_allclose(found["event_rate_sd"], rates["mean_sd"] * 100 / 3, rtol=1e-5)
    plain = read_inferred(run_training(events_path, tmp_path / "plain") / "output.nc")
    assert not [name for name in plain if str(name).endswith("_sd")]
    barely = [text for text in training_warnings(found) if text.startswith("rates barely vary")]
    np.testing.assert_array_equal(bool(barely), relative_variation(found["event_rate"].values) < 0.05)


def relative_variation(rate):
    return np.median(rate.std((0, 1)) / rate.mean((0, 1)))


def test_a_start_from_principal_components_trains_and_is_read_again(events_path, tmp_path, capsys):
    words = ("model.initialisation.most_latents=3", "model.objective.normalise_divergences=true")
    words += ("training.select=speckled_holdout_nll", "training.learning_rate.warmup_steps=0")
    directory = run_training(events_path, tmp_path / "run", *words)
    found = read_inferred(directory / "output.nc")
    assert found.sizes["input"] in (2, 3)
    family, model = load_model(directory)
    assert family.sizes["inferred_inputs"] == model.sizes.inferred_inputs == found.sizes["input"]
    said = [f"Warning: radical: {text}." for text in training_warnings(found)]
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("Warning: radical")] == said
    metrics = pd.read_csv(directory / "metrics.csv")["speckled_holdout_nll"]
    still_falling = any("still falling at the last step" in line for line in said)
    assert still_falling == (metrics.idxmin() == len(metrics) - 1)

"""Training AVAE+: it beats principal components on cultures it has not seen, and follows the bound that it states."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from synthetic_traces import event_traces, trace_recording
from torch.distributions import Normal, kl_divergence

from calcium_latents.errors import UserError
from calcium_latents.models.avae_plus.family import AvaePlusFamily, identity_latents, infer, reconstruct
from calcium_latents.models.avae_plus.parameters import AvaePlusOptions
from calcium_latents.models.avae_plus.training import AvaePlusFit, _pool
from calcium_latents.models.traces.bins import TraceBins, fit_bins
from calcium_latents.models.traces.neuron_traces import Member, normalise
from calcium_latents.models.traces.parameters import BinOptions
from calcium_latents.models.traces.pca_family import PcaFamily
from calcium_latents.models.traces.statistics import STATISTICS
from calcium_latents.recordings import check_embedding
from calcium_latents.training.fitting import fit
from calcium_latents.training.schedules import LearningRateSchedule

CPU = torch.device("cpu")
TRAINING = {
    "steps": 300,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "schedule": {"warmup_steps": 30, "final_fraction": 0.0},
    "pool": 2048,
}
CULTURES = {"splits": ["culture"], "partitions": 1}


def family(**changes):
    settings = {"name": "avae_plus", "latent_sizes": [4], "hidden": 48, "betas": [1.0]}
    bins = {"width_s": 0.1, "most": 600, "decay_time_s": 1.0}
    return AvaePlusFamily(**{**settings, "bins": bins, **changes})


def train(model, recording, data=CULTURES, training=TRAINING, seed=1):
    module, batches, steps = model.prepare(recording, "a.nc", data, training, {}, seed)
    if steps:
        fit(module, batches, steps, "cpu")
    return model.result(module, recording)


def scores(result, name="error", member=0):
    """Mean over the test neurons of a member."""
    found = result.inferred.isel(member=member)
    return float(found[name].values[found["part"].values == 2].mean())


@pytest.fixture(scope="module")
def recording():
    """Two cultures of each group, about two events a neuron, at times of its own."""
    return trace_recording(neurons=40, samples=100, events=2.0)


@pytest.fixture(scope="module")
def trained(recording):
    return train(family(), recording)


def test_it_beats_principal_components_on_cultures_it_has_not_seen(recording, trained):
    linear = train(PcaFamily("pca", [4]), recording, training={})
    np.testing.assert_array_equal(trained.inferred["part"], linear.inferred["part"])
    assert scores(trained) < 0.85 * scores(linear) < 0.6 * scores(linear, "null_error")
    assert scores(trained, "residual") < 0.85 * scores(linear, "residual")


def test_refined_latents_explain_traces_better_than_the_encoders(recording, trained):
    saved, found = trained.checkpoint, trained.inferred
    bins, member = TraceBins(**saved["bins"]), Member(**saved["member"])
    x = normalise(recording["fluorescence"].values[0].T, "global")[0][found["part"].values[0] == 2]
    residuals = []
    for steps in (0, 1, 15, 40):
        how = AvaePlusOptions(identity_sd=saved["identity_sd"], refinements=steps)
        latents = infer(member, bins, saved, x, how).mean
        residuals.append(np.square(reconstruct(member, bins, saved, latents) - x).mean())
    assert residuals[0] > residuals[1] > residuals[2]
    assert residuals[2] < 0.95 * residuals[0] and residuals[3] == pytest.approx(residuals[2], rel=0.02)
    sd = found["latents_sd"].values
    # more certain than the priors are
    assert (sd > 0).all() and (sd[..., 0] <= saved["identity_sd"] + 1e-6).all() and (sd <= 1 + 1e-6).all()


@pytest.mark.parametrize("beta", [1.0, 3.0, 0.0])
def test_inference_has_the_prior_of_training(beta, recording, trained):
    """The identity latents' about their code, the others' standard normal, both weighted with beta."""
    saved = trained.checkpoint
    bins, member = TraceBins(**saved["bins"]), replace(Member(**saved["member"]), beta=beta)
    values = normalise(recording["fluorescence"].values[0].T, "global")[0]
    how = AvaePlusOptions(identity_sd=saved["identity_sd"])
    posterior = infer(member, bins, saved, values, how)
    x = bins.to_bins(values)
    code, z = bins.identity(x), posterior.mean.numpy()
    squares = np.square(x - bins.to_bins(reconstruct(member, bins, saved, posterior.mean))).sum(1) / saved["variance"]
    prior = np.square((z[:, :1] - code) / saved["identity_sd"]).sum(1) + np.square(z[:, 1:]).sum(1)
    # without any prior, latents that a trace says nothing of would be anywhere: a thousandth is kept
    np.testing.assert_allclose(posterior.objective, squares + max(beta, 1e-3) * prior, rtol=1e-3)


def test_the_file_says_what_the_checkpoint_says(recording, trained):
    found, saved = trained.inferred, trained.checkpoint
    check_embedding(found, "inferred")
    assert found.attrs["identity_latents"] == 1 and found.attrs["model"] == "avae_plus"
    bins, member = TraceBins(**saved["bins"]), Member(**saved["member"])
    values = recording["fluorescence"].values[0].T
    x, offset, scale = normalise(values, saved["normalisation"])
    assert offset[0, 0] == saved["offset"] and scale[0, 0] == saved["scale"]
    how = AvaePlusOptions(identity_sd=saved["identity_sd"], refinements=saved["refinements"])
    posterior = infer(member, bins, saved, x[:7], how)
    np.testing.assert_allclose(posterior.mean, found["latents"].values[0, :7], atol=1e-3)
    reconstruction = offset[:7] + scale[:7] * reconstruct(member, bins, saved, posterior.mean)
    np.testing.assert_allclose(reconstruction, found["reconstruction"].values.T[:7], atol=1e-3)
    residual = np.square(values - found["reconstruction"].values.T).mean(1)
    np.testing.assert_allclose(found["residual"].values[0], residual, rtol=1e-3)
    error = np.square(recording["noiseless"].values[0].T - found["reconstruction"].values.T).mean(1)
    np.testing.assert_allclose(found["error"].values[0], error, rtol=1e-3)
    mean = values[found["part"].values[0] == 0].mean(0)
    np.testing.assert_allclose(found["null_residual"].values[0], np.square(values - mean).mean(1), rtol=1e-3)


# --- one fit ---

LAYOUT = BinOptions(width_s=0.1, most=600, decay_time_s=1.0)


def make_fit(seeds=(1, 2, 3), betas=None, identity=1, latents=3, **changes):
    """A fit of small models, each on its own traces."""
    options = AvaePlusOptions(**{"steps": 60, "batch_size": 16, "learning_rate": 1e-2, "pool": 200, **changes})
    training = [event_traces(25, 50, seed=seed, events=3.0).astype(np.float32) for seed in seeds]
    training = [x + 0.02 * np.sin(7.0 * np.arange(x.size).reshape(x.shape)).astype(np.float32) for x in training]
    bins = [fit_bins(x, 10.0, LAYOUT, identity) for x in training]
    scaled = [b.to_bins(x) for b, x in zip(bins, training, strict=True)]
    return AvaePlusFit(bins, scaled, 8, latents, identity, betas or [1.0] * len(seeds), list(seeds), options)


def run(fit):
    fit.start(CPU)
    while not fit.round():
        pass
    return fit


def test_a_population_is_its_members_one_by_one():
    together = run(make_fit((1, 2, 3), [1.0, 0.5, 2.0]))
    table = pd.DataFrame(together.rows())
    for member, (seed, beta) in enumerate(((1, 1.0), (2, 0.5), (3, 2.0))):
        alone = run(make_fit((seed,), [beta]))
        own, theirs = together.results()[member], alone.results()[0]
        assert own["variance"] == pytest.approx(theirs["variance"], rel=1e-3)
        for name, value in theirs["state"].items():
            torch.testing.assert_close(own["state"][name], value, rtol=1e-2, atol=2e-3, msg=name)
        rows = table[table["member"] == member].drop(columns="member")
        np.testing.assert_allclose(rows, pd.DataFrame(alone.rows()).drop(columns="member"), rtol=1e-2)


def test_losses_are_the_evidence_lower_bound():
    fit = make_fit((1, 2))
    fit.start(CPU)
    with torch.no_grad():
        for parameter in fit.model.parameters():
            parameter += 0.1
    state = fit.streams.state()
    error, divergence = fit._losses()
    fit.streams.set_state(state)
    drawn = (fit.streams.uniform(2, 16) * 200).long()
    noise = fit.streams.normal(2, 16, 3)
    for member, variance in enumerate((0.3, 2.0)):
        x, code = fit.pool[member, drawn[member]], fit.codes[member, drawn[member]]
        mean = fit.model.encode(fit.pool[:, drawn[member]], fit.codes[:, drawn[member]])[member]
        sd = fit.model.log_sd[member].exp().expand_as(mean)
        z = mean + noise[member] * sd
        decoded = fit.model.decode(z.expand(2, -1, -1))[member]
        likelihood = Normal(decoded, variance**0.5).log_prob(x).sum(-1).mean()
        prior = Normal(torch.cat([code, torch.zeros(16, 2)], -1), torch.tensor([fit.options.identity_sd, 1.0, 1.0]))
        bound = likelihood - kl_divergence(Normal(mean, sd), prior).sum(-1).mean()
        bins = x.shape[1]
        ours = -0.5 * bins * (error[member] / variance + np.log(2 * np.pi * variance)) - divergence[member]
        torch.testing.assert_close(ours, bound, rtol=1e-4, atol=1e-3)


def test_steps_follow_the_gradient_of_the_bound_with_the_residuals_variance(monkeypatch):
    """Each step's gradient is that of error + 2 beta variance divergence / bins, with the variance up to then."""
    betas = torch.tensor([1.0, 0.25])
    fit = make_fit((1, 2), betas.tolist(), steps=3)
    fit.start(CPU)
    parameters = [fit.model.log_sd, fit.model.decoder.weights[2], fit.model.mean]
    errors, expected, original = [], [], fit._losses

    def losses():
        error, divergence = original()
        variance = torch.stack(errors).mean(0) if errors else torch.ones(2)
        loss = (error + 2 * betas * variance * divergence / 50).sum()
        expected.append(torch.autograd.grad(loss, parameters, retain_graph=True))
        errors.append(error.detach())
        return error, divergence

    found, step = [], fit.optimizer.step
    monkeypatch.setattr(fit, "_losses", losses)
    monkeypatch.setattr(fit.optimizer, "step", lambda: found.append([p.grad.clone() for p in parameters]) or step())
    assert fit.round()
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.abs().max() > 1e-6
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(fit.variance, torch.stack(errors).mean(0))


def test_the_variance_is_a_mean_at_first_and_forgets_later(monkeypatch):
    fit = make_fit((1, 2), steps=400)
    fit.start(CPU)
    told = iter(np.concatenate([np.linspace(1, 2, 50), np.full(350, 0.1)]))
    zero = fit.model.mean.sum() * 0
    monkeypatch.setattr(fit, "_losses", lambda: (torch.full((2,), next(told)).float() + zero, torch.ones(2) + zero))
    monkeypatch.setattr(fit.optimizer, "step", lambda: None)
    monkeypatch.setattr(fit.optimizer, "zero_grad", lambda: None)
    monkeypatch.setattr(torch.Tensor, "backward", lambda *_: None)
    fit.round()
    torch.testing.assert_close(fit.variance, torch.full((2,), 1.5))
    fit.round()
    torch.testing.assert_close(fit.variance, torch.full((2,), 0.1 + 1.4 * 0.98**50), rtol=1e-4, atol=0)
    while not fit.round():
        pass
    torch.testing.assert_close(fit.variance, torch.full((2,), 0.1 + 1.4 * 0.98**350), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("steps", "expected"), [(50, [50]), (120, [50, 100, 120]), (1, [1])])
def test_rounds_and_the_learning_rates_course(steps, expected, monkeypatch):
    schedule = LearningRateSchedule(warmup_steps=10, final_fraction=0.1)
    fit = make_fit((1,), steps=steps, schedule=schedule)
    fit.start(CPU)
    rates, original = [], fit.optimizer.set_learning_rate
    monkeypatch.setattr(fit.optimizer, "set_learning_rate", lambda rate: rates.append(float(rate[0])) or original(rate))
    rounds = 0
    while not fit.round():
        rounds += 1
    assert rounds + 1 == fit.options.rounds == len(expected)
    assert [row["step"] for row in fit.rows()] == expected
    np.testing.assert_allclose(rates, [1e-2 * schedule.factor(step, steps) for step in range(steps)])


@pytest.mark.parametrize("since", [0, 20])
def test_a_member_that_is_not_finite_keeps_its_weights_and_leaves_the_others_alone(since, monkeypatch):
    alone = run(make_fit((2,)))
    kept = run(make_fit((1,), steps=60)) if since == 0 else None
    fit = make_fit((1, 2))
    fit.start(CPU)
    own, calls, states = fit._losses, [], []

    def losses():
        calls.append(1)
        spoilt = torch.tensor([torch.nan if len(calls) > since else 1.0, 1.0])
        if len(calls) == since + 1:
            states.append(fit.results()[0])
        return tuple(value * spoilt for value in own())

    monkeypatch.setattr(fit, "_losses", losses)
    while not fit.round():
        pass
    bad, good = fit.results()
    for name, value in bad["state"].items():
        assert torch.equal(value, states[0]["state"][name]), name
    assert np.isfinite(bad["variance"]) and bad["variance"] == pytest.approx(states[0]["variance"])
    assert good["variance"] == pytest.approx(alone.results()[0]["variance"], rel=1e-3)
    for name, value in alone.results()[0]["state"].items():
        torch.testing.assert_close(good["state"][name], value, rtol=1e-2, atol=2e-3, msg=name)
    assert kept is None or not torch.equal(kept.results()[0]["state"]["mean"], bad["state"]["mean"])


def test_a_single_bad_batch_is_passed_over(monkeypatch):
    """One step whose loss is not finite; training goes on and ends much as without it."""
    fit = make_fit((1, 2))
    fit.start(CPU)
    own, calls = fit._losses, []

    def losses():
        calls.append(1)
        spoilt = torch.tensor([torch.inf if len(calls) == 10 else 1.0, 1.0])
        return tuple(value * spoilt for value in own())

    monkeypatch.setattr(fit, "_losses", losses)
    while not fit.round():
        pass
    clean = run(make_fit((1, 2)))
    assert fit.results()[0]["variance"] == pytest.approx(clean.results()[0]["variance"], rel=0.2)


def test_results_hold_no_more_than_a_member():
    for result in make_fit((1, 2, 3)).results():
        for name, value in result["state"].items():
            assert value.untyped_storage().nbytes() == value.numel() * 4, name


@pytest.mark.parametrize(("original", "count"), [(0.0, 0), (0.25, 50), (1.0, 200)])
def test_the_pool_has_the_stated_part_of_traces_as_they_are(original, count):
    training = event_traces(30, 50, seed=1, events=5.0).astype(np.float32)
    bins = fit_bins(training, 10.0, LAYOUT, 1)
    scaled = bins.to_bins(training)
    options = AvaePlusOptions(pool=200, original=original, joints=2, joint_probability=1.0, shift_sd_s=1.0)
    pool = _pool(scaled, bins, options, 1)
    assert pool.shape == (200, 50) and pool.dtype == np.float32 and np.isfinite(pool).all()
    same = (pool[:, None] == scaled).all(-1)
    times = same.sum(0)
    assert count <= times.sum() <= count + 10  # by chance, a joined one is as it was
    if count:
        assert times.min() >= count // 30 and np.ptp(times) <= 4
        # in no order, so that the first are as good as any
        assert same[:100].any(1).sum() == pytest.approx(count / 2, abs=20)
    assert _pool(scaled, bins, options, 1).tobytes() == pool.tobytes() != _pool(scaled, bins, options, 2).tobytes()


# --- recordings of all kinds ---

QUICK = {**TRAINING, "steps": 10, "pool": 128, "batch_size": 16, "refinements": 5}


@pytest.mark.parametrize(
    ("cultures", "given", "model", "data"),
    [
        (("a",), {"labels": False}, {}, {"normalisation": "trace"}),
        (("a", "a"), {"trials": 3}, {}, {}),
        (("a", "a"), {"samples": 103, "rate_hz": 20.0}, {"latent_sizes": [1, 3]}, {}),  # a short last bin
        (("a", "a"), {}, {"latent_sizes": [20, 2]}, {}),  # more latents than four for each statistic
        (("a", "a"), {}, {"betas": [0.0, 3.0]}, {}),
        (("a", "a"), {"noise": 1e-6}, {"latent_sizes": [8]}, {}),
    ],
)
def test_any_recording_gives_an_embedding(cultures, given, model, data):
    recording = trace_recording(cultures, **{"neurons": 30, **given})
    result = train(family(hidden=8, **model), recording, {"partitions": 1, "grid_partitions": 1, **data}, QUICK)
    check_embedding(result.inferred, "inferred")
    assert np.isfinite(result.inferred["residual"]).all()
    assert result.inferred.sizes["time"] == given.get("samples", 60)
    assert result.inferred.attrs["identity_latents"] == identity_latents(model.get("latent_sizes", [4])[0])
    trained_on = result.inferred["part"] == 0
    ours, null = (result.inferred[name].where(trained_on).mean() for name in ("residual", "null_residual"))
    assert float(ours) < float(null)


def test_as_many_identity_latents_as_statistics_at_most():
    assert [identity_latents(size) for size in (1, 2, 3, 4, 8, 16, 17, 32, 64)] == [0, 0, 0, 1, 2, 4, 4, 4, 4]
    assert len(STATISTICS) == 4


@pytest.mark.parametrize(
    ("given", "sizes", "message"),
    [
        ({"samples": 30}, [2], r"a\.nc: time: expected at least 16 bins of 0\.2 s for 2 latents, found 15\. .*width_s"),
        ({"samples": 40}, [2, 21], r"a\.nc: time: expected at least 21 bins of 0\.2 s for 21 latents, found 20\."),
    ],
)
def test_traces_too_short_for_their_bins_are_named_before_training(given, sizes, message):
    model = family(latent_sizes=sizes, bins={"width_s": 0.2, "most": 600, "decay_time_s": 1.0})
    with pytest.raises(UserError, match=message):
        model.prepare(trace_recording(neurons=20, **given), "a.nc", {"partitions": 1}, QUICK, {}, 1)

"""Training the cross-encoder: it finds planted latents, resumes to the same bytes, and keeps the best weights."""

import copy
from dataclasses import fields

import numpy as np
import pytest
import torch

from calcium_latents.errors import UserError
from calcium_latents.models.cross_encoder.activity_noise import add_noise, noisy_training_set
from calcium_latents.models.cross_encoder.family import CrossEncoderFamily
from calcium_latents.models.cross_encoder.network import chosen_encoder
from calcium_latents.models.cross_encoder.parameters import Block, CrossEncoderModel, NoiseVariances
from calcium_latents.models.cross_encoder.reduced_rank_family import ReducedRankRegressionFamily
from calcium_latents.models.cross_encoder.results import final_rows, reported_row
from calcium_latents.simulation.latent_population.latent_population import simulate_latent_population
from calcium_latents.training import fitting

DATA = {"sources": 40, "targets": 40, "target_candidates": None}
TRAINING = {
    "blocks": [{"target": "activity", "parameters": "all", "steps": 200, "learning_rate": 2e-2}],
    "batch_size": 128,
    "schedule": {"warmup_steps": 20, "final_fraction": 0.02},
    "l2": 1e-2,
    "noise": {"shot": 0.1, "additive": 0.1, "multiplicative": 0.1, "copies": 0},
    "validate_every": 50,
}
PENALTIES = [1.0, 100.0, 1e4]


def encoder(**changes):
    settings = {
        "name": "cross_encoder",
        "latent_sizes": [1, 2],
        "hidden": [16],
        "projection": 8,
        "gain": True,
        "initialisation": "linear",
        "lifts": [2.0, 0.5],
        "penalties": PENALTIES,
        "linear_sizes": [4, 8],
    }
    return CrossEncoderFamily(**{**settings, **changes})


def regression():
    return ReducedRankRegressionFamily("reduced_rank_regression", [1, 2, 4, 8, 16], PENALTIES)


def fit(family, recording, training=TRAINING, restarts=2, until=None, state=None, checkpoints=None):
    module, batches, steps = family.prepare(recording, "test", DATA, training, {"population": restarts}, 1)
    if checkpoints is not None:
        module.on_checkpoint = lambda saved: checkpoints.append(copy.deepcopy(saved))
    if state is not None:
        module.resume(state)
    if steps := (until or steps) - module.step:
        fitting.fit(module, batches, steps, "cpu")
    return module, family.result(module, recording)


@pytest.fixture(scope="module")
def ring():
    return simulate_latent_population({"manifold": "ring", "neurons": 80, "stimuli": 300}, 7)


@pytest.fixture(scope="module")
def fitted(ring):
    return fit(encoder(), ring)


def final(result):
    return result.metrics[result.metrics["phase"] == "final"]


def test_two_latents_say_more_than_two_linear_ones(ring, fitted):
    ours, linear = final(fitted[1]), final(fit(regression(), ring)[1])
    two = ours[(ours["latent_size"] == 2) & (ours["chosen"] == 1)].iloc[0]
    assert two["test_r2"] > linear.set_index("latent_size")["test_r2"][2] + 0.1
    assert two["test_r2"] > 0.8 * two["ceiling_r2"] > 0.5
    assert (ours["test_r2"] <= ours["ceiling_r2"]).all() and (linear["test_r2"] <= linear["ceiling_r2"]).all()


def test_the_linear_null_is_not_beaten():
    null = {"latent_size": 3, "nonlinearity": "linear", "neurons": 80, "stimuli": 300}
    recording = simulate_latent_population(null, 8)
    ours = final(fit(encoder(latent_sizes=[3]), recording)[1])
    linear = final(fit(regression(), recording)[1])
    assert abs(ours["test_r2"].max() - linear["test_r2"].max()) < 0.01


def test_results_hold_together(ring, fitted):
    module, result = fitted
    table = final(result)
    assert list(table["latent_size"]) == [1, 1, 2, 2] and list(table["restart"]) == [0, 1, 0, 1]
    assert table.groupby("latent_size")["chosen"].sum().eq(1).all()
    inferred = result.inferred
    chosen = chosen_encoder(result.checkpoint)
    assert chosen.latent_size == inferred.attrs["latent_size"] == 2
    raw = ring.sel(neuron=chosen.sources)["events"].values[:, 0]
    np.testing.assert_allclose(chosen.encode(torch.as_tensor(raw)), inferred["factors"][:, 0], atol=1e-4)
    assert not set(inferred["source_neuron"].values) & set(inferred["neuron"].values)
    # the score follows from the file: predictions of one presentation against activity on the other
    row = table[(table["latent_size"] == 2) & (table["chosen"] == 1)].iloc[0]
    assert row["validation_r2"] == pytest.approx(float(module.best_r2[table.index.get_loc(row.name)]), abs=1e-5)
    condition, part = ring["condition"].values, inferred["part"].values[:, 0]
    scale = result.checkpoint["target_scale"]
    activity = ring.sel(neuron=inferred["neuron"])["events"].values[:, 0] / scale
    predicted = inferred["event_rate"].values[:, 0] / ring.attrs["imaging_rate_hz"] / scale
    other = {trial: [k for k in np.flatnonzero(condition == condition[trial]) if k != trial][0] for trial in range(600)}
    test = np.flatnonzero(part == 2)
    target = activity[[other[trial] for trial in test]]
    mean = activity[part == 0].mean(0)
    r2 = 1 - ((predicted[test] - target) ** 2).sum() / ((target - mean) ** 2).sum()
    assert r2 == pytest.approx(row["test_r2"], abs=2e-3)  # negative predictions are cut in the file


def test_event_rates_of_resampled_activity_are_events_per_second(ring, fitted):
    resampled = ring.assign_attrs(resampled_from_hz=3 * ring.attrs["imaging_rate_hz"])
    family = regression()
    rates = fit(family, ring)[1].inferred["event_rate"].values
    np.testing.assert_allclose(fit(family, resampled)[1].inferred["event_rate"].values, 3 * rates, rtol=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(ring, fitted):
    again = fit(encoder(), ring)[1]
    for name, value in again.checkpoint["population"].items():
        assert torch.equal(value, fitted[1].checkpoint["population"][name])
    module = encoder().prepare(ring, "test", DATA, TRAINING, {"population": 2}, 2)[0]
    assert not torch.equal(module.model.weights[0], fitted[0].model.weights[0])
    assert list(module.batches)[0] != list(fitted[0].batches)[0] and module.seed != fitted[0].seed


@pytest.mark.parametrize("copies", [0, 2])
def test_an_interrupted_fit_goes_on_to_the_same_bytes(ring, copies):
    blocks = [
        {"target": "linear_prediction", "parameters": "readout", "steps": 10, "learning_rate": 1e-2},
        {"target": "activity", "parameters": "encoder", "steps": 10, "learning_rate": 1e-2},
        {"target": "activity", "parameters": "all", "steps": 13, "learning_rate": 1e-2},
    ]
    noise = {**TRAINING["noise"], "copies": copies}
    options = {**TRAINING, "blocks": blocks, "noise": noise, "checkpoint_every": 8, "validate_every": 7}
    family = encoder(initialisation="kaiming", lifts=[1.0], projection=0)
    whole = fit(family, ring, options)[1]
    for stop in (8, 24):
        states = []
        fit(family, ring, options, until=stop, checkpoints=states)
        assert states[-1]["step"] == stop
        resumed = fit(family, ring, options, state=states[-1])[1]
        for name, value in resumed.checkpoint["population"].items():
            assert torch.equal(value, whole.checkpoint["population"][name]), (name, stop)
        assert resumed.metrics.equals(whole.metrics)


@pytest.mark.parametrize("group", ["readout", "encoder"])
def test_a_block_changes_only_its_parameters(ring, group):
    blocks = [{"target": "activity", "parameters": group, "steps": 40, "learning_rate": 1e-2}]
    family = encoder()
    module, batches, _ = family.prepare(ring, "test", DATA, {**TRAINING, "blocks": blocks}, {"population": 1}, 1)
    before = copy.deepcopy(module.model.state_dict())
    fitting.fit(module, batches, 40, "cpu")
    readout = {"readout", "threshold", "baseline", "raw_exponent", "gain"}
    moved = {name for name, value in module.model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and (moved <= readout if group == "readout" else not moved & readout)


def test_weights_that_validate_worse_are_not_kept(ring):
    blocks = [{"target": "activity", "parameters": "all", "steps": 30, "learning_rate": 5.0}]
    module, result = fit(encoder(), ring, {**TRAINING, "blocks": blocks, "validate_every": 10})
    start = [row["validation_r2"] for row in module.history[:4]]
    assert (final(result)["validation_r2"].to_numpy() >= np.array(start) - 1e-6).all()
    assert np.isfinite(result.inferred["event_rate"]).all()


def test_training_that_only_gets_worse_reports_its_start_and_ends_early(ring):
    family, options = encoder(), {**TRAINING, "validate_every": 10, "patience": 3}
    options["blocks"] = [{"target": "activity", "parameters": "all", "steps": 200, "learning_rate": 5.0}]
    start = copy.deepcopy(family.prepare(ring, "test", DATA, options, {"population": 2}, 1)[0].model.state_dict())
    states: list[dict] = []
    module, result = fit(family, ring, options, checkpoints=states)
    for name, value in result.checkpoint["population"].items():
        assert torch.equal(value, start[name]), name
    first = [row["validation_r2"] for row in module.history[:4]]
    np.testing.assert_allclose(final(result)["validation_r2"], first, atol=1e-6)
    assert module.step == 30 and states[-1]["step"] == 30
    resumed = fit(family, ring, options, state=states[-1])[1]
    assert resumed.metrics.equals(result.metrics)


def test_noise_has_the_stated_moments():
    random = torch.Generator().manual_seed(1)
    activity = torch.full((400_000,), 2.0)
    noisy = add_noise(activity, NoiseVariances(shot=0.1, additive=0.2, multiplicative=0.05), random)
    # variance of (a + s + n) m: (a^2 + v) (1 + m) - a^2 with v = 0.1 a + 0.2
    assert float(noisy.mean()) == pytest.approx(2.0, abs=5e-3)
    assert float(noisy.var()) == pytest.approx((4 + 0.4) * 1.05 - 4, rel=0.02)
    shared = add_noise(activity.view(-1, 4), NoiseVariances(shot=0, additive=0, multiplicative=0, shared=0.04), random)
    assert torch.allclose(shared, shared[:, :1].expand(-1, 4))
    assert float((shared[:, 0] / 2).var()) == pytest.approx(0.04, rel=0.02)
    copies = noisy_training_set(activity[:10, None], NoiseVariances(copies=3), random)
    assert copies.shape == (40, 1) and torch.equal(copies[:10, 0], activity[:10])
    assert not torch.equal(copies[10:20], copies[20:30])
    quiet = NoiseVariances(shot=0, additive=0, multiplicative=0, copies=0)
    assert torch.equal(add_noise(activity, quiet, random), activity)


def test_the_reported_size_is_the_smallest_that_is_good_enough():
    rows = [
        {"latent_size": size, "restart": restart, "validation_r2": value}
        for size, values in {1: (0.2, 0.3), 2: (0.1, 0.78), 4: (0.8, 0.7)}.items()
        for restart, value in enumerate(values)
    ]
    table = final_rows(rows, 0.9)
    assert list(table["chosen"]) == [0, 1, 0, 1, 1, 0]
    assert reported_row(table, None) == 3 and reported_row(table, 4) == 4
    diverged = final_rows([{**row, "validation_r2": np.nan} for row in rows], 0.9)
    assert diverged.groupby("latent_size")["chosen"].sum().eq(1).all()


def test_wrong_settings_are_named():
    model = {field.name: getattr(encoder(), field.name) for field in fields(encoder()) if field.init}
    for field, value, said in (
        ("initialisation", "zero", "one of linear, kaiming"),
        ("reported_latent_size", 7, "null or one of"),
        ("projection", 1, "0, or at least 2"),
        ("projection", 0, "kaiming, or a projection, or no hidden layers"),
    ):
        with pytest.raises(UserError, match=f"expected {said}"):
            CrossEncoderModel(**model | {field: value})
    with pytest.raises(UserError, match="parameters: expected one of"):
        Block(target="activity", parameters="decoder", steps=1, learning_rate=1e-3)
    with pytest.raises(UserError, match="noise.shot"):
        NoiseVariances(shot=-1)
    with pytest.raises(UserError, match="linear needs model.projection"):  # made without the command
        ring = simulate_latent_population({"manifold": "ring", "neurons": 80, "stimuli": 30}, 7)
        encoder(projection=0).prepare(ring, "test", DATA, TRAINING, {"population": 1}, 1)
    recording = simulate_latent_population({"manifold": "ring", "neurons": 30, "stimuli": 30}, 7)
    recording["events"][:] = np.nan
    with pytest.raises(UserError, match="missing samples"):
        regression().prepare(recording, "file.nc", DATA, {}, {"population": 1}, 1)

"""LFADS: hand-written loops against autograd, sizes, causality, masks, and the meaning of the population axis."""

import copy
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_lfads import plain_loops
from torch import nn

from calcium_latents.models.lfads.batches import MOST_PATTERNS, TrialStore
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.objective import Hyperparameters, step_objective, weight_penalty
from calcium_latents.models.lfads.observation import Moments, PoissonObservation, ZeroInflatedGammaObservation
from calcium_latents.models.lfads.parameters import LFADSSizes, ObjectiveOptions
from calcium_latents.training.optimizer import PopulationAdam
from calcium_latents.training.streams import Streams

SMALL = {
    "encoder": 4,
    "controller": 3,
    "generator": 6,
    "initial_condition": 3,
    "inferred_inputs": 2,
    "factors": 5,
}
VALUES = {
    "learning_rate": 1e-3, "dropout_rate": 0.2, "coordinated_dropout_rate": 0.5,
    "generator_l2": 0.1, "controller_l2": 0.2,
    "initial_condition_encoder_l2": 0.3, "controller_input_encoder_l2": 0.0, "initial_condition_kl": 1e-2,
    "inferred_inputs_kl": 1e-2, "sigmoid_scale_prior": 15.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_events(scan="bands", trials=7, time=8, neurons=9, seed=0):
    """Events with the sampling of a scan in bands, of a random scan (many patterns), or complete."""
    random = torch.Generator().manual_seed(seed)
    uniform = torch.rand(trials, time, neurons, generator=random)
    events = torch.where(torch.rand(uniform.shape, generator=random) < 0.3, uniform + 0.1, 0.0)
    if scan == "complete":
        return events
    if scan == "random":
        sampled = torch.rand(uniform.shape, generator=random) < 0.5
    else:
        phase = torch.arange(neurons) % 3 + torch.arange(trials)[:, None, None]
        sampled = (torch.arange(time)[None, :, None] + phase) % 3 == 0
    return torch.where(sampled, events, torch.nan)


def make_model(neurons=9, population=2, loops="compiled", clip=5.0, observation=ZeroInflatedGammaObservation, **sizes):
    sizes = LFADSSizes(neurons=neurons, **{**SMALL, **sizes}, state_clip=clip)
    return LFADS(sizes, observation(neurons, population, 0.1), Streams(range(population)), loops)


def dense_logits(model, batch, events):
    """Logits and observed mask of a batch, computed for every entry."""
    posterior = model.posterior(batch)
    return model.logits(posterior.factors), ~torch.isnan(events)


@pytest.mark.parametrize("observation", [ZeroInflatedGammaObservation, PoissonObservation])
@pytest.mark.parametrize("scan", ["bands", "random", "complete"])
@pytest.mark.parametrize(("clip", "dropout_rate", "sample_zeros"), [(5.0, 0.2, True), (0.5, 0.0, False)])
def test_handwritten_gradients_are_autograds(observation, scan, clip, dropout_rate, sample_zeros):
    batch = TrialStore(make_events(scan)).batch(torch.tensor([1, 3, 0, 6]))
    hyperparameters = Hyperparameters.uniform({**VALUES, "dropout_rate": dropout_rate}, 2)
    results = []
    for loops in ("plain", "handwritten", "compiled"):
        plain = loops == "plain"
        model = make_model(loops="handwritten" if plain else loops, clip=clip, observation=observation)
        options = ObjectiveOptions(sample_zeros=sample_zeros)
        with plain_loops() if plain else nullcontext():
            terms = step_objective(model, batch, hyperparameters, 0.7, options, Streams([5, 6]))
        terms["total"].sum().backward()
        results.append((terms["total"].detach(), {n: p.grad for n, p in model.named_parameters()}))
    for total, gradients in results[1:]:
        torch.testing.assert_close(total, results[0][0], rtol=1e-12, atol=1e-12)
        for name, gradient in results[0][1].items():
            assert gradient.abs().max() > 0, name
            torch.testing.assert_close(gradients[name], gradient, rtol=1e-9, atol=1e-13, msg=name)


@pytest.mark.parametrize(
    ("observation", "expected"), [(ZeroInflatedGammaObservation, 469_030), (PoissonObservation, 412_318)]
)
def test_number_of_parameters_is_the_papers(observation, expected):
    with torch.device("meta"):
        model = LFADS(LFADSSizes(neurons=278), observation(278, 1, 0.1), Streams([0]))
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize("scan", ["bands", "random", "complete"])
@pytest.mark.parametrize("observation", [ZeroInflatedGammaObservation, PoissonObservation])
def test_likelihood_of_sampled_entries_is_the_distributions(scan, observation):
    events = make_events(scan)
    batch = TrialStore(events).batch(torch.arange(len(events)))
    model = make_model(observation=observation)
    logits, sampled = dense_logits(model, batch, events)
    values = torch.nan_to_num(events)
    reference = model.observation.distribution(logits).log_prob(values)
    reference = torch.where(sampled, reference, 0.0).sum((1, 2, 3))
    posterior = model.posterior(batch)
    background, bonus = model.observation.log_likelihood(
        model.sampled_logits(posterior.factors, batch),
        batch.event_slot,
        batch.event_neuron,
        batch.event_value,
    )
    if batch.slot_weight is not None:
        background = background * batch.slot_weight
    torch.testing.assert_close(background.sum(-1) + bonus.sum(-1), reference, rtol=1e-10, atol=1e-10)


@given(seed=st.integers(0, 1000), trials=st.integers(1, 6), time=st.integers(1, 7), neurons=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_batches_hold_every_event_once(seed, trials, time, neurons):
    torch.set_default_dtype(torch.float64)
    scan = ["bands", "random", "complete"][seed % 3]
    events = make_events(scan, trials, time, neurons, seed)
    order = torch.randperm(trials, generator=torch.Generator().manual_seed(seed))
    batch = TrialStore(events).batch(order)
    dense = torch.zeros(trials * time, neurons)
    dense[batch.event_row, batch.event_neuron] = batch.event_value
    torch.testing.assert_close(dense.view(trials, time, neurons), torch.nan_to_num(events[order]))
    assert batch.sampled_count == int((~torch.isnan(events)).sum())
    torch.testing.assert_close(batch.slot_neuron()[batch.event_slot], batch.event_neuron)
    assert batch.event_slot.unique().numel() == len(batch.event_slot)
    counted = len(batch.slot_neuron()) if batch.slot_weight is None else int(batch.slot_weight.sum())
    assert counted == batch.sampled_count


def test_many_patterns_fall_back_to_dense():
    assert TrialStore(make_events("random")).pattern_of_row is None
    assert len(TrialStore(make_events("bands")).pattern_neurons) <= MOST_PATTERNS


def test_values_of_missing_samples_are_irrelevant_and_controller_never_sees_the_present():
    """Factors at t depend on data at t only through the initial condition; codes at t do not depend on data at t."""
    events = make_events("complete")
    model = make_model()
    changed = events.clone()
    changed[:, 4] += 3.0
    codes = [model.encode(TrialStore(x).batch(torch.arange(7)))[2] for x in (events, changed)]
    torch.testing.assert_close(codes[0][4], codes[1][4])
    assert not torch.allclose(codes[0][5], codes[1][5])
    assert not torch.allclose(codes[0][3], codes[1][3])


def test_a_member_equals_a_lone_model_with_its_seed_and_hyperparameters():
    """Initial weights, dropout, posterior draws and updates: ten steps in company are ten steps alone."""
    from dataclasses import fields

    store = TrialStore(make_events())
    own = {
        "learning_rate": [1e-2, 3e-3], "dropout_rate": [0.2, 0.1], "coordinated_dropout_rate": [0.5, 0.3],
        "generator_l2": [0.1, 0.0],        "initial_condition_kl": [1e-2, 1e-3],
    }  # fmt: skip

    def train(members):
        values = {f.name: torch.tensor([own.get(f.name, [VALUES[f.name]] * 2)[m] for m in members])
                  for f in fields(Hyperparameters)}  # fmt: skip
        observation = ZeroInflatedGammaObservation(9, len(members), 0.1)
        seeds = [[10, 11][m] for m in members]
        model = LFADS(LFADSSizes(neurons=9, **SMALL), observation, Streams(seeds))
        streams = Streams([seed + 5 for seed in seeds])
        hyperparameters = Hyperparameters(**values)
        optimizer = PopulationAdam(model.parameters(), hyperparameters.learning_rate, clip=0.5)
        for step in range(10):
            batch = store.batch(torch.tensor([step % 7, (step + 3) % 7]))
            terms = step_objective(model, batch, hyperparameters, 0.5, ObjectiveOptions(), streams)
            optimizer.zero_grad()
            terms["total"].sum().backward()
            optimizer.step()
        return dict(model.named_parameters())

    both, alone = train([0, 1]), train([1])
    for name, parameter in alone.items():
        torch.testing.assert_close(both[name][1:], parameter, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("scan", ["bands", "random"])
def test_gradients_of_unsampled_bins_are_exactly_zero(scan):
    """Selective backpropagation through time: a neuron, and a bin, without samples get no gradient at all."""
    events = make_events(scan)
    events[:, :, 2] = torch.nan
    events[:, 5] = torch.nan
    batch = TrialStore(events).batch(torch.arange(7))
    model = make_model(population=1)
    factors = model.posterior(batch).factors.detach().requires_grad_()
    background, bonus = model.observation.log_likelihood(
        model.sampled_logits(factors, batch), batch.event_slot, batch.event_neuron, batch.event_value
    )
    if batch.slot_weight is not None:
        background = background * batch.slot_weight
    (background.sum() + bonus.sum()).backward()
    for gradient in (model.readout_weight.grad, model.readout_bias.grad, model.observation.sigmoid_scale.grad):
        assert (gradient[..., 2] == 0).all()
        assert (gradient[..., 3] != 0).any()
    assert (factors.grad[5] == 0).all()
    assert (factors.grad[4] != 0).any()


def test_hyperparameters_mean_the_same_at_every_sampling_rate():
    """The loss is per observed bin: repeating the recording's unsampled bins more often does not change it."""
    events = make_events("complete")
    sparse = torch.full((7, 16, 9), torch.nan)
    sparse[:, ::2] = events
    model = make_model(population=1)
    losses = []
    for x in (events, sparse):
        batch = TrialStore(x).batch(torch.arange(7))
        logits = [torch.full((1, batch.sampled_count), value) for value in (-1.0, -1.0, -2.0)]
        background, bonus = model.observation.log_likelihood(
            logits, batch.event_slot, batch.event_neuron, batch.event_value
        )
        losses.append((background.sum() + bonus.sum()) / batch.sampled_count)
    torch.testing.assert_close(*losses)


def test_expected_zeros_have_the_sampled_expectation():
    batch = TrialStore(make_events()).batch(torch.arange(7))
    model = make_model(population=1, generator=4)
    hyperparameters = Hyperparameters.uniform({**VALUES, "dropout_rate": 0.0}, 1)
    means = {}
    for sample_zeros in (True, False):
        options, streams = ObjectiveOptions(sample_zeros=sample_zeros), Streams([3])
        with torch.no_grad():
            terms = [step_objective(model, batch, hyperparameters, 0.0, options, streams) for _ in range(400)]
        draws = [term["reconstruction"] for term in terms]
        draws = torch.cat(draws)
        means[sample_zeros] = draws.mean(), draws.std() / 20
    difference = abs(means[True][0] - means[False][0])
    assert difference < 4 * (means[True][1] ** 2 + means[False][1] ** 2) ** 0.5


def test_weight_penalty_by_hand():
    model = make_model(population=1)
    hyperparameters = Hyperparameters.uniform({**VALUES, "controller_l2": 0.0, "initial_condition_encoder_l2": 0.0}, 1)
    kernels = [model.generator_gates, model.generator_candidate]
    sigma = 0.5 * 1e-4 * (model.observation.sigmoid_scale - 15.0).pow(2).sum()
    expected = (0.5 * 0.1 * sum(k.pow(2).sum() for k in kernels) + sigma) / (6 * 12 + 6 * 6 + 18)
    penalty = weight_penalty(model, hyperparameters)[0]
    torch.testing.assert_close(penalty, expected)
    parameters = [*kernels, model.observation.sigmoid_scale]
    ours, plain = (torch.autograd.grad(value, parameters) for value in (penalty, expected))
    torch.testing.assert_close(ours, plain)


def test_readout_starts_at_the_moments_of_the_data():
    torch.manual_seed(5)
    truth = ZeroInflatedGammaObservation(3, 1, 0.1)
    logits = torch.tensor([[-2.0, -1.0, -1.5], [-3.0, -2.0, -2.5], [-1.0, 0.0, 1.0]]).expand(1, 400, 50, 3, 3)
    events = truth.distribution(logits).sample()[0]
    biases = truth.biases_from_moments(Moments(events))
    start = truth.distribution(biases[None])
    torch.testing.assert_close(start.mean[0], events.mean((0, 1)), rtol=0.02, atol=0.0)
    torch.testing.assert_close(start.variance[0], events.flatten(0, 1).var(0), rtol=0.05, atol=0.0)


def test_factors_ignore_the_length_of_factor_weights():
    batch = TrialStore(make_events()).batch(torch.arange(3))
    model = make_model(population=1)
    scaled = copy.deepcopy(model)
    scaled.factor_weight = nn.Parameter(model.factor_weight * 7)
    results = [m.posterior(batch).factors for m in (model, scaled)]
    torch.testing.assert_close(*results)

"""Compiled loops: elementary functions, masks, weighted likelihoods against plain ones, and threads."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_lfads import plain_loops
from scipy import special

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.compiled import math as fast
from calcium_latents.models.lfads.likelihood import Weights, log_likelihood, plain_likelihood
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.objective import Hyperparameters, step_objective
from calcium_latents.models.lfads.observation import PoissonObservation, ZeroInflatedGammaObservation
from calcium_latents.models.lfads.parameters import LFADSSizes, ObjectiveOptions
from calcium_latents.training.streams import Streams

SIZES = {
    "encoder": 4, "controller": 3, "generator": 6, "initial_condition": 3, "inferred_inputs": 2, "factors": 5,
}  # fmt: skip
VALUES = {
    "learning_rate": 1e-3, "dropout_rate": 0.2, "coordinated_dropout_rate": 0.5,
    "generator_l2": 0.1, "controller_l2": 0.2,
    "initial_condition_encoder_l2": 0.3, "controller_input_encoder_l2": 0.0, "initial_condition_kl": 1e-2,
    "inferred_inputs_kl": 1e-2, "sigmoid_scale_prior": 15.0,
}  # fmt: skip
FUNCTIONS = {
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "exponential": np.exp,
    "log_one_plus_exp": lambda x: np.logaddexp(0, x),
}


@fast.compiled
def mapped(x, y, which):
    for i in range(len(x)):
        if which == 0:
            y[i] = fast.sigmoid(x[i])
        elif which == 1:
            y[i] = fast.tanh(x[i])
        elif which == 2:
            y[i] = fast.exponential(x[i])
        else:
            y[i] = fast.log_one_plus_exp(x[i])


@fast.compiled
def gammas(x, values, slopes):
    for i in range(len(x)):
        values[i], slopes[i] = fast.log_gamma_and_digamma(x[i])


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float32, 3e-7), (np.float64, 1e-14)])
@pytest.mark.parametrize("which", range(4))
def test_elementary_functions(which, kind, tolerance):
    x = np.linspace(-30, 30, 40_001).astype(kind)
    y = np.empty_like(x)
    mapped(x, y, which)
    expected = list(FUNCTIONS.values())[which](x.astype(float))
    np.testing.assert_allclose(y, expected, rtol=4 * tolerance if which > 1 else 0, atol=tolerance)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_elementary_functions_at_the_ends(kind):
    x = np.array([-np.inf, -1e4, 1e4, np.inf, np.nan], kind)
    y = np.empty_like(x)
    for which, expected in ((0, [0, 0, 1, 1, np.nan]), (1, [-1, -1, 1, 1, np.nan])):
        mapped(x, y, which)
        np.testing.assert_allclose(y, expected, atol=1e-30)


def test_gamma_functions():
    x = np.concatenate([np.geomspace(1e-5, 1e3, 5000), np.arange(1, 40) / 2])
    values, slopes = np.empty_like(x), np.empty_like(x)
    gammas(x, values, slopes)
    np.testing.assert_allclose(values, special.gammaln(x), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(slopes, special.digamma(x), rtol=1e-10, atol=1e-10)


@given(keep=st.floats(0.02, 1.0), seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_masks_keep_what_they_should(keep, seed):
    mask = Streams([seed]).mask(torch.tensor([1 - keep]), 1, 40, 501)
    kept = (mask != 0).double().mean()
    assert abs(float(kept) - keep) < 5 * math.sqrt(keep * (1 - keep) / mask.numel()) + 1e-4
    values = mask[mask != 0].unique()
    assert len(values) == 1 and abs(float(values) * keep - 1) < 2e-3
    assert abs(float(mask.double().mean()) - 1) < 5 * math.sqrt((1 - keep) / keep / mask.numel()) + 1e-4


def test_masks_of_members_times_and_units_are_independent():
    mask = Streams([1, 2]).mask(torch.tensor([0.5, 0.5]), 2, 4000, 8)
    signs = (mask > 0).double() * 2 - 1
    columns = torch.cat([signs[0], signs[1], signs[0].roll(1, 0)], 1)
    correlations = columns.T @ columns / len(columns) - torch.eye(24)
    assert correlations.abs().max() < 5 / math.sqrt(4000)


def make_events(scan, trials=7, time=8, neurons=9):
    random = torch.Generator().manual_seed(0)
    uniform = torch.rand(trials, time, neurons, generator=random)
    events = torch.where(torch.rand(uniform.shape, generator=random) < 0.3, uniform + 0.1, 0.0)
    if scan == "random":
        return torch.where(torch.rand(uniform.shape, generator=random) < 0.5, events, torch.nan)
    if scan == "bands":
        phase = torch.arange(neurons) % 3 + torch.arange(trials)[:, None, None]
        return torch.where((torch.arange(time)[None, :, None] + phase) % 3 == 0, events, torch.nan)
    return events


@pytest.fixture
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("observation", [ZeroInflatedGammaObservation, PoissonObservation])
@pytest.mark.parametrize("scan", ["bands", "random", "complete"])
@pytest.mark.parametrize("sizes", [True, False])
@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.usefixtures("double_precision")
def test_weighted_likelihood_and_gradients_are_the_plain_ones(observation, scan, sizes, extreme):
    batch = TrialStore(make_events(scan)).batch(torch.tensor([1, 3, 0, 6]))
    random = torch.Generator().manual_seed(3)
    model = LFADS(LFADSSizes(neurons=9, **SIZES), observation(9, 2, 0.1), Streams([0, 1]))
    if extreme and observation is ZeroInflatedGammaObservation:  # logits beyond the published clamps
        model.readout_weight.data *= 60
    P, E = 2, len(batch.event_value)
    weights = Weights(
        zeros=torch.rand(P, generator=random),
        events=(torch.rand(P, E, generator=random) - 0.3).clamp_min(0),
        drawn=(torch.rand(P, batch.slots, generator=random) < 0.5).double(),
        neurons=torch.rand(9, generator=random),
        sizes=sizes,
    )
    factors = torch.randn(8, P, 4, 5, generator=random)
    found = []
    for compute in (plain_likelihood, log_likelihood):
        x = factors.clone().requires_grad_()
        given = weights
        if compute is plain_likelihood:  # it takes weights of events as they are
            given = Weights(
                weights.zeros,
                weights.events * weights.neurons[batch.event_neuron],
                weights.drawn,
                weights.neurons,
                sizes,
            )
        model.zero_grad()
        value = compute(model, x, batch, given)
        (value * torch.tensor([1.0, -2.0])).sum().backward()
        parameters = dict(model.named_parameters())
        used = [n for n in ("readout_weight", "readout_bias", "observation.sigmoid_scale") if n in parameters]
        zero = torch.zeros(())
        gradients = [zero if parameters[n].grad is None else parameters[n].grad.clone() for n in used]
        found.append([value.detach(), x.grad, *gradients])
    for plain, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, plain.expand_as(compiled), rtol=1e-9, atol=1e-10)


def training_step(threads, loops="compiled"):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        batch = TrialStore(make_events("bands", trials=120)).batch(torch.arange(110))
        model = LFADS(LFADSSizes(neurons=9, **SIZES), ZeroInflatedGammaObservation(9, 2, 0.1), Streams([0, 1]), loops)
        hyperparameters = Hyperparameters.uniform(VALUES, 2)
        terms = step_objective(model, batch, hyperparameters, 0.7, ObjectiveOptions(), Streams([5, 6]))
        terms["total"].sum().backward()
        return terms["total"].detach(), {n: p.grad for n, p in model.named_parameters()}
    finally:
        torch.set_num_threads(before)


def test_the_number_of_threads_does_not_change_a_step():
    (one, gradients), (two, others) = training_step(1), training_step(2)
    torch.testing.assert_close(one, two, rtol=1e-6, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_single_precision_is_close_to_plain():
    with plain_loops():
        plain, gradients = training_step(1, "handwritten")
    compiled, others = training_step(1)
    torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=2e-3, atol=2e-6, msg=name)


def test_what_is_not_a_number_is_not_hidden():
    batch = TrialStore(make_events("bands")).batch(torch.arange(7))
    model = LFADS(LFADSSizes(neurons=9, **SIZES), ZeroInflatedGammaObservation(9, 2, 0.1), Streams([0, 1]))
    model.generator_gates.data[1, 0, 0] = torch.nan
    terms = step_objective(model, batch, Hyperparameters.uniform(VALUES, 2), 1.0, ObjectiveOptions(), Streams([5, 6]))
    assert torch.isfinite(terms["total"][0]) and torch.isnan(terms["total"][1])

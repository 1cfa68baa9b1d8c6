"""Divergences as shares of the evidence lower bound: against the plain formula, and whatever the number of neurons."""

import copy

import pytest
import torch

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.objective import Hyperparameters, step_objective
from calcium_latents.models.lfads.observation import ZeroInflatedGammaObservation
from calcium_latents.models.lfads.parameters import LFADSSizes, ObjectiveOptions
from calcium_latents.training.streams import Streams

SIZES = {"encoder": 4, "controller": 3, "generator": 6, "initial_condition": 3, "inferred_inputs": 2, "factors": 5}
VALUES = dict.fromkeys(Hyperparameters.__dataclass_fields__, 0.0) | {
    "initial_condition_kl": 0.3,
    "sigmoid_scale_prior": 20,
}
VALUES |= {"inferred_inputs_kl": 0.7, "generator_l2": 0.2}
TRIALS, BINS, NEURONS = 6, 8, 5


class SameNoise(Streams):
    """Uniform numbers, whose count follows the events, leave the normal ones as they are."""

    def uniform(self, *shape, dim=0):
        return torch.full(shape, 0.5)


def make_events(missing):
    random = torch.Generator().manual_seed(0)
    events = torch.where(torch.rand(TRIALS, BINS, NEURONS, generator=random) < 0.3, 0.6, 0.0)
    return torch.where(torch.rand(events.shape, generator=random) < missing, torch.nan, events).double()


def make_model(neurons=NEURONS):
    return LFADS(
        LFADSSizes(neurons=neurons, **SIZES), ZeroInflatedGammaObservation(neurons, 2, 0.1), Streams([1, 2])
    ).double()


def doubled(model):
    """The same model for a population that has every neuron twice: each copy is heard half, and read out alike."""
    twice = make_model(2 * NEURONS)
    values = dict(model.state_dict())
    values["encoder_input"] = torch.cat([values["encoder_input"] / 2] * 2, dim=1)
    for name in ("readout_weight", "readout_bias", "observation.sigmoid_scale"):
        values[name] = torch.cat([values[name]] * 2, dim=-1)
    twice.load_state_dict(values)
    return twice


def terms_of(model, events, ramp=0.8, **options):
    batch = TrialStore(events).batch(torch.arange(len(events)))
    hyperparameters = Hyperparameters.uniform(VALUES, 2)
    with torch.no_grad():
        return step_objective(
            model, batch, hyperparameters, ramp, ObjectiveOptions(**options), SameNoise([5, 6])
        ), batch


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("by_sampled", [True, False])
@pytest.mark.parametrize("normalise", [True, False])
def test_the_total_is_the_plain_formula(missing, by_sampled, normalise):
    events = make_events(missing)
    options = {"normalise_by_sampled": by_sampled, "normalise_divergences": normalise}
    terms, _ = terms_of(make_model(), events, **options)
    entries = int((~torch.isnan(events)).sum()) if by_sampled else events.numel()
    divergences = 0.3 * terms["initial_condition"] + 0.7 * terms["inferred_inputs"]  # mean over trials
    share = TRIALS / entries if normalise else 1.0
    expected = terms["reconstruction"] + 0.8 * (divergences * share + terms["l2"])
    torch.testing.assert_close(terms["total"], expected)
    assert (divergences > 0.1).all() and (terms["l2"] > 0).all()


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_with_weights_of_one_it_is_the_bound_over_the_entries(missing):
    """Negative evidence lower bound of all trials: - log-likelihood + divergences, over the number of samples."""
    events, model = make_events(missing), make_model()
    terms, batch = terms_of(model, events, normalise_divergences=True)
    log_likelihood = -terms["reconstruction"] * batch.sampled_count
    bound = log_likelihood - TRIALS * (0.3 * terms["initial_condition"] + 0.7 * terms["inferred_inputs"])
    found = terms["total"] - 0.8 * terms["l2"]
    ramped = log_likelihood + 0.8 * (bound - log_likelihood)
    torch.testing.assert_close(found * batch.sampled_count, -ramped)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_a_population_that_has_every_neuron_twice_weighs_its_divergences_alike(missing):
    """Its log-likelihood is twice as large and its divergences are as they were: so is their share, if normalised."""
    events, model = make_events(missing), make_model()
    once, few = terms_of(model, events, normalise_divergences=True)
    twice, many = terms_of(doubled(copy.deepcopy(model)), events.repeat(1, 1, 2), normalise_divergences=True)
    plain, _ = terms_of(doubled(model), events.repeat(1, 1, 2))
    for name in ("reconstruction", "initial_condition", "inferred_inputs"):
        torch.testing.assert_close(twice[name], once[name])
    assert many.sampled_count == 2 * few.sampled_count

    def divergences(terms, batch):
        """In nats of all trials, as the total has them."""
        return (terms["total"] - terms["reconstruction"] - 0.8 * terms["l2"]) * batch.sampled_count

    torch.testing.assert_close(divergences(twice, many), divergences(once, few))
    ratio = divergences(twice, many) / (twice["reconstruction"] * many.sampled_count)
    torch.testing.assert_close(2 * ratio, divergences(once, few) / (once["reconstruction"] * few.sampled_count))
    torch.testing.assert_close(divergences(plain, many), divergences(twice, many) * many.sampled_count / TRIALS)

"""AVAE+: it starts as principal components, its gradients and divergence are exact, members do not touch each other."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from calcium_latents.models.avae.network import divergence as standard_divergence
from calcium_latents.models.avae_plus.network import FIRST_LOG_SD, AvaePlus, AvaePlusSizes
from calcium_latents.seeds import generator
from calcium_latents.training.streams import Streams


def normal(*shape, seed=1):
    return torch.as_tensor(generator(seed, "tests", "avae plus").normal(size=shape)).float()


def start(members, timing, bins, seed=1):
    """Means, orthonormal components and positive scales."""
    components = np.stack(
        [
            np.linalg.qr(generator(seed + m, "tests", "components").normal(size=(bins, timing)))[0].T
            for m in range(members)
        ]
    )
    return normal(members, bins, seed=seed), torch.as_tensor(components).float(), 0.5 + normal(members, timing).abs()


def population(seeds=(1, 2), bins=12, hidden=5, latents=5, identity=2, trained=True):
    """A population; `trained`: weights that start at zero are random, as after training."""
    sizes = AvaePlusSizes(len(seeds), bins, hidden, latents, identity)
    model = AvaePlus(sizes, Streams(seeds), *start(len(seeds), sizes.timing, bins))
    if trained:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if not parameter.any() or name == "log_sd":
                    parameter.copy_(0.3 * normal(*parameter.shape, seed=len(name)))
    return model


def test_it_starts_as_principal_components():
    model = population(trained=False)
    mean, components, scales = start(2, 3, 12)
    x, code = normal(2, 7, 12, seed=4), normal(2, 7, 2, seed=5)
    z = model.encode(x, code)
    assert torch.equal(z[..., :2], code)
    scores = (x - mean[:, None]) @ components.mT
    torch.testing.assert_close(z[..., 2:] * scales[:, None], scores, rtol=1e-5, atol=1e-5)
    # whatever the identity latents are
    z[..., :2] = 100.0
    torch.testing.assert_close(model.decode(z), mean[:, None] + scores @ components, rtol=1e-5, atol=1e-5)
    assert (model.log_sd == FIRST_LOG_SD).all()


@pytest.mark.parametrize("identity", [0, 2])
def test_gradients_of_both_halves_against_finite_differences(identity):
    model = population(bins=6, hidden=4, latents=3, identity=identity).double()
    x, code, z = (normal(2, 2, n).double().requires_grad_(n > 0) for n in (6, identity, 3))
    codes = (code,) if identity else ()  # finite differences need something to differ
    assert torch.autograd.gradcheck(lambda x, *_: model.encode(x, code), (x, *codes, *model.parameters()))
    assert torch.autograd.gradcheck(lambda z, *_: model.decode(z), (z, *model.parameters()))


def test_every_parameter_learns():
    model = population()
    mean = model.encode(normal(2, 7, 12), normal(2, 7, 2))
    z = mean + model.log_sd.exp() * normal(2, 7, 5, seed=3)
    (model.decode(z).square().sum() + model.divergence(mean, normal(2, 7, 2), 0.5).sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_a_population_is_its_members_one_by_one():
    seeds = (7, 3, 5)
    together = population(seeds)
    x, code = normal(3, 6, 12), normal(3, 6, 2)
    for member, seed in enumerate(seeds):
        first = population((seed,), trained=False).encoder.weights[0][0]
        assert torch.equal(first, population(seeds, trained=False).encoder.weights[0][member])
        alone = AvaePlus(AvaePlusSizes(1, 12, 5, 5, 2), Streams([seed]), *start(1, 3, 12))
        alone.load_state_dict({name: value[member : member + 1] for name, value in together.state_dict().items()})
        one = slice(member, member + 1)
        z = together.encode(x, code)[one]
        torch.testing.assert_close(alone.encode(x[one], code[one]), z, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(
            alone.decode(z), together.decode(together.encode(x, code))[one], rtol=1e-5, atol=1e-5
        )


def test_a_trace_does_not_depend_on_its_company():
    model = population((1,))
    x, code = normal(1, 8, 12), normal(1, 8, 2)
    z = model.encode(x, code)
    torch.testing.assert_close(model.encode(x[:, 2:3], code[:, 2:3]), z[:, 2:3], rtol=1e-5, atol=1e-6)
    order = torch.tensor([3, 1, 0, 2, 7, 6, 5, 4])
    torch.testing.assert_close(model.decode(z[:, order]), model.decode(z)[:, order], rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(0, 4), st.integers(4, 9), st.integers(1, 4), st.integers(1, 4), st.data())
def test_any_shape(members, rows, bins, hidden, latents, data):
    identity = data.draw(st.integers(0, latents))
    sizes = AvaePlusSizes(members, bins, hidden, latents, identity)
    assert sizes.timing == latents - identity
    model = AvaePlus(sizes, Streams(range(members)), *start(members, sizes.timing, bins))
    mean = model.encode(normal(members, rows, bins), normal(members, rows, identity))
    assert mean.shape == (members, rows, latents)
    assert model.decode(mean).shape == (members, rows, bins)
    assert model.divergence(mean, mean[..., :identity], 0.5).shape == (members, rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.floats(0.05, 3), st.integers(0, 999), st.data())
def test_the_divergence_is_that_of_gaussians(members, rows, latents, identity_sd, seed, data):
    identity = data.draw(st.integers(0, latents))
    model = population(range(members), latents=latents, identity=identity).double()
    with torch.no_grad():
        model.log_sd.copy_(normal(*model.log_sd.shape, seed=seed))
    mean, code = normal(members, rows, latents, seed=seed + 1).double(), normal(members, rows, identity).double()
    prior_mean = torch.cat([code, torch.zeros(members, rows, latents - identity).double()], -1)
    prior_sd = torch.ones(latents).double()
    prior_sd[:identity] = identity_sd
    posterior = Normal(mean, model.log_sd.exp().expand_as(mean))
    expected = kl_divergence(posterior, Normal(prior_mean, prior_sd.expand_as(mean))).sum(-1)
    torch.testing.assert_close(model.divergence(mean, code, identity_sd), expected, rtol=1e-9, atol=1e-10)


def test_the_divergence_without_identity_latents_is_the_published_one():
    model = population(identity=0)
    mean = normal(2, 7, 5)
    log_variance = (2 * model.log_sd).expand_as(mean)
    found = model.divergence(mean, torch.zeros(2, 7, 0), 0.5)
    torch.testing.assert_close(found, standard_divergence(mean, log_variance), rtol=1e-5, atol=1e-5)


def test_the_divergence_is_zero_at_the_prior_alone():
    model = population(identity=2)
    code = normal(2, 7, 2)
    prior = torch.cat([code, torch.zeros(2, 7, 3)], -1)
    with torch.no_grad():
        model.log_sd.zero_()
        model.log_sd[..., :2] = np.log(0.5)
    torch.testing.assert_close(model.divergence(prior, code, 0.5), torch.zeros(2, 7), atol=1e-6, rtol=0)
    assert (model.divergence(prior + 0.1, code, 0.5) > 1e-3).all() and (model.divergence(prior, code, 0.6) > 1e-3).all()

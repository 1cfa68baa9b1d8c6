"""The cross-encoder: derivatives, masks, members, and a start that is the best linear model."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.models.cross_encoder.network import (
    SMALLEST,
    CrossEncoder,
    CrossEncoderSizes,
    RectifiedPower,
    chosen_encoder,
    start_from_linear,
)
from calcium_latents.models.reduced_rank_regression.regression import ReducedRankRegression
from calcium_latents.seeds import generator
from calcium_latents.training.streams import Streams


def population(latent_sizes=(1, 3, 2), hidden=(6,), gain=True, inputs=5, targets=4, projection=0):
    sizes = CrossEncoderSizes(inputs, targets, tuple(latent_sizes), tuple(hidden), gain, projection)
    return CrossEncoder(sizes, Streams(range(1, len(latent_sizes) + 1)))


def sources(rows=7, inputs=5, seed=3):
    return torch.as_tensor(generator(seed, "sources").normal(size=(rows, inputs)), dtype=torch.float32)


def rectified_power(drive, exponent, gain, baseline):
    """gain [drive]_+^exponent + baseline in plain PyTorch."""
    power = (drive.clamp_min(0) + SMALLEST).log().mul(exponent).exp()
    return baseline + gain * torch.where(drive > 0, power, 0.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 4.0))
def test_rectified_power_and_its_derivatives_are_those_of_plain_pytorch(seed, exponent):
    random = torch.Generator().manual_seed(seed)
    drive = torch.randn(2, 5, 3, generator=random, dtype=torch.float64).requires_grad_()
    power = torch.full((2, 1, 1), exponent, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 5, 3, generator=random, dtype=torch.float64)
    gain, baseline = (torch.randn(2, 1, 3, generator=random, dtype=torch.float64).requires_grad_() for _ in range(2))
    inputs = [drive, power, gain, baseline]
    fast, plain = RectifiedPower.apply(*inputs), rectified_power(*inputs)
    assert torch.allclose(fast, plain, rtol=1e-12, atol=1e-14)
    ours, expected = (torch.autograd.grad((result * weights).sum(), inputs) for result in (fast, plain))
    for one, other in zip(ours, expected, strict=True):
        assert one.shape == other.shape
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-13)


def test_gradients_of_the_whole_model_against_finite_differences():
    model = population(hidden=(4,), projection=3).double()
    with torch.no_grad():
        model.threshold += 0.7
    x = sources().double()
    parameters = list(model.parameters())
    assert torch.autograd.gradcheck(lambda *_: model(x), parameters, atol=1e-7)


def test_rectified_power_is_zero_below_threshold_and_a_step_for_small_exponents():
    drive = torch.tensor([[[-1.0, 0.0, 0.5, 2.0]]])
    step = RectifiedPower.apply(drive, torch.full((1, 1, 1), 1e-6), torch.ones(1, 1, 4), torch.zeros(1, 1, 4))
    assert torch.allclose(step, torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]), atol=1e-4)


@pytest.mark.parametrize("projection", [0, 4])
def test_latents_beyond_a_members_size_are_zero_and_a_member_alone_says_the_same(projection):
    model = population(projection=projection)
    x = sources()
    latents = model.encode(x)
    for index, size in enumerate(model.sizes.latent_sizes):
        assert (latents[index, :, size:] == 0).all() and (latents[index, :, :size] != 0).any()
        alone = model.member(index)
        assert alone.sizes.latent_sizes == (size,)
        assert torch.allclose(alone(x)[0], model(x)[index], atol=1e-6)


def test_members_do_not_touch_each_other():
    model = population()
    model(sources())[1].sum().backward()
    for parameter in model.parameters():
        if parameter.grad is not None:
            assert (parameter.grad[0] == 0).all() and (parameter.grad[2] == 0).all()


@pytest.mark.parametrize(("hidden", "projection"), [((), 0), ((6,), 4)])
def test_with_a_high_lift_the_start_is_reduced_rank_regression(hidden, projection):
    random = generator(5, "start")
    x = random.normal(size=(200, 5))
    y = x @ random.normal(size=(5, 4)) + random.normal(size=(200, 4))
    models = ReducedRankRegression(x, y).fit(1.0, [1, 2, 3, 4])
    model = population((1, 2, 3), hidden, projection=projection).double()
    with torch.no_grad():
        model.baseline[:] = torch.as_tensor(y.mean(0))
    start_from_linear(model, models[projection or 3], x, torch.full((3,), 50.0))
    prediction = model(torch.as_tensor(x)).detach().numpy()
    for index, size in enumerate((1, 2, 3)):
        # the tiny number added to the drive is all that is left
        np.testing.assert_allclose(prediction[index], models[size].predict(x), atol=2e-4)
        latents = model.encode(torch.as_tensor(x)).detach().numpy()[index, :, :size]
        np.testing.assert_allclose(latents.std(0), 1.0, rtol=1e-6)
    assert (model.dead_fraction(torch.as_tensor(x)) == 0).all()


def test_a_projection_narrower_than_the_latents_is_refused():
    with pytest.raises(UserError, match=r"model\.projection: expected 0, or at least 3"):
        population(projection=2)


def test_dead_units_are_counted():
    model = population()
    with torch.no_grad():
        model.threshold[1, 0, :2] = -1e6
    dead = model.dead_fraction(sources(50))
    assert dead[1] == 0.5


def test_a_checkpoint_gives_back_its_encoder_in_raw_units():
    model = population((2,))
    floor, scale = np.array([0.1, 0.0, 0.2, 0.0, 5.0]), np.array([0.5, 1.0, 2.0, 3.0, 4.0])
    checkpoint = {
        "sources": np.arange(5),
        "targets": np.arange(4),
        "offsets": (0,),
        "source_floor": floor,
        "source_scale": scale,
        "latent_size": 2,
        "hidden": (6,),
        "gain": True,
        "projection": 0,
        "state": model.state_dict(),
    }
    encoder = chosen_encoder(checkpoint)
    x = sources()
    raw = x.double() * torch.as_tensor(scale) + torch.as_tensor(floor)
    assert encoder.encode(raw).dtype == torch.float64
    assert torch.allclose(encoder.encode(raw).float(), model.encode(x)[0], atol=1e-5)
    with pytest.raises(UserError, match="expected the checkpoint of a cross-encoder"):
        chosen_encoder({"state": {}})

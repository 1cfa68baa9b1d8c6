"""Equivariance, normalisation, readout and penalties of the digital twin."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.nn import functional

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.checkpoint import described, restore
from calcium_latents.models.digital_twin.core import RotationEquivariantCore
from calcium_latents.models.digital_twin.equivariance import turning_error
from calcium_latents.models.digital_twin.filter_bank import default_max_rank, filter_bank
from calcium_latents.models.digital_twin.hermite_functions import angular_orders
from calcium_latents.models.digital_twin.normalisation import EPSILON, SharedNormalisation
from calcium_latents.models.digital_twin.parameters import CoreSizes, PenaltyWeights
from calcium_latents.models.digital_twin.penalties import group_norm, penalty, roughness, unturned_filters
from calcium_latents.models.digital_twin.twin import LOG_OFFSET, DigitalTwin, poisson_loss


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth_images(count, size, sd=1.5, seed=0):
    noise = np.random.default_rng(seed).normal(size=(count, size, size))
    return torch.as_tensor(ndimage.gaussian_filter(noise, (0, sd, sd)).astype(np.float32)) * 4


def small_twin(neurons=5, shape=(20, 22), **sizes):
    sizes = {"features": (3, 4, 2), "kernels": (7, 5, 3)} | sizes
    twin = DigitalTwin(CoreSizes(**sizes), shape, neurons, random())
    with torch.no_grad():
        twin.masks.abs_()
        twin.weights.mul_(100)
    return twin.eval()


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("ranks", [None, (7, 5, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_turning_the_image_by_90_degrees_turns_maps_and_shifts_rotations_exactly(padding, ranks, training):
    sizes = CoreSizes(features=(3, 4, 2), kernels=(7, 5, 3), max_ranks=ranks, padding=padding)
    core = RotationEquivariantCore(sizes, random()).train(training)
    images = torch.randn(4, 20, 20, generator=random(1))
    with torch.no_grad():
        upright, turned = core(images), core(torch.rot90(images, 1, (1, 2)))
    # y points down: rot90 turns from y towards x, by minus a quarter of the group
    expected = torch.rot90(upright, 1, (3, 4)).roll(-2, 1)
    assert (turned - expected).norm() < 1e-5 * expected.norm()
    wrong = torch.rot90(upright, 1, (3, 4)).roll(2, 1)
    assert (turned - wrong).norm() > 0.1 * expected.norm()


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_45_degrees_are_nearly_exact_with_the_default_ranks_and_worse_with_all(padding):
    def error(ranks, turns):
        core = RotationEquivariantCore(
            CoreSizes(features=(4, 4, 4), kernels=(9, 5, 5), max_ranks=ranks, padding=padding), random()
        ).eval()
        return turning_error(core, np.random.default_rng(0).normal(size=(6, 41, 43)), turns)

    assert error(None, 2) < 1e-5
    assert error(None, 1) < 0.1  # the sense of the shift is tested with it: the other one is off by about 1
    assert error((9, 5, 5), 1) > 1.5 * error(None, 1)


def test_the_sense_of_rotation_agrees_with_orientation():
    """A first-layer filter of an odd function at rotation 2 answers to what drives rotation 0, turned by 90 degrees."""
    bank = filter_bank(9, 8, 2)
    assert torch.allclose(bank[2], torch.rot90(bank[0], -1, (1, 2)), atol=1e-6)


@pytest.mark.parametrize("kernel", [5, 9, 13])
def test_filters_of_other_angular_orders_are_orthogonal_on_the_pixel_grid(kernel):
    """The grid's own symmetry keeps functions apart whose orders differ by other than a multiple of four."""
    ranks = default_max_rank(kernel)
    bank, orders = filter_bank(kernel, 8, ranks)[0].flatten(1), angular_orders(ranks)
    bank = bank / bank.norm(dim=1, keepdim=True)
    apart = torch.as_tensor((orders[:, None] - orders) % 4 != 0)
    apart &= torch.as_tensor((orders[:, None] + orders) % 4 != 0)
    assert apart.any()
    assert (bank @ bank.T)[apart].abs().max() < 1e-5


def test_the_number_of_functions_is_that_of_the_ranks():
    assert filter_bank(13, 8, 13).shape == (8, 91, 13, 13)
    assert filter_bank(5, 8, 5).shape[1] == 15
    with pytest.raises(UserError, match="max_ranks"):
        filter_bank(5, 8, 6)


def test_all_rotations_of_a_filter_are_as_long_and_as_rough():
    core = RotationEquivariantCore(CoreSizes(features=(3, 2, 2), kernels=(9, 5, 5)), random())
    for layer, unturned in zip(core.layers, unturned_filters(core), strict=True):
        filters = layer.filters().unflatten(0, (8, -1))
        assert torch.allclose(filters[0], unturned, atol=1e-6)
        norms = filters.square().sum((2, 3, 4))
        assert ((norms / norms.mean(0) - 1).abs() < 0.1).all()
        assert torch.allclose(filters[2].norm(), filters[0].norm(), rtol=1e-5)


@pytest.mark.parametrize("scale", [True, False])
def test_normalisation_shares_statistics_of_rotations(scale):
    layer = SharedNormalisation(3, 8, scale=scale, softplus=False)
    x = torch.randn(4, 24, 5, 6, generator=random()) * 2 + 1
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.5, -1.0, 2.0]))
        y = layer(x).unflatten(1, (8, 3))
    grouped = x.unflatten(1, (8, 3))
    mean = grouped.mean((0, 1, 3, 4), keepdim=True)
    variance = grouped.var((0, 1, 3, 4), unbiased=False, keepdim=True)
    expected = (grouped - mean) / (variance + EPSILON).sqrt() + layer.bias.detach().view(1, 1, 3, 1, 1)
    assert torch.allclose(y, expected, atol=1e-5)
    assert torch.allclose(layer.running_mean, 0.1 * mean.flatten(), atol=1e-6)


def test_rates_are_the_readout_of_the_core():
    twin = small_twin()
    images = smooth_images(3, 22)[:, :20]
    with torch.no_grad():
        features = twin.core(images)
        drive = torch.einsum("nyx,nrf,brfyx->bn", twin.masks, twin.weights, features) + twin.bias
        assert torch.allclose(twin(images), functional.softplus(drive), rtol=1e-4, atol=1e-6)


def test_own_rates_are_the_diagonal_of_all_rates():
    twin = small_twin()
    twin.response_scale.copy_(torch.arange(1.0, 6.0))
    images, neurons = smooth_images(7, 22)[:, :20], torch.tensor([0, 3, 3, 1, 4, 2, 0])
    with torch.no_grad():
        everything = twin.rates(images)
        own = twin.own_rates(images, neurons)
    assert torch.allclose(own, everything[torch.arange(7), neurons], rtol=1e-4)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), flip=st.booleans())
def test_normalising_the_readout_changes_no_rate(seed, flip):
    twin = small_twin(padding="valid")
    images = smooth_images(2, 22, seed=seed)[:, :20]
    with torch.no_grad():
        twin.masks.copy_(torch.randn(twin.masks.shape, generator=random(seed)))
        if flip:
            twin.masks.neg_()
        before = twin(images)
        twin.normalise_readout()
        assert torch.allclose(twin(images), before, rtol=1e-3, atol=1e-5)
    assert torch.allclose(twin.masks.detach().abs().sum((1, 2)), torch.ones(5), atol=1e-5)
    assert (twin.masks.detach().sum((1, 2)) >= 0).all()


def test_a_neuron_whose_mask_is_zero_stays_finite():
    twin = small_twin()
    with torch.no_grad():
        twin.masks[0] = 0
        twin.normalise_readout()
        assert torch.isfinite(twin(smooth_images(1, 22)[:, :20])).all()
        assert torch.isfinite(twin.mask_centres()).all()


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_mask_centres_are_in_pixels_of_the_image(padding):
    twin = small_twin(padding=padding)
    with torch.no_grad():
        twin.masks.zero_()
        twin.masks[:, 4, 6] = 1
    offset = 3 if padding == "valid" else 0
    assert torch.allclose(twin.mask_centres(), torch.tensor([4.0 + offset, 6.0 + offset]).expand(5, 2))


def test_moving_the_image_moves_the_response():
    """Away from the border, a neuron whose mask is moved by a pixel answers to the moved image as before."""
    twin = small_twin(padding="valid", shape=(40, 40))
    images = torch.zeros(2, 40, 40)
    images[:, 15:25, 15:25] = torch.randn(2, 10, 10, generator=random())
    with torch.no_grad():
        twin.masks.zero_()
        twin.masks[0, 16, 17] = twin.masks[1, 17, 19] = 1
        twin.weights[1], twin.bias[1] = twin.weights[0], twin.bias[0]
        first, second = twin(images), twin(images.roll((1, 2), (1, 2)))
    assert torch.allclose(first[:, 0], second[:, 1], rtol=1e-5)


def test_poisson_loss_counts_only_what_was_recorded():
    rate = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    response = torch.tensor([[2.0, torch.nan], [0.0, 1.0]], dtype=torch.float64)
    expected = (1 - 2 * np.log(1 + LOG_OFFSET) + 3 + 4 - np.log(4 + LOG_OFFSET)) / 2
    assert poisson_loss(rate, response).item() == pytest.approx(expected)


def test_penalties_in_closed_form():
    point = torch.zeros(1, 2, 5, 5)
    point[0, 0, 2, 2] = 3.0
    # one kernel of one point: its Laplacian has 9 entries of the stencil
    assert roughness(point).item() == pytest.approx((9 + 4 * 0.25 + 4 * 0.0625), rel=1e-5)
    assert group_norm(point).item() == pytest.approx(1.0, rel=1e-3)
    assert group_norm(torch.ones(1, 4, 3, 3)).item() == pytest.approx(2.0, rel=1e-3)  # four equal kernels: sqrt 4
    twin = small_twin(neurons=2)
    with torch.no_grad():
        twin.masks.fill_(-0.5)
        twin.weights.fill_(2.0)
    size = twin.masks[0].numel() * 0.5 * twin.weights[0].numel() * 2.0
    only = PenaltyWeights(smoothness=0, sparsity=0, readout=0.1)
    assert penalty(twin, only).item() == pytest.approx(0.1 * 2 * size, rel=1e-5)


def test_gradients_against_finite_differences():
    twin = small_twin(neurons=2, shape=(8, 8), features=(1, 1, 1), kernels=(5, 3, 3)).double().train()
    twin.compute_dtype = torch.float64
    twin.core.layers[0].bank = twin.core.layers[0].bank.double()
    images = torch.randn(2, 8, 8, generator=random(), dtype=torch.float64)

    def loss(coefficients, masks, weights):
        values = {"core.layers.1.coefficients": coefficients, "masks": masks, "weights": weights}
        return functional.softplus(torch.func.functional_call(_InDouble(twin), values, (images,))).sum()

    class _InDouble(torch.nn.Module):
        def __init__(self, twin):
            super().__init__()
            self.core, self.masks, self.weights = twin.core, twin.masks, twin.weights

        def forward(self, images):
            features = self.core(images)
            return torch.einsum("nyx,nrf,brfyx->bn", self.masks, self.weights, features)

    leaves = [twin.core.layers[1].coefficients, twin.masks, twin.weights]
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    assert torch.autograd.gradcheck(loss, leaves, eps=1e-6, atol=1e-5, fast_mode=True)


def test_bfloat16_gives_nearly_the_gradient_of_float32():
    twin = small_twin(neurons=20).train()
    images = smooth_images(16, 22)[:, :20]
    response = torch.rand(16, 20, generator=random()) * 3
    gradients = []
    for twin.compute_dtype in (torch.float32, torch.bfloat16):
        twin.zero_grad()
        poisson_loss(twin(images), response).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in twin.parameters()]))
    cosine = functional.cosine_similarity(*gradients, dim=0)
    assert cosine > 0.995


def test_checkpoint_round_trip(tmp_path):
    twin = small_twin(padding="valid")
    torch.save(described(twin), tmp_path / "checkpoint.pt")
    again = restore(tmp_path / "checkpoint.pt")
    images = smooth_images(2, 22)[:, :20]
    with torch.no_grad():
        assert torch.equal(again(images), twin(images))


def test_what_is_no_checkpoint_is_named(tmp_path):
    torch.save({"state": {}}, tmp_path / "other.pt")
    for name in ("other.pt", "missing.pt"):
        with pytest.raises(UserError, match=name):
            restore(tmp_path / name)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("kernels", {"kernels": (9, 5)}),
        ("kernels", {"kernels": (8, 5, 5)}),
        ("rotations", {"rotations": 6}),
        ("padding", {"padding": "reflect"}),
        ("max_ranks", {"max_ranks": (3,)}),
    ],
)
def test_wrong_sizes_are_named(field, change):
    with pytest.raises(UserError, match=field):
        CoreSizes(**({"features": (2, 2, 2), "kernels": (9, 5, 5)} | change))


def test_an_image_smaller_than_the_first_filter_is_refused():
    with pytest.raises(UserError, match="images"):
        CoreSizes(features=(2,), kernels=(13,), padding="valid").map_shape((12, 20))

"""Singular values, Adam's equality with PyTorch's, and resuming of the optimiser of the digital twin."""

import copy

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.models.digital_twin.orthogonal_momentum import OrthogonalMomentum, orthogonalise


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 100), scale=st.floats(1e-3, 1e3))
def test_singular_values_become_nearly_equal_and_directions_stay(rows, columns, seed, scale):
    matrix = scale * random(rows, columns, seed=seed)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalise(matrix) @ right.T
    clear = values > 0.02 * values.norm()
    assert (found.diagonal()[clear] > 0.5).all() and (found.diagonal() < 1.3).all()
    assert (found - torch.diag(found.diagonal())).abs().max() < 0.02


def test_a_zero_gradient_is_no_step():
    assert torch.equal(orthogonalise(torch.zeros(4, 3)), torch.zeros(4, 3))


def test_groups_without_orthogonal_are_adam():
    ours, theirs = (torch.nn.Parameter(random(7, 3)) for _ in range(2))
    optimisers = (
        OrthogonalMomentum([{"params": [ours]}], 0.01, (0.8, 0.99)),
        torch.optim.Adam([theirs], 0.01, (0.8, 0.99)),
    )
    for _ in range(20):
        for weight, optimiser in zip((ours, theirs), optimisers, strict=True):
            optimiser.zero_grad()
            (weight**4).sum().backward()
            optimiser.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_first_step_has_the_size_of_the_learning_rate_whatever_the_gradient():
    for scale in (1e-4, 1e4):
        weight = torch.nn.Parameter(random(5, 8, 4))
        before = weight.detach().clone()
        optimiser = OrthogonalMomentum([{"params": [weight], "orthogonal": True}], 0.1)
        (scale * (weight * random(5, 8, 4, seed=1)).sum()).backward()
        optimiser.step()
        step = (weight.detach() - before).flatten(0, 1)  # all but the last axis are inputs
        values = torch.linalg.svdvals(step) / (0.1 * (40 / 4) ** 0.5)
        assert (values > 0.6).all() and (values < 1.3).all()


def test_an_interrupted_run_goes_on_to_the_same_bytes():
    def steps(weights, optimiser, count):
        for _ in range(count):
            optimiser.zero_grad()
            sum(((weight - 1) ** 2).sum() for weight in weights).backward()
            optimiser.step()

    def made(weights):
        weights = [torch.nn.Parameter(weight.clone()) for weight in weights]
        groups = [{"params": weights[:1], "orthogonal": True}, {"params": weights[1:]}]
        return weights, OrthogonalMomentum(groups, 0.01)

    start = [random(6, 4), random(5, seed=1)]
    whole, optimiser = made(start)
    steps(whole, optimiser, 10)
    first, optimiser = made(start)
    steps(first, optimiser, 4)
    state = copy.deepcopy(optimiser.state_dict())
    second, optimiser = made([weight.detach() for weight in first])
    optimiser.load_state_dict(state)
    steps(second, optimiser, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole, second, strict=True))

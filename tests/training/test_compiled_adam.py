"""The compiled update of Adam against the plain one."""

import math

import pytest
import torch

from calcium_latents.training.optimizer import PopulationAdam


def test_parameters_that_do_not_lie_in_rows_learn_as_well():
    start = torch.arange(24.0).reshape(2, 3, 4)
    found = []
    for laid_out in (start.clone(), start.mT.contiguous().mT):
        parameter = torch.nn.Parameter(laid_out)
        optimizer = PopulationAdam([parameter], torch.tensor([0.1, 0.2]))
        for step in range(3):
            parameter.grad = torch.cos(start + step)
            optimizer.step()
        found.append(parameter.detach())
    assert not found[1].is_contiguous()
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_compiled_update_is_the_plain_one(kind):
    torch.manual_seed(0)
    start = [torch.randn(2, 3, 5, dtype=kind), torch.randn(2, 40, dtype=kind)]
    gradients = [[torch.randn_like(p) for p in start] for _ in range(6)]
    gradients[3][0][1, 2, 2] = math.inf

    def run(compiled):
        parameters = [torch.nn.Parameter(p.clone()) for p in start]
        optimizer = PopulationAdam(parameters, torch.tensor([0.05, 0.01]), clip=5.0)
        if not compiled:
            optimizer._update_compiled = optimizer._update
        norms = []
        for step in gradients:
            for p, gradient in zip(parameters, step, strict=True):
                p.grad = gradient.mT.contiguous().mT.clone() if p.dim() == 3 else gradient.clone()
            norms.append(optimizer.step())
        return parameters, norms

    (ours, norms), (plain, _) = run(True), run(False)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other)
    expected = [sum((g.double() ** 2).flatten(1).sum(1) for g in step).sqrt().to(kind) for step in gradients]
    torch.testing.assert_close(norms, expected)

"""The loss that fits readouts anew: its closed form, what it does not depend on, and what it prefers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.reduced_rank_metric import reduced_rank_nll
from calcium_latents.models.lfads.validation import FOLDS

TRIALS, BINS, NEURONS, LATENTS = 40, 30, 12, 2
TRAINING, VALIDATION = torch.arange(0, 30), torch.arange(30, 40)


class Fixed:
    """Stands for a model whose factors `[P, trials, T, F]` do not depend on what it is shown."""

    def __init__(self, factors):
        self.factors, self.population = factors, len(factors)
        self.sizes = SimpleNamespace(factors=factors.shape[-1], neurons=NEURONS)
        self.asked = [TRAINING] * FOLDS + [VALIDATION] * FOLDS

    def posterior(self, batch, shown):
        assert shown.shape == (1, len(batch.event_value))
        return SimpleNamespace(factors=self.factors[:, self.asked.pop(0)].permute(2, 0, 1, 3))


def loss(events, factors):
    return reduced_rank_nll(Fixed(torch.as_tensor(factors)), TrialStore(events), TRAINING, VALIDATION, 1).numpy()


@pytest.fixture(scope="module")
def latents():
    time = np.arange(BINS) / BINS
    phase = np.random.default_rng(1).uniform(0, 2 * np.pi, (TRIALS, LATENTS, 1))
    return np.sin(2 * np.pi * (time * [[[2]], [[3]]] + phase.transpose(1, 0, 2))).transpose(1, 2, 0)


@pytest.fixture(scope="module", params=["lines", "anywhere", "everything"])
def events(request, latents):
    """Events of neurons whose log-odds are linear in the latents; neuron 3 has none."""
    rng = np.random.default_rng(2)
    odds = latents @ rng.normal(size=(LATENTS, NEURONS)) - 1.5
    values = (rng.uniform(size=odds.shape) < 1 / (1 + np.exp(-odds))) * rng.gamma(2.0, 1.0, odds.shape)
    values[..., 3] = 0.0
    if request.param == "lines":  # a few sampling patterns
        values[:, (np.arange(BINS)[:, None] - np.arange(NEURONS)) % 3 != 0] = np.nan
    elif request.param == "anywhere":  # too many of them
        values[rng.uniform(size=values.shape) < 0.5] = np.nan
    return torch.as_tensor(values, dtype=torch.float32)


def directly(events, z):
    """The same loss by sums over entries, for factors `[trials, T, F]` that do not depend on what is shown."""
    z = z.astype(float)
    rows = z[TRAINING].reshape(-1, z.shape[-1])
    mean = rows.mean(0)
    z = (z - mean) @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T, bias=True))).T
    fraction, readout, count = np.zeros(NEURONS), np.zeros((NEURONS, z.shape[-1])), np.zeros(NEURONS)
    for n in range(NEURONS):
        y, x = events[TRAINING, :, n].numpy(), z[TRAINING]
        x, y = x[~np.isnan(y)], y[~np.isnan(y)] > 0
        fraction[n], count[n] = y.mean(), len(y)
        if y.any():
            readout[n] = ((y - fraction[n])[:, None] * x).mean(0) / np.sqrt(fraction[n] * (1 - fraction[n]))
    u = np.linalg.svd((readout * np.sqrt(count)[:, None]).T)[0]
    moment = np.einsum("btf,btg->fg", z[VALIDATION], z[VALIDATION]) / (len(VALIDATION) * BINS)
    best = 0.0
    for rank in range(1, z.shape[-1] + 1):
        total = entries = 0.0
        for n in range(NEURONS):
            b = u[:, :rank] @ u[:, :rank].T @ readout[n]
            y, x = events[VALIDATION, :, n].numpy(), z[VALIDATION]
            x, y = x[~np.isnan(y)], y[~np.isnan(y)] > 0
            entries += len(y)
            if fraction[n] > 0:
                total += ((y - fraction[n]) * (x @ b)).sum() / np.sqrt(fraction[n] * (1 - fraction[n]))
                total -= 0.5 * len(y) * b @ moment @ b
        best = max(best, total / entries)
    return -best


def noisy(latents, size, seed=3):
    rng = np.random.default_rng(seed)
    extra = rng.normal(size=(*latents.shape[:2], 2))
    return np.concatenate([latents + size * rng.normal(size=latents.shape), extra], 2).astype(np.float32)


def test_it_is_the_sum_over_entries(events, latents):
    factors = np.stack([noisy(latents, 0.2), noisy(latents, 1.0)])
    both = loss(events, factors)
    np.testing.assert_allclose(both, [directly(events, member) for member in factors], rtol=1e-4)
    np.testing.assert_allclose(both[1:], loss(events, factors[1:]), rtol=1e-6)
    assert both[0] < both[1] < 0  # less noise in the factors explains more


def test_neither_a_change_of_basis_nor_copies_of_factors_matter(events, latents):
    factors = noisy(latents, 0.3)
    turn = np.random.default_rng(5).normal(size=(4, 4))
    expected = loss(events, factors[None])
    for other in (factors @ turn + 3.0, np.concatenate([factors, factors @ turn[:, :2]], 2)):
        np.testing.assert_allclose(loss(events, other[None].astype(np.float32)), expected, rtol=1e-3)


def test_factors_that_say_nothing_gain_nothing(events, latents):
    rng = np.random.default_rng(6)
    constant = np.ones((1, TRIALS, BINS, 3), np.float32)
    assert loss(events, constant) == 0
    assert -0.2 * abs(loss(events, noisy(latents, 0.0)[None])) < loss(
        events, rng.normal(size=constant.shape).astype(np.float32)
    )


def test_a_member_whose_factors_are_not_finite_has_no_loss(events, latents):
    factors = np.stack([noisy(latents, 0.2), noisy(latents, 0.2)])
    factors[0, 2, 5, 1] = np.nan
    first, second = loss(events, factors)
    assert np.isnan(first) and second == pytest.approx(loss(events, factors[1:])[0])

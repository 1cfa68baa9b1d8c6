"""Poisson regression: the minimum that other solvers find, the gradient that autograd finds, and no overflow."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import PoissonRegressor

from calcium_latents.errors import UserError
from calcium_latents.models.poisson_glm import regression as poisson_glm
from calcium_latents.models.poisson_glm.descent import Observations
from calcium_latents.models.poisson_glm.regression import PoissonRegression
from calcium_latents.seeds import generator


def scene(images=80, pixels=6, neurons=4, seed=1, missing=0.0, spread=1.0):
    """Images whose pixels are correlated, with variances far apart, and Poisson responses with NaN."""
    random = generator(seed, "tests", "scene")
    x = random.normal(size=(images, pixels)) @ (random.normal(size=(pixels, pixels)) * np.geomspace(2, 0.05, pixels))
    x = 0.7 + spread * x / x.std()
    drive = x @ random.normal(size=(pixels, neurons)) / np.sqrt(pixels)
    y = random.poisson(1.5 * np.exp(np.clip(drive - drive.mean(0), -3, 2))).astype(float)
    y[0] += 0.5  # responses need not be whole numbers
    y[random.random(y.shape) < missing] = np.nan
    return x, y


def objective(flat, x, y, penalty):
    """The loss as the module's docstring has it, for one neuron and its recorded images."""
    seen = ~np.isnan(y)
    log_rate = flat[0] + x[seen] @ flat[1:]
    with np.errstate(over="ignore"):
        rate = np.exp(log_rate)
    return (rate - y[seen] * log_rate).mean() + penalty / 2 * (flat[1:] ** 2).sum()


def exact(x, y, penalties, **options):
    return PoissonRegression(x, y, tolerance=1e-8, single_precision=False, **options).fit(penalties)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 5.0])
def test_minimum_is_scikit_learns(penalty):
    """Its objective has the same scale: half the deviance is this loss, and alpha / 2 the factor of |w|^2."""
    x, y = scene()
    ours = exact(x, y, penalty)
    for neuron in range(y.shape[1]):
        theirs = PoissonRegressor(alpha=penalty, solver="newton-cholesky", tol=1e-10, max_iter=500).fit(x, y[:, neuron])
        np.testing.assert_allclose(ours.filters[neuron], theirs.coef_, atol=1e-6)
        assert ours.intercepts[neuron] == pytest.approx(theirs.intercept_, abs=1e-6)
        np.testing.assert_allclose(ours.rates(x)[:, neuron], theirs.predict(x), rtol=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_minimum_is_scipys_where_responses_are_missing_and_penalties_differ(missing):
    x, y = scene(missing=missing, seed=2)
    penalties = np.array([0.05, 0.3, 2.0, 10.0])
    ours = exact(x, y, penalties)
    for neuron, penalty in enumerate(penalties):
        one = y[:, neuron]
        start = np.zeros(x.shape[1] + 1)
        best = minimize(objective, start, (x, one, penalty), method="BFGS", options={"gtol": 1e-9})
        found = np.concatenate([[ours.intercepts[neuron]], ours.filters[neuron]])
        assert objective(found, x, one, penalty) <= best.fun + 1e-10
        np.testing.assert_allclose(found, best.x, atol=1e-4)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_gradient_is_autograds(missing):
    x, y = scene(missing=missing, seed=3)
    inputs = np.column_stack([np.ones(len(x)), x])
    weights = generator(1, "tests", "weights").normal(size=(y.shape[1], inputs.shape[1])) * 0.3
    ours = Observations(inputs, y.T).gradient(weights @ inputs.T)
    variable = torch.tensor(weights, requires_grad=True)
    log_rates = torch.tensor(inputs) @ variable.T
    seen = torch.tensor(~np.isnan(y))
    losses = (torch.exp(log_rates) - torch.nan_to_num(torch.tensor(y)) * log_rates) * seen
    (losses.sum(0) / seen.sum(0)).sum().backward()
    np.testing.assert_allclose(ours, variable.grad.numpy(), rtol=1e-11, atol=1e-13)
    sums = Observations(inputs, y.T).summed_losses(weights)
    np.testing.assert_allclose(sums, losses.sum(0).detach().numpy(), rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(3, 30),
    st.integers(1, 40),
    st.floats(0.01, 100),
    st.floats(0.01, 30),
    st.floats(0, 0.6),
    st.booleans(),
)
@example(seed=0, images=27, pixels=33, penalty=0.125, spread=16.0, missing=0.5, single=False)
def test_every_fit_ends_at_its_tolerance(seed, images, pixels, penalty, spread, missing, single):
    """More pixels than images, contrasts that make exponentials explode, missing responses, either precision."""
    x, y = scene(images, pixels, 3, seed, missing, spread)
    y[:2] = np.nan_to_num(y[:2], nan=1.0)
    model = PoissonRegression(x, y, tolerance=1e-3, single_precision=single).fit(penalty)
    responded = np.nansum(y, 0) > 0
    tolerance = 1e-3 * np.maximum(1, np.nanmean(y, 0))
    assert (model.gradient_norms <= tolerance)[responded].all()
    assert np.isfinite(model.filters).all() and np.isfinite(model.intercepts).all()
    for neuron in np.flatnonzero(responded):  # never worse than the mean rate
        flat = np.concatenate([[model.intercepts[neuron]], model.filters[neuron]])
        null = np.concatenate([[np.log(np.nanmean(y[:, neuron]))], np.zeros(pixels)])
        values = [objective(weights, x, y[:, neuron], penalty) for weights in (flat, null)]
        assert values[0] <= values[1] + 1e-3 * (1 + abs(values[1]))
    extreme = model.rates(1e4 * x)
    assert np.isfinite(extreme).all() and np.isfinite(extreme.astype(np.float32)).all()


def test_a_gradient_of_zero_at_the_minimum_of_the_module_docstring():
    x, y = scene(seed=4)
    model = exact(x, y, 0.5)
    residual = model.rates(x) - y
    np.testing.assert_allclose(residual.mean(0), 0, atol=1e-7)
    np.testing.assert_allclose(residual.T @ x / len(x) + 0.5 * model.filters, 0, atol=1e-6)


def test_turning_the_images_turns_the_filters_and_nothing_else():
    x, y = scene(seed=5)
    turn = np.linalg.qr(generator(1, "tests", "turn").normal(size=(x.shape[1],) * 2))[0]
    plain, turned = exact(x, y, 0.4), exact(x @ turn, y, 0.4)
    np.testing.assert_allclose(turned.filters, plain.filters @ turn, atol=1e-6)
    np.testing.assert_allclose(turned.rates(x @ turn), plain.rates(x), rtol=1e-5)
    # pixels that never vary get no weight, those that repeat share it
    wide = exact(np.column_stack([x, np.full(len(x), 3.0)]), y, 0.4)
    np.testing.assert_allclose(wide.filters[:, -1], 0, atol=1e-8)
    np.testing.assert_allclose(wide.filters[:, :-1], plain.filters, atol=1e-6)


def test_neurons_know_nothing_of_each_other(monkeypatch):
    x, y = scene(neurons=5, seed=6)
    y[:, 1] = 0  # never responds
    y[3, 2] = np.nan
    together, validation = PoissonRegression(x, y).fit_cross_validated([0.1, 1.0], 3, 1)
    monkeypatch.setattr(poisson_glm, "BLOCK", 2)
    apart, other = PoissonRegression(x, y).fit_cross_validated([0.1, 1.0], 3, 1)
    np.testing.assert_array_equal(other.chosen, validation.chosen)
    np.testing.assert_allclose(apart.filters, together.filters, atol=2e-3)
    for neuron in (0, 2):
        alone = PoissonRegression(x, y[:, [neuron]]).fit(together.penalties[[neuron]])
        np.testing.assert_allclose(alone.filters[0], together.filters[neuron], atol=2e-3)
    assert (together.filters[1] == 0).all() and together.rates(x)[:, 1].max() < 1e-5


def test_single_precision_is_enough():
    x, y = scene(images=300, pixels=40, neurons=6, seed=7)
    coarse, fine = (PoissonRegression(x, y, single_precision=single).fit(0.3) for single in (True, False))
    np.testing.assert_allclose(coarse.filters, fine.filters, atol=1e-3)


def test_losses_are_those_of_fits_that_never_saw_the_held_out_images():
    x, y = scene(images=30, neurons=3, seed=8, missing=0.1)
    penalties = [5.0, 0.2]
    regression = PoissonRegression(x, y, tolerance=1e-8, single_precision=False)
    found = regression.cross_validate(penalties, 3, 4)
    assert found.penalties.tolist() == [0.2, 5.0]
    order = generator(4, "poisson_glm", "folds").permutation(30)
    expected = np.zeros((2, 3))
    for part in np.array_split(order, 3):
        seen = np.setdiff1d(order, part)
        for row, penalty in enumerate(found.penalties):
            rates = exact(x[seen], y[seen], penalty).rates(x[part])
            expected[row] += np.nansum(rates - y[part] * np.log(rates), 0)
    expected /= (~np.isnan(y)).sum(0)
    np.testing.assert_allclose(found.losses, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.chosen, expected.argmin(0))
    model, _ = regression.fit_cross_validated(penalties, 3, 4)
    np.testing.assert_array_equal(model.penalties, found.penalties[found.chosen])
    np.testing.assert_allclose(model.filters, exact(x, y, model.penalties).filters, atol=1e-6)


def test_cross_validation_prefers_strong_penalties_for_noise_and_weak_ones_for_signal():
    x, _ = scene(images=400, pixels=8, seed=9)
    random = generator(9, "tests", "signal")
    x = (x - x.mean(0)) / x.std(0)
    signal = random.poisson(np.exp(np.clip(1.2 * x[:, :1], None, 4)))
    noise = random.poisson(2.0, (400, 1))
    found = PoissonRegression(x, np.column_stack([signal, noise])).cross_validate([0.01, 0.1, 1, 10], 4, 1)
    assert found.chosen[0] == 0 and found.chosen[1] >= 2


def test_same_seed_same_numbers():
    x, y = scene()
    one, other = (PoissonRegression(x, y).fit_cross_validated([0.1, 1], 3, 2)[0] for _ in range(2))
    assert one.filters.tobytes() == other.filters.tobytes() and one.intercepts.tobytes() == other.intercepts.tobytes()


def test_bad_input_is_named():
    x, y = scene()
    with pytest.raises(UserError, match="images: expected finite"):
        PoissonRegression(np.where(x > 1, np.nan, x), y)
    with pytest.raises(UserError, match="responses: expected 0 or above, found values from -1"):
        PoissonRegression(x, y - 1)
    with pytest.raises(UserError, match="two or more images"):
        PoissonRegression(x[:5], y)
    with pytest.raises(UserError, match="found none for 1 .*column 2"):
        PoissonRegression(x, np.where(np.arange(4) == 2, np.nan, y))
    for penalties, folds in ([], 3), ([0.0, 1.0], 3), ([1.0], 1), ([1.0], 81):
        with pytest.raises(UserError, match="expected penalties above 0, and from 2 folds"):
            PoissonRegression(x, y).cross_validate(penalties, folds, 1)

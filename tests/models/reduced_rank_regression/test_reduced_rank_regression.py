"""Reduced-rank regression: the exact minimum of its penalised objective."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import Ridge

from calcium_latents.errors import UserError
from calcium_latents.models.reduced_rank_regression.regression import ReducedRankRegression, select_penalties
from calcium_latents.seeds import generator


def pairs(seed=1, rows=60, inputs=5, outputs=4, noise=1.0):
    random = generator(seed, "pairs")
    x = random.normal(size=(rows, inputs)) * np.linspace(0.5, 2, inputs) + 3
    y = x @ random.normal(size=(inputs, outputs)) + noise * random.normal(size=(rows, outputs)) - 2
    return x, y


def objective(model, x, y, penalty):
    return ((model.predict(x) - y) ** 2).sum() + penalty * ((model.encoder @ model.decoder) ** 2).sum()


@pytest.mark.parametrize("penalty", [0.1, 10.0, 300.0])
def test_full_rank_is_ridge_regression(penalty):
    x, y = pairs()
    model = ReducedRankRegression(x, y).fit(penalty, [4])[4]
    expected = Ridge(alpha=penalty).fit(x, y)
    np.testing.assert_allclose(model.encoder @ model.decoder, expected.coef_.T, atol=1e-10)
    np.testing.assert_allclose(model.predict(x), expected.predict(x), atol=1e-10)


@pytest.mark.parametrize("penalty", [1.0, 100.0])
def test_no_descent_finds_less_than_the_closed_form(penalty):
    x, y = pairs(2)
    model = ReducedRankRegression(x, y).fit(penalty, [2])[2]
    xc, yc = x - x.mean(0), y - y.mean(0)

    def value(flat):
        a, b = flat[:10].reshape(5, 2), flat[10:].reshape(2, 4)
        return ((xc @ a @ b - yc) ** 2).sum() + penalty * ((a @ b) ** 2).sum()

    best = min(
        minimize(value, generator(s, "descent").normal(size=18), method="L-BFGS-B", options={"maxiter": 5000}).fun
        for s in range(4)
    )
    ours = objective(model, x, y, penalty)
    assert ours <= best + 1e-6 * best
    assert ours == pytest.approx(best, rel=1e-5)


def test_directions_of_the_fitted_values_alone_do_worse():
    x, y = pairs(3, rows=30, noise=4.0)
    penalty = 40.0
    ours = ReducedRankRegression(x, y).fit(penalty, [1])[1]
    ridge = Ridge(alpha=penalty).fit(x, y)
    fitted = ridge.predict(x) - y.mean(0)
    direction = np.linalg.svd(fitted, full_matrices=False)[2][:1]
    weights = ridge.coef_.T @ direction.T @ direction
    naive = ((y - y.mean(0) - (x - x.mean(0)) @ weights) ** 2).sum() + penalty * (weights**2).sum()
    assert objective(ours, x, y, penalty) < naive - 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 1e4))
def test_error_never_rises_with_the_rank(seed, penalty):
    x, y = pairs(seed, rows=12)
    models = ReducedRankRegression(x, y).fit(penalty, [1, 2, 3, 4, 6])
    values = [objective(models[rank], x, y, penalty) for rank in (1, 2, 3, 4, 6)]
    assert all(later <= earlier + 1e-7 for earlier, later in zip(values, values[1:], strict=False))
    np.testing.assert_allclose(models[6].predict(x), models[4].predict(x), atol=1e-8)
    assert models[6].encoder.shape == (5, 6)


def test_validation_chooses_the_penalty():
    x, y = pairs(4, rows=40, inputs=20, outputs=6, noise=8.0)
    new_x, new_y = pairs(4, rows=400, inputs=20, outputs=6, noise=8.0)
    chosen = select_penalties(ReducedRankRegression(x, y), [1, 3], [0.1, 10.0, 1e3], new_x, new_y)
    for rank, (penalty, model) in chosen.items():
        error = ((model.predict(new_x) - new_y) ** 2).sum()
        for other in (0.1, 10.0, 1e3):
            rival = ReducedRankRegression(x, y).fit(other, [rank])[rank]
            assert error <= ((rival.predict(new_x) - new_y) ** 2).sum() + 1e-9
        assert penalty in (0.1, 10.0, 1e3)


def test_bad_input_is_named():
    x, y = pairs()
    with pytest.raises(UserError, match="finite"):
        ReducedRankRegression(np.where(x > 4, np.nan, x), y)
    with pytest.raises(UserError, match="two or more pairs"):
        ReducedRankRegression(x[:1], y[:1])
    with pytest.raises(UserError, match="penalty above 0"):
        ReducedRankRegression(x, y).fit(0.0, [1])

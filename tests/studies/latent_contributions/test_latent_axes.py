"""Principal and regression axes against SVD and scikit-learn; missing samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as ScikitRidge

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions.latent_axes import complete, principal_axes, regression_axes, whitened


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(1, 30), neurons=st.integers(1, 12), block=st.integers(1, 40), data=st.data())
def test_principal_axes_are_those_of_the_svd(frames, neurons, block, data):
    components = data.draw(st.integers(1, min(frames, neurons)))
    x = np.random.default_rng(frames * 100 + neurons).normal(size=(frames, neurons)) + 2
    found = principal_axes(x, components, block=block)
    _, s, vt = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.variance, s[:components] ** 2 / frames, atol=1e-10)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(components), atol=1e-10)
    np.testing.assert_allclose(((x - found.mean) @ found.axes).var(axis=0), found.variance, atol=1e-10)
    np.testing.assert_allclose(found.total_variance, (s**2).sum() / frames, atol=1e-10)
    assert found.accuracy < 1e-8
    leading = found.variance > 1e-9
    overlap = np.abs((found.axes[:, leading] * vt[:components].T[:, leading]).sum(axis=0))
    np.testing.assert_allclose(overlap, 1, atol=1e-6)
    assert (found.axes[np.abs(found.axes).argmax(axis=0), np.arange(components)] > 0).all()


def test_randomised_axes_are_close_where_variance_decays_and_say_how_close():
    rng = np.random.default_rng(0)
    scales = 0.7 ** np.arange(60)
    x = rng.normal(size=(300, 60)) * scales @ np.linalg.qr(rng.normal(size=(60, 60)))[0]
    exact, random = principal_axes(x, 5), principal_axes(x, 5, method="randomised", seed=1)
    np.testing.assert_allclose(random.variance, exact.variance, rtol=1e-8)
    np.testing.assert_allclose(random.axes, exact.axes, atol=1e-5)
    assert exact.accuracy < 1e-12 and random.accuracy < 1e-6
    white = rng.normal(size=(300, 60))
    assert principal_axes(white, 5).accuracy < 1e-12
    assert principal_axes(white, 5, method="randomised").accuracy > 1e-4
    np.testing.assert_array_equal(random.axes, principal_axes(x, 5, method="randomised", seed=1).axes)


@pytest.mark.parametrize(("frames", "neurons"), [(120, 6), (40, 70)])
def test_regression_axes_are_those_of_ridge_regression(frames, neurons):
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(frames, neurons)) + 5, rng.normal(size=(frames, 3)) - 2
    found = regression_axes(x, z, 0.1)
    alpha = 0.1 * ((x - x.mean(axis=0)) ** 2).sum() / min(frames, neurons)
    reference = ScikitRidge(alpha=alpha).fit(x, z)
    np.testing.assert_allclose(found.axes, reference.coef_.T, atol=1e-9)
    prediction = (x - found.mean) @ found.axes + found.offset
    np.testing.assert_allclose(prediction, reference.predict(x), atol=1e-9)
    np.testing.assert_allclose(found.residual, ((z - prediction) ** 2).sum(axis=0) / ((z - z.mean(0)) ** 2).sum(axis=0))
    assert (found.held_out_residual > found.residual).all()


def test_the_residual_tells_a_linear_model_from_another():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 8))
    linear, folded = x @ rng.normal(size=(8, 2)), np.abs(x[:, :1])
    found = regression_axes(x, np.hstack([linear, folded]), slack=0.0)
    assert (found.residual[:2] < 1e-6).all() and (found.held_out_residual[:2] < 1e-6).all()
    assert found.residual[2] > 0.9 and found.held_out_residual[2] > 0.95
    assert found.penalty[2] > found.penalty[0]
    # some of the fit buys smaller weights
    slack = regression_axes(x, linear, slack=0.05)
    assert (slack.penalty > found.penalty[:2]).all() and (slack.held_out_residual <= 0.05 + 1e-6).all()
    assert (np.linalg.norm(slack.axes, axis=0) < np.linalg.norm(found.axes[:, :2], axis=0)).all()


def test_whitened_latents():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3))
    w = whitened(z)
    np.testing.assert_allclose(np.cov(z @ w, rowvar=False, bias=True), np.eye(3), atol=1e-10)
    np.testing.assert_allclose(w, w.T, atol=1e-12)
    flat = np.hstack([z, z[:, :1]])  # a direction without variance
    np.testing.assert_allclose(
        np.linalg.eigvalsh(np.cov(flat @ whitened(flat), rowvar=False, bias=True)), [0, 1, 1, 1], atol=1e-9
    )
    assert whitened(z[:, :1]).shape == (1, 1)
    with pytest.raises(UserError, match="constant"):
        whitened(np.ones((5, 2)))


def test_missing_samples_are_never_passed_over():
    x = np.arange(12.0).reshape(4, 3)
    values, fraction = complete(x)
    np.testing.assert_array_equal(values, x)
    assert fraction == 0
    x[1, 2] = np.nan
    with pytest.raises(UserError, match="8.3% not taken"):
        complete(x)
    filled, fraction = complete(x.reshape(2, 2, 3), "mean")
    assert filled[0, 1, 2] == np.nanmean(x[:, 2]) and np.isfinite(filled).all() and fraction == 1 / 12
    with pytest.raises(UserError, match="no sample"):
        complete(np.array([[np.nan, 1.0]]), "mean")
    with pytest.raises(UserError, match="error or mean"):
        complete(x, "ignore")


def test_errors():
    x = np.random.default_rng(0).normal(size=(20, 4))
    bad = x.copy()
    bad[3, 1] = np.nan
    for call in (lambda: principal_axes(bad, 1), lambda: regression_axes(bad, x[:, :1])):
        with pytest.raises(UserError, match="frame 3, neuron 1"):
            call()
    for components in (0, 5):
        with pytest.raises(UserError, match="1 to 4"):
            principal_axes(x, components)
    with pytest.raises(UserError, match="exact or randomised"):
        principal_axes(x, 1, method="fast")
    with pytest.raises(UserError, match="not empty"):
        principal_axes(np.empty((0, 3)), 1)
    with pytest.raises(UserError, match="20 frames"):
        regression_axes(x, x[:10])
    with pytest.raises(UserError, match="positive"):
        regression_axes(x, x, 0.0)

"""Ridge regression on blocks of time, and its null."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from sklearn.linear_model import Ridge

from calcium_latents.studies.recordings import behaviour_prediction as prediction


def slow(rng, samples, columns, sd=20):
    """Return noise that is slow, as latents and behaviour are."""
    return gaussian_filter1d(rng.normal(size=(samples, columns)), sd, axis=0)


def test_blocks_are_predicted_from_others_alone_beyond_a_gap(monkeypatch):
    """As by scikit-learn, fitted for every block on samples at least `GAP_S` away."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.3 * rng.normal(size=400)
    monkeypatch.setattr(prediction, "PENALTIES", np.array([0.01]))
    found = prediction.predict(x, y, 0.2)
    z, at = (x - x.mean(0)) / x.std(0), np.arange(400)
    expected = np.zeros(400)
    for block in range(10):
        rows = slice(40 * block, 40 * block + 40)
        far = (at < rows.start - 5) | (at > rows.stop - 1 + 5)
        expected[rows] = Ridge(alpha=0.01 * far.sum()).fit(z[far], y[far]).predict(z[rows])
    np.testing.assert_allclose(found.predicted, expected, atol=1e-8)
    assert found.r2 > 0.95 and found.p == pytest.approx(1 / (1 + found.null.size))


def test_two_slow_signals_look_alike_by_chance_and_the_null_says_so():
    """Over many sessions, p is below 0.1 in about a tenth of them."""
    rng = np.random.default_rng(2)
    p = [prediction.predict(slow(rng, 600, 3), slow(rng, 600, 1)[:, 0], 0.1).p for _ in range(40)]
    assert (np.array(p) <= 0.1).mean() < 0.3 and np.mean(p) > 0.35


def test_shifts_are_distinct_and_long_enough():
    found = prediction.shifts(2000, 0.1)
    assert len(found) == 199 and found.min() == 100 and found.max() == 1900
    assert len(set(prediction.shifts(100, 0.1))) == 81


def test_components_find_the_common_drive_and_pass_over_missing_samples():
    rng = np.random.default_rng(3)
    drive = slow(rng, 1500, 1, 30)
    events = rng.poisson(np.exp(drive / drive.std() @ rng.normal(size=(1, 30)) * 0.7)).astype(float)
    events[rng.random(events.shape) < 0.3] = np.nan
    found = prediction.smoothed_components(events, 0.05, 0.5, 2)
    assert abs(np.corrcoef(found[:, 0], drive[:, 0])[0, 1]) > 0.9

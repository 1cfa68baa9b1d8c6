"""dF/F of traces with known baselines."""

import numpy as np
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings import preprocessing
from calcium_latents.recordings.preprocessing import delta_f_over_f, running_baseline, subtract_neuropil
from calcium_latents.seeds import generator


def test_constant_baseline():
    trace = np.full((3000, 2), 80.0)
    trace[::20] = 120.0
    np.testing.assert_allclose(running_baseline(trace, 30.0), 80.0)
    dff = delta_f_over_f(trace, 30.0)
    np.testing.assert_allclose(dff[::20], 0.5)
    assert np.abs(dff[1::20]).max() < 1e-12


def test_the_baseline_is_the_tenth_percentile():
    noise = generator(1, "tests", "baseline").normal(size=(6000, 3))
    baseline = running_baseline(100 + noise, 30.0)
    np.testing.assert_allclose(baseline, 100 + np.quantile(noise, 0.1), atol=0.1)


def test_slow_drift_is_removed_and_fast_change_kept():
    time = np.arange(18000) / 30
    drift = 100 * np.exp(-time / 3000)
    fast = np.where((time % 20) < 1, 0.4, 0.0)
    dff = delta_f_over_f((drift * (1 + fast))[:, None], 30.0)[:, 0]
    inner = (time > 60) & (time < 540)
    np.testing.assert_allclose(dff[inner], fast[inner], atol=0.03)


def test_missing_samples_are_bridged():
    trace = 100 + np.arange(3000.0)[:, None] / 100
    holed = trace.copy()
    holed[500:520] = np.nan
    np.testing.assert_allclose(running_baseline(holed, 30.0), running_baseline(trace, 30.0), rtol=1e-9)
    assert np.isnan(delta_f_over_f(holed, 30.0)).sum() == 20


@pytest.mark.parametrize("n_frames", [2, 50, 700])
def test_short_recordings(n_frames):
    trace = np.linspace(90, 110, n_frames)[:, None]
    assert np.isfinite(delta_f_over_f(trace, 30.0)).all()


def test_neuropil():
    random = generator(1, "tests", "neuropil")
    neuropil = 50 + random.normal(size=(100, 2))
    cell = 100 + random.normal(size=(100, 2))
    mixed = cell + 0.7 * (neuropil - neuropil.mean(axis=0))
    np.testing.assert_allclose(subtract_neuropil(mixed, neuropil), cell)
    with pytest.raises(UserError, match="neuropil: expected the shape"):
        subtract_neuropil(mixed, neuropil[:, :1])


def test_dff_has_no_dff():
    with pytest.raises(UserError, match=r"a.npy: fluorescence: .* `is_dff: true`"):
        delta_f_over_f(generator(1, "tests", "dff").normal(size=(300, 2)), 30.0, "a.npy")


def test_blocks_of_neurons_do_not_matter(monkeypatch):
    random = generator(1, "tests", "blocks")
    raw = (300 + random.normal(size=(900, 5))).astype(np.float32)
    neuropil = (50 + 3 * random.normal(size=(900, 5))).astype(np.float32)
    whole = delta_f_over_f(raw, 30.0, neuropil=neuropil, coefficient=0.5)
    less = raw.astype(float) - 0.5 * (neuropil - neuropil.mean(axis=0, dtype=float))
    baseline = running_baseline(less, 30.0)
    np.testing.assert_array_equal(whole, ((less - baseline) / baseline).astype(np.float32))
    monkeypatch.setattr(preprocessing, "BLOCK_SAMPLES", 1800)
    np.testing.assert_array_equal(delta_f_over_f(raw, 30.0, neuropil=neuropil, coefficient=0.5), whole)
    raw[:, 3] -= 300
    with pytest.raises(UserError, match=r"found one that reaches -.* in neuron 3, of 5 in all"):
        delta_f_over_f(raw, 30.0)

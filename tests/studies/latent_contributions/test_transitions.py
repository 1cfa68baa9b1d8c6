"""Transitions: found where they are, not found in noise."""

import numpy as np
import pytest
from scipy.signal import lfilter

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions.transitions import (
    detect_transitions,
    largest_step,
    noise_covariance,
    noise_distances,
    steps,
)


def noise(rng, frames, latents, memory):
    white = rng.normal(size=(frames + 200, latents))
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], white, axis=0)[200:] / np.arange(1, latents + 1)


def jumps(rng, frames, latents, every, size, ramp=0, memory=0.3):
    times = np.arange(every, frames - every // 2, every)
    states = rng.normal(size=(len(times) + 1, latents))
    states *= size / np.linalg.norm(states, axis=1, keepdims=True)
    path = states[np.searchsorted(times, np.arange(frames), side="right")]
    if ramp:
        path = np.stack(
            [np.convolve(p, np.ones(ramp) / ramp, "same") for p in np.pad(path, ((ramp, ramp), (0, 0)), "edge").T]
        )
        path = path.T[ramp:-ramp]
    return path + noise(rng, frames, latents, memory) / 3, times


def test_steps():
    z = np.random.default_rng(0).normal(size=(20, 2)) + 1e6
    found = steps(z, 3)
    assert np.isnan(found[:3]).all() and np.isnan(found[18:]).all() and np.isfinite(found[3:18]).all()
    np.testing.assert_allclose(found[5], z[5:8].mean(axis=0) - z[2:5].mean(axis=0), atol=1e-8)
    assert np.isnan(steps(z[:5], 3)).all()


def test_the_covariance_of_noise_withstands_transitions_and_units():
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(3, 3))
    clean = rng.normal(size=(4000, 3)) @ mixing
    spoilt = clean.copy()
    spoilt[:800] += rng.normal(size=(1, 3)) @ mixing * 20
    for vectors in (clean, spoilt):
        ratio = np.linalg.eigvals(np.linalg.solve(mixing.T @ mixing, noise_covariance(vectors))).real
        assert (np.abs(ratio - 1) < 0.15).all()
    distances = noise_distances(clean, noise_covariance(clean))
    scaled = clean * [1, 1e3, 1e-3]
    np.testing.assert_allclose(noise_distances(scaled, noise_covariance(scaled)), distances, rtol=0.1)


@pytest.mark.parametrize(("latents", "memory"), [(1, 0.0), (1, 0.8), (3, 0.0), (3, 0.8), (8, 0.5)])
@pytest.mark.parametrize("span", [3, 10])
def test_stationary_noise_has_no_transitions(latents, memory, span):
    """At a stated rate of 0.05 a recording: of 30, 1.5 are expected, and 7 or more have a chance below 0.001."""
    rng = np.random.default_rng(latents * 100 + span)
    found = [len(detect_transitions([noise(rng, 1500, latents, memory)], span)[0]) for _ in range(30)]
    assert sum(found) < 7


def test_the_rate_can_be_chosen():
    rng = np.random.default_rng(0)
    z = [noise(rng, 2000, 2, 0.0) for _ in range(10)]
    few, many = (detect_transitions(z, 5, false_positives=rate) for rate in (0.01, 100.0))
    assert few[1] > many[1] and len(few[0]) <= 1 and 10 < len(many[0]) < 300


def test_surrogates_tame_heavy_tails():
    """Of 19 surrogates alike, none is exceeded by chance in 1 recording of 20; a Gaussian's threshold often is."""
    rng = np.random.default_rng(7)
    heavy, tamed = 0, 0
    for _ in range(20):
        z, *others = (rng.standard_t(3, size=(400, 2)) for _ in range(20))
        limit = largest_step([z], [[other] for other in others], 2)
        heavy += len(detect_transitions([z], 2)[0]) > 0
        tamed += len(detect_transitions([z], 2, limit=limit)[0]) > 0
    assert heavy >= 12 and tamed <= 5
    assert largest_step([z], [], 2) == 0


@pytest.mark.parametrize("ramp", [0, 5])
def test_jumps_are_found_in_time_and_direction(ramp):
    rng = np.random.default_rng(3)
    z, times = jumps(rng, 2000, 3, 80, 3.0, ramp)
    found, threshold = detect_transitions([z], 8)
    assert threshold > 2
    peaks = np.array([transition.peak for transition in found])
    hit = np.abs(peaks[:, None] - times).min(axis=0) <= 3
    assert hit.mean() > 0.85 and (np.abs(peaks[:, None] - times).min(axis=1) > 5).sum() <= 1
    for transition in found:
        assert 0 <= transition.before[0] < transition.before[1] == transition.onset + 1 <= transition.peak
        assert transition.peak <= transition.end == transition.after[0] < transition.after[1] <= len(z)
        change = z[slice(*transition.after)].mean(axis=0) - z[slice(*transition.before)].mean(axis=0)
        np.testing.assert_allclose(transition.displacement, change, atol=1e-12)
        assert transition.height > 1
    durations = np.array([transition.end - transition.onset for transition in found])
    assert np.median(durations) == 1 if ramp == 0 else 3 <= np.median(durations) <= 8


def test_a_linear_map_of_the_latents_changes_nothing():
    rng = np.random.default_rng(4)
    z, _ = jumps(rng, 1500, 3, 100, 3.0)
    one, two = (detect_transitions([values], 8)[0] for values in (z, z @ np.diag([1.0, 50.0, 0.02]) + 5))
    assert len(one) > 8 and [t.peak for t in one] == [t.peak for t in two]


def test_trials_are_kept_apart():
    rng = np.random.default_rng(5)
    trials = [jumps(rng, 200, 2, 100, 4.0)[0] for _ in range(10)] + [rng.normal(size=(7, 2)) * 9]
    found, _ = detect_transitions(trials, 8)
    assert [t.trial for t in found] == sorted(t.trial for t in found) and {t.trial for t in found} <= set(range(10))
    # all trials but one bring their jump across the border: it must not be seen
    levels = [np.full((60, 1), 10.0 * (i % 2)) + rng.normal(size=(60, 1)) for i in range(20)]
    assert len(detect_transitions(levels, 5)[0]) <= 1


def test_edges():
    assert detect_transitions([], 3) == ([], np.inf)
    assert detect_transitions([np.zeros((50, 2))], 3) == ([], np.inf)
    assert detect_transitions([np.random.default_rng(0).normal(size=(8, 5))], 2)[0] == []
    with pytest.raises(UserError, match="finite"):
        detect_transitions([np.full((50, 2), np.nan)], 3)
    with pytest.raises(UserError, match="span"):
        detect_transitions([np.zeros((50, 2))], 0)
    with pytest.raises(UserError, match="positive"):
        detect_transitions([np.eye(50)[:, :2]], 3, false_positives=0)

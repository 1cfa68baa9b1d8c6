"""Scores of roles: identities, order of early and late neurons, invariances, edges, errors with names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import special_ortho_group

from calcium_latents.errors import UserError
from calcium_latents.studies.latent_contributions import roles
from calcium_latents.studies.latent_contributions.latent_axes import principal_axes

RATE = 10.0
LEADS = np.repeat([0.8, 0.0, -0.8], 4)  # s: early, with the others, late


def alternating(noise=0.0, transitions=12, leads=LEADS, seed=0):
    """Return activity [time, neuron] of neurons that go between -1 and 1 around frames of transitions, and these."""
    frames = 120 * np.arange(1, transitions + 1)
    time = np.arange(frames[-1] + 120)
    random = np.random.default_rng(seed)
    signs = random.choice([-1.0, 1.0], len(leads))
    activity = -np.ones((len(time), len(leads)))
    for index, frame in enumerate(frames):
        way = expit((time[:, None] - frame + leads * RATE) / 4)
        activity += 2 * way * (-1) ** index
    return activity * signs + noise * random.standard_normal(activity.shape), frames


@pytest.fixture(scope="module")
def scored():
    activity, frames = alternating()
    axes = principal_axes(activity, 1).axes
    scores, moved = roles.role_scores(activity, axes, frames, RATE)
    return activity, frames, axes, scores, moved


def test_every_method_is_scored_and_the_default_is_a_contribution(scored):
    *_, scores, moved = scored
    assert {role: set(methods) for role, methods in scores.items()} == {r: set(m) for r, m in roles.METHODS.items()}
    for role, name in roles.DEFAULT.items():
        assert roles.METHODS[role][name] == "contribution"
        assert roles.METHODS[role][roles.AS_WRITTEN[role]] == "contribution"
        for score in scores[role].values():
            assert score.shape == (len(LEADS),) and np.isfinite(score).all()
    assert len(moved.frames) == 12


@pytest.mark.parametrize("role", roles.METHODS)
def test_scores_of_time_order_early_and_late_neurons(scored, role):
    *_, scores, _ = scored
    early, late = LEADS > 0, LEADS < 0
    for method, score in scores[role].items():
        if method in ("variance", "shuffled", "late_activity", "late_share", "signed_late_movement"):
            continue
        first, last = (score[early], score[late]) if role == roles.INITIATOR else (score[late], score[early])
        assert first.min() > last.max(), method


def test_latents_help_where_a_neurons_own_change_is_lost_in_noise():
    """Early neurons of many, with noise of five times the amplitude: the ranking by crossing share is nearer."""
    leads = np.repeat([0.6, 0.0], 40)
    activity, frames = alternating(noise=5.0, transitions=40, leads=leads)
    scores, _ = roles.role_scores(activity, principal_axes(activity, 1).axes, frames, RATE)
    contrast = {
        name: (score[:40].mean() - score[40:].mean()) / score.std() for name, score in scores[roles.INITIATOR].items()
    }
    assert contrast["crossing_share"] > contrast["weighted_crossing"] > contrast["signed_early_movement"]


def test_early_shares_sum_to_the_latents_own_progress(scored):
    _, _, axes, scores, moved = scored
    before, crossing, late = (part @ axes for part in (moved.before, moved.crossing, moved.late))
    dz = late - before
    progress = ((crossing - before) * dz).sum(axis=1) / (dz**2).sum(axis=1)
    total = scores[roles.INITIATOR]["early_share"].sum()
    assert total == pytest.approx(progress.mean(), abs=1e-12)


def test_scores_do_not_depend_on_the_choice_of_axes_within_the_latent_space():
    activity, frames = alternating(noise=1.0)
    axes = principal_axes(activity, 3).axes
    turned = axes @ special_ortho_group.rvs(3, random_state=0)
    for role, methods in roles.role_scores(activity, axes, frames, RATE)[0].items():
        again = roles.role_scores(activity, turned, frames, RATE)[0][role]
        for method, score in methods.items():
            np.testing.assert_allclose(again[method], score, rtol=1e-9, atol=1e-9)


def test_aligned_is_the_projection_on_the_unit_reference():
    random = np.random.default_rng(0)
    part, reference = random.normal(size=(2, 7, 3))
    reference[:, 2] = 0
    expected = [part[:, i] @ reference[:, i] / np.linalg.norm(reference[:, i]) for i in range(2)]
    np.testing.assert_allclose(roles.aligned(part, reference), [*expected, 0.0], rtol=1e-13)


def test_net_influence_is_the_sum_over_pairs():
    random = np.random.default_rng(1)
    x, axes = random.normal(size=(30, 4)), np.linalg.qr(random.normal(size=(4, 2)))[0]
    frames, lag = np.array([5, 9, 20]), 3
    gram = axes @ axes.T
    expected = np.zeros(4)
    for t in frames:
        expected += x[t] * (gram @ x[t + lag]) - x[t] * (gram @ x[t - lag])
    size = np.sqrt((((x[frames + lag] - x[frames - lag]) @ gram) ** 2).sum(axis=0))
    np.testing.assert_allclose(roles.net_influence(x, axes, lag, frames), expected / size, rtol=1e-12)


def test_lagged_correlation_is_that_of_numpy():
    x = np.random.default_rng(2).normal(size=(50, 3)).cumsum(axis=0)
    x[:, 2] = 1.0
    found = roles.lagged_correlation(x, x, 4)
    assert found[0, 1] == pytest.approx(np.corrcoef(x[:-4, 0], x[4:, 1])[0, 1], rel=1e-12)
    assert (found[2] == 0).all() and (found[:, 2] == 0).all()


@settings(max_examples=20, deadline=None)
@given(delays=st.lists(st.integers(0, 5), min_size=2, max_size=6))
def test_peak_lags_of_copies_are_their_delays(delays):
    signal = np.random.default_rng(3).normal(size=600)
    x = np.stack([signal[10 - delay : 510 - delay] for delay in delays], axis=1)
    delays = np.array(delays)
    others = (delays.sum() - delays) / (len(delays) - 1)
    np.testing.assert_allclose(roles.peak_lag(x, 6), others - delays, atol=0.05)


def test_a_constant_neuron_has_no_peak_lag():
    x = np.random.default_rng(4).normal(size=(60, 3))
    x[:, 1] = 2.0
    assert roles.peak_lag(x, 3)[1] == 0


def test_half_rise_latency_is_minus_the_lead(scored):
    activity, *_, moved = scored
    latency = roles.half_rise_latency(activity - activity.mean(axis=0), moved, RATE)
    np.testing.assert_allclose(latency, -LEADS, atol=0.15)


def test_movers_are_those_that_move():
    change = np.random.default_rng(5).normal(size=(20, 10))
    change[:, 3] *= 0.01
    found = roles.movers(change)
    assert not found[3] and found.sum() == 9
    assert roles.movers(np.zeros((4, 3))).all()


def test_transitions_near_the_ends_are_left_out():
    activity, frames = alternating(transitions=3)
    axes = principal_axes(activity, 1).axes
    moved = roles.movements(activity, axes, [2, *frames, len(activity) - 1], RATE)
    np.testing.assert_array_equal(moved.frames, frames)
    with pytest.raises(UserError, match="expected at least one with 40 frames before and 65 after"):
        roles.movements(activity, axes, [2], RATE)
    with pytest.raises(UserError, match="found none among 0"):
        roles.movements(activity, axes, [], RATE)


def test_frames_near_transitions_come_once_and_within_the_session():
    np.testing.assert_array_equal(roles.frames_near(np.array([1, 5, 6]), (-2, 2), 10, 1), [1, 2, 3, 4, 5, 6, 7])


def test_wrong_inputs_are_named():
    activity, frames = alternating(transitions=3)
    axes = principal_axes(activity, 1).axes
    for lags in ([], [0.0], [np.nan]):
        with pytest.raises(UserError, match="lags_s"):
            roles.role_scores(activity, axes, frames, RATE, lags_s=lags)
    with pytest.raises(UserError, match="found shapes"):
        roles.role_scores(activity, axes[:-1], frames, RATE)
    activity[3, 2] = np.nan
    with pytest.raises(UserError, match="1 values not finite"):
        roles.role_scores(activity, axes, frames, RATE)

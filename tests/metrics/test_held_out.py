"""Held-out likelihoods against SciPy, and baselines that must win where they are right."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calcium_latents.errors import UserError
from calcium_latents.metrics.held_out import (
    EventParameters,
    at_samples,
    bernoulli_log_likelihood,
    fit_constant_rate,
    from_event_rate,
    predicted,
    smoothed,
    zero_inflated_gamma_log_likelihood,
)
from calcium_latents.metrics.held_out_scores import (
    compare_held_out,
    held_out_samples,
    pooled,
    score_held_out,
    score_samples,
)
from calcium_latents.metrics.smoothing import smooth
from calcium_latents.recordings import cut_windows, make_inferred, make_recording, stitch_windows

MINIMUM = 0.1


def simulate(probability, seed=0, shape=2.0, scale=0.3):
    """Draw zero-inflated gamma events with probability [trial, time, neuron]."""
    rng = np.random.default_rng(seed)
    size = MINIMUM + rng.gamma(shape, scale, probability.shape)
    return np.where(rng.random(probability.shape) < probability, size, 0.0)


@settings(max_examples=60, deadline=None)
@given(k=st.floats(0.1, 20), s=st.floats(0.01, 10), q=st.floats(0.001, 0.999), x=st.floats(0.102, 20))
def test_density_is_scipys(k, s, q, x):
    value = zero_inflated_gamma_log_likelihood(np.array([x, 0.0, np.nan]), EventParameters(k, s, q), MINIMUM)
    assert value[0] == pytest.approx(np.log(q) + stats.gamma.logpdf(x, k, loc=MINIMUM, scale=s), rel=1e-9, abs=1e-9)
    assert value[1] == pytest.approx(np.log1p(-q))
    assert np.isnan(value[2])


@settings(max_examples=60, deadline=None)
@given(
    k=st.floats(0.05, 20),
    s=st.floats(0.01, 20),
    q=st.floats(1e-4, 1 - 1e-4),
    x=st.one_of(st.just(0.0), st.just(MINIMUM), st.floats(MINIMUM, 20)),
)
def test_density_is_that_of_training(k, s, q, x):
    torch = pytest.importorskip("torch")
    from calcium_latents.distributions.zero_inflated_gamma import ZeroInflatedGamma

    trained = ZeroInflatedGamma(*(torch.tensor(v, dtype=torch.float64) for v in (q, k, s)), location=MINIMUM)
    expected = trained.log_prob(torch.tensor(x, dtype=torch.float64)).item()
    ours = zero_inflated_gamma_log_likelihood(np.array(x), EventParameters(k, s, q), MINIMUM)
    assert ours.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("q", [0.0, 1.0])
@pytest.mark.parametrize("k", [0.1, 1.0, 5.0])
def test_edges_of_the_support_stay_finite(q, k):
    events = np.array([0.0, MINIMUM, MINIMUM * (1 + 1e-9), 50.0])
    assert np.isfinite(zero_inflated_gamma_log_likelihood(events, EventParameters(k, 0.3, q), MINIMUM)).all()
    assert np.isfinite(bernoulli_log_likelihood(events, q)).all()


def test_constant_fit_recovers_the_parameters():
    probability = np.broadcast_to([0.05, 0.4], (4, 3000, 2))
    events = simulate(probability)
    fit = fit_constant_rate(events, np.ones(events.shape, bool), MINIMUM)
    np.testing.assert_allclose(fit.probability, [0.05, 0.4], rtol=0.1)
    np.testing.assert_allclose(fit.shape, 2.0, rtol=0.15)
    np.testing.assert_allclose(fit.scale, 0.3, rtol=0.15)


def test_a_neuron_without_training_events_borrows_sizes_and_keeps_a_small_rate():
    events = simulate(np.broadcast_to([0.0, 0.4], (1, 500, 2)))
    fit = fit_constant_rate(events, np.ones(events.shape, bool), MINIMUM)
    assert 0 < fit.probability[0] < 0.01 and np.isfinite(fit.shape[0])
    with pytest.raises(UserError, match="at least one event"):
        fit_constant_rate(np.zeros((1, 5, 2)), np.ones((1, 5, 2), bool), MINIMUM)


def all_samples(shape):
    """Return the numbers of trial, time and neuron of all samples, broadcasting to the shape."""
    return np.ix_(*map(np.arange, shape))


def modulated(kind, seed=0):
    """Probabilities [30, 200, 8] that are constant, drift per neuron, or drift together."""
    rng = np.random.default_rng(seed)
    phase = {
        "constant": None,
        "own": rng.uniform(0, 2 * np.pi, (30, 1, 8)),
        "population": rng.uniform(0, 6, (30, 1, 1)),
    }
    time = np.arange(200)[None, :, None] * 0.03
    if phase[kind] is None:
        return np.full((30, 200, 8), 0.15)
    return 0.15 * (1 + 0.95 * np.sin(2 * np.pi * 0.5 * time + phase[kind])) * np.ones((1, 1, 8))


@pytest.mark.parametrize("kind", ["constant", "own", "population"])
def test_the_right_baseline_wins(kind):
    probability = modulated(kind)
    events = simulate(probability)
    held = np.random.default_rng(5).random(events.shape) < 0.2
    constant = fit_constant_rate(events, ~held, MINIMUM)
    validation = np.random.default_rng(6).random(events.shape) < 0.1
    own, choice = smoothed(events, ~held, validation, constant, 0.03, population=False)
    population, _ = smoothed(events, ~held, validation, constant, 0.03, population=True)
    predictions = {
        "constant": constant,
        "smoothed own": own,
        "smoothed population": population,
        "truth": EventParameters(constant.shape, constant.scale, probability),
    }
    table = compare_held_out(score_held_out(events, held, predictions, MINIMUM))
    gain = table[table["likelihood"] == "bernoulli"].set_index("model")["bits_per_event"]
    if kind == "constant":
        assert abs(gain["smoothed own"]) < 0.02 and abs(gain["smoothed population"]) < 0.02
    else:
        better = "smoothed own" if kind == "own" else "smoothed population"
        other = {"smoothed own": "smoothed population", "smoothed population": "smoothed own"}[better]
        assert gain["truth"] > gain[better] > gain[other] and gain[better] > 0.1
        assert 0.05 <= choice["width_s"] <= 1


def test_held_out_samples_never_reach_the_predictions():
    events = simulate(modulated("own"))
    held = np.random.default_rng(5).random(events.shape) < 0.2
    validation = np.random.default_rng(6).random(events.shape) < 0.1  # some of them held out, too
    changed = np.where(held, 9.0, events)
    results = []
    for values in (events, changed):
        constant = fit_constant_rate(values, ~held, MINIMUM)
        results += [
            [smoothed(values, ~held, validation, constant, 0.03, population)[0].probability, constant.shape]
            for population in (False, True)
        ]
    for before, after in zip(results[:2], results[2:], strict=True):
        np.testing.assert_array_equal(before[0], after[0])
        np.testing.assert_array_equal(before[1], after[1])


def test_scores_add_up_whatever_the_windows_and_ignore_unsampled_bins():
    events = simulate(modulated("population"))
    events[:, ::3] = np.nan
    held = np.random.default_rng(5).random(events.shape) < 0.2
    constant = {"constant": fit_constant_rate(events, ~held, MINIMUM)}
    whole = score_held_out(events, held, constant, MINIMUM)
    pieces = score_held_out(events, held, constant, MINIMUM, window_bins=50)
    assert len(whole) == 30 and len(pieces) == 120
    assert whole["bernoulli_nats"].sum() == pytest.approx(pieces["bernoulli_nats"].sum())
    use = held & np.isfinite(events)
    full = zero_inflated_gamma_log_likelihood(events, constant["constant"], MINIMUM)
    assert whole["zero_inflated_gamma_nats"].sum() == pytest.approx(full[use].sum())
    assert whole["samples"].sum() == use.sum()


def test_a_method_that_is_too_sure_is_pooled_and_a_perfect_one_left_as_it_is():
    probability = modulated("population")
    events = simulate(probability)
    held = np.random.default_rng(5).random(events.shape) < 0.2
    constant = fit_constant_rate(events, ~held, MINIMUM)
    sure = np.where(probability > 0.15, 0.9, 1e-4)
    samples = held_out_samples(events, held)
    predictions = {
        name: samples.of(EventParameters(constant.shape, constant.scale, q))
        for name, q in (("constant", constant.probability), ("truth", probability), ("sure", sure))
    }
    bits = {}
    for pool in (None, "constant"):
        table = compare_held_out(score_samples(samples, predictions, MINIMUM, pool))
        bits[pool] = table[table["likelihood"] == "bernoulli"].set_index("model")["bits_per_event"]
    assert bits[None]["sure"] < -1 and 0.05 < bits["constant"]["sure"] < bits["constant"]["truth"]
    assert bits["constant"]["truth"] == pytest.approx(bits[None]["truth"], abs=2e-3)
    assert bits["constant"]["constant"] == 0


def test_no_sample_has_a_say_in_its_own_share():
    rng = np.random.default_rng(0)
    values, other = rng.normal(size=(2, 200))
    half = np.arange(200) % 2
    result = pooled(values, other, half)
    # all samples of a half but one change: that one's share, and so its value, stays
    changed = np.where((half == 0) & (np.arange(200) > 0), values + 1, values)
    assert pooled(changed, other, half)[0] == result[0]
    assert pooled(np.where(half == 1, values + 1, values), other, half)[0] != result[0]
    assert np.array_equal(pooled(values, other, np.zeros(200, int)), values)


def test_event_rates_become_probabilities_in_the_events_units():
    constant = EventParameters(np.array([2.0]), np.array([0.2]), np.array([0.1]))
    q = from_event_rate(np.array([[[30.0 * 0.5 * 0.2]]]), 30.0, constant, MINIMUM).probability
    assert q.item() == pytest.approx(0.2)


def test_comparison_with_itself_is_zero_and_errors_are_readable():
    events = simulate(modulated("constant"))
    held = np.zeros(events.shape, bool)
    constant = {"constant": fit_constant_rate(events, ~held, MINIMUM)}
    with pytest.raises(UserError, match="held-out samples"):
        score_held_out(events, held, constant, MINIMUM)
    held[:, ::5] = True
    scores = score_held_out(events, held, constant, MINIMUM)
    table = compare_held_out(scores)
    assert (table[["nats_per_event", "lower_bits", "upper_bits"]] == 0).all(axis=None)
    with pytest.raises(UserError, match="reference"):
        compare_held_out(scores, "radical")


def test_rates_are_those_of_the_bins_that_samples_fall_in():
    recording = xr.Dataset(
        {"trial_start": ("trial", [2.0]), "sample_offset": (("trial", "neuron"), [[0.0, 0.02]])},
        {"time": np.arange(3) / 30},
        {"imaging_rate_hz": 30.0},
    )
    rate = np.arange(9.0)[None, :, None] + np.array([0, 100])
    session = xr.Dataset({"event_rate": (("trial", "time", "neuron"), rate)}, {"time": 2 + np.arange(9) * 0.01})
    where = all_samples((1, 3, 2))
    found = at_samples(recording, session, where)[0]
    np.testing.assert_array_equal(found, [[0, 102], [3, 105], [6, 108]])
    late = session.assign_coords(time=session["time"] + 0.015)
    assert np.isnan(at_samples(recording, late, where)[0, 0, 0])


def test_rates_of_frames_hold_for_the_samples_of_the_frame():
    frames, neurons, width = 200, 3, 0.01
    events = np.random.default_rng(0).gamma(2.0, size=(1, frames, neurons)).astype(np.float32)
    for rate, offset in ((30.0, 0.0), (31.08, 0.0), (30.0, 0.012), (100 / 3, 0.02)):
        recording = make_recording(
            time=np.arange(frames) / rate,
            bin_width_s=1 / rate,
            imaging_rate_hz=rate,
            source="made up",
            events=events,
            sample_offset=np.full(neurons, offset),
        )
        for box in (recording, cut_windows(recording, width, 120 / rate, 0.0)):
            session = stitch_windows(smooth(box, "events", 1e-4), 0.0)
            found = at_samples(recording, session, all_samples(events.shape)) / rate
            np.testing.assert_allclose(found[0, 1:70], events[0, 1:70], rtol=1e-4)


def test_rates_of_frames_hold_for_frames_whose_times_jitter():
    jitter = np.random.default_rng(1).uniform(-0.4, 0.4, 200) / 30
    events = np.random.default_rng(0).gamma(2.0, size=(1, 200, 3)).astype(np.float32)
    recording = make_recording(
        time=1 + np.arange(200) / 30 + jitter,
        bin_width_s=1 / 30,
        imaging_rate_hz=30.0,
        source="made up",
        events=events,
        sample_offset=np.full(3, 0.02),
    )
    cut = cut_windows(recording, None, 1.0, 0.2)
    rate = make_inferred(event_rate=cut["events"].values, time=cut["time"].values, model="m", recording=cut)
    found = at_samples(recording, stitch_windows(rate, 0.2), all_samples(events.shape))
    np.testing.assert_allclose(found, events, rtol=1e-5)


@pytest.mark.parametrize("jitter", [0.0, 0.4])
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_bins_of_several_frames_are_read_at_their_own_frames(frames, jitter):
    rate, count = 25.0, 90
    moved = np.random.default_rng(1).uniform(-jitter, jitter, count) / rate
    recording = make_recording(
        time=1 + np.arange(count) / rate + moved,
        bin_width_s=1 / rate,
        imaging_rate_hz=rate,
        source="made up",
        events=np.zeros((1, count, 2), np.float32),
        trial_start=np.array([5.0]),
        sample_offset=np.array([0.0, 0.9 / rate]),
    )
    bins = np.arange(count // frames)
    session = make_inferred(
        event_rate=(1.0 + bins[None, :, None]) * np.array([1, 1000]),
        time=6 + bins * frames / rate,
        model="baseline",
        trial_start=np.zeros(1),
        attributes={"stitched": 1},
    )
    found = at_samples(recording, session, all_samples((1, count, 2)))[0]
    expected = 1 + np.arange(count) // frames
    np.testing.assert_array_equal(found, np.stack([expected, 1000 * expected], axis=1))


def test_samples_of_validation_choose_the_width_and_tell_of_no_others_meanwhile():
    """Events come in pairs of neighbours: what is chosen depends on whether the other one of a pair is seen."""
    rng = np.random.default_rng(0)
    events = np.repeat((rng.random((1, 3000, 4)) < 0.1) * 0.5, 2, axis=1)
    training = np.ones(events.shape, bool)
    constant = fit_constant_rate(events, training, MINIMUM)
    options = (constant, 0.03, False, (0.02, 2.0), (1.0,))
    alone = rng.random(events.shape) < 0.1
    pairs = np.repeat(rng.random((1, 3000, 4)) < 0.1, 2, axis=1)
    lone, both = (smoothed(events, training, validation, *options)[1] for validation in (alone, pairs))
    assert lone["width_s"] == 0.02 and both["width_s"] == 2.0
    assert lone["validation_nats"] > both["validation_nats"]


def test_the_validation_likelihood_is_that_of_its_samples_given_the_others():
    events = simulate(modulated("own"))[:2, :40, :3]
    training = np.random.default_rng(4).random(events.shape) < 0.9
    validation = np.random.default_rng(6).random(events.shape) < 0.2
    constant = fit_constant_rate(events, training, MINIMUM)
    found, choice = smoothed(events, training, validation, constant, 0.03, False, (0.06,), (3.0,))
    kernel = np.exp(-0.5 * (np.subtract.outer(np.arange(40), np.arange(40)) / 2) ** 2)
    kernel[np.abs(np.subtract.outer(np.arange(40), np.arange(40))) > 8] = 0  # four standard deviations

    def by_hand(seen):
        hits = np.einsum("ts,isn->itn", kernel, seen * (events > 0))
        return (3 * constant.probability + hits) / (3 + np.einsum("ts,isn->itn", kernel, seen.astype(float)))

    use = training & validation
    nats = bernoulli_log_likelihood(events, by_hand(training & ~validation))[use].mean()
    assert choice == {"width_s": 0.06, "strength": 3.0, "validation_nats": pytest.approx(nats, rel=1e-5)}
    np.testing.assert_allclose(found.probability, by_hand(training), rtol=1e-5)


def sized(seed=0):
    """A session [1, 3000, 2] whose events are small and large by turns; its recording and its Inferred."""
    time = np.arange(3000) / 30
    scale = np.where((time[None, :, None] % 4 < 2), 0.1, 0.9) * np.ones((1, 1, 2))
    probability = np.full(scale.shape, 0.2)
    rng = np.random.default_rng(seed)
    size = MINIMUM + rng.gamma(2.0, scale)
    recording = make_recording(
        time=time,
        bin_width_s=1 / 30,
        imaging_rate_hz=30.0,
        source="made up",
        events=np.where(rng.random(size.shape) < probability, size, 0.0),
    )
    inferred = make_inferred(
        event_rate=probability * (2 * scale + MINIMUM) * 30,
        time=time,
        model="radical",
        event_probability=probability,
        event_shape=np.full(scale.shape, 2.0),
        event_scale=scale,
        recording=recording,
    )
    return recording, inferred


def test_a_model_that_knows_sizes_gains_by_them_and_one_that_gives_rates_does_not():
    recording, inferred = sized()
    events = recording["events"].values
    held = np.random.default_rng(5).random(events.shape) < 0.3
    constant = fit_constant_rate(events, ~held, MINIMUM)
    bare = inferred.drop_vars(["event_probability", "event_shape", "event_scale"])
    predictions = {"constant": constant}
    for name, box in (("knows sizes", inferred), ("rates only", bare)):
        predictions[name], covered = predicted(recording, box, all_samples(events.shape), constant, MINIMUM)
        assert covered.all()
    table = compare_held_out(score_held_out(events, held, predictions, MINIMUM, window_bins=100))
    gain = table.set_index(["model", "likelihood"])["nats_per_event"]
    both = gain["knows sizes"]
    assert abs(both["bernoulli"]) < 0.05 and both["zero_inflated_gamma"] > 0.2
    both = gain["rates only"]
    assert both["bernoulli"] == pytest.approx(both["zero_inflated_gamma"], abs=1e-9)


def test_samples_outside_of_the_session_are_not_covered():
    recording, inferred = sized()
    constant = EventParameters(np.ones(2), np.ones(2), np.full(2, 0.1))
    late = inferred.assign_coords(time=inferred["time"] + 10)
    for box in (late, late.drop_vars(["event_scale"])):
        parameters, covered = predicted(recording, box, all_samples((1, 3000, 2)), constant, MINIMUM)
        assert not covered[0, :299].any() and covered[0, 301:].all()
        assert all(np.isfinite(value).all() for value in vars(parameters).values())

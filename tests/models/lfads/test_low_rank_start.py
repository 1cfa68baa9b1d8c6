"""Principal components to start from: planted latents are found, chance and gaps are not; a model that starts so."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from calcium_latents.errors import UserError
from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.family import LFADSFamily
from calcium_latents.models.lfads.family import start as begin
from calcium_latents.models.lfads.inference import infer_rates
from calcium_latents.models.lfads.low_rank_start import (
    FEWEST_LATENTS,
    LEAST_SLOPE_VARIANCE,
    find_low_rank_start,
    start_from,
)
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.observation import Moments, PoissonObservation, ZeroInflatedGammaObservation
from calcium_latents.models.lfads.parameters import LFADSSizes, StartOptions
from calcium_latents.training.streams import Streams

RATE_HZ, TRIALS, BINS, NEURONS = 30.0, 40, 120, 100


def planted(latents, seed=0, neurons=NEURONS):
    """Return events [trial, time, neuron], and the latents [trial, time, latent] that their probabilities are linear in
    (in log odds, their squares would be latents, too)."""
    rng = np.random.default_rng(seed)
    phase = np.arange(TRIALS * BINS)[:, None] / RATE_HZ * (0.3 + 0.17 * np.arange(latents)) + rng.random(latents)
    latent, weights = np.sin(2 * np.pi * phase), rng.normal(size=(latents, neurons))
    probability = 0.25 * (1 + latent @ (weights / np.abs(weights).sum(0)))
    size = 0.1 + rng.gamma(2.0, 0.3, probability.shape)
    events = np.where(rng.random(probability.shape) < probability, size, 0.0)
    shape = (TRIALS, BINS, -1)
    return torch.tensor(events.reshape(shape), dtype=torch.float32), latent.reshape(shape)


def noise(seed=0, neurons=NEURONS):
    rng = np.random.default_rng(seed)
    return torch.tensor(np.where(rng.random((TRIALS, BINS, neurons)) < 0.08, 0.5, 0.0), dtype=torch.float32)


def lacking(events, kind, seed=0):
    """Let samples of `events` be missing: the same frames of all neurons, or others of each."""
    rng, events = np.random.default_rng(seed), events.clone()
    if kind == "trials of their own lengths":
        for trial, length in enumerate(rng.integers(BINS // 2, BINS, TRIALS)):
            events[trial, length:] = torch.nan
    elif kind == "lost frames":
        events[torch.tensor(np.repeat(rng.random((TRIALS, BINS // 10)) < 0.3, 10, axis=1))] = torch.nan
    elif kind == "runs":
        hidden = np.repeat(rng.random((TRIALS, BINS // 15, events.shape[2])) < 0.1, 15, axis=1)
        events[torch.tensor(hidden)] = torch.nan
    return events


def start(events, most=16, seed=0):
    return find_low_rank_start(events, 1 / RATE_HZ, RATE_HZ, most, np.random.default_rng(seed))


def canonical_correlations(one, other):
    """Return those of two sets of columns [sample, column]."""
    bases = [np.linalg.qr(values - values.mean(0))[0] for values in (one, other)]
    return np.linalg.svd(bases[0].T @ bases[1])[1]


@pytest.mark.parametrize("kind", ["complete", "trials of their own lengths", "lost frames", "runs"])
@pytest.mark.parametrize("latents", [2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_latents_are_found_and_gaps_are_none(latents, seed, kind):
    events, latent = planted(latents, seed)
    found = start(lacking(events, kind), seed=seed)
    assert found.latents == latents
    assert found.projection.shape == found.slopes.T.shape == (NEURONS, latents)
    smooth = gaussian_filter1d(events.numpy().reshape(-1, NEURONS), 4.0, axis=0) @ found.projection
    correlations = canonical_correlations(smooth, latent.reshape(-1, latents))
    assert correlations.min() > 0.9


@pytest.mark.parametrize("kind", ["complete", "trials of their own lengths", "lost frames", "runs"])
def test_chance_gives_the_fewest_latents(kind):
    assert all(start(lacking(noise(seed), kind), seed=seed).latents == FEWEST_LATENTS for seed in range(3))


def test_a_gap_of_all_neurons_tells_nothing():
    """Lost frames at the end of trials, far from all else, change nothing."""
    events = planted(3)[0]
    longer = torch.cat([events, torch.full((TRIALS, 30, NEURONS), torch.nan)], dim=1)
    one, other = start(events), start(longer)
    assert one.latents == other.latents == 3
    np.testing.assert_allclose(np.abs(other.projection), np.abs(one.projection), rtol=1e-3, atol=1e-5)


def test_latents_have_variance_one_and_slopes_are_those_of_the_log_odds():
    """By hand, with every bin a row: bins of 0.1 s."""
    events = planted(2)[0]
    found = find_low_rank_start(events, 0.1, 10.0, 16, np.random.default_rng(0))
    sd = 0.5  # bins: the sd of 0.05 s
    ends = gaussian_filter1d(np.ones(BINS), sd, mode="constant")[:, None]
    sizes, happened = (
        (gaussian_filter1d(values.astype(float), sd, axis=1, mode="constant") / ends).reshape(-1, NEURONS)
        for values in (events.numpy(), events.numpy() > 0)
    )
    latent = (sizes - sizes.mean(0)) @ found.projection
    np.testing.assert_allclose(np.cov(latent.T), np.eye(found.latents), atol=1e-3)
    q = happened.mean(0)
    expected = latent.T @ (happened - q) / len(latent) / (q * (1 - q))
    np.testing.assert_allclose(found.slopes, expected, rtol=1e-3, atol=1e-4)
    # principal axes: each latent is an eigenvector of the correlations
    correlations = np.corrcoef(sizes.T)
    vectors = found.projection * sizes.std(0)[:, None]
    vectors /= np.linalg.norm(vectors, axis=0)
    values = np.sort(np.linalg.eigvalsh(correlations))[::-1][: found.latents]
    np.testing.assert_allclose(correlations @ vectors, vectors * values, atol=1e-3)


def test_slopes_in_closed_form():
    """Two groups of neurons fire all together in every other bin: latents and log odds follow by hand."""
    events = torch.zeros(4, 64, 6)
    events[:, ::2, :3] = 0.5  # far apart in time: smoothing over a twentieth of a bin leaves them as they are
    events[:, 2::4, 3:] = 2.0
    found = find_low_rank_start(events, 1.0, 20.0, 6, np.random.default_rng(0))
    assert found.latents >= 2
    slopes, projection = found.slopes[:2], found.projection[:, :2]
    correlation = np.corrcoef(events[..., 0].flatten(), events[..., 3].flatten())[0, 1]
    lambdas = 3 * (1 + correlation), 3 * (1 - correlation)
    for number, (value, sign) in enumerate(zip(lambdas, (1, -1), strict=True)):
        # eigenvector (1, 1, 1, s, s, s) / sqrt(6); the latent's covariance with a neuron is sqrt(eigenvalue) x loading
        sds = np.repeat([events[..., n].numpy().std() for n in (0, 3)], 3)
        loading = np.array([1, 1, 1, sign, sign, sign]) / np.sqrt(6)
        flip = np.sign(projection[0, number])
        np.testing.assert_allclose(flip * projection[:, number], loading / np.sqrt(value) / sds, rtol=1e-4)
        q = np.repeat([0.5, 0.25], 3)
        occurrence_sd = np.sqrt(q * (1 - q))
        np.testing.assert_allclose(flip * slopes[number], np.sqrt(value) * loading / occurrence_sd, rtol=1e-4)


def test_slopes_of_neurons_that_hardly_fire_stay_bounded():
    events = planted(2)[0]
    events[..., :2] = 0.0
    events[3, 50, 1] = 0.5
    found = start(events)
    assert np.isfinite(found.slopes).all() and np.isfinite(found.projection).all()
    np.testing.assert_array_equal(found.slopes[:, 0], 0)
    # one event of a probability below the bound's: at most sd(latent) x sd(occurrence) / bound
    assert 0 < np.abs(found.slopes[:, 1]).max() <= np.sqrt(1 / (TRIALS * BINS)) / LEAST_SLOPE_VARIANCE


def test_the_bound_holds_and_is_named():
    events = planted(5)[0]
    assert [start(events, most).latents for most in (1, 2, 4)] == [1, 2, 4]
    assert start(events[..., :1]).latents == 1
    with pytest.raises(UserError, match=r"model\.initialisation\.most_latents: expected 1 or more, found -1"):
        start(events, -1)


def make_model(observation=ZeroInflatedGammaObservation, seeds=(3, 4), **sizes):
    sizes = {"encoder": 8, "controller": 5, "generator": 12, "initial_condition": 6, "factors": 7, **sizes}
    return LFADS(LFADSSizes(neurons=NEURONS, **sizes), observation(NEURONS, len(seeds), 0.1), Streams(list(seeds)))


@pytest.mark.parametrize("observation", [ZeroInflatedGammaObservation, PoissonObservation])
def test_the_encoder_acts_on_the_latents_and_the_readout_has_their_slopes(observation):
    found = start(planted(3)[0])
    model, before = make_model(observation), make_model(observation)
    model.input_scale.fill_(4.0)
    start_from(model, found, 0.3)
    projection, slopes = (torch.as_tensor(value, dtype=torch.float32) for value in (found.projection, found.slopes))
    for member in range(2):
        weights = model.encoder_input[member].detach()
        values = torch.linalg.svdvals(weights)
        assert (values > 1e-4 * values[0]).sum() == 3
        on_latents = torch.linalg.lstsq(projection, weights).solution  # [L, 6 E]
        torch.testing.assert_close(projection @ on_latents, weights, rtol=1e-3, atol=1e-5)
        # an event of size x is fed as x times the input's scale; the random weights have sd 0.3 / sqrt(L)
        assert float((on_latents * 4.0).std() * 3**0.5) == pytest.approx(0.3, rel=0.2)
        readout = model.readout_weight[member, :, -1].detach()  # [F, N]
        directions = readout @ torch.linalg.pinv(slopes)  # [F, L]
        torch.testing.assert_close(directions @ slopes, readout, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(directions.T @ directions, torch.eye(3), rtol=1e-3, atol=1e-4)
    for name, value in model.named_parameters():
        if name not in ("encoder_input", "readout_weight"):
            assert torch.equal(value, before.state_dict()[name]), name
    assert torch.equal(model.readout_weight[:, :, :-1], before.readout_weight[:, :, :-1])


def test_members_keep_their_own_random_parts_in_company_and_alone():
    found = start(planted(3)[0])
    both = make_model()
    start_from(both, found, 0.3)
    for name in ("encoder_input", "readout_weight"):
        one, other = getattr(both, name).detach()
        assert not torch.allclose(one, other, atol=1e-2 * float(one.std()))
    for member, seed in enumerate((3, 4)):
        alone = make_model(seeds=(seed,))
        start_from(alone, found, 0.3)
        for name in ("encoder_input", "readout_weight"):
            torch.testing.assert_close(getattr(alone, name)[0], getattr(both, name)[member], rtol=1e-4, atol=1e-6)


def test_inputs_of_two_populations_that_look_the_same_along_the_latents_are_the_same():
    """Doubling every neuron leaves what the encoders see as it was, up to a factor of two in how it is shared."""
    events = planted(2)[0]
    one, twice = start(events), start(events.repeat(1, 1, 2), most=2)  # of more, each pair were one
    assert one.latents == twice.latents == 2
    np.testing.assert_allclose(np.abs(twice.projection[:NEURONS] * 2), np.abs(one.projection), rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(np.abs(twice.slopes[:, NEURONS:]), np.abs(one.slopes), rtol=1e-2, atol=1e-3)


def test_a_model_that_starts_so_is_finite_and_its_rates_are_near_the_means():
    events = lacking(planted(3)[0], "runs")
    model = make_model(inferred_inputs=3)
    options = StartOptions(
        input_scale="root_mean_square", readout="moments", readout_gain=0.3, generator_gain=1.5, most_latents=16
    )
    begin(model, options, Moments(events), start(events))
    rates = infer_rates(model, TrialStore(events), 4, Streams([1, 2]), keep_distribution=True, keep_spread=True)
    assert all(np.isfinite(value).all() for value in rates.values())
    means = np.nanmean(events.numpy(), axis=(0, 1))
    assert np.median(np.abs(np.log(rates["mean"].mean((0, 1)) / means))) < 0.5


def family(**changes):
    sizes = {"encoder": 4, "controller": 4, "generator": 6, "initial_condition": 4, "factors": 4}
    return LFADSFamily("radical", "zero_inflated_gamma", sizes, {"most_latents": 16} | changes, {}, {})


def test_a_family_has_an_input_for_each_latent_and_never_more_than_factors(events_path):
    from calcium_latents.recordings import read_recording

    recording = read_recording(events_path)
    made = family()
    made.load(recording, "recording", {})
    assert made.sizes["inferred_inputs"] == made._low_rank.latents and 2 <= made._low_rank.latents <= 4
    none = family(most_latents=0)
    none.load(recording, "recording", {})
    assert "inferred_inputs" not in none.sizes
    few = family()
    few.sizes["factors"] = 1
    few.load(recording, "recording", {})
    assert few.sizes["inferred_inputs"] == 1

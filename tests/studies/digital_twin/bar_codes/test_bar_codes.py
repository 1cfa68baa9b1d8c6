"""Soft cyclic shifts of bar codes and their alignment: closed forms, invariances, exact recovery."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ive

from calcium_latents.errors import UserError
from calcium_latents.seeds import generator
from calcium_latents.studies.digital_twin.bar_codes.bar_code_alignment import (
    Grid,
    PublishedOptions,
    coordinate_ascent,
    loss_gradient,
    published,
)
from calcium_latents.studies.digital_twin.bar_codes.bar_codes import (
    FOURIER,
    VON_MISES,
    RolledCodes,
    alignment_loss,
    check_codes,
    coherence,
    combine,
    in_drive_metric,
    pair_distance,
    rotation_energy,
    rotation_spectrum,
    shift_weights,
    soft_shift,
    unit_norm,
)

ROTATIONS, FEATURES = 8, 5
TURN = 2 * np.pi / ROTATIONS
CODES = arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 4)),
    elements=st.floats(-4, 4, width=16),
)
SHIFTS = st.floats(0, 2 * np.pi, exclude_max=True)


def random_codes(neurons=20, rotations=ROTATIONS, address="codes"):
    return unit_norm(generator(3, "tests", "bar codes", address).normal(size=(neurons, rotations, FEATURES)))


def rolled_copies(neurons=60, kinds=1, smooth=False):
    """Codes that are copies of one code a kind, moved by whole places; smooth ones by any angle."""
    rng = generator(4, "tests", "bar codes", "copies")
    kind = np.arange(neurons) % kinds
    if smooth:  # frequencies 0 to 2 over rotations alone
        angle = rng.uniform(0, 2 * np.pi, neurons)
        phase = rng.uniform(0, 2 * np.pi, (kinds, 3, FEATURES))
        place = TURN * np.arange(ROTATIONS)[:, None] - angle[:, None, None]
        codes = sum(np.cos(k * place + phase[kind, None, k]) for k in range(3))
        return unit_norm(codes), angle, kind
    places = rng.integers(0, ROTATIONS, neurons)
    template = rng.normal(size=(kinds, ROTATIONS, FEATURES))
    return (
        unit_norm(np.array([np.roll(template[k], j, 0) for k, j in zip(kind, places, strict=True)])),
        places * TURN,
        kind,
    )


def spread(angles):
    """Largest distance of angles to their mean direction."""
    z = np.exp(1j * np.asarray(angles))
    return np.abs(np.angle(z * np.conj(z.mean()))).max()


@pytest.mark.parametrize("kernel", [VON_MISES, FOURIER])
@pytest.mark.parametrize("rotations", [1, 2, 5, 8])
def test_weights_sum_to_one_and_are_what_the_formula_says(kernel, rotations):
    shift = np.array([0.0, 0.3, 2.0, 6.0])
    p = shift_weights(shift, rotations, 2.5, kernel)
    np.testing.assert_allclose(p.sum(axis=-1), 1)
    place = 2 * np.pi * np.arange(rotations) / rotations
    if kernel == VON_MISES:
        expected = np.exp(2.5 * np.cos(place - shift[:, None]))
        expected /= expected.sum(axis=1, keepdims=True)
    else:
        k = np.arange(-(rotations // 2), (rotations - 1) // 2 + 1)  # numpy's order of an even number: -R/2 once
        factor = ive(np.abs(k), 2.5) / ive(0, 2.5)
        expected = (factor * np.exp(1j * k * (place - shift[:, None])[..., None])).real.sum(axis=-1) / rotations
    np.testing.assert_allclose(p, expected, atol=1e-12)


def test_whole_shifts_are_rolls_without_smoothing():
    codes = random_codes()
    places = np.arange(len(codes)) % ROTATIONS
    expected = np.array([np.roll(code, j, axis=0) for code, j in zip(codes, places, strict=True)])
    for kernel in (VON_MISES, FOURIER):
        np.testing.assert_allclose(soft_shift(codes, places * TURN, np.inf, kernel), expected, atol=1e-12)
    np.testing.assert_allclose(soft_shift(codes, places * TURN, 1e3), expected, atol=1e-6)


def test_a_flat_kernel_gives_the_mean_over_rotations():
    codes = random_codes()
    mean = np.broadcast_to(codes.mean(axis=1, keepdims=True), codes.shape)
    for kernel in (VON_MISES, FOURIER):
        np.testing.assert_allclose(soft_shift(codes, np.full(len(codes), 1.0), 1e-12, kernel), mean, atol=1e-9)


def test_fourier_shifts_add_up_and_smooth_all_angles_alike():
    codes = random_codes(rotations=7)  # odd: no frequency R/2
    first, second = 0.37, 1.9
    twice = soft_shift(soft_shift(codes, np.full(20, first), np.inf, FOURIER), np.full(20, second), np.inf, FOURIER)
    np.testing.assert_allclose(twice, soft_shift(codes, np.full(20, first + second), np.inf, FOURIER), atol=1e-12)
    norms = [np.linalg.norm(soft_shift(codes, np.full(20, t), 3.0, FOURIER), axis=(1, 2)) for t in (0, 0.2, 2.2)]
    np.testing.assert_allclose(norms[1:], norms[:-1], rtol=1e-12)
    soft = [np.linalg.norm(soft_shift(codes, np.full(20, t), 30.0), axis=(1, 2)) for t in (0, np.pi / 7)]
    assert (soft[1] < 0.95 * soft[0]).all()  # which is why the kernel exists


@given(CODES)
@settings(max_examples=40, deadline=None)
def test_pair_distance_is_the_sum_over_pairs(codes):
    pairs = np.square(codes[:, None] - codes[None]).sum(axis=(2, 3)).mean()
    np.testing.assert_allclose(pair_distance(codes), pairs, rtol=1e-9, atol=1e-9)


@given(CODES)
@settings(max_examples=40, deadline=None)
def test_coherence_is_one_minus_the_relative_pair_distance(codes):
    power = np.square(codes).sum(axis=(1, 2)).mean()
    expected = 1 - pair_distance(codes) / (2 * power) if power else 0
    np.testing.assert_allclose(coherence(codes), expected, atol=1e-9)
    np.testing.assert_allclose(coherence(3 * codes), coherence(codes), atol=1e-9)


@given(CODES, st.integers(0, 20), st.floats(0.1, 20), SHIFTS)
@settings(max_examples=60, deadline=None)
def test_a_common_shift_by_whole_places_changes_no_loss(codes, places, temperature, angle):
    rotations = codes.shape[1]
    shift = angle + np.arange(len(codes))
    moved = shift + 2 * np.pi * places / rotations
    for kernel in (VON_MISES, FOURIER):
        first, second = (alignment_loss(codes, t, temperature, 1.5, kernel) for t in (shift, moved))
        np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9)


@given(CODES, st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_spectrum_and_energy_do_not_see_whole_shifts_and_keep_the_norm(codes, places):
    moved = np.roll(codes, places, axis=1)
    np.testing.assert_allclose(rotation_spectrum(moved), rotation_spectrum(codes), atol=1e-9)
    np.testing.assert_allclose(rotation_energy(moved), rotation_energy(codes), atol=1e-9)
    norms = np.square(rotation_spectrum(codes)).sum(axis=(1, 2))
    np.testing.assert_allclose(norms, np.square(codes).sum(axis=(1, 2)), atol=1e-9)


@given(CODES)
@settings(max_examples=40, deadline=None)
def test_unit_norm(codes):
    length = np.linalg.norm(unit_norm(codes), axis=(1, 2))
    zero = (codes == 0).all(axis=(1, 2))
    np.testing.assert_allclose(length, np.where(zero, 0, 1))
    np.testing.assert_allclose(unit_norm(codes * 1e-200), unit_norm(codes))


@st.composite
def codes_and_covariance(draw):
    """Codes, and a circulant covariance, possibly singular: that of few random features, averaged over turns."""
    codes = draw(CODES)
    rotations, features = codes.shape[1:]
    rank, scale = draw(st.integers(0, rotations * features)), draw(st.sampled_from([1e-3, 1.0, 1e3]))
    seen = generator(draw(st.integers(0, 99)), "tests", "covariance").normal(size=(rank, rotations, features))
    turned = np.concatenate([np.roll(seen, k, axis=1) for k in range(rotations)])
    return codes, scale * np.einsum("nrf,nsg->rfsg", turned, turned)


def squares(codes):
    return np.square(codes[:, None] - codes).sum(axis=(2, 3))


@given(codes_and_covariance())
@settings(max_examples=60, deadline=None)
def test_squared_distances_in_the_metric_of_drives_are_variances(both):
    codes, covariance = both
    difference = codes[:, None] - codes
    expected = np.einsum("abrf,rfsg,absg->ab", difference, covariance, difference)
    size = 1e-9 * np.abs(covariance).max() * max(np.square(codes).sum(), 1)
    np.testing.assert_allclose(squares(in_drive_metric(codes, covariance)), expected, atol=codes[0].size * size)


@given(codes_and_covariance(), st.integers(0, 9), st.floats(0.1, 20), st.sampled_from([VON_MISES, FOURIER]))
@settings(max_examples=60, deadline=None)
def test_the_metric_of_drives_commutes_with_shifts(both, places, temperature, kernel):
    codes, covariance = both
    size = 1e-6 * np.sqrt(np.abs(covariance).max()) * max(np.abs(codes).max(), 1)
    rolled = in_drive_metric(np.roll(codes, places, axis=1), covariance)
    np.testing.assert_allclose(rolled, np.roll(in_drive_metric(codes, covariance), places, axis=1), atol=size)
    shift = 0.3 + np.arange(len(codes))
    first = in_drive_metric(soft_shift(codes, shift, temperature, kernel), covariance)
    second = soft_shift(in_drive_metric(codes, covariance), shift, temperature, kernel)
    np.testing.assert_allclose(first, second, atol=size)


@given(CODES)
@settings(max_examples=40, deadline=None)
def test_an_identity_covariance_leaves_codes_as_they_are(codes):
    shape = codes.shape[1:]
    identity = np.eye(codes[0].size).reshape(shape + shape)
    np.testing.assert_allclose(in_drive_metric(codes, identity), codes, atol=1e-9)
    np.testing.assert_allclose(unit_norm(in_drive_metric(codes, 7 * identity)), unit_norm(codes), atol=1e-9)


def test_redundant_features_bring_codes_that_do_the_same_together():
    """Feature 1 is feature 0 half a turn on, so that a neuron may weigh either one; feature 2 is of its own."""
    half = ROTATIONS // 2
    seen = generator(8, "tests", "bar codes", "redundant").normal(size=(300, ROTATIONS, 3))
    seen[..., 1] = np.roll(seen[..., 0], half, axis=1)
    turned = np.concatenate([np.roll(seen, k, axis=1) for k in range(ROTATIONS)])
    covariance = np.einsum("nrf,nsg->rfsg", turned, turned) / len(turned)
    weights = generator(9, "tests", "bar codes", "redundant").normal(size=(ROTATIONS, 2))
    one, same, other = np.zeros((3, ROTATIONS, 3))
    one[:, 0], same[:, 1], other[:, 2] = weights[:, 0], np.roll(weights[:, 0], half), weights[:, 1]
    codes = unit_norm(np.array([one, same, other]))
    np.testing.assert_allclose(squares(codes)[0, 1:], 2)  # both as far from it as codes can be that are orthogonal
    found = squares(unit_norm(in_drive_metric(codes, covariance)))
    assert found[0, 1] < 1e-9 and found[0, 2] > 1


def test_wrong_covariances_are_named():
    codes = random_codes(2)
    good = np.eye(codes[0].size).reshape(2 * codes.shape[1:])
    for wrong, words in (
        (good[1:], "expected shape"),
        (np.where(good > 0, np.nan, 0), "finite"),
        (-good, "least eigenvalue of -1"),
        (good * np.arange(ROTATIONS)[:, None, None, None], "turning images"),
        (good + np.roll(good, 1, axis=0), "symmetric"),
    ):
        with pytest.raises(UserError, match=words):
            in_drive_metric(codes, wrong)


def test_products_of_rolled_codes():
    codes, template = random_codes(), random_codes(1, address="template")[0]
    rolled = RolledCodes(codes)
    weights = generator(5, "tests", "bar codes", "weights").normal(size=(len(codes), ROTATIONS))
    rolls = np.stack([np.roll(codes, j, axis=1) for j in range(ROTATIONS)], axis=1)
    np.testing.assert_allclose(rolled.overlap(template), np.einsum("njrf,rf->nj", rolls, template), atol=1e-12)
    np.testing.assert_allclose(rolled.total(weights), np.einsum("nj,njrf->rf", weights, rolls), atol=1e-12)
    np.testing.assert_allclose(combine(codes, weights), np.einsum("nj,njrf->nrf", weights, rolls), atol=1e-12)
    gram = np.einsum("njrf,nkrf->njk", rolls, rolls)
    np.testing.assert_allclose(rolled.times_autocorrelation(weights), np.einsum("njk,nk->nj", gram, weights))
    expected = np.einsum("aj,njk,ak->na", weights[:3], gram, weights[:3])
    np.testing.assert_allclose(rolled.squared_norm(weights[:3]), expected)


@pytest.mark.parametrize("rotations", [1, 4, 7])
def test_loss_and_gradient_equal_automatic_differentiation(rotations):
    codes = random_codes(6, rotations)
    shift = generator(6, "tests", "bar codes", "shift").uniform(0, 2 * np.pi, 6)
    loss, by_shift, by_temperature = loss_gradient(RolledCodes(codes), shift, 1.3, 1.5)
    t, temperature = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (shift, 1.3))
    w = torch.tensor(codes)
    place = 2 * np.pi * torch.arange(rotations, dtype=torch.float64) / rotations
    rolls = torch.stack([w.roll(j, 1) for j in range(rotations)], 1)

    def shifted(angle):
        return torch.einsum("nj,njrf->nrf", torch.softmax(temperature * torch.cos(place - angle[:, None]), 1), rolls)

    a = shifted(t)
    pairs = (a[:, None] - a[None]).square().sum((2, 3)).mean()  # the sum over pairs, written out
    expected = pairs + 1.5 * (shifted(torch.zeros_like(t)) - w).square().sum((1, 2)).mean()
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-10)
    np.testing.assert_allclose(loss, alignment_loss(codes, shift, 1.3, 1.5), rtol=1e-10)
    np.testing.assert_allclose(by_shift, t.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(by_temperature, temperature.grad.item(), atol=1e-12)


@pytest.mark.parametrize("temperature", [1.5, 6.0, np.inf])
@pytest.mark.parametrize("kernel", [VON_MISES, FOURIER])
def test_copies_moved_by_whole_places_are_aligned_exactly(kernel, temperature):
    codes, angle, _ = rolled_copies()
    found = coordinate_ascent(codes, temperature, seed=0, starts=3, kernel=kernel)
    assert spread(found.shift_rad + angle) < 1e-9
    assert np.ptp(found.aligned, axis=0).max() < 1e-9
    assert min(found.losses) < 1e-9


def test_copies_moved_by_any_angle_are_aligned_to_the_grid():
    codes, angle, _ = rolled_copies(smooth=True)
    found = coordinate_ascent(codes, np.inf, seed=0, starts=3, angles=64, kernel=FOURIER)
    assert spread(found.shift_rad + angle) < 1.01 * 2 * np.pi / 64
    whole = coordinate_ascent(codes, np.inf, seed=0, starts=3)
    assert pair_distance(found.aligned) < 0.05 * pair_distance(whole.aligned)


def test_the_published_alignment_recovers_copies():
    codes, angle, _ = rolled_copies(30, smooth=True)
    found = published(codes, 0, PublishedOptions(starts=1))
    assert spread(found.shift_rad + angle) < 0.05
    assert 0 < found.temperature < 1.5
    np.testing.assert_allclose(found.losses[0], alignment_loss(codes, found.shift_rad, found.temperature), rtol=1e-9)
    start = soft_shift(codes, np.full(30, np.pi), found.temperature)
    assert pair_distance(found.aligned) < 0.01 * pair_distance(start)


@pytest.mark.parametrize("kernel", [VON_MISES, FOURIER])
def test_no_step_of_the_ascent_shortens_the_mean(kernel):
    rolled = RolledCodes(random_codes(50))
    grid = Grid(rolled, 4.0, 16, kernel)
    places, lengths = generator(7, "tests", "bar codes", "places").integers(0, 16, 50), []
    for _ in range(30):
        mean = grid.mean(places)
        lengths.append(np.square(mean).sum())
        np.testing.assert_allclose(mean, unit_norm(grid.shifted(places)).mean(axis=0), atol=1e-12)
        places = grid.nearest(mean)
    assert (np.diff(lengths) > -1e-12).all() and lengths[-1] > 1.5 * lengths[0]


@given(CODES, st.sampled_from([0.5, 6.0, np.inf]), st.sampled_from([VON_MISES, FOURIER]))
@settings(max_examples=40, deadline=None)
def test_any_codes_are_aligned_to_something_finite(codes, temperature, kernel):
    """One neuron, zeros, constants: shifts in the range, the same again with the same seed."""
    found, again = (coordinate_ascent(codes, temperature, 1, starts=2, angles=9, kernel=kernel) for _ in range(2))
    assert ((found.shift_rad >= 0) & (found.shift_rad < 2 * np.pi)).all()
    assert np.isfinite(found.aligned).all()
    np.testing.assert_array_equal(found.aligned, again.aligned)
    quick = published(codes, 1, PublishedOptions(starts=1, most_steps=30))
    assert np.isfinite(quick.aligned).all() and np.isfinite(quick.losses[0])


def test_zeros_and_constants_have_closed_forms():
    zeros, constant = np.zeros((3, 8, 2)), np.ones((3, 8, 2))
    for codes in (zeros, constant):
        found = coordinate_ascent(codes, 3.0, 0)
        np.testing.assert_allclose(found.aligned, codes, atol=1e-12)
        assert alignment_loss(codes, np.arange(3.0), 3.0) == pytest.approx(0, abs=1e-12)
    one = coordinate_ascent(random_codes(1), 3.0, 0)
    assert one.shift_rad.shape == (1,) and min(one.losses) == pytest.approx(0, abs=1e-12)


def test_wrong_codes_and_options_are_named():
    with pytest.raises(UserError, match="found shape"):
        check_codes(np.ones((3, 4)))
    with pytest.raises(UserError, match="finite"):
        check_codes(np.full((1, 2, 2), np.nan))
    with pytest.raises(UserError, match="temperature"):
        coordinate_ascent(random_codes(), 0.0, 0)
    with pytest.raises(UserError, match="at least 8"):
        coordinate_ascent(random_codes(), 1.0, 0, angles=4)
    with pytest.raises(UserError, match="at least 1"):
        PublishedOptions(starts=0)
    with pytest.raises(UserError, match="above 0"):
        PublishedOptions(learning_rate=0.0)

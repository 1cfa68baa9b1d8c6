import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_feature_quadrature import shifted_eigenvalues
from scipy.integrate import quad
from scipy.special import eval_gegenbauer, gammaln
from scipy.stats import multivariate_normal

from calcium_latents.errors import UserError
from calcium_latents.theory import random_features as theory

DEGREES = np.arange(9)


def quadrature(degree, dimension, exponent):
    """Mean of [t]_+^p P_l(t) over the sphere; t = cos(angle) takes the ends of d = 2 out of the integrand."""

    def polynomial(t):
        if dimension == 2:
            return np.cos(degree * np.arccos(t))
        order = (dimension - 2) / 2
        return eval_gegenbauer(degree, order, t) / eval_gegenbauer(degree, order, 1.0)

    def smooth(angle):
        t = np.cos(angle)
        # [t]^p = (pi/2 - angle)^p times a smooth factor, which leaves the end to quad's weight.
        ratio = np.sin(np.pi / 2 - angle) / (np.pi / 2 - angle) if angle < np.pi / 2 else 1.0
        return ratio**exponent * polynomial(t) * np.sin(angle) ** (dimension - 2)

    area = np.sqrt(np.pi) * np.exp(gammaln((dimension - 1) / 2) - gammaln(dimension / 2))
    options = {"weight": "alg", "wvar": (0.0, exponent), "epsabs": 1e-13, "epsrel": 1e-12, "limit": 200}
    return quad(smooth, 0.0, np.pi / 2, **options)[0] / area


@pytest.mark.parametrize("dimension", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("exponent", [0, 0.5, 1, 1.7, 2, 3])
def test_coefficients_against_quadrature(dimension, exponent):
    expected = [quadrature(degree, dimension, exponent) for degree in DEGREES]
    np.testing.assert_allclose(theory.harmonic_coefficients(DEGREES, dimension, exponent), expected, atol=1e-11)


@pytest.mark.parametrize("dimension", [2, 3, 5])
@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_form_for_high_degrees(dimension, exponent):
    degrees = exponent + 1 + 2 * np.arange(60)
    size = gammaln(dimension / 2) + gammaln(exponent + 1) + gammaln((degrees - exponent) / 2)
    size -= np.log(np.pi) + (exponent + 1) * np.log(2) + gammaln((degrees + exponent + dimension) / 2)
    found = np.abs(theory.harmonic_coefficients(degrees, dimension, exponent))
    np.testing.assert_allclose(found, np.exp(size), rtol=1e-11)
    assert not theory.harmonic_coefficients(degrees + 1, dimension, exponent).any()


@pytest.mark.parametrize("dimension", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("exponent", [1, 1.7, 2, 3])
def test_eigenvalues_sum_to_the_trace(dimension, exponent):
    degrees = np.arange(3000)
    sizes = np.array([float(theory.multiplicity(int(degree), dimension)) for degree in degrees])
    total = (sizes * theory.kernel_eigenvalues(degrees, dimension, exponent)).sum()
    assert total == pytest.approx(theory.trace(exponent), rel=1e-8)


def test_traces():
    assert [theory.trace(p) for p in (0, 1, 2)] == pytest.approx([0.5, 0.5, 1.5], rel=1e-14)
    sample = np.random.default_rng(0).standard_normal(1_000_000)
    for exponent, threshold in ((0, 0.5), (1, -1.0), (2, 0.5), (0.5, -0.3)):
        terms = np.where(sample + threshold > 0, np.maximum(sample + threshold, 0.0) ** (2 * exponent), 0.0)
        error = 4 * terms.std() / np.sqrt(sample.size)
        assert theory.trace(exponent, threshold) == pytest.approx(terms.mean(), abs=error)
        tiny = theory.trace(exponent, 1e-12)
        assert tiny == pytest.approx(theory.trace(exponent), rel=1e-6)


def test_the_ring_is_two_dimensions_with_a_step():
    expected = [0.25, 1 / np.pi**2, 0, 1 / (9 * np.pi**2), 0, 1 / (25 * np.pi**2)]
    np.testing.assert_allclose(theory.kernel_eigenvalues(np.arange(6), 2, 0), expected, atol=1e-16)
    values, degrees = theory.spectrum(5, 2, 0)
    np.testing.assert_allclose(values, [0.25, *[1 / np.pi**2] * 2, *[1 / (9 * np.pi**2)] * 2], rtol=1e-13)
    np.testing.assert_array_equal(degrees, [0, 1, 1, 3, 3])


@pytest.mark.parametrize("exponent", [0, 1, 2])
@pytest.mark.parametrize("dimension", [2, 3, 4, 5])
def test_kernel_is_the_sum_of_its_harmonics(dimension, exponent):
    cosine = np.linspace(-0.9, 0.9, 7)
    largest = 2000
    degrees = np.arange(largest + 1)
    sizes = np.array([float(theory.multiplicity(int(degree), dimension)) for degree in degrees])
    terms = (sizes * theory.kernel_eigenvalues(degrees, dimension, exponent)) @ theory.legendre(
        largest, dimension, cosine
    )
    np.testing.assert_allclose(terms, theory.arc_cosine_kernel(cosine, exponent), atol=1e-4 if exponent == 0 else 1e-8)


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_kernel_against_samples(exponent):
    random = np.random.default_rng(exponent)
    pair = np.array([[1.0, 0, 0], [0.3, np.sqrt(1 - 0.09), 0]])
    drive = np.maximum(random.standard_normal((400_000, 3)) @ pair.T, 0)
    rates = drive**exponent if exponent else (drive > 0).astype(float)
    terms = rates[:, 0] * rates[:, 1]
    error = 4 * terms.std() / np.sqrt(len(terms))
    assert theory.arc_cosine_kernel(0.3, exponent) == pytest.approx(terms.mean(), abs=error)


#: alpha, fitted slope over ranks 11 to 500 of the exact spectrum.
SLOPES = {
    (2, 0): (2.000, 2.038), (2, 1): (4.000, 4.130), (2, 2): (6.000, 6.285),
    (3, 0): (1.500, 1.531), (3, 1): (2.500, 2.639), (3, 2): (3.500, 3.979),
    (4, 0): (1.333, 1.388), (4, 1): (2.000, 2.231), (4, 2): (2.667, 3.416),
    (5, 0): (1.250, 1.343), (5, 1): (1.750, 1.949), (5, 2): (2.250, 3.271),
}  # fmt: skip


@pytest.mark.parametrize(("dimension", "exponent"), SLOPES)
def test_slopes(dimension, exponent):
    alpha, fitted = SLOPES[dimension, exponent]
    assert theory.power_law_exponent(dimension, exponent) == pytest.approx(alpha, abs=6e-4)
    values, _ = theory.spectrum(500, dimension, exponent)
    assert theory.regression_slope(values, 11, 500) == pytest.approx(fitted, abs=6e-4)
    exact = theory.power_law_exponent(dimension, exponent)
    assert theory.degree_slope(2000, 4000, dimension, exponent) == pytest.approx(exact, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.floats(0, 3), st.integers(1, 3000))
def test_spectrum_is_sorted_and_complete(dimension, exponent, count):
    values, degrees = theory.spectrum(count, dimension, exponent)
    assert len(values) == len(degrees) == count
    assert (np.diff(values) <= 0).all() and (values > 0).all()
    # Nothing larger is left out.
    every = np.arange(degrees.max() + 50)
    missing = np.setdiff1d(every, degrees)
    assert theory.kernel_eigenvalues(missing, dimension, exponent).max() <= values[-1] * (1 + 1e-12)


@given(st.integers(2, 8), st.integers(0, 30))
def test_multiplicities(dimension, degree):
    """All harmonics up to a degree are the polynomials of that degree and of one below on the sphere."""
    from math import comb

    total = sum(theory.multiplicity(each, dimension) for each in range(degree + 1))
    below = comb(degree + dimension - 2, dimension - 1) if degree else 0
    assert total == comb(degree + dimension - 1, dimension - 1) + below


@pytest.mark.parametrize("dimension", [2, 3, 5])
@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_quadrature_over_thresholds_agrees_without_one(dimension, exponent):
    expected = theory.kernel_eigenvalues(np.arange(31), dimension, exponent)
    np.testing.assert_allclose(shifted_eigenvalues(30, dimension, exponent, 0.0), expected, atol=1e-12)


def test_quadrature_with_a_fractional_exponent():
    expected = theory.kernel_eigenvalues(np.arange(31), 3, 0.5)
    np.testing.assert_allclose(shifted_eigenvalues(30, 3, 0.5, 0.0), expected, atol=1e-6 * expected.max())


@pytest.mark.parametrize("threshold", [0.5, -1.0])
def test_thresholds_against_the_bivariate_normal(threshold):
    """For a step, the kernel is the probability that two correlated normal variables pass the threshold."""
    for cosine in (-0.5, 0.2, 0.7):
        expected = multivariate_normal(cov=[[1, cosine], [cosine, 1]]).cdf([threshold, threshold])
        values = shifted_eigenvalues(80, 3, 0, threshold)
        sizes = np.array([theory.multiplicity(degree, 3) for degree in range(81)])
        series = (sizes * values) @ theory.legendre(80, 3, cosine)
        assert series == pytest.approx(expected, abs=3e-4)


@pytest.mark.parametrize(("dimension", "exponent"), [(2, 0), (2, 1), (3, 0), (3, 1)])
@pytest.mark.parametrize("threshold", [0.5, -1.0])
def test_a_threshold_fills_the_gaps_and_keeps_the_exponent(dimension, exponent, threshold):
    values = shifted_eigenvalues(80, dimension, exponent, threshold)
    gaps = np.flatnonzero(theory.kernel_eigenvalues(np.arange(81), dimension, exponent) == 0)
    assert (values[gaps] > 1e-12).all()
    sizes = np.array([theory.multiplicity(degree, dimension) for degree in range(81)])
    left_out = (sizes * values)[-20:].mean() * 80
    assert (sizes * values).sum() == pytest.approx(theory.trace(exponent, threshold), abs=2 * left_out)
    # Averaged over octaves of degrees, as thresholds make the values of neighbours alternate.
    low, high = np.log(values[20:40]).mean(), np.log(values[40:80]).mean()
    slope = (low - high) / np.log(2)
    assert slope == pytest.approx(2 * exponent + dimension, abs=0.1)


def test_wrong_arguments():
    for call, match in (
        (lambda: theory.spectrum(10, 1, 0), "dimension"),
        (lambda: theory.spectrum(10, 3, -1), "exponent"),
        (lambda: theory.spectrum(0, 3, 1), "count"),
        (lambda: theory.arc_cosine_kernel(0.1, 3), "0, 1 or 2"),
        (lambda: theory.regression_slope(np.ones(5), 2, 9), "ranks 2 to 9"),
        (lambda: theory.degree_slope(5, 5, 2, 0), "first < last"),
    ):
        with pytest.raises(UserError, match=match):
            call()

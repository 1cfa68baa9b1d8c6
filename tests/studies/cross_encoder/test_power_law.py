import numpy as np
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.studies.cross_encoder import power_law
from calcium_latents.theory import random_features


@pytest.fixture(scope="module")
def spectra():
    return power_law.power_law_spectra((2, 3), (0, 1), features=700, samples=600, replicates=2, seed=3)


def test_eigenvalues_are_those_of_the_covariance():
    values = np.random.default_rng(0).random((7, 12))
    expected = np.linalg.eigvalsh(values @ values.T / (7 * 12))[::-1]
    np.testing.assert_allclose(power_law.activity_eigenvalues(values), expected, atol=1e-14)
    np.testing.assert_allclose(power_law.activity_eigenvalues(values.T), expected, atol=1e-14)


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2])
def test_activity(exponent):
    features, latents = np.array([[1.0, 2.0], [-1.0, 0.5]]), np.array([[0.6, 0.8], [1.0, 0.0], [0.0, -1.0]])
    drive = features @ latents.T + 0.3
    expected = np.where(drive > 0, np.abs(drive) ** exponent, 0.0)
    np.testing.assert_allclose(power_law.activity(features, latents, exponent, 0.3), expected, atol=1e-15)


def test_sphere():
    points = power_law.sphere(4000, 4, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(points.T @ points / 4000, np.eye(4) / 4, atol=0.02)


def test_first_eigenvalues_match_the_operator(spectra):
    """Within 5 % up to rank 10, and 15 % up to rank 50, at these few neurons and samples."""
    ratios = power_law.band_ratios(spectra, ((1, 1), (2, 10), (11, 50)))
    ratios = ratios[ratios["source"] == "simulated"].groupby(["dimension", "exponent", "first_rank"])["ratio"].mean()
    for (dimension, exponent, first), ratio in ratios.items():
        tolerance = {1: 0.05, 2: 0.08, 11: 0.2}[first]
        assert ratio == pytest.approx(1, abs=tolerance), (dimension, exponent, first)


def test_infinitely_many_neurons_leave_the_bias_of_the_samples(spectra):
    ratios = power_law.band_ratios(spectra, ((11, 50), (101, 300))).set_index(["source", "exponent", "dimension"])
    few, tail = (ratios[ratios["first_rank"] == first]["ratio"] for first in (11, 101))
    for exponent in (0, 1):
        for dimension in (2, 3):
            infinite = few["infinite neurons", exponent, dimension].item()
            assert infinite == pytest.approx(1, abs=0.1)
    # A steep spectrum's tail is lost to finite N; only part of that is due to finite T.
    lost, finite = (tail[source, 1, 2].mean() for source in ("infinite neurons", "simulated"))
    assert finite < 0.6 * lost < 0.6


def test_shuffled_activity_has_no_power_law(spectra):
    ratios = power_law.band_ratios(spectra, ((2, 10), (101, 300)))
    null = ratios[ratios["source"] == "shuffled"].set_index("first_rank")["ratio"]
    assert (null[101] > 10).all()
    # A few components beyond the mean hold the variance; shuffled, they do not.
    few = spectra[spectra["rank"].between(2, 10) & (spectra["replicate"] == 0)]
    share = few.groupby(["source", "dimension", "exponent"])["eigenvalue"].sum()
    assert (share["shuffled"] < 0.3 * share["simulated"]).all()


def test_slopes_stand_beside_the_exact_spectrum(spectra):
    table = power_law.slopes(spectra).set_index(["dimension", "exponent"])
    assert table.index.tolist() == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert (table["last_rank"] == 200).all()
    np.testing.assert_allclose(table["degree_slope"], table["alpha"], atol=0.005)
    for (dimension, exponent), row in table.iterrows():
        values, _ = random_features.spectrum(200, dimension, exponent)
        assert row["exact_slope"] == pytest.approx(random_features.regression_slope(values, 11, 200), rel=1e-12)
    # The step on the circle is the one spectrum that a regression finds.
    assert table.loc[(2, 0), "simulated_slope"] == pytest.approx(table.loc[(2, 0), "exact_slope"], abs=0.1)
    assert table.loc[(2, 1), "simulated_slope"] - table.loc[(2, 1), "exact_slope"] > 0.2


def test_same_seed_same_spectra(spectra):
    again = power_law.power_law_spectra((3,), (1,), features=700, samples=600, replicates=2, seed=3)
    mine = spectra[(spectra["dimension"] == 3) & (spectra["exponent"] == 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, mine)


def test_other_exponents_have_no_closed_kernel():
    table = power_law.power_law_spectra((3,), (0.5,), features=60, samples=80, replicates=1, seed=0)
    assert set(table["source"]) == {"simulated", "shuffled"}
    with pytest.raises(UserError, match="exponent"):
        power_law.infinite_neuron_eigenvalues(np.eye(3), 3)


def test_thin_ranks_keep_the_first_and_the_last(spectra):
    thin = power_law.thin_ranks(spectra)
    assert len(thin) < len(spectra) / 4
    ranks = sorted(thin["rank"].unique())
    assert ranks[:30] == list(range(1, 31)) and ranks[-1] == 600
    assert np.diff(np.log10(ranks[30:])).max() < 0.05


def test_octave_ratios_and_gaps():
    rank = np.arange(1, 9)
    exact = 1.0 / rank**2
    spectra = pd.DataFrame({"source": "simulated", "replicate": 0, "rank": rank, "exact_eigenvalue": exact})
    found = power_law.octave_ratios(spectra.assign(eigenvalue=exact * 2 ** np.floor(np.log2(rank))), "simulated")
    np.testing.assert_allclose(found["ratio"], [1, 2, 4, 8])
    np.testing.assert_allclose(found["rank"], [1, 6**0.5, (4 * 5 * 6 * 7) ** 0.25, 8])
    assert power_law.octave_ratios(spectra.assign(eigenvalue=0.0), "simulated").empty
    checks = pd.DataFrame({"identity": ["a", "a", "b"], "value": [1.0, 4.0, 9.0], "exact": [2.0, 2.0, 0.0]})
    assert power_law.largest_gap(checks, "a") == 2 and np.isnan(power_law.largest_gap(checks, "c"))

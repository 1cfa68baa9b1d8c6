import numpy as np
import pandas as pd
import pytest

from calcium_latents.errors import UserError
from calcium_latents.recordings.netcdf import read_dataset
from calcium_latents.simulation.networks.ring_network import equal_angles, initial_state, random_angles, simulate_exact
from calcium_latents.studies.cross_encoder import solvable_checks, solvable_network
from calcium_latents.studies.cross_encoder.commands import solvable_network as command
from calcium_latents.studies.cross_encoder.power_law import power_law_spectra
from calcium_latents.studies.cross_encoder.solvable_network import SolvableNetworkParameters
from calcium_latents.theory import ring

SMALL = {
    "neurons": 120, "network_sizes": [16, 33, 64], "random_networks": 6, "dimensions": [2, 3], "exponents": [0, 1],
    "features": 200, "samples": 150, "replicates": 2, "readout_neurons": 256, "readout_sizes": [1, 16], "draws": 1500,
    "low_rank_sizes": [500], "low_rank_networks": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def parameters():
    return SolvableNetworkParameters.from_mapping(SMALL)


@pytest.fixture(scope="module")
def box(parameters):
    return solvable_network.ring_network_box(parameters, 1)


@pytest.fixture(scope="module")
def process(parameters):
    return solvable_network.gaussian_process_box(parameters, 1)


@pytest.fixture(scope="module")
def checks(parameters, box, process):
    sizes = (parameters.dimensions, parameters.exponents, parameters.features, parameters.samples)
    spectra = power_law_spectra(*sizes, parameters.replicates, 1)
    return solvable_checks.checks_table(parameters, box, spectra, process, 1)


@pytest.mark.parametrize("neurons", [20, 64])
def test_correlations_over_a_turn_are_exact(neurons):
    angles = equal_angles(neurons)
    found = solvable_network.cycle_correlations(solvable_network.simulate_turns(angles, 6))
    np.testing.assert_allclose(found, ring.pairwise_correlation(angles[:, None] - angles), atol=1e-10)


def test_correlations_agree_with_sampled_activity():
    angles = random_angles(50, np.random.default_rng(0))
    run = solvable_network.simulate_turns(angles, 4)
    start, end = solvable_network.last_turn(run)
    activity = run.activity(start + (end - start) * (np.arange(40_000) + 0.5) / 40_000)
    np.testing.assert_allclose(solvable_network.cycle_correlations(run), np.corrcoef(activity.T), atol=1e-3)


def test_a_network_at_rest_has_no_turn():
    angles = equal_angles(4)
    with pytest.raises(UserError, match="rests"):
        solvable_network.last_turn(simulate_exact(angles, initial_state(angles, [0.7, 0.5]), 30.0))


def test_ring_box(box):
    equal, random = box.sel(spacing="equal"), box.sel(spacing="random")
    assert float(equal["correlation_error_max"]) < 1e-10 < float(random["correlation_error_rms"]) < 0.2
    np.testing.assert_allclose(equal["eigenvalue"], box["finite_eigenvalue"], atol=1e-12)
    assert float(equal["participation_ratio"]) == pytest.approx(3, abs=3e-3)
    assert float(equal["latent_participation_ratio"]) == pytest.approx(2, abs=1e-6)
    np.testing.assert_allclose(box["period_error_equal"], box["period_error_exact"], atol=1e-11)
    assert np.nanmedian(np.abs(box["period_error_random"])) > 3 * float(box["period_error_exact"].median())
    np.testing.assert_allclose(equal["latents"], box["exact_latents"], atol=0.1)
    np.testing.assert_allclose(np.hypot(*np.moveaxis(box["exact_latents"].values[:, -1], -1, 0)), 1, atol=1e-6)
    # What is active at a time lies within a quarter turn of the latents.
    time = 250
    phase = np.arctan2(*equal["latents"].values[0, time][::-1])
    expected = np.cos(box["neuron_angle"].values - phase) > 0
    np.testing.assert_array_equal(box["activity"].values[time], expected)


def test_process_box(process):
    error = np.abs(process["covariance"] - process["exact_covariance"]).max()
    assert error < 5 * np.sqrt(0.5 / 1500)
    assert np.abs(process["covariance"] - process["printed_covariance"]).max() > 2.5
    assert process["antisymmetry_error"].max() < 1e-12
    within = np.abs(process["kurtosis"] - process["exact_kurtosis"]) < 4 * process["kurtosis_standard_error"]
    assert within.all()
    normal = process["quantiles"].sel(readout_size=256)
    assert float(normal.sel(quantile=0.5, method="nearest")) == pytest.approx(0, abs=0.15)
    # Half of the readouts of a single neuron are zero.
    assert (process["quantiles"].sel(readout_size=1) == 0).mean() == pytest.approx(0.5, abs=0.1)


def test_every_check_holds(checks):
    demanded = checks.dropna(subset=["tolerance"])
    assert len(demanded) > 50
    failing = demanded[demanded["holds"] != 1]
    assert not len(failing), failing.to_string()
    assert (demanded["error"] <= demanded["tolerance"]).all()
    assert not checks[["value", "exact"]].isna().any().any()
    wanted = {"period_return_map", "correlation", "eigenvalues_finite", "participation_ratio", "gain_relu", "trace"}
    wanted |= {"alpha_per_degree", "slope_simulated", "spectrum_ratio", "covariance", "antisymmetry", "kurtosis"}
    assert wanted <= set(checks["identity"])


def test_checks_can_fail(box):
    """A network that is off by a little is noticed."""
    wrong = box.copy()
    wrong["period_error_equal"] = box["period_error_equal"] + 1e-6
    wrong["eigenvalue"] = box["eigenvalue"] * 1.001
    rows = [*solvable_checks.dynamics_checks(wrong), *solvable_checks.correlation_checks(wrong)]
    table = pd.DataFrame(rows, columns=solvable_checks.COLUMNS).set_index("identity")
    assert (table.loc["period_return_map", "holds"] == 0).all()
    assert table.loc["eigenvalues_finite", "holds"] == 0


def test_activity_without_latents_fails_the_spectrum_check():
    spectra = power_law_spectra((2, 3), (0, 1), 120, 120, 1, seed=3)
    null = spectra[spectra["source"] == "shuffled"].assign(source="simulated")
    for table, holds in ((spectra, 1), (null, 0)):
        rows = pd.DataFrame(solvable_checks.spectrum_checks(table), columns=solvable_checks.COLUMNS)
        ratios = rows[rows["identity"] == "spectrum_ratio"].dropna(subset=["tolerance"])
        assert len(ratios) == 4 and (ratios["holds"] == holds).all()


def test_command_writes_the_same_again(tmp_path):
    import json

    for folder in ("a", "b"):
        here = tmp_path / folder
        files = {"--ring": "ring.nc", "--spectra": "spectra.csv", "--gaussian-process": "process.nc"}
        files["--table"] = "checks.csv"
        options = [word for option, name in files.items() for word in (option, str(here / name))]
        command.main(["--parameters", json.dumps(SMALL | {"draws": 200}), "--seed", "2", *options])
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["checks.csv", "process.nc", "ring.nc", "spectra.csv"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert read_dataset(tmp_path / "a" / "ring.nc").attrs["neurons"] == 120
    spectra = pd.read_csv(tmp_path / "a" / "spectra.csv")
    assert set(spectra["source"]) == {"simulated", "infinite neurons", "shuffled"}


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"neurons": 3}, "solvable_network.neurons"),
        ({"network_sizes": []}, "solvable_network.network_sizes"),
        ({"dimensions": [1, 2]}, "solvable_network.dimensions"),
        ({"exponents": [-1]}, "solvable_network.exponents"),
        ({"phases": 7}, "even"),
        ({"draws": 2.5}, "a whole number of at least 1"),
        ({"network_sizes": 64}, "list"),
        ({"neuron": 64}, "unknown field 'neuron'"),
    ],
)
def test_wrong_parameters(wrong, match):
    with pytest.raises(UserError, match=match):
        SolvableNetworkParameters.from_mapping(wrong)

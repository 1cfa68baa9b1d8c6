"""The second scan from end to end on a few simulated neurons: choose Gabors, show them, compare; a perfect model."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.checkpoint import described
from calcium_latents.models.digital_twin.parameters import CoreSizes
from calcium_latents.models.digital_twin.twin import DigitalTwin
from calcium_latents.recordings.image_predictions import make_image_predictions, write_image_predictions
from calcium_latents.recordings.image_responses import write_image_responses
from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex
from calcium_latents.studies.digital_twin.commands import compare_gabor_scan, record_gabor_scan, select_gabors
from calcium_latents.studies.digital_twin.probe import ModelProbe, TruthProbe
from calcium_latents.studies.digital_twin.second_scan import gabor_selection as g
from calcium_latents.studies.digital_twin.second_scan import size_tuning_agreement as a

NEURONS, SEED = 20, 4
GRID = {
    "sizes_px": [7.0, 10.0],
    "cycles_per_size": [1.4, 2.0],
    "contrasts": [1.0, 3.0],
    "orientations": 6,
    "phases": 4,
    "gabors": 6,
    "coverage": [1, 6],
    "random_draws": 25,
    "examples": 2,
    "compared": 5,
    "curve_sizes_px": [5.0, 8.0, 13.0],
    "curve_contrasts": [1.0, 3.0],
}
SCAN = {"sizes_px": [5.0, 7.0, 10.0, 14.0, 20.0], "contrast": 3.0, "repeats": 8}
ABOUT = {"config_digest": "0", "code_digest": "0", "versions": "{}", "seed": SEED}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Files of an experiment, an untrained twin, and optimal Gabors from a thin grid of the true neurons."""
    folder = tmp_path_factory.mktemp("study")
    numbers = {"training_images": 40, "validation_images": 4, "test_images": 4, "repeats": 2}
    responses = simulate_visual_cortex({**numbers, "neurons": {"neurons": NEURONS, "place_radius_px": 1.5}}, SEED)
    write_image_responses(responses, folder / "responses.nc", ABOUT)
    sizes = CoreSizes(features=(2, 2), kernels=(5, 3), rotations=4)
    twin = DigitalTwin(sizes, (26, 26), NEURONS, torch.Generator().manual_seed(0))
    torch.save(described(twin), folder / "checkpoint.pt")
    probe = TruthProbe(responses)
    parameters = g.ScanParameters.from_mapping(GRID)
    grid = g.centre_grid(probe.image_shape, parameters)
    rates = g.predicted_rates(probe, grid)
    own = grid.iloc[rates.argmax(axis=0)].reset_index(drop=True)
    own = own.assign(neuron=np.arange(NEURONS), source="model", stimulus="own", rate=rates.max(axis=0))
    own.to_csv(folder / "optimal_gabors.csv", index=False)
    rng = np.random.default_rng(0)
    glm = {"filter": 0.01 * rng.normal(size=(NEURONS, 26, 26)).astype(np.float32), "penalty": np.ones(NEURONS)}
    box = make_image_predictions(model="poisson_glm", seed=1, rate=responses["rate"].values, responses=responses, **glm)
    write_image_predictions(box, folder / "glm.nc", ABOUT)
    return folder, responses


def choose(folder, **more):
    parts = {"responses": "responses.nc", "checkpoint": "checkpoint.pt", "gabors": "optimal_gabors.csv"}
    parts |= {"output": "scan_gabors.csv", "coverage": "scan_coverage.csv", "curves": "scan_curves.csv"}
    arguments = [text for name, file in parts.items() for text in (f"--{name}", str(folder / file))]
    select_gabors.main([*arguments, "--parameters", json.dumps({**GRID, "seed": 3, **more})])
    return [pd.read_csv(folder / parts[name]) for name in ("output", "coverage", "curves")]


def compare(folder, *more):
    parts = {"scan": "gabor_scan.nc", "responses": "responses.nc", "checkpoint": "checkpoint.pt"}
    parts |= {"gabors": "optimal_gabors.csv", "scan-gabors": "scan_gabors.csv", "output": "size_tuning.csv"}
    arguments = [text for name, file in parts.items() for text in (f"--{name}", str(folder / file))]
    compare_gabor_scan.main([*arguments, "--seed", "5", *more])
    return pd.read_csv(folder / "size_tuning.csv")


def record(folder):
    files = ["--responses", "responses.nc", "--gabors", "scan_gabors.csv", "--output", "gabor_scan.nc"]
    files = [str(folder / text) if "." in text else text for text in files]
    record_gabor_scan.main([*files, "--parameters", json.dumps(SCAN), "--seed", "6"])


def test_a_perfect_model_agrees_as_the_truth_does(study, monkeypatch):
    folder, responses = study
    monkeypatch.setattr(ModelProbe, "from_checkpoint", lambda *_: TruthProbe(responses))
    gabors, coverage, curves = choose(folder)
    assert len(gabors) == 6 and gabors["neurons_reached"].is_monotonic_increasing
    # optima are of the same grid at the same place: nothing is driven above its own
    assert coverage["fraction_of_own"].max() == pytest.approx(1, abs=1e-5)
    assert set(coverage["selection"]) == {g.GREEDY, g.SINGLY, g.RANDOM}
    assert curves["neuron"].nunique() == 5 and curves.loc[curves["example"] == 1, "neuron"].nunique() == 2
    record(folder)
    table = compare(folder, "--parameters", '{"thresholds": [0.0, 0.5]}', "--glm", str(folder / "glm.nc"))
    wide = table.pivot(index=["threshold", "neuron"], columns="curve", values="correlation")
    assert set(wide.columns) == set(a.CURVES) and len(wide.loc[0.0]) == NEURONS
    np.testing.assert_allclose(wide[a.MODEL], wide[a.TRUTH], atol=1e-6)
    exact = table[table["curve"].isin([a.MODEL, a.TRUTH])]["correlation_to_truth"]
    np.testing.assert_allclose(exact, 1, atol=1e-5)
    summary = a.summarise_agreement(table, repeats=100).set_index(["threshold", "curve"])["fraction"]
    assert summary[0.0, a.MODEL] > 0.9 and summary[0.0, a.MODEL] > summary[0.0, a.OTHERS] + 0.1
    # the Gabor that counts is the one that drives a neuron most, and its fraction is the model's
    row = table[table["neuron"] == 7].iloc[0]
    images = g.render_gabors((26, 26), gabors)
    rates = TruthProbe(responses).all_rates(images)[:, 7]
    assert gabors["rank"][rates.argmax()] == row["gabor"]
    own = pd.read_csv(folder / "optimal_gabors.csv")["rate"][7]
    assert row["fraction_of_own"] == pytest.approx(rates.max() / own, rel=1e-4)
    assert (table["repeats"] == 8).all() and (table["sizes"] == 5).all() and (table["seed"] == 5).all()


def test_an_untrained_twin_gives_tables_and_the_same_bytes(study, monkeypatch):
    folder, _ = study
    twin = ModelProbe.from_checkpoint(folder / "checkpoint.pt")
    own = pd.read_csv(folder / "optimal_gabors.csv")
    own["rate"] = twin.own_rates(g.render_gabors((26, 26), own), np.arange(NEURONS))
    own.to_csv(folder / "optimal_gabors.csv", index=False)
    choose(folder)
    names = ("scan_gabors.csv", "scan_coverage.csv", "scan_curves.csv", "size_tuning.csv")
    record(folder)
    table = compare(folder)
    assert a.GLM not in set(table["curve"]) and table.loc[table["curve"] == a.MODEL, "correlation"].abs().max() <= 1
    first = [(folder / name).read_bytes() for name in names]
    choose(folder)
    record(folder)
    compare(folder)
    assert first == [(folder / name).read_bytes() for name in names]
    choose(folder, seed=8)
    assert first[0] == (folder / names[0]).read_bytes() and first[1] != (folder / names[1]).read_bytes()


def test_wrong_inputs_are_named(study):
    folder, responses = study
    choose(folder)
    record(folder)
    with pytest.raises(UserError, match="did you mean 'thresholds'"):
        compare(folder, "--parameters", '{"threshold": 1}')
    with pytest.raises(UserError, match="filter: expected filters"):
        box = make_image_predictions(model="x", seed=1, rate=responses["rate"].values, responses=responses)
        write_image_predictions(box, folder / "other.nc", ABOUT)
        compare(folder, "--glm", str(folder / "other.nc"))
    chosen = pd.read_csv(folder / "scan_gabors.csv")
    chosen[chosen["rank"] != 2].to_csv(folder / "scan_gabors.csv", index=False)
    with pytest.raises(UserError, match="ranks of the table of chosen Gabors"):
        compare(folder)
    chosen.to_csv(folder / "scan_gabors.csv", index=False)
    scan = a.xr.load_dataset(folder / "gabor_scan.nc", engine="h5netcdf")
    probe, optimal = TruthProbe(responses), pd.read_csv(folder / "optimal_gabors.csv")
    given = (probe, scan, np.arange(NEURONS), optimal, chosen)
    with pytest.raises(UserError, match="size_px: expected 5 sizes of each of 6 Gabors"):
        broken = scan.assign(size_px=scan["size_px"].copy(data=np.roll(np.arange(30.0) // 6, 1)))
        a.compare_scan(probe, broken, *given[2:])
    with pytest.raises(UserError, match="neuron: expected neurons that the model was fitted to"):
        a.compare_scan(*given[:2], np.arange(NEURONS) + 1, *given[3:])
    with pytest.raises(UserError, match="response: expected this variable"):
        a.compare_scan(probe, scan.drop_vars("response"), *given[2:])


def test_a_scan_of_some_neurons_in_another_order(study):
    folder, responses = study
    choose(folder)
    record(folder)
    scan = a.xr.load_dataset(folder / "gabor_scan.nc", engine="h5netcdf")
    probe, chosen = TruthProbe(responses), pd.read_csv(folder / "scan_gabors.csv")
    optimal = pd.read_csv(folder / "optimal_gabors.csv")
    whole = a.compare_scan(probe, scan, np.arange(NEURONS), optimal, chosen, thresholds=(0.0,))
    mixed = np.random.default_rng(0).permutation(30)
    shuffled = scan.isel(stimulus=mixed, neuron=[9, 3, 14])
    places = np.argsort(mixed)[scan["stimulus_of_trial"].values]
    shuffled["stimulus_of_trial"] = shuffled["stimulus_of_trial"].copy(data=places)
    part = a.compare_scan(probe, shuffled, np.arange(NEURONS), optimal, chosen, thresholds=(0.0,))
    for name in (a.MODEL, a.AT_OPTIMUM, a.TRUTH):
        one, two = (table[table["curve"] == name].set_index("neuron")["correlation"] for table in (whole, part))
        np.testing.assert_allclose(two, one.loc[[9, 3, 14]], atol=1e-9)

"""The study of MEIs and its command, on a small untrained twin."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.checkpoint import described
from calcium_latents.models.digital_twin.parameters import CoreSizes
from calcium_latents.models.digital_twin.twin import DigitalTwin
from calcium_latents.provenance import provenance
from calcium_latents.recordings.image_predictions import make_image_predictions, write_image_predictions
from calcium_latents.recordings.image_responses import TRUTH, read_image_responses, write_image_responses
from calcium_latents.recordings.netcdf import read_dataset, write_dataset
from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex
from calcium_latents.studies.digital_twin.commands.find_meis import main
from calcium_latents.studies.digital_twin.optimal_stimuli.mei_study import (
    VARIABLES,
    Clustered,
    MeiStudyParameters,
    best_of_clusters,
    rows_of,
    scores_of,
)

SHAPE, NEURONS, CLUSTERS = (16, 17), 12, 3
NUMBERS = np.arange(NEURONS) + 5  # numbers are not indices
PARAMETERS = {
    "neurons_per_cluster": 3,
    "images": {"starts": 2, "screening_steps": 2, "steps": 6, "norm": 4.0},
    "templates": {"max_rank": 4, "extent_px": 9.0, "angles": 4, "starts": 2, "rounds": 1, "steps": 6},
    "comparison": {"levels": 2},
}
EXPERIMENT = {
    "shape": SHAPE, "training_images": 60, "validation_images": 2, "test_images": 2, "repeats": 2,
    "neurons": {"neurons": NEURONS, "place_radius_px": 1.0, "surround_px": 3.0},
}  # fmt: skip
SOME = provenance({}, ["calcium_latents.seeds"], 0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return option -> path of small inputs of the command."""
    folder, rng = tmp_path_factory.mktemp("meis"), np.random.default_rng(0)
    names = ("responses.nc", "checkpoint.pt", "predictions.nc", "bar_codes.nc", "gabors.csv", "differences.csv")
    found = {name.split(".")[0].replace("_", "-"): folder / name for name in (*names, "scores.csv")}
    responses = simulate_visual_cortex(EXPERIMENT, 0)
    responses = responses.assign_coords(neuron=("neuron", NUMBERS.astype(np.int32), responses["neuron"].attrs))
    write_image_responses(responses, found["responses"], SOME)
    sizes = CoreSizes(features=(2, 2), kernels=(5, 3), rotations=4, padding="valid")
    twin = DigitalTwin(sizes, SHAPE, NEURONS, torch.Generator().manual_seed(1))
    torch.save(described(twin), found["checkpoint"])
    predictions = make_image_predictions(
        model="digital_twin", seed=0, rate=np.ones((64, NEURONS)), responses=responses,
        bar_code=rng.normal(size=(NEURONS, 4, 2)), feature_covariance=np.eye(8).reshape(4, 2, 4, 2),
        mask=np.ones((NEURONS, 12, 13)),
        mask_centre_px=np.full((NEURONS, 2), 7.5), mask_offset_px=2,
    )  # fmt: skip
    write_image_predictions(predictions, found["predictions"], SOME)
    cluster = ("neuron", np.arange(NEURONS, dtype=np.int32) % CLUSTERS)
    write_dataset(xr.Dataset({"cluster": cluster}), found["bar-codes"], SOME)
    place = {"neuron": NUMBERS, "source": "model", "y_px": 7, "x_px": 8, "contrast": 1.0}
    gabor = {**place, "size_px": 8.0, "frequency_cpp": 0.15, "orientation_rad": 0.4, "phase_rad": 0.0}
    kinds = [pd.DataFrame({**gabor, "stimulus": name}) for name in ("own", "cluster")]
    pd.concat([kinds[0].iloc[1:], kinds[1]]).to_csv(found["gabors"], index=False)  # neuron 5 has no own Gabor
    dog = {**place, "stimulus": "own", "centre_px": 1.5, "surround_px": 3.0, "surround_weight": 0.5}
    pd.DataFrame(dog).to_csv(found["differences"], index=False)
    score = {"neuron": NUMBERS, "method": "digital_twin", "correlation_to_mean": np.linspace(1, 0, NEURONS)}
    pd.DataFrame(score).to_csv(found["scores"], index=False)
    return found


def run(files, folder, *more):
    given = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    outputs = folder / "meis.nc", folder / "comparison.csv"
    options = ["--parameters", json.dumps(PARAMETERS), "--seed", "3", *more]
    main([*given, *options, "--output", str(outputs[0]), "--comparison", str(outputs[1])])
    return outputs


def test_the_command_writes_what_is_promised(files, tmp_path):
    images, table = run(files, tmp_path)
    meis, compared = read_dataset(images), pd.read_csv(table)
    assert set(meis.data_vars) == {*VARIABLES, "neuron_type"}
    assert all(meis[name].dims == dims and meis[name].attrs["units"] for name, (dims, *_) in VARIABLES.items())
    optimised = np.isfinite(meis["mei_rate"].values)
    assert optimised.tolist() == [True] * 9 + [False] * 3  # the best three of every cluster
    assert meis["neuron"].values.tolist() == compared["neuron"].tolist() == NUMBERS.tolist()
    np.testing.assert_allclose(np.linalg.norm(meis["mei"].values[optimised], axis=(1, 2)), 4.0, rtol=1e-4)
    for name in ("mei", "gabor", "shuffled", "other", "noise"):
        fraction = meis[f"cluster_{name}_fraction"]
        assert np.isfinite(fraction).all() and (fraction > 0).all()
    assert meis["cluster_neurons"].values.tolist() == [4] * 3 and meis["cluster_mei"].shape == (3, 11, 11)
    assert np.isnan(compared["gabor_vs_mei"]).tolist() == [True] + [False] * 8 + [True] * 3
    assert np.isnan(compared["gabor_vs_dog"]).tolist() == [True] + [False] * 11
    assert (compared["cluster"] == np.arange(NEURONS) % 3).all()
    true = compared["true_null_noise_vs_mei"]
    assert np.isfinite(true[:9]).any() and np.isnan(true[9:]).all()
    assert np.isfinite(meis["mei_true_rate"].values).tolist() == optimised.tolist()


def test_recorded_neurons_have_no_truth(files, tmp_path):
    responses = read_image_responses(files["responses"]).drop_vars([*TRUTH, "axis"])
    responses.attrs |= {"simulated": 0}
    write_image_responses(responses, tmp_path / "responses.nc", SOME)
    images, table = run({**files, "responses": tmp_path / "responses.nc"}, tmp_path)
    assert not {"mei_true_rate", "neuron_type"} & set(read_dataset(images).data_vars)
    assert not [name for name in pd.read_csv(table) if name.startswith("true")]


def test_the_same_bytes_again_and_other_bytes_of_another_seed(files, tmp_path):
    first, second = run(files, tmp_path / "a"), run(files, tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert run(files, tmp_path / "c", "--seed", "4")[1].read_bytes() != first[1].read_bytes()


def clustered(cluster, score, known=None):
    count = len(cluster)
    places = np.where(np.ones(count, bool) if known is None else known, 1.0, np.nan)[:, None] * np.ones(2)
    return Clustered(np.array(cluster), places, np.array(score, float), np.ones(count), np.zeros((count, 2, 2)))


def test_the_best_predicted_of_every_cluster_come_first():
    chosen = best_of_clusters(clustered([0, 1, 0, 1, 0], [0.1, np.nan, 0.9, 0.0, 0.5]), 2)
    assert chosen.tolist() == [2, 4, 3, 1]
    assert best_of_clusters(clustered([0, 0, 0], [1, 3, 2]), None).tolist() == [1, 2, 0]
    assert best_of_clusters(clustered([0, 0], [1, 3], [True, False]), 2).tolist() == [0]
    with pytest.raises(UserError, match="found none in cluster 1"):
        best_of_clusters(clustered([0, 2], [1, 1]), 1)


def test_tables_are_read_by_neuron():
    table = pd.DataFrame(
        {"neuron": [7, 5, 5], "source": ["model", "model", "truth"], "stimulus": "own", "y_px": [1, 2, 3]}
    )
    np.testing.assert_array_equal(rows_of(table, [5, 6, 7], "own", ("y_px",))[:, 0], [2, np.nan, 1])
    with pytest.raises(UserError, match="several of neuron 5"):
        rows_of(table.assign(source="model"), [5], "own", ("y_px",))
    scores = pd.DataFrame({"neuron": [5, 5, 6], "method": ["digital_twin", "poisson_glm", "digital_twin"]})
    found = scores_of(np.array([6, 5, 4]), scores.assign(correlation_to_mean=[0.5, 0.9, 0.2]), 0)
    np.testing.assert_array_equal(found, [0.2, 0.5, np.nan])
    assert len(np.unique(scores_of(np.arange(9), None, 0))) == 9


def test_wrong_parameters_are_named():
    for wrong, said in (
        ({"images": {"start": 2}}, "start"),
        ({"neurons_per_cluster": 0}, "neurons_per_cluster"),
        ({"a": 1}, "a"),
    ):
        with pytest.raises(UserError, match=said):
            MeiStudyParameters.from_mapping(wrong)
    assert MeiStudyParameters.from_mapping(PARAMETERS).templates.max_rank == 4

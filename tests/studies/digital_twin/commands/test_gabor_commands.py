"""The commands that find optimal stimuli and run experiments, on neurons whose answers are known."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_probe import make_probe

from calcium_latents.errors import UserError
from calcium_latents.recordings.image_predictions import make_image_predictions, write_image_predictions
from calcium_latents.recordings.image_responses import make_image_responses, write_image_responses
from calcium_latents.recordings.netcdf import read_dataset, write_dataset
from calcium_latents.studies.digital_twin import probe as probes
from calcium_latents.studies.digital_twin.commands import find_optimal_stimuli, run_experiments
from calcium_latents.studies.digital_twin.optimal_stimuli import gabor_study as study
from calcium_latents.studies.digital_twin.tuning.tuning_experiments import INDEX_COLUMNS

SHAPE, NEURONS = (20, 22), 6
PROVENANCE = {"config_digest": "0", "code_digest": "0", "seed": 0, "versions": "{}"}
SEARCH = {
    "gabors": {"margin_px": 8, "sizes_px": [6, 8, 10], "cycles_per_size": [1, 1.5], "contrasts": [2, 4]},
    "differences": {"margin_px": 8, "centres_px": [1, 2], "contrasts": [-4, 4]},
    "search": {"size_step": 2},
    "check": {"neurons": 2, "reach_px": 1, "contrasts": 1},
}
EXPERIMENTS = {"orientations": 8, "phases": 8, "whole_maps": 2, "own_rows_only": True}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Boxes of a made-up data set; `probe` answers for the model, and for the true neurons with another gain."""
    folder = tmp_path_factory.mktemp("gabors")
    probe, truth = make_probe(NEURONS, SHAPE, orthogonal_weight=1.0)
    rng = np.random.default_rng(0)
    common = {
        "label": "made up",
        "image_source": "noise",
        "seed": 0,
        "images": rng.normal(size=(4, *SHAPE)).astype(np.float32),
        "part": [0, 1, 2, 2],
        "image_of_trial": [0, 1, 2, 2, 3, 3],
        "response": rng.poisson(1.0, (6, NEURONS)).astype(np.float32),
        "neuron": np.arange(NEURONS) + 20,
    }
    known = {"position_px": truth["position_px"], "neuron_type": ["simple", "complex"] * (NEURONS // 2)}
    for name, more in (("simulated", {"simulated": True, "truth": known}), ("recorded", {})):
        responses = make_image_responses(**common, **more)
        write_image_responses(responses, folder / f"{name}.nc", PROVENANCE)
    predictions = make_image_predictions(
        model="digital_twin",
        seed=0,
        rate=np.ones((4, NEURONS), np.float32),
        responses=responses,
        bar_code=np.ones((NEURONS, 4, 2), np.float32),
        feature_covariance=np.eye(8, dtype=np.float32).reshape(4, 2, 4, 2),
        mask=np.ones((NEURONS, *SHAPE), np.float32),
        mask_centre_px=truth["position_px"].astype(np.float32),
    )
    write_image_predictions(predictions, folder / "output.nc", PROVENANCE)
    attributes = {"units": "1", "long_name": "cluster"}
    box = xr.Dataset({"cluster": ("neuron", np.arange(NEURONS) % 2, attributes)})
    write_dataset(box, folder / "bar_codes.nc", PROVENANCE)
    (folder / "checkpoint.pt").write_bytes(b"not read by the fake probe")
    return folder, probe


@pytest.fixture(autouse=True)
def known_probes(files, monkeypatch):
    probe = files[1]
    monkeypatch.setattr(probes.ModelProbe, "from_checkpoint", classmethod(lambda cls, path, accelerator: probe))
    monkeypatch.setattr(probes, "TruthProbe", lambda responses: probe)


def find(folder, out, responses="simulated", parameters=SEARCH):
    outputs = {name: out / f"{name}.csv" for name in ("gabors", "differences", "check")}
    arguments = ["--responses", folder / f"{responses}.nc", "--checkpoint", folder / "checkpoint.pt"]
    arguments += ["--predictions", folder / "output.nc", "--bar-codes", folder / "bar_codes.nc"]
    arguments += ["--parameters", json.dumps(parameters)]
    arguments += [part for name, path in outputs.items() for part in (f"--{name}", path)]
    find_optimal_stimuli.main([str(argument) for argument in arguments])
    return outputs


def experiment(folder, gabors, out, responses="simulated", parameters=EXPERIMENTS):
    arguments = ["--responses", folder / f"{responses}.nc", "--checkpoint", folder / "checkpoint.pt"]
    arguments += ["--bar-codes", folder / "bar_codes.nc", "--gabors", gabors, "--parameters", json.dumps(parameters)]
    arguments += ["--tuning", out / "tuning.nc", "--indices", out / "indices.csv"]
    run_experiments.main([str(argument) for argument in arguments])
    return out / "tuning.nc", out / "indices.csv"


@pytest.fixture(scope="module")
def found(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("found")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes.ModelProbe, "from_checkpoint", classmethod(lambda cls, path, accelerator: files[1]))
        patch.setattr(probes, "TruthProbe", lambda responses: files[1])
        outputs = find(files[0], out)
        return outputs, experiment(files[0], outputs["gabors"], out)


def test_tables_hold_every_neuron_source_and_stimulus(found):
    gabors, differences, check = (pd.read_csv(path) for path in found[0].values())
    assert list(gabors.columns) == list(study.GABOR_TABLE)
    assert list(differences.columns) == list(study.DIFFERENCE_TABLE)
    assert list(check.columns) == list(study.CHECK_TABLE) and len(check) == 2
    for table in (gabors, differences):
        groups = table.groupby(["source", "stimulus"])
        assert set(groups.groups) == {(s, t) for s in ("model", "truth") for t in ("own", "cluster")}
        assert all(list(part["neuron"]) == list(range(20, 26)) for _, part in groups)
    assert (check["rate_ratio"] > 0.98).all() and set(gabors["border"]) <= {0, 1}
    best = gabors[gabors["stimulus"] == "own"].groupby("neuron")["rate"].mean()
    assert (best > differences[differences["stimulus"] == "own"].groupby("neuron")["rate"].mean()).all()


def test_model_and_truth_see_the_same_stimuli(found):
    tuning, table = read_dataset(found[1][0]), pd.read_csv(found[1][1])
    assert list(table.columns) == list(INDEX_COLUMNS) and len(table) == 2 * 2 * NEURONS
    # here both are the same neurons
    assert np.array_equal(tuning["plaid"].values[0], tuning["plaid"].values[1], equal_nan=True)
    whole = np.isfinite(tuning["size_contrast"].sel(stimulus="cluster").values).all(axis=(2, 3))
    assert (whole.sum(axis=1) == 2).all() and np.array_equal(whole[0], whole[1])
    assert np.isnan(tuning["size_contrast"].sel(stimulus="own").values[:, :, 0, 0]).all()
    values = table.drop(columns=["neuron_type", "source", "stimulus"])
    assert np.isfinite(values).all(axis=None)
    simple = table[(table["source"] == "model") & (table["stimulus"] == "own")].groupby("neuron_type")
    phase = simple["phase_selectivity"].mean()
    assert phase["simple"] > phase["complex"] + 0.2


def test_the_same_bytes_again(files, found, tmp_path):
    outputs = find(files[0], tmp_path)
    again = experiment(files[0], outputs["gabors"], tmp_path)
    for first, second in zip((*found[0].values(), *found[1]), (*outputs.values(), *again), strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_a_recording_has_no_true_neurons(files, tmp_path):
    outputs = find(files[0], tmp_path, "recorded")
    assert set(pd.read_csv(outputs["gabors"])["source"]) == {"model"}
    tuning, indices = experiment(files[0], outputs["gabors"], tmp_path, "recorded")
    assert list(read_dataset(tuning)["source"].values) == ["model"]
    assert pd.read_csv(indices)["neuron_type"].isna().all()


def test_what_is_wrong_is_named(files, found, tmp_path):
    with pytest.raises(UserError, match="unknown field 'gabor'; did you mean 'gabors'"):
        find(files[0], tmp_path, parameters={"gabor": {}})
    with pytest.raises(UserError, match="gabors: unknown field 'sizes'"):
        find(files[0], tmp_path, parameters={"gabors": {"sizes": [1]}})
    gabors = pd.read_csv(found[0]["gabors"])
    gabors[gabors["neuron"] != 22].to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(UserError, match="without neuron 22"):
        experiment(files[0], tmp_path / "few.csv", tmp_path)
    gabors.drop(columns="size_px").to_csv(tmp_path / "narrow.csv", index=False)
    with pytest.raises(UserError, match="size_px"):
        experiment(files[0], tmp_path / "narrow.csv", tmp_path)
    assert not (tmp_path / "tuning.nc").exists()

"""The training command with the digital twin and the Poisson regression: outputs that hold together, byte by byte."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from calcium_latents.commands.train import CONFIG, train
from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.checkpoint import restore
from calcium_latents.models.digital_twin.family import DigitalTwinFamily
from calcium_latents.models.digital_twin.parameters import DigitalTwinModel, DigitalTwinOptions, ImageOptions
from calcium_latents.models.digital_twin.training import DigitalTwinTraining, compute_dtype
from calcium_latents.models.poisson_glm.family import PoissonGlmFamily
from calcium_latents.recordings.fields import TRAINING
from calcium_latents.recordings.image_predictions import read_image_predictions
from calcium_latents.recordings.image_responses import read_image_responses, write_image_responses
from calcium_latents.simulation.visual_cortex.visual_cortex_recording import simulate_visual_cortex

torch.set_num_threads(1)  # as the command does: models as small as these get slower with more
CORTEX = {
    "shape": [16, 16],
    "training_images": 60,
    "validation_images": 20,
    "test_images": 5,
    "repeats": 2,
    "animals": 2,
    "missed_share": 0.2,
    "neurons": {"neurons": 6, "place_radius_px": 2.0, "surround_px": 2.5, "hole_px": 1.5},
}
TWIN = [
    "model=digital_twin",
    "training=digital_twin",
    "model.kernels=[5,3,3]",
    "model.features=[2,1,2]",
    "model.rotations=4",
    "training.steps=14",
    "training.batch_size=16",
    "training.validate_every=4",
    "training.checkpoint_every=6",
    "training.schedule.warmup_steps=2",
]
GLM = ["model=poisson_glm", "training=closed_form", "model.penalties=3", "model.folds=2"]
MODELS = {"digital_twin": TWIN, "poisson_glm": GLM}
FILES = ("output.nc", "metrics.csv", "checkpoint.pt")


def run(responses, directory, *overrides):
    with initialize_config_dir(str(CONFIG), version_base=None):
        config = compose("train", [f"recording={responses}", "data=images", *overrides])
    directory.mkdir(exist_ok=True)
    train(config, directory)
    return directory


@pytest.fixture(scope="module")
def responses(tmp_path_factory):
    path = tmp_path_factory.mktemp("cortex") / "responses.nc"
    provenance = {"seed": 3, "config_digest": "0", "code_digest": "0", "versions": "{}"}
    write_image_responses(simulate_visual_cortex(CORTEX, 3), path, provenance)
    return path


@pytest.fixture(scope="module")
def runs(responses, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {name: run(responses, folder / name, *words) for name, words in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
def test_the_command_writes_what_the_workflow_expects(responses, runs, name):
    names = {"checkpoint.pt", "output.nc", "metrics.csv", "timing.csv", "snapshots.pt", "config.yaml"}
    assert {path.name for path in runs[name].iterdir()} == names
    found, recorded = read_image_predictions(runs[name] / "output.nc"), read_image_responses(responses)
    assert found.attrs["model"] == name and found.attrs["seed"] == 1
    assert {"config_digest", "code_digest", "versions"} <= set(found.attrs)
    assert found["rate"].shape == (85, 6) and (found["rate"] >= 0).all()
    np.testing.assert_array_equal(found["neuron"], recorded["neuron"])
    assert yaml.safe_load((runs[name] / "config.yaml").read_text())["model"]["name"] == name
    saved = torch.load(runs[name] / "checkpoint.pt", weights_only=False)
    assert saved["seed"] == 1 and saved["config_digest"] == found.attrs["config_digest"]
    families = {"digital_twin": DigitalTwinFamily, "poisson_glm": PoissonGlmFamily}
    families[name](**saved["family"])


def test_validations_are_those_asked_for(runs):
    table, timing = (pd.read_csv(runs["digital_twin"] / f"{name}.csv") for name in ("metrics", "timing"))
    assert table["step"].tolist() == timing["step"].tolist() == [0, 4, 8, 12, 14]
    assert np.isfinite(table).all(axis=None) and timing["training_seconds"].is_monotonic_increasing
    table = pd.read_csv(runs["poisson_glm"] / "metrics.csv")
    assert table["penalty"].tolist() == pytest.approx([0.1, 0.5**0.5, 5.0]) and table["neurons"].sum() == 6


def test_rates_follow_from_the_twins_checkpoint_and_from_bar_codes_and_masks(responses, runs):
    found, images = read_image_predictions(runs["digital_twin"] / "output.nc"), read_image_responses(responses)
    images = torch.as_tensor(images["images"].values)
    twin = restore(runs["digital_twin"] / "checkpoint.pt")
    with torch.no_grad():
        np.testing.assert_allclose(found["rate"], twin.rates(images), rtol=1e-5)
        features = twin.core(images).numpy()
    assert features.shape == (85, 4, 2, 12, 12) and found.attrs["mask_offset_px"] == 2
    drive = np.einsum("nyx,nrf,irfyx->in", found["mask"], found["bar_code"], features) + twin.bias.detach().numpy()
    np.testing.assert_allclose(found["rate"], np.logaddexp(0, drive) * twin.response_scale.numpy(), rtol=1e-3)
    np.testing.assert_allclose(np.abs(found["mask"]).sum(("map_y", "map_x")), 1, atol=1e-5)
    assert (found["mask"] >= 0).all()  # training.masks is nonnegative
    rows, weight = np.indices((12, 12)) + 2.0, found["mask"].values[:, None] ** 2
    centres = (weight * rows).sum((2, 3)) / weight.sum((2, 3))
    np.testing.assert_allclose(found["mask_centre_px"], centres, atol=1e-3)
    assert found.attrs["turning_error_90_degrees"] < 1e-4 and "turning_error_45_degrees" not in found.attrs


def test_the_covariance_of_features_is_that_of_pooled_training_images_and_knows_no_direction(responses, runs):
    found, recorded = read_image_predictions(runs["digital_twin"] / "output.nc"), read_image_responses(responses)
    twin = restore(runs["digital_twin"] / "checkpoint.pt")
    with torch.no_grad():
        features = twin.core(torch.as_tensor(recorded["images"].values[recorded["part"].values == TRAINING])).numpy()
    pooled = np.einsum("nyx,irfyx->nirf", found["mask"], features).reshape(-1, 8)
    expected = np.cov(pooled.T, bias=True).reshape(4, 2, 4, 2)
    expected = sum(np.roll(expected, (k, k), (0, 2)) for k in range(4)) / 4
    covariance = found["feature_covariance"].values
    np.testing.assert_allclose(covariance, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.roll(covariance, (1, 1), (0, 2)), covariance, atol=1e-5)
    assert np.linalg.eigvalsh(covariance.reshape(8, 8)).min() > -1e-5


def test_rates_follow_from_the_filters_of_the_regression(responses, runs):
    found, recorded = read_image_predictions(runs["poisson_glm"] / "output.nc"), read_image_responses(responses)
    saved = torch.load(runs["poisson_glm"] / "checkpoint.pt", weights_only=False)["model"]
    drive = np.einsum("iyx,nyx->in", recorded["images"], found["filter"]) + saved["intercepts"]
    np.testing.assert_allclose(found["rate"], np.exp(drive), rtol=1e-3)
    np.testing.assert_array_equal(found["penalty"], saved["penalties"])


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(responses, runs, name, tmp_path):
    again = run(responses, tmp_path / "again", *MODELS[name])
    for file in FILES:
        assert (runs[name] / file).read_bytes() == (again / file).read_bytes(), file
    other = run(responses, tmp_path / "other", *MODELS[name], "seed=2")
    assert (runs[name] / "metrics.csv").read_bytes() != (other / "metrics.csv").read_bytes()


class Killed(BaseException):
    """Stands for a signal: nothing in training may catch it and write results."""


def killed(method, call):
    """`method`, killed at the start of its call number `call`."""
    calls = []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == call:
            raise Killed
        return method(*arguments)

    return failing


@pytest.mark.parametrize(("call", "kept"), [(3, None), (7, 6), (14, 12)])
def test_interrupted_training_goes_on_to_the_same_bytes(responses, runs, call, kept, tmp_path, monkeypatch, capsys):
    step = killed(DigitalTwinTraining.train_on, call)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(DigitalTwinTraining, "train_on", step)
        run(responses, tmp_path / "parts", *TWIN)
    assert {path.name for path in (tmp_path / "parts").iterdir()} == ({"resume.pt"} if kept else set())
    parts = run(responses, tmp_path / "parts", *TWIN)
    assert ("going on from" in capsys.readouterr().err) == (kept is not None)
    for file in FILES:
        assert (runs["digital_twin"] / file).read_bytes() == (parts / file).read_bytes(), file
    assert not (parts / "resume.pt").exists()


def test_killed_between_the_last_step_and_results(responses, tmp_path, monkeypatch):
    # at such a rate the start stays the best: the last weights are not
    words = [*TWIN, "training.checkpoint_every=7", "training.optimiser=adam", "training.learning_rate=100"]
    whole = run(responses, tmp_path / "whole", *words)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(DigitalTwinFamily, "result", killed(DigitalTwinFamily.result, 1))
        run(responses, tmp_path / "parts", *words)
    assert (tmp_path / "parts" / "resume.pt").exists()
    parts = run(responses, tmp_path / "parts", *words)
    for file in FILES:
        assert (whole / file).read_bytes() == (parts / file).read_bytes(), file


def test_a_state_of_another_configuration_is_not_continued(responses, runs, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    torch.save({"origin": {"config_digest": "other"}, "state": {"step": 2}}, tmp_path / "run" / "resume.pt")
    run(responses, tmp_path / "run", *TWIN)
    assert "starting anew" in capsys.readouterr().err
    found = (tmp_path / "run" / "output.nc").read_bytes()
    assert found == (runs["digital_twin"] / "output.nc").read_bytes()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_results_are_about_the_same(responses, tmp_path):
    words = [*TWIN, "training.precision=float32"]
    rates = []
    for accelerator in ("cpu", "gpu"):
        path = run(responses, tmp_path / accelerator, *words, f"accelerator={accelerator}") / "output.nc"
        rates.append(read_image_predictions(path)["rate"].values)
    np.testing.assert_allclose(*rates, rtol=0.05, atol=0.02)


def test_other_boxes_are_named(tmp_path, responses, runs):
    wrong = runs["digital_twin"] / "output.nc"
    with pytest.raises(UserError, match="output.nc: attribute schema"):
        run(wrong, tmp_path / "run", *TWIN)
    with pytest.raises(UserError, match="missing.nc"):
        run(tmp_path / "missing.nc", tmp_path / "run", *TWIN)
    assert not list((tmp_path / "run").iterdir())


def test_penalties_of_another_number_of_layers_are_named(responses, tmp_path):
    for name in ("smoothness_layers", "sparsity_layers"):
        with pytest.raises(UserError, match=rf"training\.penalties\.{name}: expected one a layer"):
            run(responses, tmp_path / "run", *TWIN, f"training.penalties.{name}=[1.0,0.0]")


@pytest.mark.parametrize(
    ("name", "value"),
    [("precision", "float16"), ("masks", "positive"), ("optimiser", "sgd")]
    + [(name, 0) for name in ("steps", "batch_size", "validate_every", "stages")],
)
def test_wrong_training_options_are_named(name, value):
    with pytest.raises(UserError, match=rf"training\.{name}: expected .* found {value!r}"):
        DigitalTwinOptions(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("mask_initialisation", "zero"), ("padding", "reflect"), ("rotations", 6), ("kernels", [7]), ("kernels", [6, 3])]
    + [("max_ranks", [9])],
)
def test_wrong_model_options_are_named(name, value):
    sizes = {"features": [2, 2], "kernels": [7, 3], "rotations": 8, "max_ranks": None, "padding": "valid"}
    with pytest.raises(UserError, match=rf"model\.{name}: expected .* found"):
        DigitalTwinModel(**({"name": "a", "mask_initialisation": "energy"} | sizes | {name: value}))


def test_precision_of_convolutions(monkeypatch):
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for matrices in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda matrices=matrices: matrices)
        assert compute_dtype("auto", cpu) == (torch.bfloat16 if matrices else torch.float32)
        assert compute_dtype("auto", gpu) == torch.bfloat16
        for device in (cpu, gpu):
            assert compute_dtype("float32", device) == torch.float32
            assert compute_dtype("bfloat16", device) == torch.bfloat16


def configured(name):
    with initialize_config_dir(str(CONFIG), version_base=None):
        return compose("train", ["recording=a.nc", "data=images", f"model={name}", f"training={name}"])


def test_the_published_configuration_is_the_published_one():
    training = OmegaConf.to_container(configured("digital_twin_published").training)
    assert DigitalTwinOptions(**training) == DigitalTwinOptions()
    penalties = DigitalTwinOptions().penalties
    assert (penalties.smoothness, penalties.sparsity, penalties.readout) == (0.0249692, 0.0152482, 0.0170696)
    assert penalties.smoothness_layers == (1.0, 0.5, 0.5) and penalties.sparsity_layers == (0.0, 1.0, 1.0)
    model = instantiate(configured("digital_twin_published").model, _convert_="all")
    assert (model.sizes.features, model.sizes.kernels, model.sizes.rotations) == ((16, 16, 16), (13, 5, 5), 8)
    assert model.sizes.padding == "same" and model.sizes.max_ranks == (13, 5, 5)
    assert model.name == "digital_twin_published" and model.mask_initialisation == "random"
    ours = DigitalTwinOptions(**OmegaConf.to_container(configured("digital_twin").training))
    assert ours.masks == "nonnegative" and ours.patience is None
    model = instantiate(configured("digital_twin").model, _convert_="all")
    assert model.sizes.padding == "valid" and model.sizes.max_ranks is None
    assert ImageOptions(**configured("digital_twin").data) == ImageOptions(scale_responses=True)

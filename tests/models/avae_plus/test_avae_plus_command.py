"""The training command with AVAE+: the same bytes each time, also after an interruption, and members apart."""

import numpy as np
import pandas as pd
import pytest
import torch
from synthetic_traces import run_training, trace_recording, write

from calcium_latents.models.avae_plus.training import AvaePlusFit
from calcium_latents.recordings import read_embedding, read_recording

WORDS = [
    "model=avae_plus",
    "training=avae_plus",
    "data.partitions=3",
    "data.grid_partitions=1",
    "model.latent_sizes=[4,2]",
    "model.hidden=8",
    "training.steps=51",  # two rounds
    "training.schedule.warmup_steps=10",
    "training.pool=128",
    "training.batch_size=16",
    "training.refinements=4",
    "training.together=3",
]
FILES = ("output.nc", "metrics.csv", "checkpoint.pt")


@pytest.fixture(scope="module")
def recording_path(tmp_path_factory):
    return write(trace_recording(neurons=10, events=3.0), tmp_path_factory.mktemp("avae_plus") / "traces.nc")


@pytest.fixture(scope="module")
def whole(recording_path, tmp_path_factory):
    return run_training(recording_path, tmp_path_factory.mktemp("avae_plus") / "run", *WORDS)


def test_the_command_writes_what_the_workflow_expects(recording_path, whole):
    names = {"checkpoint.pt", "output.nc", "metrics.csv", "timing.csv", "snapshots.pt", "config.yaml"}
    assert {path.name for path in whole.iterdir()} == names
    found = read_embedding(whole / "output.nc")
    assert found.sizes == {"member": 8, "neuron": 40, "latent": 4, "time": 60}
    assert found["split"].values.tolist() == ["neuron"] * 3 + ["culture"] * 3 + ["neuron", "culture"]
    assert (found["hidden"] == 8).all() and (found["beta"] == 1).all()
    np.testing.assert_array_equal(found["neuron"], read_recording(recording_path)["neuron"])
    table = pd.read_csv(whole / "metrics.csv")
    # two programs of three members, two of one; two rounds each
    assert table.groupby("fit").size().tolist() == [6, 6, 2, 2]
    assert np.isfinite(table[["training_error", "divergence"]]).all(axis=None)
    saved = torch.load(whole / "checkpoint.pt", weights_only=False)
    assert saved["seed"] == 1 and {"config_digest", "code_digest", "versions"} <= set(saved)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(recording_path, whole, tmp_path):
    again = run_training(recording_path, tmp_path / "again", *WORDS)
    for name in FILES:
        assert (whole / name).read_bytes() == (again / name).read_bytes(), name
    other = read_embedding(run_training(recording_path, tmp_path / "other", *WORDS, "seed=2") / "output.nc")
    first = read_embedding(whole / "output.nc")
    assert not np.allclose(other["residual"], first["residual"], rtol=1e-3)
    np.testing.assert_array_equal(other["part"], first["part"])


def test_fits_together_are_the_fits_alone(recording_path, whole, tmp_path):
    run = run_training(recording_path, tmp_path / "run", *WORDS, "training.together=1")
    one, other = (read_embedding(path / "output.nc") for path in (whole, run))
    for name in ("latents", "latents_sd", "residual", "error", "reconstruction"):
        np.testing.assert_allclose(other[name], one[name], rtol=0.02, atol=0.02, err_msg=name)
    np.testing.assert_array_equal(other["part"], one["part"])


def test_a_member_that_diverges_does_not_cost_the_others(recording_path, whole, tmp_path, monkeypatch):
    own = AvaePlusFit._losses

    def losses(self):
        spoilt = torch.ones(len(self.betas))
        if len(spoilt) == 3 and self.model.sizes.latents == 4:
            spoilt[1] = torch.nan
        return tuple(value * spoilt for value in own(self))

    monkeypatch.setattr(AvaePlusFit, "_losses", losses)
    run = run_training(recording_path, tmp_path / "run", *WORDS)
    one, other = (read_embedding(path / "output.nc") for path in (whole, run))
    same = [np.allclose(one["latents"][k], other["latents"][k], atol=1e-4, equal_nan=True) for k in range(8)]
    assert same == [True, False, True, True, False, True, True, True]
    assert np.isfinite(other["residual"]).all()


class Killed(BaseException):
    """Stands for a signal: nothing in training may catch it and write results."""


@pytest.mark.parametrize("rounds", [2, 3, 6])
def test_interrupted_training_goes_on_to_the_same_bytes(rounds, recording_path, whole, tmp_path, monkeypatch):
    """Killed in the first fit, where nothing is kept, and in later ones; a fit lasts two rounds."""
    original, calls = AvaePlusFit.round, []

    def failing(self):
        calls.append(1)
        if len(calls) == rounds:
            raise Killed
        return original(self)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(AvaePlusFit, "round", failing)
        run_training(recording_path, tmp_path / "parts", *WORDS)
    finished = (rounds - 1) // 2
    assert {path.name for path in (tmp_path / "parts").iterdir()} == ({"resume.pt"} if finished else set())
    made, start = [], AvaePlusFit.start
    monkeypatch.setattr(AvaePlusFit, "start", lambda self, device: made.append(1) or start(self, device))
    parts = run_training(recording_path, tmp_path / "parts", *WORDS)
    assert len(made) == 4 - finished
    for name in FILES:
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    assert not (parts / "resume.pt").exists()


def test_a_state_of_another_configuration_is_not_continued(recording_path, whole, tmp_path, capsys):
    directory = tmp_path / "run"
    directory.mkdir()
    torch.save({"origin": {"config_digest": "other"}, "state": {"turn": 2}}, directory / "resume.pt")
    run_training(recording_path, directory, *WORDS)
    assert "starting anew" in capsys.readouterr().err
    assert (directory / "output.nc").read_bytes() == (whole / "output.nc").read_bytes()

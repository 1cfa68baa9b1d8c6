"""Training: the optimiser against PyTorch's, schedules, and the whole training of a small model."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import yaml
from forked_python import forked_python
from lfads_runs import Killed, run_training

from calcium_latents.models.lfads.metrics import METRICS
from calcium_latents.training.optimizer import PopulationAdam, WeightAverage
from calcium_latents.training.schedules import LearningRateSchedule, PenaltyRamp


def run_adam(make, steps=20, population=2):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(population, 3, 2, dtype=torch.float64))
    target = torch.randn(population, 3, 2, dtype=torch.float64)
    optimizer = make([weight])
    for _ in range(steps):
        optimizer.zero_grad()
        ((weight - target) ** 2).sum().backward()
        optimizer.step()
    return weight.detach()


def test_population_adam_is_adam():
    ours = run_adam(lambda p: PopulationAdam(p, torch.tensor([0.05, 0.05]), (0.9, 0.99), 1e-8))
    torch.testing.assert_close(ours, run_adam(lambda p: torch.optim.Adam(p, 0.05, (0.9, 0.99), 1e-8)))


def test_members_have_their_own_learning_rates():
    both = run_adam(lambda p: PopulationAdam(p, torch.tensor([0.05, 0.01])))
    torch.testing.assert_close(both[1], run_adam(lambda p: torch.optim.Adam(p, 0.01))[1])
    torch.testing.assert_close(both[0], run_adam(lambda p: torch.optim.Adam(p, 0.05))[0])


def test_gradient_clip_is_per_member():
    weight = torch.nn.Parameter(torch.zeros(2, 4))
    optimizer = PopulationAdam([weight], torch.ones(2), clip=1.0)
    weight.grad = torch.stack([torch.full((4,), 10.0), torch.full((4,), 0.1)])
    norm = optimizer.step()
    torch.testing.assert_close(norm, torch.tensor([20.0, 0.2]))
    torch.testing.assert_close(optimizer.state[weight]["mean"] / 0.1, torch.tensor([[0.5], [0.1]]).expand(2, 4))


def test_a_diverged_member_does_not_spoil_the_others():
    weight = torch.nn.Parameter(torch.zeros(2, 4))
    optimizer = PopulationAdam([weight], torch.ones(2))
    weight.grad = torch.stack([torch.full((4,), math.nan), torch.full((4,), 0.1)])
    for _ in range(3):  # also with momentum from better steps
        weight.grad[0] = 0.1
        optimizer.step()
        before = weight.detach().clone()
        weight.grad[0] = math.nan
        norm = optimizer.step()
        assert torch.isnan(norm[0])
        assert (weight[0] == before[0]).all()
        assert (weight[1] < before[1]).all()


def test_weight_average_forgets_its_start():
    source, target = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    average = WeightAverage(target, source, 0.9)
    for _ in range(200):
        average.update()
    torch.testing.assert_close(target.weight, source.weight)


def test_schedules():
    rate = LearningRateSchedule(warmup_steps=10, final_fraction=0.1)
    assert rate.factor(0, 100) == pytest.approx(0.1)
    assert rate.factor(100, 100) == pytest.approx(0.1)
    assert rate.factor(10, 100) > rate.factor(60, 100) > rate.factor(90, 100)
    assert LearningRateSchedule().factor(77, 100) == 1.0
    held = LearningRateSchedule(warmup_steps=10, final_fraction=0.1, hold_fraction=0.4)
    assert [held.factor(step, 100) for step in (4, 39, 40, 70, 100)] == pytest.approx([0.5, 1, 1, 0.55, 0.1])
    assert LearningRateSchedule(final_fraction=0.1, hold_fraction=1.0).factor(99, 100) == 1.0
    ramp = PenaltyRamp(length=80, unit="epoch")
    assert [ramp.value(e, 0) for e in (0, 79, 80, 200)] == pytest.approx([1 / 81, 80 / 81, 1, 1])


@pytest.mark.parametrize(
    ("model", "data", "frames"),
    [("radical", "subframe", 12), ("radical_published", "subframe", 12), ("autolfads", "frames", 4)],
)
def test_training_writes_what_the_workflow_expects(events_path, tmp_path, model, data, frames):
    from calcium_latents.models.lfads.snapshots import snapshot_rates
    from calcium_latents.recordings import read_inferred, read_recording

    directory = run_training(events_path, tmp_path / "run", f"model={model}", f"data={data}")
    names = {"checkpoint.pt", "output.nc", "metrics.csv", "timing.csv", "snapshots.pt", "config.yaml"}
    assert {p.name for p in directory.iterdir()} == names
    inferred = read_inferred(directory / "output.nc")
    assert inferred["event_rate"].shape == (20, frames, 6)
    assert inferred["split"].values.sum() == 4
    assert inferred.attrs["seed"] == 1
    config = yaml.safe_load((directory / "config.yaml").read_text())
    snapshots = list(snapshot_rates(directory, read_recording(events_path), config["data"]))
    assert [s.step for s in snapshots] == [0, 3, 6]
    timing = pd.read_csv(directory / "timing.csv")
    assert timing["step"].tolist() == [0, 3, 6] and timing["training_seconds"].diff().min() > 0
    kept = torch.load(directory / "snapshots.pt", weights_only=False)
    assert all(set(snapshot) == {"step", "state", "metrics"} for snapshot in kept)  # no seconds: those differ
    assert not np.allclose(snapshots[0].event_rate, snapshots[-1].event_rate)
    assert set(snapshots[-1].metrics) == set(METRICS)


def test_trials_of_their_own_lengths_train(events_path, tmp_path):
    from calcium_latents.recordings import read_inferred, read_recording, write_recording

    recording = read_recording(events_path)
    recording["events"].values[::2, 7:] = np.nan
    provenance = {"seed": 0, "config_digest": "1", "code_digest": "0", "versions": "{}"}
    write_recording(recording, tmp_path / "events.nc", provenance)
    rate = read_inferred(run_training(tmp_path / "events.nc", tmp_path / "run") / "output.nc")["event_rate"]
    assert rate.shape == (20, 12, 6) and (rate.values > 0).all()


def test_same_seed_same_bytes_and_other_seed_other_result(events_path, tmp_path):
    from calcium_latents.recordings import read_inferred

    first = run_training(events_path, tmp_path / "a", "seed=5")
    second = run_training(events_path, tmp_path / "b", "seed=5")
    other = run_training(events_path, tmp_path / "c", "seed=6")
    for name in ("output.nc", "metrics.csv", "checkpoint.pt", "snapshots.pt", "config.yaml"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    rates = [read_inferred(d / "output.nc")["event_rate"] for d in (first, other)]
    assert isinstance(rates[0], xr.DataArray)
    assert not np.allclose(*rates)


def test_training_lowers_the_loss_on_held_out_samples(events_path, tmp_path):
    overrides = ["training.steps=150", "training.validate_every=50", "training.batch_size=16"]
    directory = run_training(events_path, tmp_path / "run", *overrides)
    blind = pd.read_csv(directory / "metrics.csv")["speckled_holdout_nll"]
    assert blind.iloc[-1] < blind.iloc[0]


def test_select_keeps_the_weights_of_the_best_validation(events_path, tmp_path):
    overrides = [
        "training.steps=40",
        "training.validate_every=4",
        "training.snapshot_every=4",
        "training.batch_size=16",
    ]
    overrides += ["model.hyperparameters.learning_rate=0.2"]  # so high that later steps are worse
    directory = run_training(events_path, tmp_path / "run", "training.select=speckled_holdout_nll", *overrides)
    blind = pd.read_csv(directory / "metrics.csv").set_index("step")["speckled_holdout_nll"]
    assert blind.idxmin() < 40
    kept = torch.load(directory / "checkpoint.pt", weights_only=False)["state"]
    snapshots = {s["step"]: s["state"] for s in torch.load(directory / "snapshots.pt", weights_only=False)}
    for step, state in snapshots.items():
        same = all(torch.equal(kept[name], state[name]) for name in kept)
        assert same == (step == blind.idxmin())


def test_select_names_its_choices():
    from calcium_latents.errors import UserError
    from calcium_latents.models.lfads.parameters import OptimizationOptions

    with pytest.raises(UserError, match=r"training\.select: expected one of last, reconstruction_nll"):
        OptimizationOptions(steps=1, batch_size=1, select="best")


def test_interrupted_training_goes_on_to_the_same_bytes(events_path, tmp_path, monkeypatch):
    """Train 20 = train 13, interrupt, resume from step 10."""
    from calcium_latents.models.lfads import training as lfads_module

    overrides = [
        "training.steps=20",
        "training.batch_size=5",
        "training.checkpoint_every=10",
        "training.select=speckled_holdout_nll",
    ]
    overrides += ["training.validate_every=6", "training.snapshot_every=6", "model.hyperparameters.dropout_rate=0.2"]
    whole = run_training(events_path, tmp_path / "whole", *overrides)
    assert not (whole / "resume.pt").exists()

    original, calls = lfads_module.step_objective, []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == 14:
            raise Killed
        return original(*arguments)

    monkeypatch.setattr(lfads_module, "step_objective", failing)
    with pytest.raises(Killed):
        run_training(events_path, tmp_path / "parts", *overrides)
    assert {p.name for p in (tmp_path / "parts").iterdir()} == {"resume.pt"}
    parts = run_training(events_path, tmp_path / "parts", *overrides)
    assert len(calls) == 14 + 10
    for name in ("output.nc", "metrics.csv", "checkpoint.pt"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name
    assert not (parts / "resume.pt").exists()


def test_a_state_of_another_configuration_is_not_continued(events_path, tmp_path, capsys):
    directory = tmp_path / "run"
    directory.mkdir()
    torch.save({"origin": {"config_digest": "other"}, "state": {}}, directory / "resume.pt")
    run_training(events_path, directory)
    assert "starting anew" in capsys.readouterr().err
    assert (directory / "output.nc").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", bytes(500)])
def test_a_state_that_cannot_be_read_counts_as_none(events_path, tmp_path, capsys, content):
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "resume.pt").write_bytes(content)
    run_training(events_path, directory)
    assert "resume.pt: expected a whole file of PyTorch" in capsys.readouterr().err
    assert (directory / "output.nc").exists() and not (directory / "resume.pt").exists()


@pytest.mark.slow
def test_training_killed_by_the_system_goes_on(events_path, tmp_path):
    """The same with kill -9 of the command itself."""
    import subprocess
    import sys
    import time

    sizes = [f"model.sizes.{name}=8" for name in ("encoder", "controller", "generator", "initial_condition", "factors")]
    words = [
        *sizes,
        f"recording={events_path}",
        "training=smoke",
        "training.steps=400",
        "training.checkpoint_every=20",
    ]

    def command(directory, python):
        arguments = ["-m", "calcium_latents.commands.train", *words, f"hydra.run.dir={directory}"]
        return subprocess.Popen([python, *arguments], stderr=subprocess.DEVNULL)

    process = command(tmp_path / "parts", sys.executable)
    deadline = time.monotonic() + 120
    while not (tmp_path / "parts/resume.pt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "parts/output.nc").exists()
    assert command(tmp_path / "parts", forked_python()).wait() == 0
    assert command(tmp_path / "whole", forked_python()).wait() == 0
    for name in ("output.nc", "metrics.csv", "checkpoint.pt"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name

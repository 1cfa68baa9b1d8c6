"""Training that ends where a metric has stopped falling: when that is, and that an interruption changes nothing."""

import pandas as pd
import pytest
import torch
from lfads_runs import Killed, run_training

from calcium_latents.errors import UserError
from calcium_latents.models.lfads import family
from calcium_latents.models.lfads import training as lfads_module
from calcium_latents.models.lfads.parameters import OptimizationOptions
from calcium_latents.training.optimizer import PopulationAdam
from calcium_latents.training.schedules import LearningRateSchedule, Plateau

OVERRIDES = [
    "training.select=speckled_holdout_nll",
    "training.steps=60",
    "training.validate_every=4",
    "training.snapshot_every=100",
    "training.checkpoint_every=3",
    "training.learning_rate={warmup_steps: 0, hold_fraction: 0.6, final_fraction: 0.01}",
    "+training.plateau.patience=2",
    "+training.plateau.gain=2",  # twice the whole fall: level as soon as may be
    "+training.plateau.least_steps=12",
]
REACHED, LENGTH = 12, 20  # 12 / 0.6


@pytest.mark.parametrize(
    ("values", "reached"),
    [
        ([], False),
        ([1.0], False),
        ([1.0, 0.9, 0.9], False),  # no more than the patience
        ([1.0, 0.9, 0.9, 0.9], False),  # within it, 0.9 was new
        ([1.0, 0.9, 0.9, 0.9, 0.9], True),
        ([1.0, 0.5, 0.5, 0.5, 0.494], False),  # 0.006 of a fall of 0.506: above 1 %
        ([1.0, 0.5, 0.5, 0.5, 0.496], True),  # 0.004 of 0.504: below
        ([1.0, 0.5, 0.494, 0.5, 0.5], False),  # the best one counts, wherever it is in the last ones
        ([1.0, 0.5, 0.6, 0.7, 0.8], True),
        ([1.0, 1.1, 1.2, 1.3], True),  # it only rises
        ([1.0, 1.0, 1.0, 1.0], True),  # it does not move
        ([-1.0, -2.0, -2.0, -2.0, -2.0], True),
        ([1.0, 0.8, 0.6, 0.4, 0.2], False),
    ],
)
def test_when_a_plateau_is_reached(values, reached):
    plateau = Plateau(patience=3, gain=0.01, least_steps=10)
    steps = range(10, 10 * len(values) + 1, 10)
    assert plateau.reached(steps, values) == reached
    assert not Plateau(patience=3, gain=0.01, least_steps=10 * len(values) + 1).reached(steps, values)


def test_a_plateau_needs_a_metric_and_a_rate_that_is_held():
    held = LearningRateSchedule(hold_fraction=0.6)
    for select, schedule in (("last", held), ("speckled_holdout_nll", LearningRateSchedule())):
        with pytest.raises(
            UserError, match=r"training\.plateau: expected a metric to select, and a learning rate held"
        ):
            OptimizationOptions(steps=10, batch_size=2, learning_rate=schedule, plateau=Plateau(), select=select)


@pytest.fixture(scope="module")
def whole(events_path, tmp_path_factory):
    """The uninterrupted run, and the learning rates of its steps."""
    rates, original = [], PopulationAdam.set_learning_rate

    def spy(optimizer, rate):
        rates.append(float(rate[0]))
        original(optimizer, rate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PopulationAdam, "set_learning_rate", spy)
        return run_training(events_path, tmp_path_factory.mktemp("plateau") / "whole", *OVERRIDES), rates


def test_training_ends_early_with_a_rate_that_has_fallen(whole):
    directory, rates = whole
    steps = pd.read_csv(directory / "metrics.csv")["step"]
    assert steps.tolist() == [4, 8, 12, 16, 20]
    assert len(rates) == LENGTH
    schedule = LearningRateSchedule(hold_fraction=0.6, final_fraction=0.01)
    expected = [schedule.factor(step, LENGTH) for step in range(LENGTH)]
    assert [rate / rates[0] for rate in rates] == pytest.approx(expected)
    assert expected[REACHED - 1] == 1 > expected[REACHED + 1] and expected[-1] < 0.05
    snapshots = torch.load(directory / "snapshots.pt", weights_only=False)
    assert [snapshot["step"] for snapshot in snapshots] == [0, LENGTH]


def test_the_best_weights_are_kept(whole):
    directory, _ = whole
    metrics = pd.read_csv(directory / "metrics.csv").set_index("step")["speckled_holdout_nll"]
    kept = torch.load(directory / "checkpoint.pt", weights_only=False)["state"]
    last = torch.load(directory / "snapshots.pt", weights_only=False)[-1]["state"]
    assert all(torch.equal(kept[name], last[name]) for name in kept) == (metrics.idxmin() == LENGTH)


def same_bytes(one, other):
    for name in ("output.nc", "metrics.csv", "checkpoint.pt", "snapshots.pt"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("killed_at", [8, 14, 18, 20])
def test_an_interrupted_run_goes_on_to_the_same_bytes(events_path, tmp_path, monkeypatch, whole, killed_at):
    """Killed before the plateau, after it, and in the last step; states are kept every 3 steps."""
    original, calls = lfads_module.step_objective, []

    def failing(*arguments):
        calls.append(1)
        if len(calls) == killed_at:
            raise Killed
        return original(*arguments)

    monkeypatch.setattr(lfads_module, "step_objective", failing)
    with pytest.raises(Killed):
        run_training(events_path, tmp_path / "parts", *OVERRIDES)
    state = torch.load(tmp_path / "parts/resume.pt", weights_only=False)["state"]
    assert state["step"] == (killed_at - 1) // 3 * 3
    assert state["shortened"] == (LENGTH if state["step"] >= REACHED else None)
    same_bytes(whole[0], run_training(events_path, tmp_path / "parts", *OVERRIDES))
    assert len(calls) == killed_at + LENGTH - state["step"]


def test_a_run_that_was_killed_after_its_last_step_trains_no_further(events_path, tmp_path, monkeypatch, whole):
    def failing(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(family, "infer_rates", failing)
        with pytest.raises(Killed):
            run_training(events_path, tmp_path / "parts", *OVERRIDES)
    monkeypatch.setattr(lfads_module, "step_objective", failing)
    same_bytes(whole[0], run_training(events_path, tmp_path / "parts", *OVERRIDES))


def test_a_plateau_late_in_training_leaves_its_length(events_path, tmp_path):
    overrides = [word for word in OVERRIDES if "training.steps" not in word and "least_steps" not in word]
    directory = run_training(
        events_path, tmp_path / "run", *overrides, "training.steps=16", "+training.plateau.least_steps=12"
    )
    assert pd.read_csv(directory / "metrics.csv")["step"].tolist() == [4, 8, 12, 16]

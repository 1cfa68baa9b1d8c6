"""Whole searches of small models: what they leave, and that nothing which may happen on the way changes it."""

import math
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from forked_python import forked_python

from calcium_latents.errors import UserError

RESULTS = ("output.nc", "metrics.csv", "checkpoint.pt")
FILES = {"checkpoint.pt", "output.nc", "metrics.csv", "timing.csv", "snapshots.pt", "config.yaml"}


class Killed(BaseException):
    """Stands for a signal: nothing may catch it and write results."""


@pytest.fixture(scope="module")
def whole(composed, tmp_path_factory):
    """A search of four members, one at a time, that nothing interrupted."""
    from calcium_latents.commands.train import train

    directory = tmp_path_factory.mktemp("whole")
    train(composed(), directory)
    return directory


def assert_same(first, second):
    for name in RESULTS:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_what_a_search_leaves(whole, events_path):
    from calcium_latents.models.lfads.snapshots import load_model, snapshot_rates
    from calcium_latents.recordings import read_inferred, read_recording

    assert {path.name for path in whole.iterdir()} == FILES
    table = pd.read_csv(whole / "metrics.csv")
    assert list(table.columns[:7]) == ["generation", "member", "parent", "epoch", "step", "score", "diverged"]
    assert {"learning_rate", "dropout_rate", "speckled_holdout_nll", "reconstruction_nll", "training_total"} <= set(
        table
    )
    assert "initial_condition_encoder_l2" not in table  # not searched
    assert table[["generation", "member"]].to_numpy().tolist() == [[g, m] for g in (1, 2, 3) for m in range(4)]
    assert table.groupby("generation")["epoch"].unique().explode().tolist() == [3, 5, 7]
    assert table.loc[table["generation"] == 1, "parent"].tolist() == [0, 1, 2, 3]
    copies = table[table["parent"] != table["member"]]
    assert len(copies) > 0
    values = table.set_index(["generation", "member"])
    for row in copies.itertuples():
        assert (
            values.loc[(row.generation - 1, row.parent), "score"]
            < values.loc[(row.generation - 1, row.member), "score"]
        )
    for row in table[(table["parent"] == table["member"]) & (table["generation"] > 1)].itertuples():
        assert row.learning_rate == values.loc[(row.generation - 1, row.member), "learning_rate"]
    checkpoint = torch.load(whole / "checkpoint.pt", weights_only=False)
    best = table.loc[table["score"].idxmin()]
    assert (checkpoint["generation"], checkpoint["member"]) == (best["generation"], best["member"])
    assert load_model(whole)[1].population == 1
    assert "members" not in checkpoint
    assert read_inferred(whole / "output.nc")["event_rate"].shape == (20, 12, 6)
    snapshots = list(snapshot_rates(whole, read_recording(events_path), {}))
    assert snapshots[-1].metrics["speckled_holdout_nll"] == pytest.approx(best["speckled_holdout_nll"])
    timing = pd.read_csv(whole / "timing.csv")
    assert list(timing.columns) == ["generation", "step", "training_seconds"]
    assert (timing["training_seconds"].diff().dropna() > 0).all()


def test_the_score_is_the_moving_average_of_a_generation():
    from types import SimpleNamespace

    from calcium_latents.search.group_training import GroupTrainer

    trainer = GroupTrainer(None, SimpleNamespace(metric="speckled_holdout_nll", smoothing=0.7), None, 1, "cpu")
    rows = [
        {"member": m, "speckled_holdout_nll": value + m, "training_total": 1.0, "training_gradient_norm": 1.0}
        for value in (3.0, 1.0, 2.0)
        for m in (0, 1)
    ]
    assert trainer._measure(rows, 1, 7)["score"] == pytest.approx(0.3 * (0.3 * 4.0 + 0.7 * 2.0) + 0.7 * 3.0)
    assert trainer._measure(rows, 1, 7)["member"] == 7
    rows[0]["training_gradient_norm"] = math.inf
    assert math.isnan(trainer._measure(rows, 0, 0)["score"]) and trainer._measure(rows, 0, 0)["diverged"]
    assert not trainer._measure(rows, 1, 1)["diverged"]


def test_a_search_interrupted_anywhere_goes_on_to_the_same_bytes(whole, search, tmp_path, monkeypatch):
    """Ended at one step, then while a state is written, then between a generation's states and its conclusion."""
    from calcium_latents.models.lfads import training as lfads_module
    from calcium_latents.search import folder, worker

    def ends(place, name, after):
        original, calls = getattr(place, name), []

        def ending(*arguments, **more):
            calls.append(1)
            if len(calls) > after:
                raise Killed
            return original(*arguments, **more)

        monkeypatch.setattr(place, name, ending)

    # four training trials a batch: four steps an epoch, twelve a member in the first generation
    for place, name, after in (
        (lfads_module, "step_objective", 30),
        (folder, "write_torch", 3),
        (worker, "conclude", 1),
    ):
        ends(place, name, after)
        with pytest.raises(Killed):
            search(tmp_path / "parts")
        monkeypatch.undo()
        assert {path.name for path in (tmp_path / "parts").iterdir()} == {"search"}
    search(tmp_path / "parts")
    assert {path.name for path in (tmp_path / "parts").iterdir()} == FILES
    assert_same(whole, tmp_path / "parts")


def test_two_workers_give_the_same_bytes_as_one(whole, search, tmp_path):
    assert_same(whole, search(tmp_path / "two", "search.workers=2"))


def test_the_folder_stays_bounded(composed, tmp_path, monkeypatch):
    from calcium_latents.commands.train import train
    from calcium_latents.search import folder

    seen, original = [], folder.SearchFolder.close

    def close(self, *arguments):
        original(self, *arguments)
        seen.append(sorted(path.name for path in self.path.glob("generation-*")))

    monkeypatch.setattr(folder.SearchFolder, "close", close)
    train(composed("search.generations=4"), tmp_path)
    kept = ((1,), (1, 2), (2, 3), (3, 4))
    assert seen == [[f"generation-{number:04d}" for number in numbers] for numbers in kept]


def test_another_configuration_starts_anew(search, tmp_path, monkeypatch):
    from calcium_latents.search import worker

    monkeypatch.setattr(worker.Worker, "_close", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        search(tmp_path / "run", "seed=5")
    old = next((tmp_path / "run/search").iterdir())
    with pytest.raises(Killed):
        search(tmp_path / "run", "seed=6")
    assert not old.exists()
    monkeypatch.undo()
    alive = next((tmp_path / "run/search").glob("*/generation-0001")) / "group-0009.claim-0000"
    alive.write_text("1 another-machine")
    with pytest.raises(UserError, match="expected no workers of another configuration"):
        search(tmp_path / "run", "seed=7")


def test_a_mutated_learning_rate_takes_effect_after_a_restore(composed, events_path):
    """From one state, the first step of one member is larger in proportion to its learning rate."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from calcium_latents.recordings import read_recording
    from calcium_latents.search.group_training import GroupTrainer
    from calcium_latents.search.settings import SearchSettings

    config = OmegaConf.to_container(composed("training.weight_average=0", "training.batch_size=100"), resolve=True)
    config["search"] |= {"generation_epochs": 1, "validate_last_epochs": 1}
    settings = SearchSettings.from_config(config)
    family = instantiate(config["model"], _convert_="all")
    trainer = GroupTrainer.make(family, read_recording(events_path), config, settings)
    start = trainer.train(1, range(2), {"learning_rate": np.array([1e-3, 1e-3])}, None, [])["members"]
    rates = np.array([1e-3, 4e-3])
    streams = [start[0]["stream"]] * 2
    record = trainer.train(2, range(2), {"learning_rate": rates}, [start[0]] * 2, streams)
    before = start[0]["model"]["generator_gates"]
    change = [float((state["model"]["generator_gates"] - before).norm()) for state in record["members"]]
    assert change[0] > 0
    # the ratio is that of the rates, to float32's precision of small differences of weights
    assert change[1] / change[0] == pytest.approx(4, rel=1e-2)
    assert record["members"][0]["step"] == 3
    own = trainer.train(2, range(2), {"learning_rate": rates}, [start[0]] * 2, [s["stream"] for s in start])["members"]
    assert not torch.equal(own[1]["model"]["generator_gates"], record["members"][1]["model"]["generator_gates"])


@pytest.mark.parametrize("kind", ["pbt", "random"])
def test_no_plateau_ends_a_search(composed, events_path, kind):
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from calcium_latents.recordings import read_recording
    from calcium_latents.search.group_training import GroupTrainer
    from calcium_latents.search.settings import SearchSettings

    config = OmegaConf.to_container(composed("training=recording", f"search.kind={kind}"), resolve=True)
    assert config["training"]["plateau"]
    family = instantiate(config["model"], _convert_="all")
    trainer = GroupTrainer.make(family, read_recording(events_path), config, SearchSettings.from_config(config))
    module = trainer.untrained()
    assert module.options.plateau is None and module.length == module.options.steps


def test_learning_rates_fall_in_the_finish_whenever_it_begins(composed):
    from types import SimpleNamespace

    from omegaconf import OmegaConf

    from calcium_latents.models.lfads.parameters import OptimizationOptions
    from calcium_latents.search.group_training import GroupTrainer
    from calcium_latents.search.settings import SearchSettings
    from calcium_latents.training.schedules import LearningRateSchedule

    config = OmegaConf.to_container(composed("search.finish_generations=1"), resolve=True)
    schedule = LearningRateSchedule(final_fraction=0.1, hold_fraction=0.6)
    options = OptimizationOptions(steps=1, batch_size=1, learning_rate=schedule)
    trainer = GroupTrainer(SimpleNamespace(), SearchSettings.from_config(config), options, 1, "cpu")

    def factors(finish_after, *epochs):
        made = trainer._options(finish_after, 4)
        return [made.learning_rate.factor(4 * epoch, made.steps) for epoch in epochs]

    # generations end after 3, 5 and 7 epochs; a finish of one generation begins after the second, or, at the end of
    # patience, after the first
    assert factors(None, 0, 3, 5) == [1, 1, 1]
    assert factors(2, 5, 6, 7) == pytest.approx([1, 0.55, 0.1])
    assert factors(1, 3, 4, 5) == pytest.approx([1, 0.55, 0.1])
    config["search"] |= {"kind": "random", "finish_generations": 0}
    trainer.settings = SearchSettings.from_config(config)
    assert factors(None, 0, 0.6 * 7, 7) == pytest.approx([1, 1, 0.1])


def test_a_diverged_member_is_replaced(search, tmp_path, monkeypatch):
    from calcium_latents.search import group_training

    original = group_training.GroupTrainer._measure

    def spoilt(self, history, place, member):
        if member == 2 and history[0]["epoch"] <= 3:
            history = [{**row, "training_total": math.nan} for row in history]
        return original(self, history, place, member)

    monkeypatch.setattr(group_training.GroupTrainer, "_measure", spoilt)
    table = pd.read_csv(search(tmp_path / "run") / "metrics.csv").set_index(["generation", "member"])
    assert table["diverged"].sum() == 1 and table.loc[(1, 2), "diverged"] and np.isnan(table.loc[(1, 2), "score"])
    assert table.loc[(2, 2), "parent"] != 2


def test_a_population_that_diverges_says_what_to_lower(search, tmp_path, monkeypatch):
    from calcium_latents.search import group_training

    monkeypatch.setattr(group_training, "MUST_BE_FINITE", ("missing",))
    original = group_training.GroupTrainer._measure

    def spoilt(self, history, place, member):
        return original(self, [{**row, "missing": math.inf} for row in history], place, member)

    monkeypatch.setattr(group_training.GroupTrainer, "_measure", spoilt)
    with pytest.raises(UserError, match="after generation 1, found none: all diverged. Lower the learning rates"):
        search(tmp_path / "run")


def test_random_search_keeps_every_member_and_its_hyperparameters(search, tmp_path):
    directory = search(tmp_path / "run", "search=random", "search.members_at_once=4")
    table = pd.read_csv(directory / "metrics.csv")
    assert (table["parent"] == table["member"]).all()
    assert (table.groupby("member")["learning_rate"].nunique() == 1).all()
    assert table["learning_rate"].nunique() == 4
    checkpoint = torch.load(directory / "checkpoint.pt", weights_only=False)
    assert len(checkpoint["members"]) == 4
    assert [row["member"] for row in checkpoint["member_metrics"]] == [0, 1, 2, 3]
    assert {row["generation"] for row in checkpoint["member_metrics"]} == {3}
    gates = [state["generator_gates"] for state in checkpoint["members"]]
    assert all(len(weights) == 1 for weights in gates) and not torch.equal(gates[0], gates[1])
    if checkpoint["generation"] == 3:
        assert torch.equal(checkpoint["state"]["generator_gates"], gates[checkpoint["member"]])


def test_only_the_family_that_carries_a_population_can_be_searched(composed, tmp_path):
    from omegaconf import OmegaConf

    from calcium_latents.search.worker import Worker

    config = OmegaConf.to_container(composed(), resolve=True)
    config["model"] = {"_target_": "calcium_latents.models.traces.pca_family.PcaFamily", "name": "pca"}
    with pytest.raises(UserError, match=r"expected a model of the LFADS family .*Train it with search=none"):
        Worker.make(object(), None, config, {}, tmp_path)


def test_a_worker_leaves_when_the_state_is_gone(composed, events_path, tmp_path, monkeypatch):
    """The results have been written meanwhile: starting anew would be for nobody."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from calcium_latents.recordings import read_recording
    from calcium_latents.search.worker import Worker

    config = OmegaConf.to_container(composed(), resolve=True)
    family = instantiate(config["model"], _convert_="all")
    worker = Worker.make(family, read_recording(events_path), config, {}, tmp_path)
    monkeypatch.setattr(worker.trainer, "train", lambda *_: shutil.rmtree(worker.folder.path) or {"members": []})
    assert worker.work() is None


def test_a_dead_worker_is_named_with_its_last_words(composed, events_path, tmp_path, capsys):
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from calcium_latents.recordings import read_recording
    from calcium_latents.search import launch
    from calcium_latents.search.worker import Worker

    config = OmegaConf.to_container(composed(), resolve=True)
    family = instantiate(config["model"], _convert_="all")
    worker = Worker.make(family, read_recording(events_path), config, {}, tmp_path)
    launch._log(worker, 1).write_text("error: no space left on the device\n")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with launch._watched(worker, [process]):
        process.wait()
    said = capsys.readouterr().err
    assert "search worker 1 has ended with status 3; others go on:\nerror: no space left on the device" in said


def test_the_table_in_a_log_and_on_a_terminal(whole):
    import io

    from calcium_latents.search.table import SearchTable

    history = pd.read_csv(whole / "metrics.csv").to_dict("records")
    timing = pd.read_csv(whole / "timing.csv").to_dict("records")

    class Folder:
        generation = 2

        def last_closed(self):
            rows = [row for row in history if row["generation"] <= self.generation]
            stopped = "3 generations are done" if self.generation == 3 else None
            times = timing[: self.generation]
            return {"generation": self.generation, "history": rows, "timing": times, "stopped": stopped}

        def finished(self, _):
            return 1

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream in (io.StringIO(), Terminal()):
        folder = Folder()
        table = SearchTable(folder, 4, ["learning_rate", "dropout_rate"], stream)
        table.update()
        table.update()
        folder.generation = 3
        table.update()
        lines = stream.getvalue().splitlines()
        if stream.isatty():
            assert "generation 3: 1 of 4 groups trained" in stream.getvalue() and "\x1b[4F\x1b[J" in stream.getvalue()
            assert lines[-1] == "ended: 3 generations are done"
        else:
            assert [line.split()[0] for line in lines] == ["generation", "2", "3"]


@pytest.mark.slow
def test_a_search_killed_by_the_system_goes_on_and_machines_can_share_it(whole, command, tmp_path):
    """kill -9 of the command, whose workers then end by themselves; then another machine's worker and the command."""
    forked = {"python": forked_python()}
    directory = tmp_path / "my lab's (copy), run=[1] $(touch marker)"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command(directory, "search.workers=2"), **quiet)
    deadline = time.monotonic() + 120
    while not list(directory.glob("search/*/generation-*/group-*.pt")):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert not (directory / "output.nc").exists()
    worker = subprocess.Popen(command(directory, module="search_worker", **forked), **quiet)
    again = subprocess.run(command(directory, **forked), **quiet)
    assert again.returncode == 0, again.stderr
    # the worker found the search ended, or its folder gone together with the need for it
    worker.communicate()
    assert_same(whole, directory)
    shutil.rmtree(directory)
    alone = subprocess.run(command(directory, module="search_worker", **forked), **quiet)
    assert alone.returncode == 0, alone.stderr
    assert [path.name for path in directory.iterdir() if path.name != "search_worker.log"] == ["search"]
    assert subprocess.run(command(directory, **forked), **quiet).returncode == 0
    assert_same(whole, directory)

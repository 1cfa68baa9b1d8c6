"""`./run verify`: what it compares, when it kills, and a run of it."""

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from calcium_latents.launch import verify

LOGS = [f"radical/d/{model}/train-{seed}.log" for model in ("a", "b") for seed in (1, 2, 3)]
LOGS += [f"radical/d/{rule}.log" for rule in ("simulate", "evaluate", "deconvolve")]


@pytest.fixture
def results(tmp_path):
    """Return a function: results of a run, with files by name."""

    def make(run, files):
        folder = tmp_path / run
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return make


FILES = {
    **{f"radical/d/{name}": "x\n1\n" for name in ("scores.csv", "timing.csv", "output.txt")},
    **{"claims.csv": "x\n1\n", "logs/radical/d/train.log": "1 s", "benchmarks/radical/d/train.tsv": "s\n1"},
}


def test_every_result_is_compared_but_those_left_out(results):
    same = results("a", FILES)
    timed = results("b", FILES | {name: "other" for name in FILES if name.startswith(("logs", "benchmarks"))})
    (timed / "radical/d/timing.csv").write_text("x\n2\n")
    (timed / "radical/d/.output.0f3a.partial.nc").write_text("cut off")
    table, said = verify.compare([same, timed], ["radical/d/train.log"])
    assert said == []
    table = table.set_index("study")
    assert table.loc["radical"].to_dict() == {"compared": 2, "equal": 2, "differing": 0, "left_out": 2, "kills": 1}
    assert table.loc["(claims)"].to_dict() == {"compared": 1, "equal": 1, "differing": 0, "left_out": 0, "kills": 0}


def test_what_differs_in_any_run_is_said(results):
    one, two = results("a", FILES), results("b", FILES)
    three = results("c", FILES | {"radical/d/scores.csv": "x\n3\n", "radical/d/more.txt": ""})
    table, said = verify.compare([one, two, three], [])
    assert table.set_index("study").loc["radical", ["compared", "equal", "differing"]].tolist() == [3, 1, 2]
    assert said == [
        f"radical/d/more.txt: two cores, killed: missing from {one / 'radical/d'}",
        "radical/d/scores.csv: two cores, killed: columns x: first in row 1 of x: 1 and 3",
    ]


def test_strikes_follow_from_the_seed_and_half_are_in_trainings(results):
    benchmarks = {f"benchmarks/{log.removesuffix('.log')}.tsv": "s\th:m:s\n20.0\t0" for log in LOGS}
    folder = results("a", {f"logs/{log}": "" for log in LOGS} | benchmarks)
    strikes = verify.draw_strikes(folder, 4, seed=1)
    assert strikes == verify.draw_strikes(folder, 4, seed=1) != verify.draw_strikes(folder, 4, seed=2)
    assert len({strike.log for strike in strikes}) == 4 and {strike.log for strike in strikes} <= set(LOGS)
    assert sum("train" in strike.log for strike in strikes) >= 2
    assert all(0 <= strike.after_s < 20 for strike in strikes) and len({strike.after_s for strike in strikes}) == 4
    assert len(verify.draw_strikes(folder, 100, seed=1)) == len(LOGS)


def test_a_kill_is_due_when_its_job_has_begun_and_leaves_nothing_alive(tmp_path):
    import psutil

    # a job, a process in a session of its own, as workers and containers have
    script = "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(1);"
    script += f"open({str(tmp_path / 'train.log')!r}, 'w').close(); time.sleep(600)"
    (tmp_path / "old.log").touch()  # of the run before
    time.sleep(0.05)
    began = time.time()
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    strikes = [verify.Strike("old.log", 0.0), verify.Strike("train.log", 0.3)]
    assert verify._await(process, tmp_path, strikes, began, "run") == strikes[1]
    assert time.time() - (tmp_path / "train.log").stat().st_mtime >= 0.3
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert len(family) == 2
    verify._kill(process)
    assert process.returncode == -9 and not any(member.is_running() for member in family)


def test_a_run_that_ends_by_itself_has_no_strike(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    assert verify._await(process, tmp_path, [verify.Strike("train.log", 0.0)], time.time(), "run") is None
    assert process.returncode == 3


def test_rows_of_other_studies_stay(tmp_path):
    path = tmp_path / "verify.csv"
    rows = [("smoke", "radical", 1), ("smoke", "avae", 2), ("quick", "radical", 3)]
    columns = ["scale", "study", "compared"]
    verify.write_rows(pd.DataFrame(rows, columns=columns), path)
    verify.write_rows(pd.DataFrame([("smoke", "radical", 9)], columns=columns), path)
    expected = [["quick", "radical", 3], ["smoke", "avae", 2], ["smoke", "radical", 9]]
    assert pd.read_csv(path).to_numpy().tolist() == expected


@pytest.mark.slow
def test_a_study_has_the_same_bytes_on_one_core_on_two_and_with_kills(repository, tmp_path):
    # two threads a job, of which Snakemake takes one away where there is one core
    words = ["verify", "--studies", "latent_contributions", "--kills", "2"]
    words += ["--config", 'resources={"default": {"threads": 2}}']
    words += ["--folder", str(tmp_path / "runs"), "--output", str(tmp_path / "verify.csv"), "--keep"]
    command = [sys.executable, "-m", "calcium_latents.commands.workflow", *words]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(tmp_path / "verify.csv").set_index("study")
    assert (table["compared"] == table["equal"]).all() and table.loc["latent_contributions", "compared"] >= 8
    assert table.loc["latent_contributions", "kills"] > 0
    starts = list((tmp_path / "runs").glob("two-cores-killed/snakemake-*.log"))
    assert len(starts) == 1 + table["kills"].sum()
    results = [Path(tmp_path, "runs", run, "results/smoke") for run in ("one-core", "two-cores-killed")]
    file = next(results[1].glob("latent_contributions/figures/*.csv"))
    file.write_text(file.read_text().replace("\n", "0\n", 3))  # had it been another, it would have been said
    said = verify.compare(results, [])[1]
    assert len(said) == 1 and said[0].startswith(f"latent_contributions/figures/{file.name}: ")

"""What a killed `./run` leaves is cleared by the next one, and two do not run at once."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import psutil
import pytest

from calcium_latents import processes
from calcium_latents.errors import UserError
from calcium_latents.launch import leftovers

ROOT = Path(__file__).resolve().parents[2]
#: a run whose Snakemake has one job
RUN = """
import subprocess, sys
from argparse import Namespace
from pathlib import Path
from calcium_latents.launch import leftovers
arguments = Namespace(**dict.fromkeys(leftovers.LOOKING), directory=sys.argv[1], unlock=False)
with leftovers.only_run(arguments, Path("results")):
    Path(sys.argv[1], ".snakemake/locks").mkdir()
    Path(sys.argv[1], ".snakemake/locks/0.output.lock").touch()
    sys.exit(subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]]).returncode)
"""
JOB = "import sys, time, pathlib; pathlib.Path(sys.argv[1], 'job').touch(); time.sleep(120)"


def arguments(directory, **given):
    return Namespace(**dict.fromkeys(leftovers.LOOKING) | {"directory": str(directory), "unlock": False} | given)


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path):
    """Return a function: start a run as a process, and return it once its job runs."""
    started = []

    def run(job=JOB):
        words = [sys.executable, "-c", RUN, str(tmp_path), job]
        process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, stderr=subprocess.DEVNULL)
        started.append(process)
        until((tmp_path / "job").exists)
        return process

    yield run
    for process in started:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()


def runs(process):
    """Whether a process still runs; one that has ended may wait for ever to be asked how."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def note(directory):
    return (directory / ".snakemake" / leftovers.NOTE).read_text()


def lock(directory):
    (directory / ".snakemake/locks").mkdir(parents=True, exist_ok=True)
    path = directory / ".snakemake/locks/0.input.lock"
    path.touch()
    return path


def dead():
    """Return the name of a process of this machine that has ended."""
    process = subprocess.Popen(["true"])
    name = processes.process_name(process.pid)
    process.wait()
    return name


def killed(directory, process, host="here"):
    said = {"process": process, "number": 1, "host": host, "since": "yesterday", "session": os.getsid(0)}
    (directory / ".snakemake").mkdir(exist_ok=True)
    (directory / ".snakemake" / leftovers.NOTE).write_text(json.dumps(said))


def test_after_a_kill_its_jobs_are_stopped_and_its_locks_removed(start, tmp_path, capsys):
    run = start()
    (job,) = psutil.Process(run.pid).children()
    os.kill(job.pid, signal.SIGSTOP)  # also one that is halted
    run.kill()
    run.wait()
    assert runs(job) and (tmp_path / ".snakemake/locks/0.output.lock").exists()
    partial = tmp_path / f"results/radical/.events.{dead()}.01234567.partial.nc"
    partial.parent.mkdir()
    partial.touch()
    with leftovers.only_run(arguments(tmp_path), Path("results")):
        assert not runs(job) and not (tmp_path / ".snakemake/locks").exists() and not partial.exists()
    said = capsys.readouterr().err
    assert "stopped 1 process of a ./run that was killed" in said and f"process {run.pid}" in said
    assert "removed the lock" in said and "removed 1 half-written file " in said
    assert note(tmp_path) == ""


def test_two_at_once_are_refused_and_looking_is_not(start, tmp_path):
    run = start()
    with (
        pytest.raises(UserError, match=rf"no other ./run .* process {run.pid} on {socket.gethostname()}"),
        leftovers.only_run(arguments(tmp_path), Path("results")),
    ):
        pass
    with leftovers.only_run(arguments(tmp_path, dryrun=True), Path("results")):
        assert json.loads(note(tmp_path))["number"] == run.pid
    assert run.poll() is None


def test_a_terminated_run_waits_for_snakemake(start, tmp_path):
    job = (
        "import pathlib, signal, sys, time;"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit(7)));" + JOB
    )
    run = start(job)
    run.terminate()
    assert run.wait(timeout=60) == 7
    assert note(tmp_path) == "" and not (tmp_path / ".snakemake/locks").exists()


def test_what_is_ignored_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with leftovers.only_run(arguments(tmp_path), Path("results")):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_when_snakemake_is_killed_its_jobs_are_stopped_at_once(start, tmp_path):
    """The job here is Snakemake, whose own job outlives it."""
    job = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {JOB!r}, sys.argv[1]])"
    run = start(job)
    (snakemake,) = psutil.Process(run.pid).children()
    (left,) = snakemake.children()
    snakemake.kill()
    assert run.wait(timeout=60) == -signal.SIGKILL % 256
    assert not runs(left) and not (tmp_path / ".snakemake/locks").exists()


def test_locks_of_plain_snakemake_stay(tmp_path):
    path = lock(tmp_path)
    with leftovers.only_run(arguments(tmp_path), Path("results")):
        assert path.exists()
    assert path.exists()


def test_locks_of_another_machine_stay_until_the_user_says_so(tmp_path):
    path = lock(tmp_path)
    killed(tmp_path, "00000000-1-00000000", host="another")
    with (
        pytest.raises(UserError, match=r"process 1 on another, since yesterday.*--unlock"),
        leftovers.only_run(arguments(tmp_path), Path("results")),
    ):
        pass
    assert path.exists()
    with leftovers.only_run(arguments(tmp_path, unlock=True), Path("results")):
        path.unlink()  # what Snakemake does
    with leftovers.only_run(arguments(tmp_path), Path("results")):
        pass


@pytest.mark.parametrize("damaged", ["", "{", "\0\0", "[1]", "3"])
def test_a_note_that_was_cut_off_is_none(tmp_path, damaged):
    (tmp_path / ".snakemake").mkdir()
    (tmp_path / ".snakemake" / leftovers.NOTE).write_text(damaged)
    with leftovers.only_run(arguments(tmp_path), Path("results")):
        assert json.loads(note(tmp_path))["number"] == os.getpid()


def test_without_locks_of_files_the_note_tells(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(leftovers.fcntl, "flock", flock)
    killed(tmp_path, processes.process_name())
    with pytest.raises(UserError, match="no other ./run"), leftovers.only_run(arguments(tmp_path), Path("results")):
        pass
    killed(tmp_path, dead())
    with leftovers.only_run(arguments(tmp_path), Path("results")):
        pass


def test_results_that_cannot_be_written_are_said_before_work(tmp_path):
    (tmp_path / "results").write_text("no folder")
    with (
        pytest.raises(UserError, match="results: expected a folder that can be written to"),
        leftovers.only_run(arguments(tmp_path), Path("results")),
    ):
        raise AssertionError


@pytest.mark.slow
def test_kill_9_and_again(tmp_path):
    """The workflow itself, killed with its Snakemake while a job runs that outlives them."""
    target = "results/smoke/radical/lorenz-7hz/recording.nc"
    words = [sys.executable, "-m", "calcium_latents.commands.workflow", "--snakefile", str(ROOT / "Snakefile")]
    words += ["--directory", str(tmp_path), "--cores", "1", "--config", "scale=smoke", "--", target]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    how = {"cwd": ROOT, "env": os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")}, "text": True}
    run = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **how)
    family = psutil.Process(run.pid)

    def jobs():
        found = []
        for process in family.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                if "calcium_latents.commands.simulate" in process.cmdline():
                    found.append(process)
        return found

    until(jobs, 300)
    (job,) = jobs()
    job.suspend()
    (snakemake,) = family.children()
    run.kill()
    snakemake.kill()
    run.wait()
    assert runs(job) and not (tmp_path / target).exists()
    assert list((tmp_path / ".snakemake/locks").iterdir())
    again = subprocess.run(words, capture_output=True, **how)
    assert again.returncode == 0, again.stderr
    assert "processes of a ./run that was killed" in again.stderr and "removed the lock" in again.stderr
    assert not runs(job) and (tmp_path / target).is_file()

"""What is done around the command of every job: log, GPUs, last words."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from test_snakefile import snakemake

BEGIN = 'set -euo pipefail; source "{script}"; begin_job train {gpus} 400 30 {log}; '


@pytest.fixture
def job(repository, tmp_path):
    """A function that starts a job of `gpus` GPUs of this machine's; its log is `{name}.log` in `tmp_path`."""
    started = []
    names = [f"test-{uuid.uuid4()}", f"test-{uuid.uuid4()}"]  # leased by nobody else on this machine

    def start(name, command, gpus=0, devices=2, **environment):
        begin = BEGIN.format(script=repository / "workflow/job.sh", gpus=gpus, log=tmp_path / f"{name}.log")
        own = {"CALCIUM_LATENTS_GPUS": ",".join(names[:devices]), "CUDA_VISIBLE_DEVICES": "all of them"} | environment
        clean = {key: value for key, value in os.environ.items() if key not in own}
        own = {key: value for key, value in own.items() if value is not None}
        process = subprocess.Popen(["bash", "-c", begin + command], env=clean | own, start_new_session=True)
        started.append(process)
        return process

    start.names = names
    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    for name in names:
        Path(f"/tmp/calcium-latents-gpus-{os.getuid()}/{name}").unlink(missing_ok=True)


SHOW = 'echo "$accelerator on <$CUDA_VISIBLE_DEVICES>"; '
HOLD = SHOW + "sleep 60; true"


def said(tmp_path, name, after="", wait_s=30):
    """Return the log of a job once `after` stands in it."""
    path, end = tmp_path / f"{name}.log", time.monotonic() + wait_s
    while time.monotonic() < end:
        if path.is_file() and after in path.read_text():
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{after!r} is not in {path.read_text() if path.is_file() else 'a log'}")


def test_what_the_command_says_goes_to_the_log(job, tmp_path):
    (tmp_path / "plain.log").write_text("of the last attempt\n")
    assert job("plain", "echo out; echo err >&2; echo $accelerator").wait() == 0
    first, *rest = said(tmp_path, "plain").splitlines()
    assert first.startswith("job: may take 400 MB and 30 minutes") and rest == ["out", "err", "cpu"]


def test_a_command_that_truncates_the_log_itself_does_no_harm(job, tmp_path):
    assert job("own", f"sh -c 'echo said; kill -9 $$' > {tmp_path}/own.log 2>&1").wait() == 137
    lines = said(tmp_path, "own").splitlines()
    assert lines[0] == "said" and lines[-1].startswith("error: killed")


WORK = """
import subprocess, sys, time
from calcium_latents.commands.cli import run_command

def main():
    kept = bytearray(60 << 20)
    busy = "import itertools, time; any(time.process_time() > 0.4 for _ in itertools.count())"
    subprocess.run([sys.executable, "-c", busy])
    time.sleep(0.3)

run_command(main)
"""


def test_what_a_job_took_is_noted(job, tmp_path, repository):
    (tmp_path / "work.py").write_text(WORK)
    begun = f"{sys.executable} {tmp_path}/work.py"
    assert job("train", begun, PYTHONPATH=str(repository / "src")).wait(60) == 0
    names, values = (tmp_path / "train.tsv").read_text().splitlines()
    took = dict(zip(names.split("\t"), map(float, values.split("\t")), strict=True))
    assert took["s"] >= 0.6 and 0.3 <= took["cpu_s"] < 60 and 60 < took["max_rss_mb"] < 500
    (tmp_path / "train.tsv").unlink()
    assert job("train", f"{sys.executable} -c 'raise SystemExit(3)'").wait(60) == 3
    assert not (tmp_path / "train.tsv").exists()


def test_a_job_that_was_killed_says_so(job, tmp_path):
    assert job("killed", "sh -c 'kill -9 $$'").wait() == 137
    words = said(tmp_path, "killed")
    assert "error: killed, most likely for memory: it may take 400 MB" in words
    assert "--set-resources train:mem_mb=800" in words and "--retries 2" in words


def test_a_job_that_was_stopped_says_so(job, tmp_path):
    process = job("stopped", "sh -c 'echo ready; sleep 60'; true")
    said(tmp_path, "stopped", "ready")
    os.killpg(process.pid, signal.SIGTERM)  # as a cluster does to all of a job's processes at its time limit
    assert process.wait() == 143
    assert "--set-resources train:runtime=60" in said(tmp_path, "stopped")


def test_other_failures_speak_for_themselves(job, tmp_path):
    assert job("failed", "echo error: no; (exit 2); echo never").wait() == 2
    assert said(tmp_path, "failed").splitlines()[1:] == ["error: no"]


def test_jobs_without_gpus_see_none(job, tmp_path):
    assert job("blind", SHOW).wait() == 0
    assert said(tmp_path, "blind").splitlines()[-1] == "cpu on <>"


def test_jobs_of_a_cluster_keep_what_it_gives_them(job, tmp_path):
    assert job("given", SHOW, gpus=1, CALCIUM_LATENTS_GPUS=None, CUDA_VISIBLE_DEVICES="3").wait() == 0
    assert said(tmp_path, "given").splitlines()[-1] == "gpu on <3>"


def test_each_job_has_a_gpu_of_its_own_and_the_next_waits(job, tmp_path):
    first, second = job("first", HOLD, gpus=1), job("second", HOLD, gpus=1)
    seen = [said(tmp_path, name, "gpu on <").splitlines()[-1] for name in ("first", "second")]
    assert sorted(seen) == sorted(f"gpu on <{name}>" for name in job.names)
    third = job("third", SHOW, gpus=1)
    said(tmp_path, "third", "waits for a free GPU")
    time.sleep(0.7)
    assert third.poll() is None
    os.killpg(second.pid, signal.SIGKILL)
    assert third.wait(timeout=30) == 0
    assert said(tmp_path, "third").splitlines()[-1] == seen[1]
    assert first.poll() is None


def test_a_gpu_is_free_once_the_last_process_of_its_job_has_ended(job, tmp_path):
    """The shell is killed, what it started goes on, as after kill -9 of everything above it."""
    orphaned = job("orphaned", f"{SHOW} sleep 3 & echo $!; wait", gpus=1, devices=1)
    said(tmp_path, "orphaned", "gpu on <")
    orphaned.kill()
    orphaned.wait()
    waiting = job("waiting", SHOW, gpus=1, devices=1)
    said(tmp_path, "waiting", "waits for a free GPU")
    assert waiting.wait(timeout=30) == 0


def test_several_gpus_are_taken_together_or_not_at_all(job, tmp_path):
    """Two that take one of two each would wait for each other for ever."""
    both = [job(f"both-{number}", SHOW + "sleep 0.2", gpus=2) for number in range(3)]
    assert [process.wait(timeout=60) for process in both] == [0, 0, 0]
    assert said(tmp_path, "both-0").splitlines()[-1] == f"gpu on <{','.join(job.names)}>"


def test_more_gpus_than_there_are_is_an_error(job, tmp_path):
    assert job("greedy", "echo never", gpus=3).wait() == 2
    assert "expected at most 2" in said(tmp_path, "greedy") and "never" not in said(tmp_path, "greedy")


def test_a_retry_of_a_killed_job_may_take_more_and_the_user_sees_why(tmp_path):
    """The real workflow, with a `python` that is killed whatever it is asked to do."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text("#!/bin/sh\necho $* >&2\nkill -9 $$\n")
    (tmp_path / "bin/python").chmod(0o755)
    target = "results/smoke/radical/lorenz-7hz/recording.nc"
    words = ["--cores", "1", "--retries", "1", "--config", "scale=smoke", "studies=[radical]", "--", target]
    done = snakemake(tmp_path, *words, path=tmp_path / "bin")
    assert done.returncode != 0
    assert "may take 2000 MB" in done.stdout and "--set-resources simulate:mem_mb=4000" in done.stdout
    log = (tmp_path / "results/smoke/logs/radical/lorenz-7hz/simulate.log").read_text()
    assert log.startswith("job: may take 4000 MB and 10 minutes") and "-m calcium_latents.commands.simulate" in log
    assert log.splitlines()[-1].startswith("error: killed, most likely for memory: it may take 4000 MB")

"""profiles/slurm on a real SLURM of two nodes: whole runs, and what ends jobs early. Takes minutes."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from slurm_cluster import SlurmCluster, what_is_missing
from user_files import smooth_traces

MISSING = what_is_missing() or (
    None if importlib.util.find_spec("snakemake_executor_plugin_slurm") else "the extra slurm is not installed"
)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING is not None, reason=f"no SLURM here: {MISSING}")]

ROOT = Path(__file__).resolve().parents[2]
CODE = ("Snakefile", "config", "workflow", "profiles", "envs", "src")
MODEL = "results/smoke/radical/lorenz-7hz/radical/seed-1"
WAITS_S = {"slurm-init-seconds-before-status-checks": 2, "seconds-between-status-checks": 2, "latency-wait": 10}
SIMULATION = "results/smoke/radical/lorenz-7hz/recording.nc"


class Laboratory:
    """A checkout whose user has a cluster."""

    def __init__(self, folder: Path, cluster: SlurmCluster):
        self.folder, self.cluster = folder, cluster
        for name in CODE:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        profile = folder / "profiles/slurm/config.yaml"
        text = profile.read_text().replace("your_account", "laboratory")
        for wait, seconds in WAITS_S.items():
            text = re.sub(f"^{wait}: .*", f"{wait}: {seconds}", text, flags=re.MULTILINE)
        profile.write_text(text)

    def start(self, *arguments: str, config: tuple[str, ...] = ()) -> subprocess.Popen:
        """Start the workflow with the profile, in a session of its own."""
        path = os.pathsep.join([str(Path(sys.executable).parent), self.cluster.environment["PATH"]])
        command = [sys.executable, "-m", "calcium_latents.commands.workflow", *arguments]
        command += ["--profile", "profiles/slurm", "--config", "scale=smoke", *config]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.cluster.environment | {"PATH": path, "PYTHONPATH": str(self.folder / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, config: tuple[str, ...] = ()) -> tuple[int, str]:
        """Return the status of a whole run, and what it said."""
        started = self.start(*arguments, config=config)
        return self.end(started)

    def end(self, started: subprocess.Popen) -> tuple[int, str]:
        """Return the status of a run that was started, and what it said."""
        try:
            said, _ = started.communicate(timeout=900)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            raise
        return started.returncode, said

    def wait_for(self, ready, seconds: float = 180.0) -> None:
        """Wait until `ready()` is true."""
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, f"waited in vain; jobs: {self.cluster.jobs()}\n{self.cluster.logs()}"
            time.sleep(0.5)

    def running(self) -> list[str]:
        """Return the numbers of the jobs that run."""
        return [number for number, state, _ in self.cluster.jobs() if state == "RUNNING"]


@pytest.fixture(scope="module")
def laboratory():
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: a socket's path has at most 107 characters
    (folder / "checkout").mkdir()
    with SlurmCluster(folder / "cluster", nodes=2) as cluster:
        yield Laboratory(folder / "checkout", cluster)
    shutil.rmtree(folder)


def training(*words, jobs=0):
    """Return the model radical of one dataset with further words of the training command, as an override."""
    choice = {"data": "subframe", "training": "smoke", "search": "pbt" if jobs else "none", "overrides": list(words)}
    return "radical=" + json.dumps({"models": {"radical": choice | {"datasets": ["lorenz-7hz"]}}})


EVERY_20_STEPS = [f"training.{name}_every=20" for name in ("validate", "snapshot", "checkpoint")]
LONG = training("training.steps=240", *EVERY_20_STEPS)


def test_a_recording_goes_through_on_cpu_nodes(laboratory):
    np.save(laboratory.folder / "traces.npy", smooth_traces(1200, 12).astype("f4"))
    entry = "file: traces.npy, orientation: frames x neurons, sampling_rate_hz: 30, is_dff: true, studies: [recordings]"
    (laboratory.folder / "mine.yaml").write_text(f"recordings:\n  mine: {{{entry}}}\n")
    status, said = laboratory.run(
        "results/smoke/recordings/mine/verdict.txt", config=("recordings_file=mine.yaml", 'studies=["recordings"]')
    )
    assert status == 0, said
    assert (laboratory.folder / "results/smoke/recordings/mine/verdict.txt").is_file()
    jobs = laboratory.cluster.jobs()
    assert len(jobs) >= 7 and {(state, partition) for _, state, partition in jobs} == {("COMPLETED", "cpu")}


def test_four_jobs_share_a_search_on_two_nodes(laboratory):
    words = [
        "search.population=4",
        "search.generations=2",
        "search.finish_generations=0",
        "search.jobs=4",
        "search.workers=1",
    ]
    status, said = laboratory.run(
        f"{MODEL}/output.nc",
        "--set-threads",
        "search_worker=2",
        config=('studies=["radical"]', training(*words, jobs=4)),
    )
    assert status == 0, said
    nodes = laboratory.cluster.call("squeue", "-h", "--states=all", "-o", "%k %N")
    assert {line.split()[-1] for line in nodes.splitlines() if "search_worker" in line} == {"node1", "node2"}
    shutil.rmtree(laboratory.folder / MODEL)


def test_a_job_that_is_cancelled_goes_on_where_it_was(laboratory):
    started = laboratory.start(f"{MODEL}/output.nc", config=('studies=["radical"]', LONG))
    laboratory.wait_for((laboratory.folder / MODEL / "resume.pt").exists)
    laboratory.cluster.call("scancel", *laboratory.running())
    status, said = laboratory.end(started)
    assert status == 0, said
    log = (laboratory.folder / "results/smoke/logs/radical/lorenz-7hz/radical/seed-1/train.log").read_text()
    assert re.search(r"[Cc]ontinu|goes on|resum", log), log
    shutil.rmtree(laboratory.folder / MODEL)


def test_after_a_kill_of_snakemake_the_same_command_goes_on(laboratory):
    started = laboratory.start(f"{MODEL}/output.nc", config=('studies=["radical"]', LONG))
    laboratory.wait_for((laboratory.folder / MODEL / "resume.pt").exists)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    left = laboratory.running()
    assert left  # SLURM knows nothing of who asked for its jobs
    status, said = laboratory.run(f"{MODEL}/output.nc", config=('studies=["radical"]', LONG))
    assert status == 0, said
    states = {number: state for number, state, _ in laboratory.cluster.jobs()}
    assert {states[number] for number in left} == {"CANCELLED"}  # two jobs never write one file
    shutil.rmtree(laboratory.folder / MODEL)


def test_a_job_out_of_memory_says_so_and_gets_more(laboratory):
    (laboratory.folder / SIMULATION).unlink(missing_ok=True)
    status, said = laboratory.run(
        SIMULATION, "--set-resources", "simulate:mem_mb=330*attempt", config=('studies=["radical"]',)
    )
    assert status == 0 and "may take 330 MB" in said, said
    log = laboratory.folder / "results/smoke/logs/radical/lorenz-7hz/simulate.log"
    assert re.search(r"may take (660|990) MB", log.read_text())


def test_a_job_out_of_time_is_named(laboratory):
    forever = training("training.steps=100000000", *EVERY_20_STEPS)
    status, said = laboratory.run(
        f"{MODEL}/output.nc",
        "--retries",
        "0",
        "--set-resources",
        "train:runtime=1",
        config=('studies=["radical"]', forever),
    )
    assert status != 0 and "TIMEOUT" in said, said
    assert (laboratory.folder / MODEL / "resume.pt").exists()

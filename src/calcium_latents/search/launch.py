"""A search on one machine: as many workers as asked for, watched, and a table of how it is going."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import xarray as xr
import yaml

from calcium_latents.errors import UserError
from calcium_latents.files import atomic_path
from calcium_latents.hydra_words import quoted
from calcium_latents.search.folder import LostState
from calcium_latents.search.results import best_result
from calcium_latents.search.table import SearchTable
from calcium_latents.search.worker import Worker
from calcium_latents.training.family import FitResult

WATCH_S = 1.0
LAST_WORDS = 20  # lines of a dead worker's log
COMMAND = "calcium_latents.commands.search_worker"
QUIET = ("hydra.output_subdir=null", "hydra/job_logging=none", "hydra/hydra_logging=none")


def search_population(
    family: Any, recording: xr.Dataset, config: Mapping[str, Any], origin: Mapping[str, Any], directory: Path
) -> FitResult:
    """Search until the end, and return what the best member leaves; `_target_` of config/search/pbt.yaml.

    Args:
        family: the model's family.
        recording: what it is trained on.
        config: the training command's, resolved.
        origin: provenance of the search.
        directory: of the run; an interrupted search goes on from its folder `search`.

    Raises UserError where the config is wrong, or all members diverge.
    """
    worker = Worker.make(family, recording, config, origin, directory)
    while True:
        outcome = work_together(worker, config, directory)
        if outcome is None:
            raise UserError(f"{directory}: expected the state of the search, found none: another command has ended it.")
        try:
            return best_result(worker, outcome, recording)
        except LostState:
            continue


def work_together(worker: Worker, config: Mapping[str, Any], directory: Path) -> dict[str, Any] | None:
    """Work with the machine's other workers until the search has ended; see `Worker.work`."""
    done = worker.folder.last_closed()
    if done is not None and done["stopped"] is not None:  # by the jobs of a cluster
        return done
    on_cpu = config["accelerator"] == "cpu"
    count = worker.settings.workers or (config["processes"] if on_cpu else 1)
    count = min(count, len(worker.groups))
    use_one_thread(config)
    with _others(count - 1, config, directory, worker) as processes, _watched(worker, processes):
        return worker.work()


def use_one_thread(config: Mapping[str, Any]) -> None:
    """On the CPU a worker has one thread: members are independent, so more workers use a machine better, and the
    result does not depend on how many threads there are."""
    if config["accelerator"] == "cpu":
        torch.set_num_threads(1)


@contextmanager
def _others(count: int, config: Mapping[str, Any], directory: Path, worker: Worker):
    """Start `count` more workers; on leaving, wait for them, or stop them if this one failed."""
    if count == 0:
        yield []
        return
    file = worker.folder.path / f"worker-{socket.gethostname()}-{os.getpid()}.yaml"
    with atomic_path(file) as path:
        path.write_text(yaml.safe_dump({**config, "parent": os.getpid()}))
    words = [sys.executable, "-m", COMMAND, "--config-path", str(file.parent.resolve()), "--config-name", file.stem]
    words += [f"hydra.run.dir={quoted(str(directory.resolve()))}", *QUIET]
    processes = []
    try:
        for number in range(1, count + 1):
            with _log(worker, number).open("wb") as log:
                environment = os.environ | _device(number, config)
                processes.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))
        yield processes
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _device(number: int, config: Mapping[str, Any]) -> dict[str, str]:
    """Environment of a worker: one thread on the CPU; the GPUs of the machine in turn."""
    if config["accelerator"] == "cpu":
        return {"OMP_NUM_THREADS": "1"}
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = named.split(",") if named else [str(device) for device in range(torch.cuda.device_count())]
    return {"CUDA_VISIBLE_DEVICES": devices[number % len(devices)]}


@contextmanager
def _watched(worker: Worker, processes: list[subprocess.Popen]):
    """Show, in the background, how the search is going and which workers have died."""
    table = SearchTable(worker.folder, len(worker.groups), list(worker.settings.hyperparameters))
    ended, dead = threading.Event(), set()

    def look() -> None:
        table.update()
        for number, process in enumerate(processes, start=1):
            if process.poll() not in (None, 0) and number not in dead:
                dead.add(number)
                words = _log(worker, number).read_text(errors="replace").splitlines()[-LAST_WORDS:]
                killed = ", killed, most likely for memory" if process.returncode == -signal.SIGKILL else ""
                said = f"search worker {number} has ended with status {process.returncode}{killed}; others go on:"
                lines = [said, *words]
                table.say("\n".join(lines))

    def watch() -> None:
        while not ended.wait(WATCH_S):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        look()


def _log(worker: Worker, number: int) -> Path:
    return worker.folder.path / f"worker-{socket.gethostname()}-{number}.log"

"""One `./run` in a folder at a time, and nothing left of those that were killed.

A run notes in `.snakemake` who it is, and locks that note for as long as it lives: the kernel frees the lock of the
dead. All its processes carry the run's name in their environment. The next run thus knows that a run on this machine is
over, stops what is left of it (Snakemake's jobs outlive it, on a cluster too), and removes its locks and half-written
files. Snakemake's locks of others, of plain `snakemake` or another machine, are left to Snakemake and to the user.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import psutil

from calcium_latents.errors import UserError
from calcium_latents.files import remove_partials, require_writable
from calcium_latents.launch.cluster import cancel_jobs
from calcium_latents.processes import is_alive, process_name

NOTE = "calcium-latents-run.json"
MARK = "CALCIUM_LATENTS_RUN"
PATIENCE_S = 10.0  # for a process that has been asked to end
#: arguments with which Snakemake makes no results, and takes no lock
LOOKING = (
    "dryrun",
    "lint",
    "list_rules",
    "list_target_rules",
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "summary",
    "detailed_summary",
    "list_changes",
    "list_input_changes",
    "list_params_changes",
    "list_untracked",
    "list_conda_envs",
    "report",
    "print_compilation",
    "containerize",
    "nolock",
)


@contextmanager
def only_run(arguments: Any, results: Path) -> Generator[None]:
    """Run Snakemake in the block, as the only `./run` in its folder.

    Args:
        arguments: Snakemake's, parsed.
        results: where it will write, below its folder.

    Raises:
        UserError: another run is at work here, or results or Snakemake's notes cannot be written.
    """
    if any(getattr(arguments, name) for name in LOOKING):
        yield
        return
    folder = Path(arguments.directory or ".")
    notes, results = folder / ".snakemake", folder / results
    for written in (notes, results):
        require_writable(written)
    with (notes / NOTE).open("a+") as note:
        _take(note, notes)
        _clear(note, notes, results, arguments.unlock)
        locked = _locks(notes)  # by others: not this run's to remove
        try:
            with _noted(note), _signals_go_to_snakemake():
                yield
        finally:
            _stop(process_name(), os.getsid(0))
            if not locked:
                shutil.rmtree(notes / "locks", ignore_errors=True)  # of a Snakemake that was killed
            note.truncate(0)


def _take(note: TextIO, notes: Path) -> None:
    """Lock the note, unless another run holds it."""
    try:
        fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _held(_read(note), notes) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            raise
        # a disk without locks: the note alone tells
    before = _read(note)
    if before and is_alive(before["process"]):
        raise _held(before, notes)


def _held(before: dict[str, Any], notes: Path) -> UserError:
    who = f", process {before['number']} on {before['host']} since {before['since']}" if before else ""
    return UserError(
        f"{notes.resolve().parent}: expected no other ./run at work in this folder, found one{who}. Wait for its end,"
        " or stop it. If the two make different files, --nolock runs this one beside it."
    )


def _clear(note: TextIO, notes: Path, results: Path, unlock: bool) -> None:
    """Remove what a run left that was killed; with `unlock`, the user says that one on another machine was."""
    before = _read(note)
    if before:
        whose = f"of a ./run that was killed (process {before['number']}, since {before['since']})"
        if is_alive(before["process"]) is None:
            if _locks(notes) and not unlock:
                raise UserError(
                    f"{notes.resolve()}: expected no locks of another machine, found those of process"
                    f" {before['number']} on {before['host']}, since {before['since']}. If it does not run any more:"
                    " ./run --unlock, then start again."
                )
        else:
            if stopped := _stop(before["process"], before["session"]):
                _say(f"stopped {_counted(stopped, 'process', 'processes')} {whose}")
            if _locks(notes):
                shutil.rmtree(notes / "locks")
                _say(f"removed the lock {whose}")
        if cancelled := cancel_jobs(notes.parent):
            _say(f"cancelled {_counted(cancelled, 'job', 'jobs')} on the cluster {whose}")
    if removed := remove_partials(results):
        _say(f"removed {_counted(removed, 'half-written file', 'half-written files')} of processes that were killed")


def _read(note: TextIO) -> dict[str, Any]:
    note.seek(0)
    try:
        said = json.loads(note.read())
        return said if {"process", "number", "host", "since", "session"} <= set(said) else {}
    except (ValueError, TypeError):  # none, or cut off
        return {}


@contextmanager
def _noted(note: TextIO) -> Generator[None]:
    said = {
        "process": process_name(),
        "number": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "session": os.getsid(0),
    }
    note.truncate(0)
    note.write(json.dumps(said))  # in append mode
    note.flush()
    os.fsync(note.fileno())
    os.environ[MARK] = said["process"]
    try:
        yield
    finally:
        del os.environ[MARK]


@contextmanager
def _signals_go_to_snakemake() -> Generator[None]:
    """Stay until Snakemake has ended: it stops its jobs and removes its locks.

    A terminal sends SIGINT to both; SIGTERM and SIGHUP may come to this process alone, and are handed on.
    """

    def hand_on(number: int, _) -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(number)

    actions: dict[int, Any] = {signal.SIGINT: lambda *_: None, signal.SIGTERM: hand_on, signal.SIGHUP: hand_on}
    # what is ignored, by nohup for example, stays so
    heard = [number for number in actions if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, actions[number]) for number in heard}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _locks(notes: Path) -> bool:
    return any(notes.glob("locks/*.lock"))


def _stop(run: str, session: int) -> int:
    """End all processes of a run, and return how many there were."""
    found: set[int] = set()
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + PATIENCE_S
        asked: set[int] = set()
        while (left := list(_processes(run, session))) and time.monotonic() < deadline:
            for process in left:
                if process.pid not in asked:
                    with contextlib.suppress(psutil.Error):
                        process.send_signal(number)
                        process.send_signal(signal.SIGCONT)  # one that was halted would not hear
            asked |= {process.pid for process in left}
            found |= asked
            time.sleep(0.1)
    return len(found)


def _processes(run: str, session: int) -> Iterator[psutil.Process]:
    """Yield the processes of a run but this one; not jobs of a cluster, which have sessions of their own."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # another user's, or just ended
            marked = process.pid != os.getpid() and process.environ().get(MARK) == run
            if marked and os.getsid(process.pid) == session:
                yield process


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _say(text: str) -> None:
    print(f"run: {text}", file=sys.stderr)

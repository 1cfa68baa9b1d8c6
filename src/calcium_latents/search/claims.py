"""Claims of workers that share nothing but a folder: who holds one says so by a file, and keeps its time fresh.

A claim is a file `NAME.claim-0000` that exactly one worker can create (O_EXCL). One whose holder has died is taken over
by creating the next, `NAME.claim-0001`, which again exactly one worker can; nothing is deleted or renamed, so that no
order of events leaves two winners. A worker that only seemed dead may then do work that another does again: whatever
is done under a claim must give the same bytes whoever does it.
"""

import os
import threading
import uuid
from pathlib import Path

from calcium_latents import processes

BEAT_S = 10.0
#: Without a sign of life for so long, a holder counts as dead: NFS may show times a minute late (`acregmax`).
STALE_S = 120.0


class Claim:
    """A claim held, from `take`; leaving its `with` block gives it up at once."""

    def __init__(self, path: Path):
        self.path, self._left = path, threading.Event()

    def __enter__(self) -> "Claim":
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._left.set()
        _touch(self.path, (0.0, 0.0))

    def _beat(self) -> None:
        while not self._left.wait(BEAT_S):
            _touch(self.path)


def take(folder: Path, name: str, stale_s: float = STALE_S) -> Claim | None:
    """Claim `name` in `folder`, or return None where another worker holds it."""
    earlier = sorted(folder.glob(f"{name}.claim-*"))
    if earlier and is_alive(earlier[-1], stale_s):
        return None
    number = int(earlier[-1].suffix.rpartition("-")[2]) + 1 if earlier else 0
    path = folder / f"{name}.claim-{number:04d}"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except (FileExistsError, FileNotFoundError):  # another was faster, or the folder is no longer needed
        return None
    with os.fdopen(descriptor, "w") as file:
        file.write(processes.process_name())
    return Claim(path)


def is_alive(path: Path, stale_s: float = STALE_S) -> bool:
    """Tell whether the holder of a claim gave a sign of life in the last `stale_s` seconds, and still runs if here."""
    try:
        holder, last = path.read_text(errors="replace"), path.stat().st_mtime
    except FileNotFoundError:
        return False
    return processes.is_alive(holder) is not False and _clock(path.parent) - last < stale_s


def _clock(folder: Path) -> float:
    """Time now by the clock that stamps files in `folder`, which on a shared disk is not this machine's."""
    probe = folder / f".clock-{uuid.uuid4().hex}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except FileNotFoundError:  # the folder has been removed: nobody needs the claim
        return float("inf")
    finally:
        probe.unlink(missing_ok=True)


def _touch(path: Path, times: tuple[float, float] | None = None) -> None:
    try:
        os.utime(path, times)
    except FileNotFoundError:
        return

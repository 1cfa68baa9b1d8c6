"""Which process is which, also after its number has gone to another: for files that say who writes or holds them."""

import hashlib
import os
import re
import socket
from pathlib import Path

NAME = re.compile(r"([0-9a-f]{8})-(\d+)-([0-9a-f]{8})")


def process_name(process: int | None = None) -> str:
    """Return a name, fit for files, of a process of this machine, by default this one: machine, number, start."""
    number = os.getpid() if process is None else process
    return f"{_machine()}-{number}-{_start(number)}"


def is_alive(name: str) -> bool | None:
    """Whether the process of that name runs; None where this machine cannot know: another's, or no name at all."""
    parts = NAME.fullmatch(name)
    if parts is None or parts[1] != _machine():
        return None
    number = int(parts[2])
    return _runs(number) and _start(number) == parts[3]


def _machine() -> str:
    try:
        numbers = os.readlink("/proc/self/ns/pid")  # a container may bear its host's name and count anew
    except OSError:
        numbers = ""
    return _digest(socket.gethostname(), numbers)


def _start(process: int) -> str:
    """Tell apart processes that bear one number in turn, also across a reboot; without /proc none are."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return _digest()
    return _digest(fields[19], boot)  # field 22 of stat, of which the first two went with the name in brackets


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]

"""What processes keep for each other in the user's cache directory; it can be made again at any time."""

import atexit
import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

VARIABLE = "CALCIUM_LATENTS_CACHE"


def cache_directory() -> Path | None:
    """Return the folder in which what is kept may lie, made if need be; None where none can be written to."""
    for path in _candidates():
        with contextlib.suppress(OSError):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # what lies there will be run: in a place that all may write to, it must not be another user's
            own = path.parent != Path(tempfile.gettempdir()) or path.stat().st_uid == os.getuid()
            if own and os.access(path, os.W_OK | os.X_OK):
                return path
    return None


def _candidates() -> Iterator[Path]:
    if named := os.environ.get(VARIABLE):
        yield Path(named).expanduser()
    own = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(own):  # it is not where the user has no home
        yield Path(own, "calcium-latents")
    yield Path(tempfile.gettempdir(), f"calcium-latents-{os.getuid()}")


class Kept:
    """A table of what was worked out: key -> plain value, in a file of the cache directory that processes share.

    A process reads it once and writes it once, at its end, if it has worked something out. Of two that write at once
    the last one wins: what the other found is worked out again. An unreadable file counts as an empty one.

    Args:
        name: of the file; it has all that a value depends on beside its key.
        most: entries; above it, those that the writing process did not ask for are dropped.
    """

    def __init__(self, name: str, most: int = 4096):
        self.name, self.most = name, most
        self._found: dict[str, Any] | None = None  # not yet read
        self._asked: set[str] = set()
        self._new = False

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        """Return the value of `key`; where there is none, what `make` returns, as JSON gives it back."""
        if self._found is None:
            self._found = self._read()
        self._asked.add(key)
        if key not in self._found:
            self._found[key] = json.loads(json.dumps(make()))
            if not self._new:
                self._new = True
                atexit.register(self.write)
        return self._found[key]

    def write(self) -> None:
        """Write what was worked out; where that cannot be, do nothing."""
        above = cache_directory()
        if above is None or not self._new or self._found is None:
            return
        self._new = False
        found = self._read() | self._found
        if len(found) > self.most:
            found = {key: value for key, value in found.items() if key in self._asked}
        with contextlib.suppress(OSError):
            descriptor, temporary = tempfile.mkstemp(dir=above, prefix=f".{self.name}-")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(found, file)
                os.replace(temporary, above / self.name)
            except BaseException:
                os.unlink(temporary)
                raise

    def _read(self) -> dict[str, Any]:
        above = cache_directory()
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((above / self.name).read_text(encoding="utf-8")) if above else {}
            return found if isinstance(found, dict) else {}
        return {}


def digest_of(*parts: bytes | str) -> str:
    """Return 64 hexadecimal digits that change with any of the parts."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(f"{len(data)} ".encode())
        whole.update(data)
    return whole.hexdigest()

"""Progress for people: a bar on a terminal, now and then a plain line in a log."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
FIRST_S, EVERY_S = 5.0, 20.0  # seconds until the first line of a log, and between further ones


def progress(items: Iterable[Item], description: str, total: int | None = None, unit: str = "step") -> Iterable[Item]:
    """Iterate over `items`, and say on standard error how far that is: nothing where it takes less than seconds.

    Args:
        items: what to iterate over.
        description: what is done.
        total: how many items there are; None: as many as `items` says, if it does.
        unit: what an item is, in the singular.
    """
    if sys.stderr.isatty():
        return tqdm(items, desc=description, total=total, unit=f" {plural(unit)}", delay=1.0, leave=False)
    if total is None and isinstance(items, Sized):
        total = len(items)
    return _lines(items, description, total, plural(unit))


class Pace:
    """Says when the next line of a log is due: `FIRST_S` after the start, then every `EVERY_S`."""

    def __init__(self):
        self.started = time.monotonic()
        self.next = self.started + FIRST_S

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started

    def due(self) -> bool:
        """Whether to write a line now."""
        now = time.monotonic()
        if now < self.next:
            return False
        self.next = now + EVERY_S
        return True


def say(text: str) -> None:
    """Write a line to a log, at once; nothing on a terminal, which has its bars."""
    if not sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def how_far(done: int, total: int | None, unit: str, seconds: float) -> str:
    """Say "12 of 40 batches, 31 s, about 72 s left"."""
    if not total:
        return f"{done} {unit}, {duration(seconds)}"
    left = f", about {duration(seconds / done * (total - done))} left" if 0 < done < total else ""
    return f"{done} of {total} {unit}, {duration(seconds)}{left}"


def duration(seconds: float) -> str:
    """Say a time: 31 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plural(unit: str) -> str:
    """Return the plural of a unit that is counted."""
    return unit + ("es" if unit.endswith(("ch", "s", "x")) else "s")


def _lines(items: Iterable[Item], description: str, total: int | None, unit: str) -> Iterator[Item]:
    pace, done, told = Pace(), 0, None
    for item in items:
        yield item
        done += 1
        if pace.due():
            told = done
            say(f"{description}: {how_far(done, total, unit, pace.seconds)}")
    if told not in (None, done):  # the last line tells the end
        say(f"{description}: all {done} {unit}, {duration(pace.seconds)}")

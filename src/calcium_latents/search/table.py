"""How a search is going, from its folder: a table on a terminal, a line a generation in a log."""

import shutil
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np
import pandas as pd

from calcium_latents.search.folder import SearchFolder

SHOWN = 12  # last generations on a terminal
WIDTH = 10  # of a column, or its name's


class SearchTable:
    """Shows a search; call `update` every now and then.

    Args:
        folder: of the search.
        groups: number of groups.
        names: of the searched hyperparameters.
        stream: where to; None: standard error.
    """

    def __init__(self, folder: SearchFolder, groups: int, names: list[str], stream: TextIO | None = None):
        self.folder, self.groups, self.names, self.stream = folder, groups, names, stream or sys.stderr
        self.lines = 0  # of a terminal's table, to write over
        self.generations: int | None = None  # in a log so far

    def update(self) -> None:
        """Show what is new."""
        outcome = self.folder.last_closed()
        lines = summary(outcome, self.names) if outcome else []
        if self.stream.isatty():
            back = f"\x1b[{self.lines}F\x1b[J" if self.lines else ""
            text = [header(self.names), *lines[-SHOWN:], self._state(outcome)]
            width = shutil.get_terminal_size().columns - 1  # a line that wraps would be two to go back
            self.stream.write(back + "".join(f"{line[:width]}\n" for line in text))
            self.lines = len(text)
        else:
            if self.generations is None:  # where a search goes on, its last line comes first
                lines, self.generations = [header(self.names), *lines[-1:]], len(lines)
            else:
                lines, self.generations = lines[self.generations :], max(self.generations, len(lines))
            self.stream.write("".join(f"{line}\n" for line in lines))
        self.stream.flush()

    def say(self, text: str) -> None:
        """Write something else; a terminal's table goes on below it."""
        self.stream.write(f"{text}\n")
        self.lines = 0

    def _state(self, outcome: Mapping[str, Any] | None) -> str:
        if outcome and outcome["stopped"]:
            return f"ended: {outcome['stopped']}"
        present = 1 + (outcome["generation"] if outcome else 0)
        return f"generation {present}: {self.folder.finished(present)} of {self.groups} groups trained"


def header(names: list[str]) -> str:
    """Names of the columns of `summary`."""
    return " ".join(f"{name:>{WIDTH}}" for name in _columns(names))


def _columns(names: list[str]) -> tuple[str, ...]:
    return ("generation", "best", "median", "spread", "diverged", "seconds", "member", *names)


def summary(outcome: Mapping[str, Any], names: list[str]) -> list[str]:
    """Return a line a generation: best, median and spread (interquartile range) of finite scores, how many members
    diverged, seconds of training steps (all members together), the best member and its hyperparameters."""
    history = pd.DataFrame(outcome["history"])
    seconds = np.diff([0.0, *(row["training_seconds"] for row in outcome["timing"])])
    lines = []
    for (generation, rows), spent in zip(history.groupby("generation"), seconds, strict=True):
        scores = rows["score"].dropna()
        best = rows.loc[scores.idxmin()]
        low, median, high = scores.quantile([0.25, 0.5, 0.75])
        values = [generation, scores.min(), median, high - low, rows["diverged"].sum(), spent, best["member"]]
        values += [best[name] for name in names]
        words = (f"{value:>{max(WIDTH, len(name))}.5g}" for name, value in zip(_columns(names), values, strict=True))
        lines.append(" ".join(words))
    return lines

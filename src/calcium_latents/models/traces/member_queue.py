"""Lightning module that trains many small fits, a few at a time, each until it says that it is done."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytorch_lightning as lightning
import torch


class Fit(Protocol):
    """One or several members that are trained together."""

    most_rounds: int

    @property
    def model(self) -> torch.nn.Module:
        """What is trained."""

    def start(self, device: torch.device) -> None:
        """Make what training needs on `device`."""

    def round(self) -> bool:
        """Train for a while (an epoch, some steps); return whether training has ended."""

    def results(self) -> list[dict[str, Any]]:
        """Weights and whatever else belongs to each member, on the CPU."""

    def rows(self) -> list[dict[str, Any]]:
        """What was measured while training."""


class QueueTraining(lightning.LightningModule):
    """Trains `fits` one after the other; a Lightning step is one round of one fit.

    Args:
        make_fits: makes each fit when its turn comes, so that memory holds one; from nothing but the configuration and
            seeds, so that an interrupted run goes on at the fit where it stopped, to the same bytes.
        most_rounds: rounds that each may last.
        keep: what to keep of a member, from its number in the queue and its result; all, where members are small.
            What is kept stays in memory and is written after every fit, for an interrupted run to go on from.

    After fitting, `finished` holds what was kept of the members in order, `history` the rows of all.
    """

    def __init__(
        self,
        make_fits: Sequence[Callable[[], Fit]],
        most_rounds: int,
        keep: Callable[[int, dict[str, Any]], dict[str, Any]] = lambda number, result: result,
    ):
        super().__init__()
        self.automatic_optimization = False
        self.make_fits, self.most_rounds, self.keep = make_fits, most_rounds, keep
        self.on_checkpoint: Callable[[dict], None] | None = None
        self.finished: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.timing: list[dict[str, Any]] = []
        self.turn, self.rounds, self.seconds = 0, 0, 0.0
        self.current: Fit | None = None
        # Lightning asks for a parameter to know the device by
        self.placeholder = torch.nn.Parameter(torch.zeros(()), requires_grad=False)

    @property
    def steps(self) -> int:
        """Lightning steps that all fits together may last."""
        return len(self.make_fits) * self.most_rounds

    @property
    def step(self) -> int:
        """Lightning steps that are certainly behind; those of all fits once all are done."""
        return self.turn * self.most_rounds

    def configure_optimizers(self) -> None:
        """None: fits bring their own."""

    def training_step(self, *_: Any) -> None:
        """One round of the present fit."""
        start = time.perf_counter()
        if self.current is None:
            self.current = self.make_fits[self.turn]()
            self.current.start(self.device)
            self.rounds = 0
        ended = self.current.round()
        self.rounds += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - start
        if ended or self.rounds == self.most_rounds:
            self._finish()

    def _finish(self) -> None:
        assert self.current is not None
        for result in self.current.results():
            self.finished.append(self.keep(len(self.finished), result))
        self.history += [{"fit": self.turn, **row} for row in self.current.rows()]
        self.turn, self.current = self.turn + 1, None
        self.timing.append({"step": self.turn, "training_seconds": self.seconds})
        if self.on_checkpoint is not None:
            self.on_checkpoint(self.training_state())
        if self.turn == len(self.make_fits):
            self.trainer.should_stop = True

    def training_state(self) -> dict[str, Any]:
        """Everything from which `resume` continues."""
        return {name: getattr(self, name) for name in ("finished", "history", "timing", "turn", "seconds")}

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from `training_state()` of an interrupted run with the same configuration."""
        for name, value in state.items():
            setattr(self, name, _interned(value))


def _interned(value: Any) -> Any:
    """Return nested mappings with names that are one object each, as where they were not read from a file.

    Pickle writes a name that comes again as a reference, if it is the same object: checkpoints would differ.
    """
    if isinstance(value, dict):
        return {sys.intern(key): _interned(item) for key, item in value.items()}
    return [_interned(item) for item in value] if isinstance(value, list) else value

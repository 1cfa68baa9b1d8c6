"""Training of many small fits, a few at a time, each until it says that it is done."""

import sys
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calcium_latents.models.traces.neuron_traces import Member
from calcium_latents.progress import Pace, how_far, say
from calcium_latents.recordings.embedding import TRAINING
from calcium_latents.training.module import TrainingModule
from calcium_latents.training.streams import Streams


class Fit:
    """One or several members, M, that are trained together.

    Args:
        model: a population; all its parameters and buffers begin with the dimension of members.
        streams: random streams, one a member.
        betas: weight of the divergence of each member [M].
        tensors: other tensors that training needs on its device, which become attributes.
    """

    model: Any
    betas: Tensor

    def __init__(self, model: torch.nn.Module, streams: Streams, betas: Sequence[float], **tensors: Tensor):
        self.model, self.streams = model, streams
        tensors |= {"betas": torch.tensor(betas, dtype=torch.float32)}
        vars(self).update(tensors)
        self._moved = tuple(tensors)
        self._rows: list[dict[str, Any]] = []

    def start(self, device: torch.device) -> None:
        """Move to `device`; fits make their optimisers here, too."""
        self.model.to(device)
        vars(self).update({name: getattr(self, name).to(device) for name in self._moved})
        self.streams = self.streams.to(device)

    def round(self) -> bool:
        """Train for a while (an epoch, some steps); return whether training has ended."""
        raise NotImplementedError

    def results(self) -> list[dict[str, Any]]:
        """Return `state`, the weights of each member, on the CPU, and what else belongs to it."""
        state = {name: value.detach().cpu() for name, value in self.model.state_dict().items()}
        # copies: a view would be saved with the weights of all
        return [
            {"state": {name: value[m : m + 1].clone() for name, value in state.items()}} for m in range(len(self.betas))
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return what was measured while training, a row a member and round."""
        return self._rows


def batches_of_equals(members: list[Member], parts: list[np.ndarray], together: int) -> list[list[int]]:
    """Return numbers of members in order, as lists of at most `together` that can be trained as one program.

    Args:
        members: all fits.
        parts: of each member, the part of each neuron [neuron].
        together: see above.
    """

    def kind(number: int) -> tuple:
        member = members[number]
        return member.latent_size, member.hidden, int((parts[number] == TRAINING).sum())

    found = []
    for _, group in groupby(range(len(members)), kind):
        chosen = list(group)
        found += [chosen[first : first + together] for first in range(0, len(chosen), together)]
    return found


class QueueTraining(TrainingModule):
    """Trains `fits` one after the other; a step is one round of one fit.

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
        self.make_fits, self.most_rounds, self.keep = make_fits, most_rounds, keep
        self.finished: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.timing: list[dict[str, Any]] = []
        self.turn, self.rounds, self.seconds = 0, 0, 0.0
        self.pace = Pace()
        self.current: Fit | None = None
        # by which the device is known
        self.placeholder = torch.nn.Parameter(torch.zeros(()), requires_grad=False)

    @property
    def steps(self) -> int:
        """Steps that all fits together may last."""
        return len(self.make_fits) * self.most_rounds

    @property
    def step(self) -> int:
        """Steps that are certainly behind; those of all fits once all are done."""
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
        if self.pace.due():
            within = f", round {self.rounds} of at most {self.most_rounds}" if self.current else ""
            say(f"training, {how_far(self.turn, len(self.make_fits), 'fits', self.seconds)}{within}")

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
            self.should_stop = True

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

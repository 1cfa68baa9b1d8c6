"""What is trained step by step: by a plain loop on the CPU, by Lightning on a GPU."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class StepwiseTraining(torch.nn.Module):
    """A training that needs nothing of a trainer but batches and a device: Lightning takes seconds to import.

    Attributes:
        optimizer: made at the first step of this process, with the state of a run that it goes on with.
        device: of the steps.
        on_checkpoint: called with `training_state()` now and then.
        step: optimiser steps done.
    """

    optimizer: Any  # of a kind that the training knows
    on_checkpoint: Callable[[dict], None] | None = None
    step: int

    @property
    def has_ended(self) -> bool:
        """Whether no step is left to take."""
        raise NotImplementedError

    def make_optimizer(self) -> Optimizer:
        """Return the optimiser of the parameters as they are."""
        raise NotImplementedError

    def start(self) -> None:
        """Move what the steps need to `device`."""

    def train_on(self, rows: Tensor) -> None:
        """One optimiser step on the samples `rows` [b]."""
        raise NotImplementedError

    def begin(self, device: torch.device) -> None:
        """Get ready to take steps on `device`, where the parameters are."""
        self.device = device
        self.optimizer = self.make_optimizer()
        self.start()

    def fit(self, batches: Iterable[Any], steps: int) -> None:
        """Take up to `steps` steps on the CPU, through `batches` again and again."""
        self.begin(torch.device("cpu"))
        last = self.step + steps
        while self.step < last and not self.has_ended:
            for rows in batches:
                self.train_on(rows)
                if self.step >= last or self.has_ended:
                    break

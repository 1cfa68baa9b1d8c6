"""What `training.fitting.fit` trains: a network with its own optimiser steps."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class TrainingModule(torch.nn.Module):
    """A network and how it is trained; it takes its optimiser steps itself.

    Attributes:
        optimizer: what `configure_optimizers` has returned, once training begins.
        should_stop: set by `on_fit_start` or `training_step`, where no further step shall follow.
        on_checkpoint: what is called with the state now and then, from which an interrupted run goes on.
    """

    optimizer: Any = None
    should_stop = False
    on_checkpoint: Callable[[dict], None] | None = None

    @property
    def device(self) -> torch.device:
        """Where the first parameter is."""
        return next(self.parameters()).device

    def configure_optimizers(self) -> Optimizer | None:
        """Return the optimiser, which `optimizer` then is; None where there is none, or several."""

    def on_fit_start(self) -> None:
        """Prepare for the first step: parameters are on the device by now, and there is an optimiser."""

    def training_step(self, batch: Any, number: int, /) -> None:
        """Take one optimiser step on a batch, the `number`-th of its pass over the loader."""
        raise NotImplementedError

    def on_fit_end(self) -> None:
        """Do what comes after the last step."""

"""Fit a module: on GPUs with Lightning, the one place that makes a Trainer; on the CPU by a plain loop over batches.

The two take the same steps to the same bytes. Lightning takes seconds to import, which every short fit would pay.
"""

import itertools
import sys
from collections.abc import Iterable

from tqdm import tqdm

from calcium_latents.training.module import TrainingModule


def fit(module: TrainingModule, batches: Iterable, steps: int, accelerator: str, bar: bool = True) -> None:
    """Take `steps` optimiser steps of a module on a loader of batches.

    Args:
        module: the module.
        batches: its loader; iterated over again and again.
        steps: how many more.
        accelerator: "cpu" or "gpu".
        bar: show progress, where standard error is a terminal.
    """
    (_fit_plainly if accelerator == "cpu" else fit_with_lightning)(module, batches, steps, accelerator, bar)


def _fit_plainly(module: TrainingModule, batches: Iterable, steps: int, _: str, bar: bool) -> None:
    module.train()
    module.should_stop = False
    module.optimizer = module.configure_optimizers()
    module.on_fit_start()
    passes = itertools.chain.from_iterable(enumerate(batches) for _ in itertools.repeat(None))
    shown = tqdm(range(steps), desc="training", unit=" steps", disable=not bar or not sys.stderr.isatty(), leave=False)
    for _ in itertools.takewhile(lambda _: not module.should_stop, shown):
        number, batch = next(passes)
        module.training_step(batch, number)
    module.on_fit_end()


def fit_with_lightning(module: TrainingModule, batches: Iterable, steps: int, accelerator: str, bar: bool) -> None:
    """Do what `fit` does with Lightning's Trainer."""
    import logging
    import warnings

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
    import pytorch_lightning as lightning

    class Adapter(lightning.LightningModule):
        """A module as Lightning wants it."""

        def __init__(self):
            super().__init__()
            self.automatic_optimization = False
            self.module = module

        def configure_optimizers(self):
            module.optimizer = module.configure_optimizers()
            return module.optimizer

        def on_fit_start(self):
            module.on_fit_start()

        def training_step(self, batch, number):
            nonlocal taken
            if not module.should_stop:
                module.training_step(batch, number)
                taken += 1
            if module.should_stop or taken == steps:
                self.trainer.should_stop = True

        def on_fit_end(self):
            module.on_fit_end()

    taken, module.should_stop = 0, False
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=bar and sys.stderr.isatty(),
    )
    trainer.fit(Adapter(), batches)

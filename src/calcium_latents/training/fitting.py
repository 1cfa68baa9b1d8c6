"""Fit a module with Lightning: the one place that makes a Trainer."""

import logging
import sys
import warnings


def fit(module, batches, steps: int, accelerator: str, bar: bool = True) -> None:
    """Take `steps` optimiser steps of a Lightning module on a loader of batches.

    Args:
        module: the module.
        batches: its loader.
        steps: how many more.
        accelerator: "cpu" or "gpu".
        bar: show progress, where standard error is a terminal.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
    import pytorch_lightning as lightning

    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_steps=steps,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=bar and sys.stderr.isatty(),
    )
    trainer.fit(module, batches)

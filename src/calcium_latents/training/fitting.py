"""Fit a module: in its own plain loop on the CPU, else with Lightning; the one place that makes a Trainer."""

import logging
import sys
import warnings


def fit(module, batches, steps: int, accelerator: str, bar: bool = True) -> None:
    """Take `steps` optimiser steps of a stepwise training or a Lightning module on a loader of batches.

    Args:
        module: the module.
        batches: its loader.
        steps: how many more.
        accelerator: "cpu" or "gpu".
        bar: show progress, where standard error is a terminal.
    """
    from calcium_latents.training.stepwise import StepwiseTraining

    if isinstance(module, StepwiseTraining) and accelerator == "cpu":
        module.fit(batches, steps)
        return
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
    import pytorch_lightning as lightning

    if isinstance(module, StepwiseTraining):
        from calcium_latents.training.stepwise_lightning import StepwiseLightning

        module, steps = StepwiseLightning(module, steps), -1
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

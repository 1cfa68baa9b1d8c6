"""A stepwise training as a Lightning module."""

import pytorch_lightning as lightning
from torch import Tensor

from calcium_latents.training.stepwise import StepwiseTraining


class StepwiseLightning(lightning.LightningModule):
    """Lets Lightning's Trainer take the steps of a stepwise training, on the device that it chooses."""

    def __init__(self, training: StepwiseTraining, steps: int):
        super().__init__()
        self.automatic_optimization = False
        self.training_of_steps, self.last = training, training.step + steps

    def configure_optimizers(self) -> None:
        """None that Lightning knows of."""

    def on_fit_start(self) -> None:
        """The parameters are on the device by now."""
        self.training_of_steps.begin(self.device)

    def training_step(self, rows: Tensor, _: int) -> None:
        """One step on the samples `rows` [b], and whether it was the last."""
        self.training_of_steps.train_on(rows)
        if self.training_of_steps.step >= self.last or self.training_of_steps.has_ended:
            self.trainer.should_stop = True

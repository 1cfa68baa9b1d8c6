"""Steps taken by a plain loop and by Lightning's Trainer: the same ones, on the same batches."""

import pytest
import pytorch_lightning as lightning
import torch

from calcium_latents.models.lfads.trials import EpochBatches
from calcium_latents.training.loaders import load_numbers
from calcium_latents.training.stepwise import StepwiseTraining
from calcium_latents.training.stepwise_lightning import StepwiseLightning


class Descent(StepwiseTraining):
    """Least squares by gradient descent; remembers which rows it saw."""

    def __init__(self, last: int):
        super().__init__()
        self.weight, self.step, self.last = torch.nn.Parameter(torch.zeros(1)), 0, last
        self.seen: list[list[int]] = []

    @property
    def has_ended(self):
        return self.step >= self.last

    def make_optimizer(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def train_on(self, rows):
        loss = (self.weight - rows.float()).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.seen.append(rows.tolist())
        self.step += 1


def descend(last: int, steps: int, trainer: bool) -> Descent:
    module, batches = Descent(last), load_numbers(7, EpochBatches(torch.arange(7), 2, 1))
    if not trainer:
        module.fit(batches, steps)
        return module
    options = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    trainer = lightning.Trainer(accelerator="cpu", max_steps=-1, max_epochs=-1, enable_progress_bar=False, **options)
    trainer.fit(StepwiseLightning(module, steps), batches)
    return module


@pytest.mark.parametrize(("last", "steps", "expected"), [(100, 8, 8), (5, 8, 5), (6, 6, 6)])
def test_both_ways_take_the_same_steps_and_stop_in_time(last, steps, expected):
    plain, by_lightning = descend(last, steps, False), descend(last, steps, True)
    assert plain.step == by_lightning.step == expected
    assert plain.seen == by_lightning.seen
    assert torch.equal(plain.weight, by_lightning.weight) and plain.weight.item() != 0
    epochs = [sorted(sum(plain.seen[first : first + 3], [])) for first in range(0, expected - 2, 3)]
    assert all(len(set(rows)) == 6 for rows in epochs)  # three batches of two are an epoch, its last row is dropped


def test_a_training_that_has_ended_takes_no_step():
    assert descend(0, 3, False).step == 0

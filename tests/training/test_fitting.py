"""The plain loop on the CPU and Lightning's Trainer take the same steps to the same bytes."""

import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader

from calcium_latents.training.fitting import fit, fit_with_lightning
from calcium_latents.training.module import TrainingModule


class Line(TrainingModule):
    """A line through points, which notes what it is asked."""

    def __init__(self, last=None):
        super().__init__()
        torch.manual_seed(3)
        self.layer = torch.nn.Linear(2, 1)
        self.last, self.seen, self.asked = last, [], []

    def configure_optimizers(self):
        self.asked.append("optimizer")
        return torch.optim.Adam(self.parameters(), 0.1)

    def on_fit_start(self):
        self.asked.append(f"start on {self.device.type}")

    def training_step(self, batch, number):
        assert self.training and torch.is_grad_enabled()
        self.seen.append((number, batch.tolist()))
        self.optimizer.zero_grad()
        (self.layer(batch) - batch.sum(1, keepdim=True)).square().mean().backward()
        self.optimizer.step()
        self.should_stop = len(self.seen) == self.last

    def on_fit_end(self):
        self.asked.append("end")


@pytest.mark.parametrize(("steps", "last", "taken"), [(7, None, 7), (7, 4, 4), (1, None, 1), (6, 6, 6)])
def test_the_two_ways_are_the_same(steps, last, taken):
    points = torch.arange(10.0).reshape(5, 2) / 10
    modules = {way: Line(last) for way in (fit, fit_with_lightning)}
    for way, module in modules.items():
        order = torch.Generator().manual_seed(5)
        way(module, DataLoader(points, batch_size=2, shuffle=True, generator=order), steps, "cpu", False)
    plain, lightning = modules.values()
    assert len(plain.seen) == taken and [number for number, _ in plain.seen] == [0, 1, 2, 0, 1, 2, 0][:taken]
    assert plain.seen == lightning.seen
    assert plain.asked == lightning.asked == ["optimizer", "start on cpu", "end"]
    for name, value in plain.state_dict().items():
        assert torch.equal(value, lightning.state_dict()[name])


def test_on_the_cpu_lightning_is_not_imported():
    code = (
        "import sys; from calcium_latents.commands import train; from calcium_latents.models.lfads import family;"
        " from calcium_latents.training.fitting import fit; assert 'pytorch_lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""What changes over training steps: the learning rate, and the weights of the divergences."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from calcium_latents.parameter_section import Count, NotNegative, NotNegativeWhole, ParameterSection, Share


class LearningRateSchedule(ParameterSection):
    """Linear warm-up, then a half cosine down to a fraction of the peak; constant where `final_fraction` is 1."""

    SECTION: ClassVar[str] = "training.schedule"

    warmup_steps: NotNegativeWhole = 0
    """Steps until the peak; 0: none."""
    final_fraction: Share = 1.0
    """Last learning rate over the peak."""
    hold_fraction: Share = 0.0
    """Share of all steps before the half cosine starts, the warm-up included."""

    def factor(self, step: int, steps: int) -> float:
        """Factor on the learning rate at `step` (from 0) of `steps`."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        held = self.hold_fraction * steps
        passed = min(1.0, max(0.0, step - held) / max(1.0, steps - held))
        cosine = 0.5 * (1 + math.cos(math.pi * passed))
        return warm * (self.final_fraction + (1 - self.final_fraction) * cosine)


class PenaltyRamp(ParameterSection):
    """Linear ramp of divergences and L2 from 0: min((unit + 1) / (length + 1), 1) (original code)."""

    SECTION: ClassVar[str] = "training.ramp"

    length: NotNegativeWhole = 80
    """In units (80 epochs in the paper); 0: none."""
    unit: Literal["epoch", "step"] = "epoch"
    """Of the length."""

    def value(self, epoch: int, step: int) -> float:
        """Factor at this epoch and step, both from 0."""
        passed = epoch if self.unit == "epoch" else step
        return min(1.0, (passed + 1) / (self.length + 1))


class Plateau(ParameterSection):
    """When a metric has stopped falling, so that the length of training follows the data."""

    SECTION: ClassVar[str] = "training.plateau"

    patience: Count = 4
    """Validations in a row without a gain."""
    gain: NotNegative = 0.01
    """Smallest fall of the metric that counts, as a share of its fall since the first validation."""
    least_steps: NotNegativeWhole = 300
    """Steps before which training is not called level."""

    def reached(self, steps: Sequence[int], values: Sequence[float]) -> bool:
        """Whether the last of `values` (one a validation, at `steps`; lower is better) end a plateau."""
        if len(values) <= self.patience or steps[-1] < self.least_steps:
            return False
        before, since = min(values[: -self.patience]), min(values[-self.patience :])
        fall = before - since
        return fall <= 0 or fall < self.gain * (values[0] - since)

"""Adam for a population: every member has its own learning rate and its own gradient clip."""

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

if TYPE_CHECKING:  # takes seconds to import
    from pytorch_lightning import LightningModule
    from pytorch_lightning.core.optimizer import LightningOptimizer


class PopulationAdam(Optimizer):
    """Adam (Kingma & Ba 2015) on parameters that lead with the population axis.

    Args:
        parameters: tensors `[P, ...]`.
        learning_rate: `[P]`, may be changed between steps through `set_learning_rate`.
        betas: decay rates of the moments.
        epsilon: added to the root of the second moment.
        clip: bound on every member's global gradient norm.
    """

    def __init__(self, parameters, learning_rate: Tensor, betas=(0.9, 0.999), epsilon=1e-8, clip=float("inf")):
        super().__init__(parameters, {"betas": betas, "epsilon": epsilon, "clip": clip})
        self.learning_rate = learning_rate.clone()

    def set_learning_rate(self, learning_rate: Tensor) -> None:
        """Use `learning_rate` `[P]` from the next step on."""
        self.learning_rate = learning_rate.clone()

    @torch.no_grad()
    # pyrefly: ignore[bad-override]  # norms of all members instead of torch's one loss
    def step(self, closure=None) -> Tensor:
        """Clip, then update; returns every member's gradient norm before clipping, `[P]`."""
        if closure is not None:
            with torch.enable_grad():
                closure()
        used = [(group, p) for group in self.param_groups for p in group["params"] if p.grad is not None]
        squared = torch.stack([p.grad.pow(2).flatten(1).sum(1) for _, p in used]).sum(0)
        norm = squared.sqrt()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            finite = torch.isfinite(norm)
            factor = torch.where(finite, (group["clip"] / norm.clamp_min(1e-30)).clamp_max(1.0), 0.0)
            # a member whose gradient is not finite keeps its weights; the caller sees its norm
            self._update(group, parameters, factor, finite * self.learning_rate.to(norm))
        return norm

    def _update(self, group: dict, parameters: list[Tensor], factor: Tensor, learning_rate: Tensor) -> None:
        first, second = group["betas"]
        for p in parameters:
            if not self.state[p]:
                self.state[p] = {"step": 0, "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
            self.state[p]["step"] += 1
        count = self.state[parameters[0]]["step"]
        gradients = []
        for p in parameters:
            assert p.grad is not None  # these are the parameters in use
            scaled = p.grad * factor.view(-1, *[1] * (p.dim() - 1))
            gradients.append(torch.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0))
        means = [self.state[p]["mean"] for p in parameters]
        squares = [self.state[p]["square"] for p in parameters]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, (1 - second**count) ** 0.5)
        torch._foreach_add_(roots, group["epsilon"])
        updates = torch._foreach_div(means, roots)
        rate = learning_rate / (1 - first**count)
        for p, update in zip(parameters, updates, strict=True):
            p.sub_(update * rate.to(update).view(-1, *[1] * (p.dim() - 1)))


def optimizer_of(module: "LightningModule") -> "LightningOptimizer":
    """Return Lightning's wrapper of the one optimiser of a module that optimises by itself."""
    return cast("LightningOptimizer", module.optimizers())


class WeightAverage:
    """Exponential moving average of parameters, with a short memory at first.

    decay at step n is min(decay, (1 + n) / (10 + n)). The average of the weights over the last steps is a far better
    model than the weights of any one step at a high learning rate.
    """

    def __init__(self, target: torch.nn.Module, source: torch.nn.Module, decay: float):
        self.pairs: tuple[list[Tensor], list[Tensor]] = list(target.parameters()), list(source.parameters())
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the present weights."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.pairs[0], self.pairs[1], 1 - decay)

"""Adam for a population: every member has its own learning rate and its own gradient clip."""

from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from calcium_latents.training.compiled_adam import adam, add_squares


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
        self._arrays: dict[Tensor, tuple] = {}

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
        used = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = self._norm([cast(Tensor, p.grad) for p in used])
        finite = torch.isfinite(norm)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            for p in parameters:
                state = self.state[p]
                if not state:
                    state.update(step=0, mean=torch.zeros_like(p), square=torch.zeros_like(p))
                state["step"] += 1
            # a member whose gradient is not finite keeps its weights; the caller sees its norm
            factor = torch.where(finite, (group["clip"] / norm.clamp_min(1e-30)).clamp_max(1.0), 0.0)
            written = (tensor for p in parameters for tensor in (p, self.state[p]["mean"], self.state[p]["square"]))
            in_rows = norm.device.type == "cpu" and all(tensor.is_contiguous() for tensor in written)
            update = self._update_compiled if in_rows else self._update
            update(group, parameters, factor, finite * self.learning_rate.to(norm))
        return norm

    def _norm(self, gradients: list[Tensor]) -> Tensor:
        if gradients[0].device.type != "cpu":
            return torch.stack([g.pow(2).flatten(1).sum(1) for g in gradients]).sum(0).sqrt()
        total = gradients[0].new_zeros(len(gradients[0]))
        add_squares(total.numpy(), tuple(_rows(gradient) for gradient in gradients))
        return total.sqrt()

    def _update_compiled(self, group: dict, parameters: list[Tensor], factor: Tensor, learning_rate: Tensor) -> None:
        first, second = group["betas"]
        count = self.state[parameters[0]]["step"]
        rate, root = learning_rate / (1 - first**count), (1 - second**count) ** 0.5
        gradients = tuple(_rows(cast(Tensor, p.grad)) for p in parameters)
        kept = zip(*(self._views(p) for p in parameters), strict=True)
        adam(gradients, *kept, factor.numpy(), rate.numpy(), (first, second), root, group["epsilon"])

    def _views(self, parameter: Tensor) -> tuple[np.ndarray, ...]:
        """Weight and moments as `[P, n]`; made once, as that takes longer than an update."""
        state = self.state[parameter]
        tensors = parameter, state["mean"], state["square"]
        places = tuple(tensor.data_ptr() for tensor in tensors)
        if self._arrays.get(parameter, (None,))[0] != places:
            self._arrays[parameter] = places, tuple(_rows(tensor) for tensor in tensors)
        return self._arrays[parameter][1]

    def _update(self, group: dict, parameters: list[Tensor], factor: Tensor, learning_rate: Tensor) -> None:
        first, second = group["betas"]
        count = self.state[parameters[0]]["step"]
        gradients = []
        for p in parameters:
            scaled = cast(Tensor, p.grad) * factor.view(-1, *[1] * (p.dim() - 1))
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


def _rows(tensor: Tensor) -> np.ndarray:
    """A tensor `[P, ...]` as contiguous `[P, n]`: its own memory where that is contiguous."""
    found = np.ascontiguousarray(tensor.detach().numpy())
    return found.reshape(len(found), -1)


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

"""Training of the cross-encoder: a population of latent sizes and starts, block after block of a schedule."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from calcium_latents.models.cross_encoder.activity_noise import add_noise, noisy_training_set
from calcium_latents.models.cross_encoder.network import CrossEncoder
from calcium_latents.models.cross_encoder.parameters import CrossEncoderOptions
from calcium_latents.models.lfads.trials import EpochBatches
from calcium_latents.training.module import TrainingModule
from calcium_latents.training.optimizer import PopulationAdam
from calcium_latents.training.reporting import report_validation


@dataclass
class PairTensors:
    """Scaled pairs as tensors.

    Attributes:
        inputs, outputs: `[n, A]`, `[n, B]` of each part: training, validation, test.
        linear_prediction: `[n, B]` of the training pairs by the best linear model.
    """

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    linear_prediction: Tensor

    def to(self, device: torch.device) -> "PairTensors":
        """The same on another device."""
        return PairTensors(
            [x.to(device) for x in self.inputs],
            [y.to(device) for y in self.outputs],
            self.linear_prediction.to(device),
        )


class CrossEncoderTraining(TrainingModule):
    """Trains a population of cross-encoders and keeps every member's best weights.

    Args:
        model: the population.
        pairs: see `PairTensors`.
        options: see `CrossEncoderOptions`.
        batches: batch sampler of rows of the training set (with its noisy copies).
        seed: of the noise.

    After fitting, `model` holds every member's best weights by validation R2; `history` has a row per validation and
    member, `timing` the seconds of training.
    """

    optimizer: PopulationAdam

    def __init__(
        self,
        model: CrossEncoder,
        pairs: PairTensors,
        options: CrossEncoderOptions,
        batches: EpochBatches,
        seed: int,
    ):
        super().__init__()
        self.model, self.pairs, self.options, self.batches, self.seed = model, pairs, options, batches, seed
        self.step, self.seconds, self.waited = 0, 0.0, 0
        self.history: list[dict] = []
        self.timing: list[dict] = []
        self.best_r2 = torch.full((model.sizes.population,), -torch.inf)
        self.best: dict[str, Tensor] = {}
        self._resumed: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether all steps are done, or no latent size has improved for as long as `patience` says."""
        patience = self.options.patience
        return self.step >= self.options.steps or (patience is not None and self.waited >= patience)

    def configure_optimizers(self) -> PopulationAdam:
        """Adam with one learning rate for all members, which every block sets."""
        optimizer = PopulationAdam(
            self.model.parameters(),
            torch.zeros(self.model.sizes.population),
            tuple(self.options.adam_betas),
            self.options.adam_epsilon,
        )
        if self._resumed is not None:
            optimizer.load_state_dict(self._resumed["optimizer"])
        return optimizer

    def on_fit_start(self) -> None:
        """Move pairs to the device and make the noisy copies."""
        self.pairs = self.pairs.to(self.device)
        self.best_r2 = self.best_r2.to(self.device)
        self.best = {name: value.to(self.device) for name, value in self.best.items()}
        self.random = torch.Generator(self.device).manual_seed(self.seed)
        self.inputs = noisy_training_set(self.pairs.inputs[0], self.options.noise, self.random)
        if self._resumed is not None:
            self.random.set_state(self._resumed["random"])
        if not self.best:
            self._validate()
        self.should_stop = self.has_ended

    def training_step(self, rows: Tensor, _: int) -> None:
        """One optimiser step of every member on `rows` `[b]` of the training set."""
        start = time.perf_counter()
        options = self.options
        number, block, within = options.block_at(self.step)
        if within == 0:
            self.optimizer.state.clear()
        rate = block.learning_rate * options.schedule.factor(within, block.steps)
        rates = torch.full((self.model.sizes.population,), rate, device=self.device)
        self.optimizer.set_learning_rate(rates)
        inputs, pair = self.inputs[rows], rows % len(self.pairs.inputs[0])
        if not options.noise.copies:
            inputs = add_noise(inputs, options.noise, self.random)
        distilled = block.target == "linear_prediction"
        outputs = (self.pairs.linear_prediction if distilled else self.pairs.outputs[0])[pair]
        parameters = self._set_trained(block.parameters)
        # the loss is the mean over pairs of the squared distance summed over target neurons; its gradient is known
        prediction = self.model(inputs)
        prediction.backward((prediction.detach() - outputs).mul_(2 / len(rows)))
        with torch.no_grad():
            # pyrefly: ignore[no-matching-overload]  # every gradient is there after the backward pass
            torch._foreach_add_([p.grad for p in parameters], parameters, alpha=options.l2)
        self.optimizer.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - start
        self.step += 1
        ends = within + 1 == block.steps
        if ends or self.step % options.validate_every == 0:
            improved = self._validate()
            self.waited = self.waited + 1 if number + 1 == len(options.blocks) and not improved else 0
        if ends or self.has_ended:
            self.model.load_state_dict(self.best, strict=False)  # buffers are not trained
        if self.on_checkpoint is not None and (self.step % options.checkpoint_every == 0 or self.has_ended):
            self.on_checkpoint(self.training_state())
        self.should_stop = self.has_ended

    @torch.no_grad()
    def r2(self, part: int) -> Tensor:
        """R2 of every member on a part, `[P]`: one minus squared error over squares about the training mean."""
        return explained_variance(self.model, self.pairs.inputs[part], self.pairs.outputs[part], self.training_mean)

    @property
    def training_mean(self) -> Tensor:
        """Mean of the scaled targets over training pairs, `[B]`."""
        return self.pairs.outputs[0].mean(0)

    def training_state(self) -> dict[str, Any]:
        """Everything from which `resume` continues to the same bytes."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "best": self.best,
            "best_r2": self.best_r2,
            "waited": self.waited,
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
            "history": self.history,
            "timing": self.timing,
            "seconds": self.seconds,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from `training_state()` of an interrupted run with the same configuration."""
        self.step = self.batches.step = state["step"]
        self.waited = state["waited"]
        self.model.load_state_dict(state["model"])
        self.best, self.best_r2, self._resumed = state["best"], state["best_r2"], state
        self.history, self.timing, self.seconds = state["history"], state["timing"], state["seconds"]

    def _set_trained(self, group: str) -> list[torch.nn.Parameter]:
        chosen = list(self.model.parameters()) if group == "all" else self.model.groups()[group]
        known = {id(parameter) for parameter in chosen}
        for parameter in self.model.parameters():
            parameter.grad = None
            parameter.requires_grad_(id(parameter) in known)
        return chosen

    @torch.no_grad()
    def _validate(self) -> bool:
        """Score and keep the best weights of every member; return whether the best of any latent size improved."""
        value = self.r2(1)
        finite = torch.nan_to_num(value, nan=-torch.inf)
        sizes = self.model.mask.sum(2)  # [P, 1]
        same = sizes == sizes.T
        rival = torch.where(same, self.best_r2, -torch.inf).amax(1)
        better, improved = finite > self.best_r2, bool((finite > rival).any())
        parameters = dict(self.model.named_parameters())
        if not self.best:
            self.best = {name: parameter.clone() for name, parameter in parameters.items()}
            better = torch.ones_like(better)
        self.best_r2 = torch.where(better, value, self.best_r2)
        for name, parameter in parameters.items():
            self.best[name][better] = parameter[better]
        number = self.options.block_at(max(self.step - 1, 0))[0]
        for member, size in enumerate(self.model.sizes.latent_sizes):
            row = {"step": self.step, "block": number, "member": member, "latent_size": size}
            scores = {"validation_r2": float(value[member]), "exponent": float(self.model.exponent[member])}
            self.history.append(row | scores)
        self.timing.append({"step": self.step, "training_seconds": self.seconds})
        report_validation(self.step, self.options.steps, self.history, self.seconds, "validation_r2", larger=True)
        return improved


@torch.no_grad()
def explained_variance(model: CrossEncoder, inputs: Tensor, outputs: Tensor, mean: Tensor, block: int = 2048) -> Tensor:
    """R2 `[P]` of a population on pairs `[n, A]`, `[n, B]` (mean `[B]`), in blocks of pairs: memory stays bounded."""
    error = 0.0
    for x, y in zip(inputs.split(block), outputs.split(block), strict=True):
        error = error + (model(x) - y).square().sum((1, 2), dtype=torch.float64)
    return 1 - (error / (outputs - mean).square().sum(dtype=torch.float64)).float()

"""Train some members of a population for one generation, as one batched program."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
import xarray as xr
from torch.utils.data import DataLoader

from calcium_latents.models.lfads.family import LFADSFamily
from calcium_latents.models.lfads.objective import Hyperparameters
from calcium_latents.models.lfads.parameters import OptimizationOptions
from calcium_latents.models.lfads.training import LFADSTraining
from calcium_latents.search.member_state import join_members, split_members
from calcium_latents.search.settings import SearchSettings
from calcium_latents.training.fitting import fit

MUST_BE_FINITE = ("training_total", "training_gradient_norm")


class GenerationTraining(LFADSTraining):
    """Training up to the end of a generation; of its last epochs, each is validated.

    `last_epoch`, `validate_last` and `metric` are set before fitting; `end_state` holds `training_state()` after it.
    """

    last_epoch = validate_last = 0
    metric = ""
    end_state: dict[str, Any] | None = None

    def after_step(self) -> None:
        """Validate after an epoch (all metrics after the last), and keep the last state while it is on its device."""
        if self.step % len(self.batches):
            return
        if self.epoch == self.last_epoch:
            self.validate()
            self.end_state = self.training_state()
        elif self.epoch > self.last_epoch - self.validate_last:
            self.validate((self.metric,))


@dataclass
class GroupTrainer:
    """Trains groups of a search's members; the trials are prepared once.

    Attributes:
        family: the model, its trials loaded.
        settings: of the search.
        options: of training. Its number of steps, its validations and its selection are the search's, and no plateau
            ends it; in population-based training the learning rate stays at its peak after the warm-up, until the
            finish.
        seed: of the run.
        accelerator: "cpu" or "gpu".
    """

    family: LFADSFamily
    settings: SearchSettings
    options: OptimizationOptions
    seed: int
    accelerator: str

    @classmethod
    def make(
        cls, family: LFADSFamily, recording: xr.Dataset, config: Mapping[str, Any], settings: SearchSettings
    ) -> "GroupTrainer":
        """Prepare a recording's trials for the search of a training command's `config`."""
        options = OptimizationOptions(**config["training"]).changed(select="last", plateau=None)
        family.load(recording, config["recording"], config["data"])
        return cls(family, settings, options, config["seed"], config["accelerator"])

    def train(
        self,
        generation: int,
        members: Sequence[int],
        hyperparameters: Mapping[str, np.ndarray],
        parents: Sequence[dict[str, Any]] | None,
        streams: Sequence[torch.Tensor],
        finish_after: int | None = None,
    ) -> dict[str, Any]:
        """Train `members` through `generation`.

        Args:
            generation: from 1.
            members: their numbers in the population.
            hyperparameters: name -> `[len(members)]` values that differ from the model's.
            parents: states (see `split_members`) from which they start; None: untrained.
            streams: states of their own random streams; none where untrained.
            finish_after: the generation after which learning rates fall; None: not yet, or not known yet.

        Returns:
            members: a state each; rows: see `_measure`; seconds: spent in training steps.
        """
        module, loader = self._module(members, hyperparameters, finish_after)
        names = {name for name, _ in module.model.named_parameters()}
        if parents is not None:
            module.resume(join_members(parents, streams, names))
        module.last_epoch = self.settings.epochs_after(generation)
        module.validate_last, module.metric = self.settings.validate_last_epochs, self.settings.metric
        steps = module.last_epoch * len(module.batches) - module.step
        fit(module, loader, steps, self.accelerator, bar=False)
        assert module.end_state is not None  # kept after the last epoch
        return {
            "members": split_members(module.end_state, len(members), names),
            "rows": [self._measure(module.history, place, member) for place, member in enumerate(members)],
            "seconds": module.seconds,
        }

    def untrained(self) -> LFADSTraining:
        """A module of one member, to put a member's weights in."""
        return self._module(range(1), {})[0]

    def _module(
        self, members: Sequence[int], hyperparameters: Mapping[str, np.ndarray], finish_after: int | None = None
    ) -> tuple[GenerationTraining, DataLoader]:
        trained, loader = self.family.training(self.options, self.seed, members, GenerationTraining)
        module = cast(GenerationTraining, trained)
        module.options = self._options(finish_after, len(module.batches))
        uniform = Hyperparameters.uniform(self.family.hyperparameters, len(members))
        chosen = {name: torch.tensor(values, dtype=torch.float32) for name, values in hyperparameters.items()}
        module.hyperparameters = replace(uniform, **chosen)
        return module, loader

    def _options(self, finish_after: int | None, epoch_steps: int) -> OptimizationOptions:
        """Options with the learning rate's schedule: over the whole of a random search; in population-based training
        held until the finish, whose start depends on the scores, and then falling to its end."""
        settings, schedule = self.settings, self.options.learning_rate
        last = settings.generations
        if settings.kind == "pbt":
            held = last if finish_after is None else finish_after
            last = held + settings.finish_generations
            schedule = schedule.changed(hold_fraction=settings.epochs_after(held) / settings.epochs_after(last))
        return self.options.changed(steps=settings.epochs_after(last) * epoch_steps, learning_rate=schedule)

    def _measure(self, history: list[dict], place: int, member: int) -> dict[str, Any]:
        """A member's last validation, with `score` (moving average of the metric over this generation's; NaN where it
        diverged) and `diverged`: a loss, gradient or metric was not finite."""
        metric, weight = self.settings.metric, self.settings.smoothing
        own = [row for row in history if row["member"] == place]
        score = own[0][metric]
        for row in own[1:]:
            score = (1 - weight) * score + weight * row[metric]
        diverged = not all(math.isfinite(row[name]) for row in own for name in (metric, *MUST_BE_FINITE))
        return {**own[-1], "member": member, "score": math.nan if diverged else score, "diverged": diverged}

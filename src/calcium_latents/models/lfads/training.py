"""Training of the LFADS family: a population of models, one optimiser step at a time."""

import copy
import time
from collections.abc import Collection
from dataclasses import fields
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.metrics import METRICS, REDUCED_RANK
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.objective import Hyperparameters, step_objective
from calcium_latents.models.lfads.parameters import ObjectiveOptions, OptimizationOptions
from calcium_latents.models.lfads.reduced_rank_metric import reduced_rank_nll
from calcium_latents.models.lfads.trials import EpochBatches
from calcium_latents.models.lfads.validation import validation_metrics
from calcium_latents.training.module import TrainingModule
from calcium_latents.training.optimizer import PopulationAdam, WeightAverage
from calcium_latents.training.reporting import report_validation
from calcium_latents.training.schedules import Plateau
from calcium_latents.training.streams import Streams


class LFADSTraining(TrainingModule):
    """Trains a population of LFADS models and keeps its history.

    Args:
        model: the population.
        hyperparameters: one value a member.
        store: trials on which batches index.
        validation_trials: indices of the validation trials.
        options: see `OptimizationOptions`.
        objective: see `ObjectiveOptions`.
        batches: batch sampler of the training trials; an epoch is its length.
        streams: random streams of training, one a member.
        seed: of validation folds.

    After fitting, `evaluated` is the model to use, `history` the metrics (a row per validation and member), `timing`
    the seconds spent in training steps until each validation and snapshot, and `snapshots` the weights over training.
    `on_checkpoint` is called with `training_state()` every now and then; `resume` continues from such a state to the
    same weights.
    """

    def __init__(
        self,
        model: LFADS,
        hyperparameters: Hyperparameters,
        store: TrialStore,
        validation_trials: Tensor,
        options: OptimizationOptions,
        objective: ObjectiveOptions,
        batches: EpochBatches,
        streams: Streams,
        seed: int,
    ):
        super().__init__()
        self.model, self.store, self.options, self.objective = model, store, options, objective
        self.batches, self.streams, self.seed = batches, streams, seed
        self.step = 0
        self._shortened: int | None = None
        self.hyperparameters = hyperparameters
        self.validation_trials = validation_trials
        self.evaluated = model
        self.average = None
        if options.weight_average:
            self.evaluated = copy.deepcopy(model).requires_grad_(False)
            self.average = WeightAverage(self.evaluated, model, options.weight_average)
        self.history: list[dict] = []
        self.timing: list[dict] = []
        self.snapshots: list[dict] = []
        self.seconds = 0.0
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._best: tuple[float, dict[str, Tensor]] | None = None
        self._resumed: dict[str, Any] | None = None

    def configure_optimizers(self) -> PopulationAdam:
        """Adam with the members' learning rates; the gradient is that of the scaled loss, as in the original."""
        options = self.options
        optimizer = PopulationAdam(
            self.model.parameters(),
            self.hyperparameters.learning_rate,
            tuple(options.adam_betas),
            options.adam_epsilon,
            options.gradient_clip,
        )
        if self._resumed is not None:
            optimizer.load_state_dict(self._resumed["optimizer"])
        return optimizer

    def on_fit_start(self) -> None:
        """Move what is not a parameter to the device, and record the state before the first step."""
        hyper = self.hyperparameters
        self.hyperparameters = Hyperparameters(
            **{f.name: getattr(hyper, f.name).to(self.device) for f in fields(hyper)}
        )
        self.store.to(self.device)
        self.streams = self.streams.to(self.device)
        if self._resumed is not None:
            self.streams.set_state(self._resumed["streams"])
            self._sums = {name: total.to(self.device) for name, total in self._sums.items()}
        if self.step == 0:
            self._snapshot()

    def training_step(self, trials: Tensor, _: int) -> None:
        """One optimiser step of every member on a batch of trials `[B]`."""
        start = time.perf_counter()
        options, step, optimizer = self.options, self.step, self.optimizer
        rate = self.hyperparameters.learning_rate * options.learning_rate.factor(step, self.length)
        optimizer.set_learning_rate(rate)
        ramp = options.ramp.value(self.epoch, step)
        batch = self.store.batch(trials)
        terms = step_objective(self.model, batch, self.hyperparameters, ramp, self.objective, self.streams)
        optimizer.zero_grad()
        (terms["total"].sum() * options.loss_scale).backward()
        terms["gradient_norm"] = optimizer.step()
        if self.average is not None:
            self.average.update()
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.detach()
        self._count += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - start
        self.step += 1
        self.after_step()

    def after_step(self) -> None:
        """Validate, keep a snapshot, and say that there is a state to go on from: each as often as the options say."""
        options = self.options
        last = self.step == self.length
        if self.step % options.validate_every == 0 or last:
            self.validate()
            metric = METRICS[0] if options.select == "last" else options.select
            if options.plateau is not None and self._shortened is None:
                self._look_for_plateau(options.plateau)
            report_validation(self.step, self.length, self.history, self.seconds, metric)
        if self.step % options.snapshot_every == 0 or last:
            self._snapshot()
        if last and self._best is not None:
            self.evaluated.load_state_dict(self._best[1])
        if self.on_checkpoint is not None and (self.step % options.checkpoint_every == 0 or last):
            self.on_checkpoint(self.training_state())
        if last and self.length < options.steps:
            self.should_stop = True

    def _look_for_plateau(self, plateau: Plateau) -> None:
        """Let the learning rate fall from here on, where the selected metric falls no longer."""
        rows = pd.DataFrame(self.history).groupby("step")[self.options.select].mean()
        if plateau.reached(rows.index.to_list(), rows.to_list()):
            held = self.options.learning_rate.hold_fraction
            self._shortened = min(self.options.steps, max(self.step + 1, round(self.step / held)))

    @property
    def length(self) -> int:
        """Steps of the whole training, as far as is known by now."""
        return self.options.steps if self._shortened is None else self._shortened

    @property
    def has_ended(self) -> bool:
        """Whether no step is left to take."""
        return self.step >= self.length

    @property
    def epoch(self) -> int:
        """Epochs finished, from 0."""
        return self.step // len(self.batches)

    def training_state(self) -> dict[str, Any]:
        """Everything from which `resume` continues to the same bytes."""
        return {
            "step": self.step,
            "shortened": self._shortened,
            "model": self.model.state_dict(),
            "evaluated": self.evaluated.state_dict(),
            "averaged_steps": self.average.steps if self.average else 0,
            "optimizer": self.optimizer.state_dict(),
            "streams": self.streams.state(),
            "history": self.history,
            "timing": self.timing,
            "snapshots": self.snapshots,
            "seconds": self.seconds,
            "sums": (self._sums, self._count),
            "best": self._best,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from `training_state()` of an interrupted run with the same configuration."""
        self.step = self.batches.step = state["step"]
        self._shortened = state.get("shortened")
        self.model.load_state_dict(state["model"])
        self.evaluated.load_state_dict(state["evaluated"])
        if self.average is not None:
            self.average.steps = state["averaged_steps"]
        self._resumed = state  # optimizer and streams follow once the device is known
        self.history, self.timing, self.snapshots = state["history"], state["timing"], state["snapshots"]
        self.seconds, (self._sums, self._count), self._best = state["seconds"], state["sums"], state["best"]

    @torch.no_grad()
    def validate(self, wanted: Collection[str] = METRICS) -> None:
        """Append a row a member to the history: metrics, and the means of the training terms since the last row."""
        self.evaluated.eval()
        batch = self.store.batch(self.validation_trials)
        metrics = validation_metrics(self.evaluated, batch, self.seed, self.streams, wanted)
        if REDUCED_RANK in wanted:
            training = torch.as_tensor(self.batches.trials)
            metrics[REDUCED_RANK] = reduced_rank_nll(
                self.evaluated, self.store, training, self.validation_trials, self.seed
            )
        self.evaluated.train()
        averages = {f"training_{name}": total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        for member in range(self.model.population):
            values = {name: float(value[member]) for name, value in {**averages, **metrics}.items()}
            self.history.append({"step": self.step, "epoch": self.epoch, "member": member, **values})
        self._note_time()
        if self.options.select != "last":
            value = float(metrics[self.options.select].mean())
            if self._best is None or value < self._best[0]:
                self._best = value, self._state()

    def _state(self) -> dict[str, Tensor]:
        return {name: value.detach().cpu().clone() for name, value in self.evaluated.state_dict().items()}

    def _snapshot(self) -> None:
        fresh = self.history and self.history[-1]["step"] == self.step
        metrics = {name: value for name, value in self.history[-1].items() if name.endswith("_nll")} if fresh else {}
        self.snapshots.append({"step": self.step, "state": self._state(), "metrics": metrics})
        self._note_time()

    def _note_time(self) -> None:
        """Apart from everything else that is kept: seconds differ from run to run."""
        if not self.timing or self.timing[-1]["step"] != self.step:
            self.timing.append({"step": self.step, "training_seconds": self.seconds})

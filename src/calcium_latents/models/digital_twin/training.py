"""Training of the digital twin: Poisson loss and penalties, Adam, the best weights by validation kept."""

import copy
import time
from typing import Any

import torch
from torch import Tensor

from calcium_latents.errors import UserError
from calcium_latents.models.digital_twin.image_pairs import ImagePairs
from calcium_latents.models.digital_twin.normalisation import SharedNormalisation
from calcium_latents.models.digital_twin.orthogonal_momentum import OrthogonalMomentum
from calcium_latents.models.digital_twin.parameters import DigitalTwinOptions
from calcium_latents.models.digital_twin.penalties import penalty
from calcium_latents.models.digital_twin.precision import compute_dtype
from calcium_latents.models.digital_twin.twin import DigitalTwin, poisson_loss
from calcium_latents.models.lfads.trials import EpochBatches
from calcium_latents.recordings.fields import TRAINING, VALIDATION
from calcium_latents.training.module import TrainingModule
from calcium_latents.training.reporting import report_validation

CALIBRATION_IMAGES = 1024  # over which the statistics of normalisation are taken after training


class DigitalTwinTraining(TrainingModule):
    """Trains a digital twin.

    Args:
        twin: the model.
        pairs: images and responses.
        options: see `DigitalTwinOptions`.
        batches: batch sampler of the training images.

    After fitting, `twin` holds the best weights by validation loss; `history` has a row per validation, `timing` the
    seconds of training.
    """

    def __init__(self, twin: DigitalTwin, pairs: ImagePairs, options: DigitalTwinOptions, batches: EpochBatches):
        super().__init__()
        self.twin, self.options, self.batches = twin, options, batches
        self.parts = pairs.part
        self.images, self.response = pairs.images, pairs.response
        self.step, self.seconds, self.stage, self.waited = 0, 0.0, 0, 0
        self.history: list[dict] = []
        self.timing: list[dict] = []
        self.best_loss = float("inf")
        self.best: dict[str, Tensor] = {}
        self._resumed: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether all steps, or all stages of the learning rate, are done."""
        return self.step >= self.options.steps or self.stage >= self.options.stages

    def configure_optimizers(self) -> OrthogonalMomentum:
        """Two groups: the filters, and all other parameters."""
        filters = [layer.coefficients for layer in self.twin.core.layers]
        known = {id(parameter) for parameter in filters}
        others = [parameter for parameter in self.twin.parameters() if id(parameter) not in known]
        groups = [{"params": filters, "orthogonal": self.options.optimiser == "orthogonal"}, {"params": others}]
        optimizer = OrthogonalMomentum(groups, self.options.learning_rate, tuple(self.options.adam_betas))
        if self._resumed is not None:
            optimizer.load_state_dict(self._resumed["optimizer"])
        return optimizer

    def on_fit_start(self) -> None:
        """Move images and responses to the device."""
        self.images, self.response = self.images.to(self.device), self.response.to(self.device)
        self.best = {name: value.to(self.device) for name, value in self.best.items()}
        self.dtype_of_steps = compute_dtype(self.options.precision, self.device)
        if not self.best:
            self._validate()

    def training_step(self, rows: Tensor, _: int) -> None:
        """One optimiser step on the images `rows` [b]."""
        start = time.perf_counter()
        options, optimizer = self.options, self.optimizer
        rate = options.learning_rate * options.schedule.factor(self.step, options.steps) * 0.1**self.stage
        for group, factor in zip(optimizer.param_groups, (1.0, options.readout_factor), strict=True):
            group["lr"] = rate * factor
        self.twin.train()
        self.twin.compute_dtype = self.dtype_of_steps
        loss = poisson_loss(self.twin(self.images[rows]), self.response[rows]) + penalty(self.twin, options.penalties)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if options.gradient_clip < float("inf"):
            torch.nn.utils.clip_grad_norm_(self.twin.parameters(), options.gradient_clip)
        optimizer.step()
        if options.masks == "nonnegative":
            with torch.no_grad():
                self.twin.masks.clamp_(min=0)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - start
        self.step += 1
        if self.step % options.validate_every == 0 or self.step == options.steps:
            self._validate()
        going_on = self.stage < options.stages  # else the state would be gone on from beyond the end
        if going_on and self.on_checkpoint is not None and self.step % options.checkpoint_every == 0:
            self.on_checkpoint(self.training_state())
        self.should_stop = self.has_ended
        if self.has_ended:
            self.twin.load_state_dict(self.best)

    @torch.no_grad()
    def calibrate(self) -> None:
        """Take normalisation's statistics over training images by the final weights, in full precision."""
        recalibrate(self.twin, self.images[self.calibration_rows()])

    def calibration_rows(self) -> Tensor:
        """Indices [n] of the training images over which statistics of the trained model are taken."""
        return torch.nonzero(self.parts == TRAINING).flatten()[:CALIBRATION_IMAGES].to(self.images.device)

    @torch.no_grad()
    def rates(self, images: Tensor, block: int = 256) -> Tensor:
        """Rates [n, N] in units of the responses' scale, in evaluation mode."""
        self.twin.eval()
        return torch.cat([self.twin(part) for part in images.split(block)])

    def training_state(self) -> dict[str, Any]:
        """Everything from which `resume` continues to the same bytes."""
        names = ("step", "stage", "waited", "best", "best_loss", "history", "timing", "seconds")
        state = {name: copy.deepcopy(getattr(self, name)) for name in names}
        return state | {"twin": self.twin.state_dict(), "optimizer": self.optimizer.state_dict()}

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from `training_state()` of an interrupted run with the same configuration."""
        for name in ("step", "stage", "waited", "best", "best_loss", "history", "timing", "seconds"):
            setattr(self, name, state[name])
        self.batches.step = self.step
        self.twin.load_state_dict(state["twin"])
        self._resumed = state

    @torch.no_grad()
    def _validate(self) -> None:
        rows = torch.nonzero(self.parts == VALIDATION).flatten().to(self.images.device)
        self.twin.compute_dtype = self.dtype_of_steps
        rate = self.rates(self.images[rows])
        response = self.response[rows]
        loss = float(poisson_loss(rate, response)) / self.twin.neurons
        correlation = float(torch.nanmean(column_correlation(rate, response)))
        if loss < self.best_loss:
            self.best_loss, self.waited = loss, 0
            self.best = {name: value.clone() for name, value in self.twin.state_dict().items()}
        else:
            self.waited += 1
        self.history.append({"step": self.step, "validation_loss": loss, "validation_correlation": correlation})
        self.timing.append({"step": self.step, "training_seconds": self.seconds})
        report_validation(self.step, self.options.steps, self.history, self.seconds, "validation_loss")
        if not self.best:
            raise UserError(
                f"training: the validation loss is {loss} at step {self.step}. Lower training.learning_rate."
            )
        if self.options.patience is not None and self.waited >= self.options.patience:
            self.stage, self.waited = self.stage + 1, 0
            self.twin.load_state_dict(self.best)


def recalibrate(twin: DigitalTwin, images: Tensor, block: int = 64) -> None:
    """Set normalisation's running statistics to the mean over `images` [n, y, x] of those of blocks, in float32."""
    layers = [layer for layer in twin.core.modules() if isinstance(layer, SharedNormalisation)]
    momentum = [layer.momentum for layer in layers]
    twin.train()
    twin.compute_dtype = torch.float32
    with torch.no_grad():
        for number, part in enumerate(images.split(block)):
            for layer in layers:
                layer.momentum = 1 / (number + 1)
            twin.core(part)
    for layer, value in zip(layers, momentum, strict=True):
        layer.momentum = value
    twin.eval()


def column_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation [N] of the columns of [n, N], over entries that are not NaN in `b`; NaN where one is flat."""
    seen = ~b.isnan()
    count = seen.sum(0)
    a, b = a * seen, b.nan_to_num() * seen
    a, b = (a - a.sum(0) / count) * seen, (b - b.sum(0) / count) * seen
    return (a * b).sum(0) / (a.square().sum(0) * b.square().sum(0)).sqrt()

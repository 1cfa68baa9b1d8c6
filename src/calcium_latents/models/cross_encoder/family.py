"""The cross-encoder for the training command: all latent sizes and restarts as one population."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch.utils.data import DataLoader

from calcium_latents.errors import UserError
from calcium_latents.models.cross_encoder.activity_noise import ActivityNoise
from calcium_latents.models.cross_encoder.linear_pairs import best_linear, fit_linear
from calcium_latents.models.cross_encoder.network import CrossEncoder, CrossEncoderSizes, start_from_linear
from calcium_latents.models.cross_encoder.pairs import TEST, TRAINING, VALIDATION, PairOptions, make_pairs
from calcium_latents.models.cross_encoder.results import ceiling, final_rows, reported_row, to_inferred
from calcium_latents.models.cross_encoder.training import (
    Block,
    CrossEncoderOptions,
    CrossEncoderTraining,
    PairTensors,
)
from calcium_latents.models.lfads.trials import EpochBatches
from calcium_latents.seeds import integer
from calcium_latents.training.family import FitResult, configured
from calcium_latents.training.loaders import load_numbers
from calcium_latents.training.schedules import LearningRateSchedule
from calcium_latents.training.streams import Streams

INITIALISATIONS = ("linear", "kaiming")


@dataclass
class CrossEncoderFamily:
    """A cross-encoder as the config describes it; see `training.family.ModelFamily`.

    Attributes:
        name: of the model in results.
        latent_sizes: numbers of latents, each fitted `search.population` times.
        hidden: units of the encoder's hidden layers; none: a linear encoder.
        projection: width of a linear layer before the hidden ones, with a way past them; 0: none (published).
        gain: the readout has a factor for each neuron: r0 + g [u . z + c]_+^p; without (published) a small p cannot
            scale responses.
        initialisation: "kaiming" (published) or "linear": every member starts as the best linear model of rank
            `projection` (without one, of the largest latent size), cut to its own size.
        lifts: drives start so many of their standard deviations above zero, one a restart, in turn; see
            `models.cross_encoder.network.start_from_linear`. With "kaiming": the first thresholds c themselves.
        penalties: ridge penalties of the linear models, of which validation chooses.
        linear_sizes: ranks of the linear models among which the best is distilled.
        reported_latent_size: of the fit whose latents are written; null: the smallest size with 95 % of the best
            validation R2.
    """

    name: str
    latent_sizes: list[int]
    hidden: list[int]
    projection: int
    gain: bool
    initialisation: str
    lifts: list[float]
    penalties: list[float]
    linear_sizes: list[int]
    reported_latent_size: int | None = None
    _pairs: Any = field(default=None, init=False, repr=False)

    def __post_init__(self):
        if self.initialisation not in INITIALISATIONS:
            found = self.initialisation
            raise UserError(f"model.initialisation: expected one of {INITIALISATIONS}, found {found!r}.")
        if not self.latent_sizes or min(self.latent_sizes) < 1:
            raise UserError(f"model.latent_sizes: expected numbers of 1 or more, found {self.latent_sizes}.")
        if self.reported_latent_size not in (None, *self.latent_sizes):
            found = self.reported_latent_size
            raise UserError(f"model.reported_latent_size: expected one of {self.latent_sizes}, found {found}.")

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[CrossEncoderTraining, DataLoader, int]:
        """Return the module, its batches and the number of steps; see `ModelFamily.prepare`."""
        options = cross_encoder_options(training)
        pairs = self._pairs = make_pairs(recording, PairOptions(**data), seed, path)
        restarts = int(search["population"])
        members = [(size, restart) for size in self.latent_sizes for restart in range(restarts)]
        start = self.projection or max(self.latent_sizes)
        linear = fit_linear(pairs, sorted({start, *self.linear_sizes}), self.penalties)

        parts = (TRAINING, VALIDATION, TEST)
        inputs = [torch.as_tensor(pairs.inputs(part)) for part in parts]
        outputs = [torch.as_tensor(pairs.outputs(part)) for part in parts]
        distilled = best_linear(pairs, linear).predict(inputs[0].numpy()).astype(np.float32)
        tensors = PairTensors(inputs, outputs, torch.as_tensor(distilled))

        latent_sizes = tuple(size for size, _ in members)
        widths = inputs[0].shape[1], outputs[0].shape[1]
        sizes = CrossEncoderSizes(*widths, latent_sizes, tuple(self.hidden), self.gain, self.projection)
        streams = Streams([integer(seed, "initial weights", size, restart) for size, restart in members])
        model = CrossEncoder(sizes, streams)
        lift = torch.tensor([self.lifts[restart % len(self.lifts)] for _, restart in members])
        with torch.no_grad():
            model.baseline[:] = outputs[0].mean(0)
        if self.initialisation == "linear":
            start_from_linear(model, linear[start][1], inputs[0].numpy(), lift)
        else:
            with torch.no_grad():
                model.threshold[:] = lift.view(-1, 1, 1)
        rows = torch.arange(len(inputs[0]) * (options.noise.copies + 1))
        batches = EpochBatches(rows, options.batch_size, seed)
        module = CrossEncoderTraining(model, tensors, options, batches, integer(seed, "noise"))
        return module, load_numbers(len(rows), batches), options.steps

    @torch.no_grad()
    def result(self, module: CrossEncoderTraining, recording: xr.Dataset) -> FitResult:
        """Score every member, and let the reported one speak; see `ModelFamily.result`."""
        model, pairs = module.model.cpu(), self._pairs
        module.pairs = module.pairs.to(torch.device("cpu"))
        r2 = [module.r2(part) for part in (TRAINING, VALIDATION, TEST)]
        dead = model.dead_fraction(module.pairs.inputs[0])
        rows, restart = [], {}
        for member, size in enumerate(model.sizes.latent_sizes):
            restart[size] = restart.get(size, -1) + 1
            rows.append({"latent_size": size, "restart": restart[size]})
            names = ("training_r2", "validation_r2", "test_r2")
            rows[-1] |= {name: float(value[member]) for name, value in zip(names, r2, strict=True)}
            rows[-1] |= {"dead_fraction": float(dead[member]), "exponent": float(model.exponent[member])}
        table = final_rows(rows, ceiling(recording, pairs))
        chosen = reported_row(table, self.reported_latent_size)
        reported = model.member(chosen)
        everything = torch.as_tensor(pairs.source_windows(np.arange(len(pairs.activity))))
        latents = reported.encode(everything)
        prediction = torch.cat([reported.decode(block) for block in latents.split(2048, dim=1)], 1)[0]
        return FitResult(
            inferred=to_inferred(recording, pairs, prediction.numpy(), latents[0].numpy(), self.name),
            checkpoint={
                "family": configured(self),
                **pairs.described(recording["neuron"].values),
                "latent_size": reported.sizes.latents,
                "hidden": tuple(self.hidden),
                "gain": self.gain,
                "projection": self.projection,
                "state": reported.state_dict(),
                "population": model.state_dict(),
            },
            metrics=pd.concat([pd.DataFrame(module.history), table], ignore_index=True),
            timing=pd.DataFrame(module.timing),
        )


def cross_encoder_options(training: Mapping) -> CrossEncoderOptions:
    """Options from the Hydra group `training`."""
    parts: dict[str, Any] = {
        "blocks": tuple(Block(**block) for block in training["blocks"]),
        "schedule": LearningRateSchedule(**training["schedule"]),
        "noise": ActivityNoise(**training["noise"]),
    }
    return CrossEncoderOptions(**{**training, **parts})

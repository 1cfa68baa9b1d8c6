"""The cross-encoder for the training command: all latent sizes and restarts as one population."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch.utils.data import DataLoader

from calcium_latents.models.cross_encoder.linear_pairs import best_linear, fit_linear
from calcium_latents.models.cross_encoder.network import CrossEncoder, CrossEncoderSizes, start_from_linear
from calcium_latents.models.cross_encoder.pairs import TEST, TRAINING, VALIDATION, make_pairs
from calcium_latents.models.cross_encoder.parameters import CrossEncoderOptions, PairOptions
from calcium_latents.models.cross_encoder.results import ceiling, final_rows, reported_row, to_inferred
from calcium_latents.models.cross_encoder.training import CrossEncoderTraining, PairTensors
from calcium_latents.models.lfads.trials import EpochBatches
from calcium_latents.seeds import integer
from calcium_latents.training.family import FitResult, configured
from calcium_latents.training.loaders import load_numbers
from calcium_latents.training.streams import Streams


@dataclass
class CrossEncoderFamily:
    """A cross-encoder as the config describes it; see `training.family.ModelFamily`.

    Fields are those of `parameters.CrossEncoderModel`, which checks them.
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

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[CrossEncoderTraining, DataLoader, int]:
        """Return the module, its batches and the number of steps; see `ModelFamily.prepare`."""
        options = CrossEncoderOptions(**training)
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

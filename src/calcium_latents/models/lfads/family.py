"""LFADS, AutoLFADS and RADICaL for the training command."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch.utils.data import DataLoader

from calcium_latents.models.lfads.batches import TrialStore
from calcium_latents.models.lfads.diagnostics import training_warnings
from calcium_latents.models.lfads.inference import infer_rates, to_inferred
from calcium_latents.models.lfads.low_rank_start import LowRankStart, find_low_rank_start, start_from
from calcium_latents.models.lfads.model import LFADS
from calcium_latents.models.lfads.objective import Hyperparameters
from calcium_latents.models.lfads.observation import Moments, PoissonObservation, ZeroInflatedGammaObservation
from calcium_latents.models.lfads.parameters import (
    LFADSSizes,
    NetworkSizes,
    ObjectiveOptions,
    OptimizationOptions,
    StartOptions,
    TrialOptions,
)
from calcium_latents.models.lfads.training import LFADSTraining
from calcium_latents.models.lfads.trials import TRAINING, VALIDATION, EpochBatches, prepare_trials
from calcium_latents.seeds import generator, integer
from calcium_latents.training.family import FitResult, configured
from calcium_latents.training.loaders import load_numbers
from calcium_latents.training.streams import Streams

OBSERVATIONS = {"zero_inflated_gamma": ZeroInflatedGammaObservation, "poisson": PoissonObservation}


@dataclass
class LFADSFamily:
    """A member of the LFADS family as the config describes it; see `training.family.ModelFamily`.

    Fields are those of `parameters.LFADSModel`, which checks them.
    """

    name: str
    observation: str
    sizes: dict[str, Any]
    initialisation: dict[str, Any]
    objective: dict[str, Any]
    hyperparameters: dict[str, float]
    _trials: Any = field(default=None, init=False, repr=False)
    _store: Any = field(default=None, init=False, repr=False)
    _moments: Any = field(default=None, init=False, repr=False)
    _low_rank: Any = field(default=None, init=False, repr=False)

    def build(self, neurons: int, event_minimum: float, streams: Streams) -> LFADS:
        """A population of untrained models, their first weights drawn from `streams`."""
        observation = OBSERVATIONS[self.observation](neurons, len(streams), event_minimum)
        return LFADS(LFADSSizes(neurons=neurons, **self.sizes), observation, streams)

    def prepare(
        self, recording: xr.Dataset, path: str, data: Mapping, training: Mapping, search: Mapping, seed: int
    ) -> tuple[LFADSTraining, DataLoader, int]:
        """Return the module, its batches and the number of steps; see `ModelFamily.prepare`."""
        self.load(recording, path, data)
        options = OptimizationOptions(**training)
        module, loader = self.training(options, seed, range(int(search["population"])))
        return module, loader, options.steps

    def load(self, recording: xr.Dataset, path: str, data: Mapping) -> None:
        """Prepare a recording's trials, for `training`. Raises UserError when they do not fit the model."""
        options = TrialOptions(**data)
        self._trials = prepare_trials(recording, options, path)
        self._store = TrialStore(self._trials.events)
        training = self._trials.events[self._trials.indices(TRAINING)]
        self._moments = Moments(training)
        # each latent has a direction of its own among the factors
        most = min(StartOptions(**self.initialisation).most_latents, NetworkSizes(**self.sizes).factors)
        if most:
            width = float(np.diff(self._trials.time).mean())
            rng = generator(options.split_seed, "shifted neurons")
            self._low_rank = find_low_rank_start(training, width, self._trials.imaging_rate, most, rng)
            self.sizes = {**self.sizes, "inferred_inputs": self._low_rank.latents}

    def training(
        self,
        options: OptimizationOptions,
        seed: int,
        members: Sequence[int],
        module: type[LFADSTraining] = LFADSTraining,
    ) -> tuple[LFADSTraining, DataLoader]:
        """Return the module of some members of a population, and the batches, which are the same for all.

        Args:
            options: of training.
            seed: of the run.
            members: numbers of the members, from 0; a member's random numbers do not depend on who else is there.
            module: what trains them.
        """
        trials, store = self._trials, self._store
        train = trials.indices(TRAINING)
        model = self.build(store.neurons, trials.event_minimum, member_streams(seed, members, "initial weights"))
        start(model, StartOptions(**self.initialisation), self._moments, self._low_rank)
        batches = EpochBatches(train, options.batch_size, seed)
        trained = module(
            model,
            Hyperparameters.uniform(self.hyperparameters, model.population),
            store,
            trials.indices(VALIDATION),
            options,
            ObjectiveOptions(**self.objective),
            batches,
            member_streams(seed, members, "training"),
            seed,
        )
        return trained, load_numbers(store.trials, batches)

    def result(self, module: LFADSTraining, recording: xr.Dataset) -> FitResult:
        """Infer every trial and collect what the fit leaves; see `ModelFamily.result`."""
        device = module.store.value.device  # Lightning has taken the model, but not the trials, back to the CPU
        model = module.evaluated.to(device)
        streams = member_streams(module.seed, range(model.population), "posterior").to(device)
        rates = infer_rates(
            model,
            module.store,
            module.options.posterior_samples,
            streams,
            keep_distribution=module.options.keep_distribution,
            keep_spread=module.options.keep_spread,
        )
        level = module.length < module.options.steps
        warnings = training_warnings(module.history, module.options.select, level, rates)
        for warning in warnings:
            print(f"Warning: {self.name}: {warning}.", file=sys.stderr)
        return FitResult(
            inferred=to_inferred(rates, self._trials, recording, self.name, warnings),
            checkpoint={
                "family": configured(self),
                "neurons": module.store.neurons,
                "event_minimum": self._trials.event_minimum,
                "population": module.model.population,
                "state": model.cpu().state_dict(),
            },
            metrics=pd.DataFrame(module.history),
            timing=pd.DataFrame(module.timing),
            snapshots=module.snapshots,
        )


@torch.no_grad()
def start(model: LFADS, options: StartOptions, moments: Moments, low_rank: LowRankStart | None = None) -> None:
    """Set the model's starting point from the moments and principal components of the training trials' events."""
    if options.input_scale == "root_mean_square":
        model.input_scale.fill_(float(1 / moments.root_mean_square))
    if options.readout == "moments":
        model.readout_bias[:] = model.observation.biases_from_moments(moments)
    model.readout_weight.mul_(options.readout_gain)
    model.generator_gates.mul_(options.generator_gain)
    model.generator_candidate.mul_(options.generator_gain)
    if low_rank is not None:
        start_from(model, low_rank, options.latent_gain)


def member_streams(seed: int, members: Iterable[int], purpose: str) -> Streams:
    """Random streams of some members for one purpose; a member's does not depend on who else is there."""
    return Streams([integer(seed, purpose, member) for member in members])
